//! What stands behind the server port: methods and whole connections.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use net::{BoxConn, BoxFuture};

/// The methods of a server.
pub trait Dispatch: Send + Sync + 'static {
    /// Answers one call: `method` is `Service.Method`, `body` its request, the result the encoded reply.
    ///
    /// The future is dropped when the caller leaves before it has its answer.
    fn call<'a>(
        &'a self,
        method: &'a str,
        body: Bytes,
        from: SocketAddr,
    ) -> BoxFuture<'a, Result<Vec<u8>, DispatchError>>;
}

/// Why a call was not answered. The display is without what the caller already knows, the method's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// There is no such service.
    #[error("rpc: can't find service")]
    UnknownService,
    /// The service has no such method.
    #[error("rpc: can't find method")]
    UnknownMethod,
    /// The request cannot be decoded, for this reason.
    #[error("{0}")]
    BadRequest(String),
    /// The method failed with this error.
    #[error("{0}")]
    Failed(String),
}

/// Connections that are something else than calls.
pub trait Streams: Send + Sync + 'static {
    /// Serves a whole connection, from behind its type byte to its end. The future is dropped when the server stops.
    fn serve(&self, conn: BoxConn, from: SocketAddr) -> BoxFuture<'static, ()>;
}

/// What the server port leads to.
#[derive(Clone)]
pub struct Doors {
    /// Calls: single ones and those of multiplexed connections.
    pub dispatch: Arc<dyn Dispatch>,
    /// Raft.
    pub raft: Arc<dyn Streams>,
    /// Snapshots ([`snapshot_stream`](crate::snapshot_stream)).
    pub snapshot: Arc<dyn Streams>,
    /// gRPC.
    pub grpc: Arc<dyn Streams>,
}
