//! The Raft configuration, for operators (`docs/spec/server-operations.md` §6).

use std::collections::HashMap;

use consensus::ServerId;
use types::RpcError;
use types::method::{
    OperatorRaftGetConfiguration, OperatorRaftRemovePeerByAddress, OperatorRaftRemovePeerById, RaftRemovePeerRequest,
    RaftServer, SnapshotRequest,
};
use wire::quote::go_quote;

use crate::server::{Handle, Server};

/// What stands where gossip does not know a server.
const UNKNOWN_NODE: &str = "(unknown)";
const UNKNOWN_PROTOCOL: &str = "unknown";

impl Handle<OperatorRaftGetConfiguration> for Server {
    async fn handle(&self, request: SnapshotRequest) -> Result<Vec<RaftServer>, RpcError> {
        let shared = &self.shared;
        shared.check_datacenter(&request.datacenter)?;
        if !request.allow_stale {
            shared.check_leader()?;
        }
        let status = shared.consensus.status();
        let leader = status.leader.as_ref().map(|(id, _)| *id);
        let known = shared.members.all_servers();
        let known: HashMap<String, _> = known.iter().map(|(_, info)| (info.address.to_string(), info)).collect();
        let servers = status.members.into_iter().map(|member| {
            let info = known.get(&member.address);
            RaftServer {
                id: member.id.to_string(),
                node: info.map_or_else(|| UNKNOWN_NODE.to_owned(), |info| info.short_name.clone()),
                leader: Some(member.id) == leader,
                protocol_version: info
                    .map_or_else(|| UNKNOWN_PROTOCOL.to_owned(), |info| info.raft_version.to_string()),
                voter: member.voter,
                address: member.address,
            }
        });
        Ok(servers.collect())
    }
}

impl Handle<OperatorRaftRemovePeerById> for Server {
    async fn handle(&self, request: RaftRemovePeerRequest) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        self.shared.check_leader()?;
        let members = self.shared.consensus.status().members;
        let found = members.iter().find(|member| member.id.to_string().eq_ignore_ascii_case(&request.id));
        let member = found.ok_or_else(|| not_found("id", &request.id))?;
        self.remove_peer(member.id).await?;
        tracing::warn!(target: "agent.server", id = request.id.as_str(), "Removed Raft peer with id");
        Ok(())
    }
}

impl Handle<OperatorRaftRemovePeerByAddress> for Server {
    async fn handle(&self, request: RaftRemovePeerRequest) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        self.shared.check_leader()?;
        let members = self.shared.consensus.status().members;
        let found = members.iter().find(|member| member.address == request.address);
        let member = found.ok_or_else(|| not_found("address", &request.address))?;
        self.remove_peer(member.id).await?;
        tracing::warn!(target: "agent.server", peer = request.address.as_str(), "Removed Raft peer by address");
        Ok(())
    }
}

impl Server {
    async fn remove_peer(&self, id: ServerId) -> Result<(), RpcError> {
        let shared = &self.shared;
        let change = shared.change_raft(|| shared.consensus.remove(id)).await;
        change.map_err(|error| RpcError::other(error.to_string()))
    }
}

fn not_found(what: &str, value: &str) -> RpcError {
    RpcError::other(format!("{what} {} was not found in the Raft configuration", go_quote(value)))
}
