//! The event layer: what members mean to do, user events, queries, keys and coordinates, carried in messages of the
//! membership layer (`docs/spec/gossip.md` §11-§17).
//!
//! Like the layer below it has no clock and no I/O. What it wants done it notes as [`Wish`]es, which the core grants.

mod asking;
mod broadcasts;
mod clock;
mod coming;
mod intents;
mod keys;
mod members;
mod message;
mod query;
mod recorder;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod user;
mod window;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use types::Coordinate;

use crate::coordinate::Place;
use crate::core::{CoreSettings, Effect, SaveId};
use crate::keyring::SharedKeyring;
use crate::log::Log;
use crate::measures::SerfMeasures;
use crate::member::{Admission, Event, Member, MemberEvent, Status};
use crate::membership::{Candidate, Node, Profile, Time, Upper};
use crate::random::Rng;
use asking::Asking;
pub(crate) use asking::Owner;
pub(crate) use broadcasts::Ticket;
use broadcasts::{Broadcasts, Depths, Lane};
use clock::{Clocks, LamportClock};
use members::{Change, Members};
use message::{Kind, PingError};
use query::{QueryId, Question};
use recorder::Recorder;
pub(crate) use tags::encode as encode_tags;
use user::SeenEvent;
use window::Window;

/// Something only the core can do for the event layer.
pub(crate) enum Wish {
    /// Hand this out.
    Effect(Effect),
    /// Send a message of ours straight to a node.
    Send {
        /// Where to.
        to: SocketAddr,
        /// Its name, if it is known.
        node: Option<String>,
        /// The message, without the membership layer's byte.
        message: Vec<u8>,
    },
    /// Try to reach a failed member again.
    Reconnect {
        /// Its name.
        name: String,
        /// Where it was.
        address: SocketAddr,
    },
}

/// How far this node is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Alive,
    Leaving,
    Left,
    Shutdown,
}

/// The event layer of one pool.
pub(crate) struct Events {
    name: String,
    log: Log,
    advertise: SocketAddr,
    profile: Profile,
    resolve_conflicts: bool,
    admission: Arc<dyn Admission>,
    keyring: SharedKeyring,
    rng: Rng,
    phase: Phase,
    clocks: Clocks,
    members: Members,
    broadcasts: Broadcasts,
    events_seen: Window<SeenEvent>,
    queries_seen: Window<QueryId>,
    /// A join of ours is under way which is not to bring old events.
    ignoring_old: bool,
    asking: Asking,
    /// Key-management queries that are answered once the keyring file is written.
    unsaved: BTreeMap<SaveId, Question>,
    next_save: u64,
    place: Place,
    /// Where members said they are; ourselves among them.
    coordinates: HashMap<Arc<str>, Coordinate>,
    recorder: Option<Recorder>,
    reap_at: Time,
    reconnect_at: Time,
    check_at: Time,
    /// The list of members reads differently than when [`Events::take_altered`] was last asked.
    altered: bool,
    measures: SerfMeasures,
    wishes: VecDeque<Wish>,
}

impl Events {
    pub(crate) fn new(
        settings: &CoreSettings,
        keyring: SharedKeyring,
        admission: Arc<dyn Admission>,
        log: Log,
        now: Time,
    ) -> Events {
        let profile = &settings.profile;
        let mut clocks =
            Clocks { member: LamportClock::started(), event: LamportClock::started(), query: LamportClock::started() };
        let mut floors = (0, 0);
        if let Some(recovered) = &settings.snapshot {
            clocks.member.witness(recovered.clock);
            clocks.event.witness(recovered.event_clock);
            clocks.query.witness(recovered.query_clock);
            floors = (recovered.event_clock.saturating_add(1), recovered.query_clock.saturating_add(1));
        }
        let mut rng = Rng::new(settings.seed);
        let place = Place::new(Rng::new(rng.bits()));
        Events {
            name: settings.name.clone(),
            log,
            advertise: settings.advertise,
            resolve_conflicts: settings.resolve_conflicts,
            admission,
            keyring,
            rng,
            phase: Phase::Alive,
            clocks,
            members: Members::new(profile, log),
            broadcasts: Broadcasts::new(profile, log),
            events_seen: Window::new(floors.0),
            queries_seen: Window::new(floors.1),
            ignoring_old: false,
            asking: Asking::default(),
            unsaved: BTreeMap::new(),
            next_save: 0,
            coordinates: HashMap::from([(Arc::from(settings.name.as_str()), place.own().clone())]),
            place,
            recorder: settings.snapshot.as_ref().map(Recorder::new),
            reap_at: now + profile.reap_interval,
            reconnect_at: now + profile.reconnect_interval,
            check_at: now + profile.queue_check_interval,
            altered: false,
            measures: SerfMeasures::default(),
            wishes: VecDeque::new(),
            profile: profile.clone(),
        }
    }

