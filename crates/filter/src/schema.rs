//! The fields of everything an endpoint filters (`docs/spec/http-api.md` §2.3).

use std::sync::Arc;

use types::service::{ExposeConfig, ExposePath, MeshGatewayConfig, TransparentProxyConfig};
use types::{
    CheckServiceNode, ConnectProxyConfig, HealthCheck, Node, NodeService, ServiceAddress, ServiceConnect, ServiceNode,
    Upstream, Weights,
};

use crate::access::Access::{Bool, Int, Nested, Text, TextMap, Texts};
use crate::access::{Each, Entries, Field, Fields, Through};

/// A node with everything registered on it, as the UI lists nodes.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The node.
    pub node: Arc<Node>,
    /// Its services.
    pub services: Vec<Arc<NodeService>>,
    /// Its checks and those of its services.
    pub checks: Vec<Arc<HealthCheck>>,
}

/// What an instance registered without weights counts as.
static DEFAULT_WEIGHTS: Weights = Weights { passing: 1, warning: 1 };

fn weights(service: &NodeService) -> &Weights {
    service.weights.as_ref().unwrap_or(&DEFAULT_WEIGHTS)
}

impl Fields for Node {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("ID", Text(|node| &node.id)),
        Field::new("Node", Text(|node| &node.node)),
        Field::new("Address", Text(|node| &node.address)),
        Field::new("Datacenter", Text(|node| &node.datacenter)),
        // There are no partitions, but their name can be selected.
        Field::new("Partition", Text(|_| "")),
        Field::new("PeerName", Text(|node| &node.peer_name)),
        Field::new("TaggedAddresses", TextMap(|node| &node.tagged_addresses)),
        Field::new("Meta", TextMap(|node| &node.meta)),
    ];
}

impl Fields for NodeService {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("Kind", Text(|service| &service.kind)),
        Field::new("ID", Text(|service| &service.id)),
        Field::new("Service", Text(|service| &service.service)),
        Field::new("Tags", Texts(|service| &service.tags)),
        Field::new("Address", Text(|service| &service.address)),
        Field::new("TaggedAddresses", Nested(&Entries(|service: &NodeService| &service.tagged_addresses))),
        Field::new("Meta", TextMap(|service| &service.meta)),
        Field::new("Port", Int(|service| service.port)),
        Field::new("SocketPath", Text(|service| &service.socket_path)),
        Field::new("Weights", Nested(&Through(weights))),
        Field::new("EnableTagOverride", Bool(|service| service.enable_tag_override)),
        Field::new("Proxy", Nested(&Through(|service: &NodeService| &*service.proxy))),
        Field::new("Connect", Nested(&Through(|service: &NodeService| &*service.connect))),
        Field::new("PeerName", Text(|service| &service.peer_name)),
    ];
}

impl Fields for ServiceNode {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("ID", Text(|instance| &instance.node.id)),
        Field::new("Node", Text(|instance| &instance.node.node)),
        Field::new("Address", Text(|instance| &instance.node.address)),
        Field::new("Datacenter", Text(|instance| &instance.node.datacenter)),
        Field::new("TaggedAddresses", TextMap(|instance| &instance.node.tagged_addresses)),
        Field::new("NodeMeta", TextMap(|instance| &instance.node.meta)),
        Field::new("ServiceKind", Text(|instance| &instance.service.kind)),
        Field::new("ServiceID", Text(|instance| &instance.service.id)),
        Field::new("ServiceName", Text(|instance| &instance.service.service)),
        Field::new("ServiceTags", Texts(|instance| &instance.service.tags)),
        Field::new("ServiceAddress", Text(|instance| &instance.service.address)),
        Field::new(
            "ServiceTaggedAddresses",
            Nested(&Entries(|instance: &ServiceNode| &instance.service.tagged_addresses)),
        ),
        Field::new("ServiceWeights", Nested(&Through(|instance: &ServiceNode| weights(&instance.service)))),
        Field::new("ServiceMeta", TextMap(|instance| &instance.service.meta)),
        Field::new("ServicePort", Int(|instance| instance.service.port)),
        Field::new("ServiceSocketPath", Text(|instance| &instance.service.socket_path)),
        Field::new("ServiceEnableTagOverride", Bool(|instance| instance.service.enable_tag_override)),
        Field::new("ServiceProxy", Nested(&Through(|instance: &ServiceNode| &*instance.service.proxy))),
        Field::new("ServiceConnect", Nested(&Through(|instance: &ServiceNode| &*instance.service.connect))),
        Field::new("PeerName", Text(|instance| &instance.service.peer_name)),
    ];
}

impl Fields for HealthCheck {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("Node", Text(|check| &check.node)),
        Field::new("CheckID", Text(|check| &check.check_id)),
        Field::new("Name", Text(|check| &check.name)),
        Field::new("Status", Text(|check| &check.status)),
        Field::new("Notes", Text(|check| &check.notes)),
        Field::new("Output", Text(|check| &check.output)),
        Field::new("ServiceID", Text(|check| &check.service_id)),
        Field::new("ServiceName", Text(|check| &check.service_name)),
        Field::new("ServiceTags", Texts(|check| &check.service_tags)),
        Field::new("Type", Text(|check| &check.r#type)),
        Field::new("Interval", Text(|check| &check.interval)),
        Field::new("Timeout", Text(|check| &check.timeout)),
        Field::new("ExposedPort", Int(|check| check.exposed_port)),
        Field::new("PeerName", Text(|check| &check.peer_name)),
    ];
}

impl Fields for CheckServiceNode {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("Node", Nested(&Through(|instance: &CheckServiceNode| &*instance.node))),
        Field::new("Service", Nested(&Through(|instance: &CheckServiceNode| &*instance.service))),
        Field::new(
            "Checks",
            Nested(&Each {
                items: |instance: &CheckServiceNode| &instance.checks,
                item: |check: &Arc<HealthCheck>| &**check,
            }),
        ),
    ];
}

