//! Autopilot's replicated configuration.

use std::collections::BTreeMap;

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

/// How autopilot sees the servers, in short (`docs/spec/server-operations.md` §5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorHealth {
    /// Whether all servers are healthy.
    pub healthy: bool,
    /// How many voters may fail without losing the quorum.
    pub failure_tolerance: i64,
    /// The servers, by id.
    pub servers: Vec<ServerHealth>,
}

/// One server as autopilot sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ServerHealth {
    pub id: String,
    pub name: String,
    pub address: String,
    /// `alive`, `left`, `failed` or `none`.
    pub serf_status: NodeStatus,
    pub version: String,
    pub leader: bool,
    pub last_contact: GoDuration,
    pub last_term: u64,
    pub last_index: u64,
    pub healthy: bool,
    pub voter: bool,
    pub stable_since: wire::time::GoTime,
}

/// Gossip's word about a server; its number is what Go's gossip library uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NodeStatus {
    /// Not known to gossip.
    #[default]
    None,
    Alive,
    Leaving,
    Left,
    Failed,
}

/// All that autopilot knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutopilotState {
    /// Whether all servers are healthy.
    pub healthy: bool,
    /// How many voters may fail without losing the quorum.
    pub failure_tolerance: i64,
    /// The servers, by id.
    pub servers: BTreeMap<String, AutopilotServer>,
    /// Id of the leader; empty without one.
    pub leader: String,
    /// Ids of the voters: the leader first, then the healthy ones, longest stable first.
    pub voters: Vec<String>,
    /// Ids of those that never vote.
    pub read_replicas: Vec<String>,
}

/// One server, with all that autopilot knows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AutopilotServer {
    pub id: String,
    pub name: String,
    pub address: String,
    pub node_status: NodeStatus,
    pub version: String,
    pub raft_version: i64,
    pub meta: BTreeMap<String, String>,
    pub last_contact: GoDuration,
    pub last_term: u64,
    pub last_index: u64,
    pub healthy: bool,
    pub stable_since: wire::time::GoTime,
    pub read_replica: bool,
    pub status: RaftStatus,
}

/// A server's part in Raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RaftStatus {
    #[default]
    None,
    Leader,
    Voter,
    NonVoter,
}
