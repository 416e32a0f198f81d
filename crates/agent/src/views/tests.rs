use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use net::{BoxConn, BoxFuture};
use parking_lot::Mutex;
use rpc::Target;
use streaming::proto::{Event, Subject, SubscribeRequest, Topic};
use streaming::{Code, Encoded, Events, Status, Subscriptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::method::{Indexed, ServiceRequest};
use types::{Backend, CheckServiceNode, Node, NodeService, QueryOptions, RpcError, Want};

use super::view::{IDLE_LIMIT, NOTHING_SHOWN_LIMIT};
use super::{ServerChoice, ViewError, ViewSettings, Views};

const PIPE_BYTES: usize = 64 * 1024;
const SOON: Duration = Duration::from_secs(5);
const DEFAULT_WAIT: Duration = Duration::from_secs(300);

/// What the servers are told to tell: a subscription as the test sees it.
struct Asked {
    request: SubscribeRequest,
    tell: mpsc::UnboundedSender<Result<Encoded, Status>>,
}

impl Asked {
    fn tell(&self, events: impl IntoIterator<Item = Event>) {
        self.tell.send(Ok(Encoded::of(events))).unwrap();
    }

    fn end(&self, code: Code, message: &str) {
        self.tell.send(Err(Status::new(code, message))).unwrap();
    }

    fn snapshot(&self, index: u64, instances: &[CheckServiceNode]) {
        let events = instances.iter().map(|instance| Event::register(index, instance));
        self.tell(events.chain([Event::end_of_snapshot(index)]));
    }
}

struct Servers(mpsc::UnboundedSender<Asked>);

impl Subscriptions for Servers {
    fn subscribe(&self, request: SubscribeRequest) -> BoxFuture<'static, Result<Box<dyn Events>, Status>> {
        let (tell, told) = mpsc::unbounded_channel();
        self.0.send(Asked { request, tell }).unwrap();
        Box::pin(async move { Ok(Box::new(Told(told)) as Box<dyn Events>) })
    }
}

struct Told(mpsc::UnboundedReceiver<Result<Encoded, Status>>);

impl Events for Told {
    fn next(&mut self) -> BoxFuture<'_, Result<Encoded, Status>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(told) => told,
                None => std::future::pending().await,
            }
        })
    }
}

/// Two servers, which answer alike.
struct Choice {
    servers: Arc<Servers>,
    order: Mutex<VecDeque<Arc<Target>>>,
    connections: Arc<AtomicUsize>,
    unreachable: Arc<AtomicBool>,
}

impl ServerChoice for Choice {
    fn first(&self) -> io::Result<Arc<Target>> {
        self.order.lock().front().cloned().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn connect(&self, _server: &Arc<Target>) -> BoxFuture<'static, io::Result<BoxConn>> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if self.unreachable.load(Ordering::Relaxed) {
            return Box::pin(async { Err(io::Error::other("cut")) });
        }
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(streaming::serve(Box::new(theirs), self.servers.clone(), CancellationToken::new()));
        Box::pin(async move { Ok(Box::new(ours) as BoxConn) })
    }

    fn failed(&self, server: &Target) {
        if self.first().is_ok_and(|first| *first == *server) {
            self.rotate();
        }
    }
}

impl Choice {
    fn rotate(&self) {
        self.order.lock().rotate_left(1);
    }

    fn first_name(&self) -> String {
        self.first().unwrap().name.clone()
    }
}

struct World {
    views: Arc<Views>,
    choice: Arc<Choice>,
    asked: mpsc::UnboundedReceiver<Asked>,
    connections: Arc<AtomicUsize>,
    unreachable: Arc<AtomicBool>,
    stopping: CancellationToken,
}

impl World {
    fn new() -> World {
        let (servers, asked) = mpsc::unbounded_channel();
        let (connections, unreachable) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let choice = Arc::new(Choice {
            servers: Arc::new(Servers(servers)),
            order: Mutex::new(["server1", "server2"].into_iter().map(target).collect()),
            connections: connections.clone(),
            unreachable: unreachable.clone(),
        });
        let settings = ViewSettings { default_query_time: DEFAULT_WAIT, max_query_time: 2 * DEFAULT_WAIT };
        let stopping = CancellationToken::new();
        let views = Arc::new(Views::new(choice.clone(), settings, stopping.clone()));
        World { views, choice, asked, connections, unreachable, stopping }
    }

