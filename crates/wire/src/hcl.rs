//! HCL 1, the language of agent configuration files, ACL rules and config entry files (`docs/spec/config.md §2.2`).
//!
//! [`parse`] reads HCL, or JSON when the first character that is not blank is `{`; [`parse_json`] reads strict JSON.
//! Both give the same tree. Three stages: `scan` cuts tokens, `parse` makes items of keys and values as written, `build`
//! applies HCL's rules for repeated and labelled keys.
//!
//! ```
//! let config = wire::hcl::parse("ports { http = 8500 }\nservice \"web\" {}")?;
//! let ports = config.get("ports").and_then(|ports| ports.as_object());
//! assert_eq!(ports.and_then(|ports| ports.get("http")).map(|port| &port.value), Some(&wire::hcl::Value::Int(8500)));
//! # Ok::<(), wire::hcl::HclError>(())
//! ```

mod build;
mod error;
mod json;
mod number;
mod parse;
mod scan;
mod unquote;
mod value;

pub use error::HclError;
pub use json::parse_json;
pub use value::{Object, Spanned, Value};

/// Deepest nesting of blocks and lists accepted.
pub const MAX_DEPTH: usize = 256;

/// Parses HCL 1. A text whose first character other than a blank is `{` is taken as JSON, with integers kept as
/// integers, trailing commas allowed and everything behind the closing brace ignored, as HCL does.
pub fn parse(text: &str) -> Result<Object, HclError> {
    if text.trim_start().starts_with('{') {
        return json::parse_lenient(text);
    }
    build::object(&parse::items(text)?)
}
