//! What a server adds to an agent: RPC endpoints over the replicated state, and the leader's duties.
//!
//! [`Server::call`] answers every [`types::Method`]: here, through [`Handle`], or by the leader; a caller never learns
//! which, nor whether it was asked in process or over the network ([`Server::doors`]). Writes go one straight line:
//! endpoint, consensus, state. Reads take an immutable version of the state and never wait for the writer.

mod autopilot;
mod bootstrap;
mod config;
mod dispatch;
mod doors;
mod endpoint;
mod leader;
mod leave;
mod lock_delays;
mod machine;
mod members;
mod raft_change;
mod raft_states;
mod read;
mod recovery;
mod routing;
mod server;
mod session_timers;
mod snapshots;
mod standing;
mod subscribe;
#[cfg(feature = "test-support")]
#[doc(hidden)]
pub mod test_support;
mod tombstone_gc;
mod transport;
mod write;

pub use config::{Addresses, ConnectSettings, ServerConfig, Storage};
pub use consensus::{self, ServerId, SnapshotPolicy, Timing};
pub use server::{Fabric, Handle, Server, ServerError};
pub use snapshots::SavedSnapshot;
