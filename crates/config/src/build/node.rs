//! The node, its server role, and the settings that stand alone.

use std::time::Duration;

use super::Build;
use crate::error::ConfigError;
use crate::runtime::*;
use crate::secret::Secret;

/// Durations of keys that belong to different parts, read in the order in which the reference reports them.
pub(super) struct Scattered {
    pub(super) advertise_reconnect_timeout: Duration,
    pub(super) check_update_interval: Duration,
    pub(super) default_query_time: Duration,
    pub(super) discovery_max_stale: Duration,
    pub(super) https_handshake_timeout: Duration,
    pub(super) leave_drain_time: Duration,
    pub(super) log_rotate_duration: Duration,
    pub(super) max_query_time: Duration,
    pub(super) primary_gateways: Vec<String>,
    pub(super) primary_gateways_interval: Duration,
    pub(super) rpc_handshake_timeout: Duration,
    pub(super) rpc_hold_timeout: Duration,
    pub(super) rpc_client_timeout: Duration,
    pub(super) raft_snapshot_interval: Duration,
    pub(super) reconnect_timeout: Duration,
    pub(super) reconnect_timeout_wan: Duration,
    pub(super) retry_interval: Duration,
    pub(super) retry_interval_wan: Duration,
    pub(super) retry_join: Vec<String>,
    pub(super) retry_join_wan: Vec<String>,
    pub(super) session_ttl_min: Duration,
    pub(super) start_join: Vec<String>,
    pub(super) start_join_wan: Vec<String>,
}

