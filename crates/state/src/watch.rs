//! Waiting for changes: a reader registers the topics it depends on, a publish wakes the waiters of what it touched.
//!
//! A parked [`Watch`] costs no CPU. Its memory, measured by `tests/watch_memory.rs`: about 150 bytes on a topic that
//! others wait for too, 420 on a topic of its own, and 50 or 320 for each further topic.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::key::{self, RowKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Key,
    KeyPrefix,
    Sessions,
    Session,
    NodeSessions,
    Nodes,
    Node,
    Services,
    Service,
    ServiceKind,
    Connect,
    Checks,
    NodeChecks,
    ServiceChecks,
    Coordinates,
    NodeCoordinates,
    PreparedQueries,
    SystemMetadata,
    Autopilot,
    CaRoots,
    CaConfig,
}

const SUBJECTS: usize = Subject::CaConfig as usize + 1;

/// Something that can change. A restore of the whole state touches every topic.
///
/// Names are compared case-insensitively, except keys. `peer` is the peering the rows were imported from, empty for
/// this cluster's own rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    subject: Subject,
    of: RowKey,
}

impl Topic {
    fn new(subject: Subject, parts: &[&str]) -> Topic {
        Topic { subject, of: key::row(parts).into() }
    }

    /// The entry with exactly this key.
    pub fn key(key: &[u8]) -> Topic {
        Topic { subject: Subject::Key, of: key.into() }
    }

    /// Every entry whose key starts with these bytes.
    pub fn key_prefix(prefix: &[u8]) -> Topic {
        Topic { subject: Subject::KeyPrefix, of: prefix.into() }
    }

    /// Any session.
    pub fn sessions() -> Topic {
        Topic::new(Subject::Sessions, &[])
    }

    /// The session with this ID.
    pub fn session(id: &str) -> Topic {
        Topic::new(Subject::Session, &[id])
    }

    /// Any session of this node.
    pub fn node_sessions(node: &str) -> Topic {
        Topic::new(Subject::NodeSessions, &[node])
    }

    /// The rows of nodes, not what is registered on them.
    pub fn nodes(peer: &str) -> Topic {
        Topic::new(Subject::Nodes, &[key::peer_part(peer)])
    }

    /// A node's row and the services on it, not its checks.
    pub fn node(peer: &str, node: &str) -> Topic {
        Topic::new(Subject::Node, &[key::peer_part(peer), node])
    }

    /// Any service instance.
    pub fn services(peer: &str) -> Topic {
        Topic::new(Subject::Services, &[key::peer_part(peer)])
    }

    /// The instances of a service, their nodes and all checks of both.
    pub fn service(peer: &str, service: &str) -> Topic {
        Topic::new(Subject::Service, &[key::peer_part(peer), service])
    }

    /// The instances of a kind (`""`, `connect-proxy`, …), their nodes and all checks of both.
    pub fn service_kind(peer: &str, kind: &str) -> Topic {
        Topic::new(Subject::ServiceKind, &[key::peer_part(peer), kind])
    }

    /// The mesh-capable instances for a service (its proxies and native instances), their nodes and all checks of both.
    pub fn connect(peer: &str, service: &str) -> Topic {
        Topic::new(Subject::Connect, &[key::peer_part(peer), service])
    }

    /// Any check.
    pub fn checks(peer: &str) -> Topic {
        Topic::new(Subject::Checks, &[key::peer_part(peer)])
    }

    /// The checks on a node, those of its services included.
    pub fn node_checks(peer: &str, node: &str) -> Topic {
        Topic::new(Subject::NodeChecks, &[key::peer_part(peer), node])
    }

    /// The checks of a service's instances.
    pub fn service_checks(peer: &str, service: &str) -> Topic {
        Topic::new(Subject::ServiceChecks, &[key::peer_part(peer), service])
    }

    /// Any coordinate.
    pub fn coordinates() -> Topic {
        Topic::new(Subject::Coordinates, &[])
    }

    /// The coordinates of a node.
    pub fn node_coordinates(node: &str) -> Topic {
        Topic::new(Subject::NodeCoordinates, &[node])
    }

    /// Any prepared query.
    pub fn prepared_queries() -> Topic {
        Topic::new(Subject::PreparedQueries, &[])
    }

    /// Any entry of the system metadata.
    pub fn system_metadata() -> Topic {
        Topic::new(Subject::SystemMetadata, &[])
    }

    /// The autopilot configuration.
    pub fn autopilot() -> Topic {
        Topic::new(Subject::Autopilot, &[])
    }

    /// The roots of the mesh's certificate authority.
    pub fn ca_roots() -> Topic {
        Topic::new(Subject::CaRoots, &[])
    }

    /// The configuration of the mesh's certificate authority.
    pub fn ca_config() -> Topic {
        Topic::new(Subject::CaConfig, &[])
    }
}

/// Resolves once one of its topics has been touched by a publish after its creation.
///
/// Registered when made, deregistered when dropped. Works on any executor; polled again after it has resolved, it is
/// ready again.
#[derive(Debug)]
#[must_use = "a watch does nothing unless awaited"]
pub struct Watch {
    registry: Arc<Registry>,
    id: u64,
    waiter: Arc<Waiter>,
    topics: Vec<Topic>,
}

