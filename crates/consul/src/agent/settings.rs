//! From the configuration to what each part of an agent wants to know.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use agent::cache::FetchLimits;
use agent::{CheckSettings, Identity, KeptSettings, LocalSettings};
use config::{Loaded, RecursorStrategy, RuntimeConfig};
use server::{Addresses, ConnectSettings, SnapshotPolicy, Storage, Timing};
use telemetry::{FileSettings, LogSettings};
use types::connect_ca::ProviderSettings;
use types::{AutopilotConfig, GoDuration};

use super::start_error::StartError;
use super::tls;

const DATA_DIR_MODE: u32 = 0o755;
/// Shortest session TTL unless another is configured.
const SESSION_TTL_MIN: Duration = Duration::from_secs(10);
/// How often gathered coordinates are written; more often in development mode.
const COORDINATE_FLUSH: Duration = Duration::from_secs(5);
const COORDINATE_FLUSH_DEV: Duration = Duration::from_millis(100);
/// Key of `connect.ca_config` that names a new cluster.
const CLUSTER_ID: &str = "cluster_id";
/// Metadata every node carries: its network segment, always the default one.
const SEGMENT_META: &str = "consul-network-segment";

pub(super) fn logs(log: &config::LogConfig) -> Result<LogSettings, StartError> {
    let file = (!log.file.is_empty()).then(|| FileSettings {
        path: PathBuf::from(&log.file),
        rotate_bytes: log.rotate_bytes,
        rotate_duration: log.rotate_duration,
        max_files: log.rotate_max_files,
    });
    let level = telemetry::parse_level(&log.level).map_err(StartError::LogLevel)?;
    Ok(LogSettings { level, json: log.json, file, stdout: true })
}

/// Logs what the configuration's author should know: at the start, and again at every reload.
pub(super) fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!(target: "agent", "{warning}");
    }
    for setting in config::idle(loaded) {
        tracing::warn!(target: "agent", "{setting}; the setting has no effect");
    }
}

pub(super) fn make_data_dir(config: &RuntimeConfig) -> Result<(), StartError> {
    let Some(path) = &config.data_dir else { return Ok(()) };
    let made = fs::DirBuilder::new().recursive(true).mode(DATA_DIR_MODE).create(path);
    made.map_err(|error| StartError::DataDir(path.clone(), error))
}

pub(super) fn node_meta(config: &RuntimeConfig) -> BTreeMap<String, String> {
    let mut meta = config.node.meta.clone();
    meta.insert(SEGMENT_META.to_owned(), String::new());
    meta
}

pub(super) fn identity(config: &RuntimeConfig, node_id: &str) -> Identity {
    Identity {
        node_name: config.node.name.clone(),
        node_id: node_id.to_owned(),
        datacenter: config.datacenter.clone(),
        node_meta: node_meta(config),
        advertise: config.network.advertise_lan,
        server: config.server.enabled,
        bootstrap: config.server.bootstrap,
        disable_remote_exec: config.disable_remote_exec,
        disable_coordinates: config.disable_coordinates,
    }
}

/// What this agent registers, and how it runs checks.
pub(super) fn local(config: &RuntimeConfig) -> Result<LocalSettings, StartError> {
    Ok(LocalSettings {
        data_dir: config.data_dir.clone(),
        checks: checks(config),
        tls: tls::for_checks(config)?,
        advertise: config.network.advertise_lan,
        node_tagged_addresses: config.network.tagged_addresses.clone(),
        expose_ports: {
            let (first, last) = config.connect.expose_ports;
            let port = |number: i64| u16::try_from(number).unwrap_or(u16::MAX);
            port(first)..port(last)
        },
        services: config.services.clone(),
        check_definitions: config.checks.clone(),
    })
}

/// What a client agent keeps of servers' answers.
pub(super) fn kept(config: &RuntimeConfig) -> KeptSettings {
    KeptSettings {
        streaming: config.server.use_streaming_backend,
        default_query_time: config.query.default_time,
        max_query_time: config.query.max_time,
        limits: cache_limits(config),
    }
}

