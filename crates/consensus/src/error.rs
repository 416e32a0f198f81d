//! What can go wrong, told by who has to act on it.

use std::io;
use std::path::PathBuf;

use crate::ServerId;

/// A server cannot start, bootstrap, take a snapshot or stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration contradicts itself.
    #[error("invalid raft configuration: {0}")]
    Config(String),
    /// Another process has the directory open.
    #[error("raft directory {} is in use by process {holder} (lock file {})", directory.display(), lock.display())]
    Locked {
        /// The Raft directory.
        directory: PathBuf,
        /// The lock file.
        lock: PathBuf,
        /// Process id written in the lock file, or `unknown`.
        holder: String,
    },
    /// The directory was written by a version with another disk layout.
    #[error("raft directory {} has disk layout {found}, this version reads layout {supported}", directory.display())]
    Layout {
        /// The Raft directory.
        directory: PathBuf,
        /// Layout written in the directory.
        found: String,
        /// Layout of this version.
        supported: u32,
    },
    /// Stored data contradicts its checksum or is missing although it was stored durably.
    #[error("raft log in {location} is damaged at index {index}: {reason}")]
    Corrupt {
        /// Directory or name of the store.
        location: String,
        /// First index that is damaged or missing.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored value that is not a log entry is damaged.
    #[error("raft store in {location} is damaged: {reason}")]
    CorruptMeta {
        /// Directory or name of the store.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// Snapshots exist, but none can be restored and followed by the log (`docs/spec/server-operations.md` §8.5).
    #[error("failed to load any existing snapshots")]
    NoUsableSnapshot,
    /// The store failed.
    #[error("{context}: {source}")]
    Storage {
        /// What was being done, with the path.
        context: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The engine refused or stopped.
    #[error("raft engine: {0}")]
    Engine(String),
    /// Bootstrap of a server that already has state.
    #[error("bootstrap only works on new clusters")]
    AlreadyBootstrapped,
    /// Bootstrap without this server among the servers.
    #[error("bootstrap configuration does not contain this server ({0})")]
    NotInConfiguration(ServerId),
    /// Bootstrap or recovery with servers that cannot be a Raft configuration.
    #[error("{0}")]
    Configuration(String),
    /// Recovery of a server that has nothing.
    #[error("refused to recover cluster with no initial state, this is probably an operator error")]
    NothingToRecover,
    /// A snapshot was asked for but nothing was applied since the last one.
    #[error("nothing new to snapshot")]
    NothingNewToSnapshot,
    /// The server has been stopped.
    #[error("raft is already shutdown")]
    Shutdown,
}

impl Error {
    pub(crate) fn storage(context: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let context = context.into();
        move |source| Error::Storage { context, source }
    }
}

/// A command was not acknowledged. Except for [`ProposeError::NotLeader`], [`ProposeError::Timeout`] and
/// [`ProposeError::TooLarge`] it may still be applied later: the caller must not assume that it is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// This server is not the leader; nothing was written.
    #[error("node is not the leader")]
    NotLeader {
        /// The leader's id and address, when known.
        leader: Option<(ServerId, String)>,
    },
    /// Another leader took over before the command was committed.
    #[error("leadership lost while committing log")]
    LeadershipLost,
    /// Too many commands are waiting; nothing was written.
    #[error("timed out enqueuing operation")]
    Timeout,
    /// The command exceeds [`crate::Consensus::MAX_COMMAND_BYTES`]; nothing was written.
    #[error("command of {0} bytes is larger than the limit of {1} bytes")]
    TooLarge(usize, usize),
    /// The store failed; this server takes no more commands until it is restarted.
    #[error("failed to commit logs: {0}")]
    Storage(String),
    /// The server has been stopped.
    #[error("raft is already shutdown")]
    Shutdown,
}

/// The Raft configuration was not changed, or, for [`ChangeError::LeadershipLost`], perhaps was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// This server is not the leader.
    #[error("node is not the leader")]
    NotLeader {
        /// The leader's id and address, when known.
        leader: Option<(ServerId, String)>,
    },
    /// Another change is not committed yet, or this server leads for too short a time: to be tried again.
    #[error("raft configuration change in progress")]
    InProgress,
    /// The change is not allowed.
    #[error("{0}")]
    Refused(String),
    /// Another leader took over before the change was committed.
    #[error("leadership lost while committing log")]
    LeadershipLost,
    /// The leadership went nowhere in time.
    #[error("leadership transfer timeout")]
    TransferTimeout,
    /// The store failed.
    #[error("failed to commit logs: {0}")]
    Storage(String),
    /// The server has been stopped.
    #[error("raft is already shutdown")]
    Shutdown,
}

/// A read cannot be made linearizable here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// This server is not the leader.
    #[error("node is not the leader")]
    NotLeader {
        /// The leader's id and address, when known.
        leader: Option<(ServerId, String)>,
    },
    /// A quorum did not confirm the leadership.
    #[error("leadership lost while committing log")]
    LeadershipLost,
    /// The store failed.
    #[error("failed to commit logs: {0}")]
    Storage(String),
    /// The server has been stopped.
    #[error("raft is already shutdown")]
    Shutdown,
}
