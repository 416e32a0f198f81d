//! The methods servers answer: names, requests, replies (`docs/spec/rpc-and-state.md` §4).
//!
//! A door never calls a server: it hands a request to its agent, which asks a server, in process or over the network.
//! [`Method`] ties a method's name to its request and reply, so both ways are one typed call.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::autopilot::{AutopilotConfig, AutopilotSetConfigRequest, AutopilotState, OperatorHealth};
use crate::prepared_query::QueryDns;
use crate::{
    CaRoots, CheckServiceNode, CoordinateEntry, CoordinateUpdate, DeregisterRequest, DirEntry, GatewayService,
    HealthCheck, Key, KvRequest, Node, NodeServices, PreparedQuery, PreparedQueryRequest, QueryMeta, QueryOptions,
    QuerySource, RegisterRequest, ServiceNode, Session, SessionRequest, TxnRequest, TxnResponse,
};

/// One method of a server.
pub trait Method: Send + Sync + 'static {
    /// `Service.Method`, as on the wire.
    const NAME: &'static str;
    /// What it takes. It may have to be asked more than once.
    type Request: Clone + Send + Sync + 'static;
    /// What it answers.
    type Reply: Send + 'static;
}

/// Why a call failed. Its text is what clients see and match on (`docs/spec/rpc-and-state.md` §2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RpcError {
    NoLeader,
    NoPathToDatacenter,
    NotReadyForConsistentReads,
    RateLimited,
    Shutdown,
    /// Anything else, in the words of the reference.
    Other(String),
}

impl RpcError {
    /// An error in the reference's words.
    pub fn other(text: impl Into<String>) -> RpcError {
        RpcError::Other(text.into())
    }
}

impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RpcError::NoLeader => "No cluster leader",
            RpcError::NoPathToDatacenter => "No path to datacenter",
            RpcError::NotReadyForConsistentReads => "Not ready to serve consistent reads",
            RpcError::RateLimited => "RPC rate limit exceeded",
            RpcError::Shutdown => "rpc error: shutdown",
            RpcError::Other(text) => text,
        })
    }
}

impl std::error::Error for RpcError {}

/// A result with what it tells about itself.
#[derive(Clone, Debug, Default)]
pub struct Indexed<T> {
    /// The result.
    pub value: T,
    /// Index, freshness, source.
    pub meta: QueryMeta,
}

/// A read of one key or of a prefix.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    /// The key or prefix.
    pub key: Key,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A read of names of keys.
