//! A lock held by one contender of the datacenter (`docs/spec/server-operations.md §16`).

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use crate::{
    Client, Error, KvPair, QueryOptions, Result, SessionHeartbeat, SessionRequest, WriteOptions,
    hold::{Busy, HoldOptions, Monitor, Patience, end_session},
};

/// `Flags` of every key used as a lock; other clients recognise locks by it.
pub const LOCK_FLAGS: u64 = 0x2ddc_cbc0_58a5_0c18;

/// Pause when the key is free but under lock-delay.
const LOCK_DELAY_RETRY: Duration = Duration::from_secs(5);

/// A lock on one key, taken by one contender of the datacenter at a time.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// let lock = client.lock("service/worker/leader").value("host-1");
/// let held = lock.acquire().await?;
/// tokio::select! {
///     () = held.lost() => panic!("the session ended: stop working"),
///     () = async { /* work only one may do */ } => (),
/// }
/// held.release().await?;
/// lock.destroy().await?;
/// # Ok(()) });
/// ```
///
/// The lock is bound to a session created for each acquisition, renewed while held and destroyed afterwards. Holding is a
/// promise with a limit: whoever pauses for longer than the TTL may find somebody else holding it, so watch
/// [`HeldLock::lost`] and check before writing.
#[derive(Clone, Debug)]
pub struct Lock {
    client: Client,
    key: String,
    value: Vec<u8>,
    options: HoldOptions,
    busy: Arc<AtomicBool>,
}

/// A lock this process holds. Release it; dropping only stops the renewal and asks for the session's destruction, which
/// frees the lock after its lock-delay.
#[derive(Debug)]
pub struct HeldLock {
    lock: Lock,
    session: String,
    heartbeat: Option<SessionHeartbeat>,
    monitor: Monitor,
    _busy: Busy,
}

impl Lock {
    pub(crate) fn new(client: Client, key: String) -> Self {
        let request = SessionRequest::new().name("Consul API Lock");
        Lock { client, key, value: Vec::new(), options: HoldOptions::new(request), busy: Arc::default() }
    }

