//! The serving side: a connection, its calls, and what each is answered.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use net::{BoxConn, BoxFuture};
use prost::Message;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use wire::quote::go_quote;

use crate::frame::{Encoded, Frames};
use crate::proto::SubscribeRequest;
use crate::status::{Code, Status};
use crate::{CONTENT_TYPE, MAX_HEADERS_BYTES, SUBSCRIBE_PATH};

/// A request larger than this is refused.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Subscriptions of one connection at the same time.
const MAX_STREAMS: u32 = 16_384;
/// How long the other side has to begin with HTTP/2.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call's request may take to come.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How long calls have to end when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Who answers subscriptions.
pub trait Subscriptions: Send + Sync + 'static {
    /// Begins a subscription, or says why it cannot be.
    fn subscribe(&self, request: SubscribeRequest) -> BoxFuture<'static, Result<Box<dyn Events>, Status>>;
}

/// What one subscriber is told.
pub trait Events: Send + 'static {
    /// The next messages. Nothing more comes after an error, which ends the subscription.
    fn next(&mut self) -> BoxFuture<'_, Result<Encoded, Status>>;
}

/// Answers every call on a connection until it ends. When the server stops, `service` ends the subscriptions; what has
/// not ended a moment later is cut off.
pub fn serve(conn: BoxConn, service: Arc<dyn Subscriptions>, stopping: CancellationToken) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        if let Err(error) = run(conn, service, stopping).await {
            tracing::debug!(target: "agent.server.grpc-api", error = %error, "gRPC connection ended");
        }
    })
}

async fn run(conn: BoxConn, service: Arc<dyn Subscriptions>, stopping: CancellationToken) -> Result<(), h2::Error> {
    let mut settings = server::Builder::new();
    settings.max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADERS_BYTES);
    let Ok(connection) = timeout(HANDSHAKE_TIMEOUT, settings.handshake::<_, Bytes>(conn)).await else { return Ok(()) };
    let mut connection = connection?;
    // Dropped with the connection, which ends the calls that are left.
    let mut calls = JoinSet::new();
    let mut cut_off = None;
    loop {
        tokio::select! {
            call = connection.accept() => match call {
                Some(call) => {
                    let (request, respond) = call?;
                    calls.spawn(answer(request, respond, service.clone()));
                }
                None => return Ok(()),
            },
            Some(ended) = calls.join_next(), if !calls.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(target: "agent.server.grpc-api", error = %error, "a gRPC call ended abnormally");
                }
            }
            () = stopping.cancelled(), if cut_off.is_none() => {
                connection.graceful_shutdown();
                cut_off = Some(Instant::now() + STOP_TIMEOUT);
            }
            () = sleep_until(cut_off.unwrap_or_else(Instant::now)), if cut_off.is_some() => return Ok(()),
        }
    }
}

/// One call. What goes wrong on the way to the caller ends it: there is nobody to tell.
async fn answer(request: Request<RecvStream>, respond: SendResponse<Bytes>, service: Arc<dyn Subscriptions>) {
    if let Err(error) = try_answer(request, respond, service).await {
        tracing::debug!(target: "agent.server.grpc-api", error = %error, "gRPC call ended");
    }
}

async fn try_answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: Arc<dyn Subscriptions>,
) -> Result<(), h2::Error> {
    if let Some(refused) = refusal(&request) {
        let mut response = Response::new(());
        *response.status_mut() = refused;
        return respond.send_response(response, true).map(drop);
    }
    let begun = match asked(request).await {
        Ok(request) => service.subscribe(request).await,
        Err(status) => Err(status),
    };
    match begun {
        Ok(events) => {
            let stream = respond.send_response(response(), false)?;
            send_all(events, stream).await
        }
        // An end without a beginning is told in the headers.
        Err(status) => {
            let mut response = response();
            status.write(response.headers_mut());
            respond.send_response(response, true).map(drop)
        }
    }
}

/// The HTTP status of what is no call at all.
fn refusal(request: &Request<RecvStream>) -> Option<StatusCode> {
    if request.method() != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let content = request.headers().get(CONTENT_TYPE_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    let kind = content.strip_prefix(CONTENT_TYPE.as_bytes());
    let is_grpc = kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    (!is_grpc).then_some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn response() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(CONTENT_TYPE));
    response
}

/// The request of a call to the one method there is.
async fn asked(request: Request<RecvStream>) -> Result<SubscribeRequest, Status> {
    let (head, mut body) = request.into_parts();
    if head.uri.path() != SUBSCRIBE_PATH {
        return Err(unknown_method(head.uri.path()));
    }
    let encoding = head.headers.get("grpc-encoding").map_or(&b"identity"[..], HeaderValue::as_bytes);
    if encoding != b"identity" {
        let encoding = go_quote(&String::from_utf8_lossy(encoding));
        let text = format!("grpc: Decompressor is not installed for grpc-encoding {encoding}");
        return Err(Status::new(Code::Unimplemented, text));
    }
    let message = timeout(REQUEST_TIMEOUT, only_message(&mut body));
    let message =
        message.await.map_err(|_| Status::new(Code::DeadlineExceeded, "the request did not come in time"))??;
    SubscribeRequest::decode(message)
        .map_err(|error| Status::new(Code::Internal, format!("grpc: error unmarshalling request: {error}")))
}

fn unknown_method(path: &str) -> Status {
    let text = match split(path) {
        None => format!("malformed method name: {}", go_quote(path)),
        Some((service, method)) if split(SUBSCRIBE_PATH).is_some_and(|(known, _)| known == service) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
    };
    Status::new(Code::Unimplemented, text)
}

/// Service and method of a path.
fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix('/')?.rsplit_once('/')
}

/// The first message of a body; what comes after it does not matter.
async fn only_message(body: &mut RecvStream) -> Result<Bytes, Status> {
    let mut frames = Frames::new(MAX_REQUEST_BYTES);
    loop {
        if let Some(message) = frames.next()? {
            return Ok(message);
        }
        let Some(data) = body.data().await else {
            return Err(Status::new(Code::Internal, "the request ended before its message"));
        };
        let data = data.map_err(|error| Status::of_connection(&error))?;
        frames.push(&data);
        body.flow_control().release_capacity(data.len()).map_err(|error| Status::of_connection(&error))?;
    }
}

/// Sends what a subscriber is told until it has enough or the subscription ends.
async fn send_all(mut events: Box<dyn Events>, mut stream: SendStream<Bytes>) -> Result<(), h2::Error> {
    loop {
        let next = tokio::select! {
            reset = poll_fn(|cx| stream.poll_reset(cx)) => return reset.map(drop),
            next = events.next() => next,
        };
        match next {
            Ok(messages) => send(&mut stream, messages.into_bytes()).await?,
            Err(status) => {
                let mut trailers = HeaderMap::new();
                status.write(&mut trailers);
                return stream.send_trailers(trailers);
            }
        }
    }
}

/// Sends as fast as the other side takes it.
async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = match stream.capacity() {
            0 => match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(capacity) => capacity?,
                None => return Err(Reason::CANCEL.into()),
            },
            capacity => capacity,
        };
        let part = data.split_to(capacity.min(data.len()));
        stream.send_data(part, false)?;
    }
    Ok(())
}
