//! Calls to servers over shared sessions, and connections of their own (`docs/spec/rpc-and-state.md` §3.1).

mod dial;
mod link;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use net::{BoxConn, Network};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::rpc::RpcMethod;
use types::{QueryOptions, RpcError};

use crate::codec::{CallStream, round_trip};
use crate::error::{CallError, is_eof};
use crate::kind::{Kind, TypeByte};
use crate::yamux::{self, Session, Side};
use dial::dial;
use link::Link;

/// How often idle sessions are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time for a call that does not block.
const CLIENT_TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// Numbers calls, for whoever reads a recording of them.
static SEQ: AtomicU64 = AtomicU64::new(1);

/// A server to be called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its node's name, without the datacenter.
    pub name: String,
    /// Its server port.
    pub address: SocketAddr,
    /// Whether it is reached over TLS, if the pool can.
    pub use_tls: bool,
}

/// How TLS connections to servers are made.
#[derive(Clone, Debug)]
pub struct TlsDial {
    /// Whom to trust, and what to show.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that is asked for, and verified if `config` verifies names.
    pub server_name: ServerName<'static>,
}

/// How a pool behaves.
#[derive(Clone)]
pub struct PoolSettings {
    /// Ways to the servers.
    pub network: Arc<dyn Network>,
    /// Local address of connections; none for the system's choice.
    pub source: Option<IpAddr>,
    /// How long a call may take that does not block; zero for as long as any may.
    pub client_timeout: Duration,
    /// What a blocking call may take beyond its wait.
    pub rpc_hold_timeout: Duration,
    /// The wait of a blocking call that names none.
    pub default_query_time: Duration,
    /// The longest wait of a blocking call.
    pub max_query_time: Duration,
    /// Idle streams kept of each session (a client agent 32, a server 64).
    pub max_idle_streams: usize,
    /// How long an unused session is kept (a client agent 127 s, a server 2 min).
    pub max_idle: Duration,
    /// How servers are reached over TLS; none for not at all.
    pub tls: Option<TlsDial>,
}

/// Sessions with servers. Clones are the same pool.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    settings: PoolSettings,
    client_timeout_nanos: AtomicU64,
    /// Few: a scan is cheaper than to put a key together for each call.
    entries: Mutex<Vec<Entry>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

struct Entry {
    name: String,
    address: SocketAddr,
    slot: Slot,
}

enum Slot {
    /// Somebody connects; all others wait for the outcome.
    Dialling(watch::Receiver<Dialled>),
    Ready(Arc<Link>),
}

/// Outcome of an attempt to connect; none while it goes on.
type Dialled = Option<Result<Arc<Link>, Arc<str>>>;

/// What a caller finds in the pool.
enum Found {
    Link(Arc<Link>),
    /// The attempt to wait for, and whether the caller began it.
    Attempt(watch::Receiver<Dialled>, bool),
}

impl Pool {
    /// An empty pool. It works until `stopping` says so or it is stopped. To be called in a runtime.
    pub fn new(settings: PoolSettings, stopping: CancellationToken) -> Pool {
        let inner = Arc::new(Inner {
            client_timeout_nanos: AtomicU64::new(nanos(settings.client_timeout)),
            settings,
            entries: Mutex::new(Vec::new()),
            tasks: TaskTracker::new(),
            stopping: stopping.child_token(),
        });
        inner.tasks.spawn(sweep(Arc::downgrade(&inner), inner.stopping.clone()));
        Pool { inner }
    }

