//! One call: what is asked, how it is written into a URL, and how its answer is read.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::{
    Client, Error, QueryMeta, QueryOptions, Result, WriteOptions,
    cause::{self, Ends},
    transport::{Connection, Head, Payload, Transport},
};

const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-consul-token");
/// Redirects followed for one call before giving up.
const MAX_REDIRECTS: usize = 10;
/// Size of the pieces a streamed request body is read in.
const STREAM_CHUNK_BYTES: usize = 32 * 1024;

/// A call being put together; [`Client::request`] makes one.
///
/// ```no_run
/// # async fn example(client: api::Client) -> api::Result<()> {
/// use http::Method;
/// let answer = client.request(Method::GET, "/v1/status/leader").param("dc", "dc1").send().await?.ok().await?;
/// let leader: String = answer.json().await?;
/// # Ok(()) }
/// ```
#[must_use = "a request does nothing until sent"]
pub struct Request {
    client: Client,
    method: Method,
    path: String,
    params: Vec<(String, String)>,
    headers: HeaderMap,
    payload: Payload,
    failure: Option<Failure>,
}

/// What went wrong before sending.
enum Failure {
    Header(HeaderName),
    Body(serde_json::Error),
}

impl Request {
    pub(crate) fn new(client: Client, method: Method, path: String) -> Self {
        let defaults = client.defaults();
        let params = defaults.params.clone();
        let headers = defaults.headers.clone();
        let token = defaults.token.clone();
        let request =
            Request { client, method, path, params, headers, payload: Payload::Bytes(Bytes::new()), failure: None };
        match token {
            Some(token) => request.token(&token),
            None => request,
        }
    }

    /// Adds a query parameter, next to others of the same name.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Sets a query parameter, replacing others of the same name.
    pub fn set_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.params.retain(|(present, _)| *present != name);
        self.param(name, value)
    }

    /// Adds a query parameter that switches something on by being there.
    pub fn flag(self, name: impl Into<String>) -> Self {
        self.param(name, "")
    }

    /// Sets a header. An impossible value is reported by [`Request::send`].
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(_) => {
                self.failure.get_or_insert(Failure::Header(name));
            }
        }
        self
    }

    /// Sends this token instead of the client's.
    pub fn token(self, token: &str) -> Self {
        self.header(TOKEN_HEADER, token)
    }

    /// Applies the options of a read.
    pub fn query_options(mut self, options: &QueryOptions) -> Self {
        self = self.options(options.params(), options.token.as_deref());
        match options.cache_control() {
            Some(value) => self.header(CACHE_CONTROL, &value),
            None => self,
        }
    }

    /// Applies the options of a write.
    pub fn write_options(self, options: &WriteOptions) -> Self {
        self.options(options.params(), options.token.as_deref())
    }

    /// Defaults of the same name give way; several `node-meta` stand side by side.
    fn options(mut self, params: Vec<(&'static str, String)>, token: Option<&str>) -> Self {
        self.params.retain(|(present, _)| params.iter().all(|(name, _)| name != present));
        self.params.extend(params.into_iter().map(|(name, value)| (name.to_owned(), value)));
        match token {
            Some(token) => self.token(token),
            None => self,
        }
    }

    /// Sets a JSON body. A value that cannot be encoded is reported by [`Request::send`].
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(text) => self.payload = Payload::Bytes(text.into()),
            Err(error) => {
                self.failure.get_or_insert(Failure::Body(error));
            }
        }
        self.header(CONTENT_TYPE, "application/json")
    }

    /// Sets a raw body, sent with its length.
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.payload = Payload::Bytes(body.into());
        self
    }

    /// Sets a body that is read while it is sent, in chunks of unknown total length.
    pub fn reader<R: AsyncRead + Send + 'static>(mut self, reader: R) -> Self {
        let chunks = futures_util::stream::try_unfold(Box::pin(reader), |mut reader| async move {
            let mut chunk = BytesMut::with_capacity(STREAM_CHUNK_BYTES);
            let read = reader.read_buf(&mut chunk).await?;
            Ok::<_, io::Error>((read > 0).then(|| (Frame::data(chunk.freeze()), reader)))
        });
        self.payload = Payload::Stream(StreamBody::new(chunks).boxed_unsync());
        self
    }

    /// Sends the request and waits for the status and headers, whatever the status is. GET follows redirects to the
    /// same agent.
    ///
    /// # Errors
    /// [`Error::Transport`] when there was no answer, and whatever went wrong while putting the request together.
    pub async fn send(mut self) -> Result<Response> {
        let (method, url) = (self.method_name(), self.url());
        match self.failure.take() {
            None => (),
            Some(Failure::Body(error)) => return Err(Error::Encode(error)),
            Some(Failure::Header(name)) => {
                let cause = format!("net/http: invalid header field value for {:?}", title_case(name.as_str()));
                return Err(Error::Transport { method, url, cause });
            }
        }
        let mut path = self.path_and_query();
        let mut payload = self.payload;
        let transport = self.client.transport();
        let mut redirects = 0;
        loop {
            let failed = |cause| Error::Transport { method: method.clone(), url: url.clone(), cause };
            let target = path.parse::<PathAndQuery>().map_err(|error| failed(error.to_string()))?;
            let head = Head { method: self.method.clone(), path: target, headers: self.headers.clone() };
            let started = Instant::now();
            let (answer, connection) = transport.send(head, payload).await.map_err(failed)?;
            let meta = QueryMeta::from_headers(answer.headers(), started.elapsed());
            if self.method == Method::GET
                && let Some(next) = redirect(answer.status(), answer.headers())
            {
                redirects += 1;
                if redirects > MAX_REDIRECTS {
                    return Err(failed(format!("stopped after {MAX_REDIRECTS} redirects")));
                }
                path = next;
                payload = Payload::Bytes(Bytes::new());
                continue;
            }
            let (parts, body) = answer.into_parts();
            let origin = Origin { method, url, ends: connection.ends.clone() };
            let lease = Some((transport.clone(), connection));
            let body = ByteStream { body, lease, origin, unread: Bytes::new() };
            return Ok(Response { status: parts.status, headers: parts.headers, meta, body });
        }
    }

    fn method_name(&self) -> String {
        title_case(&self.method.as_str().to_ascii_lowercase())
    }

    fn url(&self) -> String {
        let target = self.client.transport().target();
        let host = self.client.transport().host();
        format!("{}://{}{}", target.scheme.as_str(), escape(host, HOST_EXTRA), self.path_and_query())
    }

    fn path_and_query(&self) -> String {
        let prefix = &self.client.transport().target().path_prefix;
        let path = escape(&format!("{prefix}{}", self.path), PATH_EXTRA);
        let query = encode_query(&self.params);
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

/// The path to ask for instead, when the answer redirects within the same agent.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(LOCATION)?.to_str().ok()?;
    (location.starts_with('/') && !location.starts_with("//")).then(|| location.to_owned())
}

