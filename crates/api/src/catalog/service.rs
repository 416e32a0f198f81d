//! JSON shapes of a service instance, its proxy and its mesh settings (`docs/spec/http-api.md §3.1, §3.5`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::go::{self, is_default};

/// A service instance, as agents and the health endpoints report it and as the catalog takes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentService {
    /// Empty for an ordinary service, else `connect-proxy`, `mesh-gateway`, `terminating-gateway`, `ingress-gateway`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// ID, unique on its node.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the service.
    pub service: String,
    /// Its tags.
    #[serde(deserialize_with = "go::null_default")]
    pub tags: Vec<String>,
    /// Free for users.
    #[serde(with = "go::null_map")]
    pub meta: BTreeMap<String, String>,
    /// Port; 0 for none.
    pub port: i64,
    /// Address; empty for the node's.
    pub address: String,
    /// Unix socket, instead of address and port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// Addresses by purpose.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Weights in DNS answers.
    pub weights: ServiceWeights,
    /// Tags changed in the catalog are kept.
    pub enable_tag_override: bool,
    /// Raft index of the creation.
    #[serde(skip_serializing_if = "is_default")]
    pub create_index: u64,
    /// Raft index of the last change.
    #[serde(skip_serializing_if = "is_default")]
    pub modify_index: u64,
    /// Changes whenever the instance does (`agent/service` only).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content_hash: String,
    /// Proxy settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Mesh settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ServiceConnect>,
    /// Peering the instance was imported through.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer_name: String,
    /// Namespace; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// Datacenter of the agent (agent endpoints only).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub datacenter: String,
}

/// Address and port of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceAddress {
    /// Host name or IP address.
    pub address: String,
    /// Port.
    pub port: i64,
}

/// Weights in DNS answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceWeights {
    /// While passing; at least 1.
    pub passing: i64,
    /// While warning; 0 leaves the instance out.
    pub warning: i64,
}

/// The agent's defaults.
impl Default for ServiceWeights {
    fn default() -> Self {
        ServiceWeights { passing: 1, warning: 1 }
    }
}

/// Mesh settings of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceConnect {
    /// The service speaks the mesh's TLS itself.
    #[serde(skip_serializing_if = "is_default")]
    pub native: bool,
}

/// Settings of a proxy instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Proxy {
    /// Name of the service proxied for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_service_name: String,
    /// ID of the instance proxied for.
    #[serde(rename = "DestinationServiceID", skip_serializing_if = "String::is_empty")]
    pub destination_service_id: String,
    /// Where the instance listens; `127.0.0.1` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_service_address: String,
    /// Port the instance listens on.
    #[serde(skip_serializing_if = "is_default")]
    pub local_service_port: i64,
    /// Unix socket the instance listens on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_service_socket_path: String,
    /// Empty, `transparent` or `direct`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// Settings of transparent mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transparent_proxy: Option<TransparentProxy>,
    /// Opaque settings for the proxy itself.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Value>,
    /// Services reached through the proxy.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
    /// Use of mesh gateways.
    pub mesh_gateway: MeshGateway,
    /// Paths reachable without the mesh's TLS.
    pub expose: Expose,
}

/// Settings of transparent mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TransparentProxy {
    /// Port outbound connections are redirected to.
    #[serde(skip_serializing_if = "is_default")]
    pub outbound_listener_port: i64,
    /// Others may dial the instance by its address.
    #[serde(skip_serializing_if = "is_default")]
    pub dialed_directly: bool,
}

/// A service reached through a proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Upstream {
    /// `service` (also when empty) or `prepared_query`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_type: String,
    /// Admin partition of the destination.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_partition: String,
    /// Namespace of the destination.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_namespace: String,
    /// Peering of the destination; excludes `datacenter`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_peer: String,
    /// Name of the service or query.
    pub destination_name: String,
    /// Datacenter of the destination.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub datacenter: String,
    /// Where the proxy listens for it; `127.0.0.1` when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_bind_address: String,
    /// Port the proxy listens on.
    #[serde(skip_serializing_if = "is_default")]
    pub local_bind_port: i64,
    /// Unix socket the proxy listens on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_bind_socket_path: String,
    /// Octal mode of that socket.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub local_bind_socket_mode: String,
    /// Opaque settings for the proxy itself.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Value>,
    /// Use of mesh gateways.
    pub mesh_gateway: MeshGateway,
    /// Comes from central configuration.
    #[serde(skip_serializing_if = "is_default")]
    pub centrally_configured: bool,
}

/// Use of mesh gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MeshGateway {
    /// Empty, `none`, `local` or `remote`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
}

/// Paths reachable without the mesh's TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Expose {
    /// Expose the paths of HTTP and gRPC checks.
    #[serde(skip_serializing_if = "is_default")]
    pub checks: bool,
    /// Paths exposed.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<ExposePath>,
}

/// One exposed path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExposePath {
    /// Port the proxy listens on.
    #[serde(skip_serializing_if = "is_default")]
    pub listener_port: i64,
    /// HTTP path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Port the service listens on.
    #[serde(skip_serializing_if = "is_default")]
    pub local_path_port: i64,
    /// `http` or `http2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Comes from a check.
    pub parsed_from_check: bool,
}

/// A service instance with its node, as the catalog lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CatalogService {
    /// UUID of the node.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node.
    pub node: String,
    /// Address of the node.
    pub address: String,
    /// Datacenter of the node.
    pub datacenter: String,
    /// Addresses of the node by purpose.
    #[serde(with = "go::null_map")]
    pub tagged_addresses: BTreeMap<String, String>,
    /// Metadata of the node.
    #[serde(with = "go::null_map")]
    pub node_meta: BTreeMap<String, String>,
    /// Kind of the service; see [`AgentService::kind`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_kind: String,
    /// ID of the instance.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// Name of the service.
    pub service_name: String,
    /// Address of the instance; empty for the node's.
    pub service_address: String,
    /// Addresses of the instance by purpose.
    #[serde(with = "go::null_map")]
    pub service_tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Its tags.
    #[serde(deserialize_with = "go::null_default")]
    pub service_tags: Vec<String>,
    /// Its metadata.
    #[serde(deserialize_with = "go::null_default")]
    pub service_meta: BTreeMap<String, String>,
    /// Its port.
    pub service_port: i64,
    /// Unix socket, instead of address and port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_socket_path: String,
    /// Weights in DNS answers.
    pub service_weights: ServiceWeights,
    /// Tags changed in the catalog are kept.
    pub service_enable_tag_override: bool,
    /// Proxy settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_proxy: Option<Proxy>,
    /// Mesh settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_connect: Option<ServiceConnect>,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
    /// Peering the instance was imported through.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer_name: String,
}
