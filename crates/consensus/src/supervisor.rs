//! The task that owns a running server: watches who leads, and stops everything in order.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{BasicNode, ChangeMembers, ServerState};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::{EngineMetrics, Raft, metrics};
use crate::log::LogStore;
use crate::peer::Peers;
use crate::standing::Standing;
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
    pub(crate) standing: Arc<Standing>,
    /// Set when this server is the only voter.
    pub(crate) alone: Arc<AtomicBool>,
    pub(crate) peers: Arc<Peers>,
    /// How long a change of our own is waited for.
    pub(crate) patience: Duration,
}

/// When the view of who leads is to be taken again, apart from changes that the engine tells.
struct Next {
    at: Option<Instant>,
    /// Elected, and waiting for the first answer of a quorum.
    on_answer: bool,
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
        let mut answers = self.raft.metrics();
        let mut has_complained = false;
        loop {
            // Marked as seen before looking, so that no later change is missed.
            changes.borrow_and_update();
            answers.borrow_and_update();
            let next = self.publish();
            let stale_at = self.complain(&mut has_complained);
            self.readdress().await;
            let wake = async {
                match next.at.into_iter().chain(stale_at).min() {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { break },
                changed = answers.changed(), if next.on_answer => if changed.is_err() { break },
                () = self.standing.contact.revived() => {}
                () = wake => {}
            }
        }
        self.publish();
    }

    fn publish(&self) -> Next {
        let (now, next, is_cut_off) = metrics(&self.raft, |m| {
            self.raft.runtime_config().tick(self.needs_clock(m));
            self.alone.store(self.standing.is_only_voter(m), Ordering::Relaxed);
            let servers = m.membership_config.nodes().map(|(id, node)| (*id, node.addr.clone()));
            self.peers.retain(&servers.collect::<BTreeMap<_, _>>());
            let now = self.standing.leadership(m);
            let on_answer = m.state == ServerState::Leader && now.state != State::Leader;
            let next = Next { at: self.standing.changes_at(m), on_answer };
            (now, next, on_answer)
        });
        self.leadership.send_if_modified(|before| {
            if *before == now {
                return false;
            }
            if before.state == State::Leader && now.state != State::Leader {
                // Until now this server was the leader it heard.
                self.standing.contact.touch();
                if is_cut_off {
                    tracing::warn!(target: "agent.server.raft",
                        "failed to contact quorum of nodes within the leader lease, stepping down");
                }
            }
            log_change(before, &now, self.standing.me, &self.standing.address);
            *before = now;
            true
        });
        next
    }

    /// Whether anything depends on time: a voter that may have to stand for election, a leader that has to be heard. A
    /// clock would only wake an idle server otherwise.
    fn needs_clock(&self, metrics: &EngineMetrics<S::Reply>) -> bool {
        if metrics.state != ServerState::Leader {
            return self.standing.is_voter(metrics);
        }
        metrics.membership_config.nodes().any(|(id, _)| *id != self.standing.me)
    }

    /// Says once why this server, which hears no leader, stands for no election
    /// (`docs/spec/server-operations.md` §6.4). Returns when that may be due.
    fn complain(&self, has_complained: &mut bool) -> Option<Instant> {
        let contact = &self.standing.contact;
        let reason = metrics(&self.raft, |m| {
            let is_settled = m.membership_config.log_id() == m.committed_membership_config.log_id();
            if m.state == ServerState::Leader || self.standing.is_voter(m) {
                None
            } else if m.membership_config.voter_ids().next().is_none() {
                Some("no known peers, aborting election")
            } else {
                is_settled.then_some("not part of stable configuration, aborting election")
            }
        });
        let Some(reason) = reason.filter(|_| !contact.is_fresh()) else {
            *has_complained = false;
            return None;
        };
        if *has_complained {
            return None;
        }
        let stale_at = contact.stale_at();
        if Instant::now() < stale_at {
            return Some(stale_at);
        }
        tracing::warn!(target: "agent.server.raft", "{reason}");
        *has_complained = true;
        None
    }

    /// Records this server's address in the Raft configuration when it has changed since the last run.
    async fn readdress(&self) {
        let outdated = metrics(&self.raft, |m| {
            let stored = m.membership_config.get_node(&self.standing.me).map(|node| node.addr.as_str());
            self.standing.leads(m) && stored.is_some_and(|stored| stored != self.standing.address)
        });
        if !outdated {
            return;
        }
        let Standing { me, address, .. } = &*self.standing;
        let nodes = [(*me, BasicNode::new(address))].into();
        let change = self.raft.change_membership(ChangeMembers::SetNodes(nodes), true);
        match tokio::time::timeout(self.patience, change).await {
            Ok(Ok(_)) => tracing::info!(target: "agent.server.raft", id = %me, address,
                "updated own address in raft configuration"),
            Ok(Err(error)) => tracing::warn!(target: "agent.server.raft", error = %error,
                "failed to update own address in raft configuration"),
            // Written all the same once a quorum is there again.
            Err(_) => tracing::warn!(target: "agent.server.raft",
                "own address in raft configuration is not updated yet"),
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
        self.peers.closed().await;
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
