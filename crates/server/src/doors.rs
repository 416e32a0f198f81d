//! What stands behind the server port: calls, Raft, snapshots, subscriptions.

use std::net::SocketAddr;
use std::sync::Arc;

use net::{BoxConn, BoxFuture};
use rpc::{Doors, Streams};

use crate::dispatch::Dispatcher;
use crate::server::Server;
use crate::snapshots::SnapshotDoor;

impl Server {
    /// Everything that others may ask this server for.
    pub fn doors(&self) -> Doors {
        Doors {
            dispatch: Arc::new(Dispatcher::new(self.clone())),
            raft: Arc::new(RaftDoor { server: self.clone() }),
            snapshot: Arc::new(SnapshotDoor { server: self.clone() }),
            grpc: self.subscriptions(),
        }
    }
}

/// Answers connections of other servers' Raft.
struct RaftDoor {
    server: Server,
}

impl Streams for RaftDoor {
    fn serve(&self, conn: BoxConn, _from: SocketAddr) -> BoxFuture<'static, ()> {
        self.server.shared.consensus.serve(conn)
    }
}
