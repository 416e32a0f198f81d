//! Answers for operators: Raft's servers, autopilot's view of them, the keys of gossip
//! (`docs/spec/rpc-and-state.md` §4.2, §4.5).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::msgpack::{Error, from_slice, to_vec};
use wire::{GoDuration, GoTime};

use super::shape::{Element, Shape, each};
use crate::autopilot::{
    AutopilotServer, AutopilotState, NodeStatus, OperatorHealth, RaftStatus, ServerHealth as Health,
};
use crate::method::{KeyringResponse, RaftServer};

/// `RaftConfigurationResponse`. Its index is always 0, as in the reference.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RaftConfiguration<'a> {
    #[serde(with = "each")]
    servers: Cow<'a, [RaftServer]>,
    index: u64,
}

impl Shape<Vec<RaftServer>> for RaftConfiguration<'static> {
    fn encode(servers: &Vec<RaftServer>) -> Result<Vec<u8>, Error> {
        to_vec(&RaftConfiguration { servers: Cow::Borrowed(servers), index: 0 })
    }

    fn decode(body: &[u8]) -> Result<Vec<RaftServer>, Error> {
        let body: RaftConfiguration<'static> = from_slice(body)?;
        Ok(body.servers.into_owned())
    }
}

/// `RaftServer`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RaftServerBody<'a> {
    #[serde(rename = "ID")]
    id: Cow<'a, str>,
    node: Cow<'a, str>,
    address: Cow<'a, str>,
    leader: bool,
    protocol_version: Cow<'a, str>,
    voter: bool,
}

impl Element for RaftServer {
    type Written<'a> = RaftServerBody<'a>;
    type Read = RaftServerBody<'static>;

    fn written(&self) -> RaftServerBody<'_> {
        RaftServerBody {
            id: Cow::Borrowed(&self.id),
            node: Cow::Borrowed(&self.node),
            address: Cow::Borrowed(&self.address),
            leader: self.leader,
            protocol_version: Cow::Borrowed(&self.protocol_version),
            voter: self.voter,
        }
    }

    fn of(read: RaftServerBody<'static>) -> RaftServer {
        RaftServer {
            id: read.id.into_owned(),
            node: read.node.into_owned(),
            address: read.address.into_owned(),
            leader: read.leader,
            protocol_version: read.protocol_version.into_owned(),
            voter: read.voter,
        }
    }
}

/// `KeyringResponses`, of whose group `QM` nobody reads anything.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct KeyringAnswers<'a> {
    responses: Cow<'a, [KeyringResponse]>,
}

impl Shape<Vec<KeyringResponse>> for KeyringAnswers<'static> {
    fn encode(responses: &Vec<KeyringResponse>) -> Result<Vec<u8>, Error> {
        to_vec(&KeyringAnswers { responses: Cow::Borrowed(responses) })
    }

    fn decode(body: &[u8]) -> Result<Vec<KeyringResponse>, Error> {
        let body: KeyringAnswers<'static> = from_slice(body)?;
        Ok(body.responses.into_owned())
    }
}

/// `OperatorHealthReply`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HealthBody<'a> {
    healthy: bool,
    failure_tolerance: i64,
    #[serde(with = "each")]
    servers: Cow<'a, [Health]>,
}

impl Shape<OperatorHealth> for HealthBody<'static> {
    fn encode(health: &OperatorHealth) -> Result<Vec<u8>, Error> {
        to_vec(&HealthBody {
            healthy: health.healthy,
            failure_tolerance: health.failure_tolerance,
            servers: Cow::Borrowed(&health.servers),
        })
    }

    fn decode(body: &[u8]) -> Result<OperatorHealth, Error> {
        let body: HealthBody<'static> = from_slice(body)?;
        Ok(OperatorHealth {
            healthy: body.healthy,
            failure_tolerance: body.failure_tolerance,
            servers: body.servers.into_owned(),
        })
    }
}

/// `OperatorServerHealth`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ServerHealthBody<'a> {
    #[serde(rename = "ID")]
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    address: Cow<'a, str>,
    serf_status: i64,
    version: Cow<'a, str>,
    leader: bool,
    last_contact: GoDuration,
    last_term: u64,
    last_index: u64,
    healthy: bool,
    voter: bool,
    stable_since: GoTime,
}

impl Element for Health {
    type Written<'a> = ServerHealthBody<'a>;
    type Read = ServerHealthBody<'static>;

    fn written(&self) -> ServerHealthBody<'_> {
        ServerHealthBody {
            id: Cow::Borrowed(&self.id),
            name: Cow::Borrowed(&self.name),
            address: Cow::Borrowed(&self.address),
            serf_status: status_number(self.serf_status),
            version: Cow::Borrowed(&self.version),
            leader: self.leader,
            last_contact: self.last_contact,
            last_term: self.last_term,
            last_index: self.last_index,
            healthy: self.healthy,
            voter: self.voter,
            stable_since: self.stable_since,
        }
    }

    fn of(read: ServerHealthBody<'static>) -> Health {
        Health {
            id: read.id.into_owned(),
            name: read.name.into_owned(),
            address: read.address.into_owned(),
            serf_status: status_of_number(read.serf_status),
            version: read.version.into_owned(),
            leader: read.leader,
            last_contact: read.last_contact,
            last_term: read.last_term,
            last_index: read.last_index,
            healthy: read.healthy,
            voter: read.voter,
            stable_since: read.stable_since,
        }
    }
}

/// `autopilot.State`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct StateBody<'a> {
    healthy: bool,
    failure_tolerance: i64,
    servers: BTreeMap<Cow<'a, str>, ServerState<'a>>,
    leader: Cow<'a, str>,
    voters: Cow<'a, [String]>,
}

