//! The whole of one pool without clock, I/O and tasks: what happens comes in by [`Core::handle`], what is to be done
//! goes out by [`Core::poll`], and [`Core::deadline`] tells when time alone is worth an input.

mod command;
#[cfg(test)]
pub(crate) mod harness;
mod joining;
mod leaving;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use types::Coordinate;

pub use command::{
    Command, CommandId, Effect, Input, JoinTarget, KeyOperation, KeyReply, Outcome, QueryParams, QueryResult, SaveId,
};

use crate::events::{Events, Owner, Phase, Wish, encode_tags};
use crate::keyring::{Keyring, SharedKeyring};
use crate::log::Logs;
use crate::measures::{Figures, Measures};
use crate::member::{Admission, Member};
use crate::membership::{JoinId, Membership, MembershipEffect, MembershipSettings, NodeState, Profile, Time};
use crate::snapshot::Recovered;
use joining::Joining;
use leaving::Leaving;
use waiting::Waiting;

/// What a command is answered once the pool is shut down.
const SHUT_DOWN: &str = "Serf is shut down";

/// How one pool is set up.
#[derive(Debug)]
pub struct CoreSettings {
    /// Our name in the pool.
    pub name: String,
    /// Where others reach us, over datagrams and streams.
    pub advertise: SocketAddr,
    /// What we say about ourselves; at most 512 bytes encoded.
    pub tags: BTreeMap<String, String>,
    /// Intervals and limits.
    pub profile: Profile,
    /// Keys, the first of which encrypts; `None`: the pool is not encrypted.
    pub keyring: Option<Keyring>,
    /// Whether plaintext is refused when there are keys.
    pub verify_incoming: bool,
    /// Whether to encrypt when there are keys.
    pub verify_outgoing: bool,
    /// Networks members may be in, as address and prefix length; empty: all.
    pub allowed: Vec<(IpAddr, u8)>,
    /// Whether to ask the others when someone else claims our name, and to give up if they know us as someone else.
    pub resolve_conflicts: bool,
    /// Whether the nodes of the snapshot are joined even after this node had left. For whoever reads the file.
    pub rejoin_after_leave: bool,
    /// What the snapshot file said; `None`: there is no such file, and nothing is recorded.
    pub snapshot: Option<Recovered>,
    /// Seed of all random choices.
    pub seed: u64,
}

/// One pool.
pub struct Core {
    profile: Profile,
    logs: Logs,
    membership: Membership,
    events: Events,
    joining: Joining,
    leaving: Option<Leaving>,
    waiting: Waiting,
    effects: VecDeque<Effect>,
}

impl Core {
    /// A pool of which this node is the only member, until it joins others; those of the snapshot it joins by itself.
    ///
    /// # Errors
    /// The tags are too long.
    pub fn new(settings: CoreSettings, admission: Arc<dyn Admission>, now: Time) -> Result<Core, String> {
        Core::with_logs(settings, admission, Logs::default(), now)
    }

    /// The same, with loggers of its own.
    pub(crate) fn with_logs(
        mut settings: CoreSettings,
        admission: Arc<dyn Admission>,
        logs: Logs,
        now: Time,
    ) -> Result<Core, String> {
        let meta = encode_tags(&settings.tags)?;
        let keyring: SharedKeyring = Arc::new(settings.keyring.take().unwrap_or_default());
        let events = Events::new(&settings, keyring.clone(), admission, logs.serf, now);
        let previous = settings.snapshot.take().map(|recovered| recovered.nodes).unwrap_or_default();
        let joining = Joining::new(previous, &settings.name, settings.seed);
        let membership_settings = MembershipSettings {
            name: settings.name,
            advertise: settings.advertise,
            profile: settings.profile.clone(),
            verify_incoming: settings.verify_incoming,
            verify_outgoing: settings.verify_outgoing,
            allowed: settings.allowed,
            label: String::new(),
            log: logs.memberlist,
        };
        // The layers must not draw the same numbers.
        let membership = Membership::new(membership_settings, meta, keyring, !settings.seed, now);
        let mut core = Core {
            profile: settings.profile,
            logs,
            membership,
            events,
            joining,
            leaving: None,
            waiting: Waiting::default(),
            effects: VecDeque::new(),
        };
        core.membership.start(now, &mut core.events);
        core.rejoin_next(now);
        core.settle(now);
        Ok(core)
    }