/// `x-consul-token` becomes `X-Consul-Token`, `get` becomes `Get`.
fn title_case(name: &str) -> String {
    let mut upper = true;
    let cased = name.chars().map(|c| {
        let cased = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        cased
    });
    cased.collect()
}

/// Characters kept as they are, next to letters, digits and `-_.~`, in a path and in a host.
const PATH_EXTRA: &str = "$&+,/:;=@";
const HOST_EXTRA: &str = "!$&'()*+,;=:[]<>\"";

fn escape(text: &str, extra: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || (c.is_ascii() && extra.contains(c)) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Sorted by name, as the reference's client sends it.
fn encode_query(params: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = params.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let part = |text: &str| escape(text, " ").replace(' ', "+");
    let pairs: Vec<String> = sorted.iter().map(|(name, value)| format!("{}={}", part(name), part(value))).collect();
    pairs.join("&")
}

/// Whose answer is being read, for error messages.
struct Origin {
    method: String,
    url: String,
    ends: Ends,
}

impl Origin {
    fn failed(&self, cause: String) -> Error {
        Error::Transport { method: self.method.clone(), url: self.url.clone(), cause }
    }
}

/// An answer whose body has not been read yet. Dropping it unread closes its connection.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    meta: QueryMeta,
    body: ByteStream,
}

impl Response {
    /// HTTP status code.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// All response headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The metadata headers.
    pub fn meta(&self) -> &QueryMeta {
        &self.meta
    }

    /// The answer itself if its status is 200.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] with the body's text for any other status.
    pub async fn ok(self) -> Result<Response> {
        self.expect(&[200]).await
    }

