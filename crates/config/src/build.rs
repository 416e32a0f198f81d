//! Merged settings turned into a [`RuntimeConfig`], checked in the reference's order (`docs/spec/config.md` §12).
//!
//! Two kinds of faults are told apart: those that end the build at once, and those collected and reported together
//! after every immediate rule has passed. The order of the functions called here is therefore part of the contract.

mod dns;
mod listeners;
mod mesh;
mod network;
mod node;
mod rules;
mod telemetry;
mod tls;
mod ui;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::address;
use crate::definition::{Converter, check_faults, service_faults};
use crate::deprecated;
use crate::environment::Environment;
use crate::error::{ConfigError, Problem, occurred};
use crate::merge::Settings;
use crate::runtime::*;
use crate::secret::{Secret, SecretMap};
use crate::sockaddr::Network;

/// Base Raft timeouts, multiplied by `performance.raft_multiplier`: election, heartbeat, leader lease.
const RAFT_BASE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(1), Duration::from_millis(500)];
const RAFT_BASE_DEV: [Duration; 3] = [Duration::from_millis(52), Duration::from_millis(35), Duration::from_millis(20)];

pub(crate) struct Build<'a> {
    pub(crate) settings: &'a mut Settings,
    pub(crate) env: &'a Environment,
    pub(crate) warnings: &'a mut Vec<String>,
    pub(crate) dev_mode: bool,
    collected: Vec<Problem>,
}

