//! The simulated world: one clock, one queue of what is going to happen, nodes and the network between them.

use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip::{
    Admission, Command, CommandId, Core, CoreSettings, Effect, Input, JoinTarget, Keyring, MAX_ENCRYPTED_STREAM_BYTES,
    Member, Outcome, Profile, Recovered, Status, StreamDecoder, StreamId, Time,
};

use crate::links::Links;
use crate::node::{Node, Sickness};
use crate::queue::{Action, Origin, Scheduled};
use crate::random::Random;

/// Ticks of one node at one instant beyond which it must be asking for them without end.
const TICKS_MAX: u32 = 10_000;
/// How long it takes to write a keyring file.
const SAVE_TIME: Duration = Duration::from_millis(5);
/// How often a condition that is waited for is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two nodes that join a new pool, on average.
const JOIN_PAUSE: Duration = Duration::from_millis(20);
const PORT: u16 = 8301;

pub(crate) struct World {
    seed: u64,
    profile: Profile,
    keys: Vec<Vec<u8>>,
    now: Time,
    queue: BinaryHeap<Scheduled>,
    scheduled: u64,
    pub(crate) random: Random,
    pub(crate) links: Links,
    nodes: Vec<Node>,
    /// Which process listens where.
    places: HashMap<SocketAddr, usize>,
    /// Requests on streams that are being answered: who made them.
    streams: HashMap<StreamId, Origin>,
    last_stream: u64,
    last_command: u64,
    ticks: (Time, usize, u32),
    digest: u64,
}

