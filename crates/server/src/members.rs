//! The servers of this datacenter as gossip tells them: where Raft and forwarded requests find them
//! (`docs/spec/server-operations.md` §3.4, `docs/spec/rpc-and-state.md` §9.3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use consensus::ServerId;
use gossip::{Event, Gossip, Member, MemberEvent, Status};
use parking_lot::RwLock;
use rpc::Target;
use telemetry::metrics;
use tokio::sync::{Notify, mpsc};
use types::server_info::ServerInfo;

use crate::leader::ticker;
use crate::server::Shared;

/// Changes of members that may wait for the leader; what is beyond is repaired by the next full reconcile.
pub(crate) const CHANGES_MAX: usize = 256;

/// Between two counts of the members.
const COUNT_INTERVAL: Duration = Duration::from_secs(9);

/// A change of a member, for the leader to write down.
pub(crate) struct Change {
    /// What happened.
    pub(crate) kind: MemberEvent,
    /// The member as it was then.
    pub(crate) member: Arc<Member>,
}

/// Servers of this datacenter that take part, by id.
pub(crate) struct Members {
    lan: Gossip,
    wan: Option<Gossip>,
    datacenter: String,
    servers: RwLock<HashMap<ServerId, Arc<ServerInfo>>>,
    /// Told at every change of the table.
    pub(crate) changed: Notify,
}

impl Members {
    /// The servers that gossip knows now.
    pub(crate) fn new(lan: Gossip, wan: Option<Gossip>, datacenter: String) -> Members {
        let members = Members { lan, wan, datacenter, servers: RwLock::default(), changed: Notify::new() };
        members.take_all();
        members
    }

    /// The gossip pool of the datacenter.
    pub(crate) fn lan(&self) -> &Gossip {
        &self.lan
    }

    /// The pool of the servers of all datacenters.
    pub(crate) fn wan(&self) -> Option<&Gossip> {
        self.wan.as_ref()
    }

    /// Where to call the server with this id.
    pub(crate) fn target(&self, id: ServerId) -> Option<Target> {
        self.servers.read().get(&id).map(|server| target(server))
    }

    /// Servers that take part.
    pub(crate) fn servers(&self) -> Vec<Arc<ServerInfo>> {
        self.servers.read().values().cloned().collect()
    }

    /// Every server of the datacenter that gossip knows, those that failed or left included.
    pub(crate) fn all_servers(&self) -> Vec<(Arc<Member>, ServerInfo)> {
        let members = self.lan.members();
        let servers = members.iter().filter_map(|member| Some((member.clone(), self.server(member)?)));
        servers.collect()
    }

    /// Tells how many servers and clients are alive.
    fn count(&self) {
        let members = self.lan.members();
        let alive = |role: &str| {
            let alive = members.iter().filter(|member| member.status == Status::Alive);
            alive.filter(|member| member.tags.get("role").is_some_and(|own| own == role)).count() as f64
        };
        let datacenter = [("datacenter", self.datacenter.as_str())];
        metrics::gauge_with("members.servers", &datacenter).set(alive("consul"));
        metrics::gauge_with("members.clients", &datacenter).set(alive("node"));
    }

    /// The member as a server of this datacenter, if it is one.
    fn server(&self, member: &Member) -> Option<ServerInfo> {
        let server = ServerInfo::from_tags(&member.name, member.address, &member.tags)?;
        (server.datacenter == self.datacenter).then_some(server)
    }

    /// Starts over from what gossip knows now.
    fn take_all(&self) {
        let members = self.lan.members();
        let mut gone = self.servers.read().clone();
        for member in members.iter().filter(|member| takes_part(member)) {
            let Some((id, server)) = self.identified(member) else { continue };
            gone.remove(&id);
            self.insert(id, server);
        }
        for (id, server) in gone {
            self.remove(id, &server);
        }
    }

    fn identified(&self, member: &Member) -> Option<(ServerId, ServerInfo)> {
        let server = self.server(member)?;
        Some((server.id.parse().ok()?, server))
    }

    /// Takes a change in; the address of the server if it was one of a server.
    fn take(&self, change: &Change) -> Option<SocketAddr> {
        let (id, server) = self.identified(&change.member)?;
        let address = server.address;
        match change.kind {
            MemberEvent::Joined | MemberEvent::Updated => self.insert(id, server),
            MemberEvent::Left | MemberEvent::Failed | MemberEvent::Reaped => self.remove(id, &server),
        }
        Some(address)
    }

    fn insert(&self, id: ServerId, server: ServerInfo) {
        let text = described(&server);
        match self.servers.write().entry(id) {
            Entry::Occupied(mut known) => {
                if described(known.get()) != text {
                    tracing::info!(target: "agent.server", server = text, "Updating LAN server");
                }
                known.insert(Arc::new(server));
            }
            Entry::Vacant(place) => {
                tracing::info!(target: "agent.server", server = text, "Adding LAN server");
                place.insert(Arc::new(server));
            }
        }
        self.changed.notify_one();
    }

    /// Forgets a server, unless another of the same id took its name's place.
    fn remove(&self, id: ServerId, server: &ServerInfo) {
        let mut servers = self.servers.write();
        if servers.get(&id).is_some_and(|known| known.name == server.name) {
            servers.remove(&id);
            tracing::info!(target: "agent.server", server = described(server), "Removing LAN server");
        }
        drop(servers);
        self.changed.notify_one();
    }
}

/// Where to call a server.
pub(crate) fn target(server: &ServerInfo) -> Target {
    Target { name: server.short_name.clone(), address: server.address, use_tls: server.use_tls }
}

/// Whether a member answers, as far as gossip can tell.
pub(crate) fn takes_part(member: &Member) -> bool {
    matches!(member.status, Status::Alive | Status::Leaving)
}

fn described(server: &ServerInfo) -> String {
    format!("{} (Addr: tcp/{}) (DC: {})", server.name, server.address, server.datacenter)
}

/// Keeps the table, and hands every change on to the leader's duties while this server leads.
pub(crate) async fn follow(shared: Arc<Shared>, mut events: mpsc::Receiver<Event>, changes: mpsc::Sender<Change>) {
    let mut counting = ticker(COUNT_INTERVAL);
    loop {
        let event = tokio::select! {
            () = shared.stopping.cancelled() => return,
            _ = counting.tick() => {
                shared.members.count();
                continue;
            }
            event = events.recv() => event,
        };
        match event {
            Some(Event::Member { kind, member }) => {
                let change = Change { kind, member };
                let server = shared.members.take(&change);
                if let (Some(address), MemberEvent::Failed | MemberEvent::Left | MemberEvent::Reaped) = (server, kind) {
                    shared.pool.forget(address);
                }
                if shared.leads_raft() {
                    // A full queue loses it: the next full reconcile sees the member as it is then.
                    let _ = changes.try_send(change);
                }
            }
            Some(Event::Lagged(lost)) => {
                tracing::warn!(target: "agent.server", lost, "gossip events came faster than they could be handled");
                shared.members.take_all();
            }
            Some(Event::User { .. }) => {}
            None => return,
        }
    }
}
