use std::sync::Arc;
use std::time::Duration;

use net::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use types::method::{CatalogListDatacenters, CatalogServiceNodes, Indexed, ServiceRequest};
use types::{Node, NodeService, QueryMeta, QueryOptions, RpcError, ServiceNode, Want};

use super::limit::{Bucket, FetchLimits};
use super::{Cache, CacheMeta, CacheOptions, CacheSettings, Cached, Fetch, Fetched, IDLE_LIMIT};

const SOON: Duration = Duration::from_secs(5);

/// A fetch as the test sees it.
struct Asked<M: Cached> {
    request: M::Request,
    reply: oneshot::Sender<Fetched<M>>,
}

struct World<M: Cached> {
    cache: Arc<Cache>,
    fetch: Fetch<M>,
    asked: mpsc::UnboundedReceiver<Asked<M>>,
}

type Answer<M> = Result<(<M as types::Method>::Reply, CacheMeta), RpcError>;

impl<M: Cached> World<M> {
    fn new() -> World<M> {
        let (tell, asked) = mpsc::unbounded_channel();
        let fetch: Fetch<M> = Arc::new(move |request: M::Request| -> BoxFuture<'static, Fetched<M>> {
            let (reply, replied) = oneshot::channel();
            let _ = tell.send(Asked { request, reply });
            Box::pin(async move { replied.await.unwrap_or(Err(RpcError::Shutdown)) })
        });
        let settings = CacheSettings {
            default_query_time: Duration::from_secs(300),
            max_query_time: Duration::from_secs(600),
            limits: FetchLimits::default(),
        };
        World { cache: Arc::new(Cache::new(settings, CancellationToken::new())), fetch, asked }
    }

    fn ask(&self, request: M::Request, options: CacheOptions) -> JoinHandle<Answer<M>> {
        let (cache, fetch) = (self.cache.clone(), self.fetch.clone());
        tokio::spawn(async move { cache.get::<M>(request, options, fetch).await })
    }

    async fn get(&self, request: M::Request, options: CacheOptions) -> Answer<M> {
        timeout(SOON, self.cache.get::<M>(request, options, self.fetch.clone())).await.expect("an answer")
    }

    async fn asked(&mut self) -> Asked<M> {
        timeout(SOON, self.asked.recv()).await.expect("a fetch").unwrap()
    }
}

fn reply(index: u64, ids: &[&str]) -> Fetched<CatalogServiceNodes> {
    let value = ids.iter().map(|id| ServiceNode {
        node: Arc::new(Node::default()),
        service: Arc::new(NodeService { id: (*id).to_owned(), ..NodeService::default() }),
    });
    Ok(Indexed { value: value.collect(), meta: QueryMeta { index, known_leader: true, ..QueryMeta::default() } })
}

fn web() -> ServiceRequest {
    ServiceRequest { service: "web".to_owned(), ..ServiceRequest::default() }
}

fn after(min_index: u64) -> ServiceRequest {
    ServiceRequest { options: QueryOptions { min_index, ..QueryOptions::default() }, ..web() }
}

const ANY: CacheOptions = CacheOptions { max_age: None, must_revalidate: false, stale_if_error: Duration::ZERO };

#[tokio::test(start_paused = true)]
async fn a_followed_entry_is_fetched_once_and_kept_up_to_date() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = [world.ask(web(), ANY), world.ask(web(), ANY)];
    let first = world.asked().await;
    assert_eq!(first.request.options.min_index, 0);
    first.reply.send(reply(7, &["a"])).unwrap();
    for asking in asking {
        let (answer, meta) = asking.await.unwrap().unwrap();
        assert_eq!((answer.value.len(), answer.meta.index, meta.hit), (1, 7, false));
        assert!(answer.meta.known_leader);
    }
    let follow = world.asked().await;
    assert_eq!(follow.request.options.min_index, 7);
    let (answer, meta) = world.get(web(), ANY).await.unwrap();
    assert_eq!((answer.meta.index, meta), (7, CacheMeta { hit: true, age: Duration::ZERO }));
    let version = answer.meta.version.unwrap();
    let waiting = world.ask(after(7), ANY);
    tokio::task::yield_now().await;
    follow.reply.send(reply(9, &["a", "b"])).unwrap();
    let (answer, meta) = waiting.await.unwrap().unwrap();
    assert_eq!((answer.value.len(), meta.hit), (2, false));
    assert_eq!(answer.meta.version.unwrap().generation, version.generation);
    let options = QueryOptions { want: Want::Version, ..QueryOptions::default() };
    let (answer, _) = world.get(ServiceRequest { options, ..web() }, ANY).await.unwrap();
    assert_eq!((answer.value.len(), answer.meta.version.unwrap().index), (0, 9));
    assert_eq!(world.cache.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_index_that_does_not_tell_the_change_changes_the_generation() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(reply(7, &["a"])).unwrap();
    let before = asking.await.unwrap().unwrap().0.meta.version.unwrap();
    let follow = world.asked().await;
    let waiting = world.ask(after(7), ANY);
    tokio::task::yield_now().await;
    follow.reply.send(reply(3, &[])).unwrap();
    // The state was replaced by an older one: no wait outlives that.
    let after = waiting.await.unwrap().unwrap().0.meta.version.unwrap();
    assert!(after.generation > before.generation && after.index == 3);
    assert_eq!(world.asked().await.request.options.min_index, 3);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_with_what_there_is() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(reply(7, &["a"])).unwrap();
    asking.await.unwrap().unwrap();
    let began = Instant::now();
    let (answer, _) = world.ask(after(7), ANY).await.unwrap().unwrap();
    assert_eq!((answer.meta.index, began.elapsed().as_secs()), (7, 300));
}

