//! A network of cores in memory: effects are delivered by hand, at once, and time moves from deadline to deadline.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::member::{Event, MemberEvent, Status};
use crate::membership::{ExchangeId, StreamId};
use crate::snapshot::{Ledger, SnapshotRecord};

/// Lets everyone in.
pub(crate) struct Everyone;

impl Admission for Everyone {
    fn admit(&self, _candidates: &[Member], _join: bool) -> Result<(), String> {
        Ok(())
    }
}

pub(crate) fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 8301))
}

pub(crate) fn settings(name: &str, number: u8) -> CoreSettings {
    CoreSettings {
        name: name.to_owned(),
        advertise: address(number),
        tags: BTreeMap::from([("role".to_owned(), format!("role-{name}"))]),
        profile: Profile::lan(),
        keyring: None,
        verify_incoming: true,
        verify_outgoing: true,
        allowed: Vec::new(),
        resolve_conflicts: true,
        rejoin_after_leave: false,
        snapshot: Some(Recovered::default()),
        seed: u64::from(number),
    }
}

/// One core, and all it wanted done that is not the network's.
pub(super) struct Peer {
    pub(super) core: Core,
    at: SocketAddr,
    pub(super) events: Vec<Event>,
    /// The snapshot file.
    pub(super) file: String,
    ledger: Ledger,
    outcomes: HashMap<CommandId, Outcome>,
    pub(super) saved_keys: Option<Vec<Vec<u8>>>,
    pub(super) save_error: Option<String>,
    pub(super) stopped: Option<String>,
    down: bool,
}

/// All cores.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) peers: Vec<Peer>,
    pub(super) now: Time,
    inbox: VecDeque<(usize, Input)>,
    /// Streams that wait for an answer: who opened them, and as which exchange.
    streams: HashMap<StreamId, (usize, ExchangeId, bool)>,
    last_id: u64,
}

impl Pool {
    /// Cores `a`, `b`… that have joined the first.
    pub(super) fn joined(count: u8) -> Pool {
        let mut pool = Pool::default();
        for number in 1..=count {
            pool.add(settings(&char::from(b'a' + number - 1).to_string(), number));
        }
        for peer in 1..usize::from(count) {
            assert_eq!(pool.join(peer, &[address(1)]), Outcome::Joined(Ok(1)));
        }
        pool.run(Duration::from_secs(5));
        pool
    }

    /// Starts a core; its number.
    pub(super) fn add(&mut self, settings: CoreSettings) -> usize {
        let at = settings.advertise;
        let peer = Peer {
            core: Core::new(settings, Arc::new(Everyone), self.now).unwrap(),
            at,
            events: Vec::new(),
            file: String::new(),
            ledger: Ledger::new(Recovered::default(), 0, false),
            outcomes: HashMap::new(),
            saved_keys: None,
            save_error: None,
            stopped: None,
            down: false,
        };
        self.peers.push(peer);
        let number = self.peers.len() - 1;
        self.drain(number);
        self.deliver();
        number
    }

    /// Cuts a core off, as if its machine had lost power.
    pub(super) fn kill(&mut self, peer: usize) {
        self.peers[peer].down = true;
    }

    /// Gives a command and waits for its end.
    pub(super) fn command(&mut self, peer: usize, command: Command) -> Outcome {
        let id = self.begin(peer, command);
        self.finish(peer, id)
    }

    pub(super) fn begin(&mut self, peer: usize, command: Command) -> CommandId {
        self.last_id += 1;
        let id = CommandId(self.last_id);
        self.inbox.push_back((peer, Input::Command { id, command }));
        self.deliver();
        id
    }

    pub(super) fn finish(&mut self, peer: usize, id: CommandId) -> Outcome {
        self.wait("the command to end", |pool| pool.peers[peer].outcomes.contains_key(&id));
        self.peers[peer].outcomes.remove(&id).unwrap()
    }

