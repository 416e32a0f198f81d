//! How a command ends when it does not succeed.

use crate::flag::FlagError;

/// Why a command failed, which decides what is printed and the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Printed on standard error; exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Printed on standard error, followed by a blank line and the command's help; exit code 1.
    #[error("{0}")]
    Misused(String),
    /// Everything has been printed; this is the exit code.
    #[error("exit code {0}")]
    Exit(i32),
    /// The flags could not be read; the flag listing follows.
    #[error(transparent)]
    Flags(#[from] FlagError),
}

impl Error {
    /// A failure with this text.
    pub fn failed(text: impl Into<String>) -> Error {
        Error::Failed(text.into())
    }

    /// A wrong use of the command, answered with its help.
    pub fn misused(text: impl Into<String>) -> Error {
        Error::Misused(text.into())
    }
}

/// What a command's handler answers.
pub type Outcome = Result<(), Error>;