/// How often an entry of the agent's cache may be fetched.
pub(super) fn cache_limits(config: &RuntimeConfig) -> FetchLimits {
    FetchLimits {
        rate: config.cache.entry_fetch_rate,
        burst: u32::try_from(config.cache.entry_fetch_max_burst).unwrap_or(u32::MAX),
    }
}

/// How checks are run.
pub(super) fn checks(config: &RuntimeConfig) -> CheckSettings {
    CheckSettings {
        output_max_bytes: usize::try_from(config.check.output_max_size).unwrap_or(usize::MAX),
        update_interval: config.check.update_interval,
        discard_output: config.check.discard_output,
        remote_scripts: config.check.remote_scripts,
        local_scripts: config.check.local_scripts,
    }
}

/// How DNS answers.
pub(super) fn dns(config: &RuntimeConfig) -> dns::Settings {
    let dns = &config.dns;
    let bare = |domain: &str| domain.trim_matches('.').to_ascii_lowercase();
    dns::Settings {
        domain: bare(&dns.domain),
        alt_domain: bare(&dns.alt_domain),
        datacenter: config.datacenter.clone(),
        node_name: config.node.name.clone(),
        segment: String::new(),
        node_ttl: dns.node_ttl,
        service_ttl: dns.service_ttl.clone(),
        only_passing: dns.only_passing,
        udp_answer_limit: dns.udp_answer_limit,
        a_record_limit: dns.a_record_limit,
        disable_compression: dns.disable_compression,
        enable_truncate: dns.enable_truncate,
        node_meta_txt: dns.node_meta_txt,
        allow_stale: dns.allow_stale,
        max_stale: dns.max_stale,
        recursors: dns.recursors.clone(),
        recursor_strategy: match dns.recursor_strategy {
            RecursorStrategy::Sequential => dns::RecursorStrategy::Sequential,
            RecursorStrategy::Random => dns::RecursorStrategy::Random,
        },
        recursor_timeout: dns.recursor_timeout,
        soa: dns::Soa {
            refresh: dns.soa.refresh,
            retry: dns.soa.retry,
            expire: dns.soa.expire,
            min_ttl: dns.soa.min_ttl,
        },
        use_cache: dns.use_cache,
        cache_max_age: dns.cache_max_age,
        translate_wan_addrs: config.translate_wan_addrs,
        token: String::new(),
    }
}

/// What metrics are kept, and how they are named.
pub(super) fn metrics(config: &RuntimeConfig) -> telemetry::metrics::Settings {
    let telemetry = &config.telemetry;
    telemetry::metrics::Settings {
        prefix: telemetry.metrics_prefix.clone(),
        prometheus_retention: telemetry.prometheus_retention,
        allowed_prefixes: telemetry.allowed_prefixes.clone(),
        blocked_prefixes: telemetry.blocked_prefixes.clone(),
        filter_default: telemetry.filter_default,
    }
}

pub(super) fn server(config: &RuntimeConfig, node_id: &str) -> Result<server::ServerConfig, StartError> {
    let node_id = node_id.parse().map_err(|error| StartError::ServerSettings(format!("{error}")))?;
    let storage = match &config.data_dir {
        Some(path) if !config.dev_mode => Storage::Disk(path.clone()),
        _ => Storage::Memory,
    };
    Ok(server::ServerConfig {
        datacenter: config.datacenter.clone(),
        node_name: config.node.name.clone(),
        node_id,
        addresses: Addresses {
            advertise: config.network.advertise_lan,
            server_port: config.network.server_port.unwrap_or_default(),
            grpc_port: None,
            grpc_tls_port: None,
        },
        storage,
        bootstrap: config.server.bootstrap || config.dev_mode,
        bootstrap_expect: u32::try_from(config.server.bootstrap_expect).unwrap_or(u32::MAX),
        read_replica: config.server.read_replica,
        leave_drain_time: config.leave.drain_time,
        wan_join_port: config.network.serf_wan_port,
        raft: if config.dev_mode { Timing::dev() } else { Timing::with_multiplier(config.raft.multiplier) },
        snapshots: snapshot_policy(config),
        session_ttl_min: if config.session_ttl_min.is_zero() { SESSION_TTL_MIN } else { config.session_ttl_min },
        rpc_hold_timeout: config.raft.rpc_hold_timeout,
        default_query_time: config.query.default_time,
        max_query_time: config.query.max_time,
        coordinate_flush: if config.dev_mode { COORDINATE_FLUSH_DEV } else { COORDINATE_FLUSH },
        autopilot: autopilot(&config.autopilot),
        connect: connect(&config.connect)?,
    })
}

