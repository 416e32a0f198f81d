//! What is known of each server of the Raft configuration, before it is judged.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use consensus::{State, Status};
use futures_util::future::join_all;
use gossip::{Member, Status as Gossip};
use rpc::Target;
use types::GoDuration;
use types::autopilot::NodeStatus;
use types::method::{RaftStats, StatusRaftStats};
use types::server_info::ServerInfo;

use crate::endpoint::LOCAL;
use crate::members::target;
use crate::server::Shared;

/// How long a server may take to tell about its log: half the interval in which it is asked.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// One server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) id: String,
    /// Empty for one that gossip does not know.
    pub(super) name: String,
    pub(super) address: String,
    pub(super) voter: bool,
    /// What gossip knows; nothing if it does not know the server.
    pub(super) gossip: Option<NodeStatus>,
    pub(super) version: String,
    pub(super) raft_version: i64,
    pub(super) read_replica: bool,
    /// Metadata of its node in the catalog.
    pub(super) meta: BTreeMap<String, String>,
    /// What it says about its log; nothing if it did not answer.
    pub(super) stats: Option<Stats>,
    /// Where to ask it; nothing for this server itself, and for one that cannot answer.
    pub(super) ask: Option<(String, SocketAddr, bool)>,
}

/// A server's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) last_contact: GoDuration,
    pub(super) last_term: u64,
    pub(super) last_index: u64,
}

impl Facts {
    /// Everything that is known here; what the others say about their logs is still missing.
    pub(super) fn gather(shared: &Shared, status: &Status) -> Vec<Facts> {
        let servers = shared.members.all_servers();
        let known = by_id(&servers);
        let snapshot = shared.store.snapshot();
        let own = shared.config.node_id;
        let facts = status.members.iter().map(|member| {
            let id = member.id.to_string();
            let mut facts = Facts { address: member.address.clone(), voter: member.voter, ..Facts::default() };
            if let Some((info, status)) = known.get(id.as_str()) {
                let (major, minor, patch) = info.version;
                facts.name.clone_from(&info.short_name);
                facts.gossip = Some(*status);
                facts.version = format!("{major}.{minor}.{patch}");
                facts.raft_version = info.raft_version;
                facts.read_replica = info.read_replica;
                facts.meta = snapshot.node(LOCAL, &info.short_name).1.map(|n| n.meta.clone()).unwrap_or_default();
                let Target { name, address, use_tls } = target(info);
                facts.ask = (*status != NodeStatus::Left && member.id != own).then_some((name, address, use_tls));
            }
            if member.id == own {
                facts.stats = stats(&own_stats(status));
            }
            Facts { id, ..facts }
        });
        facts.collect()
    }
}

/// What gossip knows of each id; of several members with one id, such as after a change of name, the one that is alive.
fn by_id(servers: &[(Arc<Member>, ServerInfo)]) -> HashMap<&str, (&ServerInfo, NodeStatus)> {
    let mut known: HashMap<&str, (&ServerInfo, NodeStatus)> = HashMap::new();
    for (member, info) in servers {
        let status = node_status(member.status);
        if status == NodeStatus::Alive || !known.contains_key(info.id.as_str()) {
            known.insert(&info.id, (info, status));
        }
    }
    known
}

/// Leaving servers still do their work.
fn node_status(status: Gossip) -> NodeStatus {
    match status {
        Gossip::Alive | Gossip::Leaving => NodeStatus::Alive,
        Gossip::Failed => NodeStatus::Failed,
        Gossip::Left => NodeStatus::Left,
        Gossip::None => NodeStatus::None,
    }
}

/// Asks the others about their logs, all at once.
pub(super) async fn ask(shared: &Shared, facts: &mut [Facts]) {
    let asked = facts.iter_mut().map(|facts| async move {
        let Some((name, address, use_tls)) = facts.ask.take() else { return };
        let to = Target { name, address, use_tls };
        let error = match tokio::time::timeout(ASK_TIMEOUT, shared.pool.call::<StatusRaftStats>(&to, &())).await {
            Ok(Ok(told)) => {
                facts.stats = stats(&told);
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        tracing::warn!(target: "agent.server.autopilot", server = to.name, error,
            "error getting server health from server");
    });
    join_all(asked).await;
}

fn stats(told: &RaftStats) -> Option<Stats> {
    let last_contact = match told.last_contact.as_str() {
        "never" => GoDuration::default(),
        text => GoDuration::parse(text).ok()?,
    };
    Some(Stats { last_contact, last_term: told.last_term, last_index: told.last_index })
}

/// What this server says about its own log.
pub(crate) fn own_stats(status: &Status) -> RaftStats {
    let last_contact = match (status.state, status.last_contact) {
        (State::Leader, _) => "0".to_owned(),
        (_, None) => "never".to_owned(),
        (_, Some(age)) => GoDuration::from(age).to_string(),
    };
    RaftStats { last_contact, last_term: status.last_log_term, last_index: status.last_log_index }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_is_read_as_it_is_told() {
        let told = |text: &str| RaftStats { last_contact: text.to_owned(), last_term: 2, last_index: 9 };
        let cases = [
            ("0", Some(0)),
            ("never", Some(0)),
            ("15.3ms", Some(15_300_000)),
            ("-1ms", Some(-1_000_000)),
            ("soon", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(stats(&told(text)).map(|stats| stats.last_contact.0), wanted, "{text}");
        }
    }
}
