//! From definitions in configuration files to what an agent takes over HTTP (docs/spec/cli.md §5.2).

use std::time::Duration;

use api::{
    AgentCheckRegistration, AgentServiceRegistration, ConnectRegistration, Expose, ExposePath, MeshGateway, Proxy,
    ServiceAddress, ServiceWeights, TransparentProxy, Upstream,
};
use config::{ConnectDefinition, ProxyDefinition, ServiceCheck, ServiceDefinition};

/// What the loader puts in for a check without `output_max_size`. Not sent, or it would lower the agent's own limit.
const DEFAULT_OUTPUT_MAX_BYTES: i64 = 4096;

/// The registration of a service that a file describes. A token in the definition is not part of it: the request's own
/// token registers, as with the reference.
pub(super) fn service(service: ServiceDefinition) -> AgentServiceRegistration {
    let tagged_addresses = service.tagged_addresses.into_iter().map(|(tag, at)| {
        let address = ServiceAddress { address: at.address, port: at.port };
        (tag, address)
    });
    AgentServiceRegistration {
        kind: service.kind.as_str().to_string(),
        id: service.id,
        name: service.name,
        tags: service.tags,
        port: service.port,
        address: service.address,
        socket_path: service.socket_path,
        tagged_addresses: tagged_addresses.collect(),
        enable_tag_override: service.enable_tag_override,
        meta: service.meta,
        weights: Some(ServiceWeights { passing: service.weights.passing, warning: service.weights.warning }),
        checks: service.checks.into_iter().map(check).collect(),
        proxy: service.proxy.map(proxy),
        connect: service.connect.map(connect),
        replace_existing_checks: false,
    }
}

fn check(check: ServiceCheck) -> AgentCheckRegistration {
    let spec = check.spec;
    let output_max_size = Some(spec.output_max_size).filter(|size| *size != DEFAULT_OUTPUT_MAX_BYTES);
    AgentCheckRegistration {
        check_id: check.id,
        name: spec.name,
        notes: spec.notes,
        status: spec.status,
        ttl: duration(spec.ttl),
        script_args: spec.args,
        docker_container_id: spec.docker_container_id,
        shell: spec.shell,
        http: spec.http,
        header: spec.header,
        method: spec.method,
        body: spec.body,
        disable_redirects: spec.disable_redirects,
        tcp: spec.tcp,
        udp: spec.udp,
        grpc: spec.grpc,
        grpc_use_tls: spec.grpc_use_tls,
        h2ping_use_tls: (!spec.h2ping.is_empty()).then_some(spec.h2ping_use_tls),
        h2ping: spec.h2ping,
        os_service: spec.os_service,
        tls_server_name: spec.tls_server_name,
        tls_skip_verify: spec.tls_skip_verify,
        alias_node: spec.alias_node,
        alias_service: spec.alias_service,
        interval: duration(spec.interval),
        timeout: duration(spec.timeout),
        success_before_passing: count(spec.success_before_passing),
        failures_before_warning: count(spec.failures_before_warning),
        failures_before_critical: count(spec.failures_before_critical),
        deregister_critical_service_after: duration(spec.deregister_critical_service_after),
        output_max_size: count(output_max_size.unwrap_or_default()),
        // Both are of checks registered by themselves.
        id: String::new(),
        service_id: String::new(),
    }
}

/// Empty for zero, which means unset.
fn duration(duration: Duration) -> String {
    if duration.is_zero() { String::new() } else { api::format_duration(duration) }
}

/// A negative count acts as zero does: it is reached at once.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn connect(connect: ConnectDefinition) -> ConnectRegistration {
    let sidecar_service = connect.sidecar_service.map(|sidecar| Box::new(service(*sidecar)));
    ConnectRegistration { native: connect.native, sidecar_service }
}

