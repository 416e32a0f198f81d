//! Certificates of the service mesh: keys, roots, and what can be read from a certificate
//! (`docs/spec/connect.md` §1.1-§1.3).
//!
//! The crate is pure: serial numbers, times and the random part of names are arguments. Only new keys draw on the
//! system's random numbers.

#![forbid(unsafe_code)]

mod certificate;
mod der;
mod error;
mod fingerprint;
mod identity;
mod key;
mod root;

pub use certificate::Certificate;
pub use error::PkiError;
pub use fingerprint::{sha1_hex, sha256_hex};
pub use identity::{is_cluster_id, signing_uri, trust_domain};
pub use key::{KeyKind, PrivateKey};
pub use root::RootRequest;
