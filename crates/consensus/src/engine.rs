//! The only place that knows the Raft engine: its types, and ours translated to and from them.
//!
//! The engine counts terms and indexes of the log from 0 and gives the first configuration entry term 0, index 0. The
//! reference counts both from 1 (first configuration: term 1, index 1), so everything outside this module is one higher.

mod farewell;
mod log;
mod machine;
mod network;
mod serve;
mod snapshot_transfer;
mod wire;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::impls::leader_id_std;
use openraft::impls::{BoxedErrorSource, InlineBatch, ProgressResponder};
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, EntryPayload, OptionalSend, RaftTypeConfig};

use crate::log::{LogId, Membership, Vote};
use crate::{Config, Error, ServerId, Timing};

pub(crate) use self::farewell::tell_removed;
pub(crate) use self::log::EngineLog;
pub(crate) use self::machine::{EngineMachine, Prepared};
pub(crate) use self::network::Network;
pub(crate) use self::serve::Door;

/// A command on its way through the engine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Command {
    /// Commands hold user data, which does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The engine's types for a state machine that replies with `R`.
pub(crate) struct Types<R>(PhantomData<fn() -> R>);

pub(crate) type EngineLeaderId = leader_id_std::LeaderId<u64, ServerId>;
pub(crate) type EngineCommittedLeaderId = <EngineLeaderId as RaftLeaderId>::Committed;
pub(crate) type EngineVote = openraft::Vote<EngineLeaderId>;
pub(crate) type EngineLogId = openraft::LogId<EngineCommittedLeaderId>;
pub(crate) type EnginePayload = EntryPayload<Command, ServerId, BasicNode>;
pub(crate) type EngineEntry = openraft::Entry<EngineCommittedLeaderId, EnginePayload>;
pub(crate) type EngineMembership = openraft::Membership<ServerId, BasicNode>;
pub(crate) type EngineStoredMembership = openraft::StoredMembership<EngineCommittedLeaderId, ServerId, BasicNode>;
pub(crate) type EngineSnapshotMeta = openraft::SnapshotMeta<EngineCommittedLeaderId, ServerId, BasicNode>;
pub(crate) type EngineMetrics<R> = openraft::RaftMetrics<Types<R>>;
pub(crate) type Raft<S> = openraft::Raft<Types<<S as crate::StateMachine>::Reply>, EngineMachine<S>>;

impl<R: Send + Sync + 'static> RaftTypeConfig for Types<R> {
    type D = Command;
    /// `None` for entries of the engine itself.
    type R = Option<R>;
    type NodeId = ServerId;
    type Node = BasicNode;
    type Term = u64;
    type LeaderId = EngineLeaderId;
    type Vote = EngineVote;
    type Payload = EnginePayload;
    type Entry = EngineEntry;
    type Responder<T>
        = ProgressResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    #[allow(deprecated, reason = "the crate that the note points to is the same type under another version number")]
    type AsyncRuntime = openraft::TokioRuntime;
    type ErrorSource = BoxedErrorSource;
}

// The engine wants these of its type configuration; derives would want them of `R`.
impl<R> fmt::Debug for Types<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}

impl<R> Clone for Types<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Types<R> {}

impl<R> Default for Types<R> {
    fn default() -> Self {
        Types(PhantomData)
    }
}

impl<R> PartialEq for Types<R> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<R> Eq for Types<R> {}

impl<R> PartialOrd for Types<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Types<R> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// Ours is one higher; the engine's start at 0.
pub(crate) fn from_engine_number(number: u64) -> u64 {
    number.saturating_add(1)
}

pub(crate) fn to_engine_number(number: u64) -> u64 {
    number.saturating_sub(1)
}

pub(crate) fn from_engine_id(id: &EngineLogId) -> LogId {
    LogId { term: from_engine_number(id.leader_id.term), index: from_engine_number(id.index) }
}

pub(crate) fn to_engine_id(id: LogId) -> EngineLogId {
    EngineLogId {
        leader_id: EngineCommittedLeaderId::new(to_engine_number(id.term)),
        index: to_engine_number(id.index),
    }
}

