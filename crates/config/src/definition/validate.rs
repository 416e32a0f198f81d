//! Rules of complete definitions (`docs/spec/config.md` §14); the texts are the reference's.

use std::time::Duration;

use super::{CheckSpec, ExposePath, ServiceDefinition, ServiceKind, Upstream};
use wire::quote::go_quote;

const MAX_PORT: i64 = 65535;

impl CheckSpec {
    fn is_alias(&self) -> bool {
        !self.alias_node.is_empty() || !self.alias_service.is_empty()
    }

    /// Whether the agent runs the check itself, every interval.
    fn runs_by_interval(&self) -> bool {
        let targets = [&self.http, &self.tcp, &self.udp, &self.grpc, &self.h2ping, &self.os_service];
        !self.args.is_empty() || targets.iter().any(|target| !target.is_empty())
    }
}

/// The first rule a check breaks.
pub fn check_faults(check: &CheckSpec) -> Option<&'static str> {
    let has_interval = check.interval > Duration::ZERO;
    let has_ttl = check.ttl > Duration::ZERO;
    let runs = check.runs_by_interval();
    if has_interval && has_ttl {
        return Some("Interval and TTL cannot both be specified");
    }
    if runs && !has_interval {
        return Some("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks");
    }
    if runs && check.is_alias() {
        return Some("Interval cannot be set for Alias checks");
    }
    if check.is_alias() && has_ttl {
        return Some("TTL must be not be set for Alias checks");
    }
    if !runs && !check.is_alias() && !has_ttl {
        return Some("TTL must be > 0 for TTL checks");
    }
    if check.output_max_size < 0 {
        return Some("MaxOutputMaxSize must be positive");
    }
    if check.failures_before_warning > check.failures_before_critical {
        return Some("FailuresBeforeWarning can't be higher than FailuresBeforeCritical");
    }
    None
}

/// Every rule a service breaks.
pub fn service_faults(service: &ServiceDefinition) -> Vec<String> {
    let mut faults = Vec::new();
    match service.kind {
        ServiceKind::Typical => {}
        ServiceKind::ConnectProxy => proxy_faults(service, &mut faults),
        kind => gateway_faults(service, kind, &mut faults),
    }
    let native = service.connect.as_ref().is_some_and(|connect| connect.native);
    if native && service.kind == ServiceKind::Typical && service.port == 0 && service.socket_path.is_empty() {
        faults.push("Port or SocketPath must be set for a Connect native service.".to_owned());
    }
    faults
}

fn proxy_faults(service: &ServiceDefinition, faults: &mut Vec<String>) {
    if service.port == 0 && service.socket_path.is_empty() {
        faults.push("Port or SocketPath must be set for a connect-proxy".to_owned());
    }
    let proxy = service.proxy.clone().unwrap_or_default();
    match proxy.destination_service_name.as_str() {
        "" => faults.push("Proxy.DestinationServiceName must be non-empty for Connect proxy services".to_owned()),
        "*" => faults.push("Proxy.DestinationServiceName must not be a wildcard for Connect proxy services".to_owned()),
        _ => {}
    }
    if service.connect.as_ref().is_some_and(|connect| connect.native) {
        faults.push("A Proxy cannot also be Connect Native, only typical services".to_owned());
    }
    upstream_faults(&proxy.upstreams, faults);
    expose_faults(&proxy.expose_paths, faults);
}

fn upstream_faults(upstreams: &[Upstream], faults: &mut Vec<String>) {
    let mut listeners = Vec::new();
    let mut destinations = Vec::new();
    for upstream in upstreams {
        if let Some(fault) = upstream_fault(upstream) {
            faults.push(fault);
            continue;
        }
        let destination = format!(
            "[type={}, name={}, partition={}, namespace={}, peer={}, datacenter={}]",
            go_quote(&upstream.destination_type),
            go_quote(&upstream.destination_name),
            go_quote(&upstream.destination_partition),
            go_quote(&upstream.destination_namespace),
            go_quote(&upstream.destination_peer),
            go_quote(&upstream.datacenter)
        );
        if destinations.contains(&destination) {
            faults.push(format!("upstreams cannot contain duplicates of {destination}"));
            continue;
        }
        destinations.push(destination);
        let listener = listener_of(upstream);
        if listeners.contains(&listener) {
            faults.push(format!(
                "upstreams cannot contain duplicates by local bind address and port or unix path; {} is specified twice",
                go_quote(&listener)
            ));
            continue;
        }
        listeners.push(listener);
    }
}

