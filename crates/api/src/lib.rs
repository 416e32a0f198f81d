//! An async client of the HTTP API: typed calls, blocking queries as streams, locks, semaphores, session heartbeats.
//!
//! Start with [`Client`]; every group of endpoints hangs off it ([`Client::kv`], [`Client::session`], …). Whatever has no
//! typed call yet is reached with [`Client::query`], [`Client::write`] or, for full control, [`Client::request`].
//!
//! Calls take [`QueryOptions`] (reads) or [`WriteOptions`] (writes); reads answer with the [`QueryMeta`] a following
//! blocking query needs, and [`Watch`] runs that loop for you. Field names of the JSON types are the API's own, turned
//! into snake case; shapes and units are those of `docs/spec/http-api.md`.
//!
//! The transport speaks HTTP/1.1 over TCP, TLS and Unix sockets and keeps connections alive. There is no overall timeout
//! on a call (a blocking query may take minutes): wrap the future in `tokio::time::timeout` to set one. Dropping a future
//! closes its connection. Proxies named in `HTTP_PROXY` and `HTTPS_PROXY` are not used.

mod agent;
mod catalog;
mod cause;
mod client;
mod config;
mod coordinate;
mod error;
mod event;
mod go;
mod health;
mod hold;
mod kv;
mod lease;
mod lock;
mod operator;
mod options;
mod request;
mod response;
mod semaphore;
mod session;
mod snapshot;
mod status;
#[cfg(feature = "test-support")]
#[doc(hidden)]
pub mod test_support;
mod tls;
mod transport;
mod txn;
mod watch;

pub use agent::{
    Agent, AgentCheck, AgentCheckRegistration, AgentMember, AgentSelf, AgentServiceRegistration, ConnectRegistration,
    LocalHealth, MemberStatus, MembersOptions, Metric, MetricSample, Metrics, TokenKind,
};
pub use catalog::{
    AgentService, Catalog, CatalogDeregistration, CatalogNode, CatalogNodeServices, CatalogRegistration,
    CatalogService, CompoundName, Expose, ExposePath, GatewayService, MeshGateway, Node, Proxy, ServiceAddress,
    ServiceConnect, ServiceWeights, TransparentProxy, Upstream,
};
pub use client::Client;
pub use config::{Config, Scheme, TlsConfig};
pub use coordinate::{Coord, Coordinate, CoordinateEntry, DatacenterCoordinates};
pub use error::{Error, Result};
pub use event::{Event, FireRequest, UserEvent, id_to_index};
pub use go::{format_duration, parse_duration};
pub use health::{CheckDefinition, Health, HealthCheck, ServiceEntry, ServiceQuery};
pub use kv::{Kv, KvPair};
pub use lease::SessionHeartbeat;
pub use lock::{HeldLock, LOCK_FLAGS, Lock};
pub use operator::{
    AutopilotConfiguration, AutopilotHealth, AutopilotServer, AutopilotServerHealth, AutopilotState, KeyringPool,
    Operator, RaftConfiguration, RaftServer,
};
pub use options::{QueryMeta, QueryOptions, WriteOptions};
pub use request::Request;
pub use response::{ByteStream, LineStream, Response};
pub use semaphore::{HeldSemaphore, SEMAPHORE_FLAGS, Semaphore};
pub use session::{ServiceCheckRef, Session, SessionBehavior, SessionEntry, SessionRequest};
pub use snapshot::Snapshot;
pub use status::Status;
pub use txn::{CheckTxnOp, KvTxnOp, NodeTxnOp, ServiceTxnOp, Txn, TxnError, TxnOp, TxnOutcome, TxnResult, TxnVerb};
pub use watch::Watch;
