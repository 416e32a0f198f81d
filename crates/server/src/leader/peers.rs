//! Which servers take part in Raft (`docs/spec/server-operations.md` §4.4, §4.5).

use consensus::{Member, ServerId};
use types::RpcError;
use types::server_info::ServerInfo;

use crate::server::Shared;

/// What taking a server in asks of Raft.
#[derive(Debug, PartialEq, Eq)]
enum Addition {
    /// It takes part already.
    Nothing,
    /// It takes part at another address.
    Readdress,
    /// So many voters would have to go for it that the others might lose their quorum.
    Refused,
    /// It is to be added, after these have been removed, which had its address.
    Add { remove: Vec<ServerId> },
}

fn addition(members: &[Member], id: ServerId, address: &str) -> Addition {
    if let Some(known) = members.iter().find(|member| member.id == id) {
        return if known.address == address { Addition::Nothing } else { Addition::Readdress };
    }
    let (mut remove, others): (Vec<_>, Vec<_>) =
        members.iter().filter(|member| member.address == address).map(|m| (m.id, m.voter)).partition(|(_, v)| *v);
    let voters = members.iter().filter(|member| member.voter).count();
    let quorum = voters / 2 + 1;
    if remove.len() > voters.saturating_sub(quorum) {
        return Addition::Refused;
    }
    remove.extend(others);
    Addition::Add { remove: remove.into_iter().map(|(id, _)| id).collect() }
}

/// Makes a server take part, at first without a vote: autopilot gives it one when it is stable.
pub(super) async fn add(shared: &Shared, server: &ServerInfo) -> Result<(), RpcError> {
    if server.bootstrap && other_bootstraps(shared, server) {
        tracing::error!(target: "agent.server", peer_to_add = server.name.as_str(),
            "Two nodes are in bootstrap mode. Only one node should be in bootstrap mode, not adding Raft peer.");
        return Ok(());
    }
    let id = server.id.parse::<ServerId>().map_err(|error| failed("failed to add raft peer", &error))?;
    if id == shared.config.node_id {
        return Ok(());
    }
    let address = server.address.to_string();
    let consensus = &shared.consensus;
    let remove = match addition(&consensus.status().members, id, &address) {
        Addition::Nothing => return Ok(()),
        Addition::Refused => {
            return Err(RpcError::other(
                "Preventing server addition that would require removal of too many servers and cause cluster \
                 instability",
            ));
        }
        Addition::Readdress => {
            let change = shared.change_raft(|| consensus.set_address(id, &address)).await;
            change.map_err(|error| failed("failed to add raft peer", &error))?;
            tracing::info!(target: "agent.server.raft", id = %id, address, "updated address of server");
            return Ok(());
        }
        Addition::Add { remove } => remove,
    };
    for old in remove {
        tracing::info!(target: "agent.server.raft", id = %old, address, "removing server by ID");
        let change = shared.change_raft(|| consensus.remove(old)).await;
        change.map_err(|error| failed("error removing server by ID", &error))?;
    }
    let change = shared.change_raft(|| consensus.add_nonvoter(id, &address)).await;
    change.map_err(|error| failed("failed to add raft peer", &error))?;
    tracing::info!(target: "agent.server.raft", id = %id, address, "added server without a vote");
    shared.autopilot.prune_soon();
    Ok(())
}

fn other_bootstraps(shared: &Shared, server: &ServerInfo) -> bool {
    shared.members.servers().iter().any(|other| other.bootstrap && other.name != server.name)
}

/// Ends a server's part, if it has one.
pub(super) async fn remove(shared: &Shared, id: &str) -> Result<(), RpcError> {
    let members = shared.consensus.status().members;
    let Some(member) = members.iter().find(|member| member.id.to_string().eq_ignore_ascii_case(id)) else {
        return Ok(());
    };
    tracing::info!(target: "agent.server", id = %member.id, "removing server by ID");
    let change = shared.change_raft(|| shared.consensus.remove(member.id)).await;
    change.map_err(|error| failed("failed to remove raft peer", &error))
}

/// Id of the server that Raft has at this address.
pub(super) fn id_at(shared: &Shared, address: &str, port: i64) -> Option<String> {
    let address = std::net::SocketAddr::new(address.parse().ok()?, u16::try_from(port).ok()?).to_string();
    let members = shared.consensus.status().members;
    members.into_iter().find(|member| member.address == address).map(|member| member.id.to_string())
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> RpcError {
    RpcError::other(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ServerId {
        ServerId::from_bytes([number; 16])
    }

    fn member(number: u8, host: u8, voter: bool) -> Member {
        Member { id: id(number), address: address(host), voter }
    }

    fn address(host: u8) -> String {
        format!("10.0.0.{host}:8300")
    }

    #[test]
    fn a_server_is_added_where_that_endangers_nobody() {
        let three = [member(1, 1, true), member(2, 2, true), member(3, 3, true)];
        let pair = &three[..2];
        let with_guest = [&three[..], &[member(4, 3, false)]].concat();
        let cases: [(&[Member], u8, u8, Addition); 7] = [
            (&three, 2, 2, Addition::Nothing),
            (&three, 2, 9, Addition::Readdress),
            (&three, 9, 9, Addition::Add { remove: vec![] }),
            (&three, 9, 3, Addition::Add { remove: vec![id(3)] }),
            (&with_guest, 9, 3, Addition::Add { remove: vec![id(3), id(4)] }),
            (pair, 9, 2, Addition::Refused),
            (&three[..1], 9, 1, Addition::Refused),
        ];
        for (members, new, host, wanted) in cases {
            assert_eq!(addition(members, id(new), &address(host)), wanted, "{new} at {host} among {members:?}");
        }
    }
}
