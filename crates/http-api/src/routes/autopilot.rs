//! `/v1/operator/autopilot/` (`docs/spec/http-api.md` §10, `server-operations.md` §5.5).

use std::collections::BTreeMap;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use types::autopilot::{
    AutopilotConfig, AutopilotServer, AutopilotSetConfigRequest, AutopilotState, NodeStatus, OperatorHealth,
    RaftStatus, ServerHealth,
};
use types::method::{
    DatacenterRequest, OperatorAutopilotGetConfiguration, OperatorAutopilotSetConfiguration, OperatorAutopilotState,
    OperatorServerHealth,
};
use types::{GoDuration, RpcError};
use wire::json::{self, Unknown};
use wire::time::GoTime;

use crate::params::parse_uint;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

fn request(call: &Call) -> Result<DatacenterRequest, Failure> {
    Ok(DatacenterRequest { options: call.options()?, ..DatacenterRequest::default() })
}

/// How autopilot is set.
pub(crate) async fn configuration(call: &mut Call) -> Answer {
    let request = request(call)?;
    let config = call.door.agent.call::<OperatorAutopilotGetConfiguration>(request).await?;
    Reply::json(&ConfigView::from(config), call.pretty())
}

/// Sets autopilot. Fields that are left out take their defaults.
pub(crate) async fn set_configuration(call: &mut Call) -> Answer {
    let (datacenter, token) = (call.datacenter(), call.token());
    let bytes = call.read_body().await?;
    let refused =
        |error: &dyn std::fmt::Display| Failure::bad_request(format!("Error parsing autopilot config: {error}"));
    let view: ConfigView = json::from_slice(&bytes, Unknown::Ignore).map_err(|error| refused(&error))?;
    let mut config = AutopilotConfig::from(view);
    let cas = call.query.has("cas");
    if cas {
        let text = call.query.text("cas");
        let parsed = parse_uint(&text);
        config.modify_index =
            parsed.map_err(|error| Failure::bad_request(format!("Error parsing cas value: {error}")))?;
    }
    let request = AutopilotSetConfigRequest { datacenter, config, cas, token };
    let done = call.door.agent.call::<OperatorAutopilotSetConfiguration>(request).await?;
    Ok(Reply::boolean(done || !cas, call.pretty()))
}

/// Health of the servers; 429 when not all is well.
pub(crate) async fn health(call: &mut Call) -> Answer {
    let request = request(call)?;
    let health = call.door.agent.call::<OperatorServerHealth>(request).await?;
    let reply = Reply::json(&HealthView::from(&health), call.pretty())?;
    if health.healthy {
        return Ok(reply);
    }
    let mut reply = reply.with_status(StatusCode::TOO_MANY_REQUESTS);
    reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(reply)
}

/// All that autopilot knows.
pub(crate) async fn state(call: &mut Call) -> Answer {
    let request = request(call)?;
    let state = call.door.agent.call::<OperatorAutopilotState>(request).await?;
    Reply::json(&StateView::try_from(&state)?, call.pretty())
}

/// The configuration as JSON, in the reference's order.
#[derive(Serialize, Deserialize)]
#[serde(default, rename = "AutopilotConfiguration", rename_all = "PascalCase")]
struct ConfigView {
    cleanup_dead_servers: bool,
    last_contact_threshold: GoDuration,
    max_trailing_logs: u64,
    min_quorum: u64,
    server_stabilization_time: GoDuration,
    redundancy_zone_tag: String,
    disable_upgrade_migration: bool,
    upgrade_version_tag: String,
    create_index: u64,
    modify_index: u64,
}

impl Default for ConfigView {
    fn default() -> Self {
        ConfigView::from(AutopilotConfig::default())
    }
}

impl From<AutopilotConfig> for ConfigView {
    fn from(config: AutopilotConfig) -> ConfigView {
        ConfigView {
            cleanup_dead_servers: config.cleanup_dead_servers,
            last_contact_threshold: config.last_contact_threshold,
            max_trailing_logs: config.max_trailing_logs,
            min_quorum: config.min_quorum,
            server_stabilization_time: config.server_stabilization_time,
            redundancy_zone_tag: config.redundancy_zone_tag,
            disable_upgrade_migration: config.disable_upgrade_migration,
            upgrade_version_tag: config.upgrade_version_tag,
            create_index: config.create_index,
            modify_index: config.modify_index,
        }
    }
}

