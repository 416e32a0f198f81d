//! Why a local registration was refused; the texts are the reference's where clients match on them.

use wire::quote::go_quote;

/// A local registration could not be carried out.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocalError {
    /// No service of this ID.
    #[error("Unknown service ID {}. Ensure that the service ID is passed, not the service name.", go_quote(.0))]
    UnknownService(String),
    /// No check of this ID.
    #[error("Unknown check ID {}. Ensure that the check ID is passed, not the check name.", go_quote(.0))]
    UnknownCheck(String),
    /// A check names a service this agent does not have.
    #[error("ServiceID {} does not exist", go_quote(.0))]
    NoSuchServiceForCheck(String),
    /// A result was sent in for a check that finds its results itself.
    #[error("CheckID {} does not have associated TTL", go_quote(.0))]
    NoTtl(String),
    /// Anything else, in whole words.
    #[error("{0}")]
    Refused(String),
    /// A capability that is still to come.
    #[error("{0}")]
    NotThereYet(String),
    /// Something could not be written to, or removed from, the data directory.
    #[error("failed to persist {what}: {error}")]
    Persist {
        /// What it was.
        what: String,
        /// What the file system said.
        error: String,
    },
}
