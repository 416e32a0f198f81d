//! Rules over the resolved configuration; the first one broken is reported (`docs/spec/config.md` §12).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use regex::Regex;

use super::Build;
use super::listeners::{Listener, Listeners};
use super::network::{Port, Ports};
use crate::address::Host;
use crate::error::{ConfigError, go_io_error};
use crate::meta;
use crate::runtime::RuntimeConfig;
use wire::quote::go_quote;

/// File descriptors an agent needs besides those of HTTP clients.
const RESERVED_FILES: u64 = 20;
const MAX_DNS_LABEL_BYTES: usize = 63;

static BAD_IN_DNS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^A-Za-z0-9\\\-]+").ok());

impl Build<'_> {
    pub(super) fn rules(
        mut self,
        runtime: RuntimeConfig,
        ports: &Ports,
        listeners: &Listeners,
    ) -> Result<RuntimeConfig, ConfigError> {
        self.basic_name("datacenter", "datacenter", &runtime.datacenter, false)?;
        if runtime.data_dir.is_none() && !runtime.dev_mode {
            return Err(self.invalid("data_dir", "data_dir cannot be empty"));
        }
        self.ui_rules(&runtime.ui)?;
        if !runtime.dev_mode {
            self.data_dir_rules(&runtime)?;
        }
        self.node_name_rules(&runtime)?;
        self.resolved_address_rules(&runtime)?;
        self.segment_rules()?;
        self.dns_address_rules(&runtime, listeners)?;
        self.alt_domain_rules(&runtime)?;
        self.bootstrap_rules(&runtime)?;
        self.number_rules()?;
        self.basic_name("primary_datacenter", "primary_datacenter", &runtime.primary_datacenter, true)?;
        self.ui_dir_rules(&runtime)?;
        self.dns_limit_rules()?;
        if let Some(fault) = meta::node_fault(&runtime.node.meta) {
            return Err(self.invalid("node_meta", format!("node_meta invalid: {fault}")));
        }
        self.encrypt_rules(&runtime)?;
        self.federation_rules(&runtime)?;
        self.old_data_rules(&runtime)?;
        self.uniqueness_rules(&runtime, ports, listeners)?;
        self.bootstrap_warnings(&runtime);
        self.late_faults(&runtime)?;
        self.streaming_warnings(&runtime);
        self.ca_provider_rules(&runtime.connect)?;
        self.auto_encrypt_rules(&runtime)?;
        self.reconnect_rules(&runtime)?;
        self.script_warnings(&runtime);
        self.file_limit_rules()?;
        self.auto_config_rules(&runtime)?;
        Ok(runtime)
    }

    fn data_dir_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        let Some(dir) = &runtime.data_dir else { return Ok(()) };
        let shown = dir.display().to_string();
        match std::fs::metadata(self.env.resolve(dir)) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(self.invalid("data_dir", format!("data_dir {} is not a directory", go_quote(&shown)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                let message = format!("Error getting info on data_dir: {}", go_io_error("stat", &shown, &error));
                Err(self.invalid("data_dir", message))
            }
        }
    }

    fn node_name_rules(&mut self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        let name = &runtime.node.name;
        if name.is_empty() {
            return Err(self.invalid("node_name", "node_name cannot be empty"));
        }
        let quoted = go_quote(name);
        if BAD_IN_DNS.as_ref().is_some_and(|bad| bad.is_match(name)) {
            self.warnings.push(format!(
                "Node name {quoted} will not be discoverable via DNS due to invalid characters. Valid characters include \
                 all alpha-numerics and dashes."
            ));
        } else if name.len() > MAX_DNS_LABEL_BYTES {
            self.warnings.push(format!(
                "Node name {quoted} will not be discoverable via DNS due to it being too long. Valid lengths are between \
                 1 and 63 bytes."
            ));
        }
        Ok(())
    }

    fn resolved_address_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        if runtime.network.advertise_lan.is_unspecified() {
            return Err(self.invalid("advertise_addr", "Advertise address cannot be 0.0.0.0, :: or [::]"));
        }
        if runtime.network.advertise_wan.is_unspecified() {
            return Err(self.invalid("advertise_addr_wan", "Advertise WAN address cannot be 0.0.0.0, :: or [::]"));
        }
        Ok(())
    }

    fn segment_rules(&self) -> Result<(), ConfigError> {
        for key in ["segment", "segments"] {
            if !self.settings.text(key).is_empty() || !self.settings.shapes(key).is_empty() {
                return Err(self.invalid(key, "Network segments are not supported in this version of Consul"));
            }
        }
        Ok(())
    }

    fn dns_address_rules(&self, runtime: &RuntimeConfig, listeners: &Listeners) -> Result<(), ConfigError> {
        if listeners.dns.hosts.iter().any(|host| matches!(host, Host::Unix(_))) {
            return Err(self.invalid("addresses.dns", "DNS address cannot be a unix socket"));
        }
        if runtime.dns.recursors.iter().any(|recursor| crate::address::is_any_text(recursor)) {
            return Err(self.invalid("recursors", "DNS recursor address cannot be 0.0.0.0, :: or [::]"));
        }
        Ok(())
    }

    /// Names under the main domain must not become reachable under the second one by accident.
    fn alt_domain_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        let datacenter = &runtime.datacenter;
        let kinds = ["service", "connect", "node", "query", "addr", datacenter.as_str()];
        let starts_with_kind = kinds
            .iter()
            .any(|kind| runtime.dns.alt_domain.strip_prefix(kind).is_some_and(|rest| rest.starts_with('.')));
        if starts_with_kind {
            let message = format!("alt_domain cannot start with {{service,connect,node,query,addr,{datacenter}}}");
            return Err(self.invalid("alt_domain", message));
        }
        Ok(())
    }

    fn bootstrap_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        let given = self.settings.int("bootstrap_expect");
        let expect = runtime.server.bootstrap_expect;
        if runtime.server.bootstrap && !runtime.server.enabled {
            return Err(self.invalid("bootstrap", "'bootstrap = true' requires 'server = true'"));
        }
        let message = if given < 0 {
            format!("bootstrap_expect cannot be {given}. Must be greater than or equal to zero")
        } else if expect > 0 && !runtime.server.enabled {
            "'bootstrap_expect > 0' requires 'server = true'".to_owned()
        } else if expect > 0 && runtime.dev_mode {
            "'bootstrap_expect > 0' not allowed in dev mode".to_owned()
        } else if expect > 0 && runtime.server.bootstrap {
            "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive".to_owned()
        } else {
            return Ok(());
        };
        Err(self.invalid("bootstrap_expect", message))
    }

    fn number_rules(&self) -> Result<(), ConfigError> {
        const OUTPUT: &str = "check_output_max_size";
        if self.settings.int(OUTPUT) < 1 {
            let message =
                format!("{OUTPUT} must be positive, to discard check output use the discard_check_output flag");
            return Err(self.invalid(OUTPUT, message));
        }
        self.not_negative("autopilot.max_trailing_logs")
    }

    fn not_negative(&self, key: &str) -> Result<(), ConfigError> {
        let given = self.settings.int(key);
        if given >= 0 {
            return Ok(());
        }
        Err(self.invalid(key, format!("{key} cannot be {given}. Must be greater than or equal to zero")))
    }

    fn ui_dir_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        if runtime.ui.enabled && !runtime.ui.dir.is_empty() && !runtime.dev_mode {
            return Err(self.invalid(
                "ui_config.dir",
                "Both the ui_config.enabled and ui_config.dir (or -ui and -ui-dir) were specified, please provide only \
                 one.\nIf trying to use your own web UI resources, use ui_config.dir or the -ui-dir flag.\nThe web UI is \
                 included in the binary so use ui_config.enabled or the -ui flag to enable it",
            ));
        }
        Ok(())
    }

    fn dns_limit_rules(&self) -> Result<(), ConfigError> {
        self.not_negative("dns_config.udp_answer_limit")?;
        self.not_negative("dns_config.a_record_limit")
    }

    /// Only the encoding is checked here; the length is, when the keyring is loaded.
    fn encrypt_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        let key = &runtime.gossip.encrypt.0;
        match illegal_base64(key) {
            None => Ok(()),
            Some(offset) => {
                let message = format!("encrypt has invalid key: illegal base64 data at input byte {offset}");
                Err(self.invalid("encrypt", message))
            }
        }
    }

    fn federation_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        const KEY: &str = "connect.enable_mesh_gateway_wan_federation";
        if runtime.connect.mesh_gateway_wan_federation {
            if !runtime.server.enabled {
                return Err(self.invalid(KEY, format!("'{KEY} = true' requires 'server = true'")));
            }
            if runtime.node.name.contains('/') {
                let message = format!("'{KEY} = true' requires that 'node_name' not contain '/' characters");
                return Err(self.invalid("node_name", message));
            }
            for (key, list) in
                [("start_join_wan", &runtime.join.start_wan), ("retry_join_wan", &runtime.join.retry_wan)]
            {
                if !list.is_empty() {
                    return Err(self.invalid(key, format!("'{key}' is incompatible with '{KEY} = true'")));
                }
            }
        }
        if !runtime.join.primary_gateways.is_empty() {
            let message = if !runtime.server.enabled {
                "'primary_gateways' requires 'server = true'"
            } else if runtime.primary_datacenter == runtime.datacenter {
                "'primary_gateways' should only be configured in a secondary datacenter"
            } else {
                return Ok(());
            };
            return Err(self.invalid("primary_gateways", message));
        }
        Ok(())
    }

    /// State of very old versions must be migrated by hand.
    fn old_data_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        let (true, Some(dir)) = (runtime.server.enabled, &runtime.data_dir) else { return Ok(()) };
        let old = Path::new(dir).join("mdb");
        let quoted = go_quote(&old.display().to_string());
        let message = match std::fs::metadata(self.env.resolve(&old)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => format!(
                "CRITICAL: Permission denied for data folder at {quoted}!\nConsul will refuse to boot without access to \
                 this directory.\nPlease correct permissions and try starting again."
            ),
            Ok(_) | Err(_) => format!(
                "CRITICAL: Deprecated data folder found at {quoted}!\nConsul will refuse to boot with this directory \
                 present.\nSee https://www.consul.io/docs/upgrade-specific.html for more information."
            ),
        };
        Err(self.invalid("data_dir", message))
    }

    fn uniqueness_rules(
        &self,
        runtime: &RuntimeConfig,
        ports: &Ports,
        listeners: &Listeners,
    ) -> Result<(), ConfigError> {
        let network = &runtime.network;
        let peer = |ip, port: Port| vec![(Host::Ip(ip), port)];
        let client =
            |listener: &Listener| listener.hosts.iter().map(|host| (host.clone(), listener.port)).collect::<Vec<_>>();
        let groups = [
            ("DNS", client(&listeners.dns)),
            ("HTTP", client(&listeners.http)),
            ("HTTPS", client(&listeners.https)),
            ("RPC Advertise", peer(network.advertise_lan, ports.server)),
            ("Serf Advertise LAN", peer(network.advertise_lan, ports.serf_lan)),
            ("Serf Advertise WAN", peer(network.advertise_wan, ports.serf_wan)),
        ];
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for (name, addresses) in groups {
            // Without a port there is no WAN gossip to collide with.
            if name == "Serf Advertise WAN" && !ports.serf_wan.is_enabled() {
                continue;
            }
            for (host, port) in addresses {
                let address = match host {
                    Host::Ip(ip) if ip.is_ipv6() => format!("[{ip}]:{}", port.0),
                    Host::Ip(ip) => format!("{ip}:{}", port.0),
                    Host::Unix(path) => path,
                };
                if let Some(other) = taken.get(&address) {
                    return Err(ConfigError::invalid(format!(
                        "{name} address {address} already configured for {other}"
                    )));
                }
                taken.insert(address, name);
            }
        }
        Ok(())
    }

    fn bootstrap_warnings(&mut self, runtime: &RuntimeConfig) {
        const FAULT_TOLERANCE: &str = "https://www.consul.io/docs/internals/consensus.html#deployment-table";
        let expect = runtime.server.bootstrap_expect;
        if expect == 2 {
            self.warnings.push(format!(
                "bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance. See {FAULT_TOLERANCE}"
            ));
        } else if expect > 2 && expect.is_multiple_of(2) {
            self.warnings.push(format!(
                "bootstrap_expect is even number: A cluster with an even number of servers does not achieve optimum fault \
                 tolerance. See {FAULT_TOLERANCE}"
            ));
        }
        if expect > 0 {
            self.warnings.push(format!("bootstrap_expect > 0: expecting {expect} servers"));
        }
        if runtime.server.bootstrap {
            self.warnings.push("bootstrap = true: do not enable unless necessary".to_owned());
        }
    }

    fn streaming_warnings(&mut self, runtime: &RuntimeConfig) {
        if !runtime.server.enabled && self.settings.bool("rpc.enable_streaming") {
            self.warnings.push("rpc.enable_streaming = true has no effect when not running in server mode".to_owned());
        }
        if runtime.server.enabled && runtime.server.use_streaming_backend && !runtime.server.rpc_streaming {
            self.warnings.push(
                "use_streaming_backend = true requires rpc.enable_streaming on servers to work properly".to_owned(),
            );
        }
    }

    fn auto_encrypt_rules(&mut self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        if runtime.server.enabled && runtime.auto_encrypt.tls {
            return Err(self.invalid("auto_encrypt.tls", "auto_encrypt.tls can only be used on a client."));
        }
        if !runtime.server.enabled && runtime.auto_encrypt.allow_tls {
            return Err(self.invalid("auto_encrypt.allow_tls", "auto_encrypt.allow_tls can only be used on a server."));
        }
        if runtime.auto_encrypt.allow_tls && !runtime.tls.internal_rpc.verify_incoming {
            self.warnings.push(
                "if auto_encrypt.allow_tls is turned on, tls.internal_rpc.verify_incoming should be enabled (either \
                 explicitly or via tls.defaults.verify_incoming). It is necessary to turn it off during a migration to \
                 TLS, but it should definitely be turned on afterwards."
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn reconnect_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        if runtime.server.enabled && !runtime.gossip.advertise_reconnect_timeout.is_zero() {
            let message = "advertise_reconnect_timeout can only be used on a client";
            return Err(self.invalid("advertise_reconnect_timeout", message));
        }
        Ok(())
    }

    fn script_warnings(&mut self, runtime: &RuntimeConfig) {
        if runtime.check.remote_scripts && !runtime.acl.enabled && runtime.http.allow_write_from.is_empty() {
            self.warnings.push(
                "using enable-script-checks without ACLs and without allow_write_http_from is DANGEROUS, use \
                 enable-local-script-checks instead, see \
                 https://www.hashicorp.com/blog/protecting-consul-from-rce-risk-in-specific-configurations/"
                    .to_owned(),
            );
        }
    }

    fn file_limit_rules(&self) -> Result<(), ConfigError> {
        const KEY: &str = "limits.http_max_conns_per_client";
        let wanted = self.count(KEY);
        let needed = wanted.saturating_add(RESERVED_FILES);
        match self.env.max_open_files {
            Some(max) if needed > max => {
                let message = format!(
                    "system allows a max of {max} file descriptors, but {KEY}: {wanted} needs at least {needed}"
                );
                Err(self.invalid(KEY, message))
            }
            _ => Ok(()),
        }
    }

    fn auto_config_rules(&mut self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        self.authorization_rules(runtime)?;
        let auto = &runtime.auto_config;
        if auto.enabled {
            let both_tokens = !auto.intro_token.is_empty() && !auto.intro_token_file.is_empty();
            let no_token = auto.intro_token.is_empty() && auto.intro_token_file.is_empty();
            let message = if runtime.auto_encrypt.tls {
                "both auto_encrypt.tls and auto_config.enabled cannot be set to true."
            } else if !runtime.tls.internal_rpc.verify_outgoing {
                "auto_config.enabled cannot be set without configuring TLS for server communications"
            } else if runtime.server.enabled {
                "auto_config.enabled cannot be set to true for server agents."
            } else if no_token {
                "One of auto_config.intro_token, auto_config.intro_token_file or the CONSUL_INTRO_TOKEN environment \
                 variable must be set to enable auto_config"
            } else if auto.server_addresses.is_empty() {
                "auto_config.enabled is set without providing a list of addresses"
            } else {
                if both_tokens {
                    self.warnings.push(
                        "Both an intro token and intro token file are set. The intro token will be used instead of the file"
                            .to_owned(),
                    );
                }
                ""
            };
            if !message.is_empty() {
                return Err(self.invalid("auto_config.enabled", message));
            }
        }
        Ok(())
    }

    fn authorization_rules(&self, runtime: &RuntimeConfig) -> Result<(), ConfigError> {
        const KEY: &str = "auto_config.authorization.enabled";
        let authorization = &runtime.auto_config.authorization;
        if !authorization.enabled {
            return Ok(());
        }
        let secondary = runtime.primary_datacenter != runtime.datacenter;
        let sources = [
            !authorization.jwt_validation_pub_keys.is_empty(),
            !authorization.jwks_url.is_empty(),
            !authorization.oidc_discovery_url.is_empty(),
        ];
        let message = if !runtime.server.enabled {
            format!("{KEY} cannot be set to true for client agents")
        } else if runtime.tls.internal_rpc.cert_file.is_none() {
            format!("{KEY} cannot be set without providing a TLS certificate for the server")
        } else if secondary && runtime.acl.enabled && !runtime.acl.token_replication {
            format!(
                "Enabling auto-config authorization ({KEY}) in non primary datacenters with ACLs enabled (acl.enabled) \
                 requires also enabling ACL token replication (acl.enable_token_replication)"
            )
        } else if sources.into_iter().filter(|given| *given).count() != 1 {
            "auto_config.authorization.static has invalid configuration: exactly one of 'JWTValidationPubKeys', \
             'JWKSURL', or 'OIDCDiscoveryURL' must be set for type \"jwt\""
                .to_owned()
        } else {
            return Ok(());
        };
        Err(self.invalid(KEY, message))
    }
}

/// Offset of the first byte Go's base64 decoder refuses, `None` for well-formed input.
fn illegal_base64(text: &str) -> Option<usize> {
    if base64::engine::general_purpose::STANDARD.decode(text).is_ok() {
        return None;
    }
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let data = text.bytes().take_while(|byte| in_alphabet(byte)).count();
    let rest = &text.as_bytes()[data..];
    if rest.is_empty() {
        // The last quantum is short: Go names its first byte.
        return Some(data - data % 4);
    }
    if rest[0] != b'=' || data % 4 < 2 {
        return Some(data);
    }
    let wanted_padding = 4 - data % 4;
    let padding = rest.iter().take_while(|byte| **byte == b'=').count();
    if padding >= wanted_padding {
        return Some(data + wanted_padding);
    }
    // A second `=` is missing: Go names the end of the text, or else the first `=`.
    Some(if rest.len() == padding { text.len() } else { data })
}

#[cfg(test)]
mod tests {
    use super::illegal_base64;

    #[test]
    fn base64_faults_stand_where_go_puts_them() {
        let table = [
            ("", None),
            ("c2hvcnQ=", None),
            ("notbase64!", Some(9)),
            ("c2hvcnQ", Some(4)),
            ("a===", Some(1)),
            ("ab=", Some(3)),
            ("ab=x", Some(2)),
            ("x", Some(0)),
            ("notbase64notbase64!!", Some(18)),
        ];
        for (text, offset) in table {
            assert_eq!(illegal_base64(text), offset, "{text:?}");
        }
    }
}
