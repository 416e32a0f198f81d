//! JSON by Go's rules (`docs/spec/http-api.md §1.9, §1.10`): how the reference reads request bodies and writes answers.
//!
//! Decoding matches keys to struct fields without regard to case, takes `null` for absent, lets the last of several equal
//! keys win, ignores what follows the first value, and words its errors as Go does. Struct targets need
//! `#[serde(default)]` on fields that may be missing. Case folding and unknown-key detection work on structs serde
//! derives directly; a struct with `#[serde(flatten)]`, and content of untagged or internally tagged enums, arrives
//! through serde's buffer and is matched exactly.

pub mod base64_bytes;
mod de;
mod error;
pub mod ignore_unknown;
mod ser;
pub(crate) mod tree;

pub use de::{Unknown, from_slice};
pub use error::JsonError;
pub use ser::{INDENT_FOUR_SPACES, INDENT_TAB, INDENT_THREE_SPACES, to_vec, to_vec_pretty, to_writer};
pub use tree::MAX_DEPTH;