#[derive(Clone, Debug, Default)]
pub struct KeyListRequest {
    /// Only keys that start so.
    pub prefix: Key,
    /// Cut each key after its first occurrence past the prefix; empty for whole keys.
    pub separator: Vec<u8>,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A read about one session.
#[derive(Clone, Debug, Default)]
pub struct SessionSpecificRequest {
    /// The session's ID.
    pub session_id: String,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A read about a whole datacenter.
#[derive(Clone, Debug, Default)]
pub struct DatacenterRequest {
    /// Only nodes with all of these metadata.
    pub node_meta: BTreeMap<String, String>,
    /// Sort by distance from here.
    pub source: QuerySource,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A read about one node.
#[derive(Clone, Debug, Default)]
pub struct NodeRequest {
    /// The node's name.
    pub node: String,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A read about one service.
#[derive(Clone, Debug, Default)]
pub struct ServiceRequest {
    /// The service's name.
    pub service: String,
    /// Only instances with all of these tags, compared without case.
    pub tags: Vec<String>,
    /// Only nodes with all of these metadata.
    pub node_meta: BTreeMap<String, String>,
    /// Sort by distance from here.
    pub source: QuerySource,
    /// Instances that speak the mesh protocol for the service: its proxies, its native instances, gateways to it.
    pub connect: bool,
    /// Ingress gateways that expose the service.
    pub ingress: bool,
    /// Peering the service was imported from; empty for a local one.
    pub peer_name: String,
    /// Merge central configuration into proxies and gateways.
    pub merge_central_config: bool,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A read of one prepared query.
#[derive(Clone, Debug, Default)]
pub struct QuerySpecificRequest {
    /// The query's ID.
    pub query_id: String,
    /// Options of the read.
    pub options: QueryOptions,
}

/// An execution of a prepared query.
#[derive(Clone, Debug, Default)]
pub struct QueryExecuteRequest {
    /// ID or name of the query.
    pub query_id_or_name: String,
    /// Most instances wanted; 0 or less for all.
    pub limit: i64,
    /// Ask for the service's mesh instances although the query does not.
    pub connect: bool,
    /// Sort by distance from here, whatever the query says.
    pub source: QuerySource,
    /// The agent that asks.
    pub agent: QuerySource,
    /// Address of the client, for queries near `_ip`; empty when unknown.
    pub source_ip: String,
    /// Options of the read; never blocks.
    pub options: QueryOptions,
}

/// What an execution of a prepared query found.
#[derive(Clone, Debug, Default)]
pub struct QueryExecuteReply {
    /// Service asked for, as the query spells it.
    pub service: String,
    /// Its instances, in order.
    pub nodes: Vec<CheckServiceNode>,
    /// How the query answers over DNS.
    pub dns: QueryDns,
    /// Datacenter that answered; empty when a peer did.
    pub datacenter: String,
    /// Peer that answered.
    pub peer_name: String,
    /// Places tried after the first one gave nothing.
    pub failovers: u64,
    /// Index, freshness, source.
    pub meta: QueryMeta,
}

/// A read of checks by status.
#[derive(Clone, Debug, Default)]
pub struct ChecksInStateRequest {
    /// A status, or `any`.
    pub state: String,
    /// Only nodes with all of these metadata.
    pub node_meta: BTreeMap<String, String>,
    /// Sort by distance from here.
    pub source: QuerySource,
    /// Options of the read.
    pub options: QueryOptions,
}

/// A transaction that only reads.
#[derive(Clone, Debug, Default)]
pub struct TxnReadRequest {
    /// The operations.
    pub txn: TxnRequest,
    /// Options of the read; never blocks.
    pub options: QueryOptions,
}

/// A transaction's answer. Errors found before anything was evaluated leave `meta` zero.
pub type TxnReadReply = Indexed<TxnResponse>;

/// Coordinates of one datacenter.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct DatacenterMap {
    pub datacenter: String,
    pub area_id: String,
    pub coordinates: Vec<CoordinateEntry>,
}

/// A user event to be spread.
#[derive(Clone, Debug, Default)]
pub struct EventFireRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// The event.
    pub event: crate::UserEvent,
    /// Secret of the caller's token.
    pub token: String,
}

/// What a snapshot request is about.
#[derive(Clone, Debug, Default)]
pub struct SnapshotRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Secret of the caller's token.
    pub token: String,
    /// Let a server without a leader answer.
    pub allow_stale: bool,
}

/// One server of the Raft configuration.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct RaftServer {
    pub id: String,
    pub node: String,
    pub address: String,
    pub leader: bool,
    pub protocol_version: String,
    pub voter: bool,
}

/// What a server knows of its own log; autopilot judges it by that.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RaftStats {
    /// Time since the server heard the leader: `0` at the leader, `never`, or a duration.
    pub last_contact: String,
    /// Term of its last entry.
    pub last_term: u64,
    /// Index of its last entry.
    pub last_index: u64,
}

/// A server is to leave the Raft configuration, by id or by address.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RaftRemovePeerRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// `ip:port`; read by the method that goes by address.
    pub address: String,
    /// Read by the method that goes by id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Secret of the caller's token.
    pub token: String,
}

/// An operation on the keys of gossip.
#[derive(Clone, Default)]
pub struct KeyringRequest {
    /// `list`, `install`, `use` or `remove`.
    pub operation: String,
    /// The key, base64; empty for `list`.
    pub key: String,
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Sent on by a server of another datacenter: only the local pool is meant.
    pub forwarded: bool,
    /// How many members pass each answer on as well; at most 5.
    pub relay_factor: u8,
    /// Only the local pools, without other datacenters; only for `list`.
    pub local_only: bool,
    /// Options of the read; never blocks.
    pub options: QueryOptions,
}

