//! From definitions, of files and of the API, to what the registry holds (`docs/spec/http-api.md` §3.4, §3.6).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use config::{CheckDefinition, CheckSpec, ProxyDefinition, Secret, ServiceDefinition};
use types::service::{ExposeConfig, ExposePath, MeshGatewayConfig, TransparentProxyConfig};
use types::{
    CheckStatus, ConnectProxyConfig, GoDuration, HealthCheck, NodeService, ServiceAddress, ServiceConnect, Upstream,
    Weights,
};
use wire::quote::go_quote;

use super::kind::Kind;
use super::{CheckSettings, LocalError, Source};

/// A service is not removed sooner than this after its check became critical.
const MIN_DEREGISTER_AFTER: Duration = Duration::from_secs(60);
/// Kind of destination an upstream has unless it says otherwise.
const UPSTREAM_SERVICE: &str = "service";

/// A service as it is to be registered, with the checks of its definition.
#[derive(Clone, Debug)]
pub(super) struct NewService {
    pub(super) service: Arc<NodeService>,
    pub(super) token: Secret,
    pub(super) checks: Vec<NewCheck>,
}

/// A check as it is to be registered.
#[derive(Clone, Debug)]
pub(super) struct NewCheck {
    /// Without what it takes from its service.
    pub(super) check: HealthCheck,
    pub(super) spec: Arc<CheckSpec>,
    pub(super) token: Secret,
}

/// A service definition with its checks, complete and admitted.
///
/// # Errors
/// [`LocalError::Refused`] and [`LocalError::NotThereYet`], in the words clients see.
pub(super) fn service(
    definition: ServiceDefinition,
    node: &str,
    source: Source,
    settings: &CheckSettings,
) -> Result<NewService, LocalError> {
    if definition.name.is_empty() {
        return Err(LocalError::Refused("Service name missing".to_owned()));
    }
    if definition.connect.as_ref().is_some_and(|connect| connect.sidecar_service.is_some()) {
        let text = "sidecar services are not there yet: they come with the service mesh";
        return Err(LocalError::NotThereYet(text.to_owned()));
    }
    check_tagged_addresses(&definition)?;
    let id = if definition.id.is_empty() { definition.name.clone() } else { definition.id.clone() };
    let several = definition.checks.len() > 1;
    let mut checks = Vec::with_capacity(definition.checks.len());
    for (position, check) in definition.checks.iter().enumerate() {
        admit(&check.spec, source, settings)?;
        let check_id = match check.id.as_str() {
            "" if several => format!("service:{id}:{}", position + 1),
            "" => format!("service:{id}"),
            given => given.to_owned(),
        };
        checks.push(NewCheck {
            check: HealthCheck {
                node: node.to_owned(),
                name: match check.spec.name.as_str() {
                    "" => format!("Service '{}' check", definition.name),
                    given => given.to_owned(),
                },
                service_id: id.clone(),
                r#type: Kind::shown(&check.spec).to_owned(),
                interval: text_unless_zero(check.spec.interval),
                timeout: text_unless_zero(check.spec.timeout),
                ..row(&check_id, &check.spec)
            },
            spec: with_least_deregister_after(&check_id, &check.spec),
            token: definition.token.clone(),
        });
    }
    let token = definition.token.clone();
    Ok(NewService { service: Arc::new(node_service(definition, id)), token, checks })
}

/// A check that stands alone, complete. Whether it may run here, [`admit`] tells.
///
/// # Errors
/// [`LocalError::Refused`] without ID and name.
pub(super) fn check(definition: &CheckDefinition, node: &str, source: Source) -> Result<NewCheck, LocalError> {
    let spec = &definition.spec;
    let id = if definition.id.is_empty() { &spec.name } else { &definition.id };
    if id.is_empty() {
        return Err(LocalError::Refused("CheckID missing".to_owned()));
    }
    Ok(NewCheck {
        check: HealthCheck {
            node: node.to_owned(),
            service_id: definition.service_id.clone(),
            // Checks at the top level of files are shown without a type (`docs/spec/config.md` §14).
            r#type: match source {
                Source::File => String::new(),
                Source::Api => Kind::shown(spec).to_owned(),
            },
            interval: GoDuration::from(spec.interval).to_string(),
            timeout: GoDuration::from(spec.timeout).to_string(),
            ..row(id, spec)
        },
        spec: with_least_deregister_after(id, spec),
        token: definition.token.clone(),
    })
}

