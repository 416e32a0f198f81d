//! The Raft peers (`docs/spec/cli.md` §3.9).

use api::RaftServer;
use wire::quote::go_quote;

use crate::client::{block_on, connect, read_options, write_options};
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::layout::columns;

pub(super) fn list_peers(invocation: &Invocation<'_>) -> Outcome {
    let client = connect(invocation)?;
    block_on(async {
        let failed = |e| Error::failed(format!("Error getting peers: Failed to retrieve raft configuration: {e}"));
        let found = client.operator().raft_configuration(&read_options(invocation)).await.map_err(failed)?;
        invocation.terminal.say(columns(&table(&found.servers)));
        Ok(())
    })
}

fn table(servers: &[RaftServer]) -> Vec<Vec<String>> {
    let header = ["Node", "ID", "Address", "State", "Voter", "RaftProtocol"];
    let mut rows = vec![header.map(str::to_string).to_vec()];
    for server in servers {
        let state = if server.leader { "leader" } else { "follower" };
        let voter = if server.voter { "true" } else { "false" };
        let protocol = if server.protocol_version.is_empty() { "<=1" } else { &server.protocol_version };
        let row = [&server.node, &server.id, &server.address, state, voter, protocol];
        rows.push(row.map(str::to_string).to_vec());
    }
    rows
}

pub(super) fn remove_peer(invocation: &Invocation<'_>) -> Outcome {
    let failed = |cause: &dyn std::fmt::Display| Error::failed(format!("Error removing peer: {cause}"));
    let (address, id) = (invocation.values.text("address"), invocation.values.text("id"));
    match (address.is_empty(), id.is_empty()) {
        (true, true) => return Err(failed(&"an address or id is required for the peer to remove")),
        (false, false) => return Err(failed(&"cannot give both an address and id")),
        _ => {}
    }
    let client = connect(invocation)?;
    block_on(async {
        let operator = client.operator();
        let (what, value, removed) = match address {
            "" => ("id", id, operator.raft_remove_peer_by_id(id, &write_options()).await),
            _ => ("address", address, operator.raft_remove_peer_by_address(address, &write_options()).await),
        };
        removed.map_err(|e| failed(&e))?;
        invocation.terminal.say(format!("Removed peer with {what} {}", go_quote(value)));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_have_an_old_protocol() {
        let server = RaftServer { node: "a".to_string(), leader: true, voter: true, ..RaftServer::default() };
        assert_eq!(table(&[server])[1], ["a", "", "", "leader", "true", "<=1"]);
    }
}
