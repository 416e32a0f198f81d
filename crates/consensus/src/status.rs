//! What a server tells about itself.

use std::fmt;
use std::time::Duration;

use crate::ServerId;

/// A server's part in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Follows a leader, or waits for one.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
    /// Stopped: on request, or because its store failed.
    Shutdown,
}

impl fmt::Display for State {
    /// The reference's words: `Follower`, `Candidate`, `Leader`, `Shutdown`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Follower => "Follower",
            State::Candidate => "Candidate",
            State::Leader => "Leader",
            State::Shutdown => "Shutdown",
        })
    }
}

/// Who leads, as this server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// This server's state.
    pub state: State,
    /// Current term; 0 before the first bootstrap.
    pub term: u64,
    /// The leader's id and address, when known.
    pub leader: Option<(ServerId, String)>,
    /// Why the server stopped, when its store failed.
    pub failure: Option<String>,
}

/// A server of the Raft configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identity.
    pub id: ServerId,
    /// `ip:port`.
    pub address: String,
    /// Whether it votes.
    pub voter: bool,
}

/// A moment's view of a server. Indexes and terms are 0 when there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This server's state.
    pub state: State,
    /// Current term.
    pub term: u64,
    /// The leader's id and address, when known.
    pub leader: Option<(ServerId, String)>,
    /// Index of the last entry in the log.
    pub last_log_index: u64,
    /// Term of that entry.
    pub last_log_term: u64,
    /// Highest index known to be committed.
    pub commit_index: u64,
    /// Highest index applied to the state machine.
    pub applied_index: u64,
    /// Index that the newest snapshot covers.
    pub last_snapshot_index: u64,
    /// Term of that index.
    pub last_snapshot_term: u64,
    /// Index of the entry that holds the current Raft configuration.
    pub configuration_index: u64,
    /// The servers of the current Raft configuration, by id.
    pub members: Vec<Member>,
    /// Time since this server heard from the leader: zero at the leader, `None` when it never did.
    pub last_contact: Option<Duration>,
    /// Why the server stopped, when its store failed.
    pub failure: Option<String>,
}
