//! Snapshot archives: the gzip/tar container, its checksums, and statistics about what is inside.
//!
//! An archive holds three members: `meta.json`, a [`Meta`]; `state.bin`, the state machine's records; `SHA256SUMS`, the
//! hashes of the two (`docs/spec/rpc-and-state.md` §6.1-§6.3). [`write_archive`] makes one, [`read_archive`] verifies
//! one and takes the state out of it; both stream, so that memory does not grow with the archive. [`inspect`] counts the
//! records of a state, [`pretty`] and [`json`] print the counts as the command line shows them.

#![forbid(unsafe_code)]

mod error;
mod inspect;
mod kind;
mod meta;
mod read;
mod report;
mod sums;
mod tar;
mod write;

pub use error::{Error, Member};
pub use inspect::{Group, KvGrouping, Stats, inspect};
pub use kind::{kind_name, record_kinds};
pub use meta::{Configuration, MAX_META_VERSION, META_LIMIT_BYTES, Meta, Server, Suffrage};
pub use read::{STATE_LIMIT_BYTES, read_archive, read_archive_within};
pub use report::{json, pretty};
pub use write::write_archive;
