//! Everything the catalog keeps of an instance comes back as it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;
use types::service::{
    ConfigMap, ExposeConfig, ExposePath, MeshGatewayConfig, PeeringServiceMeta, TransparentProxyConfig,
};
use types::{
    CheckServiceNode, ConnectProxyConfig, GoDuration, HealthCheck, HealthCheckDefinition, Node, NodeService,
    ServiceAddress, ServiceConnect, Upstream, Weights,
};

use crate::{ConvertError, proto};

fn text(name: &str) -> String {
    name.to_owned()
}

fn texts(name: &str) -> BTreeMap<String, String> {
    [(format!("{name}-1"), text("a")), (format!("{name}-2"), String::new())].into()
}

fn config(json: &str) -> ConfigMap {
    serde_json::from_str(json).unwrap()
}

fn node() -> Node {
    Node {
        id: text("40e4a748-2192-161a-0510-9bf59fe950b5"),
        node: text("node-1"),
        address: text("10.0.0.1"),
        datacenter: text("dc1"),
        peer_name: text("peer"),
        tagged_addresses: texts("tag"),
        meta: texts("meta"),
        create_index: 7,
        modify_index: u64::MAX,
    }
}

fn service() -> NodeService {
    let upstream = Upstream {
        destination_type: text("service"),
        destination_namespace: text("ns"),
        destination_partition: text("part"),
        destination_peer: text("peer"),
        destination_name: text("db"),
        datacenter: text("dc2"),
        local_bind_address: text("127.0.0.1"),
        local_bind_port: 9001,
        local_bind_socket_path: text("/run/db"),
        local_bind_socket_mode: text("0600"),
        config: config(r#"{"protocol":"http","limits":{"max":[1,2.5,null,true]}}"#),
        mesh_gateway: MeshGatewayConfig { mode: text("local") },
        ingress_hosts: Vec::new(),
        centrally_configured: true,
    };
    let path = ExposePath {
        listener_port: 21500,
        path: text("/health"),
        local_path_port: 8080,
        protocol: text("http2"),
        parsed_from_check: true,
    };
    let proxy = ConnectProxyConfig {
        destination_service_name: text("web"),
        destination_service_id: text("web-1"),
        local_service_address: text("127.0.0.2"),
        local_service_port: 8081,
        local_service_socket_path: text("/run/web"),
        mode: text("transparent"),
        config: config(r#"{"envoy_stats_bind_addr":"0.0.0.0:9102","n":-3}"#),
        upstreams: vec![upstream, Upstream::default()],
        mesh_gateway: MeshGatewayConfig { mode: text("remote") },
        expose: ExposeConfig { checks: true, paths: vec![path] },
        transparent_proxy: TransparentProxyConfig { outbound_listener_port: 15001, dialed_directly: true },
    };
    let peer_meta =
        PeeringServiceMeta { sni: vec![text("sni")], spiffe_id: vec![text("spiffe://x")], protocol: text("tcp") };
    NodeService {
        kind: text("connect-proxy"),
        id: text("web-proxy-1"),
        service: text("web-proxy"),
        tags: vec![text("b"), text("a")],
        address: text("10.0.0.2"),
        tagged_addresses: [(text("wan"), ServiceAddress { address: text("198.18.0.1"), port: 443 })].into(),
        meta: texts("service"),
        port: 20000,
        socket_path: text("/run/proxy"),
        weights: Some(Weights { passing: 10, warning: 0 }),
        enable_tag_override: true,
        proxy: proxy.into(),
        connect: ServiceConnect { native: true, peer_meta: Some(peer_meta) }.into(),
        locally_registered_as_sidecar: true,
        peer_name: text("peer"),
        create_index: 8,
        modify_index: 9,
    }
}

fn check() -> HealthCheck {
    let definition = HealthCheckDefinition {
        http: text("http://a"),
        tls_server_name: text("name"),
        tls_skip_verify: true,
        header: [(text("X-A"), vec![text("1"), text("2")]), (text("X-B"), vec![text("")])].into(),
        method: text("PUT"),
        body: text("body"),
        disable_redirects: true,
        tcp: text("a:1"),
        udp: text("a:2"),
        h2ping: text("a:3"),
        os_service: text("svc"),
        h2ping_use_tls: true,
        interval: GoDuration::from_secs(10),
        output_max_size: 4096,
        timeout: GoDuration(1_500_000_000),
        deregister_critical_service_after: GoDuration::from_secs(90),
        script_args: vec![text("sh"), text("-c")],
        docker_container_id: text("c0ffee"),
        shell: text("/bin/sh"),
        grpc: text("a:4"),
        grpc_use_tls: true,
        alias_node: text("other"),
        alias_service: text("db"),
        ttl: GoDuration::from_secs(30),
    };
    HealthCheck {
        node: text("node-1"),
        check_id: text("web"),
        name: text("Web"),
        status: text("warning"),
        notes: text("notes"),
        output: text("output"),
        service_id: text("web-proxy-1"),
        service_name: text("web-proxy"),
        service_tags: vec![text("b"), text("a")],
        r#type: text("http"),
        interval: text("10s"),
        timeout: text("1.5s"),
        exposed_port: 21501,
        peer_name: text("peer"),
        definition: definition.into(),
        create_index: 10,
        modify_index: 11,
    }
}

fn there_and_back(instance: &CheckServiceNode) -> CheckServiceNode {
    let bytes = proto::CheckServiceNode::from(instance).encode_to_vec();
    proto::CheckServiceNode::decode(&*bytes).unwrap().try_into().unwrap()
}

fn assert_same(left: &CheckServiceNode, right: &CheckServiceNode) {
    assert_eq!((&left.node, &left.service, &left.checks), (&right.node, &right.service, &right.checks));
}

#[test]
fn an_instance_with_everything_comes_back_as_it_was() {
    let checks = vec![Arc::new(check()), Arc::new(HealthCheck::default())];
    let instance = CheckServiceNode { node: Arc::new(node()), service: Arc::new(service()), checks };
    assert_same(&there_and_back(&instance), &instance);
}

#[test]
fn an_instance_with_nothing_comes_back_as_it_was() {
    let instance = CheckServiceNode { node: Arc::default(), service: Arc::default(), checks: Vec::new() };
    assert_same(&there_and_back(&instance), &instance);
}

#[test]
fn what_the_wire_has_no_room_for_is_cut() {
    let service = NodeService { port: i64::MAX, ..NodeService::default() };
    let instance = CheckServiceNode { node: Arc::default(), service: Arc::new(service), checks: Vec::new() };
    assert_eq!(there_and_back(&instance).service.port, i64::from(i32::MAX));
}

#[test]
fn what_is_no_instance_is_refused() {
    let whole = proto::CheckServiceNode::from(&CheckServiceNode {
        node: Arc::default(),
        service: Arc::default(),
        checks: Vec::new(),
    });
    let cases = [
        (proto::CheckServiceNode { node: None, ..whole.clone() }, ConvertError::NoNode),
        (proto::CheckServiceNode { service: None, ..whole }, ConvertError::NoService),
    ];
    for (message, error) in cases {
        assert_eq!(CheckServiceNode::try_from(message).unwrap_err(), error);
    }
}

/// Bytes as the reference's generated code writes them, field by field (`docs/spec/rpc-and-state.md` §8.2).
#[test]
fn tags_are_those_of_the_wire() {
    let node = proto::Node { id: text("i"), peer_name: text("p"), raft_index: None, ..proto::Node::default() };
    assert_eq!(node.encode_to_vec(), b"\x0a\x01i\x4a\x01p");
    let service = proto::NodeService { port: 5, socket_path: text("s"), ..proto::NodeService::default() };
    assert_eq!(service.encode_to_vec(), b"\x38\x05\x8a\x01\x01s");
    let request = proto::SubscribeRequest {
        topic: 1,
        key: text("k"),
        index: 300,
        subject: Some(proto::Subject::NamedSubject(proto::NamedSubject { key: text("k"), ..Default::default() })),
        ..proto::SubscribeRequest::default()
    };
    assert_eq!(request.encode_to_vec(), b"\x08\x01\x12\x01k\x20\xac\x02\x52\x03\x0a\x01k");
    assert_eq!(proto::Event::end_of_snapshot(1).encode_to_vec(), b"\x08\x01\x10\x01");
    assert_eq!(proto::Event::new_snapshot_to_follow().encode_to_vec(), b"\x18\x01");
}
