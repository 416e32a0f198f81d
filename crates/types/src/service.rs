//! Service instances of the catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Rare;
use crate::rare::shared_default;
use crate::shape::{is_zero, null_if_empty};

shared_default!(ConnectProxyConfig, ServiceConnect);

/// A free-form value inside a proxy configuration.
pub type ConfigMap = BTreeMap<String, serde_json::Value>;

/// A service instance registered on a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeService {
    /// `""`, `connect-proxy`, `mesh-gateway`, `terminating-gateway`, `ingress-gateway`.
    #[serde(rename = "Kind", skip_serializing_if = "is_zero")]
    pub kind: String,
    /// ID, unique on the node.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the service.
    #[serde(rename = "Service")]
    pub service: String,
    /// Tags.
    #[serde(rename = "Tags", serialize_with = "null_if_empty")]
    pub tags: Vec<String>,
    /// Address, empty for the node's.
    #[serde(rename = "Address")]
    pub address: String,
    /// Addresses by tag.
    #[serde(rename = "TaggedAddresses", skip_serializing_if = "is_zero")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Free metadata.
    #[serde(rename = "Meta", serialize_with = "null_if_empty")]
    pub meta: BTreeMap<String, String>,
    /// Port, 0 for none.
    #[serde(rename = "Port", skip_serializing_if = "is_zero")]
    pub port: i64,
    /// Unix socket instead of address and port.
    #[serde(rename = "SocketPath", skip_serializing_if = "is_zero")]
    pub socket_path: String,
    /// Weights in DNS answers; absent means 1 and 1.
    #[serde(rename = "Weights")]
    pub weights: Option<Weights>,
    /// Whether tags changed in the catalog survive anti-entropy.
    #[serde(rename = "EnableTagOverride")]
    pub enable_tag_override: bool,
    /// Proxy configuration.
    #[serde(rename = "Proxy")]
    pub proxy: Rare<ConnectProxyConfig>,
    /// Mesh settings.
    #[serde(rename = "Connect")]
    pub connect: Rare<ServiceConnect>,
    /// Registered as the sidecar of a local definition.
    #[serde(rename = "LocallyRegisteredAsSidecar", skip_serializing_if = "is_zero")]
    pub locally_registered_as_sidecar: bool,
    /// Name of the peering it was imported from; empty for a local one.
    #[serde(rename = "PeerName")]
    pub peer_name: String,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

/// An address with a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceAddress {
    /// IP or name.
    pub address: String,
    /// Port, 0 for none.
    pub port: i64,
}

/// Weights of an instance by health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Weights {
    /// While passing; 0 when left out.
    #[serde(default)]
    pub passing: i64,
    /// While warning; 0 when left out.
    #[serde(default)]
    pub warning: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { passing: 1, warning: 1 }
    }
}

/// Mesh settings of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceConnect {
    /// Speaks the mesh protocol itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub native: bool,
    /// Mesh identity of an imported instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_meta: Option<PeeringServiceMeta>,
}

/// Mesh identity of an instance imported from a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PeeringServiceMeta {
    #[serde(rename = "SNI", skip_serializing_if = "is_zero")]
    pub sni: Vec<String>,
    #[serde(rename = "SpiffeID", skip_serializing_if = "is_zero")]
    pub spiffe_id: Vec<String>,
    #[serde(rename = "Protocol", skip_serializing_if = "is_zero")]
    pub protocol: String,
}

/// Configuration of a proxy instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ConnectProxyConfig {
    #[serde(rename = "DestinationServiceName", skip_serializing_if = "is_zero")]
    pub destination_service_name: String,
    #[serde(rename = "DestinationServiceID", skip_serializing_if = "is_zero")]
    pub destination_service_id: String,
    #[serde(rename = "LocalServiceAddress", skip_serializing_if = "is_zero")]
    pub local_service_address: String,
    #[serde(rename = "LocalServicePort", skip_serializing_if = "is_zero")]
    pub local_service_port: i64,
    #[serde(rename = "LocalServiceSocketPath", skip_serializing_if = "is_zero")]
    pub local_service_socket_path: String,
    #[serde(rename = "Mode")]
    pub mode: String,
    #[serde(rename = "Config", skip_serializing_if = "is_zero")]
    pub config: ConfigMap,
    #[serde(rename = "Upstreams", skip_serializing_if = "is_zero")]
    pub upstreams: Vec<Upstream>,
    #[serde(rename = "MeshGateway")]
    pub mesh_gateway: MeshGatewayConfig,
    #[serde(rename = "Expose")]
    pub expose: ExposeConfig,
    #[serde(rename = "TransparentProxy", skip_serializing_if = "is_zero")]
    pub transparent_proxy: TransparentProxyConfig,
}

/// A service a proxy reaches for its application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Upstream {
    pub destination_type: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub destination_namespace: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub destination_partition: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub destination_peer: String,
    pub destination_name: String,
    pub datacenter: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub local_bind_address: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub local_bind_port: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub local_bind_socket_path: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub local_bind_socket_mode: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub config: ConfigMap,
    pub mesh_gateway: MeshGatewayConfig,
    #[serde(skip_serializing_if = "is_zero")]
    pub ingress_hosts: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub centrally_configured: bool,
}

/// How mesh gateways are used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MeshGatewayConfig {
    /// `""`, `none`, `local`, `remote`.
    #[serde(skip_serializing_if = "is_zero")]
    pub mode: String,
}

/// Paths a proxy exposes without the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExposeConfig {
    /// Expose the paths of HTTP and gRPC checks.
    #[serde(skip_serializing_if = "is_zero")]
    pub checks: bool,
    /// Further paths.
    #[serde(skip_serializing_if = "is_zero")]
    pub paths: Vec<ExposePath>,
}

/// One exposed path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ExposePath {
    #[serde(skip_serializing_if = "is_zero")]
    pub listener_port: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub path: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub local_path_port: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub protocol: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub parsed_from_check: bool,
}

/// Settings of a transparent proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TransparentProxyConfig {
    #[serde(skip_serializing_if = "is_zero")]
    pub outbound_listener_port: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub dialed_directly: bool,
}
