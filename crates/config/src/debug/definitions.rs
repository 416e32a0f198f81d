//! `DebugConfig` fields of services, checks, watches and configuration entries.

use serde_json::{Map, Value, json};

use super::{Field, HIDDEN, sorted, span};
use crate::definition::*;
use crate::runtime::RuntimeConfig;

impl RuntimeConfig {
    pub(super) fn definition_fields(&self) -> Vec<Field> {
        let entries: Vec<Value> = self.config_entries.iter().map(sorted).collect();
        // The reference blanks watches, which may hold tokens.
        let watches: Vec<Value> = self.watches.iter().map(|_| json!({})).collect();
        vec![
            ("Checks", self.checks.iter().map(check_definition).collect()),
            ("ConfigEntryBootstrap", Value::Array(entries)),
            ("Services", self.services.iter().map(service).collect()),
            ("Watches", Value::Array(watches)),
        ]
    }
}

fn service(service: &ServiceDefinition) -> Value {
    let tagged: Map<String, Value> = service
        .tagged_addresses
        .iter()
        .map(|(name, tagged)| (name.clone(), json!({ "Address": tagged.address, "Port": tagged.port })))
        .collect();
    json!({
        "Address": service.address,
        // A single check is listed among `Checks`.
        "Check": service_check(&ServiceCheck::default()),
        "Checks": service.checks.iter().map(service_check).collect::<Vec<_>>(),
        "Connect": service.connect.as_ref().map(connect),
        "EnableTagOverride": service.enable_tag_override,
        "EnterpriseMeta": {},
        "ID": service.id,
        "Kind": service.kind.as_str(),
        "Meta": service.meta,
        "Name": service.name,
        "Port": service.port,
        "Proxy": service.proxy.as_ref().map(proxy),
        "SocketPath": service.socket_path,
        "TaggedAddresses": tagged,
        "Tags": service.tags,
        "Token": HIDDEN,
        "Weights": { "Passing": service.weights.passing, "Warning": service.weights.warning },
    })
}

fn connect(definition: &ConnectDefinition) -> Value {
    json!({
        "Native": definition.native,
        "PeerMeta": null,
        "SidecarService": definition.sidecar_service.as_deref().map(service),
    })
}

fn proxy(proxy: &ProxyDefinition) -> Value {
    let paths: Vec<Value> = proxy
        .expose_paths
        .iter()
        .map(|path| {
            json!({
                "ListenerPort": path.listener_port,
                "LocalPathPort": path.local_path_port,
                "ParsedFromCheck": false,
                "Path": path.path,
                "Protocol": path.protocol,
            })
        })
        .collect();
    json!({
        "Config": sorted(&proxy.config),
        "DestinationServiceID": proxy.destination_service_id,
        "DestinationServiceName": proxy.destination_service_name,
        "Expose": { "Checks": proxy.expose_checks, "Paths": paths },
        "LocalServiceAddress": proxy.local_service_address,
        "LocalServicePort": proxy.local_service_port,
        "LocalServiceSocketPath": proxy.local_service_socket_path,
        "MeshGateway": { "Mode": proxy.mesh_gateway_mode },
        "Mode": proxy.mode,
        "TransparentProxy": {
            "DialedDirectly": proxy.dialed_directly,
            "OutboundListenerPort": proxy.outbound_listener_port,
        },
        "Upstreams": proxy.upstreams.iter().map(upstream).collect::<Vec<_>>(),
    })
}

fn upstream(upstream: &Upstream) -> Value {
    json!({
        "CentrallyConfigured": false,
        "Config": sorted(&upstream.config),
        "Datacenter": upstream.datacenter,
        "DestinationName": upstream.destination_name,
        "DestinationNamespace": upstream.destination_namespace,
        "DestinationPartition": upstream.destination_partition,
        "DestinationPeer": upstream.destination_peer,
        "DestinationType": upstream.destination_type,
        "IngressHosts": [],
        "LocalBindAddress": upstream.local_bind_address,
        "LocalBindPort": upstream.local_bind_port,
        "LocalBindSocketMode": upstream.local_bind_socket_mode,
        "LocalBindSocketPath": upstream.local_bind_socket_path,
        "MeshGateway": { "Mode": upstream.mesh_gateway_mode },
    })
}

fn service_check(check: &ServiceCheck) -> Value {
    let mut fields = spec(&check.spec);
    fields.extend([("CheckID", json!(check.id)), ("ProxyGRPC", json!("")), ("ProxyHTTP", json!(""))]);
    object(fields)
}

fn check_definition(check: &CheckDefinition) -> Value {
    let mut fields = spec(&check.spec);
    fields.extend([
        ("EnterpriseMeta", json!({})),
        ("ID", json!(check.id)),
        ("ServiceID", json!(check.service_id)),
        ("Token", json!(HIDDEN)),
    ]);
    object(fields)
}

fn object(mut fields: Vec<Field>) -> Value {
    fields.sort_by_key(|(name, _)| *name);
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn spec(check: &CheckSpec) -> Vec<Field> {
    vec![
        ("AliasNode", json!(check.alias_node)),
        ("AliasService", json!(check.alias_service)),
        ("Body", json!(check.body)),
        ("DeregisterCriticalServiceAfter", span(check.deregister_critical_service_after)),
        ("DisableRedirects", json!(check.disable_redirects)),
        ("DockerContainerID", json!(check.docker_container_id)),
        ("FailuresBeforeCritical", json!(check.failures_before_critical)),
        ("FailuresBeforeWarning", json!(check.failures_before_warning)),
        ("GRPC", json!(check.grpc)),
        ("GRPCUseTLS", json!(check.grpc_use_tls)),
        ("H2PING", json!(check.h2ping)),
        ("H2PingUseTLS", json!(check.h2ping_use_tls)),
        ("HTTP", json!(check.http)),
        ("Header", json!(check.header)),
        ("Interval", span(check.interval)),
        ("Method", json!(check.method)),
        ("Name", json!(check.name)),
        ("Notes", json!(check.notes)),
        ("OSService", json!(check.os_service)),
        ("OutputMaxSize", json!(check.output_max_size)),
        ("ScriptArgs", json!(check.args)),
        ("Shell", json!(check.shell)),
        ("Status", json!(check.status)),
        ("SuccessBeforePassing", json!(check.success_before_passing)),
        ("TCP", json!(check.tcp)),
        ("TLSServerName", json!(check.tls_server_name)),
        ("TLSSkipVerify", json!(check.tls_skip_verify)),
        ("TTL", span(check.ttl)),
        ("Timeout", span(check.timeout)),
        ("UDP", json!(check.udp)),
    ]
}
