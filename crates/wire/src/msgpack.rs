//! The reference's msgpack dialect as a serde format (`docs/spec/rpc-and-state.md §2.2-§2.4`).
//!
//! Encoding: strings and byte slices share the old raw family (fixstr, `da`, `db`), integers take their smallest form,
//! floats keep their width, structs are maps keyed by field name, `None` is nil, a unit variant is its name.
//!
//! Decoding is as forgiving as the reference: unknown keys are skipped, nil stands for the zero value of any type,
//! structs may come as positional arrays, floats accept integers, bools accept 0 and 1. Missing keys are left to the
//! target's `#[serde(default)]`. A field under `#[serde(flatten)]` passes through serde's own buffer, where nil stands
//! for the zero value only of `Option` fields.

pub mod bytes;
mod de;
mod error;
mod head;
mod reader;
mod scan;
mod ser;

pub use de::{Deserializer, MAX_DEPTH, from_slice, from_slice_prefix};
pub use error::Error;
pub use reader::{DEFAULT_MAX_VALUE_BYTES, Reader};
pub use scan::{Scan, Scanner};
pub use ser::{to_vec, to_writer};
