use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::KeyringError;

/// Why a pool did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its TCP or UDP port cannot be had.
    #[error(
        "Failed to create memberlist: Could not set up network transport: failed to obtain an address: \
         Failed to start {} listener on \"{}\" port {}: listen {} {at}: bind: {}",
        .protocol.to_uppercase(), .at.ip(), .at.port(), .protocol, outgoing::cause::system_text(.cause)
    )]
    Listen {
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// Where it was to listen.
        at: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
    /// The keys cannot be used.
    #[error("Failed to configure keyring: {0}")]
    Keyring(#[from] KeysError),
    /// The snapshot file cannot be used.
    #[error(
        "Failed to setup snapshot: failed to open snapshot: open {}: {}", .path.display(), outgoing::cause::system_text(.cause)
    )]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// The settings contradict the protocol, as too many tags do.
    #[error("{0}")]
    Settings(String),
    /// The machine has no randomness to give.
    #[error("failed to read random bytes from the system")]
    Randomness,
}

/// Why keys cannot be used. It never shows one.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or made.
    #[error("{0}")]
    Io(io::Error),
    /// What it says is not a list of keys.
    #[error("{0}")]
    Text(String),
    /// It holds something that cannot be a key.
    #[error(transparent)]
    Ring(#[from] KeyringError),
}
