//! The task that keeps the catalog equal to the local services.

use std::sync::Arc;
use std::time::Duration;

use types::method::{CatalogDeregister, CatalogNodeServices, CatalogRegister, NodeRequest};
use types::{DeregisterRequest, NodeService, QueryOptions, RegisterRequest, RpcError};

use super::plan::{Change, plan};
use crate::Agent;

/// Between two full comparisons when nothing changes here.
const FULL_SYNC_INTERVAL: Duration = Duration::from_secs(60);
/// Pause while the leader has not registered this node yet, as at every first start.
const UNREGISTERED_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after a failed one.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);

/// Runs until the agent stops. A local change is written at once; edits behind the agent's back are repaired in time.
pub(crate) async fn keep_in_sync(agent: Arc<Agent>) {
    loop {
        let pause = match sync(&agent).await {
            Ok(true) => FULL_SYNC_INTERVAL,
            Ok(false) => UNREGISTERED_INTERVAL,
            Err(RpcError::Shutdown) => return,
            Err(error) => {
                tracing::error!(target: "agent.anti_entropy", error = %error, "failed to sync remote state");
                RETRY_INTERVAL
            }
        };
        tokio::select! {
            () = agent.stopping().cancelled() => return,
            () = agent.local().changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Compares and repairs; false if there is no node to compare with yet.
async fn sync(agent: &Agent) -> Result<bool, RpcError> {
    let node = agent.identity().node_name.clone();
    let request = NodeRequest { node, options: QueryOptions::default() };
    let Some(found) = agent.call::<CatalogNodeServices>(request).await?.value else { return Ok(false) };
    for change in plan(&agent.local().services(), &found.services) {
        match change {
            Change::Register(service) => register(agent, &service).await?,
            Change::Deregister(id) => deregister(agent, id).await?,
        }
    }
    Ok(true)
}

async fn register(agent: &Agent, service: &NodeService) -> Result<(), RpcError> {
    let request = RegisterRequest {
        node: agent.identity().node_name.clone(),
        service: Some(service.clone()),
        skip_node_update: true,
        ..RegisterRequest::default()
    };
    agent.call::<CatalogRegister>(request).await?;
    tracing::info!(target: "agent", service = service.id.as_str(), "Synced service");
    Ok(())
}

async fn deregister(agent: &Agent, service_id: String) -> Result<(), RpcError> {
    tracing::info!(target: "agent", service = service_id.as_str(), "Deregistered service");
    let node = agent.identity().node_name.clone();
    agent.call::<CatalogDeregister>(DeregisterRequest { node, service_id, ..DeregisterRequest::default() }).await
}
