//! The members of the datacenter's pool as nodes of the catalog and as servers of Raft
//! (`docs/spec/server-operations.md` §3.5). What is to be done is decided in `decide.rs`, from the member and the
//! state.

mod decide;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use decide::Failure;
use futures_util::future::join_all;
use gossip::{Member, MemberEvent, Status};
use state::Outcome;
use telemetry::metrics::{self, Sample};
use types::server_info::ServerInfo;
use types::{CONSUL_SERVICE, DeregisterRequest, MessageType, RegisterRequest, RpcError, SERF_HEALTH};

use super::peers;
use crate::endpoint::LOCAL;
use crate::members::Change;
use crate::server::Shared;

/// Members whose registration is compared and written at the same time.
const CONCURRENCY: usize = 64;

static TIME: LazyLock<Sample> = LazyLock::new(|| metrics::sample("leader.reconcile"));
static MEMBER_TIME: LazyLock<Sample> = LazyLock::new(|| metrics::sample("leader.reconcileMember"));

/// What a member is to be in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Alive,
    Failed,
    /// It is to go, for this reason.
    Gone(&'static str),
    /// It is left as it is.
    Open,
}

fn fate(status: Status) -> Fate {
    match status {
        Status::Alive => Fate::Alive,
        Status::Failed => Fate::Failed,
        Status::Left => Fate::Gone("left"),
        Status::Leaving | Status::None => Fate::Open,
    }
}

/// Takes in what happened to one member.
pub(super) async fn change(shared: &Shared, change: &Change) {
    let fate = match change.kind {
        MemberEvent::Reaped => Fate::Gone("reaped"),
        _ => fate(change.member.status),
    };
    member(shared, &change.member, fate).await;
}

/// Registers this server itself.
pub(super) async fn own(shared: &Shared) {
    member(shared, &shared.members.lan().local_member(), Fate::Alive).await;
}

/// Compares every member with the catalog, and removes what gossip has forgotten.
pub(super) async fn all(shared: &Shared) {
    let _timing = TIME.timing();
    let members = shared.members.lan().members();
    let (servers, others): (Vec<&Arc<Member>>, Vec<&Arc<Member>>) =
        members.iter().partition(|member| member.tags.get("role").is_some_and(|role| role == "consul"));
    // One at a time: Raft takes one change of its configuration at a time.
    for server in servers {
        member(shared, server, fate(server.status)).await;
    }
    for batch in others.chunks(CONCURRENCY) {
        if !shared.leads_raft() {
            return;
        }
        join_all(batch.iter().map(|other| member(shared, other, fate(other.status)))).await;
    }
    if shared.leads_raft() {
        forget_strangers(shared, &members).await;
    }
}

async fn member(shared: &Shared, member: &Member, fate: Fate) {
    let name = member.name.as_str();
    let server = ServerInfo::from_tags(name, member.address, &member.tags);
    if !decide::is_ours(&shared.config.datacenter, member, server.as_ref()) {
        tracing::warn!(target: "agent.server", member = name, "skipping reconcile of node");
        return;
    }
    let _timing = MEMBER_TIME.timing();
    let outcome = match fate {
        Fate::Alive => alive(shared, member, server.as_ref()).await,
        Fate::Failed => failed(shared, member).await,
        Fate::Gone(reason) => gone(shared, name, server.as_ref().map(|server| server.id.as_str()), reason).await,
        Fate::Open => Ok(()),
    };
    match outcome {
        Ok(()) => {}
        // Whoever leads now does it.
        Err(RpcError::NoLeader | RpcError::Shutdown) => {}
        Err(error) => {
            tracing::error!(target: "agent.server", member = name, error = %error, "failed to reconcile member");
        }
    }
}

async fn alive(shared: &Shared, member: &Member, server: Option<&ServerInfo>) -> Result<(), RpcError> {
    if let Some(server) = server {
        peers::add(shared, server).await?;
    }
    let wanted = decide::alive(&shared.config.datacenter, &shared.store.snapshot(), member, server);
    let Some(wanted) = wanted else { return Ok(()) };
    tracing::info!(target: "agent.server", member = member.name.as_str(), "member joined, marking health alive");
    register(shared, &wanted).await
}

async fn failed(shared: &Shared, member: &Member) -> Result<(), RpcError> {
    let name = member.name.as_str();
    match decide::failed(&shared.config.datacenter, &shared.store.snapshot(), member) {
        Failure::Unknown => {
            tracing::info!(target: "agent.server", member = name,
                "ignoring failed event for member because it does not exist in the catalog");
            Ok(())
        }
        Failure::Noted => Ok(()),
        Failure::Note(request) => {
            tracing::info!(target: "agent.server", member = name, "member failed, marking health critical");
            register(shared, &request).await
        }
    }
}

async fn register(shared: &Shared, request: &RegisterRequest) -> Result<(), RpcError> {
    match shared.propose(MessageType::Register, request).await? {
        Outcome::Error(text) => Err(RpcError::Other(text)),
        _ => Ok(()),
    }
}

/// Removes a member with all that is on it. `server_id` is there for a server.
async fn gone(shared: &Shared, name: &str, server_id: Option<&str>, reason: &'static str) -> Result<(), RpcError> {
    if name.eq_ignore_ascii_case(&shared.config.node_name) {
        tracing::warn!(target: "agent.server", name, "deregistering self should be done by follower");
        return Ok(());
    }
    if let Some(id) = server_id {
        peers::remove(shared, id).await?;
    }
    if shared.store.snapshot().node(LOCAL, name).1.is_none() {
        return Ok(());
    }
    tracing::info!(target: "agent.server", member = name, reason, "deregistering member");
    let datacenter = shared.config.datacenter.clone();
    let request = DeregisterRequest { datacenter, node: name.to_owned(), ..DeregisterRequest::default() };
    match shared.propose(MessageType::Deregister, &request).await? {
        Outcome::Error(text) => Err(RpcError::Other(text)),
        _ => Ok(()),
    }
}

/// Removes nodes whose health is gossip's to tell, and which gossip does not know.
async fn forget_strangers(shared: &Shared, members: &[Arc<Member>]) {
    let known: HashSet<String> = members.iter().map(|member| member.name.to_lowercase()).collect();
    let snapshot = shared.store.snapshot();
    let (_, nodes) = snapshot.nodes(LOCAL, &BTreeMap::new());
    for node in nodes {
        let name = node.node.as_str();
        if known.contains(&name.to_lowercase()) || snapshot.node_check(LOCAL, name, SERF_HEALTH).1.is_none() {
            continue;
        }
        let service = snapshot.node_service(LOCAL, name, CONSUL_SERVICE).1;
        let server_id = service.and_then(|service| peers::id_at(shared, &node.address, service.port));
        if let Err(error) = gone(shared, name, server_id.as_deref(), "reaped").await {
            tracing::error!(target: "agent.server", member = name, error = %error, "failed to reconcile member");
        }
    }
}
