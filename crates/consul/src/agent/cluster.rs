//! The agent's ways to others: its gossip pools, the server port, its server or its way to servers.

mod flood;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use agent::{LanAdmission, Pools, Servers, WanAdmission, tags};
use base64::Engine as _;
use config::RuntimeConfig;
use gossip::{CoreSettings, Gossip, Profile};
use net::{Network, Sockets};
use rpc::{Client, ClientSettings, Door, ListenerSettings, Pool, PoolSettings};
use server::{Fabric, Server};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::GoDuration;

use super::settings;
use super::start_error::StartError;

/// Unused streams kept open to a server.
const IDLE_STREAMS_CLIENT: usize = 32;
const IDLE_STREAMS_SERVER: usize = 64;
/// Unused connections to a server are kept this long.
const IDLE_CLIENT: Duration = Duration::from_secs(127);
const IDLE_SERVER: Duration = Duration::from_secs(2 * 60);

/// What connects an agent with the rest of its cluster.
pub(super) struct Cluster {
    pub(super) pools: Pools,
    door: Option<Arc<Door>>,
    flood: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Binds its ports and starts it; nobody is joined yet. Also answers the agent's way to servers.
    pub(super) async fn start(
        config: &RuntimeConfig,
        node_id: &str,
        stopping: CancellationToken,
    ) -> Result<(Cluster, Servers), StartError> {
        let network: Arc<dyn Network> = Arc::new(Sockets);
        let listener = match (config.server.enabled, config.network.server_port) {
            (true, Some(port)) => Some(listen(&network, SocketAddr::new(config.network.bind, port)).await?),
            _ => None,
        };
        let pools = start_pools(config, node_id, &network, &stopping).await?;
        let pool = Pool::new(pool_settings(config, network), stopping.clone());
        if !config.server.enabled {
            let client = Client::new(pool, client_settings(config), stopping);
            return Ok((Cluster { pools, door: None, flood: None }, Servers::Away(client)));
        }
        match start_server(config, node_id, &pools, pool, &stopping).await {
            Ok(server) => {
                let doors = server.doors();
                let door = listener
                    .map(|listener| Arc::new(Door::open(listener, door_settings(config), doors, stopping.clone())));
                let flood = pools.wan.as_ref().map(|wan| {
                    let (lan, wan, datacenter) = (pools.lan.clone(), wan.clone(), config.datacenter.clone());
                    tokio::spawn(flood::run(lan, wan, datacenter, stopping))
                });
                Ok((Cluster { pools, door, flood }, Servers::Here(server)))
            }
            Err(error) => {
                stopping.cancel();
                stop_pools(&pools).await;
                Err(error)
            }
        }
    }

    /// The server port, if this agent has one.
    pub(super) fn door(&self) -> Option<&Arc<Door>> {
        self.door.as_ref()
    }

    /// Closes the server port and waits for those who are served there.
    pub(super) async fn close(&mut self) {
        if let Some(door) = self.door.take() {
            door.stop().await;
        }
        if let Some(flood) = self.flood.take()
            && let Err(error) = flood.await
        {
            tracing::error!(target: "agent", error = %error, "flooding of servers ended abnormally");
        }
    }
}

async fn start_server(
    config: &RuntimeConfig,
    node_id: &str,
    pools: &Pools,
    pool: Pool,
    stopping: &CancellationToken,
) -> Result<Server, StartError> {
    let fabric = Fabric { lan: pools.lan.clone(), wan: pools.wan.clone(), pool };
    Ok(Server::start(settings::server(config, node_id)?, fabric, stopping.clone()).await?)
}

async fn stop_pools(pools: &Pools) {
    if let Some(wan) = &pools.wan {
        wan.stop().await;
    }
    pools.lan.stop().await;
}

