//! What clients do while faults come and go, and what each of them must never see.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use types::method::{KeyRequest, KvApply, KvGet};
use types::query::Consistency;
use types::{DirEntry, Key, KvRequest, QueryOptions};

use crate::chance::Chance;
use crate::history::{Action, History, Outcome};
use crate::roster::{Answer, Roster};

/// How long a client waits for an answer before it counts as none.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// How long the last requests are made again, when nothing goes wrong any more.
const LAST_PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait of a watcher's query. Far longer than a change may take to be told: one that is missed shows.
const WATCH_WAIT: Duration = Duration::from_secs(120);
/// Patience with such a query: beyond what the agent itself has.
const WATCH_PATIENCE: Duration = Duration::from_secs(150);
/// Pause of a watcher after a failure.
const WATCH_PAUSE: Duration = Duration::from_millis(300);

/// Keys that clients read and write all at once.
pub(crate) const KEYS: usize = 4;
/// Clients that do so, clients that add entries, and watchers.
const CLIENTS: usize = 4;
const WRITERS: usize = 2;
const WATCHERS: usize = 2;
/// Prefix of the entries that are added and stay.
pub(crate) const ENTRIES: &str = "entries/";
/// The key that one client counts up and others watch.
const COUNTER: &str = "counter";

/// Name of a key that clients share.
pub(crate) fn key(number: usize) -> Key {
    Key::from(format!("key/{number}").as_str())
}

/// All clients at work.
pub(crate) struct Workload {
    pub(crate) history: History,
    /// Names of entries whose writing was acknowledged.
    pub(crate) acknowledged: Arc<Mutex<BTreeSet<String>>>,
    /// What each watcher saw last, and when.
    pub(crate) watched: Arc<Mutex<Vec<(u64, Instant)>>>,
    roster: Roster,
    chance: Chance,
    clients: JoinSet<()>,
    watchers: JoinSet<()>,
    done: CancellationToken,
}

impl Workload {
    /// Starts them; each pauses for such a time between two requests.
    pub(crate) fn start(roster: &Roster, chance: &Chance, pause: &Range<Duration>) -> Workload {
        let mut workload = Workload {
            history: History::default(),
            acknowledged: Arc::default(),
            watched: Arc::new(Mutex::new(vec![(0, Instant::now()); WATCHERS])),
            roster: roster.clone(),
            chance: chance.clone(),
            clients: JoinSet::new(),
            watchers: JoinSet::new(),
            done: CancellationToken::new(),
        };
        for number in 0..CLIENTS {
            let client = workload.client(number, pause);
            workload.clients.spawn(client.share_keys());
        }
        for number in CLIENTS..CLIENTS + WRITERS {
            let client = workload.client(number, pause);
            workload.clients.spawn(client.add_entries(workload.acknowledged.clone()));
        }
        let counter = workload.client(CLIENTS + WRITERS, pause);
        workload.clients.spawn(counter.count_up());
        for number in 0..WATCHERS {
            let watcher = workload.client(CLIENTS + WRITERS + 1 + number, pause);
            workload.watchers.spawn(watcher.watch(number, workload.watched.clone()));
        }
        workload
    }

    fn client(&self, number: usize, pause: &Range<Duration>) -> Client {
        Client {
            number,
            roster: self.roster.clone(),
            chance: self.chance.fork(number as u64),
            history: self.history.clone(),
            pause: pause.clone(),
            done: self.done.clone(),
        }
    }

    /// Waits until every client has its last answer; watchers go on.
    pub(crate) async fn finish(&mut self) {
        self.done.cancel();
        // A client that failed has seen what it must not see.
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client");
        }
    }

    /// Fails if a watcher has.
    pub(crate) fn check_watchers(&mut self) {
        if let Some(ended) = self.watchers.try_join_next() {
            ended.expect("a watcher");
        }
    }

    /// Reads every shared key, for the end of the history: the cluster must be well.
    pub(crate) async fn read_all(&self) {
        let mut reader = self.client(CLIENTS, &(Duration::ZERO..Duration::ZERO));
        let deadline = Instant::now() + LAST_PATIENCE;
        for number in 0..KEYS {
            while reader.read(number).await.is_none() {
                assert!(Instant::now() < deadline, "a key cannot be read though the cluster is well");
            }
        }
    }

    /// Counts up once more and answers what to: the cluster must be well.
    pub(crate) async fn count_once_more(&self) -> u64 {
        let mut counter = self.client(usize::MAX, &(Duration::ZERO..Duration::ZERO));
        let deadline = Instant::now() + LAST_PATIENCE;
        loop {
            if let Some((value, index)) = counter.see_counter().await
                && let Answer::Done(true) = counter.set_counter(value + 1, index).await
            {
                return value + 1;
            }
            assert!(Instant::now() < deadline, "the counter cannot be written though the cluster is well");
        }
    }
}

struct Client {
    number: usize,
    roster: Roster,
    chance: Chance,
    history: History,
    pause: Range<Duration>,
    done: CancellationToken,
}

impl Client {
    /// False once the work is done.
    async fn pause(&mut self) -> bool {
        tokio::time::sleep(self.chance.time(&self.pause)).await;
        !self.done.is_cancelled()
    }

