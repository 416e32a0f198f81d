use std::sync::Arc;
use std::time::Duration;

use net::BoxFuture;
use state::Writer;
use streaming::proto::{CatalogOp, Event, NamedSubject, Payload, Subject, SubscribeRequest, Topic};
use streaming::{Channel, Code, Events, Status, Subscription, Subscriptions};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::{
    CheckServiceNode, ConnectProxyConfig, DeregisterRequest, HealthCheck, MessageType, NodeService, RegisterRequest,
};

use super::feed::{Feeds, Key, Lookup};
use super::{Source, key_of};

const SOON: Duration = Duration::from_secs(30);
const PIPE_BYTES: usize = 64 * 1024;

/// Feeds without a server around them.
struct Bare(Arc<Feeds>);

impl Subscriptions for Bare {
    fn subscribe(&self, request: SubscribeRequest) -> BoxFuture<'static, Result<Box<dyn Events>, Status>> {
        let index = request.index;
        let joined = key_of(request).and_then(|key| self.0.join(key));
        Box::pin(async move { Ok(Box::new(Source::new(joined?, index)) as Box<dyn Events>) })
    }
}

struct World {
    writer: Writer,
    index: u64,
    feeds: Arc<Feeds>,
    channel: Channel,
    stopping: CancellationToken,
}

impl World {
    async fn new() -> World {
        let (writer, store) = Writer::new();
        let stopping = CancellationToken::new();
        let feeds = Feeds::new(store, stopping.clone());
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let serving = streaming::serve(Box::new(theirs), Arc::new(Bare(feeds.clone())), CancellationToken::new());
        tokio::spawn(serving);
        let channel = Channel::open(Box::new(ours)).await.unwrap();
        World { writer, index: 10, feeds, channel, stopping }
    }

    fn apply(&mut self, kind: MessageType, request: &impl serde::Serialize) {
        self.index += 1;
        self.writer.apply(self.index, &types::command::encode(kind, request).unwrap());
    }

    fn register(&mut self, node: &str, service: NodeService, checks: &[(&str, &str)]) {
        let check = |(id, status): &(&str, &str)| HealthCheck {
            node: node.to_owned(),
            check_id: (*id).to_owned(),
            status: (*status).to_owned(),
            service_id: service.id.clone(),
            ..HealthCheck::default()
        };
        let request = RegisterRequest {
            node: node.to_owned(),
            address: "10.0.0.1".to_owned(),
            checks: checks.iter().map(check).collect(),
            service: Some(service.clone()),
            ..RegisterRequest::default()
        };
        self.apply(MessageType::Register, &request);
    }

    /// An instance of `web` named after its node.
    fn web(&mut self, node: &str, status: &str) {
        self.register(node, instance("web", &format!("web-{node}")), &[("c", status)]);
        self.writer.publish();
    }

    fn deregister(&mut self, node: &str) {
        let request = DeregisterRequest { node: node.to_owned(), ..DeregisterRequest::default() };
        self.apply(MessageType::Deregister, &request);
        self.writer.publish();
    }

    async fn subscribe(&self, topic: Topic, service: &str, index: u64) -> Subscription {
        self.channel.subscribe(&request(topic, service, index)).await.unwrap()
    }
}

fn instance(service: &str, id: &str) -> NodeService {
    NodeService { service: service.to_owned(), id: id.to_owned(), port: 80, ..NodeService::default() }
}

fn request(topic: Topic, service: &str, index: u64) -> SubscribeRequest {
    let named = NamedSubject { key: service.to_owned(), ..NamedSubject::default() };
    SubscribeRequest {
        topic: topic.into(),
        index,
        subject: Some(Subject::NamedSubject(named)),
        ..SubscribeRequest::default()
    }
}

async fn next(subscription: &mut Subscription) -> Result<Event, Status> {
    timeout(SOON, subscription.next()).await.unwrap().unwrap()
}

/// What an event tells, in short.
async fn told(subscription: &mut Subscription) -> String {
    let event = next(subscription).await.unwrap();
    format!("{} {}", event.index, text(event.payload.unwrap()))
}

