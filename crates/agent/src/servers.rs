//! The way from an agent to a server: in process, or over the network.

use net::BoxConn;
use rpc::{Client, Kind};
use server::{Handle, Server};
use types::RpcError;
use types::rpc::RpcMethod;

/// Who answers what this agent asks.
pub enum Servers {
    /// A server in this process.
    Here(Server),
    /// The servers of the datacenter, found by gossip.
    Away(Client),
}

impl Servers {
    /// Asks a server.
    pub(crate) async fn call<M: RpcMethod>(&self, request: M::Request) -> Result<M::Reply, RpcError>
    where
        Server: Handle<M>,
    {
        match self {
            Servers::Here(server) => server.call::<M>(request).await,
            // Apart, so that what only clients need does not make every future of a server larger.
            Servers::Away(client) => Box::pin(client.call::<M>(request)).await,
        }
    }

    /// A connection to a server for a protocol of its own.
    ///
    /// # Errors
    /// There is none on a server, which needs no connection to itself; else what keeps it from being opened.
    pub(crate) async fn open(&self, kind: Kind) -> std::io::Result<BoxConn> {
        match self {
            Servers::Here(_) => Err(std::io::Error::other("a server opens no connection to itself")),
            Servers::Away(client) => client.open(kind).await,
        }
    }

    /// The server in this process, if there is one.
    pub(crate) fn here(&self) -> Option<&Server> {
        match self {
            Servers::Here(server) => Some(server),
            Servers::Away(_) => None,
        }
    }

    /// How many servers a client agent knows.
    pub(crate) fn known(&self) -> usize {
        match self {
            Servers::Here(_) => 1,
            Servers::Away(client) => client.servers().len(),
        }
    }

    /// Ends what belongs to it.
    pub(crate) async fn stop(&self) {
        match self {
            Servers::Here(server) => server.stop().await,
            Servers::Away(client) => client.stop().await,
        }
    }
}