    /// Calls a method of a server, once.
    ///
    /// # Errors
    /// The server's error or that of the way, with `rpc error …` in front.
    pub fn call<'a, M: RpcMethod>(
        &'a self,
        to: &'a Target,
        request: &M::Request,
    ) -> impl Future<Output = Result<M::Reply, RpcError>> + Send + use<'a, M> {
        let deadline = self.time_for(M::read_options(request));
        let body = encode::<M>(request);
        async move { decode::<M>(&self.call_bytes(to, M::NAME, body?, deadline).await?) }
    }

    /// The same with a request that is encoded already; the reply stays encoded.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_encoded(
        &self,
        to: &Target,
        method: &str,
        body: &[u8],
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        self.call_bytes(to, method, Bytes::copy_from_slice(body), deadline).await
    }

    pub(crate) async fn call_bytes(
        &self,
        to: &Target,
        method: &str,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        let (link, mut stream) = self.stream(to).await?;
        let seq = SEQ.fetch_add(1, Ordering::Relaxed);
        let outcome = match time::timeout(deadline, round_trip(&mut stream, seq, method, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err("i/o deadline reached".to_owned()),
        };
        match outcome {
            Ok(reply) => {
                link.keep(stream, self.inner.settings.max_idle_streams);
                Ok(reply)
            }
            Err(text) => {
                // Whatever went wrong, the stream is not used again: the server may have closed it.
                drop(stream);
                if self.inner.stopping.is_cancelled() {
                    return Err(CallError::Shutdown);
                }
                if is_eof(&text) {
                    self.inner.retire(&link);
                }
                Err(CallError::Failed(text))
            }
        }
    }

    /// A connection of its own to a server, behind its type byte.
    ///
    /// # Errors
    /// When the server cannot be reached within 10 seconds.
    pub async fn open(&self, to: &Target, kind: Kind) -> io::Result<BoxConn> {
        tokio::select! {
            conn = dial(&self.inner.settings, to, kind.byte()) => conn,
            () = self.inner.stopping.cancelled() => Err(io::Error::other(CallError::Shutdown)),
        }
    }

    /// Lets go of the sessions with this address: the server is gone. Calls that are on their way end as they may.
    pub fn forget(&self, address: SocketAddr) {
        let mut entries = self.inner.entries.lock();
        let gone: Vec<Entry> = entries.extract_if(.., |entry| entry.address == address).collect();
        drop(entries);
        drop(gone);
    }

    /// Changes the time for calls that do not block.
    pub fn set_client_timeout(&self, timeout: Duration) {
        self.inner.client_timeout_nanos.store(nanos(timeout), Ordering::Relaxed);
    }

    /// How long a call with these options may take; without options it is no read.
    pub fn time_for(&self, options: Option<&QueryOptions>) -> Duration {
        let settings = &self.inner.settings;
        match options {
            Some(options) if options.min_index > 0 => {
                let wait = longest_wait(options, settings.default_query_time, settings.max_query_time);
                wait + settings.rpc_hold_timeout
            }
            _ => self.inner.client_timeout(),
        }
    }

    /// Ends every session and call, and waits until all tasks have ended.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        let entries = std::mem::take(&mut *self.inner.entries.lock());
        drop(entries);
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// A stream to the server. If the session does not give one, it is replaced, once.
    async fn stream(&self, to: &Target) -> Result<(Arc<Link>, CallStream), CallError> {
        let mut redialled = false;
        loop {
            let link = self.link(to).await?;
            match link.stream().await {
                Ok(stream) => return Ok((link, stream)),
                Err(text) => {
                    self.inner.retire(&link);
                    if std::mem::replace(&mut redialled, true) {
                        return Err(CallError::NotSent(format!("failed to start stream: {text}")));
                    }
                }
            }
        }
    }

    /// The session with the server; all who want it at once wait for one attempt.
    async fn link(&self, to: &Target) -> Result<Arc<Link>, CallError> {
        let (mut attempt, leads) = match self.find(to) {
            Found::Link(link) => return Ok(link),
            Found::Attempt(attempt, leads) => (attempt, leads),
        };
        // The sender goes without a word only when the pool stops.
        let outcome = attempt.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        match outcome {
            Ok(Some(Ok(link))) => Ok(link),
            Ok(Some(Err(cause))) if leads => Err(CallError::NotSent(format!("failed to get conn: {cause}"))),
            Ok(Some(Err(cause))) => Err(CallError::NotSent(format!(
                "failed to get conn: rpc error: lead thread didn't get connection: {cause}"
            ))),
            Ok(None) | Err(_) => Err(CallError::Shutdown),
        }
    }

    fn find(&self, to: &Target) -> Found {
        let mut entries = self.inner.entries.lock();
        let place = entries.iter().position(|entry| entry.address == to.address && entry.name == to.name);
        match place.and_then(|place| entries.get(place)).map(|entry| &entry.slot) {
            Some(Slot::Ready(link)) if link.is_open() => return Found::Link(Arc::clone(link)),
            Some(Slot::Dialling(attempt)) => return Found::Attempt(attempt.clone(), false),
            _ => {}
        }
        let (outcome, attempt) = watch::channel(None);
        let entry = Entry { name: to.name.clone(), address: to.address, slot: Slot::Dialling(attempt.clone()) };
        let old = place.map(|place| entries.swap_remove(place));
        entries.push(entry);
        drop(entries);
        drop(old);
        self.inner.tasks.spawn(Arc::clone(&self.inner).connect(to.clone(), attempt.clone(), outcome));
        Found::Attempt(attempt, true)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("sessions", &self.inner.entries.lock().len()).finish_non_exhaustive()
    }
}

