use std::fmt::Display;

use serde::de::{Expected, Unexpected};

use crate::quote::{go_quote, go_quote_char};

/// Why a body could not be decoded, or a value not encoded; worded as Go's `encoding/json` does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Nothing but blanks.
    #[error("EOF")]
    Eof,
    /// The input ends inside a value.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// The input ends inside a value that had to fill it (configuration files).
    #[error("unexpected end of JSON input")]
    UnexpectedEnd,
    /// A character that cannot stand where it does, or one that would nest deeper than
    /// [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("invalid character {} {context}", go_quote_char(*.character))]
    Syntax {
        /// The offending byte, read as Latin-1 as Go does.
        character: char,
        /// Where it stands, such as `looking for beginning of value`.
        context: &'static str,
        /// Its byte offset.
        offset: usize,
    },
    /// A key no field of the target struct has, as sent.
    #[error("json: unknown field {}", go_quote(.0))]
    UnknownField(String),
    /// A value of the wrong type or range.
    #[error("json: cannot unmarshal {value} into Go {} of type {target}", place(.struct_name, .path))]
    Type {
        /// What was sent: `string`, `number 1.5`, `object`, …
        value: String,
        /// The type wanted.
        target: String,
        /// The innermost struct around the value, empty outside of any.
        struct_name: String,
        /// The fields that lead to the value, joined by dots.
        path: String,
    },
    /// The target type refused the value, or a value could not be encoded.
    #[error("{0}")]
    Message(String),
}

fn place(struct_name: &str, path: &str) -> String {
    if path.is_empty() { "value".to_owned() } else { format!("struct field {struct_name}.{path}") }
}

impl JsonError {
    pub(crate) fn wrong_type(value: impl Into<String>, target: impl Into<String>) -> Self {
        Self::Type { value: value.into(), target: target.into(), struct_name: String::new(), path: String::new() }
    }

    /// Adds the struct field the error occurred in; called from the innermost struct outwards.
    pub(super) fn in_field(mut self, name: &str, field: &str) -> Self {
        if let Self::Type { struct_name, path, .. } = &mut self {
            if path.is_empty() {
                name.clone_into(struct_name);
                field.clone_into(path);
            } else {
                *path = format!("{field}.{path}");
            }
        }
        self
    }
}

impl serde::de::Error for JsonError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let value = match unexpected {
            Unexpected::Bool(_) => "bool".to_owned(),
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "number".to_owned(),
            Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "string".to_owned(),
            Unexpected::Unit | Unexpected::Option => "null".to_owned(),
            Unexpected::Seq => "array".to_owned(),
            Unexpected::Map => "object".to_owned(),
            other => other.to_string(),
        };
        Self::wrong_type(value, expected.to_string())
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self::UnknownField(field.to_owned())
    }
}

impl serde::ser::Error for JsonError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}
