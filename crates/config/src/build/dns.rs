//! DNS settings (`docs/spec/config.md` §11.1).

use std::collections::BTreeMap;
use std::time::Duration;

use super::Build;
use super::listeners::Listeners;
use super::network::Ports;
use crate::error::ConfigError;
use crate::runtime::{DnsConfig, ListenerAddress, RecursorStrategy, SoaConfig};
use crate::sockaddr::evaluate;
use wire::quote::go_quote;

const DEFAULT_SOA: SoaConfig = SoaConfig { refresh: 3600, retry: 600, expire: 86400, min_ttl: 0 };

impl Build<'_> {
    pub(super) fn service_ttl(&mut self) -> BTreeMap<String, Duration> {
        const KEY: &str = "dns_config.service_ttl";
        let mut ttls = BTreeMap::new();
        for (service, text) in self.settings.text_map(KEY) {
            match crate::duration::parse(&text) {
                Ok(ttl) => {
                    ttls.insert(service, ttl.as_std());
                }
                Err(detail) => {
                    let message =
                        format!("{KEY}[{}]: invalid duration: {}: {detail}", go_quote(&service), go_quote(&text));
                    self.collect(KEY, message);
                }
            }
        }
        ttls
    }

    /// Recursors with their templates expanded, each once.
    pub(super) fn recursors(&mut self) -> Result<Vec<String>, ConfigError> {
        const KEY: &str = "recursors";
        let mut recursors: Vec<String> = Vec::new();
        for entry in self.settings.texts(KEY) {
            let expanded = evaluate(entry, self.env).map_err(|error| {
                self.invalid(KEY, format!("Invalid DNS recursor template {}: {error}", go_quote(entry)))
            })?;
            for recursor in expanded.split_whitespace() {
                if recursor.starts_with("unix://") {
                    return Err(self.invalid(KEY, format!("DNS Recursors cannot be unix sockets: {recursor}")));
                }
                if !recursors.iter().any(|known| known == recursor) {
                    recursors.push(recursor.to_owned());
                }
            }
        }
        Ok(recursors)
    }

    pub(super) fn dns(
        &mut self,
        service_ttl: BTreeMap<String, Duration>,
        listeners: &Listeners,
        ports: &Ports,
        recursors: Vec<String>,
    ) -> DnsConfig {
        let max_stale = self.duration("dns_config.max_stale");
        let node_ttl = self.duration("dns_config.node_ttl");
        let recursor_strategy = self.recursor_strategy();
        // The reference reports this one without its stanza.
        let recursor_timeout = self.duration_named("dns_config.recursor_timeout", "recursor_timeout");
        let cache_max_age = self.duration("dns_config.cache_max_age");
        let addresses = listeners.dns.addresses().into_iter().filter_map(|address| match address {
            ListenerAddress::Tcp(address) => Some(address),
            // Refused by the rules.
            ListenerAddress::Unix(_) => None,
        });
        DnsConfig {
            addresses: addresses.collect(),
            port: ports.dns.enabled(),
            domain: self.text("domain"),
            alt_domain: self.text("alt_domain"),
            allow_stale: self.settings.bool("dns_config.allow_stale"),
            max_stale,
            node_ttl,
            service_ttl,
            only_passing: self.settings.bool("dns_config.only_passing"),
            udp_answer_limit: self.small_count("dns_config.udp_answer_limit"),
            a_record_limit: self.small_count("dns_config.a_record_limit"),
            disable_compression: self.settings.bool("dns_config.disable_compression"),
            enable_truncate: self.settings.bool("dns_config.enable_truncate"),
            node_meta_txt: self.settings.bool("dns_config.enable_additional_node_meta_txt"),
            recursors,
            recursor_strategy,
            recursor_timeout,
            soa: self.soa(),
            use_cache: self.settings.bool("dns_config.use_cache"),
            cache_max_age,
        }
    }

    fn recursor_strategy(&mut self) -> RecursorStrategy {
        const KEY: &str = "dns_config.recursor_strategy";
        match self.settings.text(KEY) {
            "" | "sequential" => RecursorStrategy::Sequential,
            "random" => RecursorStrategy::Random,
            other => {
                let message = format!("{KEY}: invalid strategy: {}", go_quote(other));
                self.collect(KEY, message);
                RecursorStrategy::Sequential
            }
        }
    }

    fn soa(&self) -> SoaConfig {
        let Some(stanza) = self.settings.shape("dns_config.soa") else { return DEFAULT_SOA };
        let seconds = |key, default| match stanza.int(key) {
            Some(seconds) => u32::try_from(seconds).unwrap_or(u32::MAX),
            None => default,
        };
        SoaConfig {
            refresh: seconds("refresh", DEFAULT_SOA.refresh),
            retry: seconds("retry", DEFAULT_SOA.retry),
            expire: seconds("expire", DEFAULT_SOA.expire),
            min_ttl: seconds("min_ttl", DEFAULT_SOA.min_ttl),
        }
    }

    fn small_count(&self, key: &str) -> u32 {
        u32::try_from(self.count(key)).unwrap_or(u32::MAX)
    }
}