    fn ask(&self, request: ServiceRequest) -> JoinHandle<Result<Indexed<Vec<CheckServiceNode>>, ViewError>> {
        let views = self.views.clone();
        tokio::spawn(async move { views.service_nodes(&request).await })
    }

    async fn asked(&mut self) -> Asked {
        timeout(SOON, self.asked.recv()).await.expect("a subscription").unwrap()
    }

    /// Asks, answers the subscription that begins with these, and waits for the answer.
    async fn begin(&mut self, request: ServiceRequest, index: u64, instances: &[CheckServiceNode]) -> Asked {
        let asking = self.ask(request);
        let asked = self.asked().await;
        asked.snapshot(index, instances);
        asking.await.unwrap().unwrap();
        asked
    }
}

fn target(name: &str) -> Arc<Target> {
    let address = SocketAddr::from(([127, 0, 0, 1], 8300));
    Arc::new(Target { name: name.to_owned(), address, use_tls: false })
}

fn instance(node: &str, id: &str) -> CheckServiceNode {
    let meta = [("rack".to_owned(), format!("r1{node}"))].into();
    let node = Node { node: node.to_owned(), meta, ..Node::default() };
    let service = NodeService {
        id: id.to_owned(),
        service: "web".to_owned(),
        tags: vec!["Blue".to_owned()],
        ..Default::default()
    };
    CheckServiceNode { node: Arc::new(node), service: Arc::new(service), checks: Vec::new() }
}

fn web() -> ServiceRequest {
    ServiceRequest { service: "web".to_owned(), ..ServiceRequest::default() }
}

fn after(min_index: u64) -> ServiceRequest {
    ServiceRequest { options: QueryOptions { min_index, ..QueryOptions::default() }, ..web() }
}

