//! Writes: from a request to an entry of the log and its outcome.

use std::sync::LazyLock;

use consensus::ProposeError;
use serde::Serialize;
use state::Outcome;
use telemetry::metrics::{self, Counter, Sample};
use types::{MessageType, RpcError};

use crate::server::Shared;

static APPLY: LazyLock<Counter> = LazyLock::new(|| metrics::counter("raft.apply"));
static COMMIT_TIME: LazyLock<Sample> = LazyLock::new(|| metrics::sample("raft.commitTime"));

/// Commands larger than this are worth a warning.
const LARGE_COMMAND_BYTES: usize = 1024 * 1024;

impl Shared {
    /// Refuses a datacenter other than ours.
    pub(crate) fn check_datacenter(&self, datacenter: &str) -> Result<(), RpcError> {
        if datacenter.is_empty() || datacenter == self.config.datacenter {
            return Ok(());
        }
        Err(RpcError::NoPathToDatacenter)
    }

    /// Puts a command into the log and waits until it is applied here.
    pub(crate) async fn propose<T: Serialize>(&self, kind: MessageType, payload: &T) -> Result<Outcome, RpcError> {
        let command = types::command::encode(kind, payload).map_err(|e| RpcError::other(e.to_string()))?;
        if command.len() > LARGE_COMMAND_BYTES {
            tracing::warn!(target: "agent.server", size_in_bytes = command.len(), "Attempting to apply large raft entry");
        }
        APPLY.one();
        let _timing = COMMIT_TIME.timing();
        self.consensus.propose(command.into()).await.map_err(|error| match error {
            ProposeError::NotLeader { .. } => RpcError::NoLeader,
            ProposeError::Shutdown => RpcError::Shutdown,
            other => RpcError::other(other.to_string()),
        })
    }
}

/// Turns a failure of the state's into an error with the endpoint's prefix.
pub(crate) fn checked(outcome: Outcome, prefix: &str) -> Result<Outcome, RpcError> {
    match outcome {
        Outcome::Error(text) => Err(RpcError::other(format!("{prefix}{text}"))),
        outcome => Ok(outcome),
    }
}
