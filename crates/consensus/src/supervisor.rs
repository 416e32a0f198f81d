//! The task that owns a running server: watches who leads, and stops everything in order.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{BasicNode, ChangeMembers, ServerState};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::{EngineMetrics, Raft, from_engine_number, metrics};
use crate::log::LogStore;
use crate::{Leadership, ServerId, State, StateMachine};

/// The engine's own tasks end right after its core; this long a wait means that one hangs.
const ENGINE_END_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Supervisor<S: StateMachine> {
    pub(crate) raft: Raft<S>,
    pub(crate) log: Arc<LogStore>,
    /// Counts what of ours the engine holds.
    pub(crate) held: TaskTracker,
    pub(crate) compaction: JoinHandle<()>,
    pub(crate) stop: CancellationToken,
    pub(crate) leadership: watch::Sender<Leadership>,
    /// Gets the outcome once everything has ended.
    pub(crate) finished: watch::Sender<Option<Result<(), String>>>,
    pub(crate) me: ServerId,
    pub(crate) address: String,
}

impl<S: StateMachine> Supervisor<S> {
    /// Runs until stopped, then stops everything.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.watch() => stop.cancelled().await,
        }
        self.close().await;
    }

    /// Publishes every change of leadership; returns when the engine has ended.
    async fn watch(&mut self) {
        let mut changes = self.raft.server_metrics();
        loop {
            changes.borrow_and_update();
            self.publish();
            self.readdress().await;
            if changes.changed().await.is_err() {
                break;
            }
        }
        self.publish();
    }

    fn publish(&self) {
        let now = metrics(&self.raft, |m| {
            // With nobody to hear from or to send to, a clock would only wake an idle server.
            self.raft.runtime_config().tick(m.membership_config.voter_ids().nth(1).is_some());
            leadership(m, self.me, &self.address)
        });
        self.leadership.send_if_modified(|before| {
            if *before == now {
                return false;
            }
            log_change(before, &now, self.me, &self.address);
            *before = now;
            true
        });
    }

    /// Records this server's address in the Raft configuration when it has changed since the last run.
    async fn readdress(&self) {
        let outdated = metrics(&self.raft, |m| {
            let stored = m.membership_config.get_node(&self.me).map(|node| node.addr.as_str());
            m.state == ServerState::Leader && stored.is_some_and(|stored| stored != self.address)
        });
        if !outdated {
            return;
        }
        let nodes = [(self.me, BasicNode::new(&self.address))].into();
        match self.raft.change_membership(ChangeMembers::SetNodes(nodes), true).await {
            Ok(_) => tracing::info!(target: "agent.server.raft", id = %self.me, address = self.address,
                "updated own address in raft configuration"),
            Err(error) => tracing::warn!(target: "agent.server.raft", error = %error,
                "failed to update own address in raft configuration"),
        }
    }

    async fn close(self) {
        let mut problems = Vec::new();
        if let Err(error) = self.compaction.await {
            problems.push(format!("snapshot task: {error}"));
        }
        if let Err(error) = self.raft.shutdown().await {
            problems.push(format!("raft engine: {error}"));
        }
        self.held.close();
        if tokio::time::timeout(ENGINE_END_TIMEOUT, self.held.wait()).await.is_err() {
            problems.push("raft engine still holds its log".to_owned());
        }
        let log = self.log;
        match tokio::task::spawn_blocking(move || log.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => problems.push(format!("failed to close raft log: {error}")),
            Err(error) => problems.push(format!("failed to close raft log: {error}")),
        }
        let before = self.leadership.borrow().clone();
        self.leadership.send_if_modified(|now| {
            *now = Leadership { state: State::Shutdown, leader: None, ..before.clone() };
            *now != before
        });
        self.finished.send_replace(Some(if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }));
    }
}

/// What the engine's metrics say about who leads.
pub(crate) fn leadership<R: Send + Sync + 'static>(
    metrics: &EngineMetrics<R>,
    me: ServerId,
    address: &str,
) -> Leadership {
    let failure = metrics.running_state.as_ref().err().and_then(failure_text);
    let state = match metrics.state {
        _ if metrics.running_state.is_err() => State::Shutdown,
        ServerState::Learner | ServerState::Follower => State::Follower,
        ServerState::Candidate => State::Candidate,
        ServerState::Leader => State::Leader,
        ServerState::Shutdown => State::Shutdown,
    };
    let pristine = metrics.last_log_index.is_none() && metrics.current_term == 0;
    let term = if pristine { 0 } else { from_engine_number(metrics.current_term) };
    let leader = metrics.current_leader.filter(|_| state != State::Shutdown).and_then(|id| {
        if id == me {
            return Some((id, address.to_owned()));
        }
        metrics.membership_config.get_node(&id).map(|node| (id, node.addr.clone()))
    });
    Leadership { state, term, leader, failure }
}

/// Why the engine gave up; `None` when it was stopped on request.
pub(crate) fn failure_text<R: Send + Sync + 'static>(
    fatal: &openraft::errors::Fatal<crate::engine::Types<R>>,
) -> Option<String> {
    use openraft::errors::Fatal;
    match fatal {
        Fatal::Stopped => None,
        Fatal::StorageError(error) => Some(error.to_string()),
        Fatal::Panicked => Some("raft engine panicked".to_owned()),
    }
}

fn log_change(before: &Leadership, now: &Leadership, me: ServerId, address: &str) {
    if let (None, Some(failure)) = (&before.failure, &now.failure) {
        tracing::error!(target: "agent.server.raft", error = failure, "failed to commit logs");
    }
    if before.state == now.state && before.term == now.term {
        return;
    }
    let node = format!("Node at {address} [{}]", now.state);
    match now.state {
        State::Follower => {
            let (id, address) = match &now.leader {
                Some((id, address)) => (id.to_string(), address.clone()),
                None => (String::new(), String::new()),
            };
            tracing::info!(
                target: "agent.server.raft",
                { follower = node, "leader-address" = %address, "leader-id" = %id },
                "entering follower state"
            );
        }
        State::Candidate => {
            tracing::info!(target: "agent.server.raft", node, term = now.term, "entering candidate state");
        }
        State::Leader => {
            tracing::info!(target: "agent.server.raft", leader = node, id = %me, term = now.term,
                "entering leader state");
        }
        State::Shutdown => {}
    }
}
