//! What a server needs to know before it starts.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use consensus::{CustomStores, ServerId, SnapshotPolicy, Timing};
use types::AutopilotConfig;
use types::connect_ca::ProviderSettings;

/// Where the replicated log lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone when the process ends.
    Memory,
    /// In this data directory.
    Disk(PathBuf),
    /// In stores that the caller brings, for simulations.
    Custom(CustomStores),
}

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Address other nodes use.
    pub advertise: IpAddr,
    /// Port for server RPC.
    pub server_port: u16,
    /// Plaintext gRPC port, if any.
    pub grpc_port: Option<u16>,
    /// gRPC port with TLS, if any.
    pub grpc_tls_port: Option<u16>,
}

/// The service mesh, as the agent file has it.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// Whether there is a mesh.
    pub enabled: bool,
    /// UUID for a new cluster; nothing for a random one.
    pub cluster_id: Option<String>,
    /// Settings of a new cluster's certificate authority, by the names the provider knows.
    pub ca_config: ProviderSettings,
}

/// Settings of a server. Durations are what the reference's defaults say (`docs/spec/server-operations.md` §1) unless configured.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Datacenter, lower case.
    pub datacenter: String,
    /// Name of the node.
    pub node_name: String,
    /// UUID of the node, which names it in Raft too.
    pub node_id: ServerId,
    /// How the server is reached.
    pub addresses: Addresses,
    /// Port of the pool of servers of all datacenters, if this one is in it.
    pub wan_join_port: Option<u16>,
    /// Where the log lives.
    pub storage: Storage,
    /// Start a cluster of one when there is no earlier state.
    pub bootstrap: bool,
    /// So many voters start a cluster together once they know each other; 0 for no such start.
    pub bootstrap_expect: u32,
    /// Never votes.
    pub read_replica: bool,
    /// Raft timing.
    pub raft: Timing,
    /// When the log is compacted.
    pub snapshots: SnapshotPolicy,
    /// Shortest session TTL.
    pub session_ttl_min: Duration,
    /// How long a request waits for a leader.
    pub rpc_hold_timeout: Duration,
    /// How long a server that leaves still answers what it was asked before.
    pub leave_drain_time: Duration,
    /// Wait of a blocking query that names none.
    pub default_query_time: Duration,
    /// Longest wait of a blocking query.
    pub max_query_time: Duration,
    /// How often gathered coordinates are written.
    pub coordinate_flush: Duration,
    /// Written when no autopilot configuration is stored yet.
    pub autopilot: AutopilotConfig,
    /// The service mesh; its authority is set up by this only when nothing is stored yet.
    pub connect: ConnectSettings,
}
