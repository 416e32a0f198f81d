//! Answers a client agent has of its own: what its subscriptions and its cache hold (`docs/spec/rpc-and-state.md` §8.4,
//! `docs/spec/http-api.md` §1.5). A server needs neither: its state is as new as they could be.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use net::{BoxConn, BoxFuture};
use rpc::{Client, Kind, Target};
use server::{Handle, Server};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use types::method::{
    CatalogListDatacenters, CatalogListServices, CatalogNodeServices, CatalogServiceNodes, ConnectCaRoots,
    HealthServiceNodes, PreparedQueryExecute, ServiceRequest,
};
use types::rpc::RpcMethod;
use types::{Method, RpcError};

use crate::Agent;
use crate::cache::{Cache, CacheMeta, CacheOptions, CacheSettings, Cached, FetchLimits};
use crate::servers::Servers;
use crate::views::{ServerChoice, ViewError, ViewSettings, Views};

/// What is left at least of a wait: without one, a server would take its default.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Where an answer may come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// A server, asked now.
    Servers,
    /// The agent's cache.
    Cache(CacheOptions),
    /// A subscription, or else a server.
    Subscription,
}

/// What shapes the answers an agent keeps.
#[derive(Clone, Copy, Debug)]
pub struct KeptSettings {
    /// Whether instances of services are followed by subscriptions.
    pub streaming: bool,
    /// Wait of a question that names none.
    pub default_query_time: Duration,
    /// Longest wait.
    pub max_query_time: Duration,
    /// How often an entry of the cache may be fetched.
    pub limits: FetchLimits,
}

impl Default for KeptSettings {
    /// What the reference's configuration has where nothing is set.
    fn default() -> Self {
        KeptSettings {
            streaming: true,
            default_query_time: Duration::from_secs(300),
            max_query_time: Duration::from_secs(600),
            limits: FetchLimits { rate: f64::MAX, burst: 2 },
        }
    }
}

/// What a client agent keeps.
pub(crate) struct Kept {
    subscriptions: Option<Subscriptions>,
    cache: Cache,
    client: Client,
}

/// The views, and the task that moves their subscriptions along with the servers.
struct Subscriptions {
    views: Arc<Views>,
    _mover: AbortOnDropHandle<()>,
}

impl Kept {
    /// Nothing yet. Servers keep nothing. Must be called in the runtime.
    pub(crate) fn new(servers: &Servers, settings: KeptSettings, stopping: &CancellationToken) -> Option<Kept> {
        let Servers::Away(client) = servers else { return None };
        let KeptSettings { streaming, default_query_time, max_query_time, limits } = settings;
        let subscriptions = || {
            let settings = ViewSettings { default_query_time, max_query_time };
            let views = Arc::new(Views::new(Arc::new(client.clone()), settings, stopping.clone()));
            let mover = tokio::spawn(move_along(client.moved(), views.clone(), stopping.clone()));
            Subscriptions { views, _mover: AbortOnDropHandle::new(mover) }
        };
        let subscriptions = streaming.then(subscriptions);
        let cache = CacheSettings { default_query_time, max_query_time, limits };
        Some(Kept { subscriptions, cache: Cache::new(cache, stopping.clone()), client: client.clone() })
    }

    /// From now on, entries are fetched at most so often.
    pub(crate) fn set_limits(&self, limits: FetchLimits) {
        self.cache.set_limits(limits);
    }

    /// What a subscription tells; nothing if none can, and a server is to be asked.
    async fn in_subscription<M: Method>(
        &self,
        request: &M::Request,
    ) -> Option<Result<(M::Reply, CacheMeta), RpcError>> {
        let request =
            (request as &dyn Any).downcast_ref::<ServiceRequest>().filter(|_| is::<M, HealthServiceNodes>())?;
        match self.subscriptions.as_ref()?.views.service_nodes(request).await {
            Ok(reply) => {
                let hit = !reply.meta.waited;
                Some(Ok((same(reply)?, CacheMeta { hit, age: Duration::ZERO })))
            }
            Err(ViewError::Rpc(error)) => Some(Err(error)),
            Err(_) => None,
        }
    }

    /// What the cache has, or fetches; nothing if it keeps no answers of this method.
    async fn in_cache<M: Method>(
        &self,
        request: &M::Request,
        options: CacheOptions,
    ) -> Option<Result<(M::Reply, CacheMeta), RpcError>> {
        macro_rules! cached {
            ($($method:ident)*) => {
                $(if is::<M, $method>() {
                    let request = (request as &dyn Any).downcast_ref::<<$method as Method>::Request>()?;
                    return match self.get::<$method>(request.clone(), options).await {
                        Ok((reply, meta)) => Some(Ok((same(reply)?, meta))),
                        Err(error) => Some(Err(error)),
                    };
                })*
            };
        }
        cached! {
            CatalogListDatacenters CatalogListServices CatalogNodeServices CatalogServiceNodes ConnectCaRoots
            HealthServiceNodes PreparedQueryExecute
        }
        None
    }

