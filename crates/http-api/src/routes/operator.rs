//! `/v1/operator/` (`docs/spec/http-api.md` §10).

use serde::Serialize;
use types::Consistency;
use types::method::{
    OperatorRaftGetConfiguration, OperatorRaftRemovePeerByAddress, OperatorRaftRemovePeerById, RaftRemovePeerRequest,
    RaftServer, SnapshotRequest,
};

use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigurationView<'a> {
    servers: Vec<ServerView<'a>>,
    /// Always 0, as the reference sends it.
    index: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServerView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    leader: bool,
    protocol_version: &'a str,
    voter: bool,
}

impl<'a> From<&'a RaftServer> for ServerView<'a> {
    fn from(server: &'a RaftServer) -> ServerView<'a> {
        ServerView {
            id: &server.id,
            node: &server.node,
            address: &server.address,
            leader: server.leader,
            protocol_version: &server.protocol_version,
            voter: server.voter,
        }
    }
}

/// Servers of the Raft configuration.
pub(crate) async fn raft_configuration(call: &mut Call) -> Answer {
    let options = call.options()?;
    let allow_stale = options.consistency == Consistency::Stale;
    let request = SnapshotRequest { datacenter: options.datacenter, token: options.token, allow_stale };
    let servers = call.door.agent.call::<OperatorRaftGetConfiguration>(request).await?;
    let view = ConfigurationView { servers: servers.iter().map(ServerView::from).collect(), index: 0 };
    Reply::json(&view, call.pretty())
}

/// Removes a server from the Raft configuration.
pub(crate) async fn remove_peer(call: &mut Call) -> Answer {
    let fault = match (call.query.has("id"), call.query.has("address")) {
        (true, true) => "Must specify only one of ?id or ?address",
        (false, false) => "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
        (by_id, _) => {
            let request = RaftRemovePeerRequest {
                datacenter: call.datacenter(),
                id: call.query.text("id").into_owned(),
                address: call.query.text("address").into_owned(),
                token: call.token(),
            };
            let agent = &call.door.agent;
            match by_id {
                true => agent.call::<OperatorRaftRemovePeerById>(request).await?,
                false => agent.call::<OperatorRaftRemovePeerByAddress>(request).await?,
            }
            return Ok(Reply::empty());
        }
    };
    Err(Failure::bad_request(fault))
}
