//! The asking side: one connection, many subscriptions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, RecvStream};
use http::header::CONTENT_TYPE as CONTENT_TYPE_HEADER;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use net::BoxConn;
use prost::Message;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::frame::{self, Frames};
use crate::proto::{Event, SubscribeRequest};
use crate::status::{Code, Status};
use crate::{CONTENT_TYPE, MAX_HEADERS_BYTES, SUBSCRIBE_PATH};

/// A message larger than this ends its subscription.
const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// What may be on its way to one subscription, unread.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The same for the whole connection.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// How long a server has to begin with HTTP/2.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to answer that.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// What stands in the requests where HTTP wants a host; nobody reads it.
const AUTHORITY: &str = "http://consul";

/// A connection for subscriptions. Dropping it ends them.
#[derive(Debug)]
pub struct Channel {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
    /// Shared with every subscription, so that it tells whether there are any.
    subscriptions: Arc<()>,
}

impl Channel {
    /// Begins to speak gRPC on a connection. Must be called in the runtime.
    ///
    /// # Errors
    /// The other side does not speak HTTP/2, or not in time.
    pub async fn open(conn: BoxConn) -> Result<Channel, Status> {
        let mut settings = client::Builder::new();
        settings
            .enable_push(false)
            .max_header_list_size(MAX_HEADERS_BYTES)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (requests, mut connection) = timeout(HANDSHAKE_TIMEOUT, settings.handshake::<_, Bytes>(conn))
            .await
            .map_err(|_| Status::new(Code::Unavailable, "connection error: timed out"))?
            .map_err(|error| Status::of_connection(&error))?;
        let pings = connection.ping_pong();
        let subscriptions = Arc::new(());
        let in_use = Arc::downgrade(&subscriptions);
        let driver = tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(target: "agent.grpc-api", error = %error, "gRPC connection to a server ended");
                },
                // The channel has one, each subscription another.
                () = watch_over(pings, || in_use.strong_count() > 1) => {
                    tracing::debug!(target: "agent.grpc-api", "gRPC connection to a server does not answer");
                }
            }
        });
        Ok(Channel { requests, driver, subscriptions })
    }

    /// Whether the connection is still there.
    pub fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// Closes the connection, which ends its subscriptions.
    pub fn close(&self) {
        self.driver.abort();
    }

    /// Subscribes. Whether the server accepts is told by the first [`Subscription::next`].
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn subscribe(&self, request: &SubscribeRequest) -> Result<Subscription, Status> {
        let broken = |error: h2::Error| Status::of_connection(&error);
        let head = Request::post(format!("{AUTHORITY}{SUBSCRIBE_PATH}"))
            .version(Version::HTTP_2)
            .header(CONTENT_TYPE_HEADER, CONTENT_TYPE)
            .header("te", "trailers")
            .header("user-agent", concat!("proconsul/", env!("CARGO_PKG_VERSION")))
            .body(())
            .map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        let mut requests = self.requests.clone().ready().await.map_err(broken)?;
        let (response, mut stream) = requests.send_request(head, false).map_err(broken)?;
        stream.send_data(frame::encode(request), true).map_err(broken)?;
        Ok(Subscription {
            state: State::Asked(response),
            frames: Frames::new(MAX_MESSAGE_BYTES),
            _in_use: self.subscriptions.clone(),
        })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.close();
    }
}

/// Returns when the server does not answer a ping. Servers take it amiss to be asked for nothing.
async fn watch_over(pings: Option<PingPong>, in_use: impl Fn() -> bool) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        sleep(PING_INTERVAL).await;
        if in_use() && !matches!(timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// What a server tells about one subject. Dropping it tells the server that it is enough.
#[derive(Debug)]
pub struct Subscription {
    state: State,
    frames: Frames,
    _in_use: Arc<()>,
}

#[derive(Debug)]
enum State {
    Asked(ResponseFuture),
    Receiving(RecvStream),
    Ended,
}

impl Subscription {
    /// The next event; nothing after the end. No event is lost if the future is dropped before it has resolved.
    ///
    /// # Errors
    /// How the subscription ended.
    pub async fn next(&mut self) -> Option<Result<Event, Status>> {
        match self.advance().await {
            Ok(event) => Some(Ok(event)),
            Err(Some(status)) => {
                self.state = State::Ended;
                Some(Err(status))
            }
            Err(None) => {
                self.state = State::Ended;
                None
            }
        }
    }

    async fn advance(&mut self) -> Result<Event, Option<Status>> {
        loop {
            match &mut self.state {
                State::Ended => return Err(None),
                State::Asked(response) => {
                    let response = response.await.map_err(|error| Status::of_connection(&error))?;
                    self.state = State::Receiving(body_of(response)?);
                }
                State::Receiving(body) => {
                    if let Some(message) = self.frames.next()? {
                        let text = "grpc: failed to unmarshal the received message";
                        return Event::decode(message)
                            .map_err(|error| Some(Status::new(Code::Internal, format!("{text}: {error}"))));
                    }
                    let Some(data) = body.data().await else { return Err(end_of(body, &self.frames).await) };
                    let data = data.map_err(|error| Status::of_connection(&error))?;
                    self.frames.push(&data);
                    body.flow_control().release_capacity(data.len()).map_err(|error| Status::of_connection(&error))?;
                }
            }
        }
    }
}

/// The body of an answer that is gRPC's and no refusal.
fn body_of(response: Response<RecvStream>) -> Result<RecvStream, Option<Status>> {
    let (head, body) = response.into_parts();
    if let Some(status) = Status::of_headers(&head.headers) {
        return Err(unless_ok(status));
    }
    let content = head.headers.get(CONTENT_TYPE_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    if head.status != StatusCode::OK || !content.starts_with(CONTENT_TYPE.as_bytes()) {
        return Err(Some(Status::of_http(head.status)));
    }
    Ok(body)
}

/// How a subscription ended whose body is read to its end.
async fn end_of(body: &mut RecvStream, frames: &Frames) -> Option<Status> {
    let trailers = match body.trailers().await {
        Ok(trailers) => trailers.unwrap_or_default(),
        Err(error) => return Some(Status::of_connection(&error)),
    };
    match Status::of_headers(&trailers) {
        Some(Status { code: Code::Ok, .. }) if !frames.is_empty() => {
            Some(Status::new(Code::Internal, "the subscription ended in the middle of a message"))
        }
        Some(status) => unless_ok(status),
        None => Some(Status::new(Code::Internal, "server closed the stream without sending trailers")),
    }
}

fn unless_ok(status: Status) -> Option<Status> {
    (status.code != Code::Ok).then_some(status)
}
