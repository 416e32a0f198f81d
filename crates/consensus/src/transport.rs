//! The seam to the other servers: whoever runs the cluster knows how to reach them.

use std::io;

use net::{BoxConn, BoxFuture};

use crate::ServerId;

/// Opens connections to other servers.
pub trait Transport: Send + Sync + 'static {
    /// Opens a connection on which the peer's [`crate::Consensus::serve`] listens: whatever leads there (a first byte,
    /// TLS) is done. `address` is the `ip:port` of the Raft configuration, to be used when nothing newer is known of
    /// this server (`docs/spec/rpc-and-state.md` §9.3). The caller sets a deadline.
    fn connect(&self, server: ServerId, address: &str) -> BoxFuture<'static, io::Result<BoxConn>>;
}

/// The transport of a server that has no peers: reaches nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Isolated;

impl Transport for Isolated {
    fn connect(&self, server: ServerId, _address: &str) -> BoxFuture<'static, io::Result<BoxConn>> {
        let text = format!("no way to server {server}: this server runs alone");
        Box::pin(async move { Err(io::Error::new(io::ErrorKind::Unsupported, text)) })
    }
}