/// What the reference answers, everywhere but on Windows, to a check of a service of the operating system
/// (`docs/spec/server-operations.md` §13.2): programs know it. The log says more.
const NO_OS_SERVICES: &str = "not implemented";

/// Refuses what this agent must not or cannot run.
///
/// # Errors
/// [`LocalError::Refused`].
pub(super) fn admit(spec: &CheckSpec, source: Source, settings: &CheckSettings) -> Result<(), LocalError> {
    let refused = |text: &str| Err(LocalError::Refused(text.to_owned()));
    let is_script = !spec.args.is_empty();
    match source {
        Source::File if is_script && !settings.local_scripts && !settings.remote_scripts => refused(
            "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or \
             'enable_local_script_checks' to true",
        ),
        Source::Api if is_script && !settings.remote_scripts => refused(
            "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
        ),
        _ if Kind::that_runs(spec) == Some(Kind::OsService) => {
            let (check, service) = (spec.name.as_str(), spec.os_service.as_str());
            tracing::warn!(target: "agent", check, os_service = service, "OS service checks exist on Windows only");
            refused(NO_OS_SERVICES)
        }
        _ => Ok(()),
    }
}

/// The members of a check that do not depend on where it is defined.
fn row(id: &str, spec: &CheckSpec) -> HealthCheck {
    let status = if spec.status.is_empty() { CheckStatus::Critical.as_str() } else { &spec.status };
    HealthCheck {
        check_id: id.to_owned(),
        name: spec.name.clone(),
        status: status.to_owned(),
        notes: spec.notes.clone(),
        ..HealthCheck::default()
    }
}

fn text_unless_zero(duration: Duration) -> String {
    if duration.is_zero() { String::new() } else { GoDuration::from(duration).to_string() }
}

fn with_least_deregister_after(check: &str, spec: &CheckSpec) -> Arc<CheckSpec> {
    let mut spec = spec.clone();
    let after = &mut spec.deregister_critical_service_after;
    if !after.is_zero() && *after < MIN_DEREGISTER_AFTER {
        let minimum_interval = GoDuration::from(MIN_DEREGISTER_AFTER);
        tracing::warn!(
            target: "agent", check, minimum_interval = %minimum_interval, "check has deregister interval below minimum"
        );
        *after = MIN_DEREGISTER_AFTER;
    }
    Arc::new(spec)
}

fn check_tagged_addresses(definition: &ServiceDefinition) -> Result<(), LocalError> {
    for (tag, family) in [("lan_ipv4", "ipv4"), ("wan_ipv4", "ipv4"), ("lan_ipv6", "ipv6")] {
        let Some(given) = definition.tagged_addresses.get(tag) else { continue };
        let is_v4 = given.address.parse::<IpAddr>().ok().map(|ip| ip.to_canonical().is_ipv4());
        if is_v4 != Some(family == "ipv4") {
            let tag = go_quote(tag);
            return Err(LocalError::Refused(format!("Service tagged address {tag} must be a valid {family} address")));
        }
    }
    Ok(())
}

fn node_service(definition: ServiceDefinition, id: String) -> NodeService {
    let mut tagged_addresses: BTreeMap<String, ServiceAddress> = definition
        .tagged_addresses
        .into_iter()
        .map(|(tag, given)| (tag, ServiceAddress { address: given.address, port: given.port }))
        .collect();
    if let Ok(ip) = definition.address.parse::<IpAddr>() {
        let tags = if ip.to_canonical().is_ipv4() { ["lan_ipv4", "wan_ipv4"] } else { ["lan_ipv6", "wan_ipv6"] };
        for tag in tags {
            let own = || ServiceAddress { address: definition.address.clone(), port: definition.port };
            tagged_addresses.entry(tag.to_owned()).or_insert_with(own);
        }
    }
    NodeService {
        kind: definition.kind.as_str().to_owned(),
        id,
        service: definition.name,
        tags: definition.tags,
        address: definition.address,
        tagged_addresses,
        meta: definition.meta,
        port: definition.port,
        socket_path: definition.socket_path,
        weights: Some(Weights { passing: definition.weights.passing, warning: definition.weights.warning }),
        enable_tag_override: definition.enable_tag_override,
        proxy: definition.proxy.map(proxy_config).unwrap_or_default().into(),
        connect: ServiceConnect {
            native: definition.connect.is_some_and(|connect| connect.native),
            ..ServiceConnect::default()
        }
        .into(),
        ..NodeService::default()
    }
}

