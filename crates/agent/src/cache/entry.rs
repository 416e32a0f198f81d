//! One entry: its answer, and the fetching of it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use types::{RpcError, Version, Want};

use super::limit::{Bucket, FetchLimits};
use super::method::{Cached, Upkeep};
use super::{CacheMeta, CacheOptions, Fetch, IDLE_LIMIT, Key, Shared, counts};
use crate::generations::new_generation;
use crate::random::random_below;
use crate::usage::Usage;

/// A read that has been waiting for so long has reached a server.
const CONTACT_TIME: Duration = Duration::from_secs(31);
/// An answer without news that comes sooner is as good as a failure: it must not be asked for again at once.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Failures in a row without a pause.
const FREE_FAILURES: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The token is no more: asking again does not help.
const ACL_NOT_FOUND: &str = "ACL not found";

/// What is asked of an entry.
pub(super) struct Question {
    pub(super) want: Want,
    pub(super) min_index: u64,
    pub(super) wait: Duration,
    pub(super) options: CacheOptions,
}

/// An entry. Dropping it ends its fetching.
pub(super) struct Entry<M: Cached> {
    inner: Arc<Inner<M>>,
    task: Mutex<Option<Task>>,
}

/// What the one who fetches shares with those who ask.
struct Inner<M: Cached> {
    key: Key,
    request: M::Request,
    fetch: Fetch<M>,
    usage: Arc<Usage>,
    bucket: Mutex<Bucket>,
    state: watch::Sender<State<M::Reply>>,
}

struct State<R> {
    answer: Option<Arc<R>>,
    /// Of the answer; at least 1.
    index: u64,
    /// Another whenever the index does not tell a change.
    generation: u64,
    /// Counts how often the index went back.
    rewinds: u64,
    fetched: Instant,
    /// Since when the servers have not been heard.
    lost: Option<Instant>,
    /// Counts fetches that have ended.
    rounds: u64,
    /// Counts those that failed.
    failures: u64,
    /// What the last one failed with.
    error: Option<RpcError>,
    /// Somebody fetches, or follows.
    fetching: bool,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was there when somebody asked.
#[derive(Clone, Copy)]
struct Known {
    rounds: u64,
    failures: u64,
    rewinds: u64,
}

impl<M: Cached> Entry<M> {
    pub(super) fn new(
        key: Key,
        request: M::Request,
        fetch: Fetch<M>,
        usage: Arc<Usage>,
        limits: FetchLimits,
    ) -> Entry<M> {
        let state = State {
            answer: None,
            index: 0,
            generation: new_generation(),
            rewinds: 0,
            fetched: Instant::now(),
            lost: None,
            rounds: 0,
            failures: 0,
            error: None,
            fetching: false,
        };
        let state = watch::channel(state).0;
        let inner = Inner { key, request, fetch, usage, bucket: Mutex::new(Bucket::new(limits)), state };
        Entry { inner: Arc::new(inner), task: Mutex::default() }
    }

    /// Answers from what there is, or from what comes.
    pub(super) async fn get(
        &self,
        question: &Question,
        cache: &Arc<Shared>,
    ) -> Result<(M::Reply, CacheMeta), RpcError> {
        let found = self.find(question, cache).await?;
        Ok((M::show(&found.answer, question.want, found.version), found.meta))
    }

    async fn find(&self, question: &Question, cache: &Arc<Shared>) -> Result<Found<M::Reply>, RpcError> {
        let mut state = self.inner.state.subscribe();
        let known = {
            let now = state.borrow_and_update();
            if let Some(hit) = now.hit(M::UPKEEP, question) {
                return Ok(hit);
            }
            Known { rounds: now.rounds, failures: now.failures, rewinds: now.rewinds }
        };
        self.start(cache);
        let deadline = Instant::now() + question.wait;
        loop {
            let over = tokio::select! {
                changed = state.changed() => changed.is_err(),
                // A fetch has its own deadline: only a change may be waited for in vain.
                () = sleep_until(deadline), if question.min_index > 0 && M::UPKEEP == Upkeep::Followed => true,
                () = cache.stopping.cancelled() => true,
            };
            let now = state.borrow_and_update();
            if let Some(answer) = now.answer(M::UPKEEP, question, known) {
                return answer;
            }
            if over {
                let late = now.found(CacheMeta::default());
                let stopping = cache.stopping.is_cancelled();
                let error = if stopping { RpcError::Shutdown } else { RpcError::other("no answer came in time") };
                return late.ok_or(error);
            }
        }
    }