fn names(answer: &Indexed<Vec<CheckServiceNode>>) -> Vec<String> {
    answer.value.iter().map(|i| format!("{}/{}", i.node.node, i.service.id)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_view_begins_with_a_snapshot_and_answers_sorted() {
    let mut world = World::new();
    let asking = world.ask(ServiceRequest { connect: true, ..web() });
    let asked = world.asked().await;
    assert_eq!((asked.request.topic(), asked.request.index), (Topic::ServiceHealthConnect, 0));
    assert_eq!(asked.request.key, "web");
    let Some(Subject::NamedSubject(named)) = &asked.request.subject else { panic!("no subject") };
    assert_eq!(named.key, "web");
    // The later of two registrations of the same instance counts.
    asked.snapshot(9, &[instance("b", "1"), instance("a", "2"), instance("a", "1"), instance("b", "1")]);
    let answer = asking.await.unwrap().unwrap();
    assert_eq!(names(&answer), ["a/1", "a/2", "b/1"]);
    let meta = &answer.meta;
    assert_eq!((meta.index, meta.backend, meta.known_leader, meta.waited), (9, Backend::Streaming, false, true));
    let version = meta.version.unwrap();
    assert_eq!(version.index, 9);
    let request = ServiceRequest { service: "WEB".to_owned(), connect: true, ..web() };
    let again = world.views.service_nodes(&request).await.unwrap();
    assert_eq!((again.meta.waited, again.meta.version), (false, Some(version)));
    let options = QueryOptions { want: Want::Version, ..QueryOptions::default() };
    let only_version = world.views.service_nodes(&ServiceRequest { connect: true, options, ..web() }).await.unwrap();
    assert_eq!((only_version.value.len(), only_version.meta.version), (0, Some(version)));
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_shares_one_subscription_and_sees_the_change() {
    let mut world = World::new();
    let asked = world.begin(web(), 9, &[instance("a", "1")]).await;
    let waiting: Vec<_> = (0..100).map(|_| world.ask(after(9))).collect();
    tokio::task::yield_now().await;
    asked.tell([Event::of_index(
        11,
        vec![
            Event::deregister(11, &instance("a", "1")),
            Event::register(11, &instance("c", "1")),
            Event::register(11, &instance("b", "1")),
        ],
    )]);
    for waiting in waiting {
        let answer = waiting.await.unwrap().unwrap();
        assert_eq!((names(&answer), answer.meta.index), (vec!["b/1".to_owned(), "c/1".to_owned()], 11));
    }
    assert!(world.asked.try_recv().is_err(), "one subscription");
    assert_eq!(world.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_with_what_there_is() {
    let mut world = World::new();
    let _asked = world.begin(web(), 9, &[instance("a", "1")]).await;
    for (asked, waited) in [(0, 300), (5, 5), (100_000, 600)] {
        let options = QueryOptions { min_index: 9, max_wait: Duration::from_secs(asked), ..QueryOptions::default() };
        let began = tokio::time::Instant::now();
        let answer = world.views.service_nodes(&ServiceRequest { options, ..web() }).await.unwrap();
        assert_eq!((answer.meta.index, began.elapsed().as_secs()), (9, waited));
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_belong_is_left_out_and_leaves() {
    let cases: [(&str, ServiceRequest); 3] = [
        ("tags", ServiceRequest { tags: vec!["bLUE".to_owned()], ..web() }),
        ("metadata", ServiceRequest { node_meta: BTreeMap::from([("rack".to_owned(), "r1".to_owned())]), ..web() }),
        (
            "filter",
            ServiceRequest {
                options: QueryOptions { filter: "Service.Tags contains Blue".to_owned(), ..QueryOptions::default() },
                ..web()
            },
        ),
    ];
    for (name, request) in cases {
        let mut world = World::new();
        let bare = |node: &str| CheckServiceNode {
            node: Arc::new(Node { node: node.to_owned(), ..Node::default() }),
            service: Arc::new(NodeService { id: "1".to_owned(), ..NodeService::default() }),
            checks: Vec::new(),
        };
        let asked = world.begin(request.clone(), 9, &[instance("a", "1"), bare("b"), instance("c", "1")]).await;
        asked.tell([Event::register(10, &bare("c"))]);
        let options = QueryOptions { min_index: 9, ..request.options.clone() };
        let answer = world.views.service_nodes(&ServiceRequest { options, ..request }).await.unwrap();
        assert_eq!(names(&answer), ["a/1"], "{name}");
    }
    let world = World::new();
    let options = QueryOptions { filter: "Bogus == 1".to_owned(), ..QueryOptions::default() };
    let error = world.views.service_nodes(&ServiceRequest { options, ..web() }).await.unwrap_err();
    assert_eq!(error, ViewError::Rpc(RpcError::other("Selector \"Bogus\" is not valid")));
}

#[tokio::test(start_paused = true)]
async fn a_broken_subscription_goes_on_from_its_index() {
    let mut world = World::new();
    let first = world.begin(web(), 9, &[instance("a", "1")]).await;
    let generation = world.views.service_nodes(&web()).await.unwrap().meta.version.unwrap().generation;
    first.tell([Event::register(10, &instance("b", "1"))]);
    let waiting = world.ask(after(10));
    tokio::task::yield_now().await;
    first.end(Code::Unavailable, "bye");
    let second = world.asked().await;
    assert_eq!(second.request.index, 10);
    assert_eq!(world.connections.load(Ordering::Relaxed), 2, "another server may do better");
    assert!(!waiting.is_finished(), "nobody is told of the first failure");
    second.tell([Event::register(11, &instance("c", "1"))]);
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!(names(&answer), ["a/1", "b/1", "c/1"]);
    assert_eq!(answer.meta.version.unwrap().generation, generation);
}

#[tokio::test(start_paused = true)]
async fn a_new_snapshot_replaces_everything_under_another_generation() {
    let mut world = World::new();
    let first = world.begin(web(), 9, &[instance("a", "1"), instance("b", "1")]).await;
    let before = world.views.service_nodes(&web()).await.unwrap().meta.version.unwrap();
    let waiting = world.ask(after(9));
    tokio::task::yield_now().await;
    first.tell([Event::new_snapshot_to_follow()]);
    first.snapshot(9, &[instance("b", "1")]);
    let current = world.ask(web());
    let answer = current.await.unwrap().unwrap();
    assert!(answer.meta.version.unwrap().generation > before.generation || names(&answer).len() == 2);
    first.end(Code::Aborted, "reset");
    let second = world.asked().await;
    assert_eq!(second.request.index, 0);
    assert!(!waiting.is_finished(), "the index has not moved");
    // It went back: whoever waits for more would wait in vain.
    second.snapshot(5, &[instance("c", "1")]);
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!((names(&answer), answer.meta.index), (vec!["c/1".to_owned()], 5));
    assert!(answer.meta.version.unwrap().generation > before.generation);
}

#[tokio::test(start_paused = true)]
async fn servers_without_subscriptions_are_asked_in_the_ordinary_way() {
    let mut world = World::new();
    let asking = world.ask(web());
    world.asked().await.end(Code::Unimplemented, "unknown service subscribe.StateChangeSubscription");
    assert_eq!(asking.await.unwrap().unwrap_err(), ViewError::Fallback);
    assert_eq!(world.views.service_nodes(&after(7)).await.unwrap_err(), ViewError::Fallback);
}

#[tokio::test(start_paused = true)]
async fn what_no_view_can_answer_is_told_at_once() {
    let world = World::new();
    let source = types::QuerySource { node: "n".to_owned(), ..types::QuerySource::default() };
    for request in [
        ServiceRequest { ingress: true, ..web() },
        ServiceRequest { merge_central_config: true, ..web() },
        ServiceRequest { source, ..web() },
    ] {
        assert_eq!(world.views.service_nodes(&request).await.unwrap_err(), ViewError::Fallback);
    }
    let nameless = world.views.service_nodes(&ServiceRequest::default()).await.unwrap_err();
    assert_eq!(nameless.to_string(), "Must provide service name");
}

#[tokio::test(start_paused = true)]
async fn unreachable_servers_are_told_to_those_who_wait_and_tried_again() {
    let mut world = World::new();
    world.unreachable.store(true, Ordering::Relaxed);
    assert_eq!(world.views.service_nodes(&web()).await.unwrap_err(), ViewError::Fallback);
    world.unreachable.store(false, Ordering::Relaxed);
    let asked = world.asked().await;
    asked.snapshot(9, &[instance("a", "1")]);
    let mut known = world.views.service_nodes(&after(8)).await;
    while known.is_err() {
        tokio::task::yield_now().await;
        known = world.views.service_nodes(&after(8)).await;
    }
    world.unreachable.store(true, Ordering::Relaxed);
    let waiting = world.ask(after(9));
    tokio::task::yield_now().await;
    asked.end(Code::Unavailable, "bye");
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "rpc error: code = Unavailable desc = connection error: cut");
    // What was known is still there for who does not wait.
    assert_eq!(names(&world.views.service_nodes(&web()).await.unwrap()), ["a/1"]);
}

#[tokio::test(start_paused = true)]
async fn rebalancing_subscribes_again_over_another_connection() {
    let mut world = World::new();
    let _first = world.begin(web(), 9, &[instance("a", "1")]).await;
    world.views.rebalance().await;
    assert!(world.views.shared.link.line().await.is_ok());
    assert_eq!(world.connections.load(Ordering::Relaxed), 1, "it goes to the first server already");
    world.choice.rotate();
    world.views.rebalance().await;
    let second = world.asked().await;
    assert_eq!((second.request.index, world.connections.load(Ordering::Relaxed)), (9, 2));
    assert_eq!(world.choice.first_name(), "server2", "no server has failed");
    second.tell([Event::register(10, &instance("b", "1"))]);
    assert_eq!(names(&world.views.service_nodes(&after(9)).await.unwrap()), ["a/1", "b/1"]);
}

#[tokio::test(start_paused = true)]
async fn moves_of_a_quiet_view_are_no_failures() {
    let mut world = World::new();
    let _first = world.begin(web(), 9, &[instance("a", "1")]).await;
    let waiting = world.ask(after(9));
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    for _ in 0..5 {
        world.choice.rotate();
        world.views.rebalance().await;
        assert_eq!(world.asked().await.request.index, 9);
    }
    assert!(began.elapsed() < Duration::from_millis(200), "no pause");
    assert!(!waiting.is_finished(), "nobody is told");
}

#[tokio::test(start_paused = true)]
async fn subscriptions_left_on_a_connection_that_was_given_up_move_too() {
    let mut world = World::new();
    let _web = world.begin(web(), 9, &[]).await;
    let other = world.begin(ServiceRequest { service: "other".to_owned(), ..web() }, 9, &[]).await;
    other.end(Code::Internal, "bug");
    assert_eq!(world.asked().await.request.key, "other");
    assert_eq!(world.choice.first_name(), "server2");
    world.views.rebalance().await;
    assert_eq!(world.asked().await.request.key, "web");
    assert_eq!(world.connections.load(Ordering::Relaxed), 2, "both share the new one");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_fails_at_is_asked_of_another() {
    let of_server = [Code::Unavailable, Code::Internal, Code::Unknown, Code::ResourceExhausted, Code::Unimplemented];
    let of_request = [Code::Aborted, Code::PermissionDenied, Code::InvalidArgument, Code::NotFound, Code::Canceled];
    let cases = of_server.map(|code| (code, 2, "server2")).into_iter();
    for (code, connections, first) in cases.chain(of_request.map(|code| (code, 1, "server1"))) {
        let mut world = World::new();
        world.begin(web(), 9, &[]).await.end(code, "failed");
        let _second = world.asked().await;
        assert_eq!(world.connections.load(Ordering::Relaxed), connections, "{code}");
        assert_eq!(world.choice.first_name(), first, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_many_views_is_passed_over_once() {
    let mut world = World::new();
    let web_asked = world.begin(web(), 9, &[]).await;
    let other = world.begin(ServiceRequest { service: "other".to_owned(), ..web() }, 9, &[]).await;
    web_asked.end(Code::Internal, "bug");
    other.end(Code::Internal, "bug");
    let _again = (world.asked().await, world.asked().await);
    assert_eq!((world.choice.first_name(), world.connections.load(Ordering::Relaxed)), ("server2".to_owned(), 2));
}

#[tokio::test(start_paused = true)]
async fn with_nothing_to_show_servers_are_asked_soon() {
    let world = World::new();
    let short = Duration::from_millis(500);
    for (asked_ms, waited) in [(0, NOTHING_SHOWN_LIMIT), (60_000, NOTHING_SHOWN_LIMIT), (500, short)] {
        let options = QueryOptions { max_wait: Duration::from_millis(asked_ms), ..QueryOptions::default() };
        let began = tokio::time::Instant::now();
        let error = world.views.service_nodes(&ServiceRequest { options, ..web() }).await.unwrap_err();
        assert_eq!(error, ViewError::Fallback);
        let elapsed = began.elapsed();
        assert!(elapsed >= waited && elapsed < waited + Duration::from_millis(10), "{asked_ms}: {elapsed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_state_that_comes_in_time_is_waited_for_as_asked() {
    let mut world = World::new();
    let began = tokio::time::Instant::now();
    let options = QueryOptions { min_index: 9, max_wait: Duration::from_secs(10), ..QueryOptions::default() };
    let waiting = world.ask(ServiceRequest { options, ..web() });
    let asked = world.asked().await;
    tokio::time::sleep(NOTHING_SHOWN_LIMIT / 2).await;
    asked.snapshot(9, &[instance("a", "1")]);
    assert_eq!(waiting.await.unwrap().unwrap().meta.index, 9);
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_view_that_nobody_asks_for_is_forgotten() {
    let mut world = World::new();
    let first = world.begin(web(), 9, &[instance("a", "1")]).await;
    tokio::time::sleep(IDLE_LIMIT / 2).await;
    world.views.service_nodes(&web()).await.unwrap();
    tokio::time::sleep(IDLE_LIMIT * 3 / 4).await;
    assert_eq!(world.views.shared.running.lock().len(), 1);
    // The server sees that nobody listens any more.
    timeout(IDLE_LIMIT, first.tell.closed()).await.unwrap();
    assert_eq!(world.views.shared.running.lock().len(), 0);
    let again = world.begin(web(), 9, &[]).await;
    assert_eq!(again.request.index, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_every_wait() {
    let mut world = World::new();
    let _asked = world.begin(web(), 9, &[instance("a", "1")]).await;
    let waiting = world.ask(after(9));
    tokio::task::yield_now().await;
    world.stopping.cancel();
    assert_eq!(timeout(SOON, waiting).await.unwrap().unwrap().unwrap().meta.index, 9);
    let unknown = world.views.service_nodes(&ServiceRequest { service: "other".to_owned(), ..web() }).await;
    assert_eq!(unknown.unwrap_err(), ViewError::Fallback);
}
