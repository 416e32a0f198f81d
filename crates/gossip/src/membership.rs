//! The membership layer: who is in the pool and who answers (`docs/spec/gossip.md` §3-§9). SWIM with Lifeguard's health
//! score and suspicion times, byte-compatible with the reference.
//!
//! It has no clock, no socket and no task: packets, stream requests, replies and ticks come in with the time, effects
//! are taken out by [`Membership::poll`]. Input from the network never panics and never grows anything without bound.

mod allow;
mod dispatch;
mod effect;
mod exchange;
mod health;
mod node;
mod pause;
mod probe;
mod profile;
mod public;
mod relay;
mod roster;
mod send;
mod state;
mod suspicion;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::keyring::SharedKeyring;
use crate::log::Log;
use crate::measures::MemberlistMeasures;
use crate::queue::TransmitQueue;
use crate::random::Rng;
use crate::wire::Pipeline;
use allow::AllowList;
pub use effect::{ExchangeId, StreamId};
pub(crate) use effect::{JoinId, MembershipEffect};
use exchange::Exchange;
use health::Health;
pub(crate) use node::{Candidate, Node, NodeState, Upper};
use probe::Probe;
pub(crate) use profile::MembershipSettings;
pub use profile::Profile;
use relay::Relays;
use roster::Roster;

/// A point in time: since the pool started, by a clock that never steps.
pub type Time = Duration;

/// The versions this agent announces: membership protocol 1 to 5, spoken 2; event protocol 2 to 5, spoken 4.
pub(crate) const OWN_VERSIONS: [u8; 6] = [1, 5, 2, 2, 5, 4];

/// Ticket of the broadcast that says we leave.
const LEAVE_TICKET: u64 = 0;
/// Ticket of the broadcast of our newest metadata.
const META_TICKET: u64 = 1;

/// News of somebody who came are told after this long, even if the next round of gossip is further away.
const NEWS_DELAY: Duration = Duration::from_millis(20);

/// The membership layer of one pool.
pub(crate) struct Membership {
    settings: MembershipSettings,
    log: Log,
    pipeline: Pipeline,
    allowed: AllowList,
    roster: Roster,
    rng: Rng,
    health: Health,
    broadcasts: TransmitQueue,
    /// Ticks to come; `None` before the start and after shutdown.
    schedule: Option<Schedule>,
    probing: Option<Probe>,
    relays: Relays,
    exchanges: HashMap<ExchangeId, Exchange>,
    next_exchange: u64,
    sequence: u32,
    leaving: bool,
    /// When anything was last done.
    awake: Time,
    measures: MemberlistMeasures,
    effects: VecDeque<MembershipEffect>,
}

/// When each periodic work is due next.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    probe: Time,
    gossip: Time,
    push_pull: Time,
}

impl Membership {
    /// A pool of which we know nobody yet; `meta` is our own metadata. An empty keyring means plaintext.
    pub(crate) fn new(
        settings: MembershipSettings,
        meta: Bytes,
        keyring: SharedKeyring,
        seed: u64,
        now: Time,
    ) -> Membership {
        let own = Node {
            name: Arc::from(settings.name.as_str()),
            address: settings.advertise,
            meta,
            vsn: OWN_VERSIONS,
            state: NodeState::Dead,
            incarnation: 0,
            changed: now,
        };
        Membership {
            pipeline: Pipeline::new(keyring, &settings.label, settings.verify_incoming, settings.verify_outgoing),
            allowed: AllowList::new(settings.allowed.clone()),
            roster: Roster::new(own),
            rng: Rng::new(seed),
            health: Health::new(settings.profile.awareness_max),
            broadcasts: TransmitQueue::new(settings.profile.retransmit_mult),
            schedule: None,
            probing: None,
            relays: Relays::default(),
            exchanges: HashMap::new(),
            next_exchange: 0,
            sequence: 0,
            leaving: false,
            awake: now,
            measures: MemberlistMeasures::default(),
            effects: VecDeque::new(),
            log: settings.log,
            settings,
        }
    }

    /// Announces ourselves and begins to probe, gossip and exchange state.
    pub(crate) fn start(&mut self, now: Time, up: &mut dyn Upper) {
        let profile = &self.settings.profile;
        let rng = &mut self.rng;
        let mut stagger = |interval: Duration| interval.mul_f64(rng.unit());
        let schedule = Schedule {
            probe: now + stagger(profile.probe_interval),
            gossip: now + stagger(profile.gossip_interval),
            push_pull: now + stagger(profile.push_pull_interval) + profile.push_pull_interval,
        };
        self.schedule = Some(schedule);
        self.warn_if_public();
        let meta = self.own().meta.clone();
        self.announce(&meta, None, now, up);
    }

