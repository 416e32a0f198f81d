//! Reads: consistency, and waiting for a change.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consensus::State;
use state::{Snapshot, Topic};
use telemetry::metrics::{self, Counter, Gauge};
use tokio::time::Instant;
use types::method::Indexed;
use types::query::Consistency;
use types::{QueryMeta, QueryOptions, RpcError, Version, Want};

use crate::server::Shared;
use crate::standing::{deposed, random_below};

/// A blocking query waits up to this fraction of its wait longer, so that many do not end at once.
pub(crate) const JITTER_FRACTION: u32 = 16;

static QUERIES: LazyLock<Counter> = LazyLock::new(|| metrics::counter("rpc.query"));
static BLOCKING: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge("rpc.queries_blocking"));
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// A read that may wait for a change: it is counted as long as this lives.
struct Waiting;

impl Waiting {
    fn begin() -> Waiting {
        BLOCKING.set((WAITING.fetch_add(1, Ordering::Relaxed) + 1) as f64);
        Waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        BLOCKING.set((WAITING.fetch_sub(1, Ordering::Relaxed) - 1) as f64);
    }
}

/// A read in two parts: waiting for a change costs no more than its index.
pub(crate) struct Parts<I, V> {
    /// The result's index.
    pub(crate) index: I,
    /// The result.
    pub(crate) value: V,
    /// Whether the index moves with every change of the value: then it makes the answer's version. It does not for what
    /// is sorted by distance, or chosen by something whose changes the index does not follow.
    pub(crate) tells_all: bool,
}

/// What a read ended with.
struct Seen<T> {
    snapshot: Snapshot,
    index: u64,
    value: T,
    waited: bool,
}

impl Shared {
    /// Answers a read that may block: at once when the result's index is above `options.min_index`, else at the first
    /// change of one of `topics` that moves it there, on timeout with the result as it is then.
    pub(crate) async fn read<T>(
        &self,
        options: &QueryOptions,
        topics: impl Fn() -> Vec<Topic>,
        query: impl Fn(&Snapshot) -> (u64, T),
    ) -> Result<Indexed<T>, RpcError> {
        let seen = self.wait(options, topics, query).await?;
        let meta = QueryMeta { waited: seen.waited, ..self.meta(seen.index) };
        Ok(Indexed { value: seen.value, meta })
    }

    /// The same for a read in two parts, which also answers its version, and that alone if no more is wanted.
    pub(crate) async fn read_parts<T: Default>(
        &self,
        options: &QueryOptions,
        topics: impl Fn() -> Vec<Topic>,
        parts: Parts<impl Fn(&Snapshot) -> u64, impl Fn(&Snapshot) -> T>,
    ) -> Result<Indexed<T>, RpcError> {
        let Parts { index, value, tells_all } = parts;
        let seen = match options.want {
            // It was waited for, and made sure to be fresh, when it was asked for its version.
            Want::Value => self.look(&|s: &Snapshot| (index(s), ()), false),
            Want::Answer | Want::Version => self.wait(options, topics, |s| (index(s), ())).await?,
        };
        let only_version = options.want == Want::Version && tells_all;
        let value = if only_version { T::default() } else { value(&seen.snapshot) };
        let version = Version { index: seen.index, generation: seen.snapshot.generation() };
        let meta = QueryMeta { version: tells_all.then_some(version), waited: seen.waited, ..self.meta(seen.index) };
        Ok(Indexed { value, meta })
    }

    /// Waits as the options say; the state it ended with, and what `query` gives for it.
    async fn wait<T>(
        &self,
        options: &QueryOptions,
        topics: impl Fn() -> Vec<Topic>,
        query: impl Fn(&Snapshot) -> (u64, T),
    ) -> Result<Seen<T>, RpcError> {
        self.check_datacenter(&options.datacenter)?;
        QUERIES.one();
        if options.min_index == 0 {
            self.check_consistency(options.consistency).await?;
            return Ok(self.look(&query, false));
        }
        let _waiting = Waiting::begin();
        let deadline = Instant::now() + self.wait_of(options.max_wait);
        let generation = self.store.snapshot().generation();
        let mut standing = self.standing.subscribe();
        let stale = options.consistency == Consistency::Stale;
        let mut waited = false;
        loop {
            // Registered before looking: a change in between wakes the wait instead of being missed.
            let changed = self.store.watch(topics());
            let before = *standing.borrow_and_update();
            self.check_consistency(options.consistency).await?;
            if let Some(seen) = self.look_for(options.min_index, generation, &query, waited) {
                return Ok(seen);
            }
            waited = true;
            tokio::select! {
                biased;
                // A client that waits when the server stops gets what there is, as on a timeout.
                () = self.stopping.cancelled() => return self.last_look(stale, &query),
                () = changed => {}
                // What the state says from here on may be old: the new leader is to be asked.
                () = deposed(&mut standing, before), if !stale => return Err(RpcError::NoLeader),
                () = tokio::time::sleep_until(deadline) => {
                    self.check_consistency(options.consistency).await?;
                    return Ok(self.look(&query, true));
                }
            }
        }
    }

    /// What there is when the server stops, unless another has taken the lead.
    fn last_look<T>(&self, stale: bool, query: &impl Fn(&Snapshot) -> (u64, T)) -> Result<Seen<T>, RpcError> {
        let deposed = matches!(self.consensus.status().state, State::Follower | State::Candidate);
        if deposed && !stale { Err(RpcError::NoLeader) } else { Ok(self.look(query, true)) }
    }

    /// What there is now if its index is above `min_index`. A restore ends every wait, whatever the index says then.
    fn look_for<T>(
        &self,
        min_index: u64,
        generation: u64,
        query: &impl Fn(&Snapshot) -> (u64, T),
        waited: bool,
    ) -> Option<Seen<T>> {
        let seen = self.look(query, waited);
        (seen.index > min_index || seen.snapshot.generation() != generation).then_some(seen)
    }

    fn look<T>(&self, query: &impl Fn(&Snapshot) -> (u64, T), waited: bool) -> Seen<T> {
        let snapshot = self.store.snapshot();
        let (index, value) = query(&snapshot);
        Seen { snapshot, index, value, waited }
    }

    /// Metadata of an answer with this index.
    pub(crate) fn meta(&self, index: u64) -> QueryMeta {
        if self.consensus.is_leader() {
            return QueryMeta { index: index.max(1), known_leader: true, ..QueryMeta::default() };
        }
        let status = self.consensus.status();
        QueryMeta {
            index: index.max(1),
            last_contact: status.last_contact.unwrap_or_default(),
            known_leader: status.leader.is_some(),
            ..QueryMeta::default()
        }
    }

    fn wait_of(&self, asked: Duration) -> Duration {
        let wait = self.longest_wait(asked);
        wait + random_below(wait / JITTER_FRACTION)
    }

    /// How long a read that asks for this waits for a change, without its random part.
    pub(crate) fn longest_wait(&self, asked: Duration) -> Duration {
        let wait = if asked.is_zero() { self.config.default_query_time } else { asked };
        wait.min(self.config.max_query_time)
    }
}
