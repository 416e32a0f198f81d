//! What holds of which value, as observed on the reference with the same values.

use std::sync::Arc;

use filter::{Fields, Filter, NodeInfo};
use types::service::{ExposeConfig, ExposePath, MeshGatewayConfig, TransparentProxyConfig};
use types::{
    CheckServiceNode, ConnectProxyConfig, HealthCheck, Node, NodeService, ServiceAddress, ServiceConnect, ServiceNode,
    Upstream, Weights,
};

fn alpha() -> Node {
    Node {
        id: "5ec2e7aa-0000-4000-8000-000000000001".into(),
        node: "alpha".into(),
        address: "10.50.0.10".into(),
        datacenter: "dc1".into(),
        tagged_addresses: [("wan".into(), "203.0.113.10".into())].into(),
        meta: [("os".into(), "linux".into()), ("a b".into(), "c".into()), ("none".into(), String::new())].into(),
        ..Node::default()
    }
}

fn web() -> NodeService {
    NodeService {
        id: "web-1".into(),
        service: "web".into(),
        port: 8080,
        tags: vec!["blue".into(), "v2".into(), "a.b".into()],
        meta: [("ver".into(), "2".into()), ("lang".into(), "go".into())].into(),
        tagged_addresses: [("wan".into(), ServiceAddress { address: "203.0.113.99".into(), port: 99 })].into(),
        weights: Some(Weights { passing: 5, warning: 2 }),
        enable_tag_override: true,
        ..NodeService::default()
    }
}

fn proxy() -> NodeService {
    let upstream = |name: &str, port, mode: &str| Upstream {
        destination_name: name.into(),
        local_bind_port: port,
        mesh_gateway: MeshGatewayConfig { mode: mode.into() },
        ..Upstream::default()
    };
    let path = ExposePath { path: "/h".into(), listener_port: 7, local_path_port: 8, ..ExposePath::default() };
    NodeService {
        kind: "connect-proxy".into(),
        id: "web-proxy".into(),
        service: "web-proxy".into(),
        socket_path: "/run/web.sock".into(),
        peer_name: "east".into(),
        connect: ServiceConnect { native: true, peer_meta: None }.into(),
        proxy: ConnectProxyConfig {
            destination_service_name: "web".into(),
            local_service_port: 8080,
            mode: "transparent".into(),
            upstreams: vec![upstream("q", 3, "local"), upstream("r", 4, "")],
            mesh_gateway: MeshGatewayConfig { mode: "remote".into() },
            expose: ExposeConfig { checks: true, paths: vec![path] },
            transparent_proxy: TransparentProxyConfig { outbound_listener_port: 15001, dialed_directly: true },
            ..ConnectProxyConfig::default()
        }
        .into(),
        ..NodeService::default()
    }
}

fn check(id: &str, status: &str, tags: &[&str]) -> Arc<HealthCheck> {
    Arc::new(HealthCheck {
        node: "alpha".into(),
        check_id: id.into(),
        name: format!("check {id}"),
        status: status.into(),
        service_tags: tags.iter().map(ToString::to_string).collect(),
        exposed_port: 21500,
        interval: "10s".into(),
        ..HealthCheck::default()
    })
}

fn expect<T: Fields>(value: &T, table: &[(&str, bool)]) {
    for (text, holds) in table {
        let filter = Filter::<T>::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(value), *holds, "{text}");
    }
}

