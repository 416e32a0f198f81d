//! Service mesh, automatic TLS and configuration, configuration entries (`docs/spec/config.md` §9, §10).

use std::net::IpAddr;
use std::time::Duration;

use super::Build;
use super::network::Ports;
use crate::definition::OpaqueMap;
use crate::error::ConfigError;
use crate::runtime::{AutoConfig, AutoConfigAuthorization, AutoEncryptConfig, ConnectConfig};
use crate::secret::{Secret, SecretMap};
use wire::quote::go_quote;

const INTRO_TOKEN_VARIABLE: &str = "CONSUL_INTRO_TOKEN";

/// Keys of `connect.ca_config` with the names providers know them by.
const CA_CONFIG_NAMES: &[(&str, &str)] = &[
    ("private_key", "PrivateKey"),
    ("root_cert", "RootCert"),
    ("intermediate_cert_ttl", "IntermediateCertTTL"),
    ("address", "Address"),
    ("token", "Token"),
    ("root_pki_path", "RootPKIPath"),
    ("root_pki_namespace", "RootPKINamespace"),
    ("intermediate_pki_path", "IntermediatePKIPath"),
    ("intermediate_pki_namespace", "IntermediatePKINamespace"),
    ("ca_file", "CAFile"),
    ("ca_path", "CAPath"),
    ("cert_file", "CertFile"),
    ("key_file", "KeyFile"),
    ("tls_server_name", "TLSServerName"),
    ("tls_skip_verify", "TLSSkipVerify"),
    ("existing_arn", "ExistingARN"),
    ("delete_on_exit", "DeleteOnExit"),
    ("leaf_cert_ttl", "LeafCertTTL"),
    ("csr_max_per_second", "CSRMaxPerSecond"),
    ("csr_max_concurrent", "CSRMaxConcurrent"),
    ("private_key_type", "PrivateKeyType"),
    ("private_key_bits", "PrivateKeyBits"),
    ("root_cert_ttl", "RootCertTTL"),
];

/// Kinds of configuration entries.
const ENTRY_KINDS: &[&str] = &[
    "service-defaults",
    "proxy-defaults",
    "service-router",
    "service-splitter",
    "service-resolver",
    "ingress-gateway",
    "terminating-gateway",
    "service-intentions",
    "mesh",
    "exported-services",
];