fn proxy(proxy: ProxyDefinition) -> Proxy {
    let transparent = TransparentProxy {
        outbound_listener_port: proxy.outbound_listener_port,
        dialed_directly: proxy.dialed_directly,
    };
    let paths = proxy.expose_paths.into_iter().map(|path| ExposePath {
        listener_port: path.listener_port,
        path: path.path,
        local_path_port: path.local_path_port,
        protocol: path.protocol,
        parsed_from_check: false,
    });
    Proxy {
        destination_service_name: proxy.destination_service_name,
        destination_service_id: proxy.destination_service_id,
        local_service_address: proxy.local_service_address,
        local_service_port: proxy.local_service_port,
        local_service_socket_path: proxy.local_service_socket_path,
        mode: proxy.mode,
        transparent_proxy: Some(transparent).filter(|settings| *settings != TransparentProxy::default()),
        config: proxy.config.into_iter().collect(),
        upstreams: proxy.upstreams.into_iter().map(upstream).collect(),
        mesh_gateway: MeshGateway { mode: proxy.mesh_gateway_mode },
        expose: Expose { checks: proxy.expose_checks, paths: paths.collect() },
    }
}

fn upstream(upstream: config::Upstream) -> Upstream {
    Upstream {
        destination_type: upstream.destination_type,
        destination_partition: upstream.destination_partition,
        destination_namespace: upstream.destination_namespace,
        destination_peer: upstream.destination_peer,
        destination_name: upstream.destination_name,
        datacenter: upstream.datacenter,
        local_bind_address: upstream.local_bind_address,
        local_bind_port: upstream.local_bind_port,
        local_bind_socket_path: upstream.local_bind_socket_path,
        local_bind_socket_mode: upstream.local_bind_socket_mode,
        config: upstream.config.into_iter().collect(),
        mesh_gateway: MeshGateway { mode: upstream.mesh_gateway_mode },
        centrally_configured: false,
    }
}

#[cfg(test)]
mod tests {
    use config::{Environment, Flags};
    use serde_json::{Value, json};

    use super::*;

    /// What is sent for the services of a file.
    fn sent(file: &Value) -> Vec<Value> {
        let path = tempfile::Builder::new().suffix(".json").tempfile().expect("a file");
        std::fs::write(path.path(), file.to_string()).expect("content");
        let name = path.path().display().to_string();
        let flags = Flags::from_pairs([("config-file", name.as_str()), ("dev", "true")]).expect("flags");
        let services = config::load(&flags, &Environment::system()).expect("a configuration").runtime.services;
        services.into_iter().map(|definition| serde_json::to_value(service(definition)).expect("JSON")).collect()
    }

    #[test]
    fn every_setting_of_a_service_is_sent_and_its_token_is_not() {
        let file = json!({"service": {
            "id": "i", "name": "n", "tags": ["t"], "address": "1.2.3.4", "port": 80, "token": "secret",
            "meta": {"a": "b"}, "enable_tag_override": true, "weights": {"passing": 2, "warning": 0},
            "tagged_addresses": {"wan": {"address": "9.9.9.9", "port": 1}},
        }});
        let wanted = json!({
            "ID": "i", "Name": "n", "Tags": ["t"], "Address": "1.2.3.4", "Port": 80, "Meta": {"a": "b"},
            "EnableTagOverride": true, "Weights": {"Passing": 2, "Warning": 0},
            "TaggedAddresses": {"wan": {"Address": "9.9.9.9", "Port": 1}},
        });
        assert_eq!(sent(&file), [wanted]);
    }

    #[test]
    fn what_is_not_set_is_left_to_the_agent() {
        let wanted = json!({"Name": "n", "Weights": {"Passing": 1, "Warning": 1}});
        assert_eq!(sent(&json!({"services": [{"name": "n"}]})), [wanted]);
    }

