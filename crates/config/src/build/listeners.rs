//! Client listeners: HTTP, HTTPS, DNS and gRPC (`docs/spec/config.md` §4.2).

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Build;
use super::network::{Port, Ports};
use crate::address::{self, Host};
use crate::runtime::{Cidr, HttpConfig, ListenerAddress};

/// The hosts and port of every client listener.
pub(super) struct Listeners {
    pub(super) dns: Listener,
    pub(super) http: Listener,
    pub(super) https: Listener,
    pub(super) grpc: Listener,
    pub(super) grpc_tls: Listener,
}

/// Where one protocol listens; no hosts when it is disabled.
pub(super) struct Listener {
    pub(super) hosts: Vec<Host>,
    pub(super) port: Port,
}

impl Listener {
    /// The addresses to listen on. A port out of range has none; it is reported with the collected faults.
    pub(super) fn addresses(&self) -> Vec<ListenerAddress> {
        let address = |host: &Host| match host {
            Host::Ip(ip) => self.port.enabled().map(|port| ListenerAddress::Tcp(SocketAddr::new(*ip, port))),
            Host::Unix(path) => Some(ListenerAddress::Unix(PathBuf::from(path))),
        };
        self.hosts.iter().filter_map(address).collect()
    }
}

impl Build<'_> {
    pub(super) fn listeners(&mut self, ports: &Ports) -> Listeners {
        Listeners {
            dns: self.listener("addresses.dns", ports.dns),
            http: self.listener("addresses.http", ports.http),
            https: self.listener("addresses.https", ports.https),
            grpc: self.listener("addresses.grpc", ports.grpc),
            grpc_tls: self.listener("addresses.grpc_tls", ports.grpc_tls),
        }
    }

    fn listener(&mut self, key: &str, port: Port) -> Listener {
        let mut hosts = match address::expand(key, self.settings.text(key), self.env) {
            Ok(hosts) => hosts,
            Err(message) => {
                self.collect(key, message);
                Vec::new()
            }
        };
        if hosts.is_empty() {
            // Faults of `client_addr` are collected where it is read itself.
            let client = address::expand_ips("client_addr", self.settings.text("client_addr"), self.env);
            hosts = client.unwrap_or_default().into_iter().map(Host::Ip).collect();
        }
        if !port.is_enabled() {
            hosts.clear();
        }
        Listener { hosts, port }
    }

    pub(super) fn http(&self, listeners: &Listeners, ports: &Ports, allow_write_from: Vec<Cidr>) -> HttpConfig {
        HttpConfig {
            addresses: listeners.http.addresses(),
            https_addresses: listeners.https.addresses(),
            port: ports.http.enabled(),
            https_port: ports.https.enabled(),
            block_endpoints: self.settings.texts("http_config.block_endpoints").to_vec(),
            allow_write_from,
            response_headers: self.settings.text_map("http_config.response_headers"),
            use_cache: self.settings.bool("http_config.use_cache"),
            max_header_bytes: self.count("http_config.max_header_bytes"),
            disable_unprintable_char_filter: self.settings.bool("disable_http_unprintable_char_filter"),
        }
    }
}
