//! Who leads, and who takes part. Any server answers, with or without a leader.

use types::RpcError;
use types::method::{StatusLeader, StatusPeers};

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
