//! Encodings the reference speaks: Go-compatible msgpack, durations, times, JSON decoding rules, HCL 1.
//!
//! Nothing here knows the domain. Every decoder takes input from strangers: it may fail, it never panics, and it
//! never allocates more than a small multiple of what it was given.

#![forbid(unsafe_code)]

pub mod duration;
pub mod hcl;
pub mod json;
pub mod msgpack;
pub mod quote;
pub mod time;

pub use duration::GoDuration;
pub use time::GoTime;
