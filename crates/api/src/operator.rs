//! Raft, autopilot, gossip keys (`docs/spec/http-api.md §10`).

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use serde::{Deserialize, Serialize};

use crate::{Client, QueryOptions, Result, WriteOptions, go};

/// Raft, autopilot, gossip keys; [`Client::operator`] makes one.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(crate) client: Client,
}

/// The Raft peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RaftConfiguration {
    /// The servers.
    #[serde(deserialize_with = "go::null_default")]
    pub servers: Vec<RaftServer>,
    /// Always 0 in the reference.
    pub index: u64,
}

/// One Raft peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RaftServer {
    /// Its Raft ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node; `(unknown)` when it is not a member.
    pub node: String,
    /// `ip:port`.
    pub address: String,
    /// It leads.
    pub leader: bool,
    /// Raft protocol version; may be empty.
    pub protocol_version: String,
    /// It votes.
    pub voter: bool,
}

/// Autopilot's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AutopilotConfiguration {
    /// Remove failed servers when a new one joins.
    pub cleanup_dead_servers: bool,
    /// Longest silence of a healthy server.
    #[serde(with = "go::duration_text")]
    pub last_contact_threshold: Duration,
    /// Most entries a healthy server may lag behind.
    pub max_trailing_logs: u64,
    /// Never prune below this many servers.
    pub min_quorum: u64,
    /// How long a new server must be healthy before it votes.
    #[serde(with = "go::duration_text")]
    pub server_stabilization_time: Duration,
    /// Enterprise.
    pub redundancy_zone_tag: String,
    /// Enterprise.
    pub disable_upgrade_migration: bool,
    /// Enterprise.
    pub upgrade_version_tag: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change; what [`Operator::autopilot_cas_configuration`] compares.
    pub modify_index: u64,
}

/// The servers' defaults: what members left out of an update are reset to.
impl Default for AutopilotConfiguration {
    fn default() -> Self {
        AutopilotConfiguration {
            cleanup_dead_servers: true,
            last_contact_threshold: Duration::from_millis(200),
            max_trailing_logs: 250,
            min_quorum: 0,
            server_stabilization_time: Duration::from_secs(10),
            redundancy_zone_tag: String::new(),
            disable_upgrade_migration: false,
            upgrade_version_tag: String::new(),
            create_index: 0,
            modify_index: 0,
        }
    }
}

/// Health of the servers, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AutopilotHealth {
    /// Every server is healthy.
    pub healthy: bool,
    /// How many more may fail.
    pub failure_tolerance: u64,
    /// The servers.
    #[serde(deserialize_with = "go::null_default")]
    pub servers: Vec<AutopilotServerHealth>,
}

/// Health of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AutopilotServerHealth {
    /// Its Raft ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node.
    pub name: String,
    /// `ip:port`.
    pub address: String,
    /// `alive`, `left`, `failed` or `none`.
    pub serf_status: String,
    /// Version it runs.
    pub version: String,
    /// It leads.
    pub leader: bool,
    /// Time since it last heard the leader.
    #[serde(with = "go::duration_text")]
    pub last_contact: Duration,
    /// Its last Raft term.
    pub last_term: u64,
    /// Its last Raft index.
    pub last_index: u64,
    /// It is healthy.
    pub healthy: bool,
    /// It votes.
    pub voter: bool,
    /// Since when it is as healthy as it is (RFC 3339).
    pub stable_since: String,
}

/// Health of the servers, in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AutopilotState {
    /// Every server is healthy.
    pub healthy: bool,
    /// How many more may fail.
    pub failure_tolerance: u64,
    /// How many more may fail one after the other.
    pub optimistic_failure_tolerance: u64,
    /// The servers by Raft ID.
    #[serde(deserialize_with = "go::null_default")]
    pub servers: BTreeMap<String, AutopilotServer>,
    /// Raft ID of the leader; empty when there is none.
    pub leader: String,
    /// Raft IDs of the voters.
    #[serde(deserialize_with = "go::null_default")]
    pub voters: Vec<String>,
    /// Enterprise.
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub read_replicas: Vec<String>,
    /// Enterprise.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub redundancy_zones: BTreeMap<String, serde_json::Value>,
    /// Enterprise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<serde_json::Value>,
}

/// One server of [`AutopilotState`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AutopilotServer {
    /// Its Raft ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node.
    pub name: String,
    /// `ip:port`.
    pub address: String,
    /// `alive`, `left`, `failed` or `none`.
    pub node_status: String,
    /// Version it runs.
    pub version: String,
    /// Time since it last heard the leader.
    #[serde(with = "go::duration_text")]
    pub last_contact: Duration,
    /// Its last Raft term.
    pub last_term: u64,
    /// Its last Raft index.
    pub last_index: u64,
    /// It is healthy.
    pub healthy: bool,
    /// Since when it is as healthy as it is (RFC 3339).
    pub stable_since: String,
    /// Enterprise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub redundancy_zone: String,
    /// Enterprise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub upgrade_version: String,
    /// Enterprise.
    pub read_replica: bool,
    /// `none`, `leader`, `voter`, `non-voter` or `staging`.
    pub status: String,
    /// Metadata of the node.
    #[serde(with = "go::null_map")]
    pub meta: BTreeMap<String, String>,
    /// Always `voter` in the open-source reference.
    pub node_type: String,
}

