//! JSON as the reference prints it (docs/spec/cli.md §1.7).

use serde::Serialize;

/// The indent of `watch` and of most commands that print an API object.
pub(crate) const FOUR_SPACES: &str = "    ";
/// The indent of `version`.
pub(crate) const THREE_SPACES: &str = "   ";
/// The indent of `kv export`.
pub(crate) const TAB: &str = "\t";

/// `value` over several lines, without a newline at its end.
pub(crate) fn pretty<T: Serialize>(value: &T, indent: &str) -> Result<String, wire::json::JsonError> {
    let bytes = wire::json::to_vec_pretty(value, indent)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_string())
}

/// `value` on one line, without a newline at its end.
pub(crate) fn compact<T: Serialize>(value: &T) -> Result<String, wire::json::JsonError> {
    let bytes = wire::json::to_vec(value)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_string())
}