impl<'a> Build<'a> {
    pub(crate) fn new(
        settings: &'a mut Settings,
        env: &'a Environment,
        warnings: &'a mut Vec<String>,
        dev_mode: bool,
    ) -> Build<'a> {
        Build { settings, env, warnings, dev_mode, collected: Vec::new() }
    }

    pub(crate) fn run(mut self) -> Result<RuntimeConfig, ConfigError> {
        let service_ttl = self.service_ttl();
        let mut converter = Converter { collected: &mut self.collected };
        let checks = self.settings.shapes("checks").iter().map(|shape| converter.check(shape)).collect::<Vec<_>>();
        let services =
            self.settings.shapes("services").iter().map(|shape| converter.service(shape)).collect::<Vec<_>>();
        let ports = self.ports()?;
        let network = self.network(&ports)?;
        let listeners = self.listeners(&ports);
        let recursors = self.recursors()?;
        self.segment_ports()?;
        let multiplier = self.raft_multiplier()?;
        self.federation_needs_connect()?;
        let auto_config = self.auto_config();
        let config_entries = self.config_entries()?;
        let allowed_lan = self.serf_cidrs("serf_lan_allowed_cidrs")?;
        let allowed_wan = self.serf_cidrs("serf_wan_allowed_cidrs")?;
        let gossip_lan = self.gossip_timing("lan");
        let gossip_wan = self.gossip_timing("wan");
        let acl = self.acl();
        let autopilot = self.autopilot();
        let dns = self.dns(service_ttl, &listeners, &ports, recursors);
        let allow_write_from = self.allow_write_http_from();
        let telemetry = self.telemetry();
        let auto_encrypt = self.auto_encrypt();
        let auto_config = AutoConfig { ip_sans: self.ips("auto_config.ip_sans", "auto_config.ip_sans"), ..auto_config };
        let rest = self.scattered_durations();
        let join = self.join(&rest);
        let tls = self.tls()?;
        self.grpc_tls_guard(&ports, &tls)?;
        let cache = self.cache()?;
        self.raft_protocol()?;
        deprecated::modernise_ui(self.settings, self.warnings);
        let ui = self.ui();
        let server_mode = self.settings.bool("server");
        let base = if self.dev_mode { RAFT_BASE_DEV } else { RAFT_BASE };
        let runtime = RuntimeConfig {
            dev_mode: self.dev_mode,
            data_dir: Some(self.settings.text("data_dir")).filter(|dir| !dir.is_empty()).map(PathBuf::from),
            datacenter: self.settings.text("datacenter").to_lowercase(),
            primary_datacenter: self.primary_datacenter(),
            node: self.node()?,
            server: self.server(server_mode),
            network: NetworkConfig { serf_allowed_lan: allowed_lan, serf_allowed_wan: allowed_wan, ..network },
            http: self.http(&listeners, &ports, allow_write_from),
            dns,
            grpc: GrpcConfig {
                addresses: listeners.grpc.addresses(),
                tls_addresses: listeners.grpc_tls.addresses(),
                port: ports.grpc.enabled(),
                tls_port: ports.grpc_tls.enabled(),
                xds_max_updates_per_second: self.settings.float("xds.update_max_per_second"),
            },
            unix_sockets: UnixSockets {
                user: self.text("unix_sockets.user"),
                group: self.text("unix_sockets.group"),
                mode: self.text("unix_sockets.mode"),
            },
            limits: self.limits(&rest),
            raft: RaftConfig {
                protocol: self.settings.int("raft_protocol"),
                snapshot_threshold: self.count("raft_snapshot_threshold"),
                snapshot_interval: rest.raft_snapshot_interval,
                trailing_logs: self.count("raft_trailing_logs"),
                election_timeout: base[0] * multiplier,
                heartbeat_timeout: base[1] * multiplier,
                leader_lease_timeout: base[2] * multiplier,
                multiplier,
                no_freelist_sync: self
                    .settings
                    .shape("raft_boltdb")
                    .is_some_and(|stanza| stanza.bool("NoFreelistSync")),
                rpc_hold_timeout: rest.rpc_hold_timeout,
            },
            log: LogConfig {
                level: self.text("log_level"),
                json: self.settings.bool("log_json"),
                file: self.text("log_file"),
                rotate_bytes: self.count("log_rotate_bytes"),
                rotate_duration: rest.log_rotate_duration,
                rotate_max_files: self.settings.int("log_rotate_max_files"),
                syslog: self.settings.bool("enable_syslog"),
                syslog_facility: self.text("syslog_facility"),
            },
            tls,
            acl,
            query: QueryConfig {
                default_time: rest.default_query_time,
                max_time: rest.max_query_time,
                discovery_max_stale: rest.discovery_max_stale,
            },
            session_ttl_min: rest.session_ttl_min,
            leave: LeaveConfig {
                on_terminate: self.settings.maybe_bool("leave_on_terminate").unwrap_or(!server_mode),
                skip_on_interrupt: self.settings.maybe_bool("skip_leave_on_interrupt").unwrap_or(server_mode),
                drain_time: rest.leave_drain_time,
                rejoin_after: self.settings.bool("rejoin_after_leave"),
            },
            pid_file: Some(self.settings.text("pid_file")).filter(|file| !file.is_empty()).map(PathBuf::from),
            enable_debug: self.settings.bool("enable_debug"),
            disable_coordinates: self.settings.bool("disable_coordinates"),
            disable_remote_exec: self.settings.bool("disable_remote_exec"),
            disable_update_check: self.settings.bool("disable_update_check"),
            disable_anonymous_signature: self.settings.bool("disable_anonymous_signature"),
            auto_reload_config: self.settings.bool("auto_reload_config"),
            translate_wan_addrs: self.settings.bool("translate_wan_addrs"),
            gossip: GossipConfig {
                encrypt: Secret(self.text("encrypt")),
                verify_incoming: self.settings.bool("encrypt_verify_incoming"),
                verify_outgoing: self.settings.bool("encrypt_verify_outgoing"),
                disable_keyring_file: self.settings.bool("disable_keyring_file"),
                lan: gossip_lan,
                wan: gossip_wan,
                reconnect_timeout_lan: rest.reconnect_timeout,
                reconnect_timeout_wan: rest.reconnect_timeout_wan,
                advertise_reconnect_timeout: rest.advertise_reconnect_timeout,
            },
            join,
            autopilot,
            connect: self.connect(&ports),
            peering_enabled: self.settings.bool("peering.enabled"),
            auto_encrypt,
            auto_config,
            config_entries,
            cloud: self.cloud(),
            telemetry,
            ui,
            cache,
            check: self.check_settings(&rest),
            services,
            checks,
            watches: self.settings.opaques("watches").iter().cloned().map(SecretMap).collect(),
        };
        self.rules(runtime, &ports, &listeners)
    }

    fn collect(&mut self, key: &str, message: String) {
        let place = self.settings.place(key).cloned();
        self.collected.push(Problem { message, place });
    }

    /// An immediate fault of one key.
    fn invalid(&self, key: &str, message: impl Into<String>) -> ConfigError {
        let places = self.settings.place(key).cloned().into_iter().collect();
        ConfigError::Invalid { message: message.into(), places }
    }

    fn text(&self, key: &str) -> String {
        self.settings.text(key).to_owned()
    }

    /// A number that must not be negative to mean anything.
    fn count(&self, key: &str) -> u64 {
        u64::try_from(self.settings.int(key)).unwrap_or(0)
    }

    fn duration(&mut self, key: &'static str) -> Duration {
        self.duration_named(key, key)
    }

    /// A duration whose faults the reference reports under another name.
    fn duration_named(&mut self, key: &'static str, name: &str) -> Duration {
        let Some(text) = self.settings.maybe_text(key) else { return Duration::ZERO };
        match crate::duration::parse(text) {
            Ok(duration) => duration.as_std(),
            Err(detail) => {
                let message = format!("{name}: invalid duration: {}: {detail}", wire::quote::go_quote(text));
                self.collect(key, message);
                Duration::ZERO
            }
        }
    }

    /// The single IP of an address field; faults are collected.
    fn single_ip(&mut self, key: &str) -> Option<IpAddr> {
        match address::expand_single_ip(key, self.settings.text(key), self.env) {
            Ok(ip) => ip,
            Err(message) => {
                self.collect(key, message);
                None
            }
        }
    }

    fn join_list(&mut self, key: &str) -> Vec<String> {
        let (list, errors) = address::expand_join_list(key, self.settings.texts(key), self.env);
        for error in errors {
            self.collect(key, error);
        }
        list
    }

    fn serf_cidrs(&mut self, key: &str) -> Result<Vec<Cidr>, ConfigError> {
        let (mut cidrs, mut wrong) = (Vec::new(), Vec::new());
        for text in self.settings.texts(key) {
            match parse_cidr(text) {
                Some(cidr) => cidrs.push(cidr),
                None => wrong.push(format!("invalid cidr: {text}")),
            }
        }
        if wrong.is_empty() { Ok(cidrs) } else { Err(self.invalid(key, format!("{key}: {}", occurred(&wrong)))) }
    }

    fn allow_write_http_from(&mut self) -> Vec<Cidr> {
        const KEY: &str = "http_config.allow_write_http_from";
        let mut cidrs = Vec::new();
        for text in self.settings.texts(KEY).to_vec() {
            match parse_cidr(&text) {
                Some(cidr) => cidrs.push(cidr),
                None => self.collect(KEY, format!("allow_write_http_from: invalid cidr: {text}")),
            }
        }
        cidrs
    }

    fn raft_multiplier(&self) -> Result<u32, ConfigError> {
        const KEY: &str = "performance.raft_multiplier";
        let given = self.settings.int(KEY);
        u32::try_from(given)
            .ok()
            .filter(|multiplier| (1..=10).contains(multiplier))
            .ok_or_else(|| self.invalid(KEY, format!("{KEY} cannot be {given}. Must be between 1 and 10")))
    }

    fn raft_protocol(&self) -> Result<(), ConfigError> {
        const KEY: &str = "raft_protocol";
        let version = self.settings.int(KEY);
        if version != 3 {
            let message = format!("raft_protocol version {version} is not supported by this version of Consul");
            return Err(self.invalid(KEY, message));
        }
        Ok(())
    }

    fn segment_ports(&self) -> Result<(), ConfigError> {
        for segment in self.settings.shapes("segments") {
            if segment.int("port").unwrap_or(0) <= 0 {
                let name = wire::quote::go_quote(segment.text("name"));
                return Err(self.invalid("segments", format!("Port for segment {name} cannot be <= 0")));
            }
        }
        Ok(())
    }

    fn cache(&self) -> Result<CacheConfig, ConfigError> {
        let cache = CacheConfig {
            entry_fetch_max_burst: self.settings.int("cache.entry_fetch_max_burst"),
            entry_fetch_rate: self.settings.float("cache.entry_fetch_rate"),
        };
        let strictly_positive =
            |key: &str, given: String| Err(self.invalid(key, format!("{key} must be strictly positive, was: {given}")));
        if cache.entry_fetch_max_burst <= 0 {
            return strictly_positive("cache.entry_fetch_max_burst", cache.entry_fetch_max_burst.to_string());
        }
        if cache.entry_fetch_rate <= 0.0 {
            return strictly_positive("cache.entry_fetch_rate", crate::value::go_float(cache.entry_fetch_rate));
        }
        Ok(cache)
    }

    /// The collected faults, or those of complete definitions.
    fn late_faults(&mut self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        if !self.collected.is_empty() {
            return Err(ConfigError::Collected { problems: std::mem::take(&mut self.collected) });
        }
        for service in &runtime.services {
            let name = wire::quote::go_quote(&service.name);
            let faults = service_faults(service);
            if !faults.is_empty() {
                return Err(self.invalid("services", format!("service {name}: {}", occurred(&faults))));
            }
            for check in &service.checks {
                if let Some(fault) = check_faults(&check.spec) {
                    let check = wire::quote::go_quote(&check.spec.name);
                    return Err(self.invalid("services", format!("service {name}: check {check}: {fault}")));
                }
            }
        }
        for check in &runtime.checks {
            if let Some(fault) = check_faults(&check.spec) {
                let name = wire::quote::go_quote(&check.spec.name);
                return Err(self.invalid("checks", format!("check {name}: {fault}")));
            }
        }
        Ok(())
    }
}

/// Reads a CIDR the way Go does: the prefix length is required.
fn parse_cidr(text: &str) -> Option<Cidr> {
    let network = text.contains('/').then(|| Network::parse(text)).flatten()?;
    Some(Cidr { network })
}
