//! The task that writes snapshots and shortens the log behind them (`docs/spec/server-operations.md` §9.4).

use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::{EngineMetrics, Prepared, Raft, from_engine_number, metrics, to_engine_number};
use crate::log::LogStore;
use crate::snapshots::{SnapshotInfo, SnapshotStore, Stored};
use crate::{Error, SnapshotPolicy, StateMachine};

/// How long the removal of entries is waited for.
const PURGE_WAIT: Duration = Duration::from_secs(5);

/// A request for a snapshot now; answered when it is done.
pub(crate) type Request = oneshot::Sender<Result<SnapshotInfo, Error>>;

pub(crate) struct Compaction<S: StateMachine> {
    pub(crate) raft: Raft<S>,
    pub(crate) log: Arc<LogStore>,
    pub(crate) snapshots: Arc<SnapshotStore>,
    pub(crate) prepared: Prepared,
    pub(crate) policy: watch::Receiver<SnapshotPolicy>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) stop: CancellationToken,
    /// Index that the newest snapshot covers.
    pub(crate) newest: u64,
}

impl<S: StateMachine> Compaction<S> {
    /// Runs until stopped.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let interval = self.policy.borrow_and_update().interval;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(request) = self.requests.recv() => {
                    let result = self.snapshot().await;
                    // Nobody waits any more: the snapshot is there all the same.
                    let _ = request.send(result);
                }
                Ok(()) = self.policy.changed() => {}
                () = tokio::time::sleep(interval + random_part(interval)) => self.snapshot_if_due().await,
            }
        }
    }

    async fn snapshot_if_due(&mut self) {
        let threshold = self.policy.borrow().threshold;
        self.note_installed();
        if self.log.last().map_or(0, |id| id.index).saturating_sub(self.newest) < threshold {
            return;
        }
        match self.snapshot().await {
            Ok(_) | Err(Error::NothingNewToSnapshot | Error::Shutdown) => {}
            // Tried again after the next interval (`docs/spec/server-operations.md` §8.5).
            Err(error) => {
                tracing::error!(target: "agent.server.raft", error = %error, "failed to take snapshot");
            }
        }
    }

    /// A snapshot may have come from the leader meanwhile.
    fn note_installed(&mut self) {
        let installed = metrics(&self.raft, |m| m.snapshot.as_ref().map_or(0, |id| from_engine_number(id.index)));
        self.newest = self.newest.max(installed);
    }

    async fn snapshot(&mut self) -> Result<SnapshotInfo, Error> {
        self.note_installed();
        let view = self.raft.with_state_machine(|machine| Box::pin(ready(machine.view()))).await;
        let view = view.map_err(|_| Error::Shutdown)?;
        let view = view.filter(|view| view.header.last.index > self.newest).ok_or(Error::NothingNewToSnapshot)?;
        let index = view.header.last.index;

        tracing::info!(target: "agent.server.raft", index, "starting snapshot up to");
        let started = Instant::now();
        let (snapshots, stop) = (self.snapshots.clone(), self.stop.clone());
        let written = tokio::task::spawn_blocking(move || snapshots.create(view.header, &view.state, &stop)).await;
        let stored = written.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(|source| {
            if self.stop.is_cancelled() { Error::Shutdown } else { Error::storage("failed to write snapshot")(source) }
        })?;
        tracing::info!(target: "agent.server.raft", duration = ?started.elapsed(), "snapshot created");

        let info = stored.info.clone();
        self.announce(stored).await?;
        self.newest = index;
        self.compact(index).await?;
        tracing::info!(target: "agent.server.raft", index, "snapshot complete up to");
        Ok(info)
    }

    /// Lets the engine know of the snapshot, so that it allows the log to be shortened.
    async fn announce(&mut self, stored: Stored) -> Result<(), Error> {
        let index = stored.info.index;
        *self.prepared.lock() = Some(stored);
        self.raft.trigger().snapshot().await.map_err(|_| Error::Shutdown)?;
        self.wait_until(|m| m.snapshot.as_ref().is_some_and(|id| from_engine_number(id.index) >= index)).await
    }

    async fn compact(&mut self, snapshot_index: u64) -> Result<(), Error> {
        let from = self.log.purged().map_or(0, |id| id.index) + 1;
        let to = snapshot_index.saturating_sub(self.policy.borrow().trailing_logs);
        if to < from {
            return Ok(());
        }
        tracing::info!(target: "agent.server.raft", from, to, "compacting logs");
        self.raft.trigger().purge_log(to_engine_number(to)).await.map_err(|_| Error::Shutdown)?;
        let purged = self.wait_until(|m| m.purged.as_ref().is_some_and(|id| from_engine_number(id.index) >= to));
        match tokio::time::timeout(PURGE_WAIT, purged).await {
            Ok(purged) => purged?,
            // A follower is still being sent these entries; the engine removes them when it has them.
            Err(_) => return Ok(()),
        }
        let log = self.log.clone();
        let reclaimed = tokio::task::spawn_blocking(move || log.reclaim()).await;
        if let Err(error) = reclaimed.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            // Tried again with the next compaction.
            tracing::warn!(target: "agent.server.raft", error = %error, "failed to give back space of raft log");
        }
        Ok(())
    }

    async fn wait_until(&self, reached: impl Fn(&EngineMetrics<S::Reply>) -> bool) -> Result<(), Error> {
        let mut changes = self.raft.metrics();
        loop {
            // Marks the current value as seen before looking, so that no later one is missed.
            let (done, ended) = {
                let now = changes.borrow_and_update();
                (reached(&now), now.running_state.is_err())
            };
            if done {
                return Ok(());
            }
            if ended {
                return Err(Error::Shutdown);
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Shutdown),
                changed = changes.changed() => changed.map_err(|_| Error::Shutdown)?,
            }
        }
    }
}

/// A random duration in `[0, interval)`, so that servers do not write their snapshots at the same moment.
fn random_part(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) as f64 / 2_f64.powi(64);
    interval.mul_f64(random.min(0.999))
}