impl Future for Watch {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.waiter.state.lock();
        match &*state {
            State::Fired => return Poll::Ready(()),
            State::Parked(waker) if waker.will_wake(cx.waker()) => {}
            State::Parked(_) | State::Idle => *state = State::Parked(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.registry.live.fetch_sub(1, Ordering::Relaxed);
        let mut waiting = self.registry.waiting.lock();
        for topic in &self.topics {
            waiting.remove(topic, self.id);
        }
    }
}

#[derive(Debug)]
struct Waiter {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Idle,
    Parked(Waker),
    Fired,
}

impl Waiter {
    fn fire(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Fired);
        if let State::Parked(waker) = before {
            waker.wake();
        }
    }
}

/// What a writer has changed since its last publish.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    topics: Vec<Topic>,
    everything: bool,
}

impl Touched {
    /// For a state that nobody can be waiting for yet.
    pub(crate) fn everything() -> Touched {
        Touched { topics: Vec::new(), everything: true }
    }

    pub(crate) fn push(&mut self, topic: Topic) {
        if !self.everything {
            self.topics.push(topic);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    /// Forgets what was touched after [`Self::len`] was `len`: those changes were dropped.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.topics.truncate(len);
    }
}

/// Who waits for what.
///
/// The lock is held for the time it takes to put in, take out or look up entries, never while waking or waiting.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    waiting: Mutex<Waiting>,
    live: AtomicUsize,
    next_id: AtomicU64,
}

impl Registry {
    pub(crate) fn watch(self: &Arc<Self>, topics: impl IntoIterator<Item = Topic>) -> Watch {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let waiter = Arc::new(Waiter { state: Mutex::new(State::Idle) });
        let mut waiting = self.waiting.lock();
        let topics = topics.into_iter().map(|topic| waiting.insert(topic, id, &waiter)).collect();
        self.live.fetch_add(1, Ordering::Relaxed);
        Watch { registry: Arc::clone(self), id, waiter, topics }
    }

    pub(crate) fn watchers(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Wakes everyone who waits for one of these topics, once each, and forgets the changes.
    pub(crate) fn wake(&self, touched: &mut Touched) {
        let mut woken = Vec::new();
        {
            let mut waiting = self.waiting.lock();
            if std::mem::take(&mut touched.everything) {
                waiting.take_all(&mut woken);
            } else if !waiting.is_empty() {
                for topic in &touched.topics {
                    waiting.take_touched(topic, &mut woken);
                }
            }
        }
        touched.topics.clear();
        for waiter in woken {
            waiter.fire();
        }
    }
}

/// The waiters of one topic, in the order they came.
type Waiters = BTreeMap<u64, Arc<Waiter>>;

#[derive(Debug)]
struct Waiting {
    by_subject: [HashMap<RowKey, Waiters>; SUBJECTS],
    /// How many distinct prefixes of each length are waited for: a write to a key looks up these lengths only.
    prefix_lengths: BTreeMap<usize, usize>,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting { by_subject: std::array::from_fn(|_| HashMap::new()), prefix_lengths: BTreeMap::new() }
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.by_subject.iter().all(HashMap::is_empty)
    }

    /// Adds a waiter and returns its topic with the name shared with the topic's other waiters.
    fn insert(&mut self, topic: Topic, id: u64, waiter: &Arc<Waiter>) -> Topic {
        let map = &mut self.by_subject[topic.subject as usize];
        let of = map.get_key_value(&topic.of).map_or(topic.of, |(shared, _)| Arc::clone(shared));
        let waiters = map.entry(Arc::clone(&of)).or_default();
        if waiters.is_empty() && topic.subject == Subject::KeyPrefix {
            *self.prefix_lengths.entry(of.len()).or_default() += 1;
        }
        waiters.insert(id, Arc::clone(waiter));
        Topic { subject: topic.subject, of }
    }

    fn remove(&mut self, topic: &Topic, id: u64) {
        let map = &mut self.by_subject[topic.subject as usize];
        let Some(waiters) = map.get_mut(&topic.of) else { return };
        if waiters.remove(&id).is_none() || !waiters.is_empty() {
            return;
        }
        map.remove(&topic.of);
        if topic.subject == Subject::KeyPrefix {
            self.forget_prefix(topic.of.len());
        }
    }

    fn forget_prefix(&mut self, len: usize) {
        if let Some(count) = self.prefix_lengths.get_mut(&len) {
            *count -= 1;
            if *count == 0 {
                self.prefix_lengths.remove(&len);
            }
        }
    }

    fn take_touched(&mut self, topic: &Topic, woken: &mut Vec<Arc<Waiter>>) {
        if let Some(waiters) = self.by_subject[topic.subject as usize].remove(&topic.of) {
            woken.extend(waiters.into_values());
        }
        if topic.subject != Subject::Key || self.prefix_lengths.is_empty() {
            return;
        }
        let lengths: Vec<usize> = self.prefix_lengths.range(..=topic.of.len()).map(|(len, _)| *len).collect();
        for len in lengths {
            if let Some(waiters) = self.by_subject[Subject::KeyPrefix as usize].remove(&topic.of[..len]) {
                woken.extend(waiters.into_values());
                self.forget_prefix(len);
            }
        }
    }

    fn take_all(&mut self, woken: &mut Vec<Arc<Waiter>>) {
        for map in &mut self.by_subject {
            woken.extend(std::mem::take(map).into_values().flat_map(Waiters::into_values));
        }
        self.prefix_lengths.clear();
    }
}
