//! What is refused of a registration, in the order and the words of the reference (`docs/spec/http-api.md` §3.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use config::{ProxyDefinition, ServiceCheck, ServiceDefinition, ServiceKind, Weights, check_faults, service_faults};

use crate::reply::Failure;
use crate::routes::agent_check::is_status;

/// Addresses that stand for "every interface" and cannot be reached.
const ANY_ADDRESSES: [&str; 3] = ["0.0.0.0", "::", "[::]"];
const MOST_META_PAIRS: usize = 64;
const LONGEST_META_KEY_BYTES: usize = 128;
const LONGEST_META_VALUE_BYTES: usize = 512;
const RESERVED_META_PREFIX: &str = "consul-";
/// The one reserved key that mesh gateways carry.
const MESH_GATEWAY_META_KEY: &str = "consul-wan-federation";
/// Largest weight DNS can carry.
const LARGEST_WEIGHT: i64 = 65535;

/// Refuses a registration that breaks a rule.
pub(super) fn check(service: &ServiceDefinition) -> Result<(), Failure> {
    let refuse = |text: String| Err(Failure::bad_request(text));
    if service.name.is_empty() {
        return refuse("Missing service name".to_owned());
    }
    if ANY_ADDRESSES.contains(&service.address.as_str()) {
        return refuse("Invalid service address".to_owned());
    }
    if let Some(fault) = weights_fault(service.weights) {
        return refuse(format!("Invalid Weights: {fault}"));
    }
    if let Some(fault) = meta_fault(service.kind, &service.meta) {
        return refuse(format!("Invalid Service Meta: {fault}"));
    }
    let sidecar = service.connect.as_ref().and_then(|connect| connect.sidecar_service.as_deref());
    let mut faults = service_faults(service);
    faults.extend(sidecar.into_iter().flat_map(forbidden_in_sidecar).map(str::to_owned));
    if !faults.is_empty() {
        return refuse(format!("Validation failed: {}", listed(&faults)));
    }
    check_checks(&service.checks, "Invalid check")?;
    let Some(sidecar) = sidecar else { return Ok(()) };
    check_checks(&sidecar.checks, "Invalid check in sidecar_service")?;
    if let Some(fault) = meta_fault(sidecar.kind, &sidecar.meta) {
        return refuse(format!("Invalid SidecarService: {fault}"));
    }
    match service_faults(&filled_sidecar(service, sidecar)) {
        faults if faults.is_empty() => Ok(()),
        faults => refuse(format!("Failed Validation: {}", listed(&faults))),
    }
}

fn check_checks(checks: &[ServiceCheck], what: &str) -> Result<(), Failure> {
    if let Some(fault) = checks.iter().find_map(|check| check_faults(&check.spec)) {
        return Err(Failure::bad_request(format!("{what}: {fault}")));
    }
    let statuses_are_known =
        checks.iter().map(|check| check.spec.status.as_str()).all(|status| status.is_empty() || is_status(status));
    if !statuses_are_known {
        return Err(Failure::bad_request("Status for checks must 'passing', 'warning', 'critical'"));
    }
    Ok(())
}

fn forbidden_in_sidecar(sidecar: &ServiceDefinition) -> impl Iterator<Item = &'static str> {
    let has_id = !sidecar.id.is_empty();
    let is_nested = sidecar.connect.as_ref().is_some_and(|connect| connect.sidecar_service.is_some());
    let id = has_id.then_some("A SidecarService cannot specify an ID as this is managed by the agent");
    let nested = is_nested.then_some("A SidecarService cannot have a nested SidecarService");
    id.into_iter().chain(nested)
}

/// A sidecar with what it takes from its service, as far as the rules look at it.
fn filled_sidecar(service: &ServiceDefinition, sidecar: &ServiceDefinition) -> ServiceDefinition {
    let mut filled = sidecar.clone();
    if filled.kind == ServiceKind::Typical {
        filled.kind = ServiceKind::ConnectProxy;
        // The agent gives it a port.
        filled.port = filled.port.max(1);
    }
    let proxy = filled.proxy.get_or_insert_with(ProxyDefinition::default);
    if proxy.destination_service_name.is_empty() {
        service.name.clone_into(&mut proxy.destination_service_name);
    }
    let id = if service.id.is_empty() { &service.name } else { &service.id };
    id.clone_into(&mut proxy.destination_service_id);
    if proxy.local_service_socket_path.is_empty() && !service.socket_path.is_empty() {
        service.socket_path.clone_into(&mut proxy.local_service_socket_path);
    } else if proxy.local_service_port == 0 {
        proxy.local_service_port = service.port;
        "127.0.0.1".clone_into(&mut proxy.local_service_address);
    }
    filled
}

