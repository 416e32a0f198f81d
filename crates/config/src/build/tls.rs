//! TLS stanzas with their fallbacks (`docs/spec/config.md` §8.2).

use std::path::PathBuf;

use super::Build;
use super::network::Ports;
use crate::error::ConfigError;
use crate::runtime::{CipherSuite, ProtocolTls, TlsConfig, TlsVersion};

const DEFAULTS: &str = "tls.defaults";
const INTERNAL_RPC: &str = "tls.internal_rpc";
const HTTPS: &str = "tls.https";
const GRPC: &str = "tls.grpc";

impl Build<'_> {
    pub(super) fn tls(&mut self) -> Result<TlsConfig, ConfigError> {
        self.tls_misuse()?;
        let defaults = self.tls_stanza(DEFAULTS, None);
        let mut internal_rpc = self.tls_stanza(INTERNAL_RPC, Some(&defaults));
        let https = self.tls_stanza(HTTPS, Some(&defaults));
        let grpc = self.tls_stanza(GRPC, Some(&defaults));
        // Names cannot be verified without verifying certificates.
        internal_rpc.verify_outgoing |= internal_rpc.verify_server_hostname;
        Ok(TlsConfig { internal_rpc, https, grpc })
    }

    fn tls_misuse(&self) -> Result<(), ConfigError> {
        let key = "tls.grpc.verify_outgoing";
        if self.settings.has(key) {
            return Err(self.invalid(key, "verify_outgoing is not valid in the tls.grpc stanza"));
        }
        for stanza in [DEFAULTS, HTTPS, GRPC] {
            let key = format!("{stanza}.verify_server_hostname");
            if self.settings.has(&key) {
                return Err(self.invalid(&key, "verify_server_hostname is only valid in the tls.internal_rpc stanza"));
            }
        }
        for stanza in [DEFAULTS, INTERNAL_RPC, HTTPS] {
            let key = format!("{stanza}.use_auto_cert");
            if self.settings.has(&key) {
                return Err(self.invalid(&key, "use_auto_cert is only valid in the tls.grpc stanza"));
            }
        }
        Ok(())
    }

    fn tls_stanza(&mut self, stanza: &str, defaults: Option<&ProtocolTls>) -> ProtocolTls {
        let fallback = defaults.cloned().unwrap_or_default();
        let key = |name: &str| format!("{stanza}.{name}");
        let path = |name: &str, fallback: Option<PathBuf>| match self.settings.maybe_text(&key(name)) {
            Some(text) => Some(text).filter(|text| !text.is_empty()).map(PathBuf::from),
            None => fallback,
        };
        let switch = |name: &str, fallback: bool| self.settings.maybe_bool(&key(name)).unwrap_or(fallback);
        let inherits_outgoing = stanza != GRPC && fallback.verify_outgoing;
        let mut tls = ProtocolTls {
            ca_file: path("ca_file", fallback.ca_file),
            ca_path: path("ca_path", fallback.ca_path),
            cert_file: path("cert_file", fallback.cert_file),
            key_file: path("key_file", fallback.key_file),
            verify_incoming: switch("verify_incoming", fallback.verify_incoming),
            verify_outgoing: switch("verify_outgoing", inherits_outgoing),
            verify_server_hostname: switch("verify_server_hostname", false),
            use_auto_cert: switch("use_auto_cert", false),
            min_version: fallback.min_version,
            cipher_suites: Vec::new(),
        };
        if let Some(version) = self.tls_version(&key("tls_min_version")) {
            tls.min_version = version;
        }
        let suites_key = key("tls_cipher_suites");
        if tls.min_version == TlsVersion::Tls13 {
            if !self.settings.text(&suites_key).is_empty() {
                self.collect(&suites_key, format!("{suites_key}: TLS 1.3 cipher suites are not configurable"));
            }
            return tls;
        }
        tls.cipher_suites = self.cipher_suites(&suites_key).unwrap_or(fallback.cipher_suites);
        tls
    }

    fn tls_version(&mut self, key: &str) -> Option<TlsVersion> {
        let name = self.settings.maybe_text(key)?;
        if name.is_empty() {
            return Some(TlsVersion::Auto);
        }
        let version = TlsVersion::parse(name);
        if version.is_none() {
            let known: Vec<&str> = TlsVersion::NAMES.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "{key}: invalid TLS version: no matching TLS version found for {name}, please specify one of [{}]",
                known.join(", ")
            );
            self.collect(key, message);
        }
        version
    }

    fn cipher_suites(&mut self, key: &str) -> Option<Vec<CipherSuite>> {
        let list = self.settings.maybe_text(key)?;
        if list.is_empty() {
            return Some(Vec::new());
        }
        let (mut suites, mut unknown) = (Vec::new(), Vec::new());
        for name in list.split(',') {
            match CipherSuite::parse(name) {
                Some(suite) => suites.push(suite),
                None => unknown.push(name),
            }
        }
        if unknown.is_empty() {
            return Some(suites);
        }
        let message = format!(
            "{key}: invalid TLS cipher suites: no matching Consul Agent TLS cipher suite found for {}",
            unknown.join(",")
        );
        self.collect(key, message);
        Some(Vec::new())
    }

    /// The plain gRPC port must not be mistaken for the TLS port it used to be.
    pub(super) fn grpc_tls_guard(&self, ports: &Ports, tls: &TlsConfig) -> Result<(), ConfigError> {
        let auto_cert = tls.grpc.use_auto_cert
            && (self.settings.bool("auto_encrypt.tls") || self.settings.bool("auto_config.enabled"));
        let uses_tls = tls.grpc.cert_file.is_some() || auto_cert;
        if uses_tls && ports.grpc.is_enabled() && !self.settings.has("ports.grpc_tls") {
            return Err(self.invalid(
                "ports.grpc",
                "the `ports.grpc` listener no longer supports TLS. Use `ports.grpc_tls` instead. This message is \
                 appearing because GRPC is configured to use TLS, but `ports.grpc_tls` is not defined",
            ));
        }
        Ok(())
    }
}
