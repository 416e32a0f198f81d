//! Bodies of catalog registrations (`docs/spec/http-api.md` §4, §3.5): shapes with their aliases, strict about the rest.

use std::collections::BTreeMap;

use serde::Deserialize;
use types::service::{
    ConfigMap, ExposeConfig, ExposePath, MeshGatewayConfig, PeeringServiceMeta, TransparentProxyConfig,
};
use types::{
    ConnectProxyConfig, HealthCheck, HealthCheckDefinition, NodeService, RegisterRequest, ServiceAddress,
    ServiceConnect, Upstream, Weights,
};
use wire::json::{self, JsonError, Unknown};

use crate::reply::Failure;

/// A field the reference accepts and drops: read, so that misspelt ones are still refused.
pub(crate) type Dropped = serde::de::IgnoredAny;

/// Addresses of a service by tag.
type ServiceAddresses = BTreeMap<String, ServiceAddress>;

/// Reads a JSON body; one that cannot be read is refused with `Request decode failed: …`.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Failure> {
    json::from_slice(body, Unknown::Reject).map_err(|error| Failure::bad_request(decode_error(&error)))
}

/// The same for bodies of the catalog, where a namespace is told to be an enterprise feature.
pub(crate) fn decode_catalog<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Failure> {
    json::from_slice(body, Unknown::Reject).map_err(|error| {
        let namespace = matches!(&error, JsonError::UnknownField(name) if name == "Namespace");
        let hint = if namespace { " - Namespaces are a Consul Enterprise feature" } else { "" };
        Failure::bad_request(decode_error(&error) + hint)
    })
}

/// Names types in an error as the reference does: pairs of our name and its.
pub(crate) fn name_types(mut error: JsonError, names: &[(&str, &str)]) -> JsonError {
    if let JsonError::Type { target, .. } = &mut error
        && let Some((_, theirs)) = names.iter().find(|(ours, _)| ours == target)
    {
        *target = (*theirs).to_owned();
    }
    error
}

fn decode_error(error: &JsonError) -> String {
    format!("Request decode failed: {error}")
}

/// Body of `/v1/catalog/register`.
#[derive(Deserialize, Default)]
#[serde(default, rename = "RegisterRequest", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
pub(crate) struct RegisterBody {
    datacenter: String,
    #[serde(rename = "ID")]
    id: String,
    node: String,
    address: String,
    tagged_addresses: BTreeMap<String, String>,
    node_meta: BTreeMap<String, String>,
    service: Option<ServiceBody>,
    check: Option<CheckBody>,
    checks: Vec<CheckBody>,
    skip_node_update: bool,
    peer_name: String,
    /// Accepted and never used: the token of a request is that of its URL or headers.
    token: Dropped,
    create_index: Dropped,
    modify_index: Dropped,
}

impl RegisterBody {
    /// The request, acting with a token.
    pub(crate) fn into_request(self, token: String) -> RegisterRequest {
        RegisterRequest {
            datacenter: self.datacenter,
            id: self.id,
            node: self.node,
            address: self.address,
            tagged_addresses: self.tagged_addresses,
            node_meta: self.node_meta,
            service: self.service.map(NodeService::from),
            check: self.check.map(HealthCheck::from),
            checks: self.checks.into_iter().map(HealthCheck::from).collect(),
            skip_node_update: self.skip_node_update,
            peer_name: self.peer_name,
            token,
            ..RegisterRequest::default()
        }
    }
}

/// Body of `/v1/catalog/deregister`.
#[derive(Deserialize, Default)]
#[serde(default, rename = "DeregisterRequest", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
pub(crate) struct DeregisterBody {
    pub(crate) datacenter: String,
    pub(crate) node: String,
    #[serde(rename = "ServiceID")]
    pub(crate) service_id: String,
    #[serde(rename = "CheckID")]
    pub(crate) check_id: String,
    pub(crate) peer_name: String,
    /// Of no use to anybody, but clients send it.
    address: Dropped,
    token: Dropped,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "NodeService", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct ServiceBody {
    kind: String,
    #[serde(rename = "ID")]
    id: String,
    service: String,
    tags: Vec<String>,
    address: String,
    tagged_addresses: ServiceAddresses,
    meta: BTreeMap<String, String>,
    port: i64,
    socket_path: String,
    weights: Option<WeightsBody>,
    enable_tag_override: bool,
    proxy: ProxyBody,
    #[serde(deserialize_with = "json::ignore_unknown::deserialize")]
    connect: ConnectBody,
    peer_name: String,
    create_index: Dropped,
    modify_index: Dropped,
}

impl From<ServiceBody> for NodeService {
    fn from(body: ServiceBody) -> NodeService {
        NodeService {
            kind: body.kind,
            id: body.id,
            service: body.service,
            tags: body.tags,
            address: body.address,
            tagged_addresses: body.tagged_addresses,
            meta: body.meta,
            port: body.port,
            socket_path: body.socket_path,
            weights: body.weights.map(|weights| Weights { passing: weights.passing, warning: weights.warning }),
            enable_tag_override: body.enable_tag_override,
            proxy: ConnectProxyConfig::from(body.proxy).into(),
            connect: ServiceConnect { native: body.connect.native, peer_meta: body.connect.peer_meta }.into(),
            peer_name: body.peer_name,
            ..NodeService::default()
        }
    }
}

/// Weights as sent: a member left out is 0.
#[derive(Deserialize, Default)]
#[serde(default, rename = "Weights", rename_all = "PascalCase")]
pub(crate) struct WeightsBody {
    pub(crate) passing: i64,
    pub(crate) warning: i64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "ServiceConnect", rename_all = "PascalCase")]
