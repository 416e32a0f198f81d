//! What every node runs: its services and checks, the way to a server, user events, reload and stop.
//!
//! Doors (HTTP, DNS, …) ask an [`Agent`] and nothing else; it asks a server, in this process or over the network.

mod admission;
mod agent;
pub mod cache;
mod coordinates;
mod describe;
pub mod events;
mod generations;
mod gossip_events;
pub mod join;
mod kept;
pub mod local;
mod pools;
mod random;
mod remote_exec;
mod servers;
mod snapshots;
pub mod tags;
mod usage;
pub mod views;

pub use admission::{LanAdmission, WanAdmission};
pub use agent::{Agent, AgentError, Host, Identity};
pub use describe::Stats;
pub use kept::{KeptSettings, Source as ReadSource};
pub use local::{CheckSettings, Counts, Local, LocalError, LocalSettings, Source};
pub use pools::{Pools, member_json};
pub use server;
pub use servers::Servers;
