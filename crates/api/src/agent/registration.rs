//! What an agent takes to register services and checks (`docs/spec/http-api.md §3.4, §3.6`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Proxy, ServiceAddress, ServiceWeights,
    go::{self, is_default},
};

/// A service to register.
///
/// ```
/// use api::{AgentCheckRegistration, AgentServiceRegistration};
/// let service = AgentServiceRegistration {
///     port: 8080,
///     tags: vec!["v1".into()],
///     checks: vec![AgentCheckRegistration::http("http://127.0.0.1:8080/health", "10s")],
///     ..AgentServiceRegistration::new("web")
/// };
/// # assert_eq!(service.name, "web");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentServiceRegistration {
    /// Empty for an ordinary service, else `connect-proxy`, `mesh-gateway`, `terminating-gateway`, `ingress-gateway`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// ID, unique on the agent; the name when empty.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Name of the service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its tags.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Port; 0 for none.
    #[serde(skip_serializing_if = "is_default")]
    pub port: i64,
    /// Address; empty for the node's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Unix socket, instead of address and port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// Addresses by purpose.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Tags changed in the catalog are kept.
    #[serde(skip_serializing_if = "is_default")]
    pub enable_tag_override: bool,
    /// Free for users.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub meta: BTreeMap<String, String>,
    /// Weights in DNS answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<ServiceWeights>,
    /// Its checks.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<AgentCheckRegistration>,
    /// Proxy settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Mesh settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectRegistration>,
    /// Checks of this service that are not listed here are removed. Sent as a query parameter.
    #[serde(skip)]
    pub replace_existing_checks: bool,
}

/// Mesh settings of a service to register.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ConnectRegistration {
    /// The service speaks the mesh's TLS itself.
    #[serde(skip_serializing_if = "is_default")]
    pub native: bool,
    /// A sidecar proxy registered along; unset members are derived from the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecar_service: Option<Box<AgentServiceRegistration>>,
}

/// A check to register. Exactly one way of checking is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentCheckRegistration {
    /// ID of a check registered by itself; the name when empty. Not allowed inside a service.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// ID of a check inside a service; derived from the service when empty. Not allowed elsewhere.
    #[serde(rename = "CheckID", skip_serializing_if = "String::is_empty")]
    pub check_id: String,
    /// Name for people; required for a check registered by itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Free text for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Status until the first run; `critical` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The service it checks; ignored inside a service.
    #[serde(rename = "ServiceID", skip_serializing_if = "String::is_empty")]
    pub service_id: String,
    /// Way of checking: the application reports at least this often.
    #[serde(rename = "TTL", skip_serializing_if = "String::is_empty")]
    pub ttl: String,
    /// Way of checking: a program and its arguments; script checks must be enabled on the agent.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub script_args: Vec<String>,
    /// Container the script runs in.
    #[serde(rename = "DockerContainerID", skip_serializing_if = "String::is_empty")]
    pub docker_container_id: String,
    /// Shell the script runs in, with a container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shell: String,
    /// Way of checking: a URL to ask.
    #[serde(rename = "HTTP", skip_serializing_if = "String::is_empty")]
    pub http: String,
    /// Request headers.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, Vec<String>>,
    /// HTTP method.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Request body.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Redirects are answers, not followed.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_redirects: bool,
    /// Way of checking: an address to connect to.
    #[serde(rename = "TCP", skip_serializing_if = "String::is_empty")]
    pub tcp: String,
    /// Way of checking: an address to send a datagram to.
    #[serde(rename = "UDP", skip_serializing_if = "String::is_empty")]
    pub udp: String,
    /// Way of checking: a gRPC health endpoint.
    #[serde(rename = "GRPC", skip_serializing_if = "String::is_empty")]
    pub grpc: String,
    /// gRPC over TLS.
    #[serde(rename = "GRPCUseTLS", skip_serializing_if = "is_default")]
    pub grpc_use_tls: bool,
    /// Way of checking: an HTTP/2 ping.
    #[serde(rename = "H2PING", skip_serializing_if = "String::is_empty")]
    pub h2ping: String,
    /// HTTP/2 over TLS; on unless turned off.
    #[serde(rename = "H2PingUseTLS", skip_serializing_if = "Option::is_none")]
    pub h2ping_use_tls: Option<bool>,
    /// Way of checking: a service of the operating system.
    #[serde(rename = "OSService", skip_serializing_if = "String::is_empty")]
    pub os_service: String,
    /// Name expected in the certificate.
    #[serde(rename = "TLSServerName", skip_serializing_if = "String::is_empty")]
    pub tls_server_name: String,
    /// Accept any certificate.
    #[serde(rename = "TLSSkipVerify", skip_serializing_if = "is_default")]
    pub tls_skip_verify: bool,
    /// Way of checking: the health of this node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias_node: String,
    /// Way of checking: the health of this service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias_service: String,
    /// Time between runs, for instance `10s`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interval: String,
    /// Longest time of one run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timeout: String,
    /// Runs that must pass before it counts as passing.
    #[serde(skip_serializing_if = "is_default")]
    pub success_before_passing: u64,
    /// Runs that must fail before it counts as warning.
    #[serde(skip_serializing_if = "is_default")]
    pub failures_before_warning: u64,
    /// Runs that must fail before it counts as critical.
    #[serde(skip_serializing_if = "is_default")]
    pub failures_before_critical: u64,
    /// Deregister the service after being critical for this long.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deregister_critical_service_after: String,
    /// Bytes of output kept; can only lower the agent's limit.
    #[serde(skip_serializing_if = "is_default")]
    pub output_max_size: u64,
}

impl AgentServiceRegistration {
    /// A service with nothing but a name.
    pub fn new(name: impl Into<String>) -> Self {
        AgentServiceRegistration { name: name.into(), ..Self::default() }
    }
}

impl AgentCheckRegistration {
    /// The application reports at least every `ttl` with [`Agent::update_ttl`](crate::Agent::update_ttl).
    pub fn ttl(ttl: impl Into<String>) -> Self {
        AgentCheckRegistration { ttl: ttl.into(), ..Self::default() }
    }

    /// Asks `url` every `interval`.
    pub fn http(url: impl Into<String>, interval: impl Into<String>) -> Self {
        AgentCheckRegistration { http: url.into(), interval: interval.into(), ..Self::default() }
    }

    /// Connects to `address` every `interval`.
    pub fn tcp(address: impl Into<String>, interval: impl Into<String>) -> Self {
        AgentCheckRegistration { tcp: address.into(), interval: interval.into(), ..Self::default() }
    }
}
