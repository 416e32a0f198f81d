//! Changes of the Raft configuration, one server at a time, as the reference makes them: any two configurations that
//! follow each other then have a voter in common in each of their quorums, and none is ever half done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::{BasicNode, ChangeMembers, Instant as _, Precondition};

use super::{Consensus, Deposed, leader};
use crate::engine::{
    EngineMembership, EnginePayload, EngineVote, Types, from_engine_id, from_engine_membership, metrics, tell_removed,
};
use crate::log::LogId;
use crate::peer::{Lane, Link};
use crate::{ChangeError, ServerId, StateMachine};

type Written<R> = Result<ClientWriteResponse<Types<R>>, RaftError<Types<R>, ClientWriteError<Types<R>>>>;

/// A configuration to be.
struct Plan {
    voters: BTreeSet<ServerId>,
    servers: BTreeMap<ServerId, String>,
}

impl Plan {
    /// What the reference says of a configuration without voters, in its words.
    fn check(&self) -> Result<(), ChangeError> {
        if !self.voters.is_empty() {
            return Ok(());
        }
        let servers: Vec<_> = self.servers.iter().map(|(id, address)| format!("{{Nonvoter {id} {address}}}")).collect();
        let servers = servers.join(" ");
        Err(ChangeError::Refused(format!("need at least one voter in configuration: {{[{servers}]}}")))
    }
}

fn unknown(id: ServerId) -> ChangeError {
    ChangeError::Refused(format!("id \"{id}\" was not found in the Raft configuration"))
}