    /// The answer itself if its status is one of `statuses`.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] with the body's text for any other status.
    pub async fn expect(self, statuses: &[u16]) -> Result<Response> {
        let status = self.status();
        if statuses.contains(&status) {
            return Ok(self);
        }
        let body = self.text().await?.trim().to_owned();
        Err(Error::UnexpectedResponse { status, body })
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Error::Transport`] when the connection ends before the body does.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.body.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.body.next().await.transpose()? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.body.next().await.transpose()? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The whole body as text; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`Response::bytes`].
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }

    /// The body decoded from JSON.
    ///
    /// # Errors
    /// As [`Response::bytes`]; [`Error::Decode`] when the JSON is not a `T`.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let (method, url) = (self.body.origin.method.clone(), self.body.origin.url.clone());
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Decode { method, url, source })
    }

    /// As [`Response::json`], with the metadata.
    ///
    /// # Errors
    /// As [`Response::json`].
    pub async fn json_with_meta<T: DeserializeOwned>(self) -> Result<(T, QueryMeta)> {
        let meta = self.meta.clone();
        Ok((self.json().await?, meta))
    }

    /// The body as it arrives.
    pub fn into_stream(self) -> ByteStream {
        self.body
    }

    /// The body as lines of text, as they arrive.
    pub fn into_lines(self) -> LineStream {
        LineStream { body: self.body, partial: Vec::new() }
    }
}

/// A response body as it arrives: a [`Stream`] of chunks, or an [`AsyncRead`].
pub struct ByteStream {
    body: Incoming,
    /// Goes back to the pool once the body has been read to its end.
    lease: Option<(Arc<Transport>, Connection)>,
    origin: Origin,
    unread: Bytes,
}

impl ByteStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => {
                    if let Some((transport, connection)) = self.lease.take() {
                        transport.put_idle(connection);
                    }
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    self.lease = None;
                    let cause = cause::exchange(&error, &self.origin.ends);
                    let cause = if cause == "EOF" { "unexpected EOF".to_owned() } else { cause };
                    return Poll::Ready(Some(Err(self.origin.failed(cause))));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.unread))));
        }
        self.poll_chunk(cx)
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.poll_chunk(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(chunk)) => self.unread = chunk,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(length));
        Poll::Ready(Ok(()))
    }
}

/// A response body as lines of text, as they arrive, without their line ends.
pub struct LineStream {
    body: ByteStream,
    partial: Vec<u8>,
}

impl LineStream {
    /// The next line; `None` when the agent ended the stream.
    ///
    /// # Errors
    /// [`Error::Transport`] when the connection broke.
    pub async fn next_line(&mut self) -> Result<Option<String>> {
        self.next().await.transpose()
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.partial.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.partial.drain(..=end).collect();
        line.pop();
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

impl Stream for LineStream {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.take_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            match ready!(Pin::new(&mut self.body).poll_next(cx)).transpose() {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Some(chunk)) => self.partial.extend_from_slice(&chunk),
                Ok(None) if self.partial.is_empty() => return Poll::Ready(None),
                Ok(None) => {
                    let rest = std::mem::take(&mut self.partial);
                    return Poll::Ready(Some(Ok(String::from_utf8_lossy(&rest).into_owned())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_slashes_and_escape_the_rest() {
        let table = [
            ("/v1/kv/a/b", "/v1/kv/a/b"),
            ("/v1/kv/a b?c#d%e", "/v1/kv/a%20b%3Fc%23d%25e"),
            ("/v1/kv/\u{e9}'(*)!", "/v1/kv/%C3%A9%27%28%2A%29%21"),
            ("/v1/kv/$&+,:;=@-_.~", "/v1/kv/$&+,:;=@-_.~"),
        ];
        for (path, escaped) in table {
            assert_eq!(escape(path, PATH_EXTRA), escaped);
        }
    }

    #[test]
    fn hosts_escape_slashes() {
        assert_eq!(escape("host:8500/p", HOST_EXTRA), "host:8500%2Fp");
    }

    #[test]
    fn queries_are_sorted_and_escaped() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let params = [pair("stale", ""), pair("filter", "a == \"b\""), pair("dc", "d+e")];
        assert_eq!(encode_query(&params), "dc=d%2Be&filter=a+%3D%3D+%22b%22&stale=");
    }

    #[test]
    fn names_are_cased_by_part() {
        assert_eq!((title_case("x-consul-token").as_str(), title_case("get").as_str()), ("X-Consul-Token", "Get"));
    }

    #[test]
    fn redirects_elsewhere_are_not_followed() {
        let location = |value: &'static str| HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(value))]);
        let moved = StatusCode::MOVED_PERMANENTLY;
        assert_eq!(redirect(moved, &location("/v1/kv/a")), Some("/v1/kv/a".to_owned()));
        assert_eq!(redirect(moved, &location("//evil.example/v1")), None);
        assert_eq!(redirect(moved, &location("http://evil.example/v1")), None);
        assert_eq!(redirect(StatusCode::OK, &location("/v1/kv/a")), None);
    }
}
