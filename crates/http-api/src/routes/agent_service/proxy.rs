//! The `Proxy` object of a registration (`docs/spec/http-api.md` §3.5).

use config::{ExposePath, OpaqueMap, ProxyDefinition, Upstream};
use serde::Deserialize;
use types::service::{MeshGatewayConfig, TransparentProxyConfig};

use super::definition::either;
use crate::routes::body::Dropped;

/// What an upstream is that does not say.
const DEFAULT_DESTINATION_TYPE: &str = "service";

#[derive(Deserialize, Default)]
#[serde(default, rename = "ConnectProxyConfig", rename_all = "PascalCase")]
pub(super) struct ProxyBody {
    destination_service_name: String,
    #[serde(rename = "destination_service_name")]
    snake_destination_service_name: String,
    #[serde(rename = "DestinationServiceID")]
    destination_service_id: String,
    #[serde(rename = "destination_service_id")]
    snake_destination_service_id: String,
    local_service_address: String,
    #[serde(rename = "local_service_address")]
    snake_local_service_address: String,
    local_service_port: i64,
    #[serde(rename = "local_service_port")]
    snake_local_service_port: i64,
    local_service_socket_path: String,
    #[serde(rename = "local_service_socket_path")]
    snake_local_service_socket_path: String,
    mode: String,
    transparent_proxy: TransparentProxyConfig,
    #[serde(rename = "transparent_proxy")]
    snake_transparent_proxy: TransparentProxyConfig,
    config: OpaqueMap,
    upstreams: Vec<UpstreamBody>,
    mesh_gateway: MeshGatewayConfig,
    #[serde(rename = "mesh_gateway")]
    snake_mesh_gateway: MeshGatewayConfig,
    expose: ExposeBody,
}

impl From<ProxyBody> for ProxyDefinition {
    fn from(body: ProxyBody) -> ProxyDefinition {
        let transparent = either(body.transparent_proxy, body.snake_transparent_proxy);
        ProxyDefinition {
            destination_service_name: either(body.destination_service_name, body.snake_destination_service_name),
            destination_service_id: either(body.destination_service_id, body.snake_destination_service_id),
            local_service_address: either(body.local_service_address, body.snake_local_service_address),
            local_service_port: either(body.local_service_port, body.snake_local_service_port),
            local_service_socket_path: either(body.local_service_socket_path, body.snake_local_service_socket_path),
            mode: body.mode,
            outbound_listener_port: transparent.outbound_listener_port,
            dialed_directly: transparent.dialed_directly,
            config: body.config,
            upstreams: body.upstreams.into_iter().map(Upstream::from).collect(),
            mesh_gateway_mode: either(body.mesh_gateway, body.snake_mesh_gateway).mode,
            expose_checks: body.expose.checks,
            expose_paths: body.expose.paths.into_iter().map(ExposePath::from).collect(),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "Upstream", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct UpstreamBody {
    destination_type: String,
    #[serde(rename = "destination_type")]
    snake_destination_type: String,
    destination_namespace: String,
    #[serde(rename = "destination_namespace")]
    snake_destination_namespace: String,
    destination_partition: String,
    #[serde(rename = "destination_partition")]
    snake_destination_partition: String,
    destination_peer: String,
    #[serde(rename = "destination_peer")]
    snake_destination_peer: String,
    destination_name: String,
    #[serde(rename = "destination_name")]
    snake_destination_name: String,
    datacenter: String,
    local_bind_address: String,
    #[serde(rename = "local_bind_address")]
    snake_local_bind_address: String,
    local_bind_port: i64,
    #[serde(rename = "local_bind_port")]
    snake_local_bind_port: i64,
    local_bind_socket_path: String,
    #[serde(rename = "local_bind_socket_path")]
    snake_local_bind_socket_path: String,
    local_bind_socket_mode: String,
    #[serde(rename = "local_bind_socket_mode")]
    snake_local_bind_socket_mode: String,
    config: OpaqueMap,
    mesh_gateway: MeshGatewayConfig,
    #[serde(rename = "mesh_gateway")]
    snake_mesh_gateway: MeshGatewayConfig,
    centrally_configured: Dropped,
}

impl From<UpstreamBody> for Upstream {
    fn from(body: UpstreamBody) -> Upstream {
        let destination_type = either(body.destination_type, body.snake_destination_type);
        Upstream {
            destination_type: either(destination_type, DEFAULT_DESTINATION_TYPE.to_owned()),
            destination_namespace: either(body.destination_namespace, body.snake_destination_namespace),
            destination_partition: either(body.destination_partition, body.snake_destination_partition),
            destination_peer: either(body.destination_peer, body.snake_destination_peer),
            destination_name: either(body.destination_name, body.snake_destination_name),
            datacenter: body.datacenter,
            local_bind_address: either(body.local_bind_address, body.snake_local_bind_address),
            local_bind_port: either(body.local_bind_port, body.snake_local_bind_port),
            local_bind_socket_path: either(body.local_bind_socket_path, body.snake_local_bind_socket_path),
            local_bind_socket_mode: either(body.local_bind_socket_mode, body.snake_local_bind_socket_mode),
            config: body.config,
            mesh_gateway_mode: either(body.mesh_gateway, body.snake_mesh_gateway).mode,
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
#[allow(dead_code, reason = "see Dropped")]
struct ExposePathBody {
    path: String,
    listener_port: i64,
    #[serde(rename = "listener_port")]
    snake_listener_port: i64,
    local_path_port: i64,
    #[serde(rename = "local_path_port")]
    snake_local_path_port: i64,
    protocol: String,
    parsed_from_check: Dropped,
    #[serde(rename = "parsed_from_check")]
    snake_parsed_from_check: Dropped,
}

impl From<ExposePathBody> for ExposePath {
    fn from(body: ExposePathBody) -> ExposePath {
        ExposePath {
            listener_port: either(body.listener_port, body.snake_listener_port),
            path: body.path,
            local_path_port: either(body.local_path_port, body.snake_local_path_port),
            protocol: body.protocol,
        }
    }
}