    /// Does everything that is due.
    pub(crate) fn tick(&mut self, now: Time, up: &mut dyn Upper) {
        self.wake_up(now);
        let Some(mut schedule) = self.schedule else {
            return;
        };
        self.expire_relays(now, up);
        self.expire_suspicions(now, up);
        self.advance_probe(now, up);
        if schedule.probe <= now && self.probing.is_none() {
            schedule.probe = next_tick(schedule.probe, self.settings.profile.probe_interval, now);
            self.start_probe(now, up);
        }
        if schedule.gossip <= now {
            schedule.gossip = next_tick(schedule.gossip, self.settings.profile.gossip_interval, now);
            self.gossip(now, up);
        }
        if schedule.push_pull <= now {
            schedule.push_pull = now + self.push_pull_interval();
            self.start_push_pull(now, up);
        }
        self.schedule = Some(schedule);
        self.settle_tickets();
    }

    /// Brings the next round of gossip forward: somebody has come, and there was nothing else to tell. In a crowd of
    /// newcomers the rounds keep their pace.
    fn gossip_soon(&mut self, now: Time) {
        if let Some(schedule) = &mut self.schedule {
            schedule.gossip = schedule.gossip.min(now + NEWS_DELAY);
        }
    }

    /// When [`Self::tick`] has something to do next; `None` before the start and after shutdown.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let schedule = self.schedule?;
        let probe = self.probing.as_ref().map_or(schedule.probe, Probe::due);
        let mut next = probe.min(schedule.gossip).min(schedule.push_pull);
        if let Some(relay) = self.relays.due() {
            next = next.min(relay);
        }
        if let Some(suspicion) = self.roster.next_suspicion() {
            next = next.min(suspicion);
        }
        Some(next)
    }

    /// The next effect to carry out. To be called until it is empty after every other call.
    pub(crate) fn poll(&mut self) -> Option<MembershipEffect> {
        self.effects.pop_front()
    }

    /// Says that we leave: [`MembershipEffect::LeaveSent`] comes when it was said often enough, at once when nobody
    /// listens. We go on answering until shutdown. A second call does nothing.
    pub(crate) fn leave(&mut self, now: Time, up: &mut dyn Upper) {
        if self.leaving {
            return;
        }
        self.leaving = true;
        let listened = self.others_live();
        self.announce_leave(now, up);
        if !listened {
            self.effects.push_back(MembershipEffect::LeaveSent);
        }
        self.settle_tickets();
    }

    /// Announces new metadata of ours, at most 512 bytes; [`MembershipEffect::MetaSent`] follows.
    pub(crate) fn update_meta(&mut self, meta: Bytes, now: Time, up: &mut dyn Upper) {
        let listened = self.others_live();
        self.announce(&meta, listened.then_some(META_TICKET), now, up);
        if !listened {
            self.effects.push_back(MembershipEffect::MetaSent);
        }
        self.settle_tickets();
    }

    /// The node of this name.
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.roster.find(name).and_then(|slot| self.roster.node(slot))
    }

    /// All nodes, ourselves and those dead or left and not forgotten yet among them.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.roster.nodes()
    }

    /// How many nodes [`Self::nodes`] gives.
    pub(crate) fn node_count(&self) -> usize {
        self.roster.len()
    }

    /// How many nodes are alive or suspected, ourselves among them.
    pub(crate) fn live_count(&self) -> usize {
        self.roster.live()
    }

    /// Ourselves. Dead until the start.
    pub(crate) fn own(&self) -> &Node {
        self.roster.own()
    }

    /// How unwell we ourselves seem: 0 is well, 7 the worst.
    pub(crate) fn health_score(&self) -> u32 {
        self.health.score()
    }

    /// What was counted since the last call.
    pub(crate) fn take_measures(&mut self) -> MemberlistMeasures {
        std::mem::take(&mut self.measures)
    }

    /// How many messages wait to be passed on.
    pub(crate) fn queued(&self) -> usize {
        self.broadcasts.len()
    }

    /// Stops: nothing is due, sent or answered any more.
    pub(crate) fn shutdown(&mut self) {
        self.schedule = None;
        self.probing = None;
        self.relays = Relays::default();
        self.exchanges.clear();
    }
}

/// The first tick after `now` of a ticker that ticked at `last`; ticks in between are skipped.
fn next_tick(last: Time, interval: Duration, now: Time) -> Time {
    let interval = interval.max(Duration::from_millis(1));
    let elapsed = now.saturating_sub(last).as_nanos();
    let ticks = elapsed / interval.as_nanos() + 1;
    last + interval.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}
