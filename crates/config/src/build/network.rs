//! Ports, bind and advertise addresses (`docs/spec/config.md` §4.1, §4.3).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Build;
use crate::address::{self, Host};
use crate::error::ConfigError;
use crate::runtime::NetworkConfig;

const MAX_PORT: i64 = 65535;
const DEFAULT_SERVER_GRPC_TLS_PORT: i64 = 8503;

/// A port as configured; not positive is disabled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port(pub(super) i64);

impl Port {
    pub(super) fn enabled(self) -> Option<u16> {
        u16::try_from(self.0).ok().filter(|port| *port > 0)
    }

    pub(super) fn is_enabled(self) -> bool {
        self.0 > 0
    }
}

/// Every port, normalised.
pub(super) struct Ports {
    pub(super) dns: Port,
    pub(super) http: Port,
    pub(super) https: Port,
    pub(super) server: Port,
    pub(super) grpc: Port,
    pub(super) grpc_tls: Port,
    pub(super) serf_lan: Port,
    pub(super) serf_wan: Port,
    pub(super) sidecar: (i64, i64),
    pub(super) expose: (i64, i64),
}

impl Build<'_> {
    pub(super) fn ports(&mut self) -> Result<Ports, ConfigError> {
        let dns = self.port("ports.dns");
        let http = self.port("ports.http");
        let https = self.port("ports.https");
        let server = self.port("ports.server");
        let grpc = self.port("ports.grpc");
        let grpc_tls = if self.settings.has("ports.grpc_tls") {
            self.port("ports.grpc_tls")
        } else if self.settings.bool("server") {
            Port(DEFAULT_SERVER_GRPC_TLS_PORT)
        } else {
            Port(-1)
        };
        let serf_lan = self.port("ports.serf_lan");
        let serf_wan = self.port("ports.serf_wan");
        let proxy = (self.port("ports.proxy_min_port").0, self.port("ports.proxy_max_port").0);
        let sidecar = (self.port("ports.sidecar_min_port").0, self.port("ports.sidecar_max_port").0);
        let expose = (self.port("ports.expose_min_port").0, self.port("ports.expose_max_port").0);
        for (name, (min, max)) in [("proxy", proxy), ("sidecar", sidecar), ("expose", expose)] {
            if min > max {
                let message =
                    format!("{name}_min_port must be less than {name}_max_port. To disable, set both to zero.");
                return Err(self.invalid(&format!("ports.{name}_min_port"), message));
            }
        }
        Ok(Ports { dns, http, https, server, grpc, grpc_tls, serf_lan, serf_wan, sidecar, expose })
    }

    fn port(&mut self, key: &'static str) -> Port {
        let port = self.settings.int(key);
        if port > MAX_PORT {
            self.collect(key, format!("{key}: invalid port: {port}"));
        }
        Port(if port <= 0 { -1 } else { port })
    }

    pub(super) fn network(&mut self, ports: &Ports) -> Result<NetworkConfig, ConfigError> {
        let bind = self.bind_addr()?;
        let advertise = self.single_ip("advertise_addr").unwrap_or(bind);
        if address::is_any_text(self.settings.text("advertise_addr")) {
            return Err(self.invalid("advertise_addr", "Advertise address cannot be 0.0.0.0, :: or [::]"));
        }
        if address::is_any_text(self.settings.text("advertise_addr_wan")) {
            return Err(self.invalid("advertise_addr_wan", "Advertise WAN address cannot be 0.0.0.0, :: or [::]"));
        }
        let detected = if advertise.is_unspecified() {
            address::detect(advertise, self.env).map_err(|message| self.invalid("bind_addr", message))?
        } else {
            advertise
        };
        let serf_bind_lan = self.single_ip("serf_lan").unwrap_or(bind);
        // Not even read when there is no WAN gossip.
        let own_wan = if ports.serf_wan.is_enabled() { self.single_ip("serf_wan") } else { None };
        let serf_bind_wan = own_wan.unwrap_or(bind);
        // Expanded again, as the reference does: a fault of this field is listed twice.
        let advertise_lan = self.single_ip("advertise_addr").unwrap_or(detected);
        let lan = self.family_addresses("advertise_addr_ipv4", "advertise_addr_ipv6", advertise_lan)?;
        let advertise_wan = self.single_ip("advertise_addr_wan").unwrap_or(advertise_lan);
        let wan = self.family_addresses("advertise_addr_wan_ipv4", "advertise_addr_wan_ipv6", advertise_wan)?;
        let mut tagged_addresses = self.settings.text_map("tagged_addresses");
        tag(&mut tagged_addresses, "lan", advertise_lan, lan);
        tag(&mut tagged_addresses, "wan", advertise_wan, wan);
        let client = match address::expand_ips("client_addr", self.settings.text("client_addr"), self.env) {
            Ok(client) => client,
            Err(message) => {
                self.collect("client_addr", message);
                Vec::new()
            }
        };
        if client.is_empty() {
            self.warnings.push(
                "client_addr is empty, client services (DNS, HTTP, HTTPS, GRPC) will not be listening for connections"
                    .to_owned(),
            );
        }
        Ok(NetworkConfig {
            bind,
            client,
            advertise_lan,
            advertise_wan,
            tagged_addresses,
            server_port: ports.server.enabled(),
            serf_lan_port: ports.serf_lan.enabled(),
            serf_wan_port: ports.serf_wan.enabled(),
            serf_bind_lan,
            serf_bind_wan,
            serf_allowed_lan: Vec::new(),
            serf_allowed_wan: Vec::new(),
        })
    }

    fn bind_addr(&mut self) -> Result<IpAddr, ConfigError> {
        const KEY: &str = "bind_addr";
        // The reference collects the detail and then loses it to the immediate error.
        let hosts = address::expand(KEY, self.settings.text(KEY), self.env).unwrap_or_default();
        match hosts.as_slice() {
            [] => Err(self.invalid(KEY, "bind_addr cannot be empty")),
            [Host::Ip(ip)] => Ok(*ip),
            [Host::Unix(_)] => Err(self.invalid(KEY, "bind_addr cannot be a unix socket")),
            _ => {
                let message = "bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead.";
                Err(self.invalid(KEY, message))
            }
        }
    }

    /// The IPv4 and IPv6 variants of an advertise address.
    fn family_addresses(
        &mut self,
        v4_key: &'static str,
        v6_key: &'static str,
        advertise: IpAddr,
    ) -> Result<[Option<IpAddr>; 2], ConfigError> {
        let v4 = self.single_ip(v4_key);
        if v4.is_some_and(|ip| !ip.is_ipv4()) {
            return Err(self.invalid(v4_key, format!("{v4_key} must be an ipv4 address")));
        }
        let v6 = self.single_ip(v6_key);
        if v6.is_some_and(|ip| !ip.is_ipv6()) {
            return Err(self.invalid(v6_key, format!("{v6_key} must be an ipv6 address")));
        }
        Ok([v4.or(Some(advertise).filter(IpAddr::is_ipv4)), v6.or(Some(advertise).filter(IpAddr::is_ipv6))])
    }
}

fn tag(tagged: &mut BTreeMap<String, String>, name: &str, advertise: IpAddr, families: [Option<IpAddr>; 2]) {
    tagged.insert(name.to_owned(), advertise.to_string());
    for (family, address) in ["ipv4", "ipv6"].into_iter().zip(families) {
        if let Some(address) = address {
            tagged.insert(format!("{name}_{family}"), address.to_string());
        }
    }
}
