//! What every node runs: its services and checks, the way to a server, user events, reload and stop.
//!
//! Doors (HTTP, DNS, …) ask an [`Agent`] and nothing else; it asks a server, here in process.

mod agent;
mod describe;
pub mod events;
pub mod local;

pub use agent::{Agent, AgentError, Host, Identity};
pub use describe::Stats;
pub use local::{CheckSettings, Counts, Local, LocalError, LocalSettings, Source};
pub use server;