    /// Takes in what happened. What is to be done about it comes out of [`Core::poll`].
    pub fn handle(&mut self, input: Input, now: Time) {
        let (membership, events) = (&mut self.membership, &mut self.events);
        match input {
            Input::Tick => {
                membership.tick(now, events);
                events.tick(now);
                self.expire(now);
            }
            Input::Packet { from, data } => membership.packet(from, &data, now, events),
            Input::StreamRequest { id, from, frame } => membership.stream_request(id, from, &frame, now, events),
            Input::StreamBroken { id } => membership.stream_broken(id),
            Input::ExchangeReply { id, reply } => membership.exchange_reply(id, reply, now, events),
            Input::Command { id, command } => self.command(id, command, now),
            Input::KeyringSaved { id, result } => events.keyring_saved(id, result, now),
        }
        self.settle(now);
    }

    /// When [`Input::Tick`] is due; `None`: never, the pool is shut down.
    pub fn deadline(&self) -> Option<Time> {
        if self.events.phase() == Phase::Shutdown {
            return None;
        }
        let leaving = self.leaving.as_ref().map(Leaving::deadline);
        let due = [self.membership.deadline(), self.events.deadline(), leaving, self.waiting.deadline()];
        due.into_iter().flatten().min()
    }

    /// The next thing to be done. To be called until there is none after each [`Core::handle`], and once at the start.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// All members by name, those that left or failed too, until they are forgotten.
    pub fn members(&self) -> Vec<Arc<Member>> {
        self.events.members()
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<Arc<Member>> {
        self.events.member(name).cloned()
    }

    /// Where this node is in the pool's space of latencies.
    pub fn coordinate(&self) -> Coordinate {
        self.events.coordinate().clone()
    }

    /// Where a member said it is, when it last answered a probe of ours.
    pub fn coordinate_of(&self, name: &str) -> Option<Coordinate> {
        self.events.coordinate_of(name).cloned()
    }

    /// What an operator sees (`docs/spec/gossip.md` §18.10).
    pub fn stats(&self) -> BTreeMap<&'static str, String> {
        let mut stats = self.events.stats();
        stats.insert("health_score", self.membership.health_score().to_string());
        stats
    }

    /// What was counted since the last call.
    pub(crate) fn take_measures(&mut self) -> Measures {
        Measures { memberlist: self.membership.take_measures(), serf: self.events.take_measures() }
    }

    /// What is measured now and then.
    pub(crate) fn figures(&self) -> Figures {
        let depths = self.events.depths();
        let mut figures = Figures {
            health_score: self.membership.health_score(),
            broadcasts: self.membership.queued(),
            intents: depths.intents,
            events: depths.events,
            queries: depths.queries,
            ..Figures::default()
        };
        for node in self.membership.nodes() {
            let count = match node.state {
                NodeState::Alive => &mut figures.alive,
                NodeState::Suspect => &mut figures.suspect,
                NodeState::Dead => &mut figures.dead,
                NodeState::Left => &mut figures.left,
            };
            *count += 1;
        }
        figures
    }

    fn command(&mut self, id: CommandId, command: Command, now: Time) {
        if self.events.phase() == Phase::Shutdown {
            let outcome = refusal(&command);
            return self.done(id, outcome);
        }
        match command {
            Command::Join { targets, ignore_old } => self.join(id, targets, ignore_old, now),
            Command::Leave => self.leave(id, now),
            Command::ForceLeave { node, prune } => match self.events.force_leave(node, prune, now) {
                Some(ticket) => self.waiting.for_removal(id, ticket, now + self.profile.broadcast_timeout),
                None => self.done(id, Outcome::Removed(Ok(()))),
            },
            Command::UserEvent { name, payload, coalesce } => {
                let fired = self.events.user_event(name, payload, coalesce);
                self.done(id, Outcome::Fired(fired));
            }
            Command::Query(params) => {
                if let Err(error) = self.events.query(&params, Owner::Command(id), now) {
                    self.done(id, Outcome::Queried(Err(error)));
                }
            }
            Command::SetTags(tags) => match encode_tags(&tags) {
                Ok(meta) => {
                    self.waiting.for_tags(id, now + self.profile.broadcast_timeout);
                    self.membership.update_meta(meta, now, &mut self.events);
                }
                Err(error) => self.done(id, Outcome::Tagged(Err(error))),
            },
            Command::Keys { operation, relay_factor } => {
                let nodes = self.membership.live_count();
                self.events.keys(id, operation, relay_factor, nodes, now);
            }
        }
    }