impl World {
    /// An empty world in which nodes run with this profile.
    pub(crate) fn new(seed: u64, profile: Profile) -> World {
        World {
            seed,
            profile,
            keys: Vec::new(),
            now: Time::ZERO,
            queue: BinaryHeap::new(),
            scheduled: 0,
            random: Random::new(seed),
            links: Links::new(),
            nodes: Vec::new(),
            places: HashMap::new(),
            streams: HashMap::new(),
            last_stream: 0,
            last_command: 0,
            ticks: (Time::ZERO, 0, 0),
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Nodes that start from now on have these keys.
    pub(crate) fn encrypt(&mut self, keys: &[Vec<u8>]) {
        self.keys = keys.to_vec();
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        &self.nodes[index]
    }

    /// The nodes whose process runs.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.core.is_some())
    }

    /// A number that two runs share only if all went the same way in both.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// Starts a node on a machine of its own, with a clock that runs at this rate.
    pub(crate) fn start(&mut self, rate: f64) -> usize {
        let name = format!("node-{}", self.nodes.len());
        self.add(&name, rate)
    }

    /// The same with a name of one's choice.
    pub(crate) fn start_named(&mut self, name: &str) -> usize {
        self.add(name, 1.0)
    }

    fn add(&mut self, name: &str, rate: f64) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node::new(name, address_of(index, 0), rate));
        self.begin(index, None);
        index
    }

    /// Starts so many nodes; all but the first join it, one after the other. Waits until everyone knows everyone.
    pub(crate) fn pool(&mut self, count: usize, limit: Duration) {
        let rates = vec![1.0; count];
        self.pool_with_clocks(&rates, limit);
    }

    /// The same with a node for each of these clocks.
    pub(crate) fn pool_with_clocks(&mut self, rates: &[f64], limit: Duration) {
        let nodes: Vec<usize> = rates.iter().map(|&rate| self.start(rate)).collect();
        let mut joins = Vec::new();
        for &node in &nodes[1..] {
            let pause = self.random.between(0.0, 2.0);
            self.run_for(JOIN_PAUSE.mul_f64(pause));
            joins.push((node, self.join(node, nodes[0])));
        }
        self.run_until(limit, "everyone knows everyone", |world| world.all_know(nodes.len()));
        self.run_until(limit, "every join ended well", |world| {
            joins.iter().all(|&(node, id)| world.outcome(node, id) == Some(&Outcome::Joined(Ok(1))))
        });
    }

    /// Whether every running node thinks that exactly so many are alive.
    pub(crate) fn all_know(&self, count: usize) -> bool {
        self.running().all(|node| node.alive.len() == count)
    }

    /// Ends a node's process without a word.
    pub(crate) fn crash(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.end();
        self.places.remove(&node.address);
    }

    /// Starts a process of the same name again, at a new address if `moves` is not 0.
    pub(crate) fn restart(&mut self, index: usize, moves: u8, snapshot: Option<&str>) {
        self.crash(index);
        self.nodes[index].address = address_of(index, moves);
        self.begin(index, snapshot);
    }

    fn begin(&mut self, index: usize, snapshot: Option<&str>) {
        let node = &self.nodes[index];
        let address = node.address;
        let seed = self.seed ^ ((index as u64) << 32) ^ (u64::from(node.life) << 56);
        let settings = CoreSettings {
            name: node.name.clone(),
            advertise: address,
            tags: [("role".to_owned(), "node".to_owned())].into(),
            profile: self.profile.clone(),
            keyring: (!self.keys.is_empty()).then(|| Keyring::new(&self.keys).expect("keys")),
            verify_incoming: true,
            verify_outgoing: true,
            allowed: Vec::new(),
            resolve_conflicts: true,
            rejoin_after_leave: false,
            snapshot: Some(Recovered::parse(snapshot.unwrap_or_default(), false)),
            seed: Random::new(seed).next(),
        };
        let core = Core::new(settings, Arc::new(Everyone), Time::ZERO).expect("settings");
        self.nodes[index].begin(core, self.now);
        self.places.insert(address, index);
        self.drain(index);
    }

    /// Stands a node still from time to time: it handles nothing, and its timers fire late when it wakes.
    pub(crate) fn sicken(&mut self, index: usize, sickness: Sickness) {
        let node = &mut self.nodes[index];
        node.sickness = Some(sickness);
        let life = node.life;
        let begins = self.random.between(0.0, sickness.paused.1);
        self.schedule(Duration::from_secs_f64(begins), Action::Pause { node: index, life });
    }

    /// Gives a command; its end is in [`World::outcome`].
    pub(crate) fn command(&mut self, index: usize, command: Command) -> CommandId {
        self.last_command += 1;
        let id = CommandId(self.last_command);
        self.input(index, Input::Command { id, command });
        id
    }

    pub(crate) fn outcome(&self, index: usize, id: CommandId) -> Option<&Outcome> {
        self.nodes[index].outcomes.get(&id)
    }

    /// Gives a command and waits for its end.
    pub(crate) fn execute(&mut self, index: usize, command: Command, limit: Duration) -> Outcome {
        let what = format!("end of {command:?}");
        let id = self.command(index, command);
        self.run_until(limit, &what, |world| world.outcome(index, id).is_some());
        self.outcome(index, id).cloned().expect("it ended")
    }

    pub(crate) fn join(&mut self, index: usize, seed: usize) -> CommandId {
        let address = self.nodes[seed].address;
        let targets = vec![Ok(JoinTarget { entry: address.to_string(), node: None, address })];
        self.command(index, Command::Join { targets, ignore_old: true })
    }

    /// How a node sees another.
    pub(crate) fn status(&self, index: usize, name: &str) -> Option<Status> {
        Some(self.nodes[index].core.as_ref()?.member(name)?.status)
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.queue.peek().is_some_and(|next| next.at <= end) {
            let Some(Scheduled { at, action, .. }) = self.queue.pop() else { break };
            self.now = at;
            self.act(action);
        }
        self.now = end;
    }

    /// Lets time pass until this holds, and answers how long it took.
    pub(crate) fn run_until(&mut self, limit: Duration, what: &str, holds: impl Fn(&World) -> bool) -> Duration {
        let start = self.now;
        while !holds(self) {
            assert!(self.now - start < limit, "not within {limit:?} (at {:?}): {what}", self.now);
            self.run_for(LOOK_INTERVAL);
        }
        self.now - start
    }

    fn schedule(&mut self, after: Duration, action: Action) {
        self.scheduled += 1;
        self.queue.push(Scheduled { at: self.now + after, number: self.scheduled, action });
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Timer { node, life } => self.timer(node, life),
            Action::Packet { from, sender, to, data } => {
                self.fold(data.len() as u64);
                // A packet on its way is lost when the network is cut or its target goes.
                if let Some(&index) = self.places.get(&to)
                    && self.links.connected(from, index)
                {
                    self.input(index, Input::Packet { from: sender, data });
                }
            }
            Action::Request { origin, sender, to, frame, wants_reply } => {
                self.request(origin, sender, to, frame, wants_reply);
            }
            Action::Reply { origin, reply } => self.reply(origin, reply),
            Action::Input { node, life, input } => {
                if self.nodes[node].life == life {
                    self.input(node, input);
                }
            }
            Action::Pause { node, life } => self.pause(node, life),
            Action::Wake { node, life } => self.wake(node, life),
        }
    }

    fn timer(&mut self, index: usize, life: u32) {
        let node = &mut self.nodes[index];
        if node.life != life || node.timer != Some(self.now) {
            return;
        }
        node.timer = None;
        if node.paused {
            return;
        }
        if node.due().is_some_and(|due| due <= self.now) {
            self.fold(index as u64);
            self.count_tick(index);
            self.input(index, Input::Tick);
        }
        self.rearm(index);
    }

    fn count_tick(&mut self, index: usize) {
        let (at, node, count) = self.ticks;
        let count = if at == self.now && node == index { count + 1 } else { 1 };
        assert!(count < TICKS_MAX, "{} asks for ticks without end", self.nodes[index].name);
        self.ticks = (self.now, index, count);
    }

    fn rearm(&mut self, index: usize) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let Some(due) = node.due().filter(|_| !node.paused) else { return };
        let due = due.max(now);
        if node.timer.is_some_and(|timer| timer <= due) {
            return;
        }
        node.timer = Some(due);
        let life = node.life;
        self.schedule(due - now, Action::Timer { node: index, life });
    }

    fn pause(&mut self, index: usize, life: u32) {
        let node = &mut self.nodes[index];
        let Some(sickness) = node.sickness.filter(|sickness| node.life == life && self.now < sickness.until) else {
            return;
        };
        node.paused = true;
        let paused = self.random.between(sickness.paused.0, sickness.paused.1);
        self.schedule(Duration::from_secs_f64(paused), Action::Wake { node: index, life });
    }

    /// Timers that are late fire first, then comes what arrived meanwhile: the order that does most harm.
    fn wake(&mut self, index: usize, life: u32) {
        let node = &mut self.nodes[index];
        if node.life != life {
            return;
        }
        node.paused = false;
        node.timer = None;
        while self.nodes[index].due().is_some_and(|due| due <= self.now) {
            self.count_tick(index);
            self.input(index, Input::Tick);
        }
        for input in self.nodes[index].take_backlog() {
            self.input(index, input);
        }
        self.rearm(index);
        if let Some(sickness) = self.nodes[index].sickness {
            let awake = self.random.between(sickness.awake.0, sickness.awake.1);
            self.schedule(Duration::from_secs_f64(awake), Action::Pause { node: index, life });
        }
    }

    fn input(&mut self, index: usize, input: Input) {
        let node = &mut self.nodes[index];
        if node.paused {
            return node.keep(input);
        }
        let now = node.local(self.now);
        let Some(core) = &mut node.core else { return };
        core.handle(input, now);
        self.drain(index);
    }

    fn drain(&mut self, index: usize) {
        while let Some(effect) = self.nodes[index].core.as_mut().and_then(Core::poll) {
            self.perform(index, effect);
        }
        self.rearm(index);
    }

    fn perform(&mut self, index: usize, effect: Effect) {
        let now = self.now;
        let node = &mut self.nodes[index];
        let (life, sender) = (node.life, node.address);
        match effect {
            Effect::Send { to, packet } => {
                let Some(&target) = self.places.get(&to) else { return };
                if let Some(way) = self.links.packet(index, target, &mut self.random) {
                    self.schedule(way, Action::Packet { from: index, sender, to, data: packet });
                }
            }
            Effect::Exchange { id, to, frame, wants_reply, timeout } => {
                node.exchanges.insert(id);
                let origin = Origin { node: index, life, exchange: id };
                self.schedule(timeout, Action::Reply { origin, reply: Err("i/o timeout".to_owned()) });
                // Two ways to connect, one for the frame.
                if let Some(way) = self.links.stream(3, &mut self.random) {
                    self.schedule(way, Action::Request { origin, sender, to, frame, wants_reply });
                }
            }
            Effect::StreamReply { id, frame } => self.answer(index, id, frame),
            Effect::Event(event) => node.note(event, now),
            Effect::Record(record) => node.record(record, now),
            Effect::SaveKeyring { id, .. } => {
                let input = Input::KeyringSaved { id, result: Ok(()) };
                self.schedule(SAVE_TIME, Action::Input { node: index, life, input });
            }
            Effect::Done { id, outcome } => {
                node.outcomes.insert(id, outcome);
            }
            Effect::MembersChanged => {}
            Effect::Stopped { reason } => {
                node.stopped = Some(reason);
                self.crash(index);
            }
        }
    }

    /// A request arrives on a stream.
    fn request(&mut self, origin: Origin, sender: SocketAddr, to: SocketAddr, frame: Bytes, wants_reply: bool) {
        self.fold(frame.len() as u64);
        let Some(&index) = self.places.get(&to) else {
            let reply = Err(format!("dial tcp {to}: connect: connection refused"));
            return self.reply(origin, reply);
        };
        if !self.links.connected(origin.node, index) {
            // Nobody hears of it; the time runs out.
            return;
        }
        if !wants_reply {
            self.reply(origin, Ok(Bytes::new()));
        }
        let frame = self.decode(&frame);
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        if wants_reply {
            self.streams.insert(id, origin);
        }
        self.input(index, Input::StreamRequest { id, from: sender, frame });
    }

    fn answer(&mut self, index: usize, id: StreamId, frame: Option<Bytes>) {
        let Some(origin) = self.streams.remove(&id) else { return };
        let life = self.nodes[index].life;
        let breaks = self.random.happens(self.links.broken_replies);
        let way =
            self.links.stream(1, &mut self.random).filter(|_| self.links.connected(origin.node, index) && !breaks);
        let Some(way) = way else {
            let input = Input::StreamBroken { id };
            self.schedule(self.profile.tcp_timeout, Action::Input { node: index, life, input });
            return;
        };
        let reply = frame.map(|frame| self.decode(&frame)).ok_or_else(|| "EOF".to_owned());
        self.schedule(way, Action::Reply { origin, reply });
    }

    /// What the other side makes of a frame that comes in two pieces.
    fn decode(&mut self, frame: &Bytes) -> Bytes {
        let (first, rest) = frame.split_at((frame.len() as f64 * self.random.unit()) as usize);
        let mut decoder = StreamDecoder::new(MAX_ENCRYPTED_STREAM_BYTES);
        assert_eq!(decoder.push(first), Ok(None), "it is not whole yet");
        let whole = decoder.push(rest).expect("it is a frame").expect("it is whole");
        assert_eq!(whole, frame, "it is what was sent");
        whole
    }

    /// An exchange ends, for the one who began it.
    fn reply(&mut self, origin: Origin, reply: Result<Bytes, String>) {
        let node = &mut self.nodes[origin.node];
        if node.life == origin.life && node.exchanges.remove(&origin.exchange) {
            self.input(origin.node, Input::ExchangeReply { id: origin.exchange, reply });
        }
    }

    fn fold(&mut self, what: u64) {
        for value in [self.now.as_nanos() as u64, what] {
            self.digest = (self.digest ^ value).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The address of a machine, and those it moves to.
fn address_of(index: usize, moves: u8) -> SocketAddr {
    let [.., high, low] = (index as u32).to_be_bytes();
    SocketAddr::from(([10, moves, high, low], PORT))
}

/// Lets everyone in.
struct Everyone;

impl Admission for Everyone {
    fn admit(&self, _candidates: &[Member], _join: bool) -> Result<(), String> {
        Ok(())
    }
}
