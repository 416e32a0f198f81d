//! What an agent does about the events of its datacenter's pool (`docs/spec/gossip.md` §18.5).

use std::sync::Arc;

use bytes::Bytes;
use gossip::{Event, Member, Status};
use rpc::Target;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use types::UserEvent;
use types::server_info::ServerInfo;

use crate::events::{Filter, REMOTE_EXEC};
use crate::servers::Servers;
use crate::{Agent, remote_exec};

/// A new leader tells its name with it.
const NEW_LEADER: &str = "consul:new-leader";
/// What user events' names begin with in gossip.
const USER_EVENT: &str = "consul:event:";
/// What all names of ours begin with; others in the pool are not for us.
const OURS: &str = "consul:";
/// Commands of others that run here at the same time, at most.
const REMOTE_EXECS_MAX: usize = 16;

/// Follows the pool until the agent stops.
pub(crate) async fn follow(agent: Arc<Agent>, mut events: mpsc::Receiver<Event>) {
    let mut members = agent.pools().lan.watch_members();
    let mut commands = JoinSet::new();
    take_servers(&agent, &members.borrow_and_update().clone());
    loop {
        tokio::select! {
            () = agent.stopping().cancelled() => break,
            changed = members.changed() => {
                if changed.is_err() {
                    break;
                }
                let now = members.borrow_and_update().clone();
                take_servers(&agent, &now);
            }
            event = events.recv() => match event {
                Some(Event::User { name, payload, ltime, .. }) => heed(&agent, &name, payload, ltime, &mut commands),
                Some(Event::Lagged(lost)) => {
                    tracing::warn!(target: "agent", lost, "gossip events came faster than they could be handled");
                }
                Some(Event::Member { .. }) => {}
                None => break,
            },
            Some(_) = commands.join_next() => {}
        }
    }
    commands.shutdown().await;
}

fn heed(agent: &Arc<Agent>, name: &str, payload: Bytes, ltime: u64, commands: &mut JoinSet<()>) {
    if !name.starts_with(OURS) {
        return;
    }
    if name == NEW_LEADER {
        let leader = String::from_utf8_lossy(&payload);
        tracing::info!(target: "agent", payload = %leader, "New leader elected");
        agent.local().compare_soon();
        return;
    }
    if !name.starts_with(USER_EVENT) {
        tracing::warn!(target: "agent", event = name, "Unhandled local event");
        return;
    }
    let mut event = match UserEvent::from_broadcast(&payload) {
        Ok(event) => event,
        Err(error) => {
            tracing::error!(target: "agent", error = %error, "failed to decode event");
            return;
        }
    };
    event.ltime = ltime;
    if !is_for_us(agent, &event) {
        return;
    }
    if event.name == REMOTE_EXEC {
        if agent.identity().disable_remote_exec {
            tracing::info!(target: "agent", event = event.id.as_str(), "ignoring remote exec event, disabled.");
        } else if commands.len() < REMOTE_EXECS_MAX {
            commands.spawn(remote_exec::run(agent.clone(), event.payload));
        } else {
            tracing::warn!(target: "agent", limit = REMOTE_EXECS_MAX, "too many remote commands: one was ignored");
        }
        return;
    }
    tracing::debug!(target: "agent", event_name = event.name.as_str(), event_id = event.id.as_str(), "new event");
    agent.events().receive(event);
}

fn is_for_us(agent: &Agent, event: &UserEvent) -> bool {
    if event.version > types::event::EVENT_VERSION {
        tracing::warn!(
            target: "agent",
            version = event.version,
            event = event.id.as_str(),
            "Event version may have unsupported features"
        );
    }
    match Filter::compile(event) {
        Ok(filter) => {
            filter.matches_node(&agent.identity().node_name) && filter.matches_service(&agent.local().services())
        }
        Err(error) => {
            tracing::error!(target: "agent", error = %error, "Failed to parse the filters of an event");
            false
        }
    }
}

/// Tells a client's way to servers which there are.
fn take_servers(agent: &Agent, members: &[Arc<Member>]) {
    agent.local().set_members(members.iter().filter(|member| member.status == Status::Alive).count());
    if let Servers::Away(client) = agent.servers() {
        client.set_servers(servers(members, &agent.identity().datacenter), members.len());
    }
}

/// Servers of the datacenter that can be asked.
pub(crate) fn servers(members: &[Arc<Member>], datacenter: &str) -> Vec<Target> {
    let can_answer = |member: &&Arc<Member>| matches!(member.status, Status::Alive | Status::Leaving);
    let infos = members.iter().filter(can_answer);
    infos
        .filter_map(|member| ServerInfo::from_tags(&member.name, member.address, &member.tags))
        .filter(|info| info.datacenter == datacenter)
        .map(|info| Target { name: info.short_name, address: info.address, use_tls: info.use_tls })
        .collect()
}
