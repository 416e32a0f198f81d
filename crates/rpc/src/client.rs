//! What a client agent calls its servers with (`docs/spec/rpc-and-state.md` §3.2-§3.4).

mod limiter;
mod servers;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use net::BoxConn;
use telemetry::metrics::{self, Counter};
use tokio::sync::watch;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use types::method::{Method, StatusPing};
use types::rpc::RpcMethod;
use types::{QueryOptions, RpcError};

use crate::codec::EMPTY_BODY;
use crate::error::{CallError, is_retryable};
use crate::kind::Kind;
use crate::pool::{Pool, Target, decode, encode, longest_wait};
use crate::random;
use limiter::Limiter;
use servers::Servers;

static CALLS: LazyLock<Counter> = LazyLock::new(|| metrics::counter("client.rpc"));
static EXCEEDED: LazyLock<Counter> = LazyLock::new(|| metrics::counter("client.rpc.exceeded"));

/// When servers are compared first.
const FIRST_REBALANCE: Duration = Duration::from_secs(2 * 60);
/// The pause before a call is made again is a random part of the hold time, below this fraction of it.
const PAUSE_FRACTION: u32 = 16;
const NO_SERVERS: &str = "No known Consul servers";

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// How long calls are made again while there is no leader.
    pub rpc_hold_timeout: Duration,
    /// The wait of a blocking call that names none.
    pub default_query_time: Duration,
    /// The longest wait of a blocking call.
    pub max_query_time: Duration,
    /// Calls a second; below zero for any number.
    pub rate: f64,
    /// Calls that may come at once.
    pub burst: usize,
    /// The agent's datacenter.
    pub datacenter: String,
    /// Nodes of the datacenter, until gossip says more.
    pub node_count: usize,
}

/// A client of the servers of its datacenter. Clones are the same client.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    settings: ClientSettings,
    servers: Servers,
    /// Counts moves, see [`Client::moved`].
    moves: watch::Sender<u64>,
    limiter: Limiter,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// What happens after a failed attempt.
enum Verdict {
    /// Another server has not been asked yet, and the request was not sent.
    Next,
    /// Wait a little and try another server.
    Retry,
    GiveUp,
}

/// A call, as far as it decides about its attempts.
struct Call<'a> {
    method: &'static str,
    is_read: bool,
    /// How long it may be tried again.
    limit: Duration,
    /// How long one attempt may take.
    deadline: Duration,
    body: &'a Bytes,
}

impl Client {
    /// A client without servers. It works until `stopping` says so or it is stopped. To be called in a runtime.
    pub fn new(pool: Pool, settings: ClientSettings, stopping: CancellationToken) -> Client {
        let inner = Arc::new(Inner {
            pool,
            servers: Servers::new(settings.node_count),
            moves: watch::Sender::new(0),
            limiter: Limiter::new(settings.rate, settings.burst, Instant::now()),
            settings,
            tasks: TaskTracker::new(),
            stopping: stopping.child_token(),
        });
        inner.tasks.spawn(rebalance(Arc::clone(&inner)));
        Client { inner }
    }

    /// Takes in what gossip says of the servers, and how many nodes the datacenter has. Those that were known keep
    /// their order.
    pub fn set_servers(&self, servers: Vec<Target>, nodes: usize) {
        if self.inner.servers.set(servers, nodes) {
            self.inner.tell_moved();
        }
    }

    /// Changes whenever what lasts, such as a subscription, may have to go to another server: the load is shared anew,
    /// or a server is gone.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.inner.moves.subscribe()
    }

    /// The servers, the one that is called first.
    pub fn servers(&self) -> Vec<Target> {
        self.inner.servers.list().iter().map(|server| Target::clone(server)).collect()
    }

    /// Calls a method of a server; again, of another one, as long as that makes sense.
    ///
    /// # Errors
    /// `No known Consul servers`, `RPC rate limit exceeded`, or the last server's error.
    pub async fn call<M: RpcMethod>(&self, request: M::Request) -> Result<M::Reply, RpcError> {
        let body = encode::<M>(&request)?;
        let options = M::read_options(&request);
        let call = Call {
            method: M::NAME,
            is_read: options.is_some(),
            limit: self.inner.retry_limit(options),
            deadline: self.inner.pool.time_for(options),
            body: &body,
        };
        drop(request);
        decode::<M>(&self.inner.call(&call).await?)
    }

    /// A connection of its own to a server.
    ///
    /// # Errors
    /// When there is no server, or it cannot be reached; the next attempt then goes to another one.
    pub async fn open(&self, kind: Kind) -> io::Result<BoxConn> {
        let server = self.head()?;
        let result = self.open_to(&server, kind).await;
        if result.is_err() {
            self.failed(&server);
        }
        result
    }

    /// The server that is called now.
    ///
    /// # Errors
    /// `No known Consul servers`.
    pub fn head(&self) -> io::Result<Arc<Target>> {
        self.inner.servers.head().ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, NO_SERVERS))
    }

    /// A connection of its own to this server.
    ///
    /// # Errors
    /// It cannot be reached. [`Client::failed`] is then for the caller to tell.
    pub async fn open_to(&self, server: &Target, kind: Kind) -> io::Result<BoxConn> {
        self.inner.pool.open(server, kind).await
    }

    /// A server failed: if it still is the one that is called, the next one is from now on.
    pub fn failed(&self, server: &Target) {
        self.inner.servers.rotate(server);
    }

    /// Changes the limits: calls a second (below zero for any number), calls at once, and the time for one that does
    /// not block.
    pub fn set_limits(&self, rate: f64, burst: usize, client_timeout: Duration) {
        self.inner.limiter.set(rate, burst, Instant::now());
        self.inner.pool.set_client_timeout(client_timeout);
    }

    /// Ends waits between attempts and waits until all tasks have ended. The pool goes on.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("servers", &self.inner.servers).finish_non_exhaustive()
    }
}

