//! What locks and semaphores have in common: a session kept alive, patience, and watching whether one still holds.

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

use crate::{Client, Error, QueryOptions, Result, SessionHeartbeat, SessionRequest, WriteOptions};

const SESSION_TTL: Duration = Duration::from_secs(15);
/// How long one read for the lock blocks.
const WAIT_TIME: Duration = Duration::from_secs(15);
const MONITOR_RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// The session to hold with, and the options of every call.
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

/// Destroys the session behind a released lock or slot; one that is gone already is as good as destroyed.
pub(crate) async fn end_session(heartbeat: Option<SessionHeartbeat>) -> Result<()> {
    let Some(heartbeat) = heartbeat else {
        return Ok(());
    };
    match heartbeat.stop().await {
        Ok(()) | Err(Error::SessionExpired) => Ok(()),
        Err(error) => Err(Error::step("failed to destroy session")(error)),
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
    pub(crate) fn cap(&self, pause: Duration) -> Duration {
        self.limit.map_or(pause, |limit| pause.min(limit.saturating_sub(self.since.elapsed())))
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