fn proxy_config(proxy: ProxyDefinition) -> ConnectProxyConfig {
    let paths = proxy.expose_paths.into_iter().map(|path| ExposePath {
        listener_port: path.listener_port,
        path: path.path,
        local_path_port: path.local_path_port,
        protocol: path.protocol,
        parsed_from_check: false,
    });
    ConnectProxyConfig {
        destination_service_name: proxy.destination_service_name,
        destination_service_id: proxy.destination_service_id,
        local_service_address: proxy.local_service_address,
        local_service_port: proxy.local_service_port,
        local_service_socket_path: proxy.local_service_socket_path,
        mode: proxy.mode,
        config: proxy.config.into_iter().collect(),
        upstreams: proxy.upstreams.into_iter().map(upstream).collect(),
        mesh_gateway: MeshGatewayConfig { mode: proxy.mesh_gateway_mode },
        expose: ExposeConfig { checks: proxy.expose_checks, paths: paths.collect() },
        transparent_proxy: TransparentProxyConfig {
            outbound_listener_port: proxy.outbound_listener_port,
            dialed_directly: proxy.dialed_directly,
        },
    }
}

fn upstream(upstream: config::Upstream) -> Upstream {
    Upstream {
        destination_type: match upstream.destination_type.as_str() {
            "" => UPSTREAM_SERVICE.to_owned(),
            _ => upstream.destination_type,
        },
        destination_namespace: upstream.destination_namespace,
        destination_partition: upstream.destination_partition,
        destination_peer: upstream.destination_peer,
        destination_name: upstream.destination_name,
        datacenter: upstream.datacenter,
        local_bind_address: upstream.local_bind_address,
        local_bind_port: upstream.local_bind_port,
        local_bind_socket_path: upstream.local_bind_socket_path,
        local_bind_socket_mode: upstream.local_bind_socket_mode,
        config: upstream.config.into_iter().collect(),
        mesh_gateway: MeshGatewayConfig { mode: upstream.mesh_gateway_mode },
        ..Upstream::default()
    }
}

#[cfg(test)]
mod tests {
    use config::{ConnectDefinition, ServiceCheck};

    use super::*;

    const NODE: &str = "one";

    fn settings(remote: bool, local: bool) -> CheckSettings {
        CheckSettings { remote_scripts: remote, local_scripts: local, ..CheckSettings::default() }
    }

    fn converted(definition: ServiceDefinition) -> Result<NewService, LocalError> {
        service(definition, NODE, Source::Api, &settings(false, false))
    }

    fn web() -> ServiceDefinition {
        ServiceDefinition { name: "web".to_owned(), port: 80, ..ServiceDefinition::default() }
    }

    fn ttl(id: &str) -> ServiceCheck {
        let spec = CheckSpec { ttl: Duration::from_secs(60), ..CheckSpec::default() };
        ServiceCheck { id: id.to_owned(), spec }
    }

    fn ids(new: &NewService) -> Vec<&str> {
        new.checks.iter().map(|c| c.check.check_id.as_str()).collect()
    }