impl<S: StateMachine> Consensus<S> {
    /// Adds a server that does not vote, and begins to replicate to it; does not wait until it has caught up. Of a
    /// server that is already there only the address is changed.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn add_nonvoter(&self, id: ServerId, address: &str) -> Result<(), ChangeError> {
        let mut moved = false;
        let added = self.change(|plan| {
            if let Some(known) = plan.servers.get(&id) {
                moved = known != address;
                return Ok(false);
            }
            plan.servers.insert(id, address.to_owned());
            Ok(true)
        });
        added.await?;
        if moved { self.set_address(id, address).await } else { Ok(()) }
    }

    /// Lets a server vote.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn promote(&self, id: ServerId) -> Result<(), ChangeError> {
        let promoted = self.change(|plan| {
            if !plan.servers.contains_key(&id) {
                return Err(unknown(id));
            }
            Ok(plan.voters.insert(id))
        });
        promoted.await.map(drop)
    }

    /// Takes its vote from a server. A leader that loses its vote hands over.
    ///
    /// # Errors
    /// See [`ChangeError`]; the last voter keeps its vote.
    pub async fn demote(&self, id: ServerId) -> Result<(), ChangeError> {
        let demoted = self.change(|plan| {
            if !plan.servers.contains_key(&id) {
                return Err(unknown(id));
            }
            if !plan.voters.remove(&id) {
                return Ok(false);
            }
            plan.check().map(|()| true)
        });
        let is_done = demoted.await?.is_some();
        if is_done && id == self.0.standing.me { self.transfer_leadership().await } else { Ok(()) }
    }

    /// Removes a server; nothing happens when it is not there. A leader that removes itself steps down, a server that
    /// runs and is removed goes on as a follower that hears from nobody and stands for no election.
    ///
    /// # Errors
    /// See [`ChangeError`]; the last voter is not removed.
    pub async fn remove(&self, id: ServerId) -> Result<(), ChangeError> {
        let reachable = self.reachable(id);
        let removed = self.change(|plan| {
            if plan.servers.remove(&id).is_none() {
                return Ok(false);
            }
            plan.voters.remove(&id);
            plan.check().map(|()| true)
        });
        if let (Some(removal), Some((link, vote, matched))) = (removed.await?, reachable) {
            tell_removed::<S::Reply>(&link, &self.0.log, vote, matched, removal).await;
        }
        Ok(())
    }

    /// Records where a server is now. Its vote, or lack of one, stays.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn set_address(&self, id: ServerId, address: &str) -> Result<(), ChangeError> {
        self.must_lead()?;
        let known = metrics(&self.0.raft, |m| m.membership_config.get_node(&id).map(|node| node.addr == address));
        match known {
            None => return Err(unknown(id)),
            Some(true) => return Ok(()),
            Some(false) => {}
        }
        let nodes = BTreeMap::from([(id, BasicNode::new(address))]);
        let change = self.0.raft.change_membership(ChangeMembers::SetNodes(nodes), true);
        self.outcome(self.while_leading(change).await).map(drop)
    }

    /// Hands the leadership to the voter that has most of the log. Returns once another server leads. Commands are
    /// refused from the call on.
    ///
    /// # Errors
    /// See [`ChangeError`]. After [`ChangeError::TransferTimeout`] this server has stopped leading all the same.
    pub async fn transfer_leadership(&self) -> Result<(), ChangeError> {
        self.must_lead()?;
        let me = self.0.standing.me;
        let target = metrics(&self.0.raft, |m| {
            let matched =
                |id: &ServerId| m.replication.as_ref().and_then(|all| all.get(id)?.as_ref().map(from_engine_id));
            let heard = |id: &ServerId| m.heartbeat.as_ref().and_then(|all| *all.get(id)?);
            let alive = |id: &ServerId| heard(id).is_some_and(|at| at.elapsed() < self.0.timing.election_max);
            let others = m.membership_config.voter_ids().filter(|id| *id != me);
            others.max_by_key(|id| (alive(id), matched(id)))
        });
        let target = target.ok_or_else(|| ChangeError::Refused("cannot find peer".to_owned()))?;
        tracing::info!(target: "agent.server.raft", to = %target, "transferring leadership");
        let mut leadership = self.leadership();
        self.0.raft.trigger().transfer_leader(target).await.map_err(|fatal| self.fatal(&fatal))?;
        let moved = leadership.wait_for(|now| now.leader.as_ref().is_some_and(|(id, _)| *id != me));
        match tokio::time::timeout(2 * self.0.timing.election_max, moved).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(ChangeError::Shutdown),
            Err(_) => Err(ChangeError::TransferTimeout),
        }
    }

    /// Writes the configuration that `edit` makes of the current one; `None` when it leaves that as it is.
    async fn change(
        &self,
        edit: impl FnOnce(&mut Plan) -> Result<bool, ChangeError>,
    ) -> Result<Option<LogId>, ChangeError> {
        self.must_lead()?;
        self.leave_joint().await?;
        let observed = metrics(&self.0.raft, |m| m.membership_config.clone());
        let current = from_engine_membership(observed.membership());
        let mut plan = Plan { voters: current.voters.into_iter().flatten().collect(), servers: current.servers };
        if !edit(&mut plan)? {
            return Ok(None);
        }
        let nodes = plan.servers.into_iter().map(|(id, address)| (id, BasicNode::new(address)));
        let membership = EngineMembership::new(vec![plan.voters], nodes.collect::<BTreeMap<_, _>>());
        let membership = membership.map_err(|error| ChangeError::Refused(error.to_string()))?;
        // Another change that comes first makes this one fail instead of being undone by it.
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *observed.log_id() };
        let change = self.0.raft.append_membership(membership, EnginePayload::Blank, [unchanged]);
        self.outcome(self.while_leading(change).await).map(Some)
    }

    /// Ends a change in two steps that an earlier leader did not finish. None of ours is of that kind.
    async fn leave_joint(&self) -> Result<(), ChangeError> {
        if metrics(&self.0.raft, |m| m.membership_config.get_joint_config().len() < 2) {
            return Ok(());
        }
        let change = self.0.raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::new()), true);
        self.outcome(self.while_leading(change).await).map(drop)
    }

    fn must_lead(&self) -> Result<(), ChangeError> {
        if self.is_leader() {
            return Ok(());
        }
        Err(ChangeError::NotLeader { leader: self.0.leadership.borrow().leader.clone() })
    }

    /// The way to another server that is up, our vote, and the last entry it is known to have.
    fn reachable(&self, id: ServerId) -> Option<(Arc<Link>, EngineVote, LogId)> {
        let (address, vote, matched) = metrics(&self.0.raft, |m| {
            let heard = (*m.heartbeat.as_ref()?.get(&id)?)?;
            if id == self.0.standing.me || heard.elapsed() >= self.0.timing.election_max || !m.vote.committed {
                return None;
            }
            let matched = from_engine_id(m.replication.as_ref()?.get(&id)?.as_ref()?);
            Some((m.membership_config.get_node(&id)?.addr.clone(), m.vote, matched))
        })?;
        Some((self.0.peers.link(id, &address, Lane::Control), vote, matched))
    }

    fn outcome(&self, written: Result<Written<S::Reply>, Deposed>) -> Result<LogId, ChangeError> {
        let written = match written {
            Ok(written) => written,
            Err(Deposed::Before(leader)) => return Err(ChangeError::NotLeader { leader }),
            Err(Deposed::During) => return Err(ChangeError::LeadershipLost),
        };
        let error = match written {
            Ok(response) => return Ok(from_engine_id(&response.log_id)),
            Err(RaftError::Fatal(fatal)) => return Err(self.fatal(&fatal)),
            Err(RaftError::APIError(error)) => error,
        };
        Err(match error {
            ClientWriteError::ForwardToLeader(to) => ChangeError::NotLeader { leader: leader(to) },
            ClientWriteError::LogEntryDiscarded(_) => ChangeError::LeadershipLost,
            ClientWriteError::PreconditionFailed(_)
            | ClientWriteError::ChangeMembershipError(
                ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
            ) => ChangeError::InProgress,
            ClientWriteError::ChangeMembershipError(error) => ChangeError::Refused(error.to_string()),
        })
    }

    fn fatal(&self, fatal: &openraft::errors::Fatal<Types<S::Reply>>) -> ChangeError {
        self.failure(fatal).map_or(ChangeError::Shutdown, ChangeError::Storage)
    }
}
