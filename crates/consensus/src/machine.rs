//! What the caller brings: the state that committed commands are applied to.

use std::io;

/// What consensus replicates. One writer: apply, snapshot and restore are called from one task, in log order.
pub trait StateMachine: Send + 'static {
    /// What applying a command answers to the proposer on this server; a command's failure is a reply too.
    type Reply: Send + Sync + 'static;
    /// An immutable version of the whole state, cheap to take.
    type Snapshot: Snapshot;

    /// Applies one committed command. `index` is the Raft index of its entry (the first entry of a log has index 1),
    /// `term` the term of the leader that proposed it. Indexes rise but have gaps: entries of Raft itself use some.
    fn apply(&mut self, index: u64, term: u64, command: &[u8]) -> Self::Reply;

    /// Called once after a batch of applies and before their replies are handed out, so that the machine can publish
    /// its new version and wake readers once.
    fn flush(&mut self);

    /// An immutable version of the state as of the last apply.
    fn snapshot(&self) -> Self::Snapshot;

    /// Replaces the whole state by one that [`Snapshot::write_to`] wrote. After an error the state may be anything:
    /// consensus then restores another snapshot or gives up.
    fn restore(&mut self, from: &mut dyn io::Read) -> io::Result<()>;
}

/// An immutable version of a state machine, written out on a thread of its own while applies go on.
pub trait Snapshot: Send + Sync + 'static {
    /// Writes the whole state. An error of `out` must be returned as it is: a stop is signalled that way.
    fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()>;
}