    /// Does everything that is due.
    pub(crate) fn tick(&mut self, now: Time) {
        let pruned = self.members.finish_prunes(now);
        self.tell_all(pruned, now);
        if self.reap_at <= now {
            self.reap_at = now + self.profile.reap_interval;
            let forgotten = self.members.reap(now);
            self.tell_all(forgotten, now);
        }
        if self.reconnect_at <= now {
            self.reconnect_at = now + self.profile.reconnect_interval;
            self.reconnect();
        }
        if self.check_at <= now {
            self.check_at = now + self.profile.queue_check_interval;
            self.broadcasts.check(self.members.len());
        }
        self.finish_queries(now);
        self.record_clock(now);
    }

    /// When [`Events::tick`] has something to do next; `None` after shutdown.
    pub(crate) fn deadline(&self) -> Option<Time> {
        if self.phase == Phase::Shutdown {
            return None;
        }
        let ticks = self.reap_at.min(self.reconnect_at).min(self.check_at);
        let recording = self.recorder.as_ref().and_then(Recorder::deadline);
        let due = [self.members.next_prune(), self.asking.deadline(), recording];
        due.into_iter().flatten().chain([ticks]).min()
    }

    /// The next wish. To be called until there is none after every other call.
    pub(crate) fn next_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// Whether the list of members reads differently than at the last call.
    pub(crate) fn take_altered(&mut self) -> bool {
        std::mem::take(&mut self.altered)
    }

    /// What was counted since the last call.
    pub(crate) fn take_measures(&mut self) -> SerfMeasures {
        self.measures.flaps += self.members.take_flaps();
        std::mem::take(&mut self.measures)
    }

    /// How many messages wait to be passed on.
    pub(crate) fn depths(&self) -> Depths {
        self.broadcasts.depths()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// While set, joins raise the floor below which user events are old.
    pub(crate) fn ignore_old_events(&mut self, ignore: bool) {
        self.ignoring_old = ignore;
    }

    /// The tickets of intents that were sent often enough.
    pub(crate) fn sent(&mut self) -> Vec<Ticket> {
        self.broadcasts.finished()
    }

    /// All members, by name.
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        self.members.iter().cloned().collect()
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Arc<Member>> {
        self.members.get(name)
    }

    pub(crate) fn coordinate(&self) -> &Coordinate {
        self.place.own()
    }

    pub(crate) fn coordinate_of(&self, name: &str) -> Option<&Coordinate> {
        self.coordinates.get(name)
    }

    /// What an operator sees of this layer (`docs/spec/gossip.md` §18.10).
    pub(crate) fn stats(&self) -> BTreeMap<&'static str, String> {
        let depths = self.broadcasts.depths();
        BTreeMap::from([
            ("members", self.members.len().to_string()),
            ("failed", self.members.count(Status::Failed).to_string()),
            ("left", self.members.count(Status::Left).to_string()),
            ("member_time", self.clocks.member.time().to_string()),
            ("event_time", self.clocks.event.time().to_string()),
            ("query_time", self.clocks.query.time().to_string()),
            ("intent_queue", depths.intents.to_string()),
            ("event_queue", depths.events.to_string()),
            ("query_queue", depths.queries.to_string()),
            ("encrypted", (!self.keyring.is_empty()).to_string()),
            ("coordinate_resets", self.place.resets().to_string()),
        ])
    }