impl Build<'_> {
    pub(super) fn auto_encrypt(&mut self) -> AutoEncryptConfig {
        AutoEncryptConfig {
            tls: self.settings.bool("auto_encrypt.tls"),
            allow_tls: self.settings.bool("auto_encrypt.allow_tls"),
            dns_san: self.settings.texts("auto_encrypt.dns_san").to_vec(),
            ip_san: self.ips("auto_encrypt.ip_san", "AutoEncrypt.IPSAN"),
        }
    }

    pub(super) fn ips(&mut self, key: &str, label: &str) -> Vec<IpAddr> {
        let mut ips = Vec::new();
        for text in self.settings.texts(key) {
            match text.parse() {
                Ok(ip) => ips.push(ip),
                Err(_) => self.warnings.push(format!("Cannot parse ip {} from {label}", go_quote(text))),
            }
        }
        ips
    }

    pub(super) fn auto_config(&mut self) -> AutoConfig {
        let server_addresses = self.join_list("auto_config.server_addresses");
        let authorization = self.auto_config_authorization();
        let mut intro_token = self.text("auto_config.intro_token");
        if let Some(token) = self.env.variables.get(INTRO_TOKEN_VARIABLE).filter(|token| !token.is_empty()) {
            if !intro_token.is_empty() {
                self.warnings.push(format!(
                    "Both auto_config.intro_token and the {INTRO_TOKEN_VARIABLE} environment variable are set. Using the value from the environment variable"
                ));
            }
            intro_token = token.clone();
        }
        AutoConfig {
            enabled: self.settings.bool("auto_config.enabled"),
            intro_token: Secret(intro_token),
            intro_token_file: self.text("auto_config.intro_token_file"),
            server_addresses,
            dns_sans: self.settings.texts("auto_config.dns_sans").to_vec(),
            // Read later, where the reference warns of them.
            ip_sans: Vec::new(),
            authorization,
        }
    }

    fn auto_config_authorization(&mut self) -> AutoConfigAuthorization {
        let expiration_leeway = self.duration("auto_config.authorization.static.expiration_leeway");
        let not_before_leeway = self.duration("auto_config.authorization.static.not_before_leeway");
        let clock_skew_leeway = self.duration("auto_config.authorization.static.clock_skew_leeway");
        let key = |name: &str| format!("auto_config.authorization.static.{name}");
        let text = |name| self.settings.text(&key(name)).to_owned();
        let texts = |name| self.settings.texts(&key(name)).to_vec();
        AutoConfigAuthorization {
            enabled: self.settings.bool("auto_config.authorization.enabled"),
            allow_reuse: self.settings.bool(&key("allow_reuse")),
            claim_assertions: texts("claim_assertions"),
            jwt_supported_algs: texts("jwt_supported_algs"),
            bound_audiences: texts("bound_audiences"),
            bound_issuer: text("bound_issuer"),
            claim_mappings: self.settings.text_map(&key("claim_mappings")),
            list_claim_mappings: self.settings.text_map(&key("list_claim_mappings")),
            oidc_discovery_url: text("oidc_discovery_url"),
            oidc_discovery_ca_cert: text("oidc_discovery_ca_cert"),
            jwks_url: text("jwks_url"),
            jwks_ca_cert: text("jwks_ca_cert"),
            jwt_validation_pub_keys: texts("jwt_validation_pub_keys"),
            expiration_leeway,
            not_before_leeway,
            clock_skew_leeway,
        }
    }

    pub(super) fn federation_needs_connect(&self) -> Result<(), ConfigError> {
        let key = "connect.enable_mesh_gateway_wan_federation";
        if self.settings.bool(key) && !self.connect_enabled() {
            return Err(self.invalid(key, format!("'{key}=true' requires 'connect.enabled=true'")));
        }
        Ok(())
    }

    /// Automatic TLS and configuration need certificates of the mesh's authority and so turn it on.
    fn connect_enabled(&self) -> bool {
        self.settings.bool("connect.enabled")
            || self.settings.bool("auto_encrypt.allow_tls")
            || self.settings.bool("auto_config.enabled")
    }

    pub(super) fn connect(&self, ports: &Ports) -> ConnectConfig {
        ConnectConfig {
            enabled: self.connect_enabled(),
            ca_provider: self.text("connect.ca_provider"),
            ca_config: SecretMap(self.ca_config()),
            mesh_gateway_wan_federation: self.settings.bool("connect.enable_mesh_gateway_wan_federation"),
            serverless_plugin: self.settings.bool("connect.enable_serverless_plugin"),
            sidecar_ports: ports.sidecar,
            expose_ports: ports.expose,
        }
    }

    fn ca_config(&self) -> OpaqueMap {
        let rename = |name: String| match CA_CONFIG_NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, renamed)) => (*renamed).to_owned(),
            None => name,
        };
        self.settings.opaque("connect.ca_config").into_iter().map(|(name, value)| (rename(name), value)).collect()
    }

    /// Entries with their kind and name checked; their bodies are checked by the capability that stores them.
    pub(super) fn config_entries(&self) -> Result<Vec<OpaqueMap>, ConfigError> {
        const KEY: &str = "config_entries.bootstrap";
        let entries = self.settings.opaques(KEY);
        for (index, entry) in entries.iter().enumerate() {
            if let Some(fault) = entry_fault(entry) {
                return Err(self.invalid(KEY, format!("{KEY}[{index}]: {fault}")));
            }
        }
        Ok(entries.to_vec())
    }

    pub(super) fn ca_provider_rules(&self, connect: &ConnectConfig) -> Result<(), ConfigError> {
        const KEY: &str = "connect.ca_provider";
        let fault = match connect.ca_provider.as_str() {
            "" => return Ok(()),
            "consul" | "aws-pca" => ttl_fault(&connect.ca_config.0),
            "vault" => vault_fault(&connect.ca_config.0).or_else(|| ttl_fault(&connect.ca_config.0)),
            other => Some(format!("{other} is not a valid CA provider")),
        };
        fault.map_or(Ok(()), |message| Err(self.invalid(KEY, message)))
    }
}

