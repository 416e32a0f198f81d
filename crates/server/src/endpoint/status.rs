//! Who leads, who takes part, and what this server knows of its log. Any server answers, with or without a leader.

use types::RpcError;
use types::method::{RaftStats, StatusLeader, StatusPeers, StatusPing, StatusRaftStats};

use crate::autopilot::own_stats;
use crate::server::{Handle, Server};

impl Handle<StatusLeader> for Server {
    async fn handle(&self, datacenter: String) -> Result<String, RpcError> {
        self.shared.check_datacenter(&datacenter)?;
        Ok(self.shared.consensus.status().leader.map(|(_, address)| address).unwrap_or_default())
    }
}

impl Handle<StatusPeers> for Server {
    async fn handle(&self, datacenter: String) -> Result<Vec<String>, RpcError> {
        self.shared.check_datacenter(&datacenter)?;
        Ok(self.shared.consensus.status().members.into_iter().map(|member| member.address).collect())
    }
}

impl Handle<StatusPing> for Server {
    async fn handle(&self, (): ()) -> Result<(), RpcError> {
        Ok(())
    }
}

impl Handle<StatusRaftStats> for Server {
    async fn handle(&self, (): ()) -> Result<RaftStats, RpcError> {
        Ok(own_stats(&self.shared.consensus.status()))
    }
}
