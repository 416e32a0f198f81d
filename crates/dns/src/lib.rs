//! The DNS door: names to catalog lookups, reverse names, recursion, trimming (`docs/spec/dns.md`).
//!
//! [`start`] opens it. A request runs through `respond`: `codec` reads it, `name` tells what it asks for, a file of
//! `lookup` asks the agent, `answer` and `srv` compose records of instances, `trim` cuts the reply to what the client
//! takes.

// A name's answer is one future through every floor down to the server.
#![recursion_limit = "256"]
#![forbid(unsafe_code)]

mod address;
mod answer;
mod codec;
mod context;
mod edns;
mod external;
mod fuzzing;
mod health;
mod lookup;
mod message;
mod name;
mod random;
mod recurse;
mod respond;
mod server;
mod settings;
mod srv;
#[cfg(test)]
mod testing;
mod trim;
mod ttl;
mod txt;
mod views;

use std::net::SocketAddr;

#[doc(hidden)]
pub use fuzzing::fuzz;
pub use server::{DnsServer, start};
pub use settings::{RecursorStrategy, Settings, Soa};

/// The door could not open, or not take new settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address of a recursor is none; the text says why.
    #[error("Invalid recursor address: {0}")]
    Recursor(String),
    /// An address cannot be bound.
    #[error("listen {network} {address}: {error}")]
    Listen {
        /// `tcp` or `udp`.
        network: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The addresses were not bound in time.
    #[error("agent: timeout starting DNS servers")]
    Timeout,
    /// The agent stops.
    #[error("the agent is stopping")]
    Stopping,
}
