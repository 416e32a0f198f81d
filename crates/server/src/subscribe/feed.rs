//! Feeds: what follows the instances of one service, for all who subscribed to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use state::{Snapshot, Store, Topic, Watch};
use streaming::proto::{Event, EventBatch, Payload};
use streaming::{Code, Encoded, Status};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::CheckServiceNode;

use super::difference;

/// Changes a subscriber may be behind.
const QUEUE: usize = 64;
/// A message larger than this is cut: clients take 8 MiB.
const MESSAGE_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// The subscription cannot go on; what the subscriber has may be wrong.
pub(super) fn reset() -> Status {
    Status::new(Code::Aborted, "subscription closed by server, client must reset state and resubscribe")
}

/// The server stops; another one can go on.
fn shutting_down() -> Status {
    Status::new(Code::Unavailable, "subscription closed by server, server is shutting down")
}

/// Which instances of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lookup {
    Named,
    /// Those that serve it in the mesh.
    Mesh,
}

/// What a feed follows. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) lookup: Lookup,
    pub(super) peer: String,
    pub(super) service: String,
}

impl Key {
    fn watch(&self, store: &Store) -> Watch {
        store.watch([match self.lookup {
            Lookup::Named => Topic::service(&self.peer, &self.service),
            Lookup::Mesh => Topic::connect(&self.peer, &self.service),
        }])
    }

    fn look(&self, snapshot: &Snapshot) -> (u64, Vec<CheckServiceNode>) {
        let (index, instances) = match self.lookup {
            Lookup::Named => snapshot.check_service_nodes(&self.peer, &self.service),
            Lookup::Mesh => snapshot.connect_check_service_nodes(&self.peer, &self.service),
        };
        (index.max(1), instances)
    }
}

/// The instances at one moment.
#[derive(Debug)]
pub(super) struct State {
    index: u64,
    instances: Vec<CheckServiceNode>,
    /// Index of the last change this feed has told; nothing before the first.
    pub(super) newest_batch: Option<u64>,
    snapshot: OnceLock<Encoded>,
}

impl State {
    /// All of it, as messages; made for the first that asks.
    pub(super) fn snapshot(&self) -> Encoded {
        let encode = || {
            let instances = self.instances.iter().map(|instance| Event::register(self.index, instance));
            Encoded::of(instances.chain([Event::end_of_snapshot(self.index)]))
        };
        self.snapshot.get_or_init(encode).clone()
    }
}

/// What subscribers are told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    News(Encoded),
    Over(Status),
}

/// One feed. Who joins gets its state and everything that is told after it.
struct Feed {
    current: Mutex<Current>,
    told: broadcast::Sender<Told>,
}

struct Current {
    state: Arc<State>,
    /// Set at the end.
    over: Option<Status>,
}

impl Feed {
    fn new(index: u64, instances: Vec<CheckServiceNode>) -> Feed {
        let state = Arc::new(State { index, instances, newest_batch: None, snapshot: OnceLock::new() });
        Feed { current: Mutex::new(Current { state, over: None }), told: broadcast::channel(QUEUE).0 }
    }

    fn state(&self) -> Arc<State> {
        self.current.lock().state.clone()
    }

    fn join(&self) -> Result<(Arc<State>, broadcast::Receiver<Told>), Status> {
        let current = self.current.lock();
        match &current.over {
            Some(status) => Err(status.clone()),
            None => Ok((current.state.clone(), self.told.subscribe())),
        }
    }

    /// Goes on to what there is now, and tells what is different.
    fn advance(&self, index: u64, instances: Vec<CheckServiceNode>) {
        let before = self.state();
        let events = difference::between(index, &before.instances, &instances);
        let newest_batch = if events.is_empty() { before.newest_batch } else { Some(index) };
        let news = messages(before.index, index, events);
        let state = Arc::new(State { index, instances, newest_batch, snapshot: OnceLock::new() });
        let mut current = self.current.lock();
        current.state = state;
        if let Some(news) = news {
            // Nobody listening is no failure: the last subscriber may just have left.
            let _ = self.told.send(Told::News(news));
        }
    }

    fn end(&self, status: Status) {
        let mut current = self.current.lock();
        current.over = Some(status.clone());
        let _ = self.told.send(Told::Over(status));
    }
}

/// The events of one index as one message, or as several where one would be too large: only the last has the index
/// then, so that who loses the rest does not believe to have it all.
fn messages(before: u64, index: u64, events: Vec<Event>) -> Option<Encoded> {
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for event in events {
        let len = event.encoded_bytes();
        if bytes + len > MESSAGE_LIMIT_BYTES && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += len;
        batch.push(event);
    }
    if batch.is_empty() {
        return None;
    }
    let cut = batches.into_iter().map(|events| Event { index: before, payload: batch_of(events) });
    Some(Encoded::of(cut.chain([Event::of_index(index, batch)])))
}

