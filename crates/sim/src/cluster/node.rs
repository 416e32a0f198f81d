//! One agent, put together as the `consul` binary does it, on a simulated host.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use agent::join::{RetryJoin, retry_join};
use agent::{Agent, CheckSettings, Identity, KeptSettings, LanAdmission, LocalSettings, Pools, Servers, tags};
use consensus::{SnapshotPolicy, Timing};
use gossip::{CoreSettings, Gossip, Profile};
use net::Network;
use rpc::{Client, ClientSettings, Door, ListenerSettings, Pool, PoolSettings};
use server::{Addresses, ConnectSettings, Fabric, Server, ServerConfig, Storage};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::disk::Disk;
use crate::net::Net;

const DATACENTER: &str = "dc1";
const SERVER_PORT: u16 = 8300;
const GOSSIP_PORT: u16 = 8301;
/// The defaults of the configuration (`docs/spec/server-operations.md` §1).
const HOLD: Duration = Duration::from_secs(7);
const CLIENT_TIMEOUT: Duration = Duration::from_secs(60);
const QUERY_TIME: Duration = Duration::from_secs(300);
const QUERY_TIME_MAX: Duration = Duration::from_secs(600);
const SESSION_TTL_MIN: Duration = Duration::from_secs(10);
const LEAVE_DRAIN: Duration = Duration::from_secs(5);
const COORDINATE_FLUSH: Duration = Duration::from_secs(5);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_CONNS_PER_CLIENT: usize = 100;
/// More often than the default, because there is less to wait for.
const JOIN_INTERVAL: Duration = Duration::from_secs(5);

/// What an agent is started from, each time.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) address: IpAddr,
    /// Who is asked for the others.
    pub(super) others: Vec<IpAddr>,
    /// Only servers have one.
    pub(super) disk: Option<Disk>,
    /// Servers that form a cluster together.
    pub(super) expect: usize,
    pub(super) snapshots: SnapshotPolicy,
}

/// An agent that runs.
pub(super) struct Running {
    pub(super) agent: Arc<Agent>,
    door: Option<Door>,
    joining: JoinHandle<()>,
}

impl Running {
    /// Ends all its tasks.
    pub(super) async fn end(self) {
        self.joining.abort();
        self.agent.stopping().cancel();
        if let Some(door) = &self.door {
            door.stop().await;
        }
        self.agent.stop().await;
    }
}

/// Starts an agent on a host that is switched on for it.
pub(super) async fn start(plan: &Plan, net: &Net, seed: u64) -> Running {
    let network = net.boot(plan.address);
    let stopping = CancellationToken::new();
    let started = assemble(plan, network, seed, stopping.clone()).await;
    let (agent, door) = started.unwrap_or_else(|error| panic!("{} does not start: {error}", plan.name));
    let join = RetryJoin {
        addresses: plan.others.iter().map(|other| SocketAddr::new(*other, GOSSIP_PORT).to_string()).collect(),
        interval: JOIN_INTERVAL,
        max: 0,
        cluster: "LAN",
    };
    let lan = agent.pools().lan.clone();
    let joining = tokio::spawn(async move {
        // It tries without end.
        let _joined = retry_join(lan, join, stopping).await;
    });
    Running { agent, door, joining }
}

async fn assemble(
    plan: &Plan,
    network: Arc<dyn Network>,
    seed: u64,
    stopping: CancellationToken,
) -> Result<(Arc<Agent>, Option<Door>), Box<dyn std::error::Error>> {
    let listener = match &plan.disk {
        Some(_) => Some(network.listen(SocketAddr::new(plan.address, SERVER_PORT)).await?),
        None => None,
    };
    let admission = Arc::new(LanAdmission {
        node_name: plan.name.clone(),
        node_id: plan.id.clone(),
        datacenter: DATACENTER.to_owned(),
    });
    let lan = Gossip::start(gossip_settings(plan, network.clone(), seed), admission, stopping.clone()).await?;
    let pools = Pools { lan: lan.clone(), wan: None };
    let pool = Pool::new(pool_settings(plan, network), stopping.clone());
    let (servers, door) = match (&plan.disk, listener) {
        (Some(disk), Some(listener)) => {
            let fabric = Fabric { lan, wan: None, pool };
            let server = Server::start(server_config(plan, disk)?, fabric, stopping.clone()).await?;
            let door = Door::open(listener, door_settings(), server.doors(), stopping.clone());
            (Servers::Here(server), Some(door))
        }
        _ => (Servers::Away(Client::new(pool, client_settings(), stopping.clone())), None),
    };
    let kept = KeptSettings::default();
    let agent = Agent::start(identity(plan), servers, pools, local_settings(plan), kept, stopping)?;
    Ok((agent, door))
}