fn entry_fault(entry: &OpaqueMap) -> Option<String> {
    let text =
        |snake: &str, camel: &str| entry.get(snake).or_else(|| entry.get(camel)).and_then(|value| value.as_str());
    let Some(kind) = text("kind", "Kind") else {
        return Some("Payload does not contain a kind/Kind key at the top level".to_owned());
    };
    let name = text("name", "Name").unwrap_or_default();
    match kind {
        kind if !ENTRY_KINDS.contains(&kind) => Some(format!("invalid config entry kind: {kind}")),
        "proxy-defaults" if !["", "global"].contains(&name) => {
            Some(format!("invalid name ({}), only \"global\" is supported", go_quote(name)))
        }
        "exported-services" if name != "default" => Some("exported-services Name must be \"default\"".to_owned()),
        "service-defaults" | "service-router" | "service-splitter" | "service-resolver" | "service-intentions"
            if name.is_empty() =>
        {
            Some("Name is required".to_owned())
        }
        _ => None,
    }
}

/// Rules on lifetimes, common to all providers.
fn ttl_fault(config: &OpaqueMap) -> Option<String> {
    const MIN_LEAF_TTL: Duration = Duration::from_secs(3600);
    const MAX_LEAF_TTL: Duration = Duration::from_secs(365 * 24 * 3600);
    const DEFAULT_LEAF_TTL: Duration = Duration::from_secs(72 * 3600);
    const MIN_INTERMEDIATE_TTL: Duration = Duration::from_secs(3 * 3600);
    const DEFAULT_INTERMEDIATE_TTL: Duration = Duration::from_secs(365 * 24 * 3600);
    let mut wrong = Vec::new();
    let mut ttl =
        |name: &str, default| match config.get(name).and_then(|value| value.as_str()).map(crate::duration::parse) {
            None => default,
            Some(Ok(ttl)) => ttl.as_std(),
            Some(Err(detail)) => {
                wrong.push(format!("* error decoding '{name}': {detail}"));
                default
            }
        };
    let intermediate = ttl("IntermediateCertTTL", DEFAULT_INTERMEDIATE_TTL);
    let leaf = ttl("LeafCertTTL", DEFAULT_LEAF_TTL);
    ttl("RootCertTTL", Duration::ZERO);
    if !wrong.is_empty() {
        return Some(format!("error decoding config: {} error(s) decoding:\n\n{}", wrong.len(), wrong.join("\n")));
    }
    let shown = crate::duration::show;
    if leaf < MIN_LEAF_TTL {
        return Some(format!("leaf cert TTL must be greater or equal than {}", shown(MIN_LEAF_TTL)));
    }
    if leaf > MAX_LEAF_TTL {
        return Some(format!("leaf cert TTL must be less than {}", shown(MAX_LEAF_TTL)));
    }
    if intermediate < MIN_INTERMEDIATE_TTL {
        return Some("Intermediate Cert TTL must be greater or equal than 3h".to_owned());
    }
    // An intermediate certificate must outlive the leaves it signs by far.
    let wanted = leaf * 3;
    (intermediate < wanted)
        .then(|| format!("Intermediate Cert TTL must be greater or equal than 3 * LeafCertTTL (>={}).", shown(wanted)))
}

fn vault_fault(config: &OpaqueMap) -> Option<String> {
    let has = |name: &str| config.get(name).is_some_and(|value| value.as_str().is_none_or(|text| !text.is_empty()));
    let has_auth_method = config.contains_key("AuthMethod") || config.contains_key("auth_method");
    if !has("Token") && !has_auth_method {
        return Some("must provide a Vault token or configure a Vault auth method".to_owned());
    }
    if !has("RootPKIPath") {
        return Some("must provide a valid path to a root PKI backend".to_owned());
    }
    if !has("IntermediatePKIPath") {
        return Some("must provide a valid path for the intermediate PKI backend".to_owned());
    }
    None
}
