//! What every read carries, and what every answer to one tells.

use std::time::Duration;

/// How fresh an answer must be (`docs/spec/server-operations.md` §8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// From the leader, trusting its lease.
    #[default]
    Default,
    /// From the leader after it has confirmed its leadership with a quorum: linearizable.
    Consistent,
    /// From any server.
    Stale,
}

/// How much of an answer is wanted.
///
/// Who keeps encoded answers asks for the [`Version`] first and for the value only if it has no answer of that version:
/// then a change that many wait for is put together once, not once for each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// The value and what it tells about itself.
    #[default]
    Answer,
    /// The version alone, the value left empty. An answer without a version comes whole.
    Version,
    /// The value as it is now, at once: the same read has just been made for its version.
    Value,
}

/// Which state of the objects behind an answer it shows.
///
/// Two answers of one server to the same read with the same version have the same value. While the generation stays,
/// a higher index is a later state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Index of the result.
    pub index: u64,
    /// Counts how often the server's whole state was replaced; means nothing elsewhere.
    pub generation: u64,
}

/// Options of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Secret of the caller's token; empty for anonymous.
    pub token: String,
    /// Freshness.
    pub consistency: Consistency,
    /// Greatest age of a stale answer; zero for any.
    pub max_stale: Duration,
    /// Wait until the result's index is above this; 0 answers at once.
    pub min_index: u64,
    /// How long to wait at most; zero for the server's default.
    pub max_wait: Duration,
    /// Filter expression, empty for none.
    pub filter: String,
    /// How much of the answer is wanted. Never leaves the process.
    pub want: Want,
}

/// Where a sorted answer is seen from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuerySource {
    /// Datacenter of the node; empty for the local one.
    pub datacenter: String,
    /// Node name; empty for no sorting.
    pub node: String,
    /// Network segment of the node.
    pub segment: String,
}

/// What produced an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// A read of the state, blocking or not.
    #[default]
    BlockingQuery,
    /// A materialised subscription.
    Streaming,
}

/// What an answer tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryMeta {
    /// Index of the result, at least 1 on the wire.
    pub index: u64,
    /// Time since the answering server heard the leader; zero on the leader.
    pub last_contact: Duration,
    /// Whether there is a leader.
    pub known_leader: bool,
    /// What produced the answer.
    pub backend: Backend,
    /// Whether something was left out because the token may not read it.
    pub filtered_by_acls: bool,
    /// The result's version; none where the index does not tell every change of the result. Never leaves the process.
    pub version: Option<Version>,
    /// Whether the answer had to wait for a change, or for the end of the wait. Never leaves the process.
    pub waited: bool,
}
