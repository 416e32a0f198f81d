//! The resolved configuration an agent runs with.

mod subsystem;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::definition::{CheckDefinition, OpaqueMap, ServiceDefinition};
use crate::secret::SecretMap;

pub use subsystem::*;

/// Every setting of an agent after merging, defaulting and validation.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeConfig {
    /// Started with `-dev`.
    pub dev_mode: bool,
    /// Directory of the agent's state; `None` only in development mode.
    pub data_dir: Option<PathBuf>,
    /// Datacenter, lower-cased.
    pub datacenter: String,
    /// Datacenter that owns ACLs and mesh certificates; the agent's own unless set.
    pub primary_datacenter: String,
    /// This node.
    pub node: NodeConfig,
    /// Whether and how the agent is a server.
    pub server: ServerConfig,
    /// Addresses between agents.
    pub network: NetworkConfig,
    /// HTTP and HTTPS.
    pub http: HttpConfig,
    /// DNS.
    pub dns: DnsConfig,
    /// gRPC listeners and xDS.
    pub grpc: GrpcConfig,
    /// Ownership and mode of unix sockets.
    pub unix_sockets: UnixSockets,
    /// Request limits.
    pub limits: Limits,
    /// Raft and its store.
    pub raft: RaftConfig,
    /// Logging.
    pub log: LogConfig,
    /// TLS of every protocol.
    pub tls: TlsConfig,
    /// Access control.
    pub acl: AclConfig,
    /// Blocking queries.
    pub query: QueryConfig,
    /// Shortest session TTL allowed.
    pub session_ttl_min: Duration,
    /// Leaving the cluster.
    pub leave: LeaveConfig,
    /// File the process ID is written to.
    pub pid_file: Option<PathBuf>,
    /// Whether profiling endpoints are served.
    pub enable_debug: bool,
    /// Whether network coordinates are not kept.
    pub disable_coordinates: bool,
    /// Whether commands from other nodes are refused.
    pub disable_remote_exec: bool,
    /// Whether no new version is looked for.
    pub disable_update_check: bool,
    /// Whether update checks carry no signature.
    pub disable_anonymous_signature: bool,
    /// Whether the agent reloads when its files change.
    pub auto_reload_config: bool,
    /// Whether addresses of other datacenters are translated.
    pub translate_wan_addrs: bool,
    /// Gossip.
    pub gossip: GossipConfig,
    /// Joining other agents.
    pub join: JoinConfig,
    /// Server management.
    pub autopilot: AutopilotConfig,
    /// Service mesh.
    pub connect: ConnectConfig,
    /// Cluster peering.
    pub peering_enabled: bool,
    /// Automatic TLS for clients.
    pub auto_encrypt: AutoEncryptConfig,
    /// Automatic configuration for clients.
    pub auto_config: AutoConfig,
    /// Configuration entries to create.
    pub config_entries: Vec<OpaqueMap>,
    /// Link to the vendor's cloud.
    pub cloud: CloudConfig,
    /// Telemetry.
    pub telemetry: TelemetryConfig,
    /// Web UI.
    pub ui: UiConfig,
    /// Agent cache.
    pub cache: CacheConfig,
    /// Checks in general.
    pub check: CheckConfig,
    /// Services to register.
    pub services: Vec<ServiceDefinition>,
    /// Checks to register.
    pub checks: Vec<CheckDefinition>,
    /// Watches to start; read with [`crate::WatchDefinition::parse`] when they are started.
    pub watches: Vec<SecretMap>,
}

/// This node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Name.
    pub name: String,
    /// ID as configured; [`crate::node_id`] finds or makes the one to use.
    pub id: Option<String>,
    /// Whether a generated ID is random rather than derived from the host.
    pub disable_host_id: bool,
    /// Metadata.
    pub meta: BTreeMap<String, String>,
}

/// Whether and how the agent is a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Server, as opposed to client.
    pub enabled: bool,
    /// May elect itself leader of a new cluster.
    pub bootstrap: bool,
    /// Servers to wait for before the first election; 0 when unset or when it was 1, which is `bootstrap`.
    pub bootstrap_expect: u64,
    /// Replicates without voting.
    pub read_replica: bool,
    /// Version of the agent protocol.
    pub protocol: i64,
    /// Name expected in certificates instead of the node's.
    pub tls_name: String,
    /// Whether the server offers streaming subscriptions.
    pub rpc_streaming: bool,
    /// Whether views are fed by streaming.
    pub use_streaming_backend: bool,
    /// Most segments; without effect outside the enterprise product.
    pub segment_limit: i64,
}