async fn listen(network: &Arc<dyn Network>, at: SocketAddr) -> Result<Box<dyn net::Listener>, StartError> {
    network.listen(at).await.map_err(|error| {
        let cause = super::listeners::cause(&error);
        StartError::Server(server::ServerError::Fatal(format!(
            "Failed to start RPC layer: listen tcp {at}: bind: {cause}"
        )))
    })
}

/// What this agent tells of itself in gossip.
fn tag_source(config: &RuntimeConfig, node_id: &str) -> tags::TagSource {
    let server = config.server.enabled.then(|| tags::ServerTags {
        port: config.network.server_port.unwrap_or_default(),
        wan_join_port: config.network.serf_wan_port,
        grpc_port: None,
        grpc_tls_port: None,
        bootstrap: config.server.bootstrap,
        expect: config.server.bootstrap_expect,
        read_replica: config.server.read_replica,
        use_tls: false,
        acls: false,
    });
    let reconnect = config.gossip.advertise_reconnect_timeout;
    tags::TagSource {
        datacenter: config.datacenter.clone(),
        node_id: node_id.to_owned(),
        server,
        reconnect_timeout: if reconnect.is_zero() { String::new() } else { GoDuration::from(reconnect).to_string() },
    }
}

async fn start_pools(
    config: &RuntimeConfig,
    node_id: &str,
    network: &Arc<dyn Network>,
    stopping: &CancellationToken,
) -> Result<Pools, StartError> {
    let source = &tag_source(config, node_id);
    let node_name = config.node.name.clone();
    let datacenter = config.datacenter.clone();
    let port = config.network.serf_lan_port.unwrap_or_default();
    let lan = PoolOf {
        pool: "lan",
        name: node_name.clone(),
        bind: SocketAddr::new(config.network.serf_bind_lan, port),
        advertise: SocketAddr::new(config.network.advertise_lan, port),
        tags: tags::lan_tags(source),
        timing: &config.gossip.lan,
        profile: Profile::lan(),
        reconnect_timeout: config.gossip.reconnect_timeout_lan,
        allowed: &config.network.serf_allowed_lan,
        file: "local",
    };
    let admission = Arc::new(LanAdmission { node_name, node_id: node_id.to_owned(), datacenter });
    let failed = |pool: &str, error: gossip::StartError| {
        StartError::Server(server::ServerError::Fatal(format!("Failed to start {pool} Serf: {error}")))
    };
    let lan = Gossip::start(lan.settings(config, network), admission, stopping.clone());
    let lan = lan.await.map_err(|error| failed("LAN", error))?;
    let Some(port) = config.network.serf_wan_port.filter(|_| config.server.enabled) else {
        return Ok(Pools { lan, wan: None });
    };
    let wan = PoolOf {
        pool: "wan",
        name: format!("{}.{}", config.node.name, config.datacenter),
        bind: SocketAddr::new(config.network.serf_bind_wan, port),
        advertise: SocketAddr::new(config.network.advertise_wan, port),
        tags: tags::wan_tags(source),
        timing: &config.gossip.wan,
        profile: Profile::wan(),
        reconnect_timeout: config.gossip.reconnect_timeout_wan,
        allowed: &config.network.serf_allowed_wan,
        file: "remote",
    };
    match Gossip::start(wan.settings(config, network), Arc::new(WanAdmission), stopping.clone()).await {
        Ok(wan) => Ok(Pools { lan, wan: Some(wan) }),
        Err(error) => {
            lan.stop().await;
            Err(failed("WAN", error))
        }
    }
}

/// One pool, as the configuration has it.
struct PoolOf<'a> {
    pool: &'static str,
    name: String,
    bind: SocketAddr,
    advertise: SocketAddr,
    tags: std::collections::BTreeMap<String, String>,
    timing: &'a config::GossipTiming,
    profile: Profile,
    reconnect_timeout: Duration,
    allowed: &'a [config::Cidr],
    /// First part of the names of its files.
    file: &'static str,
}

