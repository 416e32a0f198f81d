//! The replicated state machine: tables, indexes, commands, watches, snapshot and restore.
//!
//! One [`Writer`] applies the entries of the Raft log in order and publishes versions; any number of [`Store`] handles
//! read the newest published version as a [`Snapshot`], without a lock and without slowing the writer, and wait for
//! changes of exactly what they read with a [`Watch`]. The crate is pure: no I/O, no clock, no randomness; the same log
//! gives the same state, byte for byte. What needs a clock (timers of sessions, lock-delays and tombstones) leaves it as
//! an [`Effect`].
//!
//! A read that may block must register its [`Watch`] first and take its [`Snapshot`] afterwards: a change between the
//! two then fires the watch.

#![forbid(unsafe_code)]

mod apply;
mod chunks;
mod error;
mod key;
mod map;
mod restore;
mod root;
mod snapshot;
mod store;
mod table;
mod txn;
mod watch;

pub use apply::{Applied, Effect, Outcome};
pub use error::RestoreError;
pub use snapshot::Snapshot;
pub use store::{Store, Writer};
pub use table::check::ANY_STATE;
pub use table::dump::NodeInfo;
pub use table::kv::LOCK_DELAY_LIMIT;
pub use table::prepared_query::ResolveError;
pub use table::usage::Usage;
pub use watch::{Topic, Watch};
