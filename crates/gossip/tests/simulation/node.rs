//! One simulated node: a process with a clock of its own, or a place where one was.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

use gossip::{CommandId, Core, Event, ExchangeId, Input, MemberEvent, Outcome, SnapshotRecord, Time};

/// What the system keeps for a process that does not read, bytes.
const SOCKET_BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// What a crash takes from the snapshot file: records are written in batches.
const UNWRITTEN: Duration = Duration::from_millis(500);
/// A clock that does not run at the world's pace is read a little late, so that no tick comes too early.
const ROUNDING: Duration = Duration::from_micros(1);

/// Spells of standing still, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Sickness {
    /// Shortest and longest time without a sign of life, seconds.
    pub(crate) paused: (f64, f64),
    /// Shortest and longest time between two of them, seconds.
    pub(crate) awake: (f64, f64),
    /// When it is over.
    pub(crate) until: Time,
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) core: Option<Core>,
    /// Which run of the process it is; what was meant for an earlier one is void.
    pub(crate) life: u32,
    born: Time,
    /// Seconds on its clock for each of the world.
    rate: f64,
    /// When it will be ticked, in the world's time.
    pub(crate) timer: Option<Time>,
    pub(crate) paused: bool,
    pub(crate) sickness: Option<Sickness>,
    backlog: Vec<Input>,
    backlog_bytes: usize,
    pub(crate) exchanges: HashSet<ExchangeId>,
    pub(crate) events: Vec<(Time, Event)>,
    /// Names of the members that are alive, as the events tell it.
    pub(crate) alive: HashSet<String>,
    pub(crate) outcomes: HashMap<CommandId, Outcome>,
    records: Vec<(Time, SnapshotRecord)>,
    /// Why its pool stopped itself.
    pub(crate) stopped: Option<String>,
}

impl Node {
    pub(crate) fn new(name: &str, address: SocketAddr, rate: f64) -> Node {
        Node {
            name: name.to_owned(),
            address,
            core: None,
            life: 0,
            born: Time::ZERO,
            rate,
            timer: None,
            paused: false,
            sickness: None,
            backlog: Vec::new(),
            backlog_bytes: 0,
            exchanges: HashSet::new(),
            events: Vec::new(),
            alive: HashSet::new(),
            outcomes: HashMap::new(),
            records: Vec::new(),
            stopped: None,
        }
    }

    /// A new process begins its run.
    pub(crate) fn begin(&mut self, core: Core, now: Time) {
        self.end();
        self.born = now;
        self.core = Some(core);
    }

    /// The process ends without a word.
    pub(crate) fn end(&mut self) {
        self.core = None;
        self.life += 1;
        self.timer = None;
        self.paused = false;
        self.sickness = None;
        self.exchanges.clear();
        self.alive.clear();
        self.take_backlog();
    }

    /// What its clock shows.
    pub(crate) fn local(&self, now: Time) -> Time {
        let passed = now - self.born;
        if self.rate == 1.0 { passed } else { passed.mul_f64(self.rate) }
    }

    /// When it wants to be ticked, in the world's time.
    pub(crate) fn due(&self) -> Option<Time> {
        let deadline = self.core.as_ref()?.deadline()?;
        let passed = if self.rate == 1.0 { deadline } else { deadline.div_f64(self.rate) + ROUNDING };
        Some(self.born + passed)
    }

    /// Keeps what arrives while it stands still.
    pub(crate) fn keep(&mut self, input: Input) {
        if let Input::Packet { data, .. } = &input {
            if self.backlog_bytes + data.len() > SOCKET_BUFFER_BYTES {
                return;
            }
            self.backlog_bytes += data.len();
        }
        self.backlog.push(input);
    }

    pub(crate) fn take_backlog(&mut self) -> Vec<Input> {
        self.backlog_bytes = 0;
        std::mem::take(&mut self.backlog)
    }

    pub(crate) fn note(&mut self, event: Event, now: Time) {
        if let Event::Member { kind, member } = &event {
            match kind {
                MemberEvent::Joined => {
                    self.alive.insert(member.name.clone());
                }
                MemberEvent::Left | MemberEvent::Failed | MemberEvent::Reaped => {
                    self.alive.remove(&member.name);
                }
                MemberEvent::Updated => {}
            }
        }
        self.events.push((now, event));
    }

    pub(crate) fn record(&mut self, record: SnapshotRecord, now: Time) {
        self.records.push((now, record));
    }

    /// What the snapshot file says if the process ended at `now`.
    pub(crate) fn snapshot(&self, now: Time) -> String {
        let written = self.records.iter().filter(|(at, _)| *at + UNWRITTEN <= now);
        written.map(|(_, record)| format!("{record}\n")).collect()
    }

    /// When it first was told since `since` that this happened to that member.
    pub(crate) fn told(&self, what: MemberEvent, name: &str, since: Time) -> Option<Time> {
        let told = self.events.iter().find(|(at, event)| {
            *at >= since && matches!(event, Event::Member { kind, member } if *kind == what && member.name == name)
        });
        told.map(|(at, _)| *at)
    }

    /// Members it declared failed since then.
    pub(crate) fn failures(&self, since: Time) -> impl Iterator<Item = &str> {
        self.events.iter().filter(move |(at, _)| *at >= since).filter_map(|(_, event)| match event {
            Event::Member { kind: MemberEvent::Failed, member } => Some(member.name.as_str()),
            _ => None,
        })
    }
}
