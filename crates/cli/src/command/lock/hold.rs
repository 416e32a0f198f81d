//! A lock or a semaphore, whichever the number of holders asks for, and the session that holds it.

use std::time::Duration;

use api::{
    Client, Error, HeldLock, HeldSemaphore, Lock, Semaphore, SessionBehavior, SessionHeartbeat, SessionRequest,
    WriteOptions,
};

use crate::path;

/// The key of a lock, and that of a semaphore's holders, under the prefix.
const LOCK_KEY: &str = ".lock";
const SESSION_TTL: Duration = Duration::from_secs(15);
const MONITOR_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the session is waited for; its TTL ends it otherwise.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(1);

/// What is to be held.
pub(super) struct Hold {
    prefix: String,
    limit: u64,
    session_name: String,
    monitor_retries: u32,
}

/// A session that contends for it.
pub(super) struct Contender {
    target: Target,
    heartbeat: SessionHeartbeat,
}

enum Target {
    Lock(Lock),
    Semaphore(Semaphore),
}

/// What is held.
pub(super) enum Holding {
    Lock(HeldLock),
    Semaphore(HeldSemaphore),
}

impl Hold {
    pub(super) fn new(prefix: &str, limit: u64, session_name: String, monitor_retries: u32) -> Hold {
        Hold { prefix: prefix.to_string(), limit, session_name, monitor_retries }
    }

    pub(super) fn description(&self) -> String {
        match self.limit {
            1 => format!("Setting up lock at path: {}", self.lock_key()),
            limit => format!("Setting up semaphore (limit {limit}) at prefix: {}", self.prefix),
        }
    }

    /// Opens a session of its own. End it with [`Contender::end`], whatever comes of it: a session left behind may
    /// have got the lock at the last moment and would keep it from others until its TTL is over.
    pub(super) async fn contend(&self, client: &Client) -> api::Result<Contender> {
        let request = SessionRequest::new().name(self.session_name.as_str()).ttl(SESSION_TTL);
        let request = if self.limit == 1 { request } else { request.behavior(SessionBehavior::Delete) };
        let options = WriteOptions::new();
        let session = client.session();
        let id = session
            .create(&request, &options)
            .await
            .map_err(|e| Error::Step { step: "failed to create session", source: Box::new(e) })?;
        let heartbeat = session.renew_periodic(&id, SESSION_TTL, options);
        let target = if self.limit == 1 {
            let lock = client.lock(self.lock_key()).session(id).monitor_retries(self.monitor_retries);
            Target::Lock(lock.monitor_retry_interval(MONITOR_RETRY_INTERVAL))
        } else {
            let semaphore = client.semaphore(self.prefix.as_str(), self.limit).session(id);
            let semaphore = semaphore.monitor_retries(self.monitor_retries);
            Target::Semaphore(semaphore.monitor_retry_interval(MONITOR_RETRY_INTERVAL))
        };
        Ok(Contender { target, heartbeat })
    }

    fn lock_key(&self) -> String {
        path::join(&self.prefix, LOCK_KEY)
    }
}

impl Contender {
    /// Waits until it is held; `None` when the time is over before.
    pub(super) async fn acquire(&self, timeout: Option<Duration>) -> api::Result<Option<Holding>> {
        Ok(match (&self.target, timeout) {
            (Target::Lock(lock), None) => Some(Holding::Lock(lock.acquire().await?)),
            (Target::Lock(lock), Some(limit)) => lock.try_acquire(limit).await?.map(Holding::Lock),
            (Target::Semaphore(semaphore), None) => Some(Holding::Semaphore(semaphore.acquire().await?)),
            (Target::Semaphore(semaphore), Some(limit)) => semaphore.try_acquire(limit).await?.map(Holding::Semaphore),
        })
    }

    /// Completes when it, or the session, is no longer held.
    pub(super) async fn lost(&self, holding: &Holding) {
        let lost = async {
            match holding {
                Holding::Lock(held) => held.lost().await,
                Holding::Semaphore(held) => held.lost().await,
            }
        };
        tokio::select! {
            () = lost => {}
            () = self.heartbeat.expired() => {}
        }
    }

    /// Removes its keys, unless somebody holds it.
    pub(super) async fn destroy(&self) -> api::Result<()> {
        match &self.target {
            Target::Lock(lock) => lock.destroy().await,
            Target::Semaphore(semaphore) => semaphore.destroy().await,
        }
    }

    /// Ends the session.
    pub(super) async fn end(self) {
        // A session that cannot be ended now ends by its TTL.
        let _ = tokio::time::timeout(SESSION_END_TIMEOUT, self.heartbeat.stop()).await;
    }
}

impl Holding {
    pub(super) async fn release(self) -> api::Result<()> {
        match self {
            Holding::Lock(held) => held.release().await,
            Holding::Semaphore(held) => held.release().await,
        }
    }
}
