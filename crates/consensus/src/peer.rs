//! Connections to other servers: a hello, then frames with numbers, so that many requests are under way at once. What
//! the frames mean is the engine's business (`engine::wire`).
//!
//! Each peer has two connections for requests, so that a heartbeat or a vote never waits behind entries, and one more
//! for each snapshot.

pub(crate) mod frame;
pub(crate) mod hello;
mod link;
mod peers;

use std::time::Duration;

pub(crate) use link::{CallError, Due, Link};
pub(crate) use peers::{Lane, Peers};

/// How often a server that owes an answer shows that it is alive.
pub(crate) const WORKING_INTERVAL: Duration = Duration::from_millis(250);
