//! A server to write tests against.

#![allow(dead_code, unreachable_pub, clippy::expect_used)]

use std::time::Duration;

use server::{Addresses, ConnectSettings, Server, ServerConfig, SnapshotPolicy, Storage, Timing};
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer, even on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A server alone in its cluster, in memory.
pub fn config() -> ServerConfig {
    ServerConfig {
        datacenter: "dc1".to_owned(),
        node_name: "one".to_owned(),
        node_id: "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e".parse().expect("a UUID"),
        addresses: Addresses {
            advertise: [127, 0, 0, 1].into(),
            server_port: 8300,
            grpc_port: None,
            grpc_tls_port: None,
        },
        storage: Storage::Memory,
        bootstrap: true,
        raft: Timing::dev(),
        snapshots: SnapshotPolicy::default(),
        session_ttl_min: Duration::from_millis(10),
        rpc_hold_timeout: Duration::from_secs(7),
        default_query_time: Duration::from_secs(300),
        max_query_time: Duration::from_secs(600),
        coordinate_flush: Duration::from_millis(100),
        autopilot: Default::default(),
        connect: ConnectSettings { enabled: true, ..ConnectSettings::default() },
    }
}

/// Starts a server.
pub async fn start(config: ServerConfig) -> Server {
    Server::start(config, CancellationToken::new()).await.expect("the server starts")
}
