//! What a server adds to an agent: RPC endpoints over the replicated state, and the leader's duties.
//!
//! [`Server`] answers every [`types::Method`] through [`Handle`]; a caller never learns whether it was asked in process or
//! over the network. Writes go one straight line: endpoint, consensus, state. Reads take an immutable version of the
//! state and never wait for the writer.

mod config;
mod endpoint;
mod leader;
mod lock_delays;
mod machine;
mod read;
mod server;
mod session_timers;
mod snapshots;
mod tombstone_gc;
mod write;

pub use config::{Addresses, ConnectSettings, ServerConfig, Storage};
pub use consensus::{self, ServerId, SnapshotPolicy, Timing};
pub use server::{Handle, Server, ServerError};
pub use snapshots::SavedSnapshot;