/// Addresses between agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Address listened on for agent traffic.
    pub bind: IpAddr,
    /// Addresses listened on for client traffic.
    pub client: Vec<IpAddr>,
    /// Address given to agents of this datacenter.
    pub advertise_lan: IpAddr,
    /// Address given to servers of other datacenters.
    pub advertise_wan: IpAddr,
    /// Addresses by tag (`lan`, `wan`, their families, and configured ones).
    pub tagged_addresses: BTreeMap<String, String>,
    /// RPC port of servers; `None` is disabled.
    pub server_port: Option<u16>,
    /// LAN gossip port; `None` is disabled.
    pub serf_lan_port: Option<u16>,
    /// WAN gossip port; `None` disables federation.
    pub serf_wan_port: Option<u16>,
    /// Address LAN gossip listens on.
    pub serf_bind_lan: IpAddr,
    /// Address WAN gossip listens on.
    pub serf_bind_wan: IpAddr,
    /// Networks LAN gossip is accepted from; empty is all.
    pub serf_allowed_lan: Vec<Cidr>,
    /// Networks WAN gossip is accepted from; empty is all.
    pub serf_allowed_wan: Vec<Cidr>,
}

/// A network in CIDR notation, host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    pub(crate) network: crate::sockaddr::Network,
}

impl Cidr {
    /// Whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.network.contains(address)
    }

    /// First address of the network.
    pub fn base(&self) -> IpAddr {
        self.network.base
    }

    /// How many bits of an address name the network.
    pub fn prefix_bits(&self) -> u8 {
        u8::try_from(self.network.prefix_bits).unwrap_or(u8::MAX)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network.base, self.network.prefix_bits)
    }
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenerAddress {
    /// TCP address.
    Tcp(SocketAddr),
    /// Path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenerAddress {
    /// `tcp://ip:port` or `unix://path`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenerAddress::Tcp(address) => write!(f, "tcp://{address}"),
            ListenerAddress::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// HTTP and HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// HTTP listeners; empty when disabled.
    pub addresses: Vec<ListenerAddress>,
    /// HTTPS listeners; empty when disabled. On a unix socket HTTPS speaks plain HTTP.
    pub https_addresses: Vec<ListenerAddress>,
    /// HTTP port; `None` is disabled.
    pub port: Option<u16>,
    /// HTTPS port; `None` is disabled.
    pub https_port: Option<u16>,
    /// Path prefixes that are refused.
    pub block_endpoints: Vec<String>,
    /// Networks writing requests are accepted from; empty is all.
    pub allow_write_from: Vec<Cidr>,
    /// Headers of every response.
    pub response_headers: BTreeMap<String, String>,
    /// Whether requests may be answered from the agent cache.
    pub use_cache: bool,
    /// Largest request head in bytes; 0 is 1 MiB.
    pub max_header_bytes: u64,
    /// Whether unprintable characters in URLs are let through.
    pub disable_unprintable_char_filter: bool,
}

/// DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsConfig {
    /// TCP listeners, each with a UDP twin.
    pub addresses: Vec<SocketAddr>,
    /// Port; `None` is disabled.
    pub port: Option<u16>,
    /// Domain answered.
    pub domain: String,
    /// Second domain answered.
    pub alt_domain: String,
    /// Whether stale answers are given.
    pub allow_stale: bool,
    /// Oldest stale answer given.
    pub max_stale: Duration,
    /// TTL of node answers.
    pub node_ttl: Duration,
    /// TTL of service answers by name; a trailing `*` is a prefix.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Whether warning instances are left out.
    pub only_passing: bool,
    /// Most answers over UDP.
    pub udp_answer_limit: u32,
    /// Most address records; 0 is no limit.
    pub a_record_limit: u32,
    /// Whether names are not compressed.
    pub disable_compression: bool,
    /// Whether the truncation bit is set.
    pub enable_truncate: bool,
    /// Whether node metadata is added to answers.
    pub node_meta_txt: bool,
    /// Servers asked for other names.
    pub recursors: Vec<String>,
    /// Order in which they are asked.
    pub recursor_strategy: RecursorStrategy,
    /// Time each may take.
    pub recursor_timeout: Duration,
    /// Start-of-authority record.
    pub soa: SoaConfig,
    /// Whether answers come from the agent cache.
    pub use_cache: bool,
    /// Oldest cached answer given; 0 is any.
    pub cache_max_age: Duration,
}

/// Order in which recursors are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecursorStrategy {
    /// As configured.
    Sequential,
    /// Shuffled.
    Random,
}