fn weights_fault(weights: Weights) -> Option<&'static str> {
    if weights.passing < 1 {
        Some("Passing must be greater than 0")
    } else if weights.warning < 0 {
        Some("Warning must be greater or equal than 0")
    } else if weights.passing > LARGEST_WEIGHT || weights.warning > LARGEST_WEIGHT {
        Some("DNS Weight must be between 0 and 65535")
    } else {
        None
    }
}

fn meta_fault(kind: ServiceKind, meta: &BTreeMap<String, String>) -> Option<String> {
    if meta.len() > MOST_META_PAIRS {
        return Some(format!("Node metadata cannot contain more than {MOST_META_PAIRS} key/value pairs"));
    }
    let may_be_reserved = |key: &str| kind == ServiceKind::MeshGateway && key == MESH_GATEWAY_META_KEY;
    meta.iter().find_map(|(key, value)| {
        let fault = pair_fault(key, value, may_be_reserved(key))?;
        Some(format!("Couldn't load metadata pair ('{key}', '{value}'): {fault}"))
    })
}

fn pair_fault(key: &str, value: &str, may_be_reserved: bool) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if key.is_empty() {
        Some("Key cannot be blank".to_owned())
    } else if !key.bytes().all(allowed) {
        Some("Key contains invalid characters".to_owned())
    } else if key.len() > LONGEST_META_KEY_BYTES {
        Some(format!("Key is too long (limit: {LONGEST_META_KEY_BYTES} characters)"))
    } else if key.starts_with(RESERVED_META_PREFIX) && !may_be_reserved {
        Some(format!("Key prefix '{RESERVED_META_PREFIX}' is reserved for internal use"))
    } else if value.len() > LONGEST_META_VALUE_BYTES {
        Some(format!("Value is too long (limit: {LONGEST_META_VALUE_BYTES} characters)"))
    } else {
        None
    }
}

