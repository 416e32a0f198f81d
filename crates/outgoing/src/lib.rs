//! What outgoing connections share: failures in the words of Go's runtime, TLS without verification, the system's
//! trusted roots.
//!
//! Nothing here opens a connection or writes a log line; those who connect do.

#![forbid(unsafe_code)]

pub mod cause;
pub mod tls;
