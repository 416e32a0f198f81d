//! What can be wrong with a configuration, worded as the reference words it.

use std::fmt;

use crate::place::Place;

/// Why a configuration was refused. [`fmt::Display`] is exactly the reference's text; [`ConfigError::locations`] adds
/// where it happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A source could not be read, or the forced format is unknown.
    #[error("{message}")]
    Source {
        /// The reference's text.
        message: String,
    },
    /// A source is not well-formed HCL or JSON.
    #[error("failed to parse {}: {detail}", place.source)]
    Syntax {
        /// Where parsing stopped.
        place: Place,
        /// What the parser found.
        detail: String,
    },
    /// Values of the wrong type.
    #[error("failed to parse {source_name}: {} error(s) decoding:\n\n{}", problems.len(), sorted_bullets(problems))]
    Types {
        /// Name of the source.
        source_name: String,
        /// Every wrong value.
        problems: Vec<Problem>,
    },
    /// Keys the table does not know.
    #[error("failed to parse {source_name}: {}", occurred(problems))]
    UnknownKeys {
        /// Name of the source.
        source_name: String,
        /// Every unknown key.
        problems: Vec<Problem>,
    },
    /// A rule that ends validation at once.
    #[error("{message}")]
    Invalid {
        /// The reference's text.
        message: String,
        /// Where the offending settings stand; empty when a default is at fault.
        places: Vec<Place>,
    },
    /// Faults gathered over the whole configuration.
    #[error("{}", occurred(problems))]
    Collected {
        /// Every fault, in the reference's order.
        problems: Vec<Problem>,
    },
    /// The node's identity could not be read, made or kept.
    #[error("failed to setup node ID: {detail}")]
    NodeId {
        /// What went wrong.
        detail: String,
    },
}

/// One of several faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reference's text.
    pub message: String,
    /// Where it stands.
    pub place: Option<Place>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ConfigError {
    /// Where the faults stand, in the order of the text; never part of the text, which is kept compatible.
    pub fn locations(&self) -> Vec<Place> {
        match self {
            ConfigError::Source { .. } | ConfigError::NodeId { .. } => Vec::new(),
            ConfigError::Syntax { place, .. } => vec![place.clone()],
            ConfigError::Types { problems, .. }
            | ConfigError::UnknownKeys { problems, .. }
            | ConfigError::Collected { problems } => {
                problems.iter().filter_map(|problem| problem.place.clone()).collect()
            }
            ConfigError::Invalid { places, .. } => places.clone(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> ConfigError {
        ConfigError::Invalid { message: message.into(), places: Vec::new() }
    }

    pub(crate) fn source(message: impl Into<String>) -> ConfigError {
        ConfigError::Source { message: message.into() }
    }
}

/// The list layout of the reference's multi-errors.
pub(crate) fn occurred<T: fmt::Display>(problems: &[T]) -> String {
    let mut out = match problems.len() {
        1 => String::from("1 error occurred:\n"),
        count => format!("{count} errors occurred:\n"),
    };
    for problem in problems {
        out.push_str(&format!("\t* {problem}\n"));
    }
    out.push('\n');
    out
}

fn sorted_bullets(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().map(|problem| format!("* {problem}")).collect();
    lines.sort();
    lines.join("\n")
}

/// An I/O error with Go's `<call> <path>: <cause>` text.
pub(crate) fn go_io_error(call: &str, path: &str, error: &std::io::Error) -> String {
    format!("{call} {path}: {}", go_io_cause(error))
}

/// The cause of an I/O error in Go's lower-cased words.
pub(crate) fn go_io_cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    let cause = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = cause.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => text,
    }
}
