//! Client listeners: HTTP, HTTPS, DNS and gRPC (`docs/spec/config.md` §4.2).

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Build;
use super::network::{Port, Ports};
use crate::address::{self, Host};
use crate::runtime::{Cidr, HttpConfig, ListenerAddress};

/// The addresses of every client listener. DNS keeps unix sockets until the rules refuse them.
pub(super) struct Listeners {
    pub(super) dns: Vec<ListenerAddress>,
    pub(super) http: Vec<ListenerAddress>,
    pub(super) https: Vec<ListenerAddress>,
    pub(super) grpc: Vec<ListenerAddress>,
    pub(super) grpc_tls: Vec<ListenerAddress>,
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

    fn listener(&mut self, key: &str, port: Port) -> Vec<ListenerAddress> {
        let own = match address::expand(key, self.settings.text(key), self.env) {
            Ok(hosts) => hosts,
            Err(message) => {
                self.collect(key, message);
                Vec::new()
            }
        };
        if !port.is_enabled() {
            return Vec::new();
        }
        let hosts = if own.is_empty() {
            // Faults of `client_addr` are collected where it is read itself.
            address::expand("client_addr", self.settings.text("client_addr"), self.env).unwrap_or_default()
        } else {
            own
        };
        let listen = |host| match host {
            // A port out of range is a collected fault; the address stands for none.
            Host::Ip(ip) => port.enabled().map(|port| ListenerAddress::Tcp(SocketAddr::new(ip, port))),
            Host::Unix(path) => Some(ListenerAddress::Unix(PathBuf::from(path))),
        };
        hosts.into_iter().filter_map(listen).collect()
    }

    pub(super) fn http(&self, listeners: &Listeners, ports: &Ports, allow_write_from: Vec<Cidr>) -> HttpConfig {
        HttpConfig {
            addresses: listeners.http.clone(),
            https_addresses: listeners.https.clone(),
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