impl Inner {
    async fn call(&self, call: &Call<'_>) -> Result<Bytes, RpcError> {
        let begun = Instant::now();
        let mut unreached = 0;
        loop {
            let server = self.servers.head().ok_or_else(|| RpcError::other(NO_SERVERS))?;
            CALLS.one();
            if !self.limiter.allow(Instant::now()) {
                EXCEEDED.one();
                return Err(RpcError::RateLimited);
            }
            let failure = match self.pool.call_bytes(&server, call.method, call.body.clone(), call.deadline).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            self.servers.rotate(&server);
            let not_sent = matches!(failure, CallError::NotSent(_));
            unreached += usize::from(not_sent);
            let error = RpcError::from(failure);
            match self.verdict(call, &error, not_sent && unreached < self.servers.len(), begun) {
                Verdict::GiveUp => {
                    self.log_failure(call, &server, &error);
                    return Err(error);
                }
                Verdict::Next => self.log_retry(call, &server, &error),
                Verdict::Retry => {
                    self.log_retry(call, &server, &error);
                    tokio::select! {
                        () = time::sleep(random::pause(self.settings.rpc_hold_timeout / PAUSE_FRACTION)) => {}
                        () = self.stopping.cancelled() => return Err(error),
                    }
                }
            }
        }
    }

    /// A server that was never reached has done nothing, so the next one may be asked at once, each of them once.
    fn verdict(&self, call: &Call<'_>, error: &RpcError, others_left: bool, begun: Instant) -> Verdict {
        if self.stopping.is_cancelled() || begun.elapsed() > call.limit {
            return Verdict::GiveUp;
        }
        if others_left {
            return Verdict::Next;
        }
        if is_retryable(error, call.is_read) { Verdict::Retry } else { Verdict::GiveUp }
    }

    fn log_retry(&self, call: &Call<'_>, server: &Target, error: &RpcError) {
        tracing::warn!(
            target: "agent.client",
            method = call.method,
            server = %server.address,
            error = %error,
            "Retrying RPC to server"
        );
    }

    fn log_failure(&self, call: &Call<'_>, server: &Target, error: &RpcError) {
        tracing::error!(
            target: "agent.client",
            method = call.method,
            server = %server.address,
            error = %error,
            "RPC failed to server"
        );
        let name = format!("{}.{}", server.name, self.settings.datacenter);
        metrics::counter_with("client.rpc.failed", &[("server", &name)]).one();
    }

    /// How long a call is made again: as long as an election may take, and for a blocking read its wait on top.
    fn retry_limit(&self, options: Option<&QueryOptions>) -> Duration {
        let settings = &self.settings;
        match options {
            Some(options) if options.min_index > 0 => {
                settings.rpc_hold_timeout + longest_wait(options, settings.default_query_time, settings.max_query_time)
            }
            _ => settings.rpc_hold_timeout,
        }
    }

    /// Puts the servers into a random order in which the first one answers.
    async fn rebalance_once(&self) {
        let mut order = self.servers.list();
        random::shuffle(&mut order);
        for _ in 0..order.len() {
            let Some(head) = order.first() else {
                return;
            };
            match self.ping(head).await {
                Ok(()) => {
                    tracing::debug!(
                        target: "agent.router.manager",
                        number_of_servers = order.len(),
                        active_server = %head.name,
                        "Rebalanced servers, new active server"
                    );
                    if self.servers.reorder(&order) {
                        self.tell_moved();
                    }
                    return;
                }
                Err(error) => {
                    tracing::debug!(
                        target: "agent.router.manager",
                        server = %head.name,
                        error = %error,
                        "pinging server failed"
                    );
                    order.rotate_left(1);
                }
            }
        }
        tracing::debug!(target: "agent.router.manager", "No healthy servers during rebalance, aborting");
    }

    fn tell_moved(&self) {
        self.moves.send_modify(|moves| *moves = moves.wrapping_add(1));
    }

    async fn ping(&self, server: &Target) -> Result<(), CallError> {
        let deadline = self.pool.time_for(None);
        self.pool.call_bytes(server, StatusPing::NAME, Bytes::from_static(EMPTY_BODY), deadline).await.map(drop)
    }
}

/// Looks for the best server again and again.
async fn rebalance(client: Arc<Inner>) {
    let mut pause = FIRST_REBALANCE;
    loop {
        tokio::select! {
            () = time::sleep(pause) => {}
            () = client.stopping.cancelled() => return,
        }
        tokio::select! {
            () = client.rebalance_once() => {}
            () = client.stopping.cancelled() => return,
        }
        pause = client.servers.rebalance_interval();
    }
}
