//! The server port of Consul, both sides of it (`docs/spec/rpc-and-state.md` §1-§3, §6.7).
//!
//! A server opens a [`Door`]: the first byte of a connection says what it is for, and calls are answered by a
//! [`Dispatch`]. Who calls has a [`Pool`]: one yamux session with each server, and on it a stream for each call that is
//! under way. A client agent calls through a [`Client`], which knows all servers and tries the next one when one fails.
//! [`snapshot_stream`] carries snapshots.

#![forbid(unsafe_code)]

mod channel;
mod client;
mod codec;
mod dispatch;
mod door;
mod error;
mod kind;
mod pool;
mod random;
mod serve;
pub mod snapshot_stream;
#[cfg(test)]
mod testing;
mod yamux;

pub use client::{Client, ClientSettings};
pub use dispatch::{Dispatch, DispatchError, Doors, Streams};
pub use door::{Door, ListenerSettings};
pub use error::{CallError, is_retryable};
pub use kind::Kind;
pub use pool::{Pool, PoolSettings, Target, TlsDial};