    fn wish(&mut self, effect: Effect) {
        self.wishes.push_back(Wish::Effect(effect));
    }

    fn tell_all(&mut self, changes: Vec<Change>, now: Time) {
        for change in changes {
            self.tell(change, now);
        }
    }

    /// A member changed: listeners hear of it, the snapshot may have to.
    fn tell(&mut self, (kind, member): Change, now: Time) {
        self.altered = true;
        self.log_change(kind, &member);
        if kind == MemberEvent::Reaped {
            self.place.forget(&member.name);
            self.coordinates.remove(member.name.as_str());
        }
        let record = self.recorder.as_mut().and_then(|recorder| recorder.member(kind, &member));
        self.wish(Effect::Event(Event::Member { kind, member }));
        if let Some(record) = record {
            self.wish(Effect::Record(record));
            let time = self.clocks.member.time();
            let clock = self.recorder.as_mut().and_then(|recorder| recorder.clock(time));
            self.wishes.extend(clock.map(|record| Wish::Effect(Effect::Record(record))));
        }
        self.watch_clock(now);
    }

    fn log_change(&self, kind: MemberEvent, member: &Member) {
        let (name, address) = (&member.name, member.address);
        match kind {
            MemberEvent::Joined => self.log.info(format_args!("serf: EventMemberJoin: {name} {address}")),
            MemberEvent::Left => self.log.info(format_args!("serf: EventMemberLeave: {name} {address}")),
            MemberEvent::Failed => self.log.info(format_args!("serf: EventMemberFailed: {name} {address}")),
            MemberEvent::Updated => self.log.info(format_args!("serf: EventMemberUpdate: {name}")),
            MemberEvent::Reaped => self.log.info(format_args!("serf: EventMemberReap: {name}")),
        }
    }

    /// To be called after anything that may have moved the members' clock.
    fn watch_clock(&mut self, now: Time) {
        let time = self.clocks.member.time();
        if let Some(recorder) = &mut self.recorder {
            recorder.watch_clock(time, now);
        }
    }

    fn record_clock(&mut self, now: Time) {
        let time = self.clocks.member.time();
        let Some(recorder) = self.recorder.as_mut().filter(|r| r.deadline().is_some_and(|due| due <= now)) else {
            return;
        };
        if let Some(record) = recorder.clock(time) {
            self.wish(Effect::Record(record));
        }
    }

    /// Now and then tries to reach a failed member, the more often the larger their part of the pool.
    fn reconnect(&mut self) {
        let failed: Vec<&Arc<Member>> = self.members.iter().filter(|member| member.status == Status::Failed).collect();
        if failed.is_empty() || self.phase != Phase::Alive {
            return;
        }
        let others = self.members.len() - failed.len() - self.members.count(Status::Left);
        let probability = failed.len() as f64 / others.max(1) as f64;
        if self.rng.unit() > probability {
            return;
        }
        let Some(member) = failed.get(self.rng.below(failed.len() as u64) as usize) else { return };
        let (name, address) = (member.name.clone(), SocketAddr::new(member.address, member.port));
        self.log.info(format_args!("serf: attempting reconnect to {name} {address}"));
        self.wishes.push_back(Wish::Reconnect { name, address });
    }
}

/// What the membership layer calls.
impl Upper for Events {
    fn admit(&mut self, candidates: &[Candidate], join: bool) -> Result<(), String> {
        let log = self.log;
        let describe = |candidate: &Candidate| Member {
            name: candidate.name.to_string(),
            address: candidate.address,
            port: 0,
            tags: tags::decode(&candidate.meta, log),
            status: if candidate.left { Status::Left } else { Status::Alive },
            vsn: [0; 6],
        };
        let members: Vec<Member> = candidates.iter().map(describe).collect();
        self.admission.admit(&members, join)
    }

