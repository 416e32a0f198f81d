//! Reads: consistency, and waiting for a change.

use std::sync::atomic::Ordering;
use std::time::Duration;

use state::{Snapshot, Topic};
use tokio::time::Instant;
use types::method::Indexed;
use types::query::Consistency;
use types::{QueryMeta, QueryOptions, RpcError};

use crate::server::Shared;

/// A blocking query waits up to this fraction of its wait longer, so that many do not end at once.
const JITTER_FRACTION: u32 = 16;

impl Shared {
    /// Answers a read that may block: at once when the result's index is above `options.min_index`, else at the first
    /// change of one of `topics` that moves it there, on timeout with the result as it is then.
    pub(crate) async fn read<T>(
        &self,
        options: &QueryOptions,
        topics: impl Fn() -> Vec<Topic>,
        query: impl Fn(&Snapshot) -> (u64, T),
    ) -> Result<Indexed<T>, RpcError> {
        self.check_datacenter(&options.datacenter)?;
        self.check_consistency(options.consistency).await?;
        if options.min_index == 0 {
            return Ok(self.answer(query(&self.store.snapshot())));
        }
        let deadline = Instant::now() + self.wait_of(options.max_wait);
        let offset = self.store.snapshot().index_offset();
        loop {
            // Registered before reading: a change in between wakes the wait instead of being missed.
            let changed = self.store.watch(topics());
            let snapshot = self.store.snapshot();
            let (index, value) = query(&snapshot);
            // A restore moves the offset: it ends every wait, whatever the index says now.
            if index > options.min_index || snapshot.index_offset() != offset {
                return Ok(self.answer((index, value)));
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(deadline) => return Ok(self.answer(query(&self.store.snapshot()))),
                // A client that waits when the server stops gets what there is, as on a timeout.
                () = self.stopping.cancelled() => return Ok(self.answer(query(&self.store.snapshot()))),
            }
        }
    }

    /// Makes sure this server may answer with the freshness asked for.
    pub(crate) async fn check_consistency(&self, consistency: Consistency) -> Result<(), RpcError> {
        match consistency {
            Consistency::Stale if self.heard_leader.load(Ordering::Acquire) => Ok(()),
            Consistency::Default | Consistency::Stale => {
                self.await_leader().await?;
                self.await_caught_up().await
            }
            Consistency::Consistent => {
                self.await_leader().await?;
                self.await_ready().await?;
                self.consensus.read_barrier().await.map_err(|_| RpcError::NoLeader)
            }
        }
    }

    /// A leader that has just started may still be applying what was acknowledged before: no read sees less than that.
    async fn await_caught_up(&self) -> Result<(), RpcError> {
        if *self.caught_up.borrow() {
            return Ok(());
        }
        let mut caught_up = self.caught_up.subscribe();
        tokio::select! {
            () = self.stopping.cancelled() => Err(RpcError::Shutdown),
            done = tokio::time::timeout(self.config.rpc_hold_timeout, caught_up.wait_for(|done| *done)) => match done {
                Ok(Ok(_)) => Ok(()),
                _ => Err(RpcError::NoLeader),
            },
        }
    }

    async fn await_ready(&self) -> Result<(), RpcError> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut established = self.established.subscribe();
        let ready = async {
            while !self.ready.load(Ordering::Acquire) {
                if established.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = self.stopping.cancelled() => Err(RpcError::Shutdown),
            done = tokio::time::timeout(self.config.rpc_hold_timeout, ready) => {
                done.map_err(|_| RpcError::NotReadyForConsistentReads)
            }
        }
    }

    fn answer<T>(&self, (index, value): (u64, T)) -> Indexed<T> {
        Indexed { value, meta: self.meta(index) }
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
        let wait = if asked.is_zero() { self.config.default_query_time } else { asked };
        let wait = wait.min(self.config.max_query_time);
        wait + random_below(wait / JITTER_FRACTION)
    }
}

fn random_below(limit: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 { Duration::ZERO } else { Duration::from_nanos(random % nanos) }
}
