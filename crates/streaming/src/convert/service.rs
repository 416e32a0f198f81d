//! Instances and the configuration of proxies.

use types::service::{ExposeConfig, ExposePath, MeshGatewayConfig, PeeringServiceMeta, TransparentProxyConfig};

use super::value::{from_struct, to_struct};
use super::{indexes, narrow, raft_index};
use crate::proto;

impl From<&types::NodeService> for proto::NodeService {
    fn from(service: &types::NodeService) -> Self {
        let tagged = service.tagged_addresses.iter();
        proto::NodeService {
            kind: service.kind.clone(),
            id: service.id.clone(),
            service: service.service.clone(),
            tags: service.tags.clone(),
            address: service.address.clone(),
            meta: service.meta.clone(),
            port: narrow(service.port),
            weights: service
                .weights
                .map(|weights| proto::Weights { passing: narrow(weights.passing), warning: narrow(weights.warning) }),
            enable_tag_override: service.enable_tag_override,
            proxy: Some((&*service.proxy).into()),
            connect: Some((&*service.connect).into()),
            locally_registered_as_sidecar: service.locally_registered_as_sidecar,
            raft_index: raft_index(service.create_index, service.modify_index),
            tagged_addresses: tagged.map(|(tag, address)| (tag.clone(), address.into())).collect(),
            enterprise_meta: Some(proto::EnterpriseMeta::default()),
            socket_path: service.socket_path.clone(),
            peer_name: service.peer_name.clone(),
        }
    }
}

impl From<proto::NodeService> for types::NodeService {
    fn from(service: proto::NodeService) -> Self {
        let (create_index, modify_index) = indexes(service.raft_index.as_ref());
        types::NodeService {
            kind: service.kind,
            id: service.id,
            service: service.service,
            tags: service.tags,
            address: service.address,
            tagged_addresses: service.tagged_addresses.into_iter().map(|(tag, at)| (tag, at.into())).collect(),
            meta: service.meta,
            port: service.port.into(),
            socket_path: service.socket_path,
            weights: service
                .weights
                .map(|weights| types::Weights { passing: weights.passing.into(), warning: weights.warning.into() }),
            enable_tag_override: service.enable_tag_override,
            proxy: types::ConnectProxyConfig::from(service.proxy.unwrap_or_default()).into(),
            connect: types::ServiceConnect::from(service.connect.unwrap_or_default()).into(),
            locally_registered_as_sidecar: service.locally_registered_as_sidecar,
            peer_name: service.peer_name,
            create_index,
            modify_index,
        }
    }
}

impl From<&types::ServiceAddress> for proto::ServiceAddress {
    fn from(address: &types::ServiceAddress) -> Self {
        proto::ServiceAddress { address: address.address.clone(), port: narrow(address.port) }
    }
}

impl From<proto::ServiceAddress> for types::ServiceAddress {
    fn from(address: proto::ServiceAddress) -> Self {
        types::ServiceAddress { address: address.address, port: address.port.into() }
    }
}

impl From<&types::ServiceConnect> for proto::ServiceConnect {
    fn from(connect: &types::ServiceConnect) -> Self {
        let peer_meta = connect.peer_meta.as_ref().map(|meta| proto::PeeringServiceMeta {
            sni: meta.sni.clone(),
            spiffe_id: meta.spiffe_id.clone(),
            protocol: meta.protocol.clone(),
        });
        proto::ServiceConnect { native: connect.native, peer_meta }
    }
}

impl From<proto::ServiceConnect> for types::ServiceConnect {
    fn from(connect: proto::ServiceConnect) -> Self {
        let peer_meta = connect.peer_meta.map(|meta| PeeringServiceMeta {
            sni: meta.sni,
            spiffe_id: meta.spiffe_id,
            protocol: meta.protocol,
        });
        types::ServiceConnect { native: connect.native, peer_meta }
    }
}

impl From<&types::ConnectProxyConfig> for proto::ConnectProxyConfig {
    fn from(proxy: &types::ConnectProxyConfig) -> Self {
        proto::ConnectProxyConfig {
            destination_service_name: proxy.destination_service_name.clone(),
            destination_service_id: proxy.destination_service_id.clone(),
            local_service_address: proxy.local_service_address.clone(),
            local_service_port: narrow(proxy.local_service_port),
            config: to_struct(&proxy.config),
            upstreams: proxy.upstreams.iter().map(Into::into).collect(),
            mesh_gateway: Some((&proxy.mesh_gateway).into()),
            expose: Some((&proxy.expose).into()),
            mode: proxy.mode.clone(),
            transparent_proxy: Some(proto::TransparentProxyConfig {
                outbound_listener_port: narrow(proxy.transparent_proxy.outbound_listener_port),
                dialed_directly: proxy.transparent_proxy.dialed_directly,
            }),
            local_service_socket_path: proxy.local_service_socket_path.clone(),
        }
    }
}

