//! Settings of subsystems beyond the single server.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::debug::masked;
use crate::secret::{Secret, SecretMap};

/// TLS of every protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// RPC between agents.
    pub internal_rpc: ProtocolTls,
    /// HTTPS.
    pub https: ProtocolTls,
    /// gRPC.
    pub grpc: ProtocolTls,
}

/// TLS of one protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtocolTls {
    /// File of certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Directory of certificate authorities.
    pub ca_path: Option<PathBuf>,
    /// Own certificate.
    pub cert_file: Option<PathBuf>,
    /// Own key.
    pub key_file: Option<PathBuf>,
    /// Lowest version.
    pub min_version: TlsVersion,
    /// Cipher suites up to TLS 1.2; empty is the default set.
    pub cipher_suites: Vec<CipherSuite>,
    /// Whether clients must present a certificate.
    pub verify_incoming: bool,
    /// Whether servers' certificates are verified.
    pub verify_outgoing: bool,
    /// Whether servers' names are verified.
    pub verify_server_hostname: bool,
    /// Whether the automatic certificate is used.
    pub use_auto_cert: bool,
}

/// Lowest TLS version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// The library's choice.
    Auto,
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// Every version with its name.
    pub const NAMES: [(&'static str, TlsVersion); 5] = [
        ("TLS_AUTO", TlsVersion::Auto),
        ("TLSv1_0", TlsVersion::Tls10),
        ("TLSv1_1", TlsVersion::Tls11),
        ("TLSv1_2", TlsVersion::Tls12),
        ("TLSv1_3", TlsVersion::Tls13),
    ];

    /// The name as it is written.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, version)| *version == self).map_or("", |(name, _)| name)
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<TlsVersion> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, version)| *version)
    }
}

/// A cipher suite of TLS 1.2 and below that may be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CipherSuite(&'static str);

impl CipherSuite {
    /// Every suite that may be configured (`docs/spec/config.md` §8.2).
    pub const NAMES: [&'static str; 10] = [
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ];

    /// The IANA name.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Reads an IANA name.
    pub fn parse(name: &str) -> Option<CipherSuite> {
        Self::NAMES.into_iter().find(|known| *known == name).map(CipherSuite)
    }
}

/// Access control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclConfig {
    /// Whether access is controlled.
    pub enabled: bool,
    /// `allow` or `deny`; checked when a server or client is started.
    pub default_policy: String,
    /// What holds while the primary datacenter is out of reach.
    pub down_policy: String,
    /// Age of cached policies.
    pub policy_ttl: Duration,
    /// Age of cached roles.
    pub role_ttl: Duration,
    /// Age of cached tokens.
    pub token_ttl: Duration,
    /// Whether tokens are replicated.
    pub token_replication: bool,
    /// Whether listing keys needs its own right.
    pub key_list_policy: bool,
    /// Whether tokens set over HTTP are kept.
    pub token_persistence: bool,
    /// Token created when the cluster is new.
    pub initial_management: Secret,
    /// Token for recovery of the agent.
    pub agent_recovery: Secret,
    /// Token the agent uses for itself.
    pub agent: Secret,
    /// Token of requests without one.
    pub default_token: Secret,
    /// Token used for replication.
    pub replication: Secret,
}

/// Gossip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipConfig {
    /// Key, base64; empty is no encryption.
    pub encrypt: Secret,
    /// Whether incoming messages must be encrypted.
    pub verify_incoming: bool,
    /// Whether outgoing messages are encrypted.
    pub verify_outgoing: bool,
    /// Whether keys are kept in memory only.
    pub disable_keyring_file: bool,
    /// Timing within the datacenter.
    pub lan: GossipTiming,
    /// Timing between datacenters.
    pub wan: GossipTiming,
    /// Time after which a failed member is forgotten; 0 is 72 hours.
    pub reconnect_timeout_lan: Duration,
    /// The same between datacenters.
    pub reconnect_timeout_wan: Duration,
    /// Time after which others forget this client; 0 is theirs.
    pub advertise_reconnect_timeout: Duration,
}

