//! Raft behind an interface that knows only bytes: the engine, its log store, snapshot files and membership.
//!
//! Entry points: [`Consensus::start`] opens a server's stores and runs it, [`Consensus::propose`] replicates one
//! command, [`Consensus::read_barrier`] makes a following local read linearizable. What a command means is the business
//! of the [`StateMachine`] that the caller hands over; how other servers are reached is its [`Transport`]'s, and what
//! they open comes in by [`Consensus::serve`].
//!
//! Inside: `log` is the durable log (one writer thread, group commit), `snapshots` the snapshot directories,
//! `compaction` the task that writes them and shortens the log, `peer` the connections to other servers, `engine`
//! the only place that knows the Raft engine.

#![forbid(unsafe_code)]

mod compaction;
mod config;
mod contact;
mod data_dir;
mod engine;
mod error;
mod handle;
mod log;
mod machine;
mod peer;
mod recovery;
mod snapshots;
mod standing;
mod status;
mod supervisor;
mod transport;

#[cfg(test)]
mod tests;

// Lets the tests inside share the state machine of those in `tests/`.
#[cfg(test)]
extern crate self as consensus;

pub use config::{Config, CustomStores, ParseServerIdError, ServerId, SnapshotPolicy, Storage, Timing};
pub use error::{ChangeError, Error, ProposeError, ReadError};
pub use handle::Consensus;
pub use log::backend::{Batch, Drive, LogBackend, MetaKey, Pace, Visit};
pub use machine::{Snapshot, StateMachine};
pub use snapshots::{Shelf, SnapshotInfo};
pub use status::{Leadership, Member, State, Status};
pub use transport::{Isolated, Transport};
