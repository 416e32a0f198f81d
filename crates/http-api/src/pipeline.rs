//! What every request goes through, in the order of `docs/spec/http-api.md` §1.2.

use filter::{CREATE_ERROR_PREFIX, Fields, Filter};
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use agent::Agent;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use telemetry::{Logs, redact_url};
use tokio_util::sync::CancellationToken;
use types::{QueryOptions, RpcError};
use wire::GoDuration;

use crate::meta::{X_CONSUL_DEFAULT_ACL_POLICY, X_CONSUL_TRANSLATE_ADDRESSES};
use crate::params::{self, Enterprise, Query};
use crate::reads::Reads;
use crate::reply::{Answer, Body, Failure, PLAIN_TEXT, Reply};
use crate::table::{Action, Operation, Route, Routes};
use crate::timings::Timings;
use crate::{Error, Settings, gzip, path};

/// Logger of the door.
const LOG: &str = "agent.http";
/// Bound on bodies without a limit of their own, so that no client fills the memory.
const LONGEST_BODY_BYTES: usize = 64 << 20;
/// Path prefix of the API proper.
const API: &[u8] = b"/v1/";

/// A route's function.
pub(crate) type Handler = for<'a> fn(&'a mut Call) -> BoxFuture<'a, Answer>;

/// Everything requests share.
pub(crate) struct Door {
    pub(crate) agent: Arc<Agent>,
    pub(crate) logs: Logs,
    pub(crate) settings: Settings,
    pub(crate) reads: Reads,
    /// Ends requests that wait.
    pub(crate) stopping: CancellationToken,
    acl_policy: HeaderValue,
    response_headers: Vec<(HeaderName, HeaderValue)>,
    routes: Routes,
    timings: Timings,
}

impl Door {
    pub(crate) fn new(
        agent: Arc<Agent>,
        logs: Logs,
        settings: Settings,
        stopping: CancellationToken,
    ) -> Result<Door, Error> {
        let invalid = |name: &str| Error::ResponseHeader(name.to_owned());
        let parse = |(name, value): &(String, String)| {
            let parsed: HeaderName = name.parse().map_err(|_| invalid(name))?;
            let value = HeaderValue::from_str(value).map_err(|_| invalid(name))?;
            Ok((parsed, value))
        };
        let response_headers = settings.response_headers.iter().map(parse).collect::<Result<_, Error>>()?;
        let acl_policy = HeaderValue::from_str(&settings.default_acl_policy)
            .map_err(|_| invalid(X_CONSUL_DEFAULT_ACL_POLICY.as_str()))?;
        let routes = Routes::new(&settings);
        let reads = Reads::default();
        Ok(Door {
            agent,
            logs,
            settings,
            reads,
            stopping,
            acl_policy,
            response_headers,
            routes,
            timings: Timings::new(),
        })
    }

    /// Adds the configured headers. What a handler has set stays; the type of plain text, which nobody set, does not.
    fn add_response_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.response_headers {
            let unset = match headers.get(name) {
                None => true,
                Some(set) => name == CONTENT_TYPE && set == PLAIN_TEXT,
            };
            if unset {
                headers.insert(name.clone(), value.clone());
            }
        }
    }

    fn add_common_headers(&self, headers: &mut HeaderMap) {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(X_CONSUL_DEFAULT_ACL_POLICY, self.acl_policy.clone());
        if self.settings.translate_wan_addrs {
            headers.insert(X_CONSUL_TRANSLATE_ADDRESSES, HeaderValue::from_static("true"));
        }
        self.add_response_headers(headers);
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remote {
    Tcp(SocketAddr),
    Unix,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remote::Tcp(address) => address.fmt(f),
            Remote::Unix => f.write_str("@"),
        }
    }
}

/// One request on its way through a handler.
pub(crate) struct Call {
    pub(crate) door: Arc<Door>,
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    /// Where the request comes from.
    pub(crate) remote: Remote,
    uri: Uri,
    decoded_path: Option<Vec<u8>>,
    argument_at: usize,
    body: Incoming,
}

impl Call {
    /// The decoded path.
    pub(crate) fn path(&self) -> &[u8] {
        self.decoded_path.as_deref().unwrap_or(self.uri.path().as_bytes())
    }