pub(crate) fn from_engine_vote(vote: &EngineVote) -> Vote {
    Vote {
        term: from_engine_number(vote.leader_id.term),
        candidate: vote.leader_id.voted_for,
        committed: vote.committed,
    }
}

pub(crate) fn to_engine_vote(vote: &Vote) -> EngineVote {
    let term = to_engine_number(vote.term);
    if vote.committed { EngineVote::new_committed(term, vote.candidate) } else { EngineVote::new(term, vote.candidate) }
}

pub(crate) fn from_engine_membership(membership: &EngineMembership) -> Membership {
    Membership {
        voters: membership.get_joint_config().clone(),
        servers: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
    }
}

pub(crate) fn to_engine_membership(membership: &Membership) -> Result<EngineMembership, String> {
    let nodes: BTreeMap<_, _> = membership.servers.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
    EngineMembership::new(membership.voters.clone(), nodes).map_err(|error| error.to_string())
}

/// Entries the engine may hand to one replication request (`docs/spec/rpc-and-state.md` §9.2).
const MAX_APPEND_ENTRIES: u64 = 64;

/// Pauses before entries are sent again to a server that could not be reached: short, because each try is cheap and a
/// server that is back should catch up at once.
const REPLICATION_PAUSES: &str = "50ms 100ms 200ms ...500ms";

/// The engine's configuration. Snapshots and purging are driven by our own task, so that they can be adjusted at run
/// time and so that a failed snapshot does not stop the engine.
pub(crate) fn engine_config(config: &Config) -> Result<openraft::Config, Error> {
    let Timing { heartbeat, election_min, election_max, leader_lease } = config.timing;
    // The engine's followers wait for its longest timeout, during which they also refuse their vote to others, and then
    // for a random one.
    let refusal = election_max / 2;
    if leader_lease > refusal {
        return Err(Error::Config("leader lease exceeds half of the longest election timeout".to_owned()));
    }
    let engine = openraft::Config {
        cluster_name: "raft".to_owned(),
        heartbeat_interval: millis(heartbeat),
        election_timeout_min: millis(election_min.saturating_sub(refusal)),
        election_timeout_max: millis(refusal),
        max_payload_entries: MAX_APPEND_ENTRIES,
        backoff: REPLICATION_PAUSES.to_owned(),
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        enable_pre_vote: Some(true),
        // A restarted leader would lead with a state machine that lags behind what it acknowledged.
        enable_leader_restore: Some(false),
        // A server that lost its disk gets everything again, instead of stopping every leader that meets it.
        allow_log_reversion: Some(true),
        ..openraft::Config::default()
    };
    engine.validate().map_err(|error| Error::Config(error.to_string()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The engine's current metrics, without waiting.
pub(crate) fn metrics<S: crate::StateMachine, T>(
    raft: &Raft<S>,
    look: impl FnOnce(&EngineMetrics<S::Reply>) -> T,
) -> T {
    look(&raft.metrics().borrow_watched())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_first_entry_is_ours_at_one_one() {
        let first = EngineLogId { leader_id: EngineCommittedLeaderId::new(0), index: 0 };
        assert_eq!(from_engine_id(&first), LogId { term: 1, index: 1 });
        assert_eq!(to_engine_id(LogId { term: 1, index: 1 }), first);
    }

    #[test]
    fn votes_and_memberships_survive_translation() {
        let [a, b] = [1, 2].map(|n| ServerId::from_bytes([n; 16]));
        for committed in [false, true] {
            let vote = Vote { term: 4, candidate: a, committed };
            assert_eq!(from_engine_vote(&to_engine_vote(&vote)), vote);
        }
        let membership = Membership {
            voters: vec![[a].into(), [a, b].into()],
            servers: [(a, "10.0.0.1:8300".to_owned()), (b, "10.0.0.2:8300".to_owned())].into(),
        };
        assert_eq!(from_engine_membership(&to_engine_membership(&membership).unwrap()), membership);
    }

    #[test]
    fn commands_do_not_print_their_content() {
        assert_eq!(format!("{:?}", Command(Bytes::from_static(b"secret"))), "6 bytes");
    }
}
