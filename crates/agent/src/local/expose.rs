//! Checks that reach their service through its proxy (`docs/spec/server-operations.md` §13.5).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use config::CheckSpec;
use types::NodeService;

use super::kind::Kind;
use super::registry::Registry;

/// Ports proxies open for checks unless others are configured; the last one is never used, as in the reference.
const DEFAULT_EXPOSE_PORTS: Range<u16> = 21500..21755;
/// Where a proxy without an address of its own listens, seen from this node.
const LOOPBACK: &str = "127.0.0.1";

/// Which proxies expose checks, and what they expose.
#[derive(Debug)]
pub(super) struct Exposures {
    ports: Range<u16>,
    /// Service exposed and address, by ID of the proxy.
    proxies: BTreeMap<String, (String, String)>,
    /// Port and address, by ID of the check.
    checks: BTreeMap<String, (u16, String)>,
}

impl Default for Exposures {
    fn default() -> Exposures {
        Exposures { ports: DEFAULT_EXPOSE_PORTS, proxies: BTreeMap::new(), checks: BTreeMap::new() }
    }
}

impl Exposures {
    /// Takes ports from this range from now on.
    pub(super) fn set_ports(&mut self, ports: Range<u16>) {
        self.ports = ports;
    }

    /// Takes note of a service that may be such a proxy.
    pub(super) fn set_proxy(&mut self, service: &NodeService) {
        let proxy = &service.proxy;
        if !proxy.expose.checks || proxy.destination_service_id.is_empty() {
            self.remove_proxy(&service.id);
            return;
        }
        let address = if service.address.is_empty() { LOOPBACK } else { &service.address };
        self.proxies.insert(service.id.clone(), (proxy.destination_service_id.clone(), address.to_owned()));
    }

    pub(super) fn remove_proxy(&mut self, id: &str) {
        self.proxies.remove(id);
    }

    /// The definition as it is to be run: with the proxy's address where the check is exposed.
    pub(super) fn rewritten(&self, id: &str, spec: &Arc<CheckSpec>) -> Arc<CheckSpec> {
        let Some((port, address)) = self.checks.get(id) else { return spec.clone() };
        let authority = authority(address, *port);
        let mut spec = CheckSpec::clone(spec);
        if Kind::that_runs(&spec) == Some(Kind::Http) {
            spec.http = with_authority(&spec.http, &authority);
        } else {
            spec.grpc = match spec.grpc.split_once('/') {
                Some((_, service)) => format!("{authority}/{service}"),
                None => authority,
            };
        }
        Arc::new(spec)
    }

    fn is_idle(&self) -> bool {
        self.proxies.is_empty() && self.checks.is_empty()
    }

    fn free_port(&self) -> Option<u16> {
        let used: BTreeSet<u16> = self.checks.values().map(|(port, _)| *port).collect();
        self.ports.clone().find(|port| !used.contains(port))
    }
}

impl Registry {
    /// Gives every check that is to be exposed a port, and takes it from those that are not any more.
    pub(super) fn refresh_exposed(&mut self) {
        if self.exposures.is_idle() {
            return;
        }
        let mut wanted: BTreeMap<String, String> = BTreeMap::new();
        for (service_id, address) in self.exposures.proxies.values() {
            let checks = self.live_checks_of(service_id).filter(|(_, record)| can_be_exposed(&record.spec));
            wanted.extend(checks.map(|(id, _)| (id.clone(), address.clone())));
        }
        let before: Vec<String> = self.exposures.checks.keys().cloned().collect();
        for id in before.into_iter().filter(|id| !wanted.contains_key(id)) {
            self.exposures.checks.remove(&id);
            self.show_port(&id, 0);
        }
        for (id, address) in wanted {
            let known = self.exposures.checks.get(&id);
            if known.is_some_and(|(_, at)| *at == address) {
                let port = known.map_or(0, |(port, _)| *port);
                self.show_port(&id, port);
                continue;
            }
            let Some(port) = known.map(|(port, _)| *port).or_else(|| self.exposures.free_port()) else {
                tracing::warn!(target: "agent", "no ports available to expose '{id}'");
                continue;
            };
            self.exposures.checks.insert(id.clone(), (port, address));
            self.mark_moved(&id);
            self.show_port(&id, port);
        }
    }

    /// The port is shown but, as in the reference, no reason to write the check.
    fn show_port(&mut self, id: &str, port: u16) {
        let port = i64::from(port);
        let Some(record) = self.checks.get_mut(id).filter(|record| record.check.exposed_port != port) else { return };
        Arc::make_mut(&mut record.check).exposed_port = port;
        self.mark_moved(id);
    }
}

fn can_be_exposed(spec: &CheckSpec) -> bool {
    matches!(Kind::that_runs(spec), Some(Kind::Http | Kind::Grpc))
}

fn authority(address: &str, port: u16) -> String {
    if address.contains(':') && !address.starts_with('[') {
        return format!("[{address}]:{port}");
    }
    format!("{address}:{port}")
}

/// A URL with another host and port; scheme, path and query stay.
fn with_authority(url: &str, authority: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (_, behind) = rest.split_at(end);
    format!("{scheme}://{authority}{behind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_are_replaced() {
        let table = [
            ("http://127.0.0.1:80/health?x=1", "http://10.0.0.9:21500/health?x=1"),
            ("https://db.example", "https://10.0.0.9:21500"),
            ("http://[::1]:80?x", "http://10.0.0.9:21500?x"),
            ("nonsense", "nonsense"),
        ];
        for (url, rewritten) in table {
            assert_eq!(with_authority(url, "10.0.0.9:21500"), rewritten);
        }
        assert_eq!(authority("fd00::1", 1), "[fd00::1]:1");
    }
}