    fn joined(&mut self, node: &Node, now: Time) {
        if let Some(change) = self.members.joined(node, now) {
            self.tell(change, now);
        }
    }

    fn left(&mut self, node: &Node, now: Time) {
        if let Some(change) = self.members.left(node, now) {
            self.tell(change, now);
        }
    }

    fn updated(&mut self, node: &Node, now: Time) {
        if let Some(change) = self.members.updated(node) {
            self.tell(change, now);
        }
    }

    fn conflict(&mut self, known: &Node, claimed: SocketAddr, now: Time) {
        let (name, address) = (&known.name, known.address);
        if **name != *self.name {
            self.log.warn(format_args!("serf: Name conflict for '{name}' both {address} and {claimed} are claiming"));
            return;
        }
        self.log.error(format_args!(
            "serf: Node name conflicts with another node at {claimed}. Names must be unique! (Resolution enabled: {})",
            self.resolve_conflicts
        ));
        if self.resolve_conflicts {
            self.resolve_conflict(now);
        }
    }

    fn user_message(&mut self, message: &[u8], now: Time) {
        if self.phase == Phase::Shutdown {
            return;
        }
        self.measures.received.push(message.len() as f64);
        let Some((kind, body)) = message::split(message) else { return };
        let lane_if_news = match kind {
            Kind::Leave => self.take_leave(body, now).then_some(Lane::Intents),
            Kind::Join => self.take_join(body, now).then_some(Lane::Intents),
            Kind::UserEvent => self.take_user_event(body).then_some(Lane::Events),
            Kind::Query => self.take_query(body, now).then_some(Lane::Queries),
            Kind::QueryResponse => {
                self.take_response(body);
                None
            }
            Kind::Relay => {
                self.pass_on(body);
                None
            }
            Kind::PushPull | Kind::ConflictResponse | Kind::KeyRequest | Kind::KeyResponse => {
                self.log.warn(format_args!("serf: Received message of unknown type kind={kind}", kind = kind as u8));
                None
            }
        };
        if let Some(lane) = lane_if_news {
            self.broadcasts.push(lane, message.to_vec(), self.members.len());
        }
        self.watch_clock(now);
    }

    fn local_state(&mut self, _join: bool) -> Vec<u8> {
        self.state()
    }

    fn merge_remote_state(&mut self, state: &[u8], join: bool, now: Time) {
        self.merge_state(state, join, now);
        self.watch_clock(now);
    }

    fn broadcasts(&mut self, overhead: usize, limit: usize, _nodes: usize) -> Vec<Bytes> {
        // How often a message is sent depends on all members, those that failed or left among them.
        let taken = self.broadcasts.take(overhead, limit, self.members.len());
        taken.iter().for_each(|message| self.measures.sent.push(message.len() as f64));
        taken
    }

    fn ack_payload(&mut self) -> Vec<u8> {
        message::encode_ping(self.place.own())
    }

    fn ping_completed(&mut self, node: &Node, rtt: Duration, payload: &[u8]) {
        if self.members.get(&node.name).is_none() {
            return;
        }
        let place = match message::decode_ping(payload) {
            Ok(place) => place,
            Err(PingError::Empty) => return,
            Err(error) => {
                self.log.error(format_args!("serf: {error}"));
                return;
            }
        };
        let before = self.place.own().clone();
        if let Err(error) = self.place.update(&node.name, &place, rtt) {
            self.measures.rejected_coordinates += 1;
            self.log.debug(format_args!("serf: Rejected coordinate node={node}: {error}", node = node.name));
            return;
        }
        self.measures.zero_rtts += u64::from(rtt.is_zero());
        self.measures.adjustments.push(before.distance_to(self.place.own()) * 1000.0);
        self.coordinates.insert(node.name.clone(), place);
        self.coordinates.insert(Arc::from(self.name.as_str()), self.place.own().clone());
    }
}