/// When the log is compacted; zero stands for the default of each setting.
pub(super) fn snapshot_policy(config: &RuntimeConfig) -> SnapshotPolicy {
    let or = |value: u64, default: u64| if value == 0 { default } else { value };
    let default = SnapshotPolicy::default();
    let interval = config.raft.snapshot_interval;
    SnapshotPolicy {
        interval: if interval.is_zero() { default.interval } else { interval },
        threshold: or(config.raft.snapshot_threshold, default.threshold),
        trailing_logs: or(config.raft.trailing_logs, default.trailing_logs),
    }
}

fn connect(config: &config::ConnectConfig) -> Result<ConnectSettings, StartError> {
    let wrong = |what: &str| StartError::ServerSettings(format!("cluster_id was supplied but was not a {what}"));
    let cluster_id = match config.ca_config.0.get(CLUSTER_ID) {
        None => None,
        Some(value) => {
            let text = value.as_str().ok_or_else(|| wrong("string"))?;
            if !pki::is_cluster_id(text) {
                return Err(wrong("valid UUID"));
            }
            Some(text.to_owned())
        }
    };
    let ca_config = ProviderSettings(config.ca_config.0.clone().into_iter().collect());
    Ok(ConnectSettings { enabled: config.enabled, cluster_id, ca_config })
}

fn autopilot(config: &config::AutopilotConfig) -> AutopilotConfig {
    AutopilotConfig {
        cleanup_dead_servers: config.cleanup_dead_servers,
        last_contact_threshold: GoDuration::from(config.last_contact_threshold),
        max_trailing_logs: config.max_trailing_logs,
        min_quorum: config.min_quorum,
        server_stabilization_time: GoDuration::from(config.server_stabilization_time),
        redundancy_zone_tag: config.redundancy_zone_tag.clone(),
        disable_upgrade_migration: config.disable_upgrade_migration,
        upgrade_version_tag: config.upgrade_version_tag.clone(),
        ..AutopilotConfig::default()
    }
}

pub(super) fn http(config: &RuntimeConfig) -> http_api::Settings {
    let default = http_api::Settings::default();
    let networks = config.http.allow_write_from.iter();
    http_api::Settings {
        block_endpoints: config.http.block_endpoints.clone(),
        // Both sides read the same notation: what one prints the other accepts.
        allow_write_http_from: networks.filter_map(|cidr| cidr.to_string().parse().ok()).collect(),
        response_headers: config.http.response_headers.clone().into_iter().collect(),
        max_header_bytes: match config.http.max_header_bytes {
            0 => default.max_header_bytes,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        },
        pretty: config.dev_mode,
        disable_unprintable_char_filter: config.http.disable_unprintable_char_filter,
        kv_max_value_size: config.limits.kv_max_value_size,
        txn_max_req_len: config.limits.txn_max_req_len,
        http_max_conns_per_client: max_conns(config),
        https_handshake_timeout: config.limits.https_handshake_timeout,
        default_query_time: config.query.default_time,
        max_query_time: config.query.max_time,
        discovery_max_stale: config.query.discovery_max_stale,
        translate_wan_addrs: config.translate_wan_addrs,
        default_acl_policy: config.acl.default_policy.clone(),
        use_cache: config.http.use_cache,
        use_streaming_backend: config.server.use_streaming_backend,
        enable_debug: config.enable_debug,
        ui_content_path: config.ui.enabled.then(|| config.ui.content_path.clone()),
        disable_coordinates: config.disable_coordinates,
        ..default
    }
}

/// Open connections of one client address; 0 for no bound.
pub(super) fn max_conns(config: &RuntimeConfig) -> usize {
    usize::try_from(config.limits.http_max_conns_per_client).unwrap_or(usize::MAX)
}