impl Inner {
    fn client_timeout(&self) -> Duration {
        let timeout = Duration::from_nanos(self.client_timeout_nanos.load(Ordering::Relaxed));
        if timeout.is_zero() { CLIENT_TIMEOUT_MAX } else { timeout.min(CLIENT_TIMEOUT_MAX) }
    }

    /// One attempt to connect, on its own so that it goes on when the caller who began it does not.
    async fn connect(self: Arc<Inner>, to: Target, attempt: watch::Receiver<Dialled>, outcome: watch::Sender<Dialled>) {
        let dialled = tokio::select! {
            dialled = dial(&self.settings, &to, TypeByte::Multiplex) => dialled,
            () = self.stopping.cancelled() => return,
        };
        let result: Result<Arc<Link>, Arc<str>> = match dialled {
            Ok(conn) => Ok(Arc::new(Link::new(self.start(conn, &to)))),
            Err(error) => Err(Arc::from(error.to_string())),
        };
        self.settle(&attempt, &result);
        // Nobody may wait any more.
        let _ = outcome.send(Some(result));
    }

    fn start(&self, conn: BoxConn, to: &Target) -> Session {
        let (session, driver) = Session::new(conn, Side::Client);
        let run = yamux::drive(session.clone(), driver, self.stopping.clone());
        let (name, address) = (to.name.clone(), to.address);
        self.tasks.spawn(async move {
            let end = run.await;
            tracing::debug!(
                target: "agent.pool",
                server = %name,
                address = %address,
                reason = %end,
                "RPC session ended"
            );
        });
        session
    }

    /// Puts the outcome of an attempt where the attempt stood; if that is gone, nowhere.
    fn settle(&self, attempt: &watch::Receiver<Dialled>, result: &Result<Arc<Link>, Arc<str>>) {
        let mut entries = self.entries.lock();
        let place = entries
            .iter()
            .position(|entry| matches!(&entry.slot, Slot::Dialling(other) if other.same_channel(attempt)));
        let Some(place) = place else {
            return;
        };
        match result {
            Ok(link) => {
                if let Some(entry) = entries.get_mut(place) {
                    entry.slot = Slot::Ready(Arc::clone(link));
                }
            }
            Err(_) => {
                entries.swap_remove(place);
            }
        }
    }

    /// Takes a session out of the pool. Who still uses it may go on.
    fn retire(&self, link: &Arc<Link>) {
        let mut entries = self.entries.lock();
        let place =
            entries.iter().position(|entry| matches!(&entry.slot, Slot::Ready(other) if Arc::ptr_eq(other, link)));
        let old = place.map(|place| entries.swap_remove(place));
        drop(entries);
        drop(old);
    }

    /// Lets go of sessions nobody has used for long, and of those that have ended.
    fn reap(&self) {
        let max_idle = self.settings.max_idle;
        let mut entries = self.entries.lock();
        let idle: Vec<Entry> = entries
            .extract_if(.., |entry| match &entry.slot {
                Slot::Dialling(_) => false,
                // Under this lock nobody can begin to use it.
                Slot::Ready(link) => Arc::strong_count(link) == 1 && (link.idle_for() > max_idle || !link.is_open()),
            })
            .collect();
        drop(entries);
        drop(idle);
    }
}

/// Reaps until the pool stops or nobody has it any more.
async fn sweep(pool: Weak<Inner>, stopping: CancellationToken) {
    let mut ticks = time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopping.cancelled() => return,
        }
        let Some(pool) = pool.upgrade() else {
            return;
        };
        pool.reap();
    }
}

/// The longest a blocking read takes at the server: its wait and the random sixteenth on top
/// (`docs/spec/rpc-and-state.md` §3.6).
pub(crate) fn longest_wait(options: &QueryOptions, default: Duration, max: Duration) -> Duration {
    let wait = if options.max_wait.is_zero() { default } else { options.max_wait.min(max) };
    wait + wait / 16
}

/// Encodes a request.
pub(crate) fn encode<M: RpcMethod>(request: &M::Request) -> Result<Bytes, RpcError> {
    let mut body = Vec::new();
    match M::encode_request(request, &mut body) {
        Ok(()) => Ok(Bytes::from(body)),
        Err(error) => Err(RpcError::Other(error.to_string())),
    }
}

/// Decodes a reply.
pub(crate) fn decode<M: RpcMethod>(reply: &[u8]) -> Result<M::Reply, RpcError> {
    M::decode_reply(reply).map_err(|error| CallError::Failed(error.to_string()).into())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