    /// Value written into the key while held, for instance who holds it.
    pub fn value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.value = value.into();
        self
    }

    /// Holds with this session, which the caller creates and keeps alive, instead of one of its own.
    pub fn session(mut self, id: impl Into<String>) -> Self {
        self.options.session = Some(id.into());
        self
    }

    /// Name of the session; `Consul API Lock` by default.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.options.session_request.name = Some(name.into());
        self
    }

    /// TTL of the session, 10 s to 24 h; 15 s by default.
    pub fn session_ttl(mut self, ttl: Duration) -> Self {
        self.options.session_ttl = ttl;
        self
    }

    /// How long nobody can take the lock after the session was invalidated; 15 s by default, capped at 60 s.
    pub fn lock_delay(mut self, delay: Duration) -> Self {
        self.options.session_request.lock_delay = Some(delay);
        self
    }

    /// How often in a row a failing read (network or 5xx) is repeated before the held lock counts as lost; 0 by default.
    pub fn monitor_retries(mut self, retries: u32) -> Self {
        self.options.monitor_retries = retries;
        self
    }

    /// Pause between those repetitions; 2 s by default.
    pub fn monitor_retry_interval(mut self, interval: Duration) -> Self {
        self.options.monitor_retry_interval = interval;
        self
    }

    /// Datacenter, namespace, partition and token of every call.
    pub fn options(mut self, options: &WriteOptions) -> Self {
        self.options.scope(options);
        self
    }

    /// Waits until the lock is held. Dropping the future gives up and destroys the session.
    ///
    /// # Errors
    /// [`Error::LockHeld`] when this `Lock` or a clone of it holds or acquires already; [`Error::LockConflict`];
    /// [`Error::Step`] with the call that failed; [`Error::InvalidArgument`] for an empty key.
    pub async fn acquire(&self) -> Result<HeldLock> {
        loop {
            if let Some(held) = self.acquire_until(Patience::new(None)).await? {
                return Ok(held);
            }
        }
    }

    /// Tries for at most about `limit`: no attempt starts later. `None` when time is up.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub async fn try_acquire(&self, limit: Duration) -> Result<Option<HeldLock>> {
        self.acquire_until(Patience::new(Some(limit))).await
    }

    /// Deletes the key, if nobody holds it.
    ///
    /// # Errors
    /// [`Error::LockHeld`] when this `Lock` holds it, [`Error::LockInUse`] when another does, [`Error::LockConflict`];
    /// [`Error::Step`] with the call that failed.
    pub async fn destroy(&self) -> Result<()> {
        let _busy = Busy::enter(&self.busy).ok_or(Error::LockHeld)?;
        let kv = self.client.kv();
        let (pair, _) = kv.get(&self.key, &self.options.query).await.map_err(Error::step("failed to read lock"))?;
        let Some(pair) = pair else {
            return Ok(());
        };
        if pair.flags != LOCK_FLAGS {
            return Err(Error::LockConflict);
        }
        if !pair.session.is_empty() {
            return Err(Error::LockInUse);
        }
        let removed = kv.delete_cas(&pair.key, pair.modify_index, &self.options.write).await;
        if removed.map_err(Error::step("failed to remove lock"))? { Ok(()) } else { Err(Error::LockInUse) }
    }

    async fn acquire_until(&self, mut patience: Patience) -> Result<Option<HeldLock>> {
        if self.key.is_empty() {
            return Err(Error::InvalidArgument("missing key".to_owned()));
        }
        let busy = Busy::enter(&self.busy).ok_or(Error::LockHeld)?;
        let (session, heartbeat) = self.options.open_session(&self.client).await?;
        if !self.contend(&session, &mut patience).await? {
            return Ok(None);
        }
        let monitor = Monitor::start(
            self.options.clone(),
            heartbeat.as_ref().map(SessionHeartbeat::expired),
            still_held(self.client.clone(), self.key.clone(), session.clone()),
        );
        Ok(Some(HeldLock { lock: self.clone(), session, heartbeat, monitor, _busy: busy }))
    }

    /// True once held, false when time is up.
    async fn contend(&self, session: &str, patience: &mut Patience) -> Result<bool> {
        let kv = self.client.kv();
        let mut query = self.options.query.clone();
        let entry = self.entry(session);
        while let Some(wait) = patience.next_wait() {
            query.wait = Some(wait);
            let (pair, meta) = kv.get(&self.key, &query).await.map_err(Error::step("failed to read lock"))?;
            match pair {
                Some(pair) if pair.flags != LOCK_FLAGS => return Err(Error::LockConflict),
                Some(pair) if pair.session == session => return Ok(true),
                Some(pair) if !pair.session.is_empty() => {
                    query.index = meta.last_index;
                    continue;
                }
                _ => (),
            }
            let acquired = kv.acquire(&entry, &self.options.write).await;
            if acquired.map_err(Error::step("failed to acquire lock"))? {
                return Ok(true);
            }
            // Somebody was faster, or the last holder's lock-delay runs. Only the first can be waited for by a read.
            query.index = 0;
            let (pair, meta) = kv.get(&self.key, &query).await.map_err(Error::step("failed to read lock"))?;
            match pair {
                Some(pair) if !pair.session.is_empty() => query.index = meta.last_index,
                _ => sleep(patience.cap(LOCK_DELAY_RETRY)).await,
            }
        }
        Ok(false)
    }

    fn entry(&self, session: &str) -> KvPair {
        KvPair {
            key: self.key.clone(),
            value: self.value.clone(),
            session: session.to_owned(),
            flags: LOCK_FLAGS,
            ..KvPair::default()
        }
    }
}

/// A consistent blocking read that says whether `session` still holds `key`, and the index to block on next.
fn still_held(
    client: Client,
    key: String,
    session: String,
) -> impl Fn(QueryOptions) -> BoxFuture<'static, Result<(bool, u64)>> {
    move |query| {
        let (client, key, session) = (client.clone(), key.clone(), session.clone());
        Box::pin(async move {
            let (pair, meta) = client.kv().get(&key, &query).await?;
            Ok((pair.is_some_and(|pair| pair.session == session), meta.last_index))
        })
    }
}

impl HeldLock {
    /// The session holding the lock.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Completes once the lock can no longer be relied on: the key or its session is gone, or the agent does not say.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.monitor.lost()
    }

    /// Frees the lock at once, without lock-delay, and destroys the session.
    ///
    /// # Errors
    /// [`Error::Step`] with the call that failed; the session's TTL then frees the lock.
    pub async fn release(self) -> Result<()> {
        let HeldLock { lock, session, heartbeat, monitor, _busy } = self;
        monitor.stop();
        let released = lock.client.kv().release(&lock.entry(&session), &lock.options.write).await;
        let ended = end_session(heartbeat).await;
        // False means it was no longer ours, which frees it just as well.
        released.map_err(Error::step("failed to release lock"))?;
        ended
    }
}
