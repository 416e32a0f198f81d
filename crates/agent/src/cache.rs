//! Answers of servers, kept for reads that allow it (`docs/spec/connect.md` §6.1, `docs/spec/http-api.md` §1.7).
//!
//! An entry is everything that shapes an answer. It is fetched once however many ask. Most entries are followed: as
//! soon as there is an answer, the next change is asked for, so that whoever asks gets it at once. Those that cannot be
//! waited for are polled: fetched again when what there is, is too old for the one who asks. The cache knows no server:
//! it is given the way to one with each question.

mod counts;
mod entry;
mod limit;
mod method;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use net::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use types::{Method, RpcError};

use self::entry::{Entry, Question};
pub use self::limit::FetchLimits;
pub use self::method::{Cached, Upkeep};
use crate::usage::Usage;

/// Entries at most; then the one that was not asked for for longest is given up.
const MAX_ENTRIES: usize = 8192;
/// An entry that nobody has asked for for so long is forgotten.
const IDLE_LIMIT: Duration = Duration::from_secs(72 * 3600);
/// How often idle entries are looked for, while new ones come.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What a server answered.
pub type Fetched<M> = Result<<M as Method>::Reply, RpcError>;

/// The way to a server.
pub type Fetch<M> = Arc<dyn Fn(<M as Method>::Request) -> BoxFuture<'static, Fetched<M>> + Send + Sync>;

/// What the one who asks accepts. Only polled entries are judged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheOptions {
    /// Greatest age; nothing for any.
    pub max_age: Option<Duration>,
    /// Only what is fetched after the question.
    pub must_revalidate: bool,
    /// When fetching fails, an answer up to this old is better than the error.
    pub stale_if_error: Duration,
}

/// What is told of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheMeta {
    /// It was there: nobody was asked for it.
    pub hit: bool,
    /// How old it is: of a followed entry, how long its servers have not been heard.
    pub age: Duration,
}

/// How long a question waits for a change.
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// A question that names no wait.
    pub default_query_time: Duration,
    /// Any other at most.
    pub max_query_time: Duration,
    /// How often an entry may be fetched.
    pub limits: FetchLimits,
}

/// The cache of an agent. Dropping it ends what it follows.
pub struct Cache {
    shared: Arc<Shared>,
    settings: CacheSettings,
}

struct Shared {
    kept: Mutex<Kept>,
    limits: Mutex<FetchLimits>,
    stopping: CancellationToken,
}

struct Kept {
    entries: HashMap<Key, Slot>,
    swept: Instant,
}

/// Which entry: its method, and everything that shapes the answer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    method: &'static str,
    parts: Vec<u8>,
}

/// An entry of some method.
struct Slot {
    entry: Arc<dyn Any + Send + Sync>,
    usage: Arc<Usage>,
}

impl Cache {
    /// An empty cache. `stopping` ends what waits. Must be called in the runtime.
    pub fn new(settings: CacheSettings, stopping: CancellationToken) -> Cache {
        let kept = Kept { entries: HashMap::new(), swept: Instant::now() };
        let shared = Shared { kept: Mutex::new(kept), limits: Mutex::new(settings.limits), stopping };
        Cache { shared: Arc::new(shared), settings }
    }

    /// From now on, entries are fetched at most so often.
    pub fn set_limits(&self, limits: FetchLimits) {
        *self.shared.limits.lock() = limits;
    }

    /// An answer, kept or fetched. A followed entry is waited for as a blocking read is: until its index is above the
    /// request's, or the wait is over. Must be called in the runtime.
    ///
    /// # Errors
    /// That of the fetch, if one was needed.
    pub async fn get<M: Cached>(
        &self,
        request: M::Request,
        options: CacheOptions,
        fetch: Fetch<M>,
    ) -> Result<(M::Reply, CacheMeta), RpcError> {
        let Some(seat) = self.shared.sit_down::<M>(&request, &fetch) else {
            counts::bypassed();
            return Ok((fetch(request).await?, CacheMeta::default()));
        };
        let asked = M::options(&request).cloned().unwrap_or_default();
        let wait = if asked.max_wait.is_zero() { self.settings.default_query_time } else { asked.max_wait };
        let question = Question {
            want: asked.want,
            min_index: asked.min_index,
            wait: wait.min(self.settings.max_query_time),
            options,
        };
        seat.entry.get(&question, &self.shared).await
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.shared.kept.lock().entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shared {
    /// The entry for a request, which begins now if there is none. Nothing if there are too many that are in use.
    fn sit_down<M: Cached>(&self, request: &M::Request, fetch: &Fetch<M>) -> Option<Seat<M>> {
        let key = Key { method: M::NAME, parts: M::key(request) };
        let mut kept = self.kept.lock();
        if let Some(slot) = kept.entries.get(&key) {
            // A method has one type of entry.
            let entry = slot.entry.clone().downcast::<Entry<M>>().ok()?;
            return Some(Seat::take(entry, &slot.usage));
        }
        if !kept.make_room() {
            return None;
        }
        let usage = Arc::new(Usage::default());
        let limits = *self.limits.lock();
        let entry = Arc::new(Entry::<M>::new(key.clone(), request.clone(), fetch.clone(), usage.clone(), limits));
        let seat = Seat::take(entry.clone(), &usage);
        kept.entries.insert(key, Slot { entry, usage });
        counts::entries(kept.entries.len());
        Some(seat)
    }

    /// Forgets an entry, if it is still this one and `when` holds.
    fn forget(&self, key: &Key, usage: &Arc<Usage>, when: impl FnOnce(&Usage) -> bool) -> bool {
        let mut kept = self.kept.lock();
        let forget = kept.entries.get(key).is_some_and(|slot| Arc::ptr_eq(&slot.usage, usage) && when(usage));
        if forget {
            kept.entries.remove(key);
            counts::entries(kept.entries.len());
        }
        forget
    }
}

impl Kept {
    /// Makes room for one more entry, if it can.
    fn make_room(&mut self) -> bool {
        if self.swept.elapsed() >= SWEEP_INTERVAL {
            self.swept = Instant::now();
            let before = self.entries.len();
            self.entries.retain(|_, slot| !slot.usage.is_idle(IDLE_LIMIT));
            counts::evicted(before - self.entries.len());
        }
        if self.entries.len() < MAX_ENTRIES {
            return true;
        }
        let unused = self.entries.iter().filter_map(|(key, slot)| Some((slot.usage.unused_since()?, key)));
        let Some(key) = unused.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone()) else { return false };
        self.entries.remove(&key).is_some()
    }
}

/// Somebody asks for an entry: it stays meanwhile.
struct Seat<M: Cached> {
    entry: Arc<Entry<M>>,
    usage: Arc<Usage>,
}

impl<M: Cached> Seat<M> {
    fn take(entry: Arc<Entry<M>>, usage: &Arc<Usage>) -> Seat<M> {
        usage.enter();
        Seat { entry, usage: usage.clone() }
    }
}

impl<M: Cached> Drop for Seat<M> {
    fn drop(&mut self) {
        self.usage.leave();
    }
}
