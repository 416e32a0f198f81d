//! Answers a client agent has of its own: what its subscriptions and its cache hold (`docs/spec/rpc-and-state.md` §8.4,
//! `docs/spec/http-api.md` §1.5). A server needs neither: its state is as new as they could be.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use rpc::{Client, Kind};
use server::{Handle, Server};
use tokio_util::sync::CancellationToken;
use types::method::{
    CatalogListDatacenters, CatalogListServices, CatalogNodeServices, CatalogServiceNodes, ConnectCaRoots,
    HealthServiceNodes, PreparedQueryExecute, ServiceRequest,
};
use types::rpc::RpcMethod;
use types::{Method, RpcError};

use crate::Agent;
use crate::cache::{Cache, CacheMeta, CacheOptions, CacheSettings, Cached, FetchLimits};
use crate::servers::Servers;
use crate::views::{ViewError, ViewSettings, Views};

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
    views: Option<Views>,
    cache: Cache,
    client: Client,
}

impl Kept {
    /// Nothing yet. Servers keep nothing.
    pub(crate) fn new(servers: &Servers, settings: KeptSettings, stopping: &CancellationToken) -> Option<Kept> {
        let Servers::Away(client) = servers else { return None };
        let KeptSettings { streaming, default_query_time, max_query_time, limits } = settings;
        let to_servers = client.clone();
        let connect = Arc::new(move || {
            let client = to_servers.clone();
            Box::pin(async move { client.open(Kind::Grpc).await }) as net::BoxFuture<'static, _>
        });
        let views = || Views::new(connect, ViewSettings { default_query_time, max_query_time }, stopping.clone());
        let cache = CacheSettings { default_query_time, max_query_time, limits };
        Some(Kept { views: streaming.then(views), cache: Cache::new(cache, stopping.clone()), client: client.clone() })
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
        match self.views.as_ref()?.service_nodes(request).await {
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
            Box::pin(async move { client.call::<M>(request).await }) as net::BoxFuture<'static, _>
        });
        self.cache.get::<M>(request, options, fetch).await
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
        request: M::Request,
        source: Source,
    ) -> Result<(M::Reply, CacheMeta), RpcError>
    where
        Server: Handle<M>,
    {
        if let Some(kept) = self.kept() {
            let request = self.addressed::<M>(request.clone());
            let answer = match source {
                Source::Servers => None,
                Source::Subscription => Box::pin(kept.in_subscription::<M>(&request)).await,
                Source::Cache(options) => Box::pin(kept.in_cache::<M>(&request, options)).await,
            };
            if let Some(answer) = answer {
                return answer;
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
