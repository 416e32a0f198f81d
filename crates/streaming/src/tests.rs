//! Both sides of a connection against each other, and against bare HTTP/2.

mod conversions;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use http::Request;
use net::{BoxConn, BoxFuture};
use tokio::io::duplex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::proto::{CatalogOp, Event, Payload, SubscribeRequest, Topic};
use crate::{Channel, Code, Encoded, Events, SUBSCRIBE_PATH, Status, Subscriptions, frame, serve};

const PIPE_BYTES: usize = 16 * 1024;
const SOON: Duration = Duration::from_secs(30);

/// What was asked.
#[derive(Default)]
struct Recorder(Mutex<Vec<SubscribeRequest>>);

impl Recorder {
    fn note(&self, request: SubscribeRequest) {
        self.0.lock().unwrap().push(request);
    }

    fn asked(&self) -> Vec<SubscribeRequest> {
        self.0.lock().unwrap().clone()
    }
}

/// Tells everybody the same, then ends as told; without an end it stays silent.
#[derive(Default)]
struct Script {
    told: Vec<Encoded>,
    end: Option<Status>,
    refusal: Option<Status>,
    asked: Recorder,
}

impl Subscriptions for Script {
    fn subscribe(&self, request: SubscribeRequest) -> BoxFuture<'static, Result<Box<dyn Events>, Status>> {
        self.asked.note(request);
        let refusal = self.refusal.clone();
        let events = Told { told: self.told.clone().into(), end: self.end.clone() };
        Box::pin(async move {
            match refusal {
                Some(status) => Err(status),
                None => Ok(Box::new(events) as Box<dyn Events>),
            }
        })
    }
}

struct Told {
    told: VecDeque<Encoded>,
    end: Option<Status>,
}

impl Events for Told {
    fn next(&mut self) -> BoxFuture<'_, Result<Encoded, Status>> {
        Box::pin(async move {
            match (self.told.pop_front(), self.end.clone()) {
                (Some(told), _) => Ok(told),
                (None, Some(status)) => Err(status),
                (None, None) => std::future::pending().await,
            }
        })
    }
}

fn served(script: Script) -> (BoxConn, Arc<Script>, CancellationToken, JoinHandle<()>) {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let (script, stopping) = (Arc::new(script), CancellationToken::new());
    let serving = tokio::spawn(serve(Box::new(theirs), script.clone(), stopping.clone()));
    (Box::new(ours), script, stopping, serving)
}

async fn next(subscription: &mut crate::Subscription) -> Option<Result<Event, Status>> {
    timeout(SOON, subscription.next()).await.expect("an answer")
}

fn large_event(bytes: usize) -> Event {
    let check = types::HealthCheck { output: "x".repeat(bytes), ..types::HealthCheck::default() };
    let instance =
        types::CheckServiceNode { node: Arc::default(), service: Arc::default(), checks: vec![Arc::new(check)] };
    Event::register(7, &instance)
}

#[tokio::test]
async fn events_come_in_order_and_the_end_with_its_status() {
    let events = [Event::new_snapshot_to_follow(), large_event(1 << 20), Event::end_of_snapshot(9)];
    let end = Status::new(Code::Aborted, "100 % over");
    let told = vec![Encoded::of(events[..2].to_vec()), Encoded::of(events[2..].to_vec())];
    let (conn, script, _stopping, _serving) = served(Script { told, end: Some(end.clone()), ..Script::default() });
    let channel = Channel::open(conn).await.unwrap();
    let request = SubscribeRequest {
        topic: Topic::ServiceHealth.into(),
        key: "web".to_owned(),
        token: "secret".to_owned(),
        ..SubscribeRequest::default()
    };
    let mut subscription = channel.subscribe(&request).await.unwrap();
    for event in events {
        assert_eq!(next(&mut subscription).await, Some(Ok(event)));
    }
    assert_eq!(next(&mut subscription).await, Some(Err(end)));
    assert_eq!(next(&mut subscription).await, None);
    assert!(!format!("{request:?}").contains("secret"));
    assert_eq!(script.asked.asked(), [request]);
}

