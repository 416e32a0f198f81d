//! How the agent shows its services: unlike the catalog, it leaves out what is not set (`docs/spec/http-api.md` §3.4).

use std::collections::BTreeMap;

use serde::Serialize;
use types::service::{ConfigMap, ExposeConfig, ExposePath, MeshGatewayConfig, TransparentProxyConfig};
use types::{ConnectProxyConfig, NodeService, ServiceAddress, Upstream, Weights};

/// Kinds whose proxy settings are shown.
const KINDS_WITH_PROXY: [&str; 4] = ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway"];

/// A service as its agent shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AgentService<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: &'a [String],
    meta: &'a BTreeMap<String, String>,
    port: i64,
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tagged_addresses: &'a BTreeMap<String, ServiceAddress>,
    weights: Weights,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    content_hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<ProxyView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<NativeView>,
    datacenter: &'a str,
}

impl<'a> AgentService<'a> {
    pub(crate) fn new(service: &'a NodeService, datacenter: &'a str) -> AgentService<'a> {
        AgentService {
            kind: &service.kind,
            id: &service.id,
            service: &service.service,
            tags: &service.tags,
            meta: &service.meta,
            port: service.port,
            address: &service.address,
            socket_path: &service.socket_path,
            tagged_addresses: &service.tagged_addresses,
            weights: shown_weights(service.weights),
            enable_tag_override: service.enable_tag_override,
            content_hash: "",
            proxy: KINDS_WITH_PROXY.contains(&service.kind.as_str()).then(|| ProxyView::from(&*service.proxy)),
            connect: service.connect.native.then_some(NativeView { native: true }),
            datacenter,
        }
    }

    /// The same with the hash of its content.
    pub(crate) fn with_hash(self, content_hash: &'a str) -> AgentService<'a> {
        AgentService { content_hash, ..self }
    }
}

