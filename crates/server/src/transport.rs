//! How Raft reaches the other servers: where gossip says they are (`docs/spec/rpc-and-state.md` §9.3).

use std::io;
use std::sync::Arc;

use consensus::ServerId;
use net::{BoxConn, BoxFuture};
use rpc::{Kind, Pool, Target};

use crate::members::Members;

/// Connections for Raft's own protocol.
pub(crate) struct RaftTransport {
    pub(crate) members: Arc<Members>,
    pub(crate) pool: Pool,
}

impl consensus::Transport for RaftTransport {
    fn connect(&self, server: ServerId, address: &str) -> BoxFuture<'static, io::Result<BoxConn>> {
        let target = match self.members.target(server) {
            Some(target) => Ok(target),
            None => stored(server, address),
        };
        let pool = self.pool.clone();
        Box::pin(async move { pool.open(&target?, Kind::Raft).await })
    }
}

/// A server that gossip does not know is where the Raft configuration has it.
fn stored(server: ServerId, address: &str) -> io::Result<Target> {
    tracing::debug!(target: "agent.server.raft", id = %server, fallback = address,
        "unable to get address for server, using fallback address");
    match address.parse() {
        Ok(address) => Ok(Target { name: server.to_string(), address, use_tls: false }),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{address:?} is not an ip:port"))),
    }
}
