//! Service, check and watch definitions in configuration files (`docs/spec/config.md` §14).

mod convert;
mod validate;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::secret::Secret;

pub(crate) use convert::Converter;
pub use validate::{check_faults, service_faults};
pub use watch::{HttpHandler, WatchDefinition, WatchError, WatchHandler, WatchKind};

/// A free-form map, as proxies and upstreams carry.
pub type OpaqueMap = serde_json::Map<String, serde_json::Value>;

/// A service to register at start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceDefinition {
    /// What the service is.
    pub kind: ServiceKind,
    /// ID unique on this node; empty means the name.
    pub id: String,
    /// Name shared by all instances.
    pub name: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Address of the instance; empty means the node's.
    pub address: String,
    /// Further addresses by their tag.
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Metadata.
    pub meta: BTreeMap<String, String>,
    /// Port, 0 for none; not checked against a range, as in the reference.
    pub port: i64,
    /// Path of a unix socket; empty for none.
    pub socket_path: String,
    /// Checks of the instance.
    pub checks: Vec<ServiceCheck>,
    /// Load-balancing weights.
    pub weights: Weights,
    /// Token to register with.
    pub token: Secret,
    /// Whether other agents may change the tags.
    pub enable_tag_override: bool,
    /// Proxy settings.
    pub proxy: Option<ProxyDefinition>,
    /// Mesh settings.
    pub connect: Option<ConnectDefinition>,
}

/// What a service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceKind {
    /// An ordinary service; also what an unknown kind becomes.
    #[default]
    Typical,
    /// A sidecar or other mesh proxy.
    ConnectProxy,
    /// Gateway between datacenters.
    MeshGateway,
    /// Gateway to services outside the mesh.
    TerminatingGateway,
    /// Gateway into the mesh.
    IngressGateway,
}

impl ServiceKind {
    /// The kind as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceKind::Typical => "",
            ServiceKind::ConnectProxy => "connect-proxy",
            ServiceKind::MeshGateway => "mesh-gateway",
            ServiceKind::TerminatingGateway => "terminating-gateway",
            ServiceKind::IngressGateway => "ingress-gateway",
        }
    }

    /// Reads a kind; unknown ones are ordinary services.
    pub fn parse(text: &str) -> ServiceKind {
        match text {
            "connect-proxy" => ServiceKind::ConnectProxy,
            "mesh-gateway" => ServiceKind::MeshGateway,
            "terminating-gateway" => ServiceKind::TerminatingGateway,
            "ingress-gateway" => ServiceKind::IngressGateway,
            _ => ServiceKind::Typical,
        }
    }
}

/// An address with its port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Address.
    pub address: String,
    /// Port.
    pub port: i64,
}

/// Load-balancing weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// While every check passes; at least 1.
    pub passing: i64,
    /// While a check warns; at least 0.
    pub warning: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { passing: 1, warning: 1 }
    }
}

/// What a check does, common to checks of services and of the node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckSpec {
    /// Name for people.
    pub name: String,
    /// Notes for people.
    pub notes: String,
    /// Status until the first result; empty means critical.
    pub status: String,
    /// Program with its arguments.
    pub args: Vec<String>,
    /// URL to request.
    pub http: String,
    /// Request headers.
    pub header: BTreeMap<String, Vec<String>>,
    /// Request method; empty means GET.
    pub method: String,
    /// Request body.
    pub body: String,
    /// Whether redirects are not followed.
    pub disable_redirects: bool,
    /// Largest output kept, in bytes.
    pub output_max_size: i64,
    /// Address to connect to.
    pub tcp: String,
    /// Address to send a datagram to.
    pub udp: String,
    /// Time between runs.
    pub interval: Duration,
    /// Container to run the program in.
    pub docker_container_id: String,
    /// Shell to use in the container.
    pub shell: String,
    /// gRPC health endpoint.
    pub grpc: String,
    /// Whether gRPC uses TLS.
    pub grpc_use_tls: bool,
    /// Name expected in the certificate.
    pub tls_server_name: String,
    /// Whether certificates are not verified.
    pub tls_skip_verify: bool,
    /// Node whose health is mirrored.
    pub alias_node: String,
    /// Service whose health is mirrored.
    pub alias_service: String,
    /// Time a run may take; zero means the default of its type.
    pub timeout: Duration,
    /// Time within which a result must be sent in.
    pub ttl: Duration,
    /// Address for HTTP/2 pings.
    pub h2ping: String,
    /// Whether HTTP/2 pings use TLS.
    pub h2ping_use_tls: bool,
    /// Operating-system service.
    pub os_service: String,
    /// Passes in a row before the status becomes passing.
    pub success_before_passing: i64,
    /// Failures in a row before the status becomes warning.
    pub failures_before_warning: i64,
    /// Failures in a row before the status becomes critical.
    pub failures_before_critical: i64,
    /// Time in critical after which the service is deregistered; zero for never.
    pub deregister_critical_service_after: Duration,
}