#[test]
fn text() {
    expect(
        &alpha(),
        &[
            ("Node == alpha", true),
            ("Node==alpha", true),
            ("Node == `alpha`", true),
            (r#"Node == "alp\u0068a""#, true),
            (r#"Node == "alph\x61""#, true),
            (r#"Node == "\141lpha""#, true),
            ("Node == ALPHA", false),
            ("Node == alph", false),
            ("Node != alpha", false),
            ("Node != beta", true),
            ("lph in Node", true),
            ("LPH in Node", false),
            ("lph not in Node", false),
            ("`` in Node", true),
            ("`` not in Node", false),
            ("Node contains lph", true),
            ("Node not contains lph", false),
            ("Node matches `^(al|be)`", true),
            ("Node matches lph", true),
            ("Node matches ``", true),
            ("Node matches `^lph`", false),
            ("Node not matches `a$`", false),
            ("Node matches `(?i)^ALPHA$`", true),
            (r#"Address matches "10\\.50\\.0\\.[12]0""#, true),
            ("PeerName == ``", true),
            ("Partition == ``", true),
            ("Partition == default", false),
            ("Datacenter == dc1", true),
            ("10.5 in Address", true),
            ("Node == a.b", false),
            ("Node == `alp\rha`", true),
            (r#"Node == "alpha\xff""#, false),
        ],
    );
}

#[test]
fn connectives() {
    expect(
        &alpha(),
        &[
            ("Node == alpha and Datacenter == dc1", true),
            ("Node == alpha and Datacenter == dc2", false),
            ("Node == beta or Datacenter == dc1", true),
            ("not Node == alpha", false),
            ("not not Node == alpha", true),
            ("not (Node == alpha and Node == beta)", true),
            ("not Node == beta and Node == beta", false),
            ("not Node == alpha or Node == alpha", true),
            ("Node == alpha or Node == beta and Node == beta", true),
            ("(Node == alpha or Node == beta) and Node == beta", false),
            ("Node == beta and Node == alpha or Node == alpha", true),
            ("\t(Node == beta)\nor ( Node == alpha )\r\n", true),
        ],
    );
}

#[test]
fn maps_of_text() {
    expect(
        &alpha(),
        &[
            ("Meta.os == linux", true),
            (r#"Meta["os"] == linux"#, true),
            ("Meta[ `a b` ] == c", true),
            ("Meta.none == ``", true),
            ("Meta.os != linux", false),
            ("inu in Meta.os", true),
            ("Meta.os matches `^l.*x$`", true),
            ("os in Meta", true),
            ("linux in Meta", false),
            ("Meta contains os", true),
            ("Meta not contains os", false),
            ("nope not in Meta", true),
            ("Meta is empty", false),
            ("Meta is not empty", true),
            ("TaggedAddresses.wan == `203.0.113.10`", true),
        ],
    );
    expect(&Node::default(), &[("Meta is empty", true), ("Meta is not empty", false), ("os in Meta", false)]);
}

#[test]
fn a_missing_key_fails_the_positive_tests_but_matches() {
    expect(
        &alpha(),
        &[
            ("Meta.nope == ``", false),
            ("Meta.nope != x", true),
            ("x in Meta.nope", false),
            ("x not in Meta.nope", true),
            ("Meta.nope matches x", true),
            ("Meta.nope not matches x", true),
            ("not Meta.nope == x", true),
        ],
    );
    expect(
        &web(),
        &[
            ("TaggedAddresses.nope.Port == 99", false),
            ("TaggedAddresses.nope.Port != 99", true),
            ("TaggedAddresses.nope.Address matches x", true),
            ("TaggedAddresses.nope.Address not matches x", true),
            ("x in TaggedAddresses.nope.Address", false),
            ("x not in TaggedAddresses.nope.Address", true),
        ],
    );
}

#[test]
fn services() {
    expect(
        &web(),
        &[
            ("Port == 8080", true),
            (r#"Port == "0x1f90""#, true),
            (r#"Port == "017620""#, true),
            ("Port != 8080", false),
            ("Port != 80", true),
            ("EnableTagOverride == true", true),
            ("EnableTagOverride == 1", true),
            ("EnableTagOverride != T", false),
            ("Tags contains blue", true),
            ("blu in Tags", false),
            ("a.b in Tags", true),
            ("blue not in Tags", false),
            ("Tags is empty", false),
            ("Tags is not empty", true),
            ("TaggedAddresses contains wan", true),
            ("wan not in TaggedAddresses", false),
            ("TaggedAddresses is empty", false),
            ("TaggedAddresses.wan.Port == 99", true),
            ("TaggedAddresses.wan.Address != `203.0.113.99`", false),
            ("Weights.Passing == 5 and Weights.Warning == 2", true),
            ("Proxy.Mode == ``", true),
            ("Connect.Native == false", true),
        ],
    );
}

#[test]
fn an_instance_without_weights_weighs_one() {
    let service = NodeService { weights: None, ..web() };
    expect(&service, &[("Weights.Passing == 1", true), ("Weights.Warning == 1", true)]);
}

#[test]
fn proxies() {
    expect(
        &proxy(),
        &[
            ("Kind == `connect-proxy`", true),
            ("SocketPath == `/run/web.sock`", true),
            ("PeerName == east", true),
            ("Connect.Native == true", true),
            ("Proxy.DestinationServiceName == web", true),
            ("Proxy.LocalServicePort == 8080", true),
            ("Proxy.Mode == transparent", true),
            ("Proxy.MeshGateway.Mode == remote", true),
            ("Proxy.TransparentProxy.OutboundListenerPort == 15001", true),
            ("Proxy.TransparentProxy.DialedDirectly == true", true),
            ("Proxy.Expose.Checks == true", true),
            ("Proxy.Expose.Paths.Path == `/h` and Proxy.Expose.Paths.ListenerPort == 7", true),
            ("Proxy.Expose.Paths.ParsedFromCheck == false", true),
            ("Proxy.Expose.Paths is empty", false),
        ],
    );
}

#[test]
fn a_list_of_objects_passes_when_any_element_does_negations_included() {
    expect(
        &proxy(),
        &[
            ("Proxy.Upstreams.LocalBindPort == 3", true),
            ("Proxy.Upstreams.LocalBindPort != 3", true),
            ("not Proxy.Upstreams.LocalBindPort == 3", false),
            ("Proxy.Upstreams.LocalBindPort == 9", false),
            ("Proxy.Upstreams.DestinationName matches `^[xq]$`", true),
            ("Proxy.Upstreams.DestinationName not matches `^[qr]$`", false),
            ("Proxy.Upstreams.MeshGateway.Mode == ``", true),
            ("Proxy.Upstreams.MeshGateway.Mode == local", true),
            ("Proxy.Upstreams is not empty", true),
        ],
    );
    expect(
        &web(),
        &[
            ("Proxy.Upstreams.LocalBindPort == 3", false),
            ("Proxy.Upstreams.LocalBindPort != 3", false),
            ("Proxy.Upstreams.DestinationName not matches x", false),
            ("Proxy.Upstreams is empty", true),
        ],
    );
}

#[test]
fn health_checks() {
    expect(
        &*check("c", "critical", &["blue"]),
        &[
            ("Node == alpha and CheckID == c and Name == `check c`", true),
            ("Status == critical", true),
            ("ServiceTags contains blue", true),
            ("ExposedPort == 21500", true),
            ("Interval == `10s` and Timeout == `` and Type == ``", true),
            ("Notes == `` and Output == `` and ServiceID == `` and ServiceName == `` and PeerName == ``", true),
        ],
    );
}

#[test]
fn service_nodes() {
    expect(
        &ServiceNode { node: Arc::new(alpha()), service: Arc::new(web()) },
        &[
            ("ID != `` and Node == alpha and Address == `10.50.0.10` and Datacenter == dc1", true),
            ("NodeMeta.os == linux and ServiceMeta.lang == go", true),
            ("TaggedAddresses.wan == `203.0.113.10`", true),
            ("ServiceTaggedAddresses.wan.Port == 99", true),
            ("ServiceID == `web-1` and ServiceName == web and ServicePort == 8080", true),
            ("ServiceKind == `` and ServiceAddress == `` and ServiceSocketPath == `` and PeerName == ``", true),
            ("v2 in ServiceTags", true),
            ("ServiceEnableTagOverride == true", true),
            ("ServiceWeights.Passing == 5", true),
            ("ServiceProxy.Mode == ``", true),
            ("ServiceConnect.Native == false", true),
        ],
    );
}

#[test]
fn check_service_nodes() {
    let checks = vec![check("a", "passing", &[]), check("b", "critical", &["blue"])];
    let instance = CheckServiceNode { node: Arc::new(alpha()), service: Arc::new(web()), checks };
    expect(
        &instance,
        &[
            ("Node.Node == alpha", true),
            ("Node.Meta.os == linux", true),
            ("Service.Tags contains blue", true),
            ("Service.TaggedAddresses.wan.Address == `203.0.113.99`", true),
            ("Checks.Status == passing", true),
            ("Checks.Status != passing", true),
            ("Checks.Status == warning", false),
            ("not Checks.Status == passing", false),
            ("Checks.ServiceTags is empty", true),
            ("Checks.ServiceTags contains blue", true),
            ("Checks.ServiceTags not contains blue", true),
            ("Checks is empty", false),
        ],
    );
    let bare = CheckServiceNode { checks: Vec::new(), ..instance };
    expect(&bare, &[("Checks.Status != passing", false), ("Checks is empty", true), ("Checks is not empty", false)]);
}

#[test]
fn node_infos() {
    let info = NodeInfo {
        node: Arc::new(alpha()),
        services: vec![Arc::new(web()), Arc::new(proxy())],
        checks: vec![check("a", "passing", &[])],
    };
    expect(
        &info,
        &[
            ("ID != `` and Node == alpha and Address == `10.50.0.10`", true),
            ("Partition == `` and PeerName == ``", true),
            ("Meta.os == linux and TaggedAddresses contains wan", true),
            ("Services.Port == 8080", true),
            ("Services.Meta.ver == 2", true),
            ("Services.Meta.ver != 2", true),
            ("Services.Meta is empty", true),
            ("Services.Meta.nope matches 2", true),
            ("Services.Proxy.Upstreams.DestinationName == q", true),
            ("Services is empty", false),
            ("Checks.Status == passing", true),
            ("Checks.Status == critical", false),
        ],
    );
}

#[test]
fn an_empty_text_is_no_filter() {
    let filter = Filter::<Node>::new("").expect("there is nothing wrong with it");
    assert!(filter.keeps_all() && filter.matches(&alpha()));
    assert!(!Filter::<Node>::new("Node == alpha").expect("it is right").keeps_all());
}

#[test]
fn the_deepest_expression_decides() {
    let text = format!("{}Node == alpha", "not ".repeat(filter::MAX_DEPTH));
    expect(&alpha(), &[(text.as_str(), true)]);
    let alternating = format!("{}Node == alpha{}", "(ID == x or ".repeat(256), ")".repeat(256));
    expect(&alpha(), &[(alternating.as_str(), true)]);
}
