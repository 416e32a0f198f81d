//! A lock or a semaphore, whichever the number of holders asks for.

use std::time::Duration;

use api::{Client, HeldLock, HeldSemaphore, Lock, Semaphore};

use crate::path;

/// The key of a lock, and that of a semaphore's holders, under the prefix.
const LOCK_KEY: &str = ".lock";
const MONITOR_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What can be held.
pub(super) enum Hold {
    Lock { lock: Lock, key: String },
    Semaphore { semaphore: Semaphore, prefix: String, limit: u64 },
}

/// What is held.
pub(super) enum Holding {
    Lock(HeldLock),
    Semaphore(HeldSemaphore),
}

impl Hold {
    pub(super) fn new(client: &Client, prefix: &str, limit: u64, session_name: &str, retries: u32) -> Hold {
        if limit == 1 {
            let key = path::join(prefix, LOCK_KEY);
            let lock = client
                .lock(key.as_str())
                .session_name(session_name)
                .monitor_retries(retries)
                .monitor_retry_interval(MONITOR_RETRY_INTERVAL);
            return Hold::Lock { lock, key };
        }
        let semaphore = client
            .semaphore(prefix, limit)
            .session_name(session_name)
            .monitor_retries(retries)
            .monitor_retry_interval(MONITOR_RETRY_INTERVAL);
        Hold::Semaphore { semaphore, prefix: prefix.to_string(), limit }
    }

    pub(super) fn description(&self) -> String {
        match self {
            Hold::Lock { key, .. } => format!("Setting up lock at path: {key}"),
            Hold::Semaphore { prefix, limit, .. } => {
                format!("Setting up semaphore (limit {limit}) at prefix: {prefix}")
            }
        }
    }

    /// Waits until it is held; `None` when the time is over before.
    pub(super) async fn acquire(&self, timeout: Option<Duration>) -> api::Result<Option<Holding>> {
        Ok(match (self, timeout) {
            (Hold::Lock { lock, .. }, None) => Some(Holding::Lock(lock.acquire().await?)),
            (Hold::Lock { lock, .. }, Some(limit)) => lock.try_acquire(limit).await?.map(Holding::Lock),
            (Hold::Semaphore { semaphore, .. }, None) => Some(Holding::Semaphore(semaphore.acquire().await?)),
            (Hold::Semaphore { semaphore, .. }, Some(limit)) => {
                semaphore.try_acquire(limit).await?.map(Holding::Semaphore)
            }
        })
    }

    /// Removes its keys, unless it is held.
    pub(super) async fn destroy(&self) -> api::Result<()> {
        match self {
            Hold::Lock { lock, .. } => lock.destroy().await,
            Hold::Semaphore { semaphore, .. } => semaphore.destroy().await,
        }
    }
}

impl Holding {
    /// Completes when it is no longer held.
    pub(super) async fn lost(&self) {
        match self {
            Holding::Lock(held) => held.lost().await,
            Holding::Semaphore(held) => held.lost().await,
        }
    }

    pub(super) async fn release(self) -> api::Result<()> {
        match self {
            Holding::Lock(held) => held.release().await,
            Holding::Semaphore(held) => held.release().await,
        }
    }
}