/// A check inside a service definition.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceCheck {
    /// ID; empty means one made from the service's.
    pub id: String,
    /// What it does.
    pub spec: CheckSpec,
}

/// A check at the top level of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CheckDefinition {
    /// ID; empty means the name.
    pub id: String,
    /// Service it belongs to; empty for the node.
    pub service_id: String,
    /// Token to register with.
    pub token: Secret,
    /// What it does.
    pub spec: CheckSpec,
}

/// Proxy settings of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProxyDefinition {
    /// Service the proxy stands for.
    pub destination_service_name: String,
    /// Instance the proxy stands for.
    pub destination_service_id: String,
    /// Address of the local instance.
    pub local_service_address: String,
    /// Port of the local instance.
    pub local_service_port: i64,
    /// Unix socket of the local instance.
    pub local_service_socket_path: String,
    /// How traffic reaches the proxy: `""`, `transparent` or `direct`.
    pub mode: String,
    /// Port traffic is redirected to.
    pub outbound_listener_port: i64,
    /// Whether instances are dialled directly.
    pub dialed_directly: bool,
    /// Free-form settings.
    pub config: OpaqueMap,
    /// Services the proxy gives access to.
    pub upstreams: Vec<Upstream>,
    /// Mesh gateway mode: `""`, `none`, `local` or `remote`.
    pub mesh_gateway_mode: String,
    /// Whether paths of checks are exposed.
    pub expose_checks: bool,
    /// Paths exposed outside the mesh.
    pub expose_paths: Vec<ExposePath>,
}

/// A service a proxy gives access to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upstream {
    /// `service` or `prepared_query`.
    pub destination_type: String,
    /// Namespace of the destination.
    pub destination_namespace: String,
    /// Partition of the destination.
    pub destination_partition: String,
    /// Peer of the destination.
    pub destination_peer: String,
    /// Name of the destination.
    pub destination_name: String,
    /// Datacenter of the destination.
    pub datacenter: String,
    /// Address the proxy listens on.
    pub local_bind_address: String,
    /// Port the proxy listens on.
    pub local_bind_port: i64,
    /// Unix socket the proxy listens on.
    pub local_bind_socket_path: String,
    /// Mode of that socket, octal.
    pub local_bind_socket_mode: String,
    /// Free-form settings.
    pub config: OpaqueMap,
    /// Mesh gateway mode.
    pub mesh_gateway_mode: String,
}

/// A path exposed outside the mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExposePath {
    /// Port the proxy listens on.
    pub listener_port: i64,
    /// HTTP path.
    pub path: String,
    /// Port of the local instance.
    pub local_path_port: i64,
    /// `http` or `http2`; empty means `http`.
    pub protocol: String,
}

/// Mesh settings of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectDefinition {
    /// Whether the service speaks the mesh's TLS itself.
    pub native: bool,
    /// A sidecar to register along.
    pub sidecar_service: Option<Box<ServiceDefinition>>,
}
