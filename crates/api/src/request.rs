//! One call: what is asked and how it is written into a URL.

use std::{io, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{
    Client, Error, QueryMeta, QueryOptions, Response, Result, WriteOptions,
    response::Origin,
    transport::{Head, Payload},
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
    spelling: Spelling,
    failure: Option<Failure>,
}

/// Which characters of path and query are escaped, and how.
#[derive(Clone, Copy)]
enum Spelling {
    /// As the reference's client does.
    Plain,
    /// Everything that may be: see [`Request::escape_strictly`].
    Strict,
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
        let payload = Payload::Bytes(Bytes::new());
        let request =
            Request { client, method, path, params, headers, payload, spelling: Spelling::Plain, failure: None };
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

    /// Escapes everything in path and query but letters, digits, `-_.~` and the path's slashes, a blank as `%20`. It is
    /// the one spelling that signatures of requests are made over.
    pub fn escape_strictly(mut self) -> Self {
        self.spelling = Spelling::Strict;
        self
    }

    /// Path and query as they will be written, parameters sorted by name.
    pub fn target(&self) -> String {
        self.path_and_query()
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
        // Some proxies refuse a write that does not say its body is empty.
        if matches!(&self.payload, Payload::Bytes(bytes) if bytes.is_empty())
            && (self.method == Method::PUT || self.method == Method::POST)
        {
            self.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
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
            return Ok(Response::new(parts, meta, body, (transport.clone(), connection), origin));
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
        let extra = match self.spelling {
            Spelling::Plain => PATH_EXTRA,
            Spelling::Strict => "/",
        };
        let path = escape(&format!("{prefix}{}", self.path), extra);
        let path = without_authority(&path);
        let query = encode_query(&self.params, self.spelling);
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
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

/// A path that starts with two slashes loses its first segment, which URL rules take for a host name. That is why an
/// address with a bare trailing slash finds nothing (`docs/spec/cli.md §1.4`).
fn without_authority(path: &str) -> &str {
    match path.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => path,
    }
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
fn encode_query(params: &[(String, String)], spelling: Spelling) -> String {
    let mut sorted: Vec<_> = params.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let part = |text: &str| match spelling {
        Spelling::Plain => escape(text, " ").replace(' ', "+"),
        Spelling::Strict => escape(text, ""),
    };
    let pairs: Vec<String> = sorted.iter().map(|(name, value)| format!("{}={}", part(name), part(value))).collect();
    pairs.join("&")
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
        assert_eq!(encode_query(&params, Spelling::Plain), "dc=d%2Be&filter=a+%3D%3D+%22b%22&stale=");
        assert_eq!(encode_query(&params, Spelling::Strict), "dc=d%2Be&filter=a%20%3D%3D%20%22b%22&stale=");
    }

    #[test]
    fn strict_targets_escape_whatever_may_be_escaped() {
        let client = Client::new(crate::Config::default().address("http://host")).unwrap();
        let request = || client.request(Method::GET, "/a b/env=prod/$x").param("k", "1/2");
        assert_eq!(request().target(), "/a%20b/env=prod/$x?k=1%2F2");
        assert_eq!(request().escape_strictly().target(), "/a%20b/env%3Dprod/%24x?k=1%2F2");
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