/// Timing of gossip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipTiming {
    /// Members gossiped to in a round.
    pub gossip_nodes: i64,
    /// Time between rounds.
    pub gossip_interval: Duration,
    /// Factor for retransmissions.
    pub retransmit_mult: i64,
    /// Time between probes.
    pub probe_interval: Duration,
    /// Time a probe may take.
    pub probe_timeout: Duration,
    /// Factor for the time under suspicion.
    pub suspicion_mult: i64,
}

/// Joining other agents. Entries may hold credentials of discovery providers, which `Debug` masks.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinConfig {
    /// Agents joined once at start.
    pub start_lan: Vec<String>,
    /// Servers of other datacenters joined once at start.
    pub start_wan: Vec<String>,
    /// Agents joined until it succeeds.
    pub retry_lan: Vec<String>,
    /// Servers of other datacenters joined until it succeeds.
    pub retry_wan: Vec<String>,
    /// Pause between attempts.
    pub retry_interval_lan: Duration,
    /// Pause between attempts.
    pub retry_interval_wan: Duration,
    /// Attempts before giving up; 0 is never.
    pub retry_max_lan: i64,
    /// Attempts before giving up; 0 is never.
    pub retry_max_wan: i64,
    /// Mesh gateways of the primary datacenter.
    pub primary_gateways: Vec<String>,
    /// Time between looks for them.
    pub primary_gateways_interval: Duration,
}

impl fmt::Debug for JoinConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinConfig")
            .field("start_lan", &masked(&self.start_lan))
            .field("start_wan", &masked(&self.start_wan))
            .field("retry_lan", &masked(&self.retry_lan))
            .field("retry_wan", &masked(&self.retry_wan))
            .finish_non_exhaustive()
    }
}

/// Initial settings of server management.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutopilotConfig {
    /// Whether dead servers are removed.
    pub cleanup_dead_servers: bool,
    /// Longest time without contact.
    pub last_contact_threshold: Duration,
    /// Most entries behind.
    pub max_trailing_logs: u64,
    /// Servers never gone below.
    pub min_quorum: u64,
    /// Time before a new server votes.
    pub server_stabilization_time: Duration,
    /// Enterprise.
    pub redundancy_zone_tag: String,
    /// Enterprise.
    pub upgrade_version_tag: String,
    /// Enterprise.
    pub disable_upgrade_migration: bool,
}

/// Service mesh.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectConfig {
    /// Whether the mesh is on.
    pub enabled: bool,
    /// Provider of certificates; empty is the built-in one.
    pub ca_provider: String,
    /// Settings of the provider, known keys in CamelCase.
    pub ca_config: SecretMap,
    /// Whether federation goes through mesh gateways.
    pub mesh_gateway_wan_federation: bool,
    /// Whether the serverless plugin is on.
    pub serverless_plugin: bool,
    /// Ports given to sidecars.
    pub sidecar_ports: (i64, i64),
    /// Ports given to exposed checks.
    pub expose_ports: (i64, i64),
}

/// Automatic TLS for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoEncryptConfig {
    /// Client: ask for a certificate.
    pub tls: bool,
    /// Server: give certificates.
    pub allow_tls: bool,
    /// DNS names in the certificate.
    pub dns_san: Vec<String>,
    /// Addresses in the certificate.
    pub ip_san: Vec<IpAddr>,
}

/// Automatic configuration for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoConfig {
    /// Client: ask for a configuration.
    pub enabled: bool,
    /// Token of the introduction.
    pub intro_token: Secret,
    /// File of that token.
    pub intro_token_file: String,
    /// Servers asked.
    pub server_addresses: Vec<String>,
    /// DNS names in the certificate.
    pub dns_sans: Vec<String>,
    /// Addresses in the certificate.
    pub ip_sans: Vec<IpAddr>,
    /// Server: who may ask.
    pub authorization: AutoConfigAuthorization,
}

