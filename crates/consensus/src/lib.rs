//! Raft behind an interface that knows only bytes: the engine, its log store, snapshot files and membership.
//!
//! Entry points: [`Consensus::start`] opens a server's stores and runs it, [`Consensus::propose`] replicates one
//! command, [`Consensus::read_barrier`] makes a following local read linearizable. What a command means is the business
//! of the [`StateMachine`] that the caller hands over.
//!
//! Inside: `log` is the durable log (one writer thread, group commit), `snapshots` the snapshot directories,
//! `compaction` the task that writes them and shortens the log, `engine` the only place that knows the Raft engine.

#![forbid(unsafe_code)]

mod compaction;
mod config;
mod consensus;
mod data_dir;
mod engine;
mod error;
mod log;
mod machine;
mod snapshots;
mod status;
mod supervisor;

#[cfg(test)]
mod tests;

pub use config::{Config, ParseServerIdError, ServerId, SnapshotPolicy, Storage, Timing};
pub use consensus::Consensus;
pub use error::{Error, ProposeError, ReadError};
pub use machine::{Snapshot, StateMachine};
pub use snapshots::SnapshotInfo;
pub use status::{Leadership, Member, State, Status};