#[tokio::test(start_paused = true)]
async fn a_first_fetch_that_fails_leaves_nothing_behind() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(Err(RpcError::NoLeader)).unwrap();
    assert_eq!(asking.await.unwrap().unwrap_err(), RpcError::NoLeader);
    assert!(world.cache.is_empty());
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(reply(7, &[])).unwrap();
    assert!(asking.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_answer_outlives_failures_and_tells_since_when_nobody_was_heard() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(reply(7, &["a"])).unwrap();
    asking.await.unwrap().unwrap();
    world.asked().await.reply.send(Err(RpcError::NoLeader)).unwrap();
    let follow = world.asked().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let meta = world.get(web(), ANY).await.unwrap().1;
    assert_eq!((meta.hit, meta.age.as_secs()), (true, 10));
    // A read that waits for long has found a server.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.get(web(), ANY).await.unwrap().1, CacheMeta { hit: true, age: Duration::ZERO });
    let waiting = world.ask(after(7), ANY);
    tokio::task::yield_now().await;
    follow.reply.send(Err(RpcError::NoLeader)).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err(), RpcError::NoLeader);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_no_more_is_not_asked_with_until_somebody_wants_to() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(reply(7, &["a"])).unwrap();
    asking.await.unwrap().unwrap();
    world.asked().await.reply.send(Err(RpcError::other("rpc error making call: ACL not found"))).unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(world.asked.try_recv().is_err());
    let asking = world.ask(web(), ANY);
    let again = world.asked().await;
    assert_eq!(again.request.options.min_index, 0);
    again.reply.send(reply(8, &[])).unwrap();
    assert_eq!(asking.await.unwrap().unwrap().0.meta.index, 8);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_nobody_asks_for_is_forgotten() {
    let mut world = World::<CatalogServiceNodes>::new();
    let asking = world.ask(web(), ANY);
    world.asked().await.reply.send(reply(7, &["a"])).unwrap();
    asking.await.unwrap().unwrap();
    let mut follow = world.asked().await;
    timeout(IDLE_LIMIT + SOON, follow.reply.closed()).await.unwrap();
    assert!(world.cache.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_polled_entry_is_fetched_again_when_it_is_too_old() {
    let mut world = World::<CatalogListDatacenters>::new();
    let asking = world.ask((), ANY);
    world.asked().await.reply.send(Ok(vec!["dc1".to_owned()])).unwrap();
    assert!(!asking.await.unwrap().unwrap().1.hit);
    tokio::time::advance(Duration::from_secs(30)).await;
    let age = Duration::from_secs(30);
    let hit = CacheMeta { hit: true, age };
    for options in [ANY, CacheOptions { max_age: Some(age), ..ANY }] {
        assert_eq!(world.get((), options).await.unwrap().1, hit);
    }
    let again = [
        CacheOptions { max_age: Some(Duration::from_secs(29)), ..ANY },
        CacheOptions { max_age: Some(Duration::ZERO), ..ANY },
        CacheOptions { must_revalidate: true, ..ANY },
    ];
    for options in again {
        let asking = world.ask((), options);
        world.asked().await.reply.send(Ok(vec!["dc2".to_owned()])).unwrap();
        let (answer, meta) = asking.await.unwrap().unwrap();
        assert_eq!((answer, meta.hit), (vec!["dc2".to_owned()], false));
        tokio::time::advance(Duration::from_secs(30)).await;
    }
    assert!(world.asked.try_recv().is_err(), "nothing is fetched unasked");
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_may_be_better_than_an_error() {
    let mut world = World::<CatalogListDatacenters>::new();
    let asking = world.ask((), ANY);
    world.asked().await.reply.send(Ok(vec!["dc1".to_owned()])).unwrap();
    asking.await.unwrap().unwrap();
    tokio::time::advance(Duration::from_secs(30)).await;
    for (stale_if_error, served) in [(0, false), (29, false), (30, true)] {
        let stale_if_error = Duration::from_secs(stale_if_error);
        let asking = world.ask((), CacheOptions { must_revalidate: true, stale_if_error, ..ANY });
        world.asked().await.reply.send(Err(RpcError::NoLeader)).unwrap();
        let answer = asking.await.unwrap();
        assert_eq!(answer.is_ok(), served);
        assert!(answer.is_err() || answer.unwrap().1.hit);
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_fetched_only_as_often_as_allowed() {
    let limits = FetchLimits { rate: 0.5, burst: 2 };
    let mut bucket = Bucket::new(limits);
    let pauses =
        |bucket: &mut Bucket, count: usize| -> Vec<u64> { (0..count).map(|_| bucket.take(limits).as_secs()).collect() };
    assert_eq!(pauses(&mut bucket, 4), [0, 0, 2, 4]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(pauses(&mut bucket, 3), [0, 0, 2]);
    assert_eq!(bucket.take(FetchLimits::default()), Duration::ZERO);
}