    async fn get<M: Cached + RpcMethod>(
        &self,
        request: M::Request,
        options: CacheOptions,
    ) -> Result<(M::Reply, CacheMeta), RpcError> {
        let client = self.client.clone();
        let fetch = Arc::new(move |request: M::Request| {
            let client = client.clone();
            Box::pin(async move { client.call::<M>(request).await }) as BoxFuture<'static, _>
        });
        self.cache.get::<M>(request, options, fetch).await
    }
}

impl ServerChoice for Client {
    fn first(&self) -> io::Result<Arc<Target>> {
        self.head()
    }

    fn connect(&self, server: &Arc<Target>) -> BoxFuture<'static, io::Result<BoxConn>> {
        let (client, server) = (self.clone(), server.clone());
        Box::pin(async move { client.open_to(&server, Kind::Grpc).await })
    }

    fn failed(&self, server: &Target) {
        Client::failed(self, server);
    }
}

/// Moves subscriptions to another server whenever they may have to be.
async fn move_along(mut moved: watch::Receiver<u64>, views: Arc<Views>, stopping: CancellationToken) {
    let moving = async {
        while moved.changed().await.is_ok() {
            views.rebalance().await;
        }
    };
    tokio::select! {
        () = stopping.cancelled() => {}
        () = moving => {}
    }
}

/// Takes what was waited for a view off the wait a server gets.
fn shorten(request: &mut dyn Any, waited: Duration) {
    let Some(request) = request.downcast_mut::<ServiceRequest>() else { return };
    let wait = &mut request.options.max_wait;
    if !wait.is_zero() {
        *wait = wait.saturating_sub(waited).max(SHORTEST_WAIT);
    }
}

/// Whether two names stand for one method.
fn is<A: Method, B: Method>() -> bool {
    A::NAME == B::NAME
}

/// A value under another name of its type: a method's reply, known by the method's name.
fn same<A: 'static, B: 'static>(value: A) -> Option<B> {
    let value: Box<dyn Any> = Box::new(value);
    value.downcast().ok().map(|value| *value)
}

impl Agent {
    /// Asks for something that may be answered from what this agent keeps; also tells where the answer comes from.
    ///
    /// # Errors
    /// As [`Agent::call`].
    pub async fn read<M: RpcMethod>(
        &self,
        mut request: M::Request,
        source: Source,
    ) -> Result<(M::Reply, CacheMeta), RpcError>
    where
        Server: Handle<M>,
    {
        if let Some(kept) = self.kept() {
            let began = Instant::now();
            let addressed = self.addressed::<M>(request.clone());
            let answer = match source {
                Source::Servers => None,
                Source::Subscription => Box::pin(kept.in_subscription::<M>(&addressed)).await,
                Source::Cache(options) => Box::pin(kept.in_cache::<M>(&addressed, options)).await,
            };
            if let Some(answer) = answer {
                return answer;
            }
            if matches!(source, Source::Subscription) {
                shorten(&mut request, began.elapsed());
            }
        }
        Ok((self.call::<M>(request).await?, CacheMeta::default()))
    }

    /// From now on, entries of the cache are fetched at most so often.
    pub fn set_cache_limits(&self, limits: FetchLimits) {
        if let Some(kept) = self.kept() {
            kept.set_limits(limits);
        }
    }
}

#[cfg(test)]
mod tests {
    use types::QueryOptions;

    use super::*;

    #[test]
    fn a_server_gets_the_rest_of_the_wait() {
        for (wait_ms, waited_ms, left_ms) in [(0, 2000, 0), (10_000, 2000, 8000), (500, 500, 1), (500, 501, 1)] {
            let options = QueryOptions { max_wait: Duration::from_millis(wait_ms), ..QueryOptions::default() };
            let mut request = ServiceRequest { options, ..ServiceRequest::default() };
            shorten(&mut request, Duration::from_millis(waited_ms));
            assert_eq!(request.options.max_wait, Duration::from_millis(left_ms), "{wait_ms} - {waited_ms}");
        }
    }

    /// Tells when it is asked for the first server; there is none.
    struct Nobody(watch::Sender<usize>);

    impl ServerChoice for Nobody {
        fn first(&self) -> io::Result<Arc<Target>> {
            self.0.send_modify(|asked| *asked += 1);
            Err(io::ErrorKind::NotConnected.into())
        }

        fn connect(&self, _server: &Arc<Target>) -> BoxFuture<'static, io::Result<BoxConn>> {
            Box::pin(async { Err(io::ErrorKind::NotConnected.into()) })
        }

        fn failed(&self, _server: &Target) {}
    }

    #[tokio::test]
    async fn subscriptions_move_with_the_servers_until_the_agent_stops() {
        let asked = watch::Sender::new(0);
        let mut seen = asked.subscribe();
        let KeptSettings { default_query_time, max_query_time, .. } = KeptSettings::default();
        let stopping = CancellationToken::new();
        let settings = ViewSettings { default_query_time, max_query_time };
        let views = Arc::new(Views::new(Arc::new(Nobody(asked)), settings, stopping.clone()));
        let moves = watch::Sender::new(0);
        let mover = tokio::spawn(move_along(moves.subscribe(), views, stopping.clone()));
        for times in 1..=2 {
            moves.send_modify(|moves| *moves += 1);
            seen.wait_for(|asked| *asked == times).await.unwrap();
        }
        stopping.cancel();
        mover.await.unwrap();
    }
}