impl Build<'_> {
    pub(super) fn scattered_durations(&mut self) -> Scattered {
        Scattered {
            advertise_reconnect_timeout: self.duration("advertise_reconnect_timeout"),
            check_update_interval: self.duration("check_update_interval"),
            default_query_time: self.duration("default_query_time"),
            discovery_max_stale: self.duration("discovery_max_stale"),
            https_handshake_timeout: self.duration("limits.https_handshake_timeout"),
            leave_drain_time: self.duration("performance.leave_drain_time"),
            log_rotate_duration: self.duration("log_rotate_duration"),
            max_query_time: self.duration("max_query_time"),
            primary_gateways: self.join_list("primary_gateways"),
            primary_gateways_interval: self.duration("primary_gateways_interval"),
            rpc_handshake_timeout: self.duration("limits.rpc_handshake_timeout"),
            rpc_hold_timeout: self.duration("performance.rpc_hold_timeout"),
            rpc_client_timeout: self.duration("limits.rpc_client_timeout"),
            raft_snapshot_interval: self.duration("raft_snapshot_interval"),
            reconnect_timeout: self.duration("reconnect_timeout"),
            reconnect_timeout_wan: self.duration("reconnect_timeout_wan"),
            retry_interval: self.duration("retry_interval"),
            retry_interval_wan: self.duration("retry_interval_wan"),
            retry_join: self.join_list("retry_join"),
            retry_join_wan: self.join_list("retry_join_wan"),
            session_ttl_min: self.duration("session_ttl_min"),
            start_join: self.join_list("start_join"),
            start_join_wan: self.join_list("start_join_wan"),
        }
    }

    /// The primary datacenter: with ACLs and none given it is the agent's own.
    pub(super) fn primary_datacenter(&self) -> String {
        match self.settings.text("primary_datacenter") {
            "" => self.settings.text("datacenter").to_lowercase(),
            given => given.to_lowercase(),
        }
    }

    pub(super) fn node(&mut self) -> Result<NodeConfig, ConfigError> {
        let name = match self.settings.text("node_name") {
            "" => {
                let hostname = self.env.hostname.clone();
                hostname.map_err(|error| self.invalid("node_name", format!("Error determining node name: {error}")))?
            }
            name => name.to_owned(),
        };
        Ok(NodeConfig {
            name: name.trim().to_owned(),
            id: Some(self.text("node_id")).filter(|id| !id.is_empty()),
            disable_host_id: self.settings.bool("disable_host_node_id"),
            meta: self.settings.text_map("node_meta"),
        })
    }

    pub(super) fn server(&mut self, enabled: bool) -> ServerConfig {
        let mut bootstrap = self.settings.bool("bootstrap");
        let mut expect = self.settings.int("bootstrap_expect");
        if expect == 1 {
            (bootstrap, expect) = (true, 0);
            self.warnings.push("BootstrapExpect is set to 1; this is the same as Bootstrap mode.".to_owned());
        }
        ServerConfig {
            enabled,
            bootstrap,
            // A negative count is refused by the rules.
            bootstrap_expect: u64::try_from(expect).unwrap_or(0),
            read_replica: self.settings.bool("read_replica"),
            protocol: self.settings.int("protocol"),
            tls_name: self.text("server_name"),
            rpc_streaming: self.settings.maybe_bool("rpc.enable_streaming").unwrap_or(enabled),
            use_streaming_backend: self.settings.bool("use_streaming_backend"),
            segment_limit: self.settings.int("segment_limit"),
        }
    }

    pub(super) fn limits(&self, rest: &Scattered) -> Limits {
        Limits {
            http_max_conns_per_client: self.count("limits.http_max_conns_per_client"),
            https_handshake_timeout: rest.https_handshake_timeout,
            rpc_handshake_timeout: rest.rpc_handshake_timeout,
            rpc_client_timeout: rest.rpc_client_timeout,
            rpc_rate: self.settings.float("limits.rpc_rate"),
            rpc_max_burst: self.settings.int("limits.rpc_max_burst"),
            rpc_max_conns_per_client: self.count("limits.rpc_max_conns_per_client"),
            kv_max_value_size: self.count("limits.kv_max_value_size"),
            txn_max_req_len: self.count("limits.txn_max_req_len"),
        }
    }

    pub(super) fn acl(&mut self) -> AclConfig {
        let policy_ttl = self.duration("acl.policy_ttl");
        let token_ttl = self.duration("acl.token_ttl");
        let role_ttl = self.duration("acl.role_ttl");
        let token = |key| Secret(self.settings.text(key).to_owned());
        AclConfig {
            enabled: self.settings.bool("acl.enabled"),
            default_policy: self.text("acl.default_policy"),
            down_policy: self.text("acl.down_policy"),
            policy_ttl,
            role_ttl,
            token_ttl,
            token_replication: self.settings.bool("acl.enable_token_replication"),
            key_list_policy: self.settings.bool("acl.enable_key_list_policy"),
            token_persistence: self.settings.bool("acl.enable_token_persistence"),
            initial_management: token("acl.tokens.initial_management"),
            agent_recovery: token("acl.tokens.agent_recovery"),
            agent: token("acl.tokens.agent"),
            default_token: token("acl.tokens.default"),
            replication: token("acl.tokens.replication"),
        }
    }

    pub(super) fn gossip_timing(&mut self, network: &str) -> GossipTiming {
        let (keys, label) = match network {
            "lan" => (&GOSSIP_LAN, "gossip_lan."),
            _ => (&GOSSIP_WAN, "gossip_wan."),
        };
        let [nodes, retransmit, suspicion, interval, probe, timeout] = *keys;
        // Two dots: the reference's own spelling of these names.
        GossipTiming {
            gossip_interval: self.duration_named(interval, &format!("{label}.gossip_interval")),
            probe_interval: self.duration_named(probe, &format!("{label}.probe_interval")),
            probe_timeout: self.duration_named(timeout, &format!("{label}.probe_timeout")),
            gossip_nodes: self.settings.int(nodes),
            retransmit_mult: self.settings.int(retransmit),
            suspicion_mult: self.settings.int(suspicion),
        }
    }

    pub(super) fn autopilot(&mut self) -> AutopilotConfig {
        let last_contact_threshold = self.duration("autopilot.last_contact_threshold");
        let server_stabilization_time = self.duration("autopilot.server_stabilization_time");
        AutopilotConfig {
            cleanup_dead_servers: self.settings.bool("autopilot.cleanup_dead_servers"),
            last_contact_threshold,
            max_trailing_logs: self.count("autopilot.max_trailing_logs"),
            min_quorum: self.count("autopilot.min_quorum"),
            server_stabilization_time,
            redundancy_zone_tag: self.text("autopilot.redundancy_zone_tag"),
            upgrade_version_tag: self.text("autopilot.upgrade_version_tag"),
            disable_upgrade_migration: self.settings.bool("autopilot.disable_upgrade_migration"),
        }
    }

    pub(super) fn join(&self, rest: &Scattered) -> JoinConfig {
        JoinConfig {
            start_lan: rest.start_join.clone(),
            start_wan: rest.start_join_wan.clone(),
            retry_lan: rest.retry_join.clone(),
            retry_wan: rest.retry_join_wan.clone(),
            retry_interval_lan: rest.retry_interval,
            retry_interval_wan: rest.retry_interval_wan,
            retry_max_lan: self.settings.int("retry_max"),
            retry_max_wan: self.settings.int("retry_max_wan"),
            primary_gateways: rest.primary_gateways.clone(),
            primary_gateways_interval: rest.primary_gateways_interval,
        }
    }

    pub(super) fn check_settings(&self, rest: &Scattered) -> CheckConfig {
        let remote_scripts = self.settings.bool("enable_script_checks");
        CheckConfig {
            output_max_size: self.count("check_output_max_size"),
            update_interval: rest.check_update_interval,
            discard_output: self.settings.bool("discard_check_output"),
            remote_scripts,
            local_scripts: self.settings.maybe_bool("enable_local_script_checks").unwrap_or(remote_scripts),
            use_agent_tls: self.settings.bool("enable_agent_tls_for_checks"),
            central_service_config: self.settings.bool("enable_central_service_config"),
        }
    }

    pub(super) fn cloud(&self) -> CloudConfig {
        let Some(stanza) = self.settings.shape("cloud") else { return CloudConfig::default() };
        let text = |key| stanza.text(key).to_owned();
        CloudConfig {
            resource_id: text("resource_id"),
            client_id: text("client_id"),
            client_secret: Secret(text("client_secret")),
            hostname: text("hostname"),
            auth_url: text("auth_url"),
            scada_address: text("scada_address"),
        }
    }
}

const GOSSIP_LAN: [&str; 6] = [
    "gossip_lan.gossip_nodes",
    "gossip_lan.retransmit_mult",
    "gossip_lan.suspicion_mult",
    "gossip_lan.gossip_interval",
    "gossip_lan.probe_interval",
    "gossip_lan.probe_timeout",
];
const GOSSIP_WAN: [&str; 6] = [
    "gossip_wan.gossip_nodes",
    "gossip_wan.retransmit_mult",
    "gossip_wan.suspicion_mult",
    "gossip_wan.gossip_interval",
    "gossip_wan.probe_interval",
    "gossip_wan.probe_timeout",
];
