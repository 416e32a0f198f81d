//! What every node runs: configuration, the way to a server, user events, reload and stop.

mod agent;
pub mod events;

pub use agent::{Agent, AgentError, Identity, Limits, Timing};
pub use events::EventError;
