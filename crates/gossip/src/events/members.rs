//! Who is a member, and how each came to be what it is (`docs/spec/gossip.md` §12).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wire::GoDuration;

use super::intents::{Intent, Intents};
use super::tags;
use crate::log::Log;
use crate::member::{Member, MemberEvent, Status};
use crate::membership::{Node, Profile, Time};

/// Tag with which a member says how long it is to be remembered.
const RECONNECT_TAG: &str = "rc_tm";
/// Members there may be, those not yet forgotten among them. It is more than any pool has.
const MEMBERS_MAX: usize = 1 << 18;

/// A member, and when it became what it is.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) member: Arc<Member>,
    /// Lamport time of the newest intent about it.
    pub(super) status_ltime: u64,
    /// When it failed or left; a failed member that is then declared gone keeps its time.
    left_at: Time,
}

impl Record {
    fn set_status(&mut self, status: Status) {
        Arc::make_mut(&mut self.member).status = status;
    }
}

/// A change that listeners hear of.
pub(super) type Change = (MemberEvent, Arc<Member>);

/// What an intent led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It is news to others too.
    pub(super) rebroadcast: bool,
    /// It is about us, and wrong.
    pub(super) refute: bool,
    /// The list of members reads differently now.
    pub(super) altered: bool,
    /// What listeners hear, in this order.
    pub(super) changes: Vec<Change>,
}

impl Verdict {
    fn news() -> Verdict {
        Verdict { rebroadcast: true, ..Verdict::default() }
    }
}

/// Someone says that a node leaves, or an operator that it is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaveIntent<'a> {
    pub(super) node: &'a str,
    pub(super) ltime: u64,
    /// Forget it at once.
    pub(super) prune: bool,
    /// It is about ourselves, and we are not leaving.
    pub(super) wrong: bool,
}

/// All members, and what is known of nodes that are none yet.
#[derive(Debug)]
pub(super) struct Members {
    records: BTreeMap<Arc<str>, Record>,
    intents: Intents,
    /// Leaving members to be forgotten, and when.
    prunes: Vec<(Time, Arc<str>)>,
    reconnect_timeout: Duration,
    tombstone_timeout: Duration,
    recent_intent: Duration,
    /// A member that failed less than this ago and is back flaps.
    flap_timeout: Duration,
    flaps: u64,
    log: Log,
    /// How long a member may still be leaving when it is to be forgotten.
    prune_delay: Duration,
}