impl From<proto::ConnectProxyConfig> for types::ConnectProxyConfig {
    fn from(proxy: proto::ConnectProxyConfig) -> Self {
        let transparent_proxy = proxy.transparent_proxy.unwrap_or_default();
        types::ConnectProxyConfig {
            destination_service_name: proxy.destination_service_name,
            destination_service_id: proxy.destination_service_id,
            local_service_address: proxy.local_service_address,
            local_service_port: proxy.local_service_port.into(),
            local_service_socket_path: proxy.local_service_socket_path,
            mode: proxy.mode,
            config: from_struct(proxy.config),
            upstreams: proxy.upstreams.into_iter().map(Into::into).collect(),
            mesh_gateway: proxy.mesh_gateway.unwrap_or_default().into(),
            expose: proxy.expose.unwrap_or_default().into(),
            transparent_proxy: TransparentProxyConfig {
                outbound_listener_port: transparent_proxy.outbound_listener_port.into(),
                dialed_directly: transparent_proxy.dialed_directly,
            },
        }
    }
}

impl From<&MeshGatewayConfig> for proto::MeshGatewayConfig {
    fn from(gateway: &MeshGatewayConfig) -> Self {
        proto::MeshGatewayConfig { mode: gateway.mode.clone() }
    }
}

impl From<proto::MeshGatewayConfig> for MeshGatewayConfig {
    fn from(gateway: proto::MeshGatewayConfig) -> Self {
        MeshGatewayConfig { mode: gateway.mode }
    }
}

impl From<&ExposeConfig> for proto::ExposeConfig {
    fn from(expose: &ExposeConfig) -> Self {
        let paths = expose.paths.iter().map(|path| proto::ExposePath {
            listener_port: narrow(path.listener_port),
            path: path.path.clone(),
            local_path_port: narrow(path.local_path_port),
            protocol: path.protocol.clone(),
            parsed_from_check: path.parsed_from_check,
        });
        proto::ExposeConfig { checks: expose.checks, paths: paths.collect() }
    }
}

impl From<proto::ExposeConfig> for ExposeConfig {
    fn from(expose: proto::ExposeConfig) -> Self {
        let paths = expose.paths.into_iter().map(|path| ExposePath {
            listener_port: path.listener_port.into(),
            path: path.path,
            local_path_port: path.local_path_port.into(),
            protocol: path.protocol,
            parsed_from_check: path.parsed_from_check,
        });
        ExposeConfig { checks: expose.checks, paths: paths.collect() }
    }
}

impl From<&types::Upstream> for proto::Upstream {
    fn from(upstream: &types::Upstream) -> Self {
        proto::Upstream {
            destination_type: upstream.destination_type.clone(),
            destination_namespace: upstream.destination_namespace.clone(),
            destination_name: upstream.destination_name.clone(),
            datacenter: upstream.datacenter.clone(),
            local_bind_address: upstream.local_bind_address.clone(),
            local_bind_port: narrow(upstream.local_bind_port),
            config: to_struct(&upstream.config),
            mesh_gateway: Some((&upstream.mesh_gateway).into()),
            centrally_configured: upstream.centrally_configured,
            local_bind_socket_path: upstream.local_bind_socket_path.clone(),
            local_bind_socket_mode: upstream.local_bind_socket_mode.clone(),
            destination_partition: upstream.destination_partition.clone(),
            destination_peer: upstream.destination_peer.clone(),
        }
    }
}

impl From<proto::Upstream> for types::Upstream {
    fn from(upstream: proto::Upstream) -> Self {
        types::Upstream {
            destination_type: upstream.destination_type,
            destination_namespace: upstream.destination_namespace,
            destination_partition: upstream.destination_partition,
            destination_peer: upstream.destination_peer,
            destination_name: upstream.destination_name,
            datacenter: upstream.datacenter,
            local_bind_address: upstream.local_bind_address,
            local_bind_port: upstream.local_bind_port.into(),
            local_bind_socket_path: upstream.local_bind_socket_path,
            local_bind_socket_mode: upstream.local_bind_socket_mode,
            config: from_struct(upstream.config),
            mesh_gateway: upstream.mesh_gateway.unwrap_or_default().into(),
            ingress_hosts: Vec::new(),
            centrally_configured: upstream.centrally_configured,
        }
    }
}
