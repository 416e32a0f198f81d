//! Servers to write tests against.

#![allow(dead_code, unreachable_pub, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gossip::Gossip;
use net::{Network, Sockets};
use rpc::{Door, ListenerSettings};
use server::test_support::fabric;
use server::{Addresses, Server, ServerConfig, Timing};
use tokio_util::sync::CancellationToken;

pub use server::test_support::config;

/// Nothing here takes longer, even on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// Starts a server that others cannot reach.
pub async fn start(config: ServerConfig) -> Server {
    let stopping = CancellationToken::new();
    let fabric = fabric(&config, &stopping).await;
    Server::start(config, fabric, stopping).await.expect("the server starts")
}

/// A server that others reach.
pub struct Node {
    pub server: Server,
    pub lan: Gossip,
    door: Door,
}

impl Node {
    /// Starts the server of this number, which waits for `expect` servers.
    pub async fn start(number: u8, expect: u32) -> Node {
        let stopping = CancellationToken::new();
        let listener = Sockets.listen(SocketAddr::new(LOOPBACK, 0)).await.expect("a port");
        let alone = config();
        let config = ServerConfig {
            node_name: format!("s{number}"),
            node_id: server::ServerId::from_bytes([number; 16]),
            addresses: Addresses { server_port: listener.local_addr().port(), ..alone.addresses },
            bootstrap: false,
            bootstrap_expect: expect,
            raft: Timing::with_multiplier(1),
            ..alone
        };
        let fabric = fabric(&config, &stopping).await;
        let lan = fabric.lan.clone();
        let server = Server::start(config, fabric, stopping.clone()).await.expect("the server starts");
        let settings = ListenerSettings {
            handshake_timeout: Duration::from_secs(5),
            max_conns_per_client: 0,
            tls: None,
            verify_incoming: false,
        };
        let door = Door::open(listener, settings, server.doors(), stopping);
        Node { server, lan, door }
    }

    /// Makes two servers known to each other.
    pub async fn join(&self, other: &Node) {
        let at = [other.lan.bound().to_string()];
        assert_eq!(self.lan.join(&at, true).await, Ok(1));
    }

    /// Waits until it knows so many members.
    pub async fn knows(&self, count: usize) {
        let mut members = self.lan.watch_members();
        let known = members.wait_for(|members| members.len() == count);
        tokio::time::timeout(DEADLINE, known).await.expect("members in time").expect("a pool");
    }

    /// Stops it without a word to the others.
    pub async fn stop(self) {
        self.server.stop().await;
        self.door.stop().await;
        self.lan.stop().await;
    }
}
