//! What a server needs to know to take part.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::Transport;
use crate::log::backend::LogBackend;
use crate::snapshots::Shelf;

/// Identity of a server in the Raft configuration: its node id, a UUID (`docs/spec/rpc-and-state.md` §9.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(Uuid);

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("server id {0:?} is not a UUID")]
pub struct ParseServerIdError(String);

impl ServerId {
    /// The identity with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> ServerId {
        ServerId(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the identity.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl FromStr for ServerId {
    type Err = ParseServerIdError;

    fn from_str(text: &str) -> Result<ServerId, ParseServerIdError> {
        Uuid::parse_str(text).map(ServerId).map_err(|_| ParseServerIdError(text.to_owned()))
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where log, vote and snapshots live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory: everything is lost with the process (dev mode).
    Memory,
    /// In this directory, `<data_dir>/raft`, created when absent.
    Disk(PathBuf),
    /// In stores that the caller brings, for simulations.
    Custom(CustomStores),
}

/// Stores of the caller's, opened for one run of a server. They are equal only to themselves.
#[derive(Clone)]
pub struct CustomStores {
    /// The log and the vote.
    pub log: Arc<dyn LogBackend>,
    /// The newest snapshot.
    pub snapshots: Shelf,
}

impl PartialEq for CustomStores {
    fn eq(&self, other: &CustomStores) -> bool {
        Arc::ptr_eq(&self.log, &other.log)
    }
}

impl Eq for CustomStores {}

impl fmt::Debug for CustomStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.log.location())
    }
}

/// Raft's clock. `election_min` must exceed half of `election_max` by more than `heartbeat`, `election_max` must exceed
/// `election_min`, and the lease must not exceed half of `election_max`; [`crate::Consensus::start`] refuses anything
/// else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often a leader sends heartbeats.
    pub heartbeat: Duration,
    /// Shortest silence of the leader after which a follower stands for election.
    pub election_min: Duration,
    /// Longest such silence; each follower draws its own between the two.
    pub election_max: Duration,
    /// How long after a quorum's last acknowledgement a leader still counts as leader.
    pub leader_lease: Duration,
}

/// Between two signs of life of a leader.
const HEARTBEAT: Duration = Duration::from_millis(100);

impl Timing {
    /// The timing for `performance.raft_multiplier` (1 to 10): leader lease 500 ms times the multiplier
    /// (`docs/spec/rpc-and-state.md` §9.2). The reference's followers miss their leader after 1000 to 2000 ms of
    /// silence; ours lie within. Its followers hear from the leader every 100 ms or less, whatever the multiplier: what
    /// judges them by the time since (autopilot: 200 ms) relies on it.
    pub fn with_multiplier(multiplier: u32) -> Timing {
        let ms = |ms: u64| Duration::from_millis(ms) * multiplier;
        Timing { heartbeat: HEARTBEAT, election_min: ms(1200), election_max: ms(1800), leader_lease: ms(500) }
    }

    /// The timing of dev mode. A server of one needs none; it is for the peers that a dev server may still get, and so
    /// less tight than the reference's (`docs/spec/server-operations.md` §1), under which a busy machine loses its
    /// leader.
    pub fn dev() -> Timing {
        let ms = Duration::from_millis;
        Timing { heartbeat: ms(30), election_min: ms(160), election_max: ms(240), leader_lease: ms(100) }
    }
}

/// When snapshots are taken and how much log is kept behind them. Adjustable at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// The need for a snapshot is checked after this long plus a random part of the same length.
    pub interval: Duration,
    /// Number of entries applied since the last snapshot that makes one due.
    pub threshold: u64,
    /// Number of entries kept in the log behind a snapshot, for followers that lag a little.
    pub trailing_logs: u64,
}

impl Default for SnapshotPolicy {
    /// 30 s, 16384 entries, 10240 entries (`docs/spec/rpc-and-state.md` §9.2).
    fn default() -> SnapshotPolicy {
        SnapshotPolicy { interval: Duration::from_secs(30), threshold: 16384, trailing_logs: 10240 }
    }
}

/// What [`crate::Consensus::start`] needs.
#[derive(Clone)]
pub struct Config {
    /// This server's identity.
    pub server_id: ServerId,
    /// `ip:port` at which other servers reach this one.
    pub address: String,
    /// Where log, vote and snapshots live.
    pub storage: Storage,
    /// Raft's clock.
    pub timing: Timing,
    /// When snapshots are taken.
    pub snapshot: SnapshotPolicy,
    /// The way to the other servers.
    pub transport: Arc<dyn Transport>,
    /// The servers (id, `ip:port`, whether it votes) that a start is to put in place of the stored Raft configuration:
    /// manual recovery after the loss of a quorum (`docs/spec/server-operations.md` §6.3). Everything in the log counts
    /// as committed then, also what was never acknowledged.
    pub recovery: Option<Vec<(ServerId, String, bool)>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("server_id", &self.server_id)
            .field("address", &self.address)
            .field("storage", &self.storage)
            .field("timing", &self.timing)
            .field("snapshot", &self.snapshot)
            .field("recovery", &self.recovery)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_id_prints_as_it_was_parsed() {
        let text = "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e";
        let id: ServerId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(ServerId::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn server_id_refuses_other_text() {
        let error = "node-1".parse::<ServerId>().unwrap_err();
        assert_eq!(error.to_string(), "server id \"node-1\" is not a UUID");
    }
}
