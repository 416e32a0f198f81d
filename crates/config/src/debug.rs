//! The resolved configuration as `/v1/agent/self` shows it under `DebugConfig` (`docs/spec/config.md` §13.4).

mod definitions;
mod subsystems;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::runtime::*;

/// What every secret shows, whether it is set or not.
const HIDDEN: &str = "hidden";

/// Facts about the build that the configuration reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BuildInfo<'a> {
    /// Version, such as `1.14.2`.
    pub version: &'a str,
    /// Pre-release tag.
    pub version_prerelease: &'a str,
    /// Build metadata.
    pub version_metadata: &'a str,
    /// Commit.
    pub revision: &'a str,
    /// Date, such as `2022-11-30 16:24:29 +0000 UTC`.
    pub build_date: &'a str,
}

type Field = (&'static str, Value);

impl RuntimeConfig {
    /// Every setting under the reference's names, sorted, secrets hidden. `node_id` is the ID in use.
    pub fn debug_json(&self, node_id: &str, build: &BuildInfo<'_>) -> Value {
        let mut fields = vec![
            ("BuildDate", json!(build.build_date)),
            ("NodeID", json!(node_id)),
            ("Revision", json!(build.revision)),
            ("Version", json!(build.version)),
            ("VersionMetadata", json!(build.version_metadata)),
            ("VersionPrerelease", json!(build.version_prerelease)),
        ];
        fields.extend(self.fixed_fields());
        fields.extend(self.agent_fields());
        fields.extend(self.network_fields());
        fields.extend(self.limit_fields());
        fields.extend(self.dns_fields());
        fields.extend(self.http_fields());
        fields.extend(self.acl_fields());
        fields.extend(self.gossip_fields());
        fields.extend(self.mesh_fields());
        fields.extend(self.tls_fields());
        fields.extend(self.telemetry_fields());
        fields.extend(self.definition_fields());
        fields.sort_by_key(|(name, _)| *name);
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Internal constants of the reference, which it shows as settings.
    fn fixed_fields(&self) -> Vec<Field> {
        let dev = self.dev_mode;
        vec![
            ("AEInterval", json!("1m0s")),
            ("AutoReloadConfigCoalesceInterval", json!("1s")),
            ("CheckDeregisterIntervalMin", json!("1m0s")),
            ("CheckReapInterval", json!("30s")),
            ("ConnectTestCALeafRootChangeSpread", json!("0s")),
            ("ConsulCoordinateUpdateBatchSize", json!(128)),
            ("ConsulCoordinateUpdateMaxBatches", json!(5)),
            ("ConsulCoordinateUpdatePeriod", json!(if dev { "100ms" } else { "5s" })),
            ("ConsulServerHealthInterval", json!(if dev { "10ms" } else { "2s" })),
            ("EnterpriseRuntimeConfig", json!({})),
            ("PeeringTestAllowPeerRegistrations", json!(false)),
            ("SegmentNameLimit", json!(64)),
            ("SyncCoordinateIntervalMin", json!("15s")),
            ("SyncCoordinateRateTarget", json!(64)),
        ]
    }

    fn agent_fields(&self) -> Vec<Field> {
        vec![
            ("AutoReloadConfig", json!(self.auto_reload_config)),
            ("Bootstrap", json!(self.server.bootstrap)),
            ("BootstrapExpect", json!(self.server.bootstrap_expect)),
            ("DataDir", path(self.data_dir.as_deref())),
            ("Datacenter", json!(self.datacenter)),
            ("DevMode", json!(self.dev_mode)),
            ("DisableAnonymousSignature", json!(self.disable_anonymous_signature)),
            ("DisableCoordinates", json!(self.disable_coordinates)),
            ("DisableHostNodeID", json!(self.node.disable_host_id)),
            ("DisableRemoteExec", json!(self.disable_remote_exec)),
            ("DisableUpdateCheck", json!(self.disable_update_check)),
            ("DiscardCheckOutput", json!(self.check.discard_output)),
            ("EnableAgentTLSForChecks", json!(self.check.use_agent_tls)),
            ("EnableCentralServiceConfig", json!(self.check.central_service_config)),
            ("EnableDebug", json!(self.enable_debug)),
            ("EnableLocalScriptChecks", json!(self.check.local_scripts)),
            ("EnableRemoteScriptChecks", json!(self.check.remote_scripts)),
            ("CheckOutputMaxSize", json!(self.check.output_max_size)),
            ("CheckUpdateInterval", span(self.check.update_interval)),
            ("LeaveDrainTime", span(self.leave.drain_time)),
            ("LeaveOnTerm", json!(self.leave.on_terminate)),
            ("SkipLeaveOnInt", json!(self.leave.skip_on_interrupt)),
            ("RejoinAfterLeave", json!(self.leave.rejoin_after)),
            (
                "Logging",
                json!({
                    "EnableSyslog": self.log.syslog,
                    "LogFilePath": self.log.file,
                    "LogJSON": self.log.json,
                    "LogLevel": self.log.level,
                    "LogRotateBytes": self.log.rotate_bytes,
                    "LogRotateDuration": span(self.log.rotate_duration),
                    "LogRotateMaxFiles": self.log.rotate_max_files,
                    "Name": "",
                    "SyslogFacility": self.log.syslog_facility,
                }),
            ),
            ("NodeMeta", json!(self.node.meta)),
            ("NodeName", json!(self.node.name)),
            ("PidFile", path(self.pid_file.as_deref())),
            ("PrimaryDatacenter", json!(self.primary_datacenter)),
            ("ReadReplica", json!(self.server.read_replica)),
            ("SegmentLimit", json!(self.server.segment_limit)),
            ("SegmentName", json!("")),
            ("Segments", json!([])),
            ("ServerMode", json!(self.server.enabled)),
            ("ServerName", json!(self.server.tls_name)),
            ("SessionTTLMin", span(self.session_ttl_min)),
            ("TranslateWANAddrs", json!(self.translate_wan_addrs)),
            ("UnixSocketGroup", json!(self.unix_sockets.group)),
            ("UnixSocketMode", json!(self.unix_sockets.mode)),
            ("UnixSocketUser", json!(self.unix_sockets.user)),
            ("UseStreamingBackend", json!(self.server.use_streaming_backend)),
        ]
    }

    fn network_fields(&self) -> Vec<Field> {
        let network = &self.network;
        vec![
            ("AdvertiseAddrLAN", json!(network.advertise_lan)),
            ("AdvertiseAddrWAN", json!(network.advertise_wan)),
            ("BindAddr", json!(network.bind)),
            ("ClientAddrs", json!(network.client)),
            ("RPCAdvertiseAddr", tcp(network.advertise_lan, network.server_port)),
            ("RPCBindAddr", tcp(network.bind, network.server_port)),
            ("SerfAdvertiseAddrLAN", tcp(network.advertise_lan, network.serf_lan_port)),
            ("SerfAdvertiseAddrWAN", wan(network.serf_wan_port, network.advertise_wan)),
            ("SerfAllowedCIDRsLAN", shown(&network.serf_allowed_lan)),
            ("SerfAllowedCIDRsWAN", shown(&network.serf_allowed_wan)),
            ("SerfBindAddrLAN", tcp(network.serf_bind_lan, network.serf_lan_port)),
            ("SerfBindAddrWAN", wan(network.serf_wan_port, network.serf_bind_wan)),
            ("SerfPortLAN", port(network.serf_lan_port)),
            ("SerfPortWAN", port(network.serf_wan_port)),
            ("ServerPort", port(network.server_port)),
            ("TaggedAddresses", json!(network.tagged_addresses)),
            ("GRPCAddrs", shown(&self.grpc.addresses)),
            ("GRPCPort", port(self.grpc.port)),
            ("GRPCTLSAddrs", shown(&self.grpc.tls_addresses)),
            ("GRPCTLSPort", port(self.grpc.tls_port)),
            ("XDSUpdateRateLimit", number(self.grpc.xds_max_updates_per_second)),
        ]
    }

    fn limit_fields(&self) -> Vec<Field> {
        let (limits, raft) = (&self.limits, &self.raft);
        vec![
            ("HTTPMaxConnsPerClient", json!(limits.http_max_conns_per_client)),
            ("HTTPSHandshakeTimeout", span(limits.https_handshake_timeout)),
            ("KVMaxValueSize", json!(limits.kv_max_value_size)),
            ("RPCClientTimeout", span(limits.rpc_client_timeout)),
            ("RPCHandshakeTimeout", span(limits.rpc_handshake_timeout)),
            ("RPCMaxBurst", json!(limits.rpc_max_burst)),
            ("RPCMaxConnsPerClient", json!(limits.rpc_max_conns_per_client)),
            ("RPCRateLimit", number(limits.rpc_rate)),
            ("TxnMaxReqLen", json!(limits.txn_max_req_len)),
            ("ConsulRaftElectionTimeout", span(raft.election_timeout)),
            ("ConsulRaftHeartbeatTimeout", span(raft.heartbeat_timeout)),
            ("ConsulRaftLeaderLeaseTimeout", span(raft.leader_lease_timeout)),
            ("RPCHoldTimeout", span(raft.rpc_hold_timeout)),
            ("RaftBoltDBConfig", json!({ "NoFreelistSync": raft.no_freelist_sync })),
            ("RaftProtocol", json!(raft.protocol)),
            ("RaftSnapshotInterval", span(raft.snapshot_interval)),
            ("RaftSnapshotThreshold", json!(raft.snapshot_threshold)),
            ("RaftTrailingLogs", json!(raft.trailing_logs)),
            ("DefaultQueryTime", span(self.query.default_time)),
            ("DiscoveryMaxStale", span(self.query.discovery_max_stale)),
            ("MaxQueryTime", span(self.query.max_time)),
            ("RPCConfig", json!({ "EnableStreaming": self.server.rpc_streaming })),
            ("RPCProtocol", json!(self.server.protocol)),
            (
                "Cache",
                json!({
                    "EntryFetchMaxBurst": self.cache.entry_fetch_max_burst,
                    "EntryFetchRate": number(self.cache.entry_fetch_rate),
                    "Logger": null,
                }),
            ),
        ]
    }
}

fn span(duration: Duration) -> Value {
    crate::duration::show(duration).into()
}

/// A float as Go's JSON prints it: without a fraction when it has none.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT { (value as i64).into() } else { value.into() }
}

fn port(port: Option<u16>) -> Value {
    port.map_or(json!(-1), |port| json!(port))
}

fn tcp(ip: IpAddr, port: Option<u16>) -> Value {
    let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    let port = port.map_or(-1, i64::from);
    format!("tcp://{host}:{port}").into()
}

/// An address of WAN gossip, empty when it is disabled.
fn wan(port: Option<u16>, ip: IpAddr) -> Value {
    if port.is_none() { json!("") } else { tcp(ip, port) }
}

fn path(path: Option<&Path>) -> Value {
    path.map(|path| path.display().to_string()).unwrap_or_default().into()
}

fn owned_path(file: Option<&PathBuf>) -> Value {
    path(file.map(PathBuf::as_path))
}

fn shown<T: std::fmt::Display>(items: &[T]) -> Value {
    items.iter().map(|item| Value::from(item.to_string())).collect()
}

/// Join entries with the values of names that sound secret masked.
pub(crate) fn masked(entries: &[String]) -> Value {
    static SECRET: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?i)(\S*(?:key|token|secret)\S*?)=("(?:[^"\\]|\\.)*"|\S+)"#).ok());
    let mask = |entry: &String| match SECRET.as_ref() {
        Some(secret) if entry.contains("provider=") => secret.replace_all(entry, "$1=hidden").into_owned(),
        _ => entry.clone(),
    };
    entries.iter().map(|entry| Value::from(mask(entry))).collect()
}

/// A map of Go's, printed with sorted keys.
fn sorted(map: &Map<String, Value>) -> Value {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    Value::Object(entries.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn secrets_of_join_entries_are_masked() {
        let entries = [
            "10.0.0.1:8301".to_owned(),
            r#"provider=aws tag_key=foo secret_access_key="x \" y" region=us"#.to_owned(),
            "provider=os password=p api_token=t".to_owned(),
        ];
        let expected = [
            "10.0.0.1:8301",
            "provider=aws tag_key=hidden secret_access_key=hidden region=us",
            "provider=os password=p api_token=hidden",
        ];
        assert_eq!(masked(&entries), serde_json::json!(expected));
    }
}