    /// Sees to it that somebody fetches.
    fn start(&self, cache: &Arc<Shared>) {
        // Held until the task is noted, so that none is taken for one that came after it.
        let mut task = self.task.lock();
        let mut starts = false;
        self.inner.state.send_if_modified(|state| {
            starts = !std::mem::replace(&mut state.fetching, true);
            false
        });
        if !starts {
            return;
        }
        let (inner, cache) = (self.inner.clone(), Arc::downgrade(cache));
        *task = Some(Task(match M::UPKEEP {
            Upkeep::Followed => tokio::spawn(inner.follow(cache)),
            Upkeep::Polled => tokio::spawn(inner.poll(cache)),
        }));
    }
}

/// An answer, still shared with the entry.
struct Found<R> {
    answer: Arc<R>,
    version: Version,
    meta: CacheMeta,
}

impl<R> State<R> {
    /// What is there already, if it is what is asked for.
    fn hit(&self, upkeep: Upkeep, question: &Question) -> Option<Found<R>> {
        let age = match upkeep {
            Upkeep::Followed => {
                // What has stopped is not answered from for ever: it starts again.
                if !self.fetching || self.index <= question.min_index {
                    return None;
                }
                self.lost.map(|since| since.elapsed()).unwrap_or_default()
            }
            Upkeep::Polled => {
                let (age, options) = (self.fetched.elapsed(), &question.options);
                if options.must_revalidate || options.max_age.is_some_and(|limit| limit.is_zero() || age > limit) {
                    return None;
                }
                age
            }
        };
        self.found(CacheMeta { hit: true, age })
    }

    /// What has come since somebody began to wait, if it is what was asked for.
    fn answer(&self, upkeep: Upkeep, question: &Question, known: Known) -> Option<Result<Found<R>, RpcError>> {
        if let Some(error) = self.error.as_ref().filter(|_| self.failures != known.failures) {
            let stale = if upkeep == Upkeep::Polled { self.stale(question.options.stale_if_error) } else { None };
            return Some(stale.ok_or_else(|| error.clone()));
        }
        let is_new = match upkeep {
            Upkeep::Followed => self.index > question.min_index || self.rewinds != known.rewinds,
            Upkeep::Polled => self.rounds != known.rounds,
        };
        is_new.then(|| self.found(CacheMeta::default())).flatten().map(Ok)
    }

    /// What is better than an error, if it is not older than this.
    fn stale(&self, limit: Duration) -> Option<Found<R>> {
        let age = self.fetched.elapsed();
        if limit.is_zero() || age > limit {
            return None;
        }
        self.found(CacheMeta { hit: true, age })
    }

    fn found(&self, meta: CacheMeta) -> Option<Found<R>> {
        let version = Version { index: self.index, generation: self.generation };
        self.answer.clone().map(|answer| Found { answer, version, meta })
    }
}

impl<M: Cached> Inner<M> {
    /// Fetches once.
    async fn poll(self: Arc<Self>, cache: Weak<Shared>) {
        self.await_turn(&cache).await;
        let fetched = (self.fetch)(M::to_fetch(&self.request, 0)).await;
        self.take(fetched, false);
    }

    /// Fetches, and then whenever there is a change, until nobody has asked for long.
    async fn follow(self: Arc<Self>, cache: Weak<Shared>) {
        tokio::select! {
            () = self.keep_up(&cache) => {}
            () = self.idle(&cache) => {}
        }
    }

