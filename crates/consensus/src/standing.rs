//! What the engine's view means for this server: whether it leads, who does, and until when that can be believed.

use std::sync::Arc;
use std::time::Duration;

use openraft::{Instant as _, ServerState};
use tokio::time::Instant;

use crate::contact::Contact;
use crate::engine::{EngineMetrics, Types, from_engine_number};
use crate::{Leadership, ServerId, State};

pub(crate) struct Standing {
    pub(crate) me: ServerId,
    pub(crate) address: String,
    pub(crate) leader_lease: Duration,
    pub(crate) contact: Arc<Contact>,
}

impl Standing {
    /// Whether this server leads and a quorum has said so within the lease. The engine itself goes on leading when it
    /// is cut off.
    pub(crate) fn leads<R: Send + Sync + 'static>(&self, metrics: &EngineMetrics<R>) -> bool {
        let is_leader = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
        let acknowledged = || metrics.last_quorum_acked.is_some_and(|at| at.elapsed() < self.leader_lease);
        is_leader && (acknowledged() || self.is_only_voter(metrics))
    }

    pub(crate) fn is_only_voter<R: Send + Sync + 'static>(&self, metrics: &EngineMetrics<R>) -> bool {
        // Without the list of voters, which would have to be put together.
        let configs = metrics.membership_config.membership().get_joint_config();
        !configs.is_empty() && configs.iter().all(|voters| voters.iter().eq([&self.me]))
    }

    /// Whether this server may stand for election.
    pub(crate) fn is_voter<R: Send + Sync + 'static>(&self, metrics: &EngineMetrics<R>) -> bool {
        let mut voters = metrics.membership_config.voter_ids().chain(metrics.committed_membership_config.voter_ids());
        voters.any(|id| id == self.me)
    }

    /// When [`Standing::leadership`] will say something else if nothing is heard until then.
    pub(crate) fn changes_at<R: Send + Sync + 'static>(&self, metrics: &EngineMetrics<R>) -> Option<Instant> {
        if metrics.state != ServerState::Leader {
            return self.contact.is_fresh().then(|| self.contact.stale_at());
        }
        if self.is_only_voter(metrics) {
            return None;
        }
        let left = self.leader_lease.checked_sub(metrics.last_quorum_acked?.elapsed())?;
        // At its very end the lease is over: what was to change has changed.
        (!left.is_zero()).then(|| Instant::now() + left)
    }

    /// Who leads.
    pub(crate) fn leadership<R: Send + Sync + 'static>(&self, metrics: &EngineMetrics<R>) -> Leadership {
        let failure = metrics.running_state.as_ref().err().and_then(failure_text);
        let state = match metrics.state {
            _ if metrics.running_state.is_err() => State::Shutdown,
            ServerState::Leader if self.leads(metrics) => State::Leader,
            // Elected, but no follower has answered yet.
            ServerState::Leader if metrics.last_quorum_acked.is_none() => State::Candidate,
            ServerState::Leader | ServerState::Learner | ServerState::Follower => State::Follower,
            ServerState::Candidate => State::Candidate,
            ServerState::Shutdown => State::Shutdown,
        };
        let pristine = metrics.last_log_index.is_none() && metrics.current_term == 0;
        let term = if pristine { 0 } else { from_engine_number(metrics.current_term) };
        let leader = metrics.current_leader.and_then(|id| match state {
            State::Shutdown => None,
            State::Leader => (id == self.me).then(|| (id, self.address.clone())),
            // A leader that has fallen silent leads nobody, whatever the last vote was.
            State::Follower | State::Candidate if id == self.me || !self.contact.is_fresh() => None,
            State::Follower | State::Candidate => {
                metrics.membership_config.get_node(&id).map(|node| (id, node.addr.clone()))
            }
        });
        Leadership { state, term, leader, failure }
    }
}

/// Why the engine gave up; `None` when it was stopped on request.
pub(crate) fn failure_text<R: Send + Sync + 'static>(fatal: &openraft::errors::Fatal<Types<R>>) -> Option<String> {
    use openraft::errors::Fatal;
    match fatal {
        Fatal::Stopped => None,
        Fatal::StorageError(error) => Some(error.to_string()),
        Fatal::Panicked => Some("raft engine panicked".to_owned()),
    }
}