/// Who may ask for a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AutoConfigAuthorization {
    /// Whether clients may ask.
    pub enabled: bool,
    /// Whether an introduction may be used again.
    pub allow_reuse: bool,
    /// Rules on claims.
    pub claim_assertions: Vec<String>,
    /// Signature algorithms accepted.
    pub jwt_supported_algs: Vec<String>,
    /// Audiences accepted.
    pub bound_audiences: Vec<String>,
    /// Issuer accepted.
    pub bound_issuer: String,
    /// Claims by variable.
    pub claim_mappings: BTreeMap<String, String>,
    /// List claims by variable.
    pub list_claim_mappings: BTreeMap<String, String>,
    /// Discovery URL of the issuer.
    pub oidc_discovery_url: String,
    /// Certificate authority of that URL.
    pub oidc_discovery_ca_cert: String,
    /// URL of the issuer's keys.
    pub jwks_url: String,
    /// Certificate authority of that URL.
    pub jwks_ca_cert: String,
    /// Keys of the issuer.
    pub jwt_validation_pub_keys: Vec<String>,
    /// Time after expiry that is forgiven.
    pub expiration_leeway: Duration,
    /// Time before validity that is forgiven.
    pub not_before_leeway: Duration,
    /// Difference of clocks that is forgiven.
    pub clock_skew_leeway: Duration,
}

/// Link to the vendor's cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudConfig {
    /// Resource.
    pub resource_id: String,
    /// Client ID.
    pub client_id: String,
    /// Client secret.
    pub client_secret: Secret,
    /// Host.
    pub hostname: String,
    /// Authentication URL.
    pub auth_url: String,
    /// Tunnel address.
    pub scada_address: String,
}

/// Telemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// First part of every metric's name.
    pub metrics_prefix: String,
    /// Whether gauges carry no host name.
    pub disable_hostname: bool,
    /// Whether metrics without a rule are let through.
    pub filter_default: bool,
    /// Prefixes let through.
    pub allowed_prefixes: Vec<String>,
    /// Prefixes held back.
    pub blocked_prefixes: Vec<String>,
    /// Whether a sink that cannot be reached is tried again.
    pub retry_failed_connection: bool,
    /// statsite address.
    pub statsite_address: String,
    /// statsd address.
    pub statsd_address: String,
    /// DogStatsD address.
    pub dogstatsd_address: String,
    /// DogStatsD tags.
    pub dogstatsd_tags: Vec<String>,
    /// Time Prometheus metrics are kept; 0 is no Prometheus.
    pub prometheus_retention: Duration,
    /// Circonus settings by key, without the token.
    pub circonus: BTreeMap<&'static str, String>,
    /// Circonus token.
    pub circonus_api_token: Secret,
}

/// Web UI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UiConfig {
    /// Whether the built-in UI is served.
    pub enabled: bool,
    /// Directory of another UI.
    pub dir: String,
    /// URL path, `/x/`.
    pub content_path: String,
    /// Provider of metrics.
    pub metrics_provider: String,
    /// Scripts of the provider.
    pub metrics_provider_files: Vec<String>,
    /// Options of the provider, JSON.
    pub metrics_provider_options_json: String,
    /// Base URL metrics are fetched from.
    pub metrics_proxy_base_url: String,
    /// Headers of those requests.
    pub metrics_proxy_headers: Vec<(String, Secret)>,
    /// Paths that may be fetched.
    pub metrics_proxy_paths: Vec<String>,
    /// URLs of dashboards.
    pub dashboard_url_templates: BTreeMap<String, String>,
    /// Whether the vendor's cloud manages the cluster (`CONSUL_HCP_ENABLED`).
    pub hcp_enabled: bool,
}

/// Agent cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheConfig {
    /// Fetches of one entry in a burst.
    pub entry_fetch_max_burst: i64,
    /// Fetches of one entry per second.
    pub entry_fetch_rate: f64,
}