    /// Reads, writes, exchanges and removes keys that others use as well.
    async fn share_keys(mut self) {
        while self.pause().await {
            let number = self.chance.index(KEYS);
            match self.chance.below(10) {
                0..=3 => {
                    self.read(number).await;
                }
                4..=6 => {
                    let value = self.history.fresh_value();
                    let dir_ent = entry(key(number), value, 0);
                    self.write(number, Action::Set(value), "set", dir_ent).await;
                }
                7..=8 => {
                    // What was seen is put in its place's stead; between the two others may be faster.
                    let Some((expected, index)) = self.read(number).await else { continue };
                    let new = self.history.fresh_value();
                    self.write(number, Action::Cas { expected, new }, "cas", entry(key(number), new, index)).await;
                }
                _ => self.write(number, Action::Delete, "delete", entry(key(number), 0, 0)).await,
            }
        }
    }

    /// Reads a shared key: its value and its index.
    async fn read(&mut self, number: usize) -> Option<(Option<u64>, u64)> {
        let consistency = if self.chance.hits(0.5) { Consistency::Default } else { Consistency::Consistent };
        let op = self.history.ask(self.number, number, Action::Read);
        let seen = self.get(key(number), consistency).await;
        match seen {
            Some((value, index)) => {
                self.history.answer(op, Outcome::Saw(value));
                Some((value, index))
            }
            None => {
                self.history.answer(op, Outcome::Unknown);
                None
            }
        }
    }

    async fn write(&mut self, number: usize, action: Action, verb: &str, dir_ent: DirEntry) {
        let op = self.history.ask(self.number, number, action);
        match self.put(verb, dir_ent).await {
            Answer::Done(done) => self.history.answer(op, Outcome::Wrote(done)),
            Answer::Refused => self.history.withdraw(op),
            Answer::Unknown => self.history.answer(op, Outcome::Unknown),
        }
    }

    /// Adds entries that nobody changes or removes.
    async fn add_entries(mut self, acknowledged: Arc<Mutex<BTreeSet<String>>>) {
        let mut count = 0_u64;
        while self.pause().await {
            count += 1;
            let name = format!("{ENTRIES}{}/{count:05}", self.number);
            let dir_ent = entry(Key::from(name.as_str()), count, 0);
            if let Answer::Done(true) = self.put("set", dir_ent).await {
                acknowledged.lock().insert(name);
            }
        }
    }

    /// Counts up, alone, with `cas`: a request that arrives late must not set the counter back.
    async fn count_up(mut self) {
        let mut last = 0;
        while self.pause().await {
            let Some((value, index)) = self.see_counter().await else { continue };
            assert!(value >= last, "the counter's only writer read {value} after it had written {last}");
            if let Answer::Done(true) = self.set_counter(value + 1, index).await {
                last = value + 1;
            }
        }
    }

    async fn see_counter(&mut self) -> Option<(u64, u64)> {
        let (value, index) = self.get(Key::from(COUNTER), Consistency::Consistent).await?;
        Some((value.unwrap_or(0), index))
    }

    async fn set_counter(&mut self, value: u64, index: u64) -> Answer<bool> {
        self.put("cas", entry(Key::from(COUNTER), value, index)).await
    }

    /// Follows the counter with blocking queries: it never goes back.
    async fn watch(mut self, place: usize, watched: Arc<Mutex<Vec<(u64, Instant)>>>) {
        let (mut index, mut last) = (0, 0);
        loop {
            let options = QueryOptions { min_index: index, max_wait: WATCH_WAIT, ..QueryOptions::default() };
            let request = KeyRequest { key: Key::from(COUNTER), options };
            let Answer::Done(found) = self.roster.ask::<KvGet>(&mut self.chance, request, WATCH_PATIENCE).await else {
                tokio::time::sleep(WATCH_PAUSE).await;
                continue;
            };
            let value = found.value.as_ref().and_then(|entry| number(&entry.value)).unwrap_or(0);
            assert!(value >= last, "a watcher saw {value} after {last}");
            // As clients are told: an index that goes back means to start over.
            index = if found.meta.index < index { 0 } else { found.meta.index };
            last = value;
            watched.lock()[place] = (value, Instant::now());
        }
    }

    async fn get(&mut self, key: Key, consistency: Consistency) -> Option<(Option<u64>, u64)> {
        let options = QueryOptions { consistency, ..QueryOptions::default() };
        let request = KeyRequest { key, options };
        match self.roster.ask::<KvGet>(&mut self.chance, request, PATIENCE).await {
            Answer::Done(found) => Some(match found.value {
                Some(entry) => (number(&entry.value), entry.modify_index),
                None => (None, 0),
            }),
            Answer::Refused | Answer::Unknown => None,
        }
    }

    async fn put(&mut self, verb: &str, dir_ent: DirEntry) -> Answer<bool> {
        let request = KvRequest { op: verb.to_owned(), dir_ent, ..KvRequest::default() };
        self.roster.ask::<KvApply>(&mut self.chance, request, PATIENCE).await
    }
}

fn entry(key: Key, value: u64, modify_index: u64) -> DirEntry {
    DirEntry { key, value: value.to_string().into(), modify_index, ..DirEntry::default() }
}

/// The number that an entry holds.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