/// Faults as the reference lists them.
fn listed(faults: &[String]) -> String {
    let mut text = match faults.len() {
        1 => "1 error occurred:\n".to_owned(),
        count => format!("{count} errors occurred:\n"),
    };
    for fault in faults {
        let written = writeln!(text, "\t* {fault}");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::definition::read;
    use super::*;

    fn refusal(body: &str) -> Option<String> {
        let service = read(body.as_bytes(), "").unwrap();
        check(&service).err().map(|failure| failure.text().to_owned())
    }

    #[test]
    fn rules_are_checked_in_the_references_order() {
        let cases = [
            ("{}", "Missing service name"),
            (r#"{"Address":"::"}"#, "Missing service name"),
            (r#"{"Name":"a","Address":"::","Weights":{"Passing":0}}"#, "Invalid service address"),
            (
                r#"{"Name":"a","Weights":{"Passing":0},"Meta":{"a b":"c"}}"#,
                "Invalid Weights: Passing must be greater than 0",
            ),
            (
                r#"{"Name":"a","Kind":"connect-proxy","Meta":{"a b":"c"}}"#,
                "Invalid Service Meta: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters",
            ),
            (
                r#"{"Name":"a","Kind":"connect-proxy","Check":{"TTL":"-1s"}}"#,
                "Validation failed: 2 errors occurred:\n\t* Port or SocketPath must be set for a connect-proxy\n\
                 \t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n",
            ),
            (
                r#"{"Name":"a","Check":{"TTL":"1s","Status":"x"},"Checks":[{"HTTP":"x"}]}"#,
                "Invalid check: Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
            ),
            (r#"{"Name":"a","Checks":[{}]}"#, "Invalid check: TTL must be > 0 for TTL checks"),
            (
                r#"{"Name":"a","Check":{"TTL":"1s","Status":"Passing"}}"#,
                "Status for checks must 'passing', 'warning', 'critical'",
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(refusal(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn sidecars_have_rules_of_their_own() {
        let cases = [
            (
                r#"{"ID":"x","Connect":{"SidecarService":{}}}"#,
                "Validation failed: 2 errors occurred:\n\
                 \t* A SidecarService cannot specify an ID as this is managed by the agent\n\
                 \t* A SidecarService cannot have a nested SidecarService\n\n",
            ),
            (
                r#"{"Check":{"HTTP":"x"}}"#,
                "Invalid check in sidecar_service: \
                 Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks",
            ),
            (r#"{"Check":{"TTL":"1s","Status":"q"}}"#, "Status for checks must 'passing', 'warning', 'critical'"),
            (
                r#"{"Meta":{"a b":"c"}}"#,
                "Invalid SidecarService: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters",
            ),
            (
                r#"{"Proxy":{"DestinationServiceName":"*"}}"#,
                "Failed Validation: 1 error occurred:\n\
                 \t* Proxy.DestinationServiceName must not be a wildcard for Connect proxy services\n\n",
            ),
            (
                r#"{"Proxy":{"Upstreams":[{}]}}"#,
                "Failed Validation: 1 error occurred:\n\t* upstream destination name cannot be empty\n\n",
            ),
            (
                r#"{"Kind":"mesh-gateway"}"#,
                "Failed Validation: 5 errors occurred:\n\t* Port must be non-zero for a mesh-gateway\n\
                 \t* The Proxy.DestinationServiceName configuration is invalid for a mesh-gateway\n\
                 \t* The Proxy.DestinationServiceID configuration is invalid for a mesh-gateway\n\
                 \t* The Proxy.LocalServiceAddress configuration is invalid for a mesh-gateway\n\
                 \t* The Proxy.LocalServicePort configuration is invalid for a mesh-gateway\n\n",
            ),
        ];
        for (sidecar, expected) in cases {
            let body = format!(r#"{{"Name":"a","Port":1,"Connect":{{"SidecarService":{sidecar}}}}}"#);
            assert_eq!(refusal(&body).as_deref(), Some(expected), "{body}");
        }
        for sidecar in ["{}", r#"{"Weights":{"Passing":0}}"#, r#"{"Address":"0.0.0.0"}"#] {
            let body = format!(r#"{{"Name":"a","Port":1,"Connect":{{"SidecarService":{sidecar}}}}}"#);
            assert_eq!(refusal(&body), None, "{body}");
        }
    }

    #[test]
    fn metadata_is_measured_in_bytes() {
        let of_kind = |kind: ServiceKind, key: &str, value: &str| {
            meta_fault(kind, &BTreeMap::from([(key.to_owned(), value.to_owned())]))
        };
        let fault = |key: &str, value: &str| of_kind(ServiceKind::Typical, key, value).unwrap_or_default();
        assert_eq!(fault("a-_9", &"x".repeat(512)), "");
        assert!(fault("k", &"é".repeat(257)).ends_with("Value is too long (limit: 512 characters)"));
        assert!(fault(&"k".repeat(129), "").ends_with("Key is too long (limit: 128 characters)"));
        assert!(fault("", "").ends_with("('', ''): Key cannot be blank"));
        assert!(fault("é", "").ends_with("Key contains invalid characters"));
        assert!(fault("consul-wan-federation", "1").ends_with("Key prefix 'consul-' is reserved for internal use"));
        assert_eq!(of_kind(ServiceKind::MeshGateway, "consul-wan-federation", "1"), None);
        assert!(of_kind(ServiceKind::MeshGateway, "consul-x", "1").is_some());
        let many = (0..65).map(|number| (number.to_string(), String::new())).collect();
        let expected = "Node metadata cannot contain more than 64 key/value pairs";
        assert_eq!(meta_fault(ServiceKind::Typical, &many).as_deref(), Some(expected));
    }

    #[test]
    fn weights_fit_into_dns() {
        let cases = [
            ((0, 1), Some("Passing must be greater than 0")),
            ((1, -1), Some("Warning must be greater or equal than 0")),
            ((65536, 1), Some("DNS Weight must be between 0 and 65535")),
            ((1, 65536), Some("DNS Weight must be between 0 and 65535")),
            ((65535, 0), None),
        ];
        for ((passing, warning), expected) in cases {
            assert_eq!(weights_fault(Weights { passing, warning }), expected);
        }
    }
}
