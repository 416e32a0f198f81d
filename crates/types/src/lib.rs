//! The domain model: nodes, services, checks, keys, sessions and the requests about them, with their JSON and msgpack shapes.
//!
//! Field names follow the wire (`docs/spec/rpc-and-state.md` §4): a struct serialises with the reference's names in
//! both formats. An absent field always means its zero value, so zero values may be left out when writing.

pub mod autopilot;
pub mod catalog;
pub mod check;
pub mod command;
pub mod connect_ca;
pub mod coordinate;
pub mod event;
pub mod gateway;
pub mod kv;
pub mod method;
pub mod node;
pub mod prepared_query;
pub mod query;
pub mod rare;
pub mod rpc;
pub mod server_info;
pub mod service;
pub mod session;
mod shape;
pub mod txn;

pub use autopilot::AutopilotConfig;
pub use catalog::{CheckServiceNode, DeregisterRequest, NodeServices, RegisterRequest, ServiceNode};
pub use check::{CheckStatus, HealthCheck, HealthCheckDefinition};
pub use command::{CommandError, MessageType};
pub use connect_ca::{CaConfiguration, CaProviderState, CaRequest, CaRoot, CaRoots};
pub use coordinate::{Coordinate, CoordinateEntry, CoordinateUpdate};
pub use event::UserEvent;
pub use gateway::GatewayService;
pub use kv::{DirEntry, Key, KvOp, KvRequest};
pub use method::{Method, RpcError};
pub use node::Node;
pub use prepared_query::{PreparedQuery, PreparedQueryRequest};
pub use query::{Backend, Consistency, QueryMeta, QueryOptions, QuerySource, Version, Want};
pub use rare::Rare;
pub use rpc::{Route, RpcMethod};
pub use server_info::ServerInfo;
pub use service::{ConnectProxyConfig, NodeService, ServiceAddress, ServiceConnect, Upstream, Weights};
pub use session::{ServiceCheckRef, Session, SessionOp, SessionRequest};
pub use txn::{TxnError, TxnOp, TxnRequest, TxnResponse, TxnResult};
pub use wire::duration::GoDuration;

/// Version this implementation reports and is compatible with.
pub const COMPATIBLE_VERSION: &str = "1.14.2";
/// Name of the health check that stands for a node's liveness by gossip.
pub const SERF_HEALTH: &str = "serfHealth";
/// Name of [`SERF_HEALTH`] as people read it.
pub const SERF_HEALTH_NAME: &str = "Serf Health Status";
/// Output of a passing [`SERF_HEALTH`] check.
pub const SERF_HEALTH_ALIVE_OUTPUT: &str = "Agent alive and reachable";
/// Name and ID of the service every server registers for itself.
pub const CONSUL_SERVICE: &str = "consul";