struct ConnectBody {
    native: bool,
    peer_meta: Option<PeeringServiceMeta>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "ConnectProxyConfig", rename_all = "PascalCase")]
struct ProxyBody {
    #[serde(alias = "destination_service_name")]
    destination_service_name: String,
    #[serde(rename = "DestinationServiceID", alias = "destination_service_id")]
    destination_service_id: String,
    #[serde(alias = "local_service_address")]
    local_service_address: String,
    #[serde(alias = "local_service_port")]
    local_service_port: i64,
    #[serde(alias = "local_service_socket_path")]
    local_service_socket_path: String,
    mode: String,
    config: ConfigMap,
    upstreams: Vec<UpstreamBody>,
    #[serde(alias = "mesh_gateway")]
    mesh_gateway: MeshGatewayConfig,
    expose: ExposeBody,
    #[serde(alias = "transparent_proxy")]
    transparent_proxy: TransparentProxyConfig,
}

impl From<ProxyBody> for ConnectProxyConfig {
    fn from(body: ProxyBody) -> ConnectProxyConfig {
        ConnectProxyConfig {
            destination_service_name: body.destination_service_name,
            destination_service_id: body.destination_service_id,
            local_service_address: body.local_service_address,
            local_service_port: body.local_service_port,
            local_service_socket_path: body.local_service_socket_path,
            mode: body.mode,
            config: body.config,
            upstreams: body.upstreams.into_iter().map(Upstream::from).collect(),
            mesh_gateway: body.mesh_gateway,
            expose: body.expose.into(),
            transparent_proxy: body.transparent_proxy,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "Upstream", rename_all = "PascalCase")]
struct UpstreamBody {
    #[serde(alias = "destination_type")]
    destination_type: String,
    #[serde(alias = "destination_namespace")]
    destination_namespace: String,
    #[serde(alias = "destination_partition")]
    destination_partition: String,
    #[serde(alias = "destination_peer")]
    destination_peer: String,
    #[serde(alias = "destination_name")]
    destination_name: String,
    datacenter: String,
    #[serde(alias = "local_bind_address")]
    local_bind_address: String,
    #[serde(alias = "local_bind_port")]
    local_bind_port: i64,
    #[serde(alias = "local_bind_socket_path")]
    local_bind_socket_path: String,
    #[serde(alias = "local_bind_socket_mode")]
    local_bind_socket_mode: String,
    config: ConfigMap,
    #[serde(alias = "mesh_gateway")]
    mesh_gateway: MeshGatewayConfig,
    centrally_configured: bool,
}

impl From<UpstreamBody> for Upstream {
    fn from(body: UpstreamBody) -> Upstream {
        Upstream {
            destination_type: body.destination_type,
            destination_namespace: body.destination_namespace,
            destination_partition: body.destination_partition,
            destination_peer: body.destination_peer,
            destination_name: body.destination_name,
            datacenter: body.datacenter,
            local_bind_address: body.local_bind_address,
            local_bind_port: body.local_bind_port,
            local_bind_socket_path: body.local_bind_socket_path,
            local_bind_socket_mode: body.local_bind_socket_mode,
            config: body.config,
            mesh_gateway: body.mesh_gateway,
            centrally_configured: body.centrally_configured,
            ..Upstream::default()
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "ExposeConfig", rename_all = "PascalCase")]
struct ExposeBody {
    checks: bool,
    paths: Vec<ExposePathBody>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "ExposePath", rename_all = "PascalCase")]
struct ExposePathBody {
    #[serde(alias = "listener_port")]
    listener_port: i64,
    path: String,
    #[serde(alias = "local_path_port")]
    local_path_port: i64,
    protocol: String,
    #[serde(alias = "parsed_from_check")]
    parsed_from_check: bool,
}

impl From<ExposeBody> for ExposeConfig {
    fn from(body: ExposeBody) -> ExposeConfig {
        let path = |path: ExposePathBody| ExposePath {
            listener_port: path.listener_port,
            path: path.path,
            local_path_port: path.local_path_port,
            protocol: path.protocol,
            parsed_from_check: path.parsed_from_check,
        };
        ExposeConfig { checks: body.checks, paths: body.paths.into_iter().map(path).collect() }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "HealthCheck", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct CheckBody {
    node: String,
    #[serde(rename = "CheckID")]
    check_id: String,
    name: String,
    status: String,
    notes: String,
    output: String,
    #[serde(rename = "ServiceID")]
    service_id: String,
    service_name: String,
    service_tags: Vec<String>,
    r#type: String,
    interval: String,
    timeout: String,
    exposed_port: i64,
    peer_name: String,
    #[serde(deserialize_with = "json::ignore_unknown::deserialize")]
    definition: HealthCheckDefinition,
    create_index: Dropped,
    modify_index: Dropped,
}

impl From<CheckBody> for HealthCheck {
    fn from(body: CheckBody) -> HealthCheck {
        HealthCheck {
            node: body.node,
            check_id: body.check_id,
            name: body.name,
            status: body.status,
            notes: body.notes,
            output: body.output,
            service_id: body.service_id,
            service_name: body.service_name,
            service_tags: body.service_tags,
            r#type: body.r#type,
            interval: body.interval,
            timeout: body.timeout,
            exposed_port: body.exposed_port,
            peer_name: body.peer_name,
            definition: body.definition.into(),
            ..HealthCheck::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(body: &str) -> Result<RegisterRequest, String> {
        let decoded = decode_catalog::<RegisterBody>(body.as_bytes());
        decoded.map(|body| body.into_request(String::new())).map_err(|failure| failure.text().to_owned())
    }

    #[test]
    fn unknown_fields_are_named() {
        let cases = [
            ("", "EOF"),
            (r#"{"Bogus":1}"#, "json: unknown field \"Bogus\""),
            (r#"{"Partition":"x"}"#, "json: unknown field \"Partition\""),
            (r#"{"Namespace":"x"}"#, "json: unknown field \"Namespace\" - Namespaces are a Consul Enterprise feature"),
            (
                r#"{"Service":{"Namespace":"x"}}"#,
                "json: unknown field \"Namespace\" - Namespaces are a Consul Enterprise feature",
            ),
            (r#"{"Service":{"Datacenter":"x"}}"#, "json: unknown field \"Datacenter\""),
            (r#"{"Service":{"enable_tag_override":true}}"#, "json: unknown field \"enable_tag_override\""),
            (r#"{"Service":{"Weights":{"x":1}}}"#, "json: unknown field \"x\""),
            (r#"{"Service":{"Proxy":{"Upstreams":[{"IngressHosts":[]}]}}}"#, "json: unknown field \"IngressHosts\""),
            (r#"{"Check":{"IntervalDuration":1}}"#, "json: unknown field \"IntervalDuration\""),
            (r#"{"Check":{"Definition":{"Interval":"zz"}}}"#, "time: invalid duration \"zz\""),
        ];
        for (body, expected) in cases {
            assert_eq!(register(body).unwrap_err(), format!("Request decode failed: {expected}"), "{body}");
        }
    }

    #[test]
    fn places_that_tolerate_unknown_fields_do() {
        for body in [
            r#"{"Service":{"Connect":{"Native":true,"Foo":1,"SidecarService":{"Port":5}}}}"#,
            r#"{"Check":{"Definition":{"Foo":1,"HTTP":"x","TTL":5}}}"#,
            r#"{"Token":"a","CreateIndex":4,"ModifyIndex":5}"#,
            "null",
            "{} trailing",
        ] {
            assert!(register(body).is_ok(), "{body}");
        }
    }

    #[test]
    fn aliases_are_read_where_they_exist() {
        let body = r#"{"service":{"proxy":{"destination_service_name":"d","local_service_port":7,
            "upstreams":[{"destination_name":"u","local_bind_port":9,"mesh_gateway":{"mode":"local"}}],
            "expose":{"paths":[{"listener_port":5,"parsed_from_check":true}]}}}}"#;
        let proxy = register(body).unwrap().service.unwrap().proxy;
        assert_eq!((proxy.destination_service_name.as_str(), proxy.local_service_port), ("d", 7));
        assert_eq!((proxy.upstreams[0].destination_name.as_str(), proxy.upstreams[0].local_bind_port), ("u", 9));
        assert_eq!(proxy.upstreams[0].mesh_gateway.mode, "local");
        assert!(proxy.expose.paths[0].listener_port == 5 && proxy.expose.paths[0].parsed_from_check);
    }

    #[test]
    fn a_weight_left_out_is_zero_and_weights_left_out_are_unset() {
        let weights = |body: &str| register(body).unwrap().service.unwrap().weights;
        assert_eq!(weights(r#"{"Service":{"Weights":{"Passing":3}}}"#), Some(Weights { passing: 3, warning: 0 }));
        assert_eq!(weights(r#"{"Service":{}}"#), None);
    }
}