/// Start-of-authority record, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoaConfig {
    /// Refresh interval.
    pub refresh: u32,
    /// Retry interval.
    pub retry: u32,
    /// Expiry.
    pub expire: u32,
    /// TTL of negative answers.
    pub min_ttl: u32,
}

/// gRPC listeners and xDS.
#[derive(Debug, Clone, PartialEq)]
pub struct GrpcConfig {
    /// Plain-text listeners.
    pub addresses: Vec<ListenerAddress>,
    /// TLS listeners.
    pub tls_addresses: Vec<ListenerAddress>,
    /// Plain-text port; `None` is disabled.
    pub port: Option<u16>,
    /// TLS port; `None` is disabled.
    pub tls_port: Option<u16>,
    /// Most proxy updates per second.
    pub xds_max_updates_per_second: f64,
}

/// Ownership and mode of unix sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnixSockets {
    /// User name or ID; empty is the process's.
    pub user: String,
    /// Group ID; empty is the process's.
    pub group: String,
    /// Octal mode; empty follows the umask.
    pub mode: String,
}

/// Request limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Most HTTP connections of one client address; 0 is no limit.
    pub http_max_conns_per_client: u64,
    /// Time a TLS handshake over HTTPS may take.
    pub https_handshake_timeout: Duration,
    /// Time a TLS handshake over RPC may take.
    pub rpc_handshake_timeout: Duration,
    /// Time an RPC may take.
    pub rpc_client_timeout: Duration,
    /// RPCs per second of this agent; not positive is unlimited.
    pub rpc_rate: f64,
    /// RPCs in a burst.
    pub rpc_max_burst: i64,
    /// Most RPC connections of one client address; 0 is no limit.
    pub rpc_max_conns_per_client: u64,
    /// Largest value in the key-value store, in bytes.
    pub kv_max_value_size: u64,
    /// Largest transaction request, in bytes.
    pub txn_max_req_len: u64,
}

/// Raft and its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftConfig {
    /// Version of the Raft protocol.
    pub protocol: i64,
    /// Log entries between snapshots; 0 is the engine's default.
    pub snapshot_threshold: u64,
    /// Time between looks whether a snapshot is due.
    pub snapshot_interval: Duration,
    /// Log entries kept behind a snapshot.
    pub trailing_logs: u64,
    /// Time a candidate waits for votes.
    pub election_timeout: Duration,
    /// Time a follower waits for the leader.
    pub heartbeat_timeout: Duration,
    /// Time a leader keeps its lease without a quorum.
    pub leader_lease_timeout: Duration,
    /// Factor already applied to the timeouts.
    pub multiplier: u32,
    /// `NoFreelistSync` of the reference's store.
    pub no_freelist_sync: bool,
    /// Time an RPC waits for a leader to appear.
    pub rpc_hold_timeout: Duration,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Level as configured; checked when logging is set up.
    pub level: String,
    /// JSON lines.
    pub json: bool,
    /// File name or directory; empty is none.
    pub file: String,
    /// Bytes after which a new file is begun; 0 is never.
    pub rotate_bytes: u64,
    /// Time after which a new file is begun; 0 is 24 hours.
    pub rotate_duration: Duration,
    /// Old files kept: 0 all, negative none.
    pub rotate_max_files: i64,
    /// Whether lines also go to syslog.
    pub syslog: bool,
    /// Syslog facility.
    pub syslog_facility: String,
}

/// Blocking queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryConfig {
    /// Wait when the query does not say.
    pub default_time: Duration,
    /// Longest wait.
    pub max_time: Duration,
    /// Oldest stale answer for discovery; 0 is no limit.
    pub discovery_max_stale: Duration,
}

/// Leaving the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveConfig {
    /// Leave on SIGTERM.
    pub on_terminate: bool,
    /// Do not leave on SIGINT.
    pub skip_on_interrupt: bool,
    /// Time requests are still served while leaving.
    pub drain_time: Duration,
    /// Join known agents again even after a leave.
    pub rejoin_after: bool,
}

/// Checks in general.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckConfig {
    /// Largest output kept, in bytes.
    pub output_max_size: u64,
    /// Time within which changes of output alone are held back.
    pub update_interval: Duration,
    /// Whether output is thrown away.
    pub discard_output: bool,
    /// Whether script checks may be registered over HTTP.
    pub remote_scripts: bool,
    /// Whether script checks may be defined in files.
    pub local_scripts: bool,
    /// Whether checks present the agent's certificate.
    pub use_agent_tls: bool,
    /// Whether central defaults apply to registered services.
    pub central_service_config: bool,
}