impl Members {
    pub(super) fn new(profile: &Profile, log: Log) -> Members {
        Members {
            records: BTreeMap::new(),
            intents: Intents::default(),
            prunes: Vec::new(),
            reconnect_timeout: profile.reconnect_timeout,
            tombstone_timeout: profile.tombstone_timeout,
            recent_intent: profile.recent_intent,
            flap_timeout: profile.flap_timeout,
            flaps: 0,
            log,
            prune_delay: profile.broadcast_timeout + profile.leave_propagate_delay,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Member>> {
        self.records.get(name).map(|record| &record.member)
    }

    /// By name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.records.values().map(|record| &record.member)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&Arc<str>, &Record)> {
        self.records.iter()
    }

    pub(super) fn count(&self, status: Status) -> usize {
        self.iter().filter(|member| member.status == status).count()
    }

    /// How many members failed and were back soon, since the last call.
    pub(super) fn take_flaps(&mut self) -> u64 {
        std::mem::take(&mut self.flaps)
    }

    /// Whether anyone but `own` is alive.
    pub(super) fn has_others_alive(&self, own: &str) -> bool {
        self.iter().any(|member| member.status == Status::Alive && member.name != own)
    }

    /// The membership layer found a node alive. Nothing happens when there are too many already.
    pub(super) fn joined(&mut self, node: &Node, now: Time) -> Option<Change> {
        self.prunes.retain(|(_, name)| **name != *node.name);
        let known = self.records.get(&node.name);
        if known.is_none() && self.records.len() >= MEMBERS_MAX {
            return None;
        }
        let is_soon = |failed: &Record| now.saturating_sub(failed.left_at) < self.flap_timeout;
        if known.is_some_and(|record| record.member.status == Status::Failed && is_soon(record)) {
            self.flaps += 1;
        }
        let (status, status_ltime) = match (known, self.intents.of(&node.name)) {
            (Some(record), _) => (Status::Alive, record.status_ltime),
            (None, Some((Intent::Leave, ltime))) => (Status::Leaving, ltime),
            (None, Some((Intent::Join, ltime))) => (Status::Alive, ltime),
            (None, None) => (Status::Alive, 0),
        };
        let member = Arc::new(describe(node, status, self.log));
        let record = Record { member: member.clone(), status_ltime, left_at: now };
        self.records.insert(node.name.clone(), record);
        Some((MemberEvent::Joined, member))
    }

    /// The membership layer lost a node.
    pub(super) fn left(&mut self, node: &Node, now: Time) -> Option<Change> {
        let record = self.records.get_mut(&node.name)?;
        let (status, event) = match record.member.status {
            Status::Leaving => (Status::Left, MemberEvent::Left),
            Status::Alive => (Status::Failed, MemberEvent::Failed),
            status => {
                let status = status.as_str();
                self.log.warn(format_args!("serf: Bad state when leave node={node} status={status}", node = node.name));
                return None;
            }
        };
        record.set_status(status);
        record.left_at = now;
        Some((event, record.member.clone()))
    }

    /// A node says something new about itself.
    pub(super) fn updated(&mut self, node: &Node) -> Option<Change> {
        let record = self.records.get_mut(&node.name)?;
        record.member = Arc::new(describe(node, record.member.status, self.log));
        Some((MemberEvent::Updated, record.member.clone()))
    }

    /// Someone says that a node leaves.
    pub(super) fn leave_intent(&mut self, intent: LeaveIntent<'_>, now: Time) -> Verdict {
        let LeaveIntent { node, ltime, prune, wrong } = intent;
        let Some(record) = self.records.get_mut(node) else {
            let rebroadcast = self.intents.remember(node, Intent::Leave, ltime, now);
            return Verdict { rebroadcast, ..Verdict::default() };
        };
        if ltime <= record.status_ltime {
            return Verdict::default();
        }
        if wrong {
            return Verdict { refute: true, ..Verdict::default() };
        }
        // Raised even when nothing else changes: else two such messages would be passed on forever.
        record.status_ltime = ltime;
        let mut verdict = Verdict::news();
        match record.member.status {
            Status::Alive => {
                record.set_status(Status::Leaving);
                verdict.altered = true;
            }
            Status::Failed => {
                record.set_status(Status::Left);
                verdict.altered = true;
                verdict.changes.push((MemberEvent::Left, record.member.clone()));
            }
            Status::Leaving | Status::Left => {}
            Status::None => return Verdict::default(),
        }
        if prune {
            self.prune(node, now, &mut verdict);
        }
        verdict
    }

    /// Forgets a member; one that is still leaving after everyone had time to hear of it, as in the reference, where
    /// this also holds for one that turns out to be alive.
    fn prune(&mut self, node: &str, now: Time, verdict: &mut Verdict) {
        let Some((name, record)) = self.records.get_key_value(node) else { return };
        if record.member.status != Status::Leaving {
            verdict.changes.extend(self.erase(node));
            return;
        }
        if !self.prunes.iter().any(|(_, pruned)| pruned == name) {
            self.prunes.push((now + self.prune_delay, name.clone()));
        }
    }

    /// Someone says that a node joined; whether others should hear of it, and whether the list reads differently now.
    pub(super) fn join_intent(&mut self, node: &str, ltime: u64, now: Time) -> Verdict {
        let Some(record) = self.records.get_mut(node) else {
            let rebroadcast = self.intents.remember(node, Intent::Join, ltime, now);
            return Verdict { rebroadcast, ..Verdict::default() };
        };
        if ltime <= record.status_ltime {
            return Verdict::default();
        }
        record.status_ltime = ltime;
        let mut verdict = Verdict::news();
        if record.member.status == Status::Leaving {
            record.set_status(Status::Alive);
            verdict.altered = true;
        }
        verdict
    }

    /// Forgets those that failed or left too long ago, and old intents.
    pub(super) fn reap(&mut self, now: Time) -> Vec<Change> {
        self.intents.expire(now, self.recent_intent);
        let old = self.records.iter().filter(|(_, record)| self.is_old(record, now));
        let old: Vec<Arc<str>> = old.map(|(name, _)| name.clone()).collect();
        old.iter().filter_map(|name| self.erase(name)).collect()
    }

    fn is_old(&self, record: &Record, now: Time) -> bool {
        let timeout = match record.member.status {
            Status::Failed => self.reconnect_timeout,
            Status::Left => self.tombstone_timeout,
            _ => return false,
        };
        now.saturating_sub(record.left_at) > own_timeout(&record.member, self.log).unwrap_or(timeout)
    }

    /// Forgets leaving members whose time has come.
    pub(super) fn finish_prunes(&mut self, now: Time) -> Vec<Change> {
        let due: Vec<Arc<str>> =
            self.prunes.iter().filter(|(at, _)| *at <= now).map(|(_, name)| name.clone()).collect();
        due.iter().filter_map(|name| self.erase(name)).collect()
    }

    /// When [`Members::finish_prunes`] has something to do.
    pub(super) fn next_prune(&self) -> Option<Time> {
        self.prunes.iter().map(|(at, _)| *at).min()
    }

    fn erase(&mut self, name: &str) -> Option<Change> {
        self.prunes.retain(|(_, pruned)| **pruned != *name);
        let record = self.records.remove(name)?;
        Some((MemberEvent::Reaped, record.member))
    }
}

/// A member as its node describes itself.
fn describe(node: &Node, status: Status, log: Log) -> Member {
    Member {
        name: node.name.to_string(),
        address: node.address.ip(),
        port: node.address.port(),
        tags: tags::decode(&node.meta, log),
        status,
        vsn: node.vsn,
    }
}

/// How long a member asks to be remembered. `None`: it does not say, or not so that anyone could tell.
fn own_timeout(member: &Member, log: Log) -> Option<Duration> {
    let text = member.tags.get(RECONNECT_TAG)?;
    match GoDuration::parse(text) {
        Ok(GoDuration::ZERO) => None,
        Ok(timeout) => Some(timeout.as_std()),
        Err(error) => {
            log.warn(format_args!(
                "serf: Reconnect timeout of member cannot be read, using the default node={node}: {error}",
                node = member.name
            ));
            None
        }
    }
}
