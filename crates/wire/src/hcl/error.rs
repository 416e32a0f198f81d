/// Why a text is not HCL or JSON, and where. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HclError {
    /// The text breaks HCL's grammar, or two values of one key cannot be combined (a block and a string, say).
    #[error("At {line}:{column}: {message}")]
    At {
        /// Line of the offending token.
        line: u32,
        /// Column of the offending token.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// A number that does not fit 64 bits or is malformed; Go words it without a position.
    #[error("{message}")]
    Number {
        /// Line of the number.
        line: u32,
        /// Column of the number.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// Labelled and unlabelled blocks under one key.
    #[error("At -: {path}: map must have string keys")]
    MixedLabels {
        /// The key's path, `root` first.
        path: String,
    },
    /// Strict JSON that Go's decoder refuses.
    #[error(transparent)]
    Json(#[from] crate::json::JsonError),
}