    /// What stands behind the route's prefix.
    pub(crate) fn argument(&self) -> &[u8] {
        self.path().get(self.argument_at..).unwrap_or_default()
    }

    /// [`Call::argument`] as text.
    pub(crate) fn argument_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.argument())
    }

    /// The argument as text, or 400.
    pub(crate) fn required_argument(&self, missing: &'static str) -> Result<String, Failure> {
        match self.argument_text() {
            argument if argument.is_empty() => Err(Failure::bad_request(missing)),
            argument => Ok(argument.into_owned()),
        }
    }

    /// Whether JSON is to be indented.
    pub(crate) fn pretty(&self) -> bool {
        self.door.settings.pretty || self.query.has("pretty")
    }

    /// The secret this request acts with; empty for anonymous.
    pub(crate) fn token(&self) -> String {
        params::token(&self.query, &self.headers, &self.door.settings.default_token)
    }

    /// Target datacenter, empty for the local one.
    pub(crate) fn datacenter(&self) -> String {
        self.query.text("dc").into_owned()
    }

    /// Options of a read, checked.
    pub(crate) fn options(&self) -> Result<QueryOptions, Failure> {
        params::query_options(&self.query, &self.headers, self.path(), &self.door.settings)
    }

    /// Refuses enterprise features the route would take.
    pub(crate) fn refuse_enterprise(&self, features: Enterprise) -> Result<(), Failure> {
        params::refuse_enterprise(&self.query, &self.headers, features)
    }

    /// The filter of the request; one that keeps everything if there is none.
    pub(crate) fn filter<T: Fields>(&self) -> Result<Filter<T>, Failure> {
        Filter::new(&self.query.text("filter"))
            .map_err(|error| Failure::internal(format!("{CREATE_ERROR_PREFIX}{error}")))
    }

    /// The filter of a read that answers an error with zero metadata.
    pub(crate) fn filter_with_metadata<T: Fields>(&self) -> Result<Filter<T>, Failure> {
        self.filter().map_err(Failure::with_zero_metadata)
    }

    /// The length the client declared, if it did.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The whole body. A body that comes in one piece is not copied.
    pub(crate) async fn read_body(&mut self) -> Result<Bytes, Failure> {
        let Some(first) = self.next_piece().await? else { return Ok(Bytes::new()) };
        if self.body.is_end_stream() {
            return Ok(first);
        }
        let mut whole = BytesMut::from(first);
        while let Some(piece) = self.next_piece().await? {
            if whole.len() + piece.len() > LONGEST_BODY_BYTES {
                let text = format!("Request body too large, max size: {LONGEST_BODY_BYTES} bytes");
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The next piece of the body; none at its end.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(piece) = frame.map_err(|error| broken_body(&error))?.into_data() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Reads and forgets what a client sends of a body that is too large, so that it gets to read the answer. A client
    /// that asked to be told first (`Expect`) is told at once.
    pub(crate) async fn drain_body(&mut self, longest_bytes: usize) {
        if self.headers.contains_key(http::header::EXPECT) {
            return;
        }
        let mut seen = 0;
        while let Ok(Some(piece)) = self.next_piece().await {
            seen += piece.len();
            if seen > longest_bytes {
                return;
            }
        }
    }
}

fn broken_body(error: &hyper::Error) -> Failure {
    Failure::bad_request(format!("failed to read the request body: {error}"))
}

/// Answers a request.
pub(crate) async fn answer(door: Arc<Door>, remote: Remote, request: http::Request<Incoming>) -> Response<Body> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let target = match find(&door, &head) {
        Ok(target) => target,
        Err(reply) => return reply.into_response(),
    };
    let accepts_gzip = gzip::accepts(&head.headers);
    let Parts { method, uri, headers, .. } = head;
    let Target { route, decoded_path } = target;
    let argument_at = route.pattern.len();
    let query = Query::parse(uri.query().unwrap_or_default());
    let mut call = match query {
        Ok(query) => Call { door: door.clone(), method, query, headers, remote, uri, decoded_path, argument_at, body },
        Err(_) => return finish(&door, Reply::status(StatusCode::INTERNAL_SERVER_ERROR), false).await.into_response(),
    };
    let reply = match serve(route, remote, &mut call).await {
        Ok(reply) => reply,
        Err(failure) => {
            log_failure(&call, remote, &failure);
            failure.into_reply()
        }
    };
    door.timings.record(route.pattern, &call.method, started);
    log_finish(&call, remote, started);
    finish(&door, reply, accepts_gzip).await.into_response()
}

async fn finish(door: &Door, reply: Reply, accepts_gzip: bool) -> Reply {
    let mut reply = if accepts_gzip { gzip::compress(reply).await } else { reply };
    door.add_common_headers(&mut reply.headers);
    reply
}

/// The route a request is for.
struct Target {
    route: &'static Route,
    decoded_path: Option<Vec<u8>>,
}

/// Steps 1 to 4: the path's form, redirects, the route.
fn find(door: &Door, head: &Parts) -> Result<Target, Box<Reply>> {
    let raw = head.uri.path();
    if head.method == Method::OPTIONS && raw == "*" {
        return Err(Box::new(Reply::empty()));
    }
    if head.version == Version::HTTP_11 && !head.headers.contains_key(HOST) {
        return Err(Box::new(unreadable("400 Bad Request: missing required Host header")));
    }
    if header_bytes(head) > door.settings.header_limit_bytes() {
        let mut reply = Reply::text(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "431 Request Header Fields Too Large");
        reply.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        return Err(Box::new(reply));
    }
    let decoded = path::decode(raw).map_err(|_| Box::new(unreadable("400 Bad Request")))?;
    if !door.settings.disable_unprintable_char_filter && !path::is_printable(&decoded) {
        return Err(Box::new(Reply::status(StatusCode::BAD_REQUEST)));
    }
    if let Some(location) = redirect(&door.routes, &decoded, head) {
        return Err(Box::new(location));
    }
    let decoded_path = match decoded {
        Cow::Borrowed(_) => None,
        Cow::Owned(decoded) => Some(decoded),
    };
    let path = decoded_path.as_deref().unwrap_or(raw.as_bytes());
    match door.routes.find(path) {
        Some(route) => Ok(Target { route, decoded_path }),
        None => {
            let mut reply = outside(door, path, head);
            door.add_response_headers(&mut reply.headers);
            Err(Box::new(reply))
        }
    }
}

/// Size of a request's line and headers, as they were sent but for blanks.
fn header_bytes(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let lines = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    head.method.as_str().len() + target + "  HTTP/1.1\r\n".len() + lines.sum::<usize>()
}

/// A request that could not be understood; the connection ends.
fn unreadable(text: &'static str) -> Reply {
    let mut reply = Reply::text(StatusCode::BAD_REQUEST, text);
    reply.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// The redirect to the path's clean form, or to the subtree it means, if it is not that already.
fn redirect(routes: &Routes, decoded: &[u8], head: &Parts) -> Option<Reply> {
    let cleaned = path::clean(decoded);
    let is_clean = cleaned.is_none();
    let mut to = cleaned.map_or(Cow::Borrowed(decoded), Cow::Owned);
    if routes.is_subtree_without_slash(&to) {
        to.to_mut().push(b'/');
    } else if is_clean {
        return None;
    }
    let mut location = path::encode(&to);
    if let Some(query) = head.uri.query() {
        location.push('?');
        location.push_str(query);
    }
    Some(moved(&location, &head.method))
}

/// 301; with a body for GET.
fn moved(location: &str, method: &Method) -> Reply {
    let mut reply = Reply::status(StatusCode::MOVED_PERMANENTLY);
    if let Ok(value) = HeaderValue::from_str(location) {
        reply.headers.insert(LOCATION, value);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let body = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", escape_html(location));
        reply.body = Body::Full(Bytes::from(body));
    }
    reply
}

/// The redirect from the index; a configured content type leaves no room for the page that goes with it.
fn moved_to_ui(door: &Door, content_path: &str, method: &Method) -> Reply {
    let mut reply = moved(content_path, method);
    if door.response_headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
        reply.headers.remove(CONTENT_TYPE);
        reply.body = Body::Full(Bytes::new());
    }
    reply
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out
}

/// Stands where the web page will be.
const UI_PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Proconsul</title></head>\
    <body><p>This agent's web page comes with a later version. Its HTTP API is at <code>/v1/</code>.</p></body></html>\n";

/// What is no API route: the index, the UI, and everything unknown (`docs/spec/http-api.md` §1.3).
fn outside(door: &Door, path: &[u8], head: &Parts) -> Reply {
    let ui = door.settings.ui_content_path.as_deref();
    if path == b"/" {
        return match ui {
            Some(content_path) => moved_to_ui(door, content_path, &head.method),
            None => Reply::text(
                StatusCode::OK,
                "Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent configuration and restart.",
            ),
        };
    }
    if ui.is_some_and(|content_path| path.starts_with(content_path.as_bytes())) {
        const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
        return Reply::bytes(StatusCode::OK, Some(HTML), Bytes::from_static(UI_PAGE.as_bytes()));
    }
    let text = if path.windows(API.len()).any(|window| window == API) {
        "Invalid URL path: not a recognized HTTP API endpoint\n"
    } else {
        "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"
    };
    Reply::text(StatusCode::NOT_FOUND, text)
}

/// Steps 6 to 10: blocked paths, methods, write access, the handler.
async fn serve(route: &'static Route, remote: Remote, call: &mut Call) -> Answer {
    let settings = &call.door.settings;
    if settings.block_endpoints.iter().any(|prefix| call.path().starts_with(prefix.as_bytes())) {
        return Err(Failure::new(StatusCode::FORBIDDEN, "Endpoint is blocked by agent configuration"));
    }
    let operations = route.operations_for(call.path());
    if call.method == Method::OPTIONS {
        let reply = if route.answers_options_with_json {
            Reply::json(&serde_json::json!({}), call.pretty())?
        } else {
            Reply::empty()
        };
        return Ok(with_allow(reply, operations, true));
    }
    let Some(operation) = operations.iter().find(|operation| operation.method == call.method.as_str()) else {
        let reply = Reply::text(StatusCode::METHOD_NOT_ALLOWED, format!("method {} not allowed", call.method));
        return Ok(with_allow(reply, operations, !route.answers_options_with_json));
    };
    check_write_access(remote, call)?;
    if call.method == Method::GET && call.content_length().is_some_and(|length| length > 0) {
        tracing::warn!(
            target: LOG,
            url = redacted(&call.uri).as_str(),
            from = %remote,
            "GET request has a body, which is ignored"
        );
    }
    let handler = match operation.action {
        Action::Run(handler) => handler,
        Action::Later(capability) => return Err(Failure::not_there_yet(capability)),
    };
    let stopping = call.door.stopping.clone();
    tokio::select! {
        biased;
        answer = handler(call) => answer,
        () = stopping.cancelled() => Err(RpcError::Shutdown.into()),
    }
}

fn with_allow(mut reply: Reply, operations: &[Operation], with_options: bool) -> Reply {
    let own = operations.iter().map(|operation| operation.method);
    let methods: Vec<&str> = with_options.then_some("OPTIONS").into_iter().chain(own).collect();
    if let Ok(value) = HeaderValue::from_str(&methods.join(",")) {
        reply.headers.insert(ALLOW, value);
    }
    reply
}

fn check_write_access(remote: Remote, call: &Call) -> Result<(), Failure> {
    let allowed = &call.door.settings.allow_write_http_from;
    if allowed.is_empty() || matches!(call.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let Remote::Tcp(address) = remote else {
        let text = format!("unable to parse remote addr: address {remote}: missing port in address");
        return Err(Failure::internal(text));
    };
    if allowed.iter().any(|network| network.contains(address.ip())) {
        return Ok(());
    }
    Err(Failure::new(StatusCode::FORBIDDEN, "Access is restricted"))
}

fn log_failure(call: &Call, remote: Remote, failure: &Failure) {
    tracing::error!(
        target: LOG,
        method = %call.method,
        url = redacted(&call.uri).as_str(),
        from = %remote,
        error = failure.text(),
        "Request error"
    );
}

fn log_finish(call: &Call, remote: Remote, started: Instant) {
    if !tracing::enabled!(target: LOG, tracing::Level::DEBUG) {
        return;
    }
    let latency = GoDuration(i64::try_from(started.elapsed().as_nanos()).unwrap_or(i64::MAX));
    tracing::debug!(
        target: LOG,
        method = %call.method,
        url = redacted(&call.uri).as_str(),
        from = %remote,
        latency = latency.to_string().as_str(),
        "Request finished"
    );
}

fn redacted(uri: &Uri) -> String {
    redact_url(uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str))
}
