//! The Raft configuration, for operators.

use types::RpcError;
use types::method::{OperatorRaftGetConfiguration, RaftServer, SnapshotRequest};

use crate::server::{Handle, Server};

/// Version of the Raft protocol, as the reference numbers it.
const RAFT_PROTOCOL: &str = "3";

impl Handle<OperatorRaftGetConfiguration> for Server {
    async fn handle(&self, request: SnapshotRequest) -> Result<Vec<RaftServer>, RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        if !request.allow_stale {
            self.shared.await_leader().await?;
        }
        let status = self.shared.consensus.status();
        let leader = status.leader.as_ref().map(|(id, _)| *id);
        let own = &self.shared.config;
        let servers = status.members.into_iter().map(|member| {
            let known = member.id == own.node_id;
            RaftServer {
                id: member.id.to_string(),
                node: if known { own.node_name.clone() } else { "(unknown)".to_owned() },
                address: member.address,
                leader: Some(member.id) == leader,
                protocol_version: if known { RAFT_PROTOCOL.to_owned() } else { "unknown".to_owned() },
                voter: member.voter,
            }
        });
        Ok(servers.collect())
    }
}
