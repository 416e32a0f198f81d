//! The start of a cluster of several servers: when enough know each other and none has a cluster yet
//! (`docs/spec/server-operations.md` §4.1).

use std::sync::Arc;
use std::time::Duration;

use consensus::ServerId;
use futures_util::future::join_all;
use types::method::StatusPeers;
use types::server_info::ServerInfo;

use crate::members::target;
use crate::server::Shared;

/// How often a server is asked for its peers, and the first pause; it doubles each time.
const PEERS_TRIES: u32 = 6;
const PEERS_PAUSE: Duration = Duration::from_secs(1);
/// The servers go one after the other, by id: who comes later finds what the first has started instead of starting a
/// cluster of its own from a slightly different view. Each waits this long for the one before it.
const TURN: Duration = Duration::from_secs(2);

/// What is known of this server itself.
struct Own<'a> {
    id: ServerId,
    datacenter: &'a str,
    expect: u32,
    read_replica: bool,
    /// Index of the last entry in its log.
    last_index: u64,
}

/// What to do about the servers known now.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// This server belongs to a cluster already.
    HasData,
    /// It never starts one.
    Never,
    /// Not yet, or not like this; the text says what an operator must change.
    Wait(Option<String>),
    /// Start with these, after so many servers have had their turn before.
    Start { servers: Vec<(ServerId, ServerInfo)>, before: u32 },
}

fn decide(own: &Own<'_>, servers: &[Arc<ServerInfo>]) -> Decision {
    if own.last_index != 0 {
        return Decision::HasData;
    }
    if own.read_replica {
        return Decision::Never;
    }
    let mut found = Vec::new();
    for server in servers.iter().filter(|server| server.datacenter == own.datacenter) {
        let name = &server.short_name;
        if server.expect != 0 && server.expect != own.expect {
            return Decision::Wait(Some(format!("peer has a conflicting expect value: member={name}")));
        }
        if server.bootstrap {
            return Decision::Wait(Some(format!("peer has bootstrap mode: member={name}")));
        }
        if let Ok(id) = server.id.parse() {
            found.push((id, ServerInfo::clone(server)));
        }
    }
    let voters = found.iter().filter(|(_, server)| !server.read_replica);
    if voters.clone().count() < usize::try_from(own.expect).unwrap_or(usize::MAX) {
        return Decision::Wait(None);
    }
    let before = voters.filter(|(id, _)| *id < own.id).count();
    found.sort_by_key(|(id, _)| *id);
    Decision::Start { servers: found, before: u32::try_from(before).unwrap_or(u32::MAX) }
}

/// Waits until the servers that are expected know each other, then starts the cluster with them. Returns when that was
/// done or is not to be done any more.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.stopping.cancelled() => {}
        () = until_started(&shared) => {}
    }
}

async fn until_started(shared: &Shared) {
    loop {
        match look(shared) {
            Decision::HasData => {
                tracing::info!(target: "agent.server", "Raft data found, disabling bootstrap mode");
                return;
            }
            Decision::Never => return,
            Decision::Wait(Some(reason)) => {
                tracing::error!(target: "agent.server", reason, "cannot start a cluster with these servers");
                shared.members.changed.notified().await;
            }
            Decision::Wait(None) => shared.members.changed.notified().await,
            Decision::Start { servers, before } => {
                if before == 0 || waited_for(shared, before).await {
                    return start(shared, &servers).await;
                }
            }
        }
    }
}

fn look(shared: &Shared) -> Decision {
    let config = &shared.config;
    let own = Own {
        id: config.node_id,
        datacenter: &config.datacenter,
        expect: config.bootstrap_expect,
        read_replica: config.read_replica,
        last_index: shared.consensus.status().last_log_index,
    };
    decide(&own, &shared.members.servers())
}

/// Lets the servers before this one have their turn; false if something has changed meanwhile.
async fn waited_for(shared: &Shared, before: u32) -> bool {
    let mut leadership = shared.consensus.leadership();
    leadership.borrow_and_update();
    tokio::select! {
        () = tokio::time::sleep(TURN * before) => shared.consensus.status().last_log_index == 0,
        () = shared.members.changed.notified() => false,
        Ok(()) = leadership.changed() => false,
    }
}

