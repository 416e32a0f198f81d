//! Everything that can go wrong, in the words users of the reference's tools know.

/// The answer of every fallible call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. `Display` is the text a person should see, compatible with the reference's client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent answered with a status the call does not expect; `body` is its text, trimmed.
    #[error("Unexpected response code: {status} ({body})")]
    UnexpectedResponse {
        /// HTTP status code.
        status: u16,
        /// Response body without surrounding white space.
        body: String,
    },
    /// The request never got an answer: connecting, TLS, sending or receiving failed.
    #[error("{method} \"{url}\": {cause}")]
    Transport {
        /// `Get`, `Put`, `Post` or `Delete`.
        method: String,
        /// The whole URL asked for.
        url: String,
        /// Why, for instance `dial tcp 127.0.0.1:8500: connect: connection refused`.
        cause: String,
    },
    /// The answer arrived but is not the JSON the call expects.
    #[error("failed to decode the answer to {method} \"{url}\": {source}")]
    Decode {
        /// `Get`, `Put`, `Post` or `Delete`.
        method: String,
        /// The whole URL asked for.
        url: String,
        /// What the JSON decoder found.
        source: serde_json::Error,
    },
    /// The value given cannot be written as JSON (a map with non-string keys, for instance).
    #[error("failed to encode the request: {0}")]
    Encode(#[source] serde_json::Error),
    /// The address names a scheme other than `http`, `https` or `unix`.
    #[error("Unknown protocol scheme: {0}")]
    UnknownScheme(String),
    /// The token file could not be read.
    #[error("Error loading token file: {0}")]
    TokenFile(String),
    /// The CA file could not be read or holds no certificate.
    #[error("Error loading CA File: {0}")]
    CaFile(String),
    /// A file of the CA directory could not be read or holds no certificate.
    #[error("Error loading CA Path: {0}")]
    CaPath(String),
    /// A client certificate, key or CA directory is unusable.
    #[error("{0}")]
    TlsFile(String),
    /// Only one of client certificate and client key was given.
    #[error("both client cert and client key must be provided")]
    IncompleteClientCertificate,
    /// Keys never start with a slash.
    #[error("Invalid key. Key must not begin with a '/': {0}")]
    InvalidKey(String),
    /// An argument was refused before anything was sent.
    #[error("{0}")]
    InvalidArgument(String),
    /// The session no longer exists, or could not be renewed within its TTL.
    #[error("session expired")]
    SessionExpired,
    /// This [`Lock`](crate::Lock) already holds, or is acquiring, the lock.
    #[error("Lock already held")]
    LockHeld,
    /// The key exists and was not written by a lock.
    #[error("Existing key does not match lock use")]
    LockConflict,
    /// The lock cannot be destroyed while somebody holds it.
    #[error("Lock in use")]
    LockInUse,
    /// This [`Semaphore`](crate::Semaphore) already holds, or is acquiring, a slot.
    #[error("Semaphore already held")]
    SemaphoreHeld,
    /// The keys exist and were not written by a semaphore.
    #[error("Existing key does not match semaphore use")]
    SemaphoreConflict,
    /// The semaphore cannot be destroyed while somebody holds a slot.
    #[error("Semaphore in use")]
    SemaphoreInUse,
    /// Contenders disagree about the number of slots.
    #[error("semaphore limit conflict (lock: {lock}, local: {local})")]
    SemaphoreLimit {
        /// Limit written in the coordination key.
        lock: u64,
        /// Limit this contender was created with.
        local: u64,
    },
    /// A step of a longer recipe failed; `source` says why.
    #[error("{step}: {source}")]
    Step {
        /// The step, for instance `failed to create session`.
        step: &'static str,
        /// The error of that step.
        source: Box<Error>,
    },
}

impl Error {
    /// True for errors worth trying again unchanged: the network failed, or the servers answered 5xx (no leader, for
    /// instance). `docs/spec/server-operations.md §16`.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Transport { .. } => true,
            Error::UnexpectedResponse { status, .. } => *status >= 500,
            Error::Step { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// The HTTP status of an unexpected answer; `None` for errors without one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::UnexpectedResponse { status, .. } => Some(*status),
            Error::Step { source, .. } => source.status(),
            _ => None,
        }
    }

    pub(crate) fn step(step: &'static str) -> impl FnOnce(Error) -> Error {
        move |source| Error::Step { step, source: Box::new(source) }
    }
}