/// `autopilot.ServerState`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ServerState<'a> {
    server: ServerBody<'a>,
    state: Cow<'a, str>,
    stats: StatsBody,
    health: Verdict,
}

/// `autopilot.Server`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ServerBody<'a> {
    #[serde(rename = "ID")]
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    address: Cow<'a, str>,
    node_status: Cow<'a, str>,
    version: Cow<'a, str>,
    meta: Cow<'a, BTreeMap<String, String>>,
    raft_version: i64,
    is_leader: bool,
    node_type: Cow<'a, str>,
}

/// `autopilot.ServerStats`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct StatsBody {
    last_contact: GoDuration,
    last_term: u64,
    last_index: u64,
}

/// `autopilot.ServerHealth`.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Verdict {
    healthy: bool,
    stable_since: GoTime,
}

/// Type of a server that votes, or may.
const VOTER: &str = "voter";
/// Type of a server that never votes.
const READ_REPLICA: &str = "read-replica";

impl<'a> From<&'a AutopilotServer> for ServerState<'a> {
    fn from(server: &'a AutopilotServer) -> ServerState<'a> {
        ServerState {
            server: ServerBody {
                id: Cow::Borrowed(&server.id),
                name: Cow::Borrowed(&server.name),
                address: Cow::Borrowed(&server.address),
                node_status: Cow::Borrowed(status_text(server.node_status)),
                version: Cow::Borrowed(&server.version),
                meta: Cow::Borrowed(&server.meta),
                raft_version: server.raft_version,
                is_leader: server.status == RaftStatus::Leader,
                node_type: Cow::Borrowed(if server.read_replica { READ_REPLICA } else { VOTER }),
            },
            state: Cow::Borrowed(raft_status_text(server.status)),
            stats: StatsBody {
                last_contact: server.last_contact,
                last_term: server.last_term,
                last_index: server.last_index,
            },
            health: Verdict { healthy: server.healthy, stable_since: server.stable_since },
        }
    }
}

impl From<ServerState<'_>> for AutopilotServer {
    fn from(read: ServerState<'_>) -> AutopilotServer {
        let ServerState { server, state, stats, health } = read;
        AutopilotServer {
            id: server.id.into_owned(),
            name: server.name.into_owned(),
            address: server.address.into_owned(),
            node_status: status_of_text(&server.node_status),
            version: server.version.into_owned(),
            raft_version: server.raft_version,
            meta: server.meta.into_owned(),
            last_contact: stats.last_contact,
            last_term: stats.last_term,
            last_index: stats.last_index,
            healthy: health.healthy,
            stable_since: health.stable_since,
            read_replica: server.node_type == READ_REPLICA,
            status: raft_status_of(&state),
        }
    }
}

impl Shape<AutopilotState> for StateBody<'static> {
    fn encode(state: &AutopilotState) -> Result<Vec<u8>, Error> {
        let servers = state.servers.iter().map(|(id, server)| (Cow::Borrowed(id.as_str()), server.into()));
        to_vec(&StateBody {
            healthy: state.healthy,
            failure_tolerance: state.failure_tolerance,
            servers: servers.collect(),
            leader: Cow::Borrowed(&state.leader),
            voters: Cow::Borrowed(&state.voters),
        })
    }

    fn decode(body: &[u8]) -> Result<AutopilotState, Error> {
        let body: StateBody<'static> = from_slice(body)?;
        let servers: BTreeMap<String, AutopilotServer> =
            body.servers.into_iter().map(|(id, server)| (id.into_owned(), server.into())).collect();
        let read_replicas = servers.iter().filter(|(_, server)| server.read_replica).map(|(id, _)| id.clone());
        Ok(AutopilotState {
            healthy: body.healthy,
            failure_tolerance: body.failure_tolerance,
            read_replicas: read_replicas.collect(),
            servers,
            leader: body.leader.into_owned(),
            voters: body.voters.into_owned(),
        })
    }
}

/// The number Go's gossip library has for a status.
fn status_number(status: NodeStatus) -> i64 {
    match status {
        NodeStatus::None => 0,
        NodeStatus::Alive => 1,
        NodeStatus::Leaving => 2,
        NodeStatus::Left => 3,
        NodeStatus::Failed => 4,
    }
}

fn status_of_number(number: i64) -> NodeStatus {
    match number {
        1 => NodeStatus::Alive,
        2 => NodeStatus::Leaving,
        3 => NodeStatus::Left,
        4 => NodeStatus::Failed,
        _ => NodeStatus::None,
    }
}

/// The word autopilot has for a status.
fn status_text(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::None => "unknown",
        NodeStatus::Alive => "alive",
        NodeStatus::Leaving => "leaving",
        NodeStatus::Left => "left",
        NodeStatus::Failed => "failed",
    }
}

fn status_of_text(text: &str) -> NodeStatus {
    match text {
        "alive" => NodeStatus::Alive,
        "leaving" => NodeStatus::Leaving,
        "left" => NodeStatus::Left,
        "failed" => NodeStatus::Failed,
        _ => NodeStatus::None,
    }
}

fn raft_status_text(status: RaftStatus) -> &'static str {
    match status {
        RaftStatus::None => "none",
        RaftStatus::Leader => "leader",
        RaftStatus::Voter => "voter",
        RaftStatus::NonVoter => "non-voter",
    }
}

fn raft_status_of(text: &str) -> RaftStatus {
    match text {
        "leader" => RaftStatus::Leader,
        "voter" => RaftStatus::Voter,
        // One that is about to vote does not yet.
        "non-voter" | "staging" => RaftStatus::NonVoter,
        _ => RaftStatus::None,
    }
}