fn batch_of(events: Vec<Event>) -> Option<Payload> {
    Some(Payload::EventBatch(EventBatch { events }))
}

/// The feeds of a server, each as long as it has subscribers.
pub(super) struct Feeds {
    store: Store,
    stopping: CancellationToken,
    running: Mutex<HashMap<Key, Running>>,
}

/// A feed and the task that follows the state for it.
struct Running {
    feed: Arc<Feed>,
    subscribers: usize,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeds {
    pub(super) fn new(store: Store, stopping: CancellationToken) -> Arc<Feeds> {
        Arc::new(Feeds { store, stopping, running: Mutex::default() })
    }

    /// Joins the feed of a key, which begins now if there is none.
    pub(super) fn join(self: &Arc<Self>, key: Key) -> Result<Joined, Status> {
        let feed = self.enter(&key).unwrap_or_else(|| self.begin(&key));
        let seat = Seat { feeds: self.clone(), key, feed };
        let (state, news) = seat.feed.join()?;
        Ok(Joined { state, news, _seat: seat })
    }

    fn enter(&self, key: &Key) -> Option<Arc<Feed>> {
        let mut running = self.running.lock();
        let running = running.get_mut(key)?;
        running.subscribers += 1;
        Some(running.feed.clone())
    }

    /// Looks at the state without keeping others from their feeds; whoever is quicker with the same feed wins.
    fn begin(self: &Arc<Self>, key: &Key) -> Arc<Feed> {
        // Registered before looking, so that no change in between is missed.
        let changed = key.watch(&self.store);
        let snapshot = self.store.snapshot();
        let (index, instances) = key.look(&snapshot);
        let mut running = self.running.lock();
        match running.entry(key.clone()) {
            Entry::Occupied(mut running) => {
                let running = running.get_mut();
                running.subscribers += 1;
                running.feed.clone()
            }
            Entry::Vacant(place) => {
                let feed = Arc::new(Feed::new(index, instances));
                let follower = Follower {
                    key: key.clone(),
                    feed: feed.clone(),
                    store: self.store.clone(),
                    generation: snapshot.generation(),
                    stopping: self.stopping.clone(),
                    feeds: Arc::downgrade(self),
                };
                let task = tokio::spawn(follower.run(changed));
                place.insert(Running { feed: feed.clone(), subscribers: 1, task });
                feed
            }
        }
    }

    /// Gives up a seat; the last one ends the feed.
    fn leave(&self, key: &Key, feed: &Arc<Feed>) {
        let mut all = self.running.lock();
        let Some(running) = all.get_mut(key).filter(|running| Arc::ptr_eq(&running.feed, feed)) else { return };
        running.subscribers -= 1;
        if running.subscribers == 0 {
            all.remove(key);
        }
    }

    /// Forgets a feed that has ended.
    fn forget(&self, key: &Key, feed: &Arc<Feed>) {
        let mut all = self.running.lock();
        if all.get(key).is_some_and(|running| Arc::ptr_eq(&running.feed, feed)) {
            all.remove(key);
        }
    }

    /// How many feeds there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.running.lock().len()
    }
}

/// What a subscriber gets: how things are, and what is told from then on.
pub(super) struct Joined {
    pub(super) state: Arc<State>,
    pub(super) news: broadcast::Receiver<Told>,
    _seat: Seat,
}

/// Keeps a feed going.
struct Seat {
    feeds: Arc<Feeds>,
    key: Key,
    feed: Arc<Feed>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.feeds.leave(&self.key, &self.feed);
    }
}

/// Follows the state for one feed.
struct Follower {
    key: Key,
    feed: Arc<Feed>,
    store: Store,
    generation: u64,
    stopping: CancellationToken,
    feeds: Weak<Feeds>,
}

impl Follower {
    async fn run(self, mut changed: Watch) {
        let status = loop {
            tokio::select! {
                () = self.stopping.cancelled() => break shutting_down(),
                () = &mut changed => {}
            }
            changed = self.key.watch(&self.store);
            let snapshot = self.store.snapshot();
            if snapshot.generation() != self.generation {
                break reset();
            }
            let (index, instances) = self.key.look(&snapshot);
            self.feed.advance(index, instances);
        };
        self.feed.end(status);
        if let Some(feeds) = self.feeds.upgrade() {
            feeds.forget(&self.key, &self.feed);
        }
    }
}
