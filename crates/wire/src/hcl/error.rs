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
    /// A malformed number or one beyond 64 bits, or labelled blocks under a key that has something else: HCL words these
    /// without a position, which the fields know all the same.
    #[error("{message}")]
    Value {
        /// Line of the value or its key.
        line: u32,
        /// Column of the value or its key.
        column: u32,
        /// What is wrong.
        message: String,
    },
    /// Strict JSON that Go's decoder refuses.
    #[error(transparent)]
    Json(#[from] crate::json::JsonError),
}