    async fn keep_up(&self, cache: &Weak<Shared>) {
        let mut index = 0;
        let mut failures = 0_u32;
        loop {
            self.await_turn(cache).await;
            let began = Instant::now();
            let fetched = self.fetch_change(index).await;
            let news = fetched.as_ref().map_or(0, M::index);
            let wasted = fetched.is_err() || news == 0 || (news <= index && began.elapsed() < SHORTEST_WAIT);
            failures = if wasted { failures.saturating_add(1) } else { 0 };
            let hopeless = fetched.as_ref().is_err_and(|error| error.to_string().contains(ACL_NOT_FOUND));
            let has_answer = fetched.is_ok() || self.state.borrow().answer.is_some();
            if fetched.is_ok() {
                index = news.max(1);
            }
            let goes_on = has_answer && !hopeless;
            if !has_answer && let Some(cache) = cache.upgrade() {
                // Who asks next tries again at once. Before the error is told, so that it finds a new entry.
                cache.forget(&self.key, &self.usage, |_| true);
            }
            self.take(fetched, goes_on);
            if !goes_on {
                return;
            }
            let pause = pause(failures, random_below);
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
    }

    /// One fetch. A wait for a change that lasts shows that there is a server.
    async fn fetch_change(&self, index: u64) -> Result<M::Reply, RpcError> {
        let mut fetching = (self.fetch)(M::to_fetch(&self.request, index));
        if index == 0 {
            return fetching.await;
        }
        tokio::select! {
            fetched = &mut fetching => return fetched,
            () = sleep(CONTACT_TIME) => {}
        }
        self.state.send_if_modified(|state| {
            state.lost = None;
            false
        });
        fetching.await
    }

    /// Waits until a fetch is allowed.
    async fn await_turn(&self, cache: &Weak<Shared>) {
        let Some(limits) = cache.upgrade().map(|cache| *cache.limits.lock()) else { return };
        let pause = self.bucket.lock().take(limits);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    /// Takes what a fetch ended with, and wakes those who wait.
    fn take(&self, fetched: Result<M::Reply, RpcError>, goes_on: bool) {
        self.state.send_modify(|state| {
            state.rounds += 1;
            state.fetching = goes_on;
            match fetched {
                Ok(reply) => {
                    let index = M::index(&reply).max(1);
                    counts::fetched(state.answer.is_none() || index != state.index || M::UPKEEP == Upkeep::Polled);
                    if state.answer.is_some() && index <= state.index {
                        state.generation = new_generation();
                        state.rewinds += u64::from(index < state.index);
                    }
                    state.index = index;
                    state.answer = Some(Arc::new(reply));
                    state.fetched = Instant::now();
                    state.lost = None;
                    state.error = None;
                }
                Err(error) => {
                    counts::failed(error.to_string().contains(ACL_NOT_FOUND));
                    state.failures += 1;
                    state.error = Some(error);
                    state.lost = state.lost.or_else(|| Some(Instant::now()));
                }
            }
        });
    }

    /// Returns when the entry has been forgotten because nobody asked for it, or the cache is gone.
    async fn idle(&self, cache: &Weak<Shared>) {
        loop {
            sleep_until(self.usage.idle_at(IDLE_LIMIT)).await;
            match cache.upgrade() {
                Some(cache) if cache.forget(&self.key, &self.usage, |usage| usage.is_idle(IDLE_LIMIT)) => {
                    return counts::evicted(1);
                }
                Some(_) => {}
                None => return,
            }
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32, random_below: impl Fn(Duration) -> Duration) -> Duration {
    let Some(doublings) = failures.checked_sub(FREE_FAILURES).filter(|over| *over > 0) else { return Duration::ZERO };
    let seconds = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    let pause = Duration::from_secs(seconds).min(LONGEST_PAUSE);
    pause + random_below(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_are_free() {
        for (failures, seconds) in [(0, 0), (3, 0), (4, 2), (5, 4), (8, 32), (9, 60), (u32::MAX, 60)] {
            assert_eq!(pause(failures, |_| Duration::ZERO), Duration::from_secs(seconds), "{failures}");
            assert_eq!(pause(failures, |limit| limit), Duration::from_secs(2 * seconds), "{failures}");
        }
    }
}