    #[test]
    fn every_setting_of_a_check_is_sent() {
        for (check, wanted) in [
            (json!({"name": "one", "ttl": "10s"}), json!({"Name": "one", "TTL": "10s"})),
            (
                json!({
                    "id": "c1", "notes": "no", "status": "warning", "http": "http://x", "method": "PUT", "body": "b",
                    "header": {"h": ["1", "2"]}, "tls_skip_verify": true, "tls_server_name": "sn", "interval": "10s",
                    "timeout": "1s", "deregister_critical_service_after": "1h", "output_max_size": 100,
                    "success_before_passing": 2, "failures_before_critical": 3, "disable_redirects": true,
                }),
                json!({
                    "CheckID": "c1", "Notes": "no", "Status": "warning", "HTTP": "http://x", "Method": "PUT",
                    "Body": "b", "Header": {"h": ["1", "2"]}, "TLSSkipVerify": true, "TLSServerName": "sn",
                    "Interval": "10s", "Timeout": "1s", "DeregisterCriticalServiceAfter": "1h0m0s",
                    "OutputMaxSize": 100, "SuccessBeforePassing": 2, "FailuresBeforeWarning": 3,
                    "FailuresBeforeCritical": 3, "DisableRedirects": true,
                }),
            ),
            (
                json!({"args": ["a", "b"], "docker_container_id": "d", "shell": "/bin/sh", "interval": "5s"}),
                json!({"ScriptArgs": ["a", "b"], "DockerContainerID": "d", "Shell": "/bin/sh", "Interval": "5s"}),
            ),
            (
                json!({"grpc": "g", "grpc_use_tls": true, "interval": "5s"}),
                json!({"GRPC": "g", "GRPCUseTLS": true, "Interval": "5s"}),
            ),
            (json!({"h2ping": "h", "interval": "5s"}), json!({"H2PING": "h", "H2PingUseTLS": true, "Interval": "5s"})),
            (
                json!({"h2ping": "h", "h2ping_use_tls": false, "interval": "5s"}),
                json!({"H2PING": "h", "H2PingUseTLS": false, "Interval": "5s"}),
            ),
            (json!({"tcp": "t", "interval": "5s"}), json!({"TCP": "t", "Interval": "5s"})),
            (json!({"udp": "u", "interval": "5s"}), json!({"UDP": "u", "Interval": "5s"})),
            (json!({"os_service": "o", "interval": "5s"}), json!({"OSService": "o", "Interval": "5s"})),
            (json!({"alias_service": "s", "alias_node": "n"}), json!({"AliasService": "s", "AliasNode": "n"})),
        ] {
            let sent = sent(&json!({"service": {"name": "n", "check": check}}));
            assert_eq!(sent[0]["Checks"], json!([wanted]), "{check}");
        }
    }

    #[test]
    fn sidecars_are_sent_with_their_proxies() {
        let file = json!({"service": {"name": "m", "port": 1, "connect": {"sidecar_service": {
            "port": 5, "check": {"ttl": "20m"},
            "proxy": {
                "mode": "transparent", "transparent_proxy": {"dialed_directly": true}, "config": {"x": 1},
                "expose": {"checks": true, "paths": [{"path": "/p", "listener_port": 3, "local_path_port": 4}]},
                "mesh_gateway": {"mode": "local"},
                "upstreams": [{
                    "destination_name": "u", "local_bind_port": 7, "datacenter": "d", "config": {"y": 2},
                    "mesh_gateway": {"mode": "remote"},
                }],
            },
        }}}});
        let wanted = json!({
            "Name": "m", "Port": 1, "Weights": {"Passing": 1, "Warning": 1},
            "Connect": {"SidecarService": {
                "Port": 5, "Weights": {"Passing": 1, "Warning": 1}, "Checks": [{"TTL": "20m0s"}],
                "Proxy": {
                    "Mode": "transparent", "TransparentProxy": {"DialedDirectly": true}, "Config": {"x": 1.0},
                    "Expose": {
                        "Checks": true,
                        "Paths": [{"Path": "/p", "ListenerPort": 3, "LocalPathPort": 4, "ParsedFromCheck": false}],
                    },
                    "MeshGateway": {"Mode": "local"},
                    "Upstreams": [{
                        "DestinationType": "service", "DestinationName": "u", "LocalBindPort": 7, "Datacenter": "d",
                        "Config": {"y": 2.0}, "MeshGateway": {"Mode": "remote"},
                    }],
                },
            }},
        });
        assert_eq!(sent(&file), [wanted]);
    }

    #[test]
    fn proxies_and_native_services_are_sent_as_such() {
        let proxy =
            json!({"name": "p", "kind": "connect-proxy", "port": 2, "proxy": {"destination_service_name": "a"}});
        let sent = sent(&json!({"services": [{"name": "a", "port": 1, "connect": {"native": true}}, proxy]}));
        assert_eq!(sent[0]["Connect"], json!({"Native": true}));
        assert_eq!(sent[1]["Kind"], "connect-proxy");
        let wanted = json!({"DestinationServiceName": "a", "MeshGateway": {}, "Expose": {}});
        assert_eq!(sent[1]["Proxy"], wanted);
    }
}