fn text(payload: Payload) -> String {
    match payload {
        Payload::EndOfSnapshot(_) => "end".to_owned(),
        Payload::NewSnapshotToFollow(_) => "new".to_owned(),
        Payload::EventBatch(batch) => {
            let events: Vec<_> = batch.events.into_iter().map(|event| text(event.payload.unwrap())).collect();
            format!("[{}]", events.join(" "))
        }
        Payload::ServiceHealth(update) => {
            let op = if update.op() == CatalogOp::Register { '+' } else { '-' };
            let instance = CheckServiceNode::try_from(update.check_service_node.unwrap()).unwrap();
            let checks: Vec<_> = instance.checks.iter().map(|check| check.status.as_str()).collect();
            format!("{op}{}/{}({})", instance.node.node, instance.service.id, checks.join(","))
        }
    }
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_what_changes() {
    let mut world = World::new().await;
    world.web("a", "passing");
    world.web("b", "passing");
    world.register("a", instance("other", "o"), &[]);
    world.writer.publish();
    let mut web = world.subscribe(Topic::ServiceHealth, "WEB", 0).await;
    for expected in ["12 +a/web-a(passing)", "12 +b/web-b(passing)", "12 end"] {
        assert_eq!(told(&mut web).await, expected);
    }
    world.web("b", "critical");
    assert_eq!(told(&mut web).await, "14 +b/web-b(critical)");
    // Another service's change is not told; two indexes that become visible together are one message.
    world.register("a", instance("other", "o2"), &[]);
    world.register("c", instance("web", "web-c"), &[]);
    world.web("d", "passing");
    assert_eq!(told(&mut web).await, "17 [+c/web-c() +d/web-d(passing)]");
    world.deregister("a");
    assert_eq!(told(&mut web).await, "18 -a/web-a()");
}

#[tokio::test]
async fn an_instance_under_another_name_leaves_its_old_name() {
    let mut world = World::new().await;
    world.web("a", "passing");
    let mut web = world.subscribe(Topic::ServiceHealth, "web", 0).await;
    let mut api = world.subscribe(Topic::ServiceHealth, "api", 0).await;
    for _ in 0..2 {
        told(&mut web).await;
    }
    assert!(told(&mut api).await.ends_with("end"));
    world.register("a", instance("api", "web-a"), &[]);
    world.writer.publish();
    assert_eq!(told(&mut web).await, "12 -a/web-a()");
    assert_eq!(told(&mut api).await, "12 +a/web-a(passing)");
}

#[tokio::test]
async fn the_mesh_is_told_of_proxies_by_their_destination() {
    let mut world = World::new().await;
    let mut web = world.subscribe(Topic::ServiceHealthConnect, "web", 0).await;
    assert!(told(&mut web).await.ends_with("end"));
    world.web("a", "passing");
    let proxy = |destination: &str| {
        let config = ConnectProxyConfig { destination_service_name: destination.to_owned(), ..Default::default() };
        let kind = "connect-proxy".to_owned();
        NodeService { kind, proxy: config.into(), ..instance("web-proxy", "proxy") }
    };
    world.register("a", proxy("web"), &[]);
    world.writer.publish();
    assert_eq!(told(&mut web).await, "12 +a/proxy()");
    world.register("a", proxy("api"), &[]);
    world.writer.publish();
    assert_eq!(told(&mut web).await, "13 -a/proxy()");
}

#[tokio::test]
async fn only_who_knows_the_newest_event_goes_on_without_a_snapshot() {
    let mut world = World::new().await;
    world.web("a", "passing");
    let mut first = world.subscribe(Topic::ServiceHealth, "web", 11).await;
    for expected in ["0 new", "11 +a/web-a(passing)", "11 end"] {
        assert_eq!(told(&mut first).await, expected);
    }
    world.web("a", "critical");
    assert_eq!(told(&mut first).await, "12 +a/web-a(critical)");
    let mut behind = world.subscribe(Topic::ServiceHealth, "web", 11).await;
    assert_eq!(told(&mut behind).await, "0 new");
    let mut current = world.subscribe(Topic::ServiceHealth, "web", 12).await;
    // It has been heard once the feed has a third subscriber.
    let mut after = world.subscribe(Topic::ServiceHealth, "web", 0).await;
    assert_eq!(told(&mut after).await, "12 +a/web-a(critical)");
    world.web("a", "passing");
    assert_eq!(told(&mut current).await, "13 +a/web-a(passing)");
}

#[tokio::test]
async fn a_restore_ends_subscriptions_and_a_stop_does_too() {
    let mut world = World::new().await;
    world.web("a", "passing");
    let mut web = world.subscribe(Topic::ServiceHealth, "web", 0).await;
    for _ in 0..2 {
        told(&mut web).await;
    }
    let mut bytes = Vec::new();
    world.writer.snapshot().write_to(&mut bytes).unwrap();
    world.writer.restore(&mut &bytes[..]).unwrap();
    let reset = "subscription closed by server, client must reset state and resubscribe";
    assert_eq!(next(&mut web).await.unwrap_err(), Status::new(Code::Aborted, reset));
    let mut again = world.subscribe(Topic::ServiceHealth, "web", 0).await;
    assert_eq!(told(&mut again).await, "11 +a/web-a(passing)");
    assert_eq!(told(&mut again).await, "11 end");
    world.stopping.cancel();
    let stopped = next(&mut again).await.unwrap_err();
    assert_eq!(stopped.message, "subscription closed by server, server is shutting down");
}

#[tokio::test]
async fn a_feed_stays_as_long_as_it_has_subscribers() {
    let mut world = World::new().await;
    world.web("a", "passing");
    let mut subscriptions = Vec::new();
    for _ in 0..3 {
        let mut subscription = world.subscribe(Topic::ServiceHealth, "web", 0).await;
        told(&mut subscription).await;
        subscriptions.push(subscription);
    }
    assert_eq!(world.feeds.count(), 1);
    subscriptions.truncate(1);
    world.web("a", "critical");
    assert_eq!(told(&mut subscriptions[0]).await, "11 end");
    assert_eq!(told(&mut subscriptions[0]).await, "12 +a/web-a(critical)");
    drop(subscriptions);
    let gone = async {
        while world.feeds.count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, gone).await.unwrap();
}

#[tokio::test]
async fn who_is_too_slow_begins_anew() {
    let mut world = World::new().await;
    world.web("a", "passing");
    let key = Key { lookup: Lookup::Named, peer: String::new(), service: "web".to_owned() };
    let mut slow = Source::new(world.feeds.join(key).unwrap(), 0);
    let mut quick = world.subscribe(Topic::ServiceHealth, "web", 0).await;
    for _ in 0..2 {
        told(&mut quick).await;
    }
    for n in 0..200 {
        world.web("a", if n % 2 == 0 { "critical" } else { "passing" });
        told(&mut quick).await;
    }
    slow.next().await.unwrap();
    assert_eq!(slow.next().await.unwrap_err().code, Code::Aborted);
}

#[test]
fn requests_name_what_they_are_about_in_either_way() {
    let named = |name: &str| Some(Subject::NamedSubject(NamedSubject { key: name.to_owned(), ..Default::default() }));
    let old = |key: &str, subject| SubscribeRequest {
        topic: Topic::ServiceHealth.into(),
        key: key.to_owned(),
        subject,
        ..SubscribeRequest::default()
    };
    for (request, service) in [(old("Old", None), "old"), (old("old", named("New")), "new")] {
        assert_eq!(key_of(request).unwrap().service, service);
    }
    let of = |topic: i32, subject| SubscribeRequest { topic, subject, ..SubscribeRequest::default() };
    let wildcard = || Some(Subject::WildcardSubject(true));
    let missing = "either WildcardSubject or NamedSubject.Key is required";
    let cases = [
        (old("", None), Code::InvalidArgument, missing),
        (old("", Some(Subject::WildcardSubject(false))), Code::InvalidArgument, missing),
        (old("old", named("")), Code::InvalidArgument, missing),
        (
            of(2, wildcard()),
            Code::InvalidArgument,
            "topic ServiceHealthConnect does not support wildcard subscriptions",
        ),
        (of(7, wildcard()), Code::Unimplemented, "subscriptions to topic ServiceList are not there yet"),
        (of(99, named("x")), Code::Unimplemented, "subscriptions to topic Unknown are not there yet"),
    ];
    for (request, code, text) in cases {
        assert_eq!(key_of(request).unwrap_err(), Status::new(code, text));
    }
}