    /// Carries what the two layers want to each other and to the outside, until neither wants anything more.
    fn settle(&mut self, now: Time) {
        loop {
            if let Some(wish) = self.events.next_wish() {
                self.grant(wish, now);
            } else if let Some(effect) = self.membership.poll() {
                self.carry_out(effect, now);
            } else {
                let sent = self.events.sent();
                if sent.is_empty() {
                    break;
                }
                sent.into_iter().for_each(|ticket| self.told(ticket, now));
            }
        }
        if self.events.take_altered() {
            self.effects.push_front(Effect::MembersChanged);
        }
    }

    fn grant(&mut self, wish: Wish, now: Time) {
        match wish {
            Wish::Effect(Effect::Stopped { reason }) => self.stop(reason),
            Wish::Effect(effect) => self.effects.push_back(effect),
            Wish::Send { to, node, message } => self.membership.send_user(to, node.as_deref(), &message),
            Wish::Reconnect { name, address } => {
                let id = self.joining.reconnect();
                self.membership.join(id, Some(&name), address, now, &mut self.events);
            }
        }
    }

    fn carry_out(&mut self, effect: MembershipEffect, now: Time) {
        match effect {
            MembershipEffect::Send { to, packet } => self.effects.push_back(Effect::Send { to, packet }),
            MembershipEffect::Exchange { id, to, frame, wants_reply, timeout } => {
                self.effects.push_back(Effect::Exchange { id, to, frame, wants_reply, timeout });
            }
            MembershipEffect::StreamReply { id, frame } => self.effects.push_back(Effect::StreamReply { id, frame }),
            MembershipEffect::Joined { id, result } => self.joined(id, result, now),
            MembershipEffect::LeaveSent => self.leave_sent(now),
            MembershipEffect::MetaSent => {
                if let Some(id) = self.waiting.tags_sent() {
                    self.done(id, Outcome::Tagged(Ok(())));
                }
            }
        }
    }

    /// Gives up what took too long.
    fn expire(&mut self, now: Time) {
        self.advance_leave(now);
        for (id, outcome) in self.waiting.expire(now) {
            self.done(id, outcome);
        }
    }

    /// The pool shuts itself down; nobody waits for what will not happen any more.
    fn stop(&mut self, reason: String) {
        self.membership.shutdown();
        let left = self.leaving.take().map(Leaving::abandon);
        let ended: Vec<(CommandId, Outcome)> =
            self.joining.abandon().into_iter().chain(self.waiting.abandon()).chain(left).collect();
        for (id, outcome) in ended {
            self.done(id, outcome);
        }
        self.effects.push_back(Effect::Stopped { reason });
    }

    fn done(&mut self, id: CommandId, outcome: Outcome) {
        self.effects.push_back(Effect::Done { id, outcome });
    }
}

/// How a command ends that comes after the end.
fn refusal(command: &Command) -> Outcome {
    let shut_down = || SHUT_DOWN.to_owned();
    match command {
        Command::Join { .. } => Outcome::Joined(Err(joining::NOT_ALIVE.to_owned())),
        Command::Leave => Outcome::Left(Err("Leave called after Shutdown".to_owned())),
        Command::ForceLeave { .. } => Outcome::Removed(Err(shut_down())),
        Command::UserEvent { .. } => Outcome::Fired(Err(shut_down())),
        Command::Query(_) => Outcome::Queried(Err(shut_down())),
        Command::SetTags(_) => Outcome::Tagged(Err(shut_down())),
        Command::Keys { .. } => Outcome::Keys(KeyReply { error: Some(shut_down()), ..KeyReply::default() }),
    }
}
