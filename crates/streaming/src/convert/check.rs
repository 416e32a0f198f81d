//! Checks.

use super::value::{from_duration, to_duration};
use super::{indexes, narrow, raft_index};
use crate::proto;

impl From<&types::HealthCheck> for proto::HealthCheck {
    fn from(check: &types::HealthCheck) -> Self {
        proto::HealthCheck {
            node: check.node.clone(),
            check_id: check.check_id.clone(),
            name: check.name.clone(),
            status: check.status.clone(),
            notes: check.notes.clone(),
            output: check.output.clone(),
            service_id: check.service_id.clone(),
            service_name: check.service_name.clone(),
            service_tags: check.service_tags.clone(),
            definition: Some((&*check.definition).into()),
            raft_index: raft_index(check.create_index, check.modify_index),
            r#type: check.r#type.clone(),
            enterprise_meta: Some(proto::EnterpriseMeta::default()),
            exposed_port: narrow(check.exposed_port),
            interval: check.interval.clone(),
            timeout: check.timeout.clone(),
            peer_name: check.peer_name.clone(),
        }
    }
}

impl From<proto::HealthCheck> for types::HealthCheck {
    fn from(check: proto::HealthCheck) -> Self {
        let (create_index, modify_index) = indexes(check.raft_index.as_ref());
        types::HealthCheck {
            node: check.node,
            check_id: check.check_id,
            name: check.name,
            status: check.status,
            notes: check.notes,
            output: check.output,
            service_id: check.service_id,
            service_name: check.service_name,
            service_tags: check.service_tags,
            r#type: check.r#type,
            interval: check.interval,
            timeout: check.timeout,
            exposed_port: check.exposed_port.into(),
            peer_name: check.peer_name,
            definition: types::HealthCheckDefinition::from(check.definition.unwrap_or_default()).into(),
            create_index,
            modify_index,
        }
    }
}

impl From<&types::HealthCheckDefinition> for proto::HealthCheckDefinition {
    fn from(definition: &types::HealthCheckDefinition) -> Self {
        let header = definition.header.iter();
        proto::HealthCheckDefinition {
            http: definition.http.clone(),
            tls_skip_verify: definition.tls_skip_verify,
            header: header.map(|(name, value)| (name.clone(), proto::HeaderValue { value: value.clone() })).collect(),
            method: definition.method.clone(),
            tcp: definition.tcp.clone(),
            interval: to_duration(definition.interval),
            timeout: to_duration(definition.timeout),
            deregister_critical_service_after: to_duration(definition.deregister_critical_service_after),
            output_max_size: u32::try_from(definition.output_max_size).unwrap_or(u32::MAX),
            script_args: definition.script_args.clone(),
            docker_container_id: definition.docker_container_id.clone(),
            shell: definition.shell.clone(),
            grpc: definition.grpc.clone(),
            grpc_use_tls: definition.grpc_use_tls,
            alias_node: definition.alias_node.clone(),
            alias_service: definition.alias_service.clone(),
            ttl: to_duration(definition.ttl),
            body: definition.body.clone(),
            tls_server_name: definition.tls_server_name.clone(),
            h2ping: definition.h2ping.clone(),
            h2ping_use_tls: definition.h2ping_use_tls,
            disable_redirects: definition.disable_redirects,
            udp: definition.udp.clone(),
            os_service: definition.os_service.clone(),
        }
    }
}

impl From<proto::HealthCheckDefinition> for types::HealthCheckDefinition {
    fn from(definition: proto::HealthCheckDefinition) -> Self {
        types::HealthCheckDefinition {
            http: definition.http,
            tls_server_name: definition.tls_server_name,
            tls_skip_verify: definition.tls_skip_verify,
            header: definition.header.into_iter().map(|(name, header)| (name, header.value)).collect(),
            method: definition.method,
            body: definition.body,
            disable_redirects: definition.disable_redirects,
            tcp: definition.tcp,
            udp: definition.udp,
            h2ping: definition.h2ping,
            os_service: definition.os_service,
            h2ping_use_tls: definition.h2ping_use_tls,
            interval: from_duration(definition.interval),
            output_max_size: definition.output_max_size.into(),
            timeout: from_duration(definition.timeout),
            deregister_critical_service_after: from_duration(definition.deregister_critical_service_after),
            script_args: definition.script_args,
            docker_container_id: definition.docker_container_id,
            shell: definition.shell,
            grpc: definition.grpc,
            grpc_use_tls: definition.grpc_use_tls,
            alias_node: definition.alias_node,
            alias_service: definition.alias_service,
            ttl: from_duration(definition.ttl),
        }
    }
}
