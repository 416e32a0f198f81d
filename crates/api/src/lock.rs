//! A lock held by one contender of the datacenter (`docs/spec/server-operations.md §16`).

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    Client, Error, KvPair, QueryOptions, Result, SessionHeartbeat, SessionRequest, WriteOptions,
};

/// `Flags` of every key used as a lock; other clients recognise locks by it.
pub const LOCK_FLAGS: u64 = 0x2ddc_cbc0_58a5_0c18;

pub(crate) const SESSION_TTL: Duration = Duration::from_secs(15);
/// How long one read for the lock blocks.
pub(crate) const WAIT_TIME: Duration = Duration::from_secs(15);
/// Pause when the key is free but under lock-delay.
const LOCK_DELAY_RETRY: Duration = Duration::from_secs(5);
pub(crate) const MONITOR_RETRY_INTERVAL: Duration = Duration::from_secs(2);

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

/// What locks and semaphores have in common.
#[derive(Clone, Debug)]
pub(crate) struct HoldOptions {
    pub(crate) session: Option<String>,
    pub(crate) session_request: SessionRequest,
    pub(crate) session_ttl: Duration,
    pub(crate) monitor_retries: u32,
    pub(crate) monitor_retry_interval: Duration,
    pub(crate) query: QueryOptions,
    pub(crate) write: WriteOptions,
}

impl HoldOptions {
    pub(crate) fn new(session_request: SessionRequest) -> Self {
        HoldOptions {
            session: None,
            session_request,
            session_ttl: SESSION_TTL,
            monitor_retries: 0,
            monitor_retry_interval: MONITOR_RETRY_INTERVAL,
            query: QueryOptions::new(),
            write: WriteOptions::new(),
        }
    }

    pub(crate) fn scope(&mut self, options: &WriteOptions) {
        self.write = options.clone();
        self.query.dc = options.dc.clone();
        self.query.namespace = options.namespace.clone();
        self.query.partition = options.partition.clone();
        self.query.token = options.token.clone();
    }

    /// The session to hold with, and its heartbeat if it is ours to keep alive.
    pub(crate) async fn open_session(&self, client: &Client) -> Result<(String, Option<SessionHeartbeat>)> {
        if let Some(session) = &self.session {
            return Ok((session.clone(), None));
        }
        let (request, options) = (self.session_request.clone(), self.write.clone());
        let created = SessionHeartbeat::create(client.session(), request, self.session_ttl, options).await;
        let heartbeat = created.map_err(Error::step("failed to create session"))?;
        Ok((heartbeat.id().to_owned(), Some(heartbeat)))
    }
}

/// Marks a lock as taken by this process until dropped.
#[derive(Debug)]
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(crate) fn enter(flag: &Arc<AtomicBool>) -> Option<Self> {
        (!flag.swap(true, Ordering::SeqCst)).then(|| Busy(flag.clone()))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// How long an acquisition may go on.
pub(crate) struct Patience {
    limit: Option<Duration>,
    since: Instant,
    attempts: u32,
}

impl Patience {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Patience { limit, since: Instant::now(), attempts: 0 }
    }

    /// How long the next read may block; `None` when time is up. The first attempt is always made.
    pub(crate) fn next_wait(&mut self) -> Option<Duration> {
        let Some(limit) = self.limit else {
            return Some(WAIT_TIME);
        };
        self.attempts += 1;
        if self.attempts == 1 {
            return Some(limit);
        }
        limit.checked_sub(self.since.elapsed()).filter(|left| !left.is_zero())
    }

    /// A pause no longer than the time left.
    fn cap(&self, pause: Duration) -> Duration {
        self.limit.map_or(pause, |limit| pause.min(limit.saturating_sub(self.since.elapsed())))
    }
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
) -> impl Fn(QueryOptions) -> futures_util::future::BoxFuture<'static, Result<(bool, u64)>> {
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
        let stopped = match heartbeat {
            Some(heartbeat) => heartbeat.stop().await,
            None => Ok(()),
        };
        // Whether it was still ours does not matter, and neither does a session that is gone already.
        released.map_err(Error::step("failed to release lock"))?;
        match stopped {
            Err(Error::SessionExpired) | Ok(()) => Ok(()),
            Err(error) => Err(Error::step("failed to destroy session")(error)),
        }
    }
}

/// Watches, from a task of its own, whether something is still held.
#[derive(Debug)]
pub(crate) struct Monitor {
    task: JoinHandle<()>,
    lost: watch::Receiver<bool>,
}

impl Monitor {
    pub(crate) fn start<R, A, E>(options: HoldOptions, expired: Option<E>, read: R) -> Self
    where
        R: Fn(QueryOptions) -> A + Send + Sync + 'static,
        A: Future<Output = Result<(bool, u64)>> + Send,
        E: Future<Output = ()> + Send + 'static,
    {
        let (lose, lost) = watch::channel(false);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = until_lost(&options, read) => (),
                () = async { match expired { Some(expired) => expired.await, None => std::future::pending().await } } => (),
            }
            lose.send_replace(true);
        });
        Monitor { task, lost }
    }

    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            // A closed channel means the lock was released, which ends holding it as well.
            let _ = lost.wait_for(|lost| *lost).await;
        }
    }

    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn until_lost<R, A>(options: &HoldOptions, read: R)
where
    R: Fn(QueryOptions) -> A,
    A: Future<Output = Result<(bool, u64)>>,
{
    let mut query = options.query.clone().consistent();
    let mut retries = options.monitor_retries;
    loop {
        match read(query.clone()).await {
            Ok((true, index)) => {
                query.index = index;
                retries = options.monitor_retries;
            }
            Ok((false, _)) => return,
            Err(error) if error.is_retryable() && retries > 0 => {
                retries -= 1;
                query.index = 0;
                sleep(options.monitor_retry_interval).await;
            }
            Err(error) => {
                tracing::warn!("a lock counts as lost, because the agent does not answer: {error}");
                return;
            }
        }
    }
}
