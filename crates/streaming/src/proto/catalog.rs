//! Nodes, instances, checks.

use std::collections::BTreeMap;

use prost_types::{Duration, Struct};

#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckServiceNode {
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    #[prost(message, optional, tag = "2")]
    pub service: Option<NodeService>,
    #[prost(message, repeated, tag = "3")]
    pub checks: Vec<HealthCheck>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RaftIndex {
    #[prost(uint64, tag = "1")]
    pub create_index: u64,
    #[prost(uint64, tag = "2")]
    pub modify_index: u64,
}

/// Always empty here; readers of the reference want it to be there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EnterpriseMeta {
    #[prost(string, tag = "1")]
    pub namespace: String,
    #[prost(string, tag = "2")]
    pub partition: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub node: String,
    #[prost(string, tag = "3")]
    pub address: String,
    #[prost(string, tag = "4")]
    pub datacenter: String,
    #[prost(btree_map = "string, string", tag = "5")]
    pub tagged_addresses: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "6")]
    pub meta: BTreeMap<String, String>,
    #[prost(message, optional, tag = "7")]
    pub raft_index: Option<RaftIndex>,
    #[prost(string, tag = "8")]
    pub partition: String,
    #[prost(string, tag = "9")]
    pub peer_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ServiceAddress {
    #[prost(string, tag = "1")]
    pub address: String,
    #[prost(int32, tag = "2")]
    pub port: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Weights {
    #[prost(int32, tag = "1")]
    pub passing: i32,
    #[prost(int32, tag = "2")]
    pub warning: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeService {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub id: String,
    #[prost(string, tag = "3")]
    pub service: String,
    #[prost(string, repeated, tag = "4")]
    pub tags: Vec<String>,
    #[prost(string, tag = "5")]
    pub address: String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub meta: BTreeMap<String, String>,
    #[prost(int32, tag = "7")]
    pub port: i32,
    #[prost(message, optional, tag = "8")]
    pub weights: Option<Weights>,
    #[prost(bool, tag = "9")]
    pub enable_tag_override: bool,
    #[prost(message, optional, tag = "11")]
    pub proxy: Option<ConnectProxyConfig>,
    #[prost(message, optional, tag = "12")]
    pub connect: Option<ServiceConnect>,
    #[prost(bool, tag = "13")]
    pub locally_registered_as_sidecar: bool,
    #[prost(message, optional, tag = "14")]
    pub raft_index: Option<RaftIndex>,
    #[prost(btree_map = "string, message", tag = "15")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    #[prost(message, optional, tag = "16")]
    pub enterprise_meta: Option<EnterpriseMeta>,
    #[prost(string, tag = "17")]
    pub socket_path: String,
    #[prost(string, tag = "18")]
    pub peer_name: String,
}

/// Without the definition of a sidecar (3), which a catalog does not keep.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServiceConnect {
    #[prost(bool, tag = "1")]
    pub native: bool,
    #[prost(message, optional, tag = "4")]
    pub peer_meta: Option<PeeringServiceMeta>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct PeeringServiceMeta {
    #[prost(string, repeated, tag = "1")]
    pub sni: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub spiffe_id: Vec<String>,
    #[prost(string, tag = "3")]
    pub protocol: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ConnectProxyConfig {
    #[prost(string, tag = "1")]
    pub destination_service_name: String,
    #[prost(string, tag = "2")]
    pub destination_service_id: String,
    #[prost(string, tag = "3")]
    pub local_service_address: String,
    #[prost(int32, tag = "4")]
    pub local_service_port: i32,
    #[prost(message, optional, tag = "5")]
    pub config: Option<Struct>,
    #[prost(message, repeated, tag = "6")]
    pub upstreams: Vec<Upstream>,
    #[prost(message, optional, tag = "7")]
    pub mesh_gateway: Option<MeshGatewayConfig>,
    #[prost(message, optional, tag = "8")]
    pub expose: Option<ExposeConfig>,
    #[prost(string, tag = "9")]
    pub mode: String,
    #[prost(message, optional, tag = "10")]
    pub transparent_proxy: Option<TransparentProxyConfig>,
    #[prost(string, tag = "11")]
    pub local_service_socket_path: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct MeshGatewayConfig {
    #[prost(string, tag = "1")]
    pub mode: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ExposeConfig {
    #[prost(bool, tag = "1")]
    pub checks: bool,
    #[prost(message, repeated, tag = "2")]
    pub paths: Vec<ExposePath>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ExposePath {
    #[prost(int32, tag = "1")]
    pub listener_port: i32,
    #[prost(string, tag = "2")]
    pub path: String,
    #[prost(int32, tag = "3")]
    pub local_path_port: i32,
    #[prost(string, tag = "4")]
    pub protocol: String,
    #[prost(bool, tag = "5")]
    pub parsed_from_check: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TransparentProxyConfig {
    #[prost(int32, tag = "1")]
    pub outbound_listener_port: i32,
    #[prost(bool, tag = "2")]
    pub dialed_directly: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Upstream {
    #[prost(string, tag = "1")]
    pub destination_type: String,
    #[prost(string, tag = "2")]
    pub destination_namespace: String,
    #[prost(string, tag = "3")]
    pub destination_name: String,
    #[prost(string, tag = "4")]
    pub datacenter: String,
    #[prost(string, tag = "5")]
    pub local_bind_address: String,
    #[prost(int32, tag = "6")]
    pub local_bind_port: i32,
    #[prost(message, optional, tag = "7")]
    pub config: Option<Struct>,
    #[prost(message, optional, tag = "8")]
    pub mesh_gateway: Option<MeshGatewayConfig>,
    #[prost(bool, tag = "9")]
    pub centrally_configured: bool,
    #[prost(string, tag = "10")]
    pub local_bind_socket_path: String,
    #[prost(string, tag = "11")]
    pub local_bind_socket_mode: String,
    #[prost(string, tag = "12")]
    pub destination_partition: String,
    #[prost(string, tag = "13")]
    pub destination_peer: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheck {
    #[prost(string, tag = "1")]
    pub node: String,
    #[prost(string, tag = "2")]
    pub check_id: String,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub status: String,
    #[prost(string, tag = "5")]
    pub notes: String,
    #[prost(string, tag = "6")]
    pub output: String,
    #[prost(string, tag = "7")]
    pub service_id: String,
    #[prost(string, tag = "8")]
    pub service_name: String,
    #[prost(string, repeated, tag = "9")]
    pub service_tags: Vec<String>,
    #[prost(message, optional, tag = "10")]
    pub definition: Option<HealthCheckDefinition>,
    #[prost(message, optional, tag = "11")]
    pub raft_index: Option<RaftIndex>,
    #[prost(string, tag = "12")]
    pub r#type: String,
    #[prost(message, optional, tag = "13")]
    pub enterprise_meta: Option<EnterpriseMeta>,
    #[prost(int32, tag = "14")]
    pub exposed_port: i32,
    #[prost(string, tag = "15")]
    pub interval: String,
    #[prost(string, tag = "16")]
    pub timeout: String,
    #[prost(string, tag = "17")]
    pub peer_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct HeaderValue {
    #[prost(string, repeated, tag = "1")]
    pub value: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckDefinition {
    #[prost(string, tag = "1")]
    pub http: String,
    #[prost(bool, tag = "2")]
    pub tls_skip_verify: bool,
    #[prost(btree_map = "string, message", tag = "3")]
    pub header: BTreeMap<String, HeaderValue>,
    #[prost(string, tag = "4")]
    pub method: String,
    #[prost(string, tag = "5")]
    pub tcp: String,
    #[prost(message, optional, tag = "6")]
    pub interval: Option<Duration>,
    #[prost(message, optional, tag = "7")]
    pub timeout: Option<Duration>,
    #[prost(message, optional, tag = "8")]
    pub deregister_critical_service_after: Option<Duration>,
    #[prost(uint32, tag = "9")]
    pub output_max_size: u32,
    #[prost(string, repeated, tag = "10")]
    pub script_args: Vec<String>,
    #[prost(string, tag = "11")]
    pub docker_container_id: String,
    #[prost(string, tag = "12")]
    pub shell: String,
    #[prost(string, tag = "13")]
    pub grpc: String,
    #[prost(bool, tag = "14")]
    pub grpc_use_tls: bool,
    #[prost(string, tag = "15")]
    pub alias_node: String,
    #[prost(string, tag = "16")]
    pub alias_service: String,
    #[prost(message, optional, tag = "17")]
    pub ttl: Option<Duration>,
    #[prost(string, tag = "18")]
    pub body: String,
    #[prost(string, tag = "19")]
    pub tls_server_name: String,
    #[prost(string, tag = "20")]
    pub h2ping: String,
    #[prost(bool, tag = "21")]
    pub h2ping_use_tls: bool,
    #[prost(bool, tag = "22")]
    pub disable_redirects: bool,
    #[prost(string, tag = "23")]
    pub udp: String,
    #[prost(string, tag = "24")]
    pub os_service: String,
}