    pub(super) fn join(&mut self, peer: usize, addresses: &[SocketAddr]) -> Outcome {
        let target =
            |address: &SocketAddr| Ok(JoinTarget { entry: address.to_string(), node: None, address: *address });
        let targets = addresses.iter().map(target).collect();
        self.command(peer, Command::Join { targets, ignore_old: true })
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets time pass until something is so; fails after two minutes.
    pub(super) fn wait(&mut self, what: &str, until: impl Fn(&Pool) -> bool) {
        let end = self.now + Duration::from_secs(120);
        while !until(self) {
            assert!(self.step(end), "waited too long for {what}");
        }
    }

    /// Moves to the next deadline; false if there is none before `end`.
    fn step(&mut self, end: Time) -> bool {
        let due = self.peers.iter().filter(|peer| !peer.down).filter_map(|peer| peer.core.deadline()).min();
        let Some(due) = due.filter(|due| *due <= end) else { return false };
        self.now = self.now.max(due);
        for number in 0..self.peers.len() {
            let peer = &self.peers[number];
            if !peer.down && peer.core.deadline().is_some_and(|due| due <= self.now) {
                self.inbox.push_back((number, Input::Tick));
            }
        }
        self.deliver();
        true
    }

    fn deliver(&mut self) {
        while let Some((number, input)) = self.inbox.pop_front() {
            if self.peers[number].down {
                continue;
            }
            self.peers[number].core.handle(input, self.now);
            self.drain(number);
        }
    }

    fn at(&self, address: SocketAddr) -> Option<usize> {
        self.peers.iter().position(|peer| peer.at == address && !peer.down)
    }

    fn drain(&mut self, number: usize) {
        while let Some(effect) = self.peers[number].core.poll() {
            let from = self.peers[number].at;
            let peer = &mut self.peers[number];
            match effect {
                Effect::Send { to, packet } => {
                    if let Some(target) = self.at(to) {
                        self.inbox.push_back((target, Input::Packet { from, data: packet }));
                    }
                }
                Effect::Exchange { id, to, frame, wants_reply, .. } => match self.at(to) {
                    Some(target) => {
                        self.last_id += 1;
                        let stream = StreamId(self.last_id);
                        self.streams.insert(stream, (number, id, wants_reply));
                        self.inbox.push_back((target, Input::StreamRequest { id: stream, from, frame }));
                    }
                    None => {
                        let reply = Err(format!("dial tcp {to}: connect: connection refused"));
                        self.inbox.push_back((number, Input::ExchangeReply { id, reply }));
                    }
                },
                Effect::StreamReply { id, frame } => {
                    if let Some((asker, id, true)) = self.streams.remove(&id) {
                        let reply = frame.ok_or_else(|| "EOF".to_owned());
                        self.inbox.push_back((asker, Input::ExchangeReply { id, reply }));
                    }
                }
                Effect::Event(event) => peer.events.push(event),
                Effect::Record(record) => {
                    let line = peer.ledger.append(&record);
                    peer.file.push_str(&line);
                }
                Effect::SaveKeyring { id, keys } => {
                    peer.saved_keys = Some(keys);
                    let result = peer.save_error.clone().map_or(Ok(()), Err);
                    self.inbox.push_back((number, Input::KeyringSaved { id, result }));
                }
                Effect::Done { id, outcome } => {
                    assert!(peer.outcomes.insert(id, outcome).is_none(), "a command ended twice");
                }
                Effect::MembersChanged => {}
                Effect::Stopped { reason } => peer.stopped = Some(reason),
            }
        }
    }

    pub(super) fn status(&self, peer: usize, name: &str) -> Status {
        self.peers[peer].core.member(name).map_or(Status::None, |member| member.status)
    }

    /// What a core heard of a member, in order.
    pub(super) fn heard(&self, peer: usize, name: &str) -> Vec<MemberEvent> {
        let about = |event: &Event| match event {
            Event::Member { kind, member } if member.name == name => Some(*kind),
            _ => None,
        };
        self.peers[peer].events.iter().filter_map(about).collect()
    }

    /// The user events a core heard of: name and payload.
    pub(super) fn fired(&self, peer: usize) -> Vec<(String, Bytes)> {
        let user = |event: &Event| match event {
            Event::User { name, payload, .. } => Some((name.clone(), payload.clone())),
            _ => None,
        };
        self.peers[peer].events.iter().filter_map(user).collect()
    }

    pub(super) fn recovered(&self, peer: usize) -> Recovered {
        Recovered::parse(&self.peers[peer].file, false)
    }

    pub(super) fn recorded(&self, peer: usize, record: &SnapshotRecord) -> bool {
        self.peers[peer].file.lines().any(|line| line == record.to_string())
    }
}