    #[test]
    fn the_id_is_the_name_unless_given_and_checks_are_named_after_it() {
        let one = converted(ServiceDefinition { checks: vec![ttl("")], ..web() }).unwrap();
        assert_eq!((one.service.id.as_str(), ids(&one)), ("web", vec!["service:web"]));
        let checks = vec![ttl("own"), ttl("")];
        let two = converted(ServiceDefinition { id: "w".to_owned(), checks, ..web() }).unwrap();
        assert_eq!((two.service.id.as_str(), ids(&two)), ("w", vec!["own", "service:w:2"]));
        let check = &two.checks[1].check;
        assert_eq!((check.name.as_str(), check.r#type.as_str()), ("Service 'web' check", "ttl"));
        assert_eq!((check.status.as_str(), check.interval.as_str(), check.timeout.as_str()), ("critical", "", ""));
    }

    #[test]
    fn an_ip_address_fills_the_tagged_addresses_of_its_family() {
        let tags = |address: &str| -> Vec<String> {
            let new = converted(ServiceDefinition { address: address.to_owned(), ..web() }).unwrap();
            new.service.tagged_addresses.keys().cloned().collect()
        };
        assert_eq!(tags("10.0.0.1"), ["lan_ipv4", "wan_ipv4"]);
        assert_eq!(tags("fd00::1"), ["lan_ipv6", "wan_ipv6"]);
        assert!(tags("db.example").is_empty());
    }

    #[test]
    fn tagged_addresses_are_of_their_family() {
        let refused = |tag: &str, address: &str| {
            let address = config::ServiceAddress { address: address.to_owned(), port: 0 };
            let tagged_addresses = [(tag.to_owned(), address)].into();
            converted(ServiceDefinition { tagged_addresses, ..web() }).err().map(|e| e.to_string()).unwrap_or_default()
        };
        let text = "Service tagged address \"lan_ipv4\" must be a valid ipv4 address";
        assert_eq!(refused("lan_ipv4", "fd00::1"), text);
        assert_eq!(refused("lan_ipv4", "x"), text);
        assert_eq!(refused("lan_ipv6", "10.0.0.1"), "Service tagged address \"lan_ipv6\" must be a valid ipv6 address");
        assert_eq!(refused("lan_ipv4", "::ffff:10.0.0.1"), "");
        assert_eq!(refused("wan_ipv6", "x"), "");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(converted(ServiceDefinition::default()).unwrap_err().to_string(), "Service name missing");
        let connect = Some(ConnectDefinition { native: false, sidecar_service: Some(Box::default()) });
        let sidecar = converted(ServiceDefinition { connect, ..web() });
        assert!(matches!(sidecar, Err(LocalError::NotThereYet(_))), "{sidecar:?}");
        let nameless = check(&CheckDefinition::default(), NODE, Source::File);
        assert_eq!(nameless.unwrap_err().to_string(), "CheckID missing");
    }

    #[test]
    fn scripts_need_the_setting_for_their_source() {
        let script = CheckSpec { args: vec!["true".to_owned()], ..CheckSpec::default() };
        let admits = |source, remote, local| admit(&script, source, &settings(remote, local)).is_ok();
        assert!(!admits(Source::Api, false, true) && admits(Source::Api, true, false));
        assert!(!admits(Source::File, false, false) && admits(Source::File, false, true));
        let os_service = CheckSpec { os_service: "x".to_owned(), ..CheckSpec::default() };
        let refused = admit(&os_service, Source::Api, &settings(true, true)).unwrap_err();
        assert_eq!(refused.to_string(), NO_OS_SERVICES);
    }

    #[test]
    fn checks_that_stand_alone_show_their_durations_and_files_no_type() {
        let definition = CheckDefinition {
            spec: CheckSpec { name: "mem".to_owned(), ttl: Duration::from_secs(60), ..CheckSpec::default() },
            ..CheckDefinition::default()
        };
        for (source, shown) in [(Source::Api, "ttl"), (Source::File, "")] {
            let row = check(&definition, NODE, source).unwrap().check;
            assert_eq!((row.check_id.as_str(), row.r#type.as_str()), ("mem", shown));
            assert_eq!((row.interval.as_str(), row.timeout.as_str()), ("0s", "0s"));
        }
    }

    #[test]
    fn services_are_not_removed_in_less_than_a_minute() {
        let mut definition = ttl("");
        definition.spec.deregister_critical_service_after = Duration::from_secs(10);
        let new = converted(ServiceDefinition { checks: vec![definition], ..web() }).unwrap();
        assert_eq!(new.checks[0].spec.deregister_critical_service_after, Duration::from_secs(60));
    }
}
