//! Servers to write tests against. Not part of an ordinary build.

#![allow(clippy::expect_used, reason = "what tests start from fails as loudly as tests")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use consensus::{SnapshotPolicy, Timing};
use gossip::{Admission, CoreSettings, Gossip, Member, Profile, Settings};
use net::{Network, Sockets};
use rpc::{Pool, PoolSettings};
use tokio_util::sync::CancellationToken;

use crate::{Addresses, ConnectSettings, Fabric, ServerConfig, Storage};

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const HOLD: Duration = Duration::from_secs(7);

/// A server alone in its cluster, in memory.
pub fn config() -> ServerConfig {
    ServerConfig {
        datacenter: "dc1".to_owned(),
        node_name: "one".to_owned(),
        node_id: "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e".parse().expect("a UUID"),
        addresses: Addresses { advertise: LOOPBACK, server_port: 8300, grpc_port: None, grpc_tls_port: None },
        wan_join_port: None,
        storage: Storage::Memory,
        bootstrap: true,
        bootstrap_expect: 0,
        read_replica: false,
        raft: Timing::dev(),
        snapshots: SnapshotPolicy::default(),
        session_ttl_min: Duration::from_millis(10),
        rpc_hold_timeout: HOLD,
        leave_drain_time: Duration::from_millis(10),
        default_query_time: Duration::from_secs(300),
        max_query_time: Duration::from_secs(600),
        coordinate_flush: Duration::from_millis(100),
        autopilot: Default::default(),
        connect: ConnectSettings { enabled: true, ..ConnectSettings::default() },
    }
}

/// A pool of its own on a free port, and a way to call other servers.
pub async fn fabric(config: &ServerConfig, stopping: &CancellationToken) -> Fabric {
    let network: Arc<dyn Network> = Arc::new(Sockets);
    let settings = Settings {
        core: CoreSettings {
            name: config.node_name.clone(),
            advertise: SocketAddr::new(LOOPBACK, 0),
            tags: tags(config),
            profile: Profile::local(),
            keyring: None,
            verify_incoming: true,
            verify_outgoing: true,
            allowed: Vec::new(),
            resolve_conflicts: true,
            rejoin_after_leave: false,
            snapshot: None,
            seed: 0,
        },
        bind: SocketAddr::new(LOOPBACK, 0),
        snapshot_path: None,
        keyring_path: None,
        keyring: Vec::new(),
        pool: "lan",
        network: network.clone(),
    };
    let lan = Gossip::start(settings, Arc::new(Everyone), stopping.clone()).await.expect("a pool");
    let pool = PoolSettings {
        network,
        source: None,
        client_timeout: Duration::from_secs(60),
        rpc_hold_timeout: HOLD,
        default_query_time: config.default_query_time,
        max_query_time: config.max_query_time,
        max_idle_streams: 64,
        max_idle: Duration::from_secs(120),
        tls: None,
    };
    Fabric { lan, wan: None, pool: Pool::new(pool, stopping.clone()) }
}

fn tags(config: &ServerConfig) -> BTreeMap<String, String> {
    let (id, port) = (config.node_id.to_string(), config.addresses.server_port.to_string());
    let expect = config.bootstrap_expect.to_string();
    let mut tags = vec![
        ("role", "consul"),
        ("dc", &config.datacenter),
        ("segment", ""),
        ("id", &id),
        ("vsn", "2"),
        ("build", "1.14.2:"),
        ("raft_vsn", "3"),
        ("port", &port),
    ];
    if config.bootstrap_expect > 0 {
        tags.push(("expect", &expect));
    }
    tags.into_iter().map(|(tag, value)| (tag.to_owned(), value.to_owned())).collect()
}

struct Everyone;

impl Admission for Everyone {
    fn admit(&self, _candidates: &[Member], _join: bool) -> Result<(), String> {
        Ok(())
    }
}
