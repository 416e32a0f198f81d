//! The agent itself: who it is, and its way to a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use server::{Handle, Server};
use tokio_util::sync::CancellationToken;
use types::{Method, RpcError};

use crate::events::Events;

/// Who this agent is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Name of the node.
    pub node_name: String,
    /// UUID of the node.
    pub node_id: String,
    /// Datacenter, lower case.
    pub datacenter: String,
}

/// Bounds on waiting reads.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Wait of a blocking query that names none.
    pub default_query_time: Duration,
    /// Longest wait of a blocking query.
    pub max_query_time: Duration,
}

/// Bounds on what clients send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest value of a key, bytes.
    pub kv_max_value_size: u64,
    /// Largest body of a transaction, bytes.
    pub txn_max_req_len: u64,
}

/// The agent could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AgentError {
    #[error("{0}")]
    Reload(String),
}
