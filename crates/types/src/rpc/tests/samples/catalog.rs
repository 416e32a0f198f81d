//! Nodes, services, checks, and requests about them.

use std::collections::BTreeMap;

use wire::GoDuration;

use super::{config_map, options, source, strings, words};
use crate::gateway::ServiceName;
use crate::method::{ChecksInStateRequest, DatacenterRequest, NodeRequest, ServiceRequest};
use crate::service::PeeringServiceMeta;
use crate::{
    CheckServiceNode, ConnectProxyConfig, DeregisterRequest, GatewayService, HealthCheck, HealthCheckDefinition, Node,
    NodeService, NodeServices, RegisterRequest, ServiceAddress, ServiceConnect, ServiceNode, Upstream, Weights,
};

pub(super) fn only_options() -> DatacenterRequest {
    DatacenterRequest { options: options(), ..DatacenterRequest::default() }
}

pub(super) fn datacenter_request() -> DatacenterRequest {
    DatacenterRequest { node_meta: strings(), source: source(), options: options() }
}

pub(super) fn node_request() -> NodeRequest {
    NodeRequest { node: "n1".into(), options: options() }
}

pub(super) fn service_request() -> ServiceRequest {
    ServiceRequest {
        service: "web".into(),
        tags: words(),
        node_meta: strings(),
        source: source(),
        connect: true,
        ingress: true,
        peer_name: "far".into(),
        merge_central_config: true,
        options: options(),
    }
}

pub(super) fn checks_in_state() -> ChecksInStateRequest {
    ChecksInStateRequest { state: "any".into(), node_meta: strings(), source: source(), options: options() }
}

pub(super) fn node() -> Node {
    Node {
        id: "7c1b4a3e-0000-4000-8000-000000000001".into(),
        node: "n1".into(),
        address: "10.0.0.1".into(),
        datacenter: "dc2".into(),
        peer_name: "far".into(),
        tagged_addresses: strings(),
        meta: strings(),
        create_index: 2,
        modify_index: 3,
    }
}

pub(super) fn service() -> NodeService {
    let upstream = Upstream { destination_name: "db".into(), config: config_map(), ..Upstream::default() };
    let proxy = ConnectProxyConfig {
        destination_service_name: "web".into(),
        config: config_map(),
        upstreams: vec![upstream],
        ..ConnectProxyConfig::default()
    };
    let identity = PeeringServiceMeta { sni: words(), spiffe_id: words(), protocol: "tcp".into() };
    NodeService {
        kind: "connect-proxy".into(),
        id: "web-1".into(),
        service: "web".into(),
        tags: words(),
        address: "10.0.0.2".into(),
        tagged_addresses: BTreeMap::from([("lan".into(), ServiceAddress { address: "a".into(), port: 1 })]),
        meta: strings(),
        port: 80,
        socket_path: "/s".into(),
        weights: Some(Weights { passing: 3, warning: 0 }),
        enable_tag_override: true,
        proxy: proxy.into(),
        connect: ServiceConnect { native: true, peer_meta: Some(identity) }.into(),
        locally_registered_as_sidecar: false,
        peer_name: "far".into(),
        create_index: 4,
        modify_index: 5,
    }
}

pub(super) fn check() -> HealthCheck {
    let definition = HealthCheckDefinition {
        http: "http://x".into(),
        header: BTreeMap::from([("h".to_owned(), words())]),
        interval: GoDuration::from_secs(1),
        output_max_size: 4096,
        ..HealthCheckDefinition::default()
    };
    HealthCheck {
        node: "n1".into(),
        check_id: "c".into(),
        name: "check".into(),
        status: "critical".into(),
        notes: "n".into(),
        output: "o".repeat(300),
        service_id: "web-1".into(),
        service_name: "web".into(),
        service_tags: words(),
        r#type: "http".into(),
        interval: "1s".into(),
        timeout: "2s".into(),
        exposed_port: 1,
        peer_name: "far".into(),
        definition: definition.into(),
        create_index: 4,
        modify_index: 5,
    }
}

/// The node's own indexes do not travel with an instance.
pub(super) fn service_node() -> ServiceNode {
    let node = Node { create_index: 0, modify_index: 0, ..node() };
    ServiceNode { node: node.into(), service: service().into() }
}

pub(super) fn checked_instance() -> CheckServiceNode {
    let service = NodeService { locally_registered_as_sidecar: true, ..service() };
    CheckServiceNode { node: node().into(), service: service.into(), checks: vec![check().into()] }
}

pub(super) fn node_services() -> NodeServices {
    let other = NodeService { id: "web-2".into(), weights: None, ..NodeService::default() };
    NodeServices { node: node().into(), services: vec![service().into(), other.into()] }
}

pub(super) fn gateway_service() -> GatewayService {
    GatewayService {
        gateway: ServiceName { name: "g".into() },
        service: ServiceName { name: "web".into() },
        gateway_kind: "ingress-gateway".into(),
        port: 1,
        hosts: words(),
        from_wildcard: true,
        create_index: 2,
        modify_index: 3,
        ..GatewayService::default()
    }
}

pub(super) fn register_request() -> RegisterRequest {
    RegisterRequest {
        datacenter: "dc2".into(),
        id: node().id,
        node: "n1".into(),
        address: "10.0.0.1".into(),
        tagged_addresses: strings(),
        node_meta: strings(),
        service: Some(service()),
        check: Some(check()),
        checks: vec![check()],
        skip_node_update: true,
        peer_name: "far".into(),
        token: "t".into(),
        create_index: 2,
        modify_index: 3,
    }
}

pub(super) fn deregister_request() -> DeregisterRequest {
    DeregisterRequest {
        datacenter: "dc2".into(),
        node: "n1".into(),
        service_id: "web-1".into(),
        check_id: "c".into(),
        peer_name: "far".into(),
        token: "t".into(),
    }
}
