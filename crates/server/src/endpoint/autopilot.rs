//! Autopilot, for operators (`docs/spec/server-operations.md` §5.1, §5.5).

use std::sync::Arc;

use state::Outcome;
use types::autopilot::{
    AutopilotConfig, AutopilotServer, AutopilotSetConfigRequest, AutopilotState, OperatorHealth, RaftStatus,
    ServerHealth,
};
use types::method::{
    DatacenterRequest, OperatorAutopilotGetConfiguration, OperatorAutopilotSetConfiguration, OperatorAutopilotState,
    OperatorServerHealth,
};
use types::{MessageType, RpcError};

use crate::server::{Handle, Server};
use crate::write::checked;

impl Handle<OperatorAutopilotGetConfiguration> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<AutopilotConfig, RpcError> {
        self.shared.check_datacenter(&request.options.datacenter)?;
        self.shared.check_consistency(request.options.consistency).await?;
        let stored = self.shared.store.snapshot().autopilot_config().1;
        stored.map(Arc::unwrap_or_clone).ok_or_else(|| RpcError::other("autopilot config not initialized yet"))
    }
}

impl Handle<OperatorAutopilotSetConfiguration> for Server {
    async fn handle(&self, request: AutopilotSetConfigRequest) -> Result<bool, RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let outcome = self.shared.propose(MessageType::Autopilot, &request).await?;
        Ok(checked(outcome, "")? != Outcome::Bool(false))
    }
}

impl Handle<OperatorServerHealth> for Server {
    /// What the leader's autopilot last found; nothing before it has looked.
    async fn handle(&self, request: DatacenterRequest) -> Result<OperatorHealth, RpcError> {
        self.shared.check_datacenter(&request.options.datacenter)?;
        self.shared.check_leader()?;
        Ok(self.shared.autopilot.state().map(|state| health(&state)).unwrap_or_default())
    }
}

impl Handle<OperatorAutopilotState> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<AutopilotState, RpcError> {
        self.shared.check_datacenter(&request.options.datacenter)?;
        self.shared.check_leader()?;
        Ok(self.shared.autopilot.state().map(Arc::unwrap_or_clone).unwrap_or_default())
    }
}

/// The state in short.
fn health(state: &AutopilotState) -> OperatorHealth {
    OperatorHealth {
        healthy: state.healthy,
        failure_tolerance: state.failure_tolerance,
        servers: state.servers.values().map(server_health).collect(),
    }
}

fn server_health(server: &AutopilotServer) -> ServerHealth {
    ServerHealth {
        id: server.id.clone(),
        name: server.name.clone(),
        address: server.address.clone(),
        serf_status: server.node_status,
        version: server.version.clone(),
        leader: server.status == RaftStatus::Leader,
        last_contact: server.last_contact,
        last_term: server.last_term,
        last_index: server.last_index,
        healthy: server.healthy,
        voter: matches!(server.status, RaftStatus::Leader | RaftStatus::Voter),
        stable_since: server.stable_since,
    }
}