async fn start(shared: &Shared, servers: &[(ServerId, ServerInfo)]) {
    let asked = servers.iter().filter(|(id, _)| *id != shared.config.node_id);
    let peers = join_all(asked.map(|(_, server)| has_peers(shared, server))).await;
    if peers.contains(&true) {
        tracing::info!(target: "agent.server",
            "Existing Raft peers reported by server, disabling bootstrap mode");
        return;
    }
    let list: Vec<String> = servers.iter().map(|(_, server)| server.address.to_string()).collect();
    tracing::info!(target: "agent.server", peers = list.join(","),
        "Found expected number of peers, attempting bootstrap");
    let configuration: Vec<(ServerId, String, bool)> =
        servers.iter().map(|(id, server)| (*id, server.address.to_string(), !server.read_replica)).collect();
    if let Err(error) = shared.consensus.bootstrap(&configuration).await {
        tracing::error!(target: "agent.server", error = %error, "Failed to bootstrap cluster");
    }
}

/// Whether a server belongs to a cluster already. One that never answers counts as one that does not.
async fn has_peers(shared: &Shared, server: &ServerInfo) -> bool {
    for attempt in 0..PEERS_TRIES {
        match shared.pool.call::<StatusPeers>(&target(server), &shared.config.datacenter).await {
            Ok(peers) => return !peers.is_empty(),
            Err(error) => {
                let pause = PEERS_PAUSE * 2u32.pow(attempt);
                tracing::error!(target: "agent.server", server = server.name.as_str(), retry_time = ?pause,
                    error = %error, "Failed to confirm peer status for server (will retry).");
                tokio::time::sleep(pause).await;
            }
        }
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn id(number: u8) -> ServerId {
        ServerId::from_bytes([number; 16])
    }

    fn server(number: u8, tags: &[(&str, &str)]) -> Arc<ServerInfo> {
        let id = id(number).to_string();
        let common =
            [("role", "consul"), ("dc", "dc1"), ("port", "8300"), ("vsn", "2"), ("build", "1.14.2:"), ("id", &id)];
        let tags: BTreeMap<String, String> =
            common.iter().chain(tags).map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
        let name = format!("s{number}");
        Arc::new(ServerInfo::from_tags(&name, [127, 0, 0, number].into(), &tags).unwrap())
    }

    fn own() -> Own<'static> {
        Own { id: id(2), datacenter: "dc1", expect: 3, read_replica: false, last_index: 0 }
    }

    fn told(decision: Decision) -> String {
        match decision {
            Decision::HasData => "data".to_owned(),
            Decision::Never => "never".to_owned(),
            Decision::Wait(None) => "wait".to_owned(),
            Decision::Wait(Some(reason)) => reason,
            Decision::Start { servers, before } => {
                let names: Vec<String> = servers.into_iter().map(|(_, server)| server.short_name).collect();
                format!("{} after {before}", names.join(" "))
            }
        }
    }

    #[test]
    fn a_cluster_starts_when_all_that_are_expected_agree() {
        const EXPECT: (&str, &str) = ("expect", "3");
        let (one, two, three) = (server(1, &[EXPECT]), server(2, &[EXPECT]), server(3, &[EXPECT]));
        let all = [three.clone(), one.clone(), two.clone()];
        let with = |more: Arc<ServerInfo>| [one.clone(), two.clone(), more];
        let cases: [(Own<'_>, Vec<Arc<ServerInfo>>, &str); 9] = [
            (own(), all[..2].to_vec(), "wait"),
            (own(), all.to_vec(), "s1 s2 s3 after 1"),
            (own(), [&all[..], &[server(4, &[])]].concat(), "s1 s2 s3 s4 after 1"),
            (own(), with(server(3, &[EXPECT, ("dc", "dc2")])).to_vec(), "wait"),
            (own(), with(server(3, &[EXPECT, ("read_replica", "1")])).to_vec(), "wait"),
            (own(), with(server(3, &[("expect", "5")])).to_vec(), "peer has a conflicting expect value: member=s3"),
            (own(), with(server(3, &[("bootstrap", "1")])).to_vec(), "peer has bootstrap mode: member=s3"),
            (Own { last_index: 1, ..own() }, all.to_vec(), "data"),
            (Own { read_replica: true, ..own() }, all.to_vec(), "never"),
        ];
        for (own, servers, wanted) in cases {
            assert_eq!(told(decide(&own, &servers)), wanted);
        }
    }
}