fn shown_weights(weights: Option<Weights>) -> Weights {
    let weights = weights.unwrap_or_default();
    Weights { passing: weights.passing.max(1), ..weights }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NativeView {
    native: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProxyView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    destination_service_name: &'a str,
    #[serde(rename = "DestinationServiceID", skip_serializing_if = "str::is_empty")]
    destination_service_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    local_service_address: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    local_service_port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    local_service_socket_path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transparent_proxy: Option<&'a TransparentProxyConfig>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    config: &'a ConfigMap,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    upstreams: Vec<UpstreamView<'a>>,
    mesh_gateway: &'a MeshGatewayConfig,
    expose: ExposeView<'a>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> From<&'a ConnectProxyConfig> for ProxyView<'a> {
    fn from(proxy: &'a ConnectProxyConfig) -> ProxyView<'a> {
        let transparent = &proxy.transparent_proxy;
        ProxyView {
            destination_service_name: &proxy.destination_service_name,
            destination_service_id: &proxy.destination_service_id,
            local_service_address: &proxy.local_service_address,
            local_service_port: proxy.local_service_port,
            local_service_socket_path: &proxy.local_service_socket_path,
            mode: &proxy.mode,
            transparent_proxy: (*transparent != TransparentProxyConfig::default()).then_some(transparent),
            config: &proxy.config,
            upstreams: proxy.upstreams.iter().map(UpstreamView::from).collect(),
            mesh_gateway: &proxy.mesh_gateway,
            expose: ExposeView::from(&proxy.expose),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpstreamView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    destination_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    destination_partition: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    destination_namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    destination_peer: &'a str,
    destination_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    datacenter: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    local_bind_address: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    local_bind_port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    local_bind_socket_path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    local_bind_socket_mode: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    config: &'a ConfigMap,
    mesh_gateway: &'a MeshGatewayConfig,
}

impl<'a> From<&'a Upstream> for UpstreamView<'a> {
    fn from(upstream: &'a Upstream) -> UpstreamView<'a> {
        UpstreamView {
            destination_type: &upstream.destination_type,
            destination_partition: &upstream.destination_partition,
            destination_namespace: &upstream.destination_namespace,
            destination_peer: &upstream.destination_peer,
            destination_name: &upstream.destination_name,
            datacenter: &upstream.datacenter,
            local_bind_address: &upstream.local_bind_address,
            local_bind_port: upstream.local_bind_port,
            local_bind_socket_path: &upstream.local_bind_socket_path,
            local_bind_socket_mode: &upstream.local_bind_socket_mode,
            config: &upstream.config,
            mesh_gateway: &upstream.mesh_gateway,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExposeView<'a> {
    #[serde(skip_serializing_if = "is_false")]
    checks: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<ExposePathView<'a>>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> From<&'a ExposeConfig> for ExposeView<'a> {
    fn from(expose: &'a ExposeConfig) -> ExposeView<'a> {
        ExposeView { checks: expose.checks, paths: expose.paths.iter().map(ExposePathView::from).collect() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExposePathView<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    listener_port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    local_path_port: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    protocol: &'a str,
    parsed_from_check: bool,
}

impl<'a> From<&'a ExposePath> for ExposePathView<'a> {
    fn from(path: &'a ExposePath) -> ExposePathView<'a> {
        ExposePathView {
            listener_port: path.listener_port,
            path: &path.path,
            local_path_port: path.local_path_port,
            protocol: &path.protocol,
            parsed_from_check: path.parsed_from_check,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use types::ServiceConnect;

    use super::*;

    fn shown(service: &NodeService) -> Value {
        serde_json::to_value(AgentService::new(service, "dc1")).unwrap()
    }

    #[test]
    fn a_bare_service_shows_what_is_always_there() {
        let service = NodeService { id: "a".into(), service: "a".into(), ..NodeService::default() };
        let expected = json!({
            "ID": "a", "Service": "a", "Tags": [], "Meta": {}, "Port": 0, "Address": "",
            "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "Datacenter": "dc1",
        });
        assert_eq!(shown(&service), expected);
    }

    #[test]
    fn a_passing_weight_below_one_shows_as_one() {
        let cases = [((0, 0), (1, 0)), ((-3, 2), (1, 2)), ((9, 1), (9, 1))];
        for ((passing, warning), (shown_passing, shown_warning)) in cases {
            let service = NodeService { weights: Some(Weights { passing, warning }), ..NodeService::default() };
            let expected = json!({"Passing": shown_passing, "Warning": shown_warning});
            assert_eq!(shown(&service)["Weights"], expected);
        }
    }

    #[test]
    fn proxy_settings_are_shown_of_proxies_and_gateways_only() {
        for (kind, expected) in [
            ("", Value::Null),
            ("connect-proxy", json!({"MeshGateway": {}, "Expose": {}})),
            ("ingress-gateway", json!({"MeshGateway": {}, "Expose": {}})),
        ] {
            let service = NodeService { kind: kind.into(), ..NodeService::default() };
            assert_eq!(shown(&service)["Proxy"], expected, "{kind}");
        }
    }

    #[test]
    fn a_proxy_shows_what_is_set() {
        let upstream = Upstream {
            destination_type: "service".into(),
            destination_name: "db".into(),
            local_bind_port: 5,
            centrally_configured: true,
            ..Upstream::default()
        };
        let path = ExposePath { listener_port: 7, path: "/h".into(), ..ExposePath::default() };
        let proxy = ConnectProxyConfig {
            destination_service_name: "web".into(),
            upstreams: vec![upstream],
            expose: ExposeConfig { checks: true, paths: vec![path] },
            transparent_proxy: TransparentProxyConfig { outbound_listener_port: 22, dialed_directly: false },
            ..ConnectProxyConfig::default()
        };
        let service = NodeService { kind: "connect-proxy".into(), proxy: proxy.into(), ..NodeService::default() };
        let expected = json!({
            "DestinationServiceName": "web",
            "TransparentProxy": {"OutboundListenerPort": 22},
            "Upstreams": [
                {"DestinationType": "service", "DestinationName": "db", "LocalBindPort": 5, "MeshGateway": {}},
            ],
            "MeshGateway": {},
            "Expose": {"Checks": true, "Paths": [{"ListenerPort": 7, "Path": "/h", "ParsedFromCheck": false}]},
        });
        assert_eq!(shown(&service)["Proxy"], expected);
    }

    #[test]
    fn a_native_service_says_so() {
        let connect = ServiceConnect { native: true, peer_meta: None };
        let service = NodeService { connect: connect.into(), ..NodeService::default() };
        assert_eq!(shown(&service)["Connect"], json!({"Native": true}));
    }

    #[test]
    fn the_hash_is_shown_when_it_is_known() {
        let service = NodeService::default();
        let shown = serde_json::to_value(AgentService::new(&service, "dc1").with_hash("c0ffee")).unwrap();
        assert_eq!(shown["ContentHash"], "c0ffee");
    }
}