fn identity(plan: &Plan) -> Identity {
    Identity {
        node_name: plan.name.clone(),
        node_id: plan.id.clone(),
        datacenter: DATACENTER.to_owned(),
        node_meta: BTreeMap::from([("consul-network-segment".to_owned(), String::new())]),
        advertise: plan.address,
        server: plan.disk.is_some(),
        bootstrap: false,
        disable_remote_exec: true,
        disable_coordinates: false,
    }
}

fn local_settings(plan: &Plan) -> LocalSettings {
    LocalSettings {
        data_dir: None,
        checks: CheckSettings::default(),
        tls: Default::default(),
        advertise: plan.address,
        node_tagged_addresses: BTreeMap::new(),
        expose_ports: 21500..21755,
        services: Vec::new(),
        check_definitions: Vec::new(),
    }
}

fn gossip_settings(plan: &Plan, network: Arc<dyn Network>, seed: u64) -> gossip::Settings {
    let server = plan.disk.as_ref().map(|_| tags::ServerTags {
        port: SERVER_PORT,
        expect: plan.expect as u64,
        ..tags::ServerTags::default()
    });
    let at = SocketAddr::new(plan.address, GOSSIP_PORT);
    gossip::Settings {
        core: CoreSettings {
            name: plan.name.clone(),
            advertise: at,
            tags: tags::lan_tags(&tags::TagSource {
                datacenter: DATACENTER.to_owned(),
                node_id: plan.id.clone(),
                server,
                reconnect_timeout: String::new(),
            }),
            profile: Profile::lan(),
            keyring: None,
            verify_incoming: true,
            verify_outgoing: true,
            allowed: Vec::new(),
            resolve_conflicts: plan.disk.is_none(),
            rejoin_after_leave: false,
            snapshot: None,
            seed,
        },
        bind: at,
        snapshot_path: None,
        keyring_path: None,
        keyring: Vec::new(),
        pool: "lan",
        network,
    }
}

fn pool_settings(plan: &Plan, network: Arc<dyn Network>) -> PoolSettings {
    PoolSettings {
        network,
        source: Some(plan.address),
        client_timeout: CLIENT_TIMEOUT,
        rpc_hold_timeout: HOLD,
        default_query_time: QUERY_TIME,
        max_query_time: QUERY_TIME_MAX,
        max_idle_streams: if plan.disk.is_some() { 64 } else { 32 },
        max_idle: Duration::from_secs(if plan.disk.is_some() { 120 } else { 127 }),
        tls: None,
    }
}

fn client_settings() -> ClientSettings {
    ClientSettings {
        rpc_hold_timeout: HOLD,
        default_query_time: QUERY_TIME,
        max_query_time: QUERY_TIME_MAX,
        rate: -1.0,
        burst: 1000,
        datacenter: DATACENTER.to_owned(),
        node_count: 1,
    }
}

fn door_settings() -> ListenerSettings {
    ListenerSettings {
        handshake_timeout: HANDSHAKE_TIMEOUT,
        max_conns_per_client: MAX_CONNS_PER_CLIENT,
        tls: None,
        verify_incoming: false,
    }
}

fn server_config(plan: &Plan, disk: &Disk) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    Ok(ServerConfig {
        datacenter: DATACENTER.to_owned(),
        node_name: plan.name.clone(),
        node_id: plan.id.parse()?,
        addresses: Addresses {
            advertise: plan.address,
            server_port: SERVER_PORT,
            grpc_port: None,
            grpc_tls_port: None,
        },
        wan_join_port: None,
        storage: Storage::Custom(disk.open()),
        bootstrap: false,
        bootstrap_expect: plan.expect as u32,
        read_replica: false,
        raft: Timing::with_multiplier(1),
        snapshots: plan.snapshots,
        session_ttl_min: SESSION_TTL_MIN,
        rpc_hold_timeout: HOLD,
        leave_drain_time: LEAVE_DRAIN,
        default_query_time: QUERY_TIME,
        max_query_time: QUERY_TIME_MAX,
        coordinate_flush: COORDINATE_FLUSH,
        autopilot: Default::default(),
        // Its keys would come from the machine's own randomness.
        connect: ConnectSettings { enabled: false, ..ConnectSettings::default() },
    })
}
