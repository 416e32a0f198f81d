//! What can go wrong while the door is opened.

use std::io;
use std::path::PathBuf;

/// Why the HTTP API could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configured response header is not valid HTTP.
    #[error("http_config.response_headers: {0:?} is not a valid HTTP header")]
    ResponseHeader(String),
    /// A network is not of the form `ADDRESS/BITS`.
    #[error("invalid CIDR address: {0}")]
    Network(String),
    /// A listening socket could not be taken over.
    #[error("failed to listen: {0}")]
    Listen(io::Error),
    /// A Unix socket could not be made.
    #[error("listen unix {path}: {source}")]
    UnixSocket {
        /// Where the socket was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