fn upstream_fault(upstream: &Upstream) -> Option<String> {
    if !["", "service", "prepared_query"].contains(&upstream.destination_type.as_str()) {
        return Some(format!("unknown upstream destination type: {}", go_quote(&upstream.destination_type)));
    }
    let has_port = upstream.local_bind_port != 0;
    let has_path = !upstream.local_bind_socket_path.is_empty();
    let rule = if upstream.destination_name.is_empty() {
        "upstream destination name cannot be empty"
    } else if upstream.destination_name == "*" {
        "upstream destination name cannot be a wildcard"
    } else if !upstream.destination_peer.is_empty() && !upstream.datacenter.is_empty() {
        "upstream cannot specify both destination peer and datacenter"
    } else if !has_port && !has_path {
        "upstream local bind port or local socket path must be defined and nonzero"
    } else if has_port && has_path {
        "only one of upstream local bind port or local socket path can be defined and nonzero"
    } else {
        return None;
    };
    Some(rule.to_owned())
}

fn listener_of(upstream: &Upstream) -> String {
    if !upstream.local_bind_socket_path.is_empty() {
        return upstream.local_bind_socket_path.clone();
    }
    let address = match upstream.local_bind_address.as_str() {
        "" => "127.0.0.1",
        address => address,
    };
    format!("{address}:{}", upstream.local_bind_port)
}

fn expose_faults(paths: &[ExposePath], faults: &mut Vec<String>) {
    const PROTOCOLS: [&str; 3] = ["", "http", "http2"];
    let mut ports = Vec::new();
    for path in paths {
        if path.path.is_empty() {
            faults.push("expose.paths: empty path exposed".to_owned());
        }
        if ports.contains(&path.listener_port) {
            faults.push("expose.paths: duplicate listener ports exposed".to_owned());
        }
        ports.push(path.listener_port);
        if path.listener_port <= 0 || path.listener_port > MAX_PORT {
            faults.push(format!("expose.paths: invalid listener port: {}", path.listener_port));
        }
        if !PROTOCOLS.contains(&path.protocol.as_str()) {
            faults.push(format!(
                "protocol '{}' not supported for path: {}, must be in: [http http2]",
                path.protocol, path.path
            ));
        }
    }
}

fn gateway_faults(service: &ServiceDefinition, kind: ServiceKind, faults: &mut Vec<String>) {
    let name = kind.as_str();
    // An ingress gateway's own port is only its default listener and may be absent.
    if service.port == 0 && kind != ServiceKind::IngressGateway {
        faults.push(format!("Port must be non-zero for a {name}"));
    }
    if service.connect.as_ref().is_some_and(|connect| connect.sidecar_service.is_some()) {
        faults.push(format!("A {name} cannot have a sidecar service defined"));
    }
    let proxy = service.proxy.clone().unwrap_or_default();
    let settings = [
        ("DestinationServiceName", !proxy.destination_service_name.is_empty()),
        ("DestinationServiceID", !proxy.destination_service_id.is_empty()),
        ("LocalServiceAddress", !proxy.local_service_address.is_empty()),
        ("LocalServicePort", proxy.local_service_port != 0),
        ("LocalServiceSocketPath", !proxy.local_service_socket_path.is_empty()),
        ("Upstreams", !proxy.upstreams.is_empty()),
    ];
    for (setting, present) in settings {
        if present {
            faults.push(format!("The Proxy.{setting} configuration is invalid for a {name}"));
        }
    }
}
