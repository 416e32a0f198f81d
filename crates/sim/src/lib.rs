//! Whole clusters in one process: gossip, server port, consensus, servers and agents as they are, on a network, disks
//! and a clock that are made up. Everything that is left to chance follows from a seed; what went wrong once goes wrong
//! again. Only tests use it (`tests/simulation`, which also tells how to replay a seed).
//!
//! - The clock is tokio's, paused: it jumps to the next timer when nothing is left to do, so that minutes pass in
//!   moments.
//! - [`Net`] is the network: latency, loss, partitions in one direction or both, broken connections, hosts that are
//!   off.
//! - [`Disk`] keeps what was synced over a power cut, and of the rest perhaps a part, perhaps torn.
//! - [`Cluster`] starts, crashes and restarts agents on them.
//! - [`run`] lets clients work while faults come and go, and checks what they saw: every key's history is linearizable,
//!   nothing acknowledged is lost, a blocking query misses nothing, and in the end all servers hold the same bytes.
//!
//! # Limits
//! - Clocks do not run at different speeds: all hosts share tokio's clock. What a slow or halted machine looks like
//!   from outside is made by [`Net::pause`]: what comes to it, what it sends and what it writes waits. Its timers run
//!   on.
//! - A crash does not destroy the tasks of a host, because tokio cannot list them: they are cut off from network, disk
//!   and clients at once, told to stop, and end without effect.
//! - Work that blocks (opening stores, writing a snapshot) runs on real threads, as it does in the product. The clock
//!   stands still meanwhile, but what else happens in the same instant may come before or after its end.
//! - Order and randomness inside libraries (hash tables, `select!`, UUIDs, election timeouts) follow the seed only
//!   where the process takes its entropy from it: `tests/simulation/entropy.rs`, with one process for each seed.
//! - Code that asks the wall clock gets the wall clock. It goes into names and log lines, not into decisions.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "it fails as loudly as the tests that use it")]

mod chance;
mod cluster;
mod disk;
mod fault;
mod history;
mod linear;
mod net;
mod roster;
mod scenario;
mod settled;
mod workload;

pub use chance::Chance;
pub use cluster::{Cluster, Settings};
pub use disk::Disk;
pub use history::{Action, History, Op, Outcome};
pub use linear::{Verdict, check};
// `self`, because a crate of this name exists as well.
pub use self::net::{Conditions, Crash, Net};
pub use roster::{Access, Roster};
pub use scenario::{Plan, Report, elapsed, run};
