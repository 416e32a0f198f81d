//! Autopilot's replicated configuration.

use serde::{Deserialize, Serialize};
use wire::duration::GoDuration;

const MILLISECOND: i64 = 1_000_000;

/// How the leader looks after the other servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct AutopilotConfig {
    pub cleanup_dead_servers: bool,
    pub last_contact_threshold: GoDuration,
    pub max_trailing_logs: u64,
    pub min_quorum: u64,
    pub server_stabilization_time: GoDuration,
    pub redundancy_zone_tag: String,
    pub disable_upgrade_migration: bool,
    pub upgrade_version_tag: String,
    pub create_index: u64,
    pub modify_index: u64,
}

impl Default for AutopilotConfig {
    fn default() -> Self {
        AutopilotConfig {
            cleanup_dead_servers: true,
            last_contact_threshold: GoDuration(200 * MILLISECOND),
            max_trailing_logs: 250,
            min_quorum: 0,
            server_stabilization_time: GoDuration(10_000 * MILLISECOND),
            redundancy_zone_tag: String::new(),
            disable_upgrade_migration: false,
            upgrade_version_tag: String::new(),
            create_index: 0,
            modify_index: 0,
        }
    }
}

/// Command 9 of the replicated log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutopilotSetConfigRequest {
    /// Target datacenter; empty for the local one.
    #[serde(rename = "Datacenter")]
    pub datacenter: String,
    /// The configuration to store.
    #[serde(rename = "Config")]
    pub config: AutopilotConfig,
    /// Write only if the stored one has this ModifyIndex.
    #[serde(rename = "CAS")]
    pub cas: bool,
    /// Secret of the caller's token.
    #[serde(rename = "Token")]
    pub token: String,
}