impl Fields for NodeInfo {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("ID", Text(|info| &info.node.id)),
        Field::new("Node", Text(|info| &info.node.node)),
        Field::new("Partition", Text(|_| "")),
        Field::new("PeerName", Text(|info| &info.node.peer_name)),
        Field::new("Address", Text(|info| &info.node.address)),
        Field::new("TaggedAddresses", TextMap(|info| &info.node.tagged_addresses)),
        Field::new("Meta", TextMap(|info| &info.node.meta)),
        Field::new(
            "Services",
            Nested(&Each { items: |info: &NodeInfo| &info.services, item: |service: &Arc<NodeService>| &**service }),
        ),
        Field::new(
            "Checks",
            Nested(&Each { items: |info: &NodeInfo| &info.checks, item: |check: &Arc<HealthCheck>| &**check }),
        ),
    ];
}

impl Fields for ServiceAddress {
    const FIELDS: &'static [Field<Self>] =
        &[Field::new("Address", Text(|address| &address.address)), Field::new("Port", Int(|address| address.port))];
}

impl Fields for Weights {
    const FIELDS: &'static [Field<Self>] =
        &[Field::new("Passing", Int(|weights| weights.passing)), Field::new("Warning", Int(|weights| weights.warning))];
}

impl Fields for ServiceConnect {
    const FIELDS: &'static [Field<Self>] = &[Field::new("Native", Bool(|connect| connect.native))];
}

impl Fields for ConnectProxyConfig {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("DestinationServiceName", Text(|proxy| &proxy.destination_service_name)),
        Field::new("DestinationServiceID", Text(|proxy| &proxy.destination_service_id)),
        Field::new("LocalServiceAddress", Text(|proxy| &proxy.local_service_address)),
        Field::new("LocalServicePort", Int(|proxy| proxy.local_service_port)),
        Field::new("LocalServiceSocketPath", Text(|proxy| &proxy.local_service_socket_path)),
        Field::new("Mode", Text(|proxy| &proxy.mode)),
        Field::new(
            "Upstreams",
            Nested(&Each {
                items: |proxy: &ConnectProxyConfig| &proxy.upstreams,
                item: |upstream: &Upstream| upstream,
            }),
        ),
        Field::new("MeshGateway", Nested(&Through(|proxy: &ConnectProxyConfig| &proxy.mesh_gateway))),
        Field::new("Expose", Nested(&Through(|proxy: &ConnectProxyConfig| &proxy.expose))),
        Field::new("TransparentProxy", Nested(&Through(|proxy: &ConnectProxyConfig| &proxy.transparent_proxy))),
    ];
}

impl Fields for Upstream {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("DestinationType", Text(|upstream| &upstream.destination_type)),
        Field::new("DestinationNamespace", Text(|upstream| &upstream.destination_namespace)),
        Field::new("DestinationPartition", Text(|upstream| &upstream.destination_partition)),
        Field::new("DestinationPeer", Text(|upstream| &upstream.destination_peer)),
        Field::new("DestinationName", Text(|upstream| &upstream.destination_name)),
        Field::new("Datacenter", Text(|upstream| &upstream.datacenter)),
        Field::new("LocalBindAddress", Text(|upstream| &upstream.local_bind_address)),
        Field::new("LocalBindPort", Int(|upstream| upstream.local_bind_port)),
        Field::new("LocalBindSocketPath", Text(|upstream| &upstream.local_bind_socket_path)),
        Field::new("LocalBindSocketMode", Text(|upstream| &upstream.local_bind_socket_mode)),
        Field::new("MeshGateway", Nested(&Through(|upstream: &Upstream| &upstream.mesh_gateway))),
    ];
}

impl Fields for MeshGatewayConfig {
    const FIELDS: &'static [Field<Self>] = &[Field::new("Mode", Text(|gateway| &gateway.mode))];
}

impl Fields for ExposeConfig {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("Checks", Bool(|expose| expose.checks)),
        Field::new(
            "Paths",
            Nested(&Each { items: |expose: &ExposeConfig| &expose.paths, item: |path: &ExposePath| path }),
        ),
    ];
}

impl Fields for ExposePath {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("ListenerPort", Int(|path| path.listener_port)),
        Field::new("Path", Text(|path| &path.path)),
        Field::new("LocalPathPort", Int(|path| path.local_path_port)),
        Field::new("Protocol", Text(|path| &path.protocol)),
        Field::new("ParsedFromCheck", Bool(|path| path.parsed_from_check)),
    ];
}

impl Fields for TransparentProxyConfig {
    const FIELDS: &'static [Field<Self>] = &[
        Field::new("OutboundListenerPort", Int(|proxy| proxy.outbound_listener_port)),
        Field::new("DialedDirectly", Bool(|proxy| proxy.dialed_directly)),
    ];
}