impl From<ConfigView> for AutopilotConfig {
    fn from(view: ConfigView) -> AutopilotConfig {
        AutopilotConfig {
            cleanup_dead_servers: view.cleanup_dead_servers,
            last_contact_threshold: view.last_contact_threshold,
            max_trailing_logs: view.max_trailing_logs,
            min_quorum: view.min_quorum,
            server_stabilization_time: view.server_stabilization_time,
            redundancy_zone_tag: view.redundancy_zone_tag,
            disable_upgrade_migration: view.disable_upgrade_migration,
            upgrade_version_tag: view.upgrade_version_tag,
            create_index: view.create_index,
            modify_index: view.modify_index,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HealthView<'a> {
    healthy: bool,
    failure_tolerance: i64,
    /// Null before anything is known.
    servers: Option<Vec<ServerHealthView<'a>>>,
}

impl<'a> From<&'a OperatorHealth> for HealthView<'a> {
    fn from(health: &'a OperatorHealth) -> HealthView<'a> {
        let servers: Vec<_> = health.servers.iter().map(ServerHealthView::from).collect();
        HealthView {
            healthy: health.healthy,
            failure_tolerance: health.failure_tolerance,
            servers: (!servers.is_empty()).then_some(servers),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServerHealthView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    address: &'a str,
    serf_status: &'static str,
    version: &'a str,
    leader: bool,
    last_contact: GoDuration,
    last_term: u64,
    last_index: u64,
    healthy: bool,
    voter: bool,
    stable_since: String,
}

impl<'a> From<&'a ServerHealth> for ServerHealthView<'a> {
    fn from(server: &'a ServerHealth) -> ServerHealthView<'a> {
        ServerHealthView {
            id: &server.id,
            name: &server.name,
            address: &server.address,
            serf_status: status_text(server.serf_status),
            version: &server.version,
            leader: server.leader,
            last_contact: server.last_contact,
            last_term: server.last_term,
            last_index: server.last_index,
            healthy: server.healthy,
            voter: server.voter,
            stable_since: in_seconds(server.stable_since),
        }
    }
}

fn status_text(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::None => "none",
        NodeStatus::Alive => "alive",
        NodeStatus::Leaving => "leaving",
        NodeStatus::Left => "left",
        NodeStatus::Failed => "failed",
    }
}

/// A time without parts of a second.
fn in_seconds(time: GoTime) -> String {
    let text = time.to_rfc3339().unwrap_or_default();
    match (text.find('.'), text.ends_with('Z')) {
        (Some(dot), true) => format!("{}Z", &text[..dot]),
        _ => text,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StateView<'a> {
    healthy: bool,
    failure_tolerance: i64,
    /// The same here: it differs only with redundancy zones.
    optimistic_failure_tolerance: i64,
    servers: BTreeMap<&'a str, ServerView<'a>>,
    leader: &'a str,
    voters: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    read_replicas: &'a [String],
}

impl<'a> TryFrom<&'a AutopilotState> for StateView<'a> {
    type Error = RpcError;

    fn try_from(state: &'a AutopilotState) -> Result<StateView<'a>, RpcError> {
        let servers = state.servers.iter().map(|(id, server)| Ok((id.as_str(), ServerView::try_from(server)?)));
        Ok(StateView {
            healthy: state.healthy,
            failure_tolerance: state.failure_tolerance,
            optimistic_failure_tolerance: state.failure_tolerance,
            servers: servers.collect::<Result<_, RpcError>>()?,
            leader: &state.leader,
            voters: &state.voters,
            read_replicas: &state.read_replicas,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServerView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    address: &'a str,
    node_status: &'static str,
    version: &'a str,
    last_contact: GoDuration,
    last_term: u64,
    last_index: u64,
    healthy: bool,
    stable_since: String,
    read_replica: bool,
    status: &'static str,
    /// Null when nothing is known.
    meta: Option<&'a BTreeMap<String, String>>,
    node_type: &'static str,
}

impl<'a> TryFrom<&'a AutopilotServer> for ServerView<'a> {
    type Error = RpcError;

    fn try_from(server: &'a AutopilotServer) -> Result<ServerView<'a>, RpcError> {
        Ok(ServerView {
            id: &server.id,
            name: &server.name,
            address: &server.address,
            node_status: status_text(server.node_status),
            version: &server.version,
            last_contact: server.last_contact,
            last_term: server.last_term,
            last_index: server.last_index,
            healthy: server.healthy,
            stable_since: server.stable_since.to_rfc3339().map_err(|error| RpcError::other(error.to_string()))?,
            read_replica: server.read_replica,
            status: match server.status {
                RaftStatus::None => "none",
                RaftStatus::Leader => "leader",
                RaftStatus::Voter => "voter",
                RaftStatus::NonVoter => "non-voter",
            },
            meta: (!server.meta.is_empty()).then_some(&server.meta),
            node_type: if server.read_replica { "read-replica" } else { "voter" },
        })
    }
}