impl PoolOf<'_> {
    fn settings(self, config: &RuntimeConfig, network: &Arc<dyn Network>) -> gossip::Settings {
        let directory = config.data_dir.as_ref().map(|path| path.join("serf"));
        let path = |ending: &str| directory.as_ref().map(|path| path.join(format!("{}.{ending}", self.file)));
        // In development mode a server keeps nothing, in memory neither.
        let keeps_files = !(config.dev_mode && config.server.enabled);
        let key = base64::engine::general_purpose::STANDARD.decode(&config.gossip.encrypt.0).unwrap_or_default();
        gossip::Settings {
            core: CoreSettings {
                name: self.name.clone(),
                advertise: self.advertise,
                tags: self.tags.clone(),
                profile: self.profile(),
                keyring: None,
                verify_incoming: config.gossip.verify_incoming,
                verify_outgoing: config.gossip.verify_outgoing,
                allowed: self.allowed.iter().map(|cidr| (cidr.base(), cidr.prefix_bits())).collect(),
                resolve_conflicts: !config.server.enabled,
                rejoin_after_leave: config.leave.rejoin_after,
                snapshot: None,
                seed: 0,
            },
            bind: self.bind,
            snapshot_path: path("snapshot").filter(|_| keeps_files),
            keyring_path: path("keyring").filter(|_| !config.gossip.disable_keyring_file),
            keyring: if key.is_empty() { Vec::new() } else { vec![key] },
            pool: self.pool,
            network: network.clone(),
        }
    }

    /// The pool's timing with what the configuration changes.
    fn profile(&self) -> Profile {
        let count = |number: i64| usize::try_from(number).unwrap_or_default();
        let multiplier = |number: i64| u32::try_from(number).unwrap_or_default();
        Profile {
            gossip_nodes: count(self.timing.gossip_nodes),
            gossip_interval: self.timing.gossip_interval,
            retransmit_mult: multiplier(self.timing.retransmit_mult),
            probe_interval: self.timing.probe_interval,
            probe_timeout: self.timing.probe_timeout,
            suspicion_mult: multiplier(self.timing.suspicion_mult),
            reconnect_timeout: match self.reconnect_timeout {
                Duration::ZERO => self.profile.reconnect_timeout,
                configured => configured,
            },
            ..self.profile.clone()
        }
    }
}

fn pool_settings(config: &RuntimeConfig, network: Arc<dyn Network>) -> PoolSettings {
    let is_server = config.server.enabled;
    PoolSettings {
        network,
        source: Some(config.network.bind).filter(|address: &IpAddr| !address.is_unspecified()),
        client_timeout: config.limits.rpc_client_timeout,
        rpc_hold_timeout: config.raft.rpc_hold_timeout,
        default_query_time: config.query.default_time,
        max_query_time: config.query.max_time,
        max_idle_streams: if is_server { IDLE_STREAMS_SERVER } else { IDLE_STREAMS_CLIENT },
        max_idle: if is_server { IDLE_SERVER } else { IDLE_CLIENT },
        tls: None,
    }
}

pub(super) fn client_settings(config: &RuntimeConfig) -> ClientSettings {
    ClientSettings {
        rpc_hold_timeout: config.raft.rpc_hold_timeout,
        default_query_time: config.query.default_time,
        max_query_time: config.query.max_time,
        rate: config.limits.rpc_rate,
        burst: usize::try_from(config.limits.rpc_max_burst).unwrap_or_default(),
        datacenter: config.datacenter.clone(),
        node_count: 1,
    }
}

pub(super) fn door_settings(config: &RuntimeConfig) -> ListenerSettings {
    ListenerSettings {
        handshake_timeout: config.limits.rpc_handshake_timeout,
        max_conns_per_client: usize::try_from(config.limits.rpc_max_conns_per_client).unwrap_or(usize::MAX),
        tls: None,
        verify_incoming: false,
    }
}