/// The gossip keys of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct KeyringPool {
    /// The pool between datacenters.
    #[serde(rename = "WAN")]
    pub wan: bool,
    /// Its datacenter.
    pub datacenter: String,
    /// Network segment; empty for the default one.
    pub segment: String,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// What single nodes had to say, by name.
    #[serde(with = "go::null_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, String>,
    /// Installed keys and how many nodes have each.
    #[serde(deserialize_with = "go::null_default")]
    pub keys: BTreeMap<String, u64>,
    /// Primary keys and how many nodes use each.
    #[serde(deserialize_with = "go::null_default")]
    pub primary_keys: BTreeMap<String, u64>,
    /// Nodes of the pool.
    pub num_nodes: u64,
    /// What failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyringRequest<'a> {
    key: &'a str,
}

impl Operator {
    /// The Raft peers; with `stale` any server answers, leader or not.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse),
    /// [`Error::Decode`](crate::Error::Decode).
    pub async fn raft_configuration(&self, options: &QueryOptions) -> Result<RaftConfiguration> {
        Ok(self.client.query("/v1/operator/raft/configuration", options).await?.0)
    }

    /// Removes a peer by `ip:port`, without asking whether it is dead.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn raft_remove_peer_by_address(&self, address: &str, options: &WriteOptions) -> Result<()> {
        self.raft_remove_peer("address", address, options).await
    }

    /// Removes a peer by its Raft ID, without asking whether it is dead.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn raft_remove_peer_by_id(&self, id: &str, options: &WriteOptions) -> Result<()> {
        self.raft_remove_peer("id", id, options).await
    }

    /// Autopilot's settings.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn autopilot_configuration(&self, options: &QueryOptions) -> Result<AutopilotConfiguration> {
        Ok(self.client.query("/v1/operator/autopilot/configuration", options).await?.0)
    }

    /// Replaces autopilot's settings.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn autopilot_set_configuration(
        &self,
        configuration: &AutopilotConfiguration,
        options: &WriteOptions,
    ) -> Result<()> {
        self.client.write_empty("/v1/operator/autopilot/configuration", configuration, options).await
    }

    /// Replaces autopilot's settings if their `modify_index` is still the one given. False when it is not.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn autopilot_cas_configuration(
        &self,
        configuration: &AutopilotConfiguration,
        options: &WriteOptions,
    ) -> Result<bool> {
        let request = self.client.put("/v1/operator/autopilot/configuration");
        let request = request.param("cas", configuration.modify_index.to_string()).write_options(options);
        request.json(configuration).send().await?.ok().await?.json().await
    }

    /// Health of the servers, in short; an unhealthy cluster is an answer, not an error.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn autopilot_health(&self, options: &QueryOptions) -> Result<AutopilotHealth> {
        let request = self.client.get("/v1/operator/autopilot/health").query_options(options);
        let answer = request.send().await?.expect(&[200, 429]).await?;
        let status = answer.status();
        let body = answer.text().await?;
        // An unhealthy state and an exceeded rate limit share their status; only the first has a body.
        serde_json::from_str(&body)
            .map_err(|_| crate::Error::UnexpectedResponse { status, body: body.trim().to_owned() })
    }

    /// Health of the servers, in full.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn autopilot_state(&self, options: &QueryOptions) -> Result<AutopilotState> {
        Ok(self.client.query("/v1/operator/autopilot/state", options).await?.0)
    }

    /// The gossip keys of every pool.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn keyring_list(&self, options: &QueryOptions) -> Result<Vec<KeyringPool>> {
        Ok(self.client.query::<Option<_>>("/v1/operator/keyring", options).await?.0.unwrap_or_default())
    }

    /// Installs a gossip key (base64) everywhere.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn keyring_install(&self, key: &str, options: &WriteOptions) -> Result<()> {
        self.keyring(Method::POST, key, options).await
    }

    /// Makes an installed gossip key the one messages are encrypted with.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn keyring_use(&self, key: &str, options: &WriteOptions) -> Result<()> {
        self.keyring(Method::PUT, key, options).await
    }

    /// Removes a gossip key that is not the primary one.
    ///
    /// # Errors
    /// As [`Operator::raft_configuration`].
    pub async fn keyring_remove(&self, key: &str, options: &WriteOptions) -> Result<()> {
        self.keyring(Method::DELETE, key, options).await
    }

    async fn raft_remove_peer(&self, param: &str, value: &str, options: &WriteOptions) -> Result<()> {
        let request = self.client.request(Method::DELETE, "/v1/operator/raft/peer").param(param, value);
        request.write_options(options).send_empty().await
    }

    async fn keyring(&self, method: Method, key: &str, options: &WriteOptions) -> Result<()> {
        let request = self.client.request(method, "/v1/operator/keyring");
        request.write_options(options).json(&KeyringRequest { key }).send_empty().await
    }
}