#[tokio::test]
async fn a_refusal_is_told_by_the_first_event() {
    let refusal = Status::new(Code::InvalidArgument, "either or");
    let (conn, ..) = served(Script { refusal: Some(refusal.clone()), ..Script::default() });
    let channel = Channel::open(conn).await.unwrap();
    let mut subscription = channel.subscribe(&SubscribeRequest::default()).await.unwrap();
    assert_eq!(next(&mut subscription).await, Some(Err(refusal)));
    assert!(channel.is_open());
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_its_subscription() {
    let told = vec![Encoded::of([large_event(8 << 20)])];
    let (conn, ..) = served(Script { told, ..Script::default() });
    let channel = Channel::open(conn).await.unwrap();
    let mut subscription = channel.subscribe(&SubscribeRequest::default()).await.unwrap();
    let status = next(&mut subscription).await.unwrap().unwrap_err();
    assert_eq!(status.code, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_reader_that_does_not_read_does_not_keep_others_waiting() {
    let told = vec![Encoded::of([large_event(3 << 20)])];
    let (conn, ..) = served(Script { told, ..Script::default() });
    let channel = Channel::open(conn).await.unwrap();
    let _idle = channel.subscribe(&SubscribeRequest::default()).await.unwrap();
    let mut reading = channel.subscribe(&SubscribeRequest::default()).await.unwrap();
    assert_eq!(next(&mut reading).await, Some(Ok(large_event(3 << 20))));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_server_ends_its_connections() {
    let (conn, _script, stopping, serving) = served(Script::default());
    let channel = Channel::open(conn).await.unwrap();
    let mut subscription = channel.subscribe(&SubscribeRequest::default()).await.unwrap();
    stopping.cancel();
    timeout(SOON, serving).await.unwrap().unwrap();
    assert_eq!(next(&mut subscription).await.unwrap().unwrap_err().code, Code::Unavailable);
    let dead = async {
        while channel.is_open() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, dead).await.unwrap();
    assert!(channel.subscribe(&SubscribeRequest::default()).await.is_err());
}

#[tokio::test]
async fn what_is_no_http2_is_no_channel() {
    let (ours, theirs) = duplex(PIPE_BYTES);
    drop(theirs);
    assert_eq!(Channel::open(Box::new(ours)).await.map(drop).unwrap_err().code, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_given_up() {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let mut quiet = h2::server::Builder::new();
    quiet.max_concurrent_streams(8);
    let accepting = tokio::spawn(async move { quiet.handshake::<_, Bytes>(theirs).await.unwrap() });
    let channel = Channel::open(Box::new(ours)).await.unwrap();
    // Nobody drives the server's side from here on.
    let _connection = timeout(SOON, accepting).await.unwrap().unwrap();
    let mut subscription = channel.subscribe(&SubscribeRequest::default()).await.unwrap();
    assert_eq!(subscription.next().await.unwrap().unwrap_err().code, Code::Unavailable);
    assert!(!channel.is_open());
}

/// What a call by bare HTTP/2 is answered: HTTP status, `grpc-status`, `grpc-message`.
async fn raw(request: Request<()>, body: Bytes) -> (u16, Option<String>, Option<String>) {
    let (conn, ..) = served(Script::default());
    let (requests, connection) = client::handshake(conn).await.unwrap();
    let _driver = tokio::spawn(connection);
    let (response, mut stream) = requests.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(body, true).unwrap();
    let response = timeout(SOON, response).await.unwrap().unwrap();
    let header = |name| response.headers().get(name).map(|v: &http::HeaderValue| v.to_str().unwrap().to_owned());
    (response.status().as_u16(), header("grpc-status"), header("grpc-message"))
}

#[tokio::test]
async fn what_is_not_the_call_is_refused_in_words_clients_know() {
    let message = frame::encode(&SubscribeRequest::default());
    let other = "/subscribe.StateChangeSubscription/Other";
    let no_decompressor = "grpc: Decompressor is not installed for grpc-encoding \"gzip\"";
    let cases = [
        ("POST", "/a.B/C", "application/grpc", "identity", 200, "12", "unknown service a.B"),
        (
            "POST",
            other,
            "application/grpc+proto",
            "identity",
            200,
            "12",
            "unknown method Other for service subscribe.StateChangeSubscription",
        ),
        ("POST", "/x", "application/grpc", "identity", 200, "12", "malformed method name: \"/x\""),
        ("POST", SUBSCRIBE_PATH, "application/grpc", "gzip", 200, "12", no_decompressor),
        ("POST", SUBSCRIBE_PATH, "application/json", "identity", 415, "", ""),
        ("GET", SUBSCRIBE_PATH, "application/grpc", "identity", 405, "", ""),
    ];
    for (method, path, content, encoding, http, code, text) in cases {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://test{path}"))
            .header("content-type", content)
            .header("grpc-encoding", encoding)
            .body(())
            .unwrap();
        let wanted = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        assert_eq!(raw(request, message.clone()).await, (http, wanted(code), wanted(text)), "{method} {path}");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused() {
    let cases = [
        (&b"\0\0\0\0\x02\xff\xff"[..], "13"),
        (&b"\x01\0\0\0\x01a"[..], "13"),
        (&b"\0\xff\0\0\0"[..], "8"),
        (&b"\0\0"[..], "13"),
    ];
    for (body, code) in cases {
        let request = Request::post(format!("http://test{SUBSCRIBE_PATH}"))
            .header("content-type", "application/grpc")
            .body(())
            .unwrap();
        assert_eq!(raw(request, Bytes::from_static(body)).await.1.as_deref(), Some(code), "{body:?}");
    }
}

#[tokio::test]
async fn pings_are_answered() {
    let (conn, ..) = served(Script::default());
    let (_requests, mut connection) = client::handshake(conn).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let _driver = tokio::spawn(connection);
    timeout(SOON, pings.ping(h2::Ping::opaque())).await.unwrap().unwrap();
}

#[test]
fn several_events_of_an_index_are_a_batch() {
    let event = large_event(1);
    assert_eq!(Event::of_index(7, vec![event.clone()]), event);
    let Some(Payload::EventBatch(batch)) = Event::of_index(7, vec![event.clone(), event.clone()]).payload else {
        panic!("no batch");
    };
    assert_eq!(batch.events, [event.clone(), event]);
}

#[test]
fn a_departure_tells_the_instance_and_the_name_of_its_node() {
    let node = types::Node { node: "n".to_owned(), address: "10.0.0.1".to_owned(), ..types::Node::default() };
    let service = types::NodeService { id: "web-1".to_owned(), ..types::NodeService::default() };
    let check = Arc::new(types::HealthCheck::default());
    let instance = types::CheckServiceNode { node: Arc::new(node), service: Arc::new(service), checks: vec![check] };
    let Some(Payload::ServiceHealth(update)) = Event::deregister(7, &instance).payload else { panic!("no update") };
    assert_eq!(update.op(), CatalogOp::Deregister);
    let told = types::CheckServiceNode::try_from(update.check_service_node.unwrap()).unwrap();
    assert_eq!((told.node.node.as_str(), told.node.address.as_str()), ("n", ""));
    assert_eq!((told.service.id.as_str(), told.checks.len()), ("web-1", 0));
}
