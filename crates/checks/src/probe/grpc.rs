//! gRPC checks: the standard health service, `grpc.health.v1.Health/Check`.

mod message;
mod status;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{self, SendRequest};
use http::{HeaderMap, Request, StatusCode};
use tokio::time::timeout_at;
use wire::quote::go_quote;

use super::link::{self, Link};
use super::{Outcome, Run, cause};
use crate::ProbeTls;
use message::Health;
use status::{Code, Status};

const PATH: &str = "/grpc.health.v1.Health/Check";
/// A health reply is a few bytes; longer ones are something else.
const MAX_REPLY_BYTES: usize = 4096;
/// Of a reply's headers and trailers.
const MAX_HEADERS_BYTES: u32 = 64 * 1024;

/// `target` is `host:port`, or `host:port/service`.
pub(super) async fn run(run: &Run<'_>, target: &str, tls: Option<&ProbeTls>) -> Outcome {
    let (address, service) = target.split_once('/').unwrap_or((target, ""));
    let asked = match timeout_at(run.deadline, ask(run, address, service, tls)).await {
        Ok(asked) => asked,
        Err(_) => Err(Status::new(Code::DeadlineExceeded, "context deadline exceeded")),
    };
    match asked {
        Ok(Health::Serving) => Outcome::passing(format!("gRPC check {target}: success")),
        Ok(health) => Outcome::critical(format!("gRPC {target} serving status: {health}")),
        Err(status) => Outcome::critical(format!("rpc error: {status}")),
    }
}

async fn ask(run: &Run<'_>, address: &str, service: &str, tls: Option<&ProbeTls>) -> Result<Health, Status> {
    let Link { stream, ends } = link::http2(run, address, tls).await.map_err(|failure| {
        let why = match failure {
            link::Failure::Dial(text) => format!("transport: Error while dialing {text}"),
            link::Failure::Tls(text) => format!("transport: authentication handshake failed: {text}"),
        };
        Status::new(Code::Unavailable, format!("connection error: desc = {}", go_quote(&why)))
    })?;
    let failed = |error: h2::Error| exchange_status(&error, &ends);
    let (requests, connection) = client::Builder::new()
        .enable_push(false)
        .max_header_list_size(MAX_HEADERS_BYTES)
        .handshake(stream)
        .await
        .map_err(failed)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let request = request(scheme, address, run)?;
    let exchange = async move { exchange(requests, request, message::request(service)).await };
    let reply = link::drive(connection, exchange).await;
    reply.map_err(failed)?.into_health()
}

fn request(scheme: &str, address: &str, run: &Run<'_>) -> Result<Request<()>, Status> {
    Request::post(format!("{scheme}://{address}{PATH}"))
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("user-agent", super::http::USER_AGENT)
        .header("grpc-timeout", timeout_header(run))
        .body(())
        .map_err(|error| Status::new(Code::Internal, error.to_string()))
}

/// At most eight digits, whence seconds for what is long.
fn timeout_header(run: &Run<'_>) -> String {
    match run.timeout.as_millis() {
        millis @ ..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", run.timeout.as_secs().min(99_999_999)),
    }
}

/// What came back, before it is understood.
struct Reply {
    http: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn exchange(requests: SendRequest<Bytes>, request: Request<()>, message: Bytes) -> Result<Reply, h2::Error> {
    let mut requests = requests.ready().await?;
    let (response, mut sending) = requests.send_request(request, false)?;
    sending.send_data(message, true)?;
    let (head, mut stream) = response.await?.into_parts();
    let body = body(&mut stream).await?;
    let trailers = stream.trailers().await?;
    Ok(Reply { http: head.status, headers: head.headers, body, trailers })
}

/// The start of the body; what is longer than any health reply is dropped on arrival.
async fn body(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        let room = MAX_REPLY_BYTES.saturating_sub(body.len()).min(data.len());
        body.extend_from_slice(data.get(..room).unwrap_or_default());
    }
    Ok(body)
}

impl Reply {
    fn into_health(self) -> Result<Health, Status> {
        if self.http != StatusCode::OK {
            return Err(Status::of_http(self.http));
        }
        // Without a body, the status is among the headers.
        let status = self.trailers.as_ref().and_then(Status::of_headers).or_else(|| Status::of_headers(&self.headers));
        match status {
            Some(Status { code: Code::Ok, .. }) => message::health(&self.body)
                .ok_or_else(|| Status::new(Code::Internal, "grpc: failed to unmarshal the received message")),
            Some(status) => Err(status),
            None => Err(Status::new(Code::Internal, "server closed the stream without sending trailers")),
        }
    }
}

fn exchange_status(error: &h2::Error, ends: &link::Ends) -> Status {
    if error.is_reset()
        && error.is_remote()
        && let Some(reason) = error.reason()
    {
        let code = if reason == h2::Reason::REFUSED_STREAM { Code::Unavailable } else { Code::Internal };
        return Status::new(code, format!("stream terminated by RST_STREAM with error code: {reason:?}"));
    }
    // What came is no HTTP/2.
    if error.is_library() {
        return Status::new(Code::Unavailable, "connection closed before server preface received");
    }
    match cause::http2_text(error, ends).as_str() {
        "EOF" => Status::new(Code::Unavailable, "error reading from server: EOF"),
        text => Status::new(Code::Unavailable, text),
    }
}

#[cfg(test)]
mod tests;