impl std::fmt::Debug for KeyringRequest {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyringRequest").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// What one pool answered to an operation on its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct KeyringResponse {
    #[serde(rename = "WAN")]
    pub wan: bool,
    #[serde(rename = "Datacenter")]
    pub datacenter: String,
    #[serde(rename = "Segment")]
    pub segment: String,
    /// Messages of members, by node.
    #[serde(rename = "Messages")]
    pub messages: BTreeMap<String, String>,
    /// How many members have each key.
    #[serde(rename = "Keys")]
    pub keys: BTreeMap<String, i64>,
    /// How many members encrypt with each key.
    #[serde(rename = "PrimaryKeys")]
    pub primary_keys: BTreeMap<String, i64>,
    #[serde(rename = "NumNodes")]
    pub num_nodes: i64,
    #[serde(rename = "Error")]
    pub error: String,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident $wire:literal $request:ty => $reply:ty;)*) => {
        $($(#[$doc])* #[derive(Clone, Copy, Debug)] pub struct $name;
        impl Method for $name { const NAME: &'static str = $wire; type Request = $request; type Reply = $reply; })*

        /// Name of every method, in the order of the table.
        pub const METHODS: &[&str] = &[$($wire),*];
    };
}

methods! {
    /// A write; false for a conditional one that did not hold.
    KvApply "KVS.Apply" KvRequest => bool;
    /// One entry.
    KvGet "KVS.Get" KeyRequest => Indexed<Option<Arc<DirEntry>>>;
    /// All entries with a prefix, in key order.
    KvList "KVS.List" KeyRequest => Indexed<Vec<Arc<DirEntry>>>;
    /// Names of entries with a prefix.
    KvListKeys "KVS.ListKeys" KeyListRequest => Indexed<Vec<Key>>;
    /// Create (answers the new ID) or destroy a session.
    SessionApply "Session.Apply" SessionRequest => String;
    /// One session.
    SessionGet "Session.Get" SessionSpecificRequest => Indexed<Option<Arc<Session>>>;
    /// All sessions.
    SessionList "Session.List" DatacenterRequest => Indexed<Vec<Arc<Session>>>;
    /// Sessions of a node.
    SessionNodeSessions "Session.NodeSessions" NodeRequest => Indexed<Vec<Arc<Session>>>;
    /// Restart a session's TTL; nothing for an unknown one.
    SessionRenew "Session.Renew" SessionSpecificRequest => Indexed<Option<Arc<Session>>>;
    /// A transaction with writes.
    TxnApply "Txn.Apply" TxnRequest => TxnResponse;
    /// A transaction that only reads.
    TxnRead "Txn.Read" TxnReadRequest => TxnReadReply;
    /// Register a node, a service, checks.
    CatalogRegister "Catalog.Register" RegisterRequest => ();
    /// Remove a node, a service or a check.
    CatalogDeregister "Catalog.Deregister" DeregisterRequest => ();
    /// Names of known datacenters, nearest first.
    CatalogListDatacenters "Catalog.ListDatacenters" () => Vec<String>;
    /// Nodes.
    CatalogListNodes "Catalog.ListNodes" DatacenterRequest => Indexed<Vec<Arc<Node>>>;
    /// Names of services, each with all tags in use.
    CatalogListServices "Catalog.ListServices" DatacenterRequest => Indexed<BTreeMap<String, Vec<String>>>;
    /// Instances of a service.
    CatalogServiceNodes "Catalog.ServiceNodes" ServiceRequest => Indexed<Vec<ServiceNode>>;
    /// Services of a node.
    CatalogNodeServices "Catalog.NodeServices" NodeRequest => Indexed<Option<NodeServices>>;
    /// Checks of a node.
    HealthNodeChecks "Health.NodeChecks" NodeRequest => Indexed<Vec<Arc<HealthCheck>>>;
    /// Checks of a service.
    HealthServiceChecks "Health.ServiceChecks" ServiceRequest => Indexed<Vec<Arc<HealthCheck>>>;
    /// Checks with a status.
    HealthChecksInState "Health.ChecksInState" ChecksInStateRequest => Indexed<Vec<Arc<HealthCheck>>>;
    /// Instances of a service with their checks.
    HealthServiceNodes "Health.ServiceNodes" ServiceRequest => Indexed<Vec<CheckServiceNode>>;
    /// Services behind a gateway.
    CatalogGatewayServices "Catalog.GatewayServices" ServiceRequest => Indexed<Vec<Arc<GatewayService>>>;
    /// Virtual IP of a service; empty for none.
    CatalogVirtualIpForService "Catalog.VirtualIPForService" ServiceRequest => String;
    /// Create, update or delete a prepared query; answers its ID.
    PreparedQueryApply "PreparedQuery.Apply" PreparedQueryRequest => String;
    /// One prepared query, as a list.
    PreparedQueryGet "PreparedQuery.Get" QuerySpecificRequest => Indexed<Vec<Arc<PreparedQuery>>>;
    /// All prepared queries, by ID.
    PreparedQueryList "PreparedQuery.List" DatacenterRequest => Indexed<Vec<Arc<PreparedQuery>>>;
    /// A prepared query as it would be executed.
    PreparedQueryExplain "PreparedQuery.Explain" QueryExecuteRequest => Indexed<PreparedQuery>;
    /// Instances a prepared query finds now.
    PreparedQueryExecute "PreparedQuery.Execute" QueryExecuteRequest => QueryExecuteReply;
    /// A node reports its coordinate; visible after the next batch.
    CoordinateUpdateOne "Coordinate.Update" CoordinateUpdate => ();
    /// Coordinates of servers, by datacenter.
    CoordinateListDatacenters "Coordinate.ListDatacenters" () => Vec<DatacenterMap>;
    /// Coordinates of all nodes.
    CoordinateListNodes "Coordinate.ListNodes" DatacenterRequest => Indexed<Vec<CoordinateEntry>>;
    /// Coordinates of one node.
    CoordinateNode "Coordinate.Node" NodeRequest => Indexed<Vec<CoordinateEntry>>;
    /// Roots of the mesh's certificate authority.
    ConnectCaRoots "ConnectCA.Roots" DatacenterRequest => Indexed<CaRoots>;
    /// Spread a user event.
    EventFire "Internal.EventFire" EventFireRequest => ();
    /// Address of the leader's server port, empty without one. The request names the datacenter, empty for the local one.
    StatusLeader "Status.Leader" String => String;
    /// Addresses of the servers in the Raft configuration. The request names the datacenter, empty for the local one.
    StatusPeers "Status.Peers" String => Vec<String>;
    /// Nothing; tells that a server answers.
    StatusPing "Status.Ping" () => ();
    /// What the asked server knows of its own log.
    StatusRaftStats "Status.RaftStats" () => RaftStats;
    /// Services of a node as a list.
    CatalogNodeServiceList "Catalog.NodeServiceList" NodeRequest => Indexed<Option<NodeServices>>;
    /// Removes a server from the Raft configuration.
    OperatorRaftRemovePeerById "Operator.RaftRemovePeerByID" RaftRemovePeerRequest => ();
    /// The same, by its address.
    OperatorRaftRemovePeerByAddress "Operator.RaftRemovePeerByAddress" RaftRemovePeerRequest => ();
    /// How autopilot is set.
    OperatorAutopilotGetConfiguration "Operator.AutopilotGetConfiguration" DatacenterRequest => AutopilotConfig;
    /// Sets autopilot; false for a conditional write that did not hold.
    OperatorAutopilotSetConfiguration "Operator.AutopilotSetConfiguration" AutopilotSetConfigRequest => bool;
    /// Health of the servers as autopilot sees it.
    OperatorServerHealth "Operator.ServerHealth" DatacenterRequest => OperatorHealth;
    /// All that autopilot knows.
    OperatorAutopilotState "Operator.AutopilotState" DatacenterRequest => AutopilotState;
    /// Reads or changes the keys of gossip.
    InternalKeyringOperation "Internal.KeyringOperation" KeyringRequest => Vec<KeyringResponse>;
    /// The Raft configuration.
    OperatorRaftGetConfiguration "Operator.RaftGetConfiguration" SnapshotRequest => Vec<RaftServer>;
}
