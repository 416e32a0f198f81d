//! Connections to one agent: TCP, TLS or Unix socket, HTTP/1.1, kept alive between calls.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header::HOST, uri::PathAndQuery};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    cause::{self, Ends},
    config::{Endpoint, Scheme, Target},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Below the idle timeout of common load balancers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Connections kept for reuse; more may be open while calls are running.
const MAX_IDLE_CONNECTIONS: usize = 32;

/// A request body as hyper takes it.
pub(crate) type WireBody = UnsyncBoxBody<Bytes, io::Error>;

/// A request body as callers give it.
pub(crate) enum Payload {
    /// Sent with its length; can be sent again.
    Bytes(Bytes),
    /// Sent in chunks, once.
    Stream(WireBody),
}

/// A request, ready to be written.
pub(crate) struct Head {
    pub(crate) method: Method,
    /// Escaped path and query.
    pub(crate) path: PathAndQuery,
    pub(crate) headers: HeaderMap,
}

/// The way to one agent.
pub(crate) struct Transport {
    target: Target,
    tls: Option<TlsConnector>,
    server_name: Option<String>,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// One open connection, able to take a request.
pub(crate) struct Connection {
    sender: http1::SendRequest<WireBody>,
    pub(crate) ends: Ends,
}

impl Transport {
    pub(crate) fn new(target: Target, tls: Option<TlsConnector>, server_name: Option<String>) -> Self {
        Transport { target, tls, server_name, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The host part of the URL and of the `Host` header.
    pub(crate) fn host(&self) -> &str {
        match &self.target.endpoint {
            Endpoint::Host(host) => host,
            Endpoint::Unix(path) => path,
        }
    }

    /// Sends a request and waits for the response headers. The error is the cause alone.
    ///
    /// A kept connection may have been closed by the agent meanwhile. Such a failure is not the caller's: the request is
    /// sent again when it provably never left, or when it is a GET.
    pub(crate) async fn send(&self, head: Head, payload: Payload) -> Result<(Response<Incoming>, Connection), String> {
        let bytes = match payload {
            Payload::Stream(body) => {
                let connection = self.connect().await?;
                return exchange(connection, head.to_request(self.host(), body)).await.map_err(|failure| failure.cause);
            }
            Payload::Bytes(bytes) => bytes,
        };
        let request =
            || head.to_request(self.host(), Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync());
        while let Some(connection) = self.take_idle().await {
            match exchange(connection, request()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if failure.unsent || (failure.closed && head.method == Method::GET) => continue,
                Err(failure) => return Err(failure.cause),
            }
        }
        let connection = self.connect().await?;
        exchange(connection, request()).await.map_err(|failure| failure.cause)
    }

    /// Gives a connection back whose response was read to the end.
    pub(crate) fn put_idle(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_CONNECTIONS && !connection.sender.is_closed() {
            idle.push((connection, Instant::now()));
        }
    }

    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE_TIMEOUT && connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let (stream, ends) = match &self.target.endpoint {
            Endpoint::Unix(path) => dial_unix(path).await?,
            Endpoint::Host(host) => dial_tcp(host, self.target.scheme).await?,
        };
        let stream = match &self.tls {
            Some(tls) => self.secure(tls, stream).await?,
            None => stream,
        };
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| cause::exchange(&error, &ends))?;
        // Ends by itself: when the sender is dropped or the agent closes. Its error reaches the sender.
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::trace!("connection ended: {error}");
            }
        });
        Ok(Connection { sender, ends })
    }

    async fn secure(&self, tls: &TlsConnector, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, String> {
        let name = self.server_name.clone().unwrap_or_else(|| split_port(self.host()).0.to_owned());
        let server = ServerName::try_from(name.clone()).map_err(|_| format!("tls: invalid server name {name:?}"))?;
        let (stream, peek) = FirstBytes::new(stream);
        match timeout(TLS_HANDSHAKE_TIMEOUT, tls.connect(server, stream)).await {
            Err(_) => Err("net/http: TLS handshake timeout".to_owned()),
            Ok(Err(_)) if peek.is_http() => Err("http: server gave HTTP response to HTTPS client".to_owned()),
            Ok(Err(error)) => Err(handshake_text(&error)),
            Ok(Ok(stream)) => Ok(Box::new(stream)),
        }
    }
}

impl Head {
    fn to_request(&self, host: &str, body: WireBody) -> http::Request<WireBody> {
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone().into();
        *request.headers_mut() = self.headers.clone();
        // A socket path with slashes is no host name; servers ignore the name on Unix sockets.
        let host = http::HeaderValue::from_str(host.split('/').next().unwrap_or_default());
        request.headers_mut().insert(HOST, host.unwrap_or_else(|_| http::HeaderValue::from_static("")));
        request
    }
}

struct Failure {
    cause: String,
    /// Not one byte left.
    unsent: bool,
    /// The connection ended before any answer.
    closed: bool,
}

async fn exchange(
    mut connection: Connection,
    request: http::Request<WireBody>,
) -> Result<(Response<Incoming>, Connection), Failure> {
    match connection.sender.try_send_request(request).await {
        Ok(response) => Ok((response, connection)),
        Err(mut failure) => {
            let unsent = failure.take_message().is_some();
            let error = failure.into_error();
            let closed = error.is_incomplete_message() || error.is_closed() || error.is_canceled();
            Err(Failure { cause: cause::exchange(&error, &connection.ends), unsent, closed })
        }
    }
}

async fn dial_unix(path: &str) -> Result<(Box<dyn Stream>, Ends), String> {
    if path.is_empty() {
        return Err("http: no Host in request URL".to_owned());
    }
    let stream = UnixStream::connect(path)
        .await
        .map_err(|error| format!("dial unix {path}: connect: {}", cause::system_text(&error)))?;
    Ok((Box::new(stream), Ends::Unix { path: path.to_owned() }))
}

async fn dial_tcp(host: &str, scheme: Scheme) -> Result<(Box<dyn Stream>, Ends), String> {
    if host.is_empty() {
        return Err("http: no Host in request URL".to_owned());
    }
    let (name, port) = split_port(host);
    let port = match (port, scheme) {
        (Some(port), _) => port,
        (None, Scheme::Http) => 80,
        (None, Scheme::Https) => 443,
    };
    let mut first_failure = None;
    for address in resolve(name, port).await? {
        let failure = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return tcp_stream(stream, address),
            Ok(Err(error)) => format!("dial tcp {address}: connect: {}", cause::system_text(&error)),
            Err(_) => format!("dial tcp {address}: i/o timeout"),
        };
        first_failure.get_or_insert(failure);
    }
    Err(first_failure.unwrap_or_else(|| format!("dial tcp: lookup {name}: no such host")))
}

fn tcp_stream(stream: TcpStream, peer: SocketAddr) -> Result<(Box<dyn Stream>, Ends), String> {
    let set_up = || -> io::Result<SocketAddr> {
        stream.set_nodelay(true)?;
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&stream, TCP_KEEP_ALIVE)?;
        rustix::net::sockopt::set_tcp_keepintvl(&stream, TCP_KEEP_ALIVE)?;
        stream.local_addr()
    };
    let local = set_up().map_err(|error| format!("dial tcp {peer}: {}", cause::system_text(&error)))?;
    Ok((Box::new(stream), Ends::Tcp { local, peer }))
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let unknown = || format!("dial tcp: lookup {name}: no such host");
    if !is_domain_name(name) {
        return Err(unknown());
    }
    let addresses = tokio::net::lookup_host((name, port)).await.map_err(|_| unknown())?;
    Ok(addresses.collect())
}

/// Names the resolver would refuse anyway are not sent to it.
fn is_domain_name(name: &str) -> bool {
    name.len() <= 254 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Host and port; brackets of an IPv6 address are dropped. What follows the last colon is a port only if it is a number.
pub(crate) fn split_port(host: &str) -> (&str, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && (name.ends_with(']') || !name.starts_with('[')) => {
            port.parse().map_or((host, None), |port| (name, Some(port)))
        }
        _ => (host, None),
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    (bare, port)
}

fn handshake_text(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => cause::tls_text(tls),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => cause::system_text(error),
    }
}

/// What HTTP runs on.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Remembers the first bytes received, to tell a plain HTTP server from a broken TLS one.
struct FirstBytes {
    inner: Box<dyn Stream>,
    seen: Peek,
}

#[derive(Clone, Default)]
struct Peek(Arc<Mutex<Vec<u8>>>);

const HTTP_GREETING: &[u8] = b"HTTP/";

impl Peek {
    fn is_http(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_slice() == HTTP_GREETING
    }

    fn record(&self, bytes: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HTTP_GREETING.len().saturating_sub(seen.len());
        seen.extend_from_slice(&bytes[..room.min(bytes.len())]);
    }
}

impl FirstBytes {
    fn new(inner: Box<dyn Stream>) -> (Self, Peek) {
        let seen = Peek::default();
        (FirstBytes { inner, seen: seen.clone() }, seen)
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.seen.record(&buffer.filled()[before..]);
        result
    }
}

impl AsyncWrite for FirstBytes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_split_from_hosts() {
        let table = [
            ("host", ("host", None)),
            ("host:8500", ("host", Some(8500))),
            ("host:8500/p", ("host:8500/p", None)),
            ("127.0.0.1:8500:1", ("127.0.0.1:8500", Some(1))),
            ("[::1]:8500", ("::1", Some(8500))),
            ("[::1]", ("::1", None)),
            ("host:", ("host:", None)),
        ];
        for (host, expected) in table {
            assert_eq!(split_port(host), expected, "{host}");
        }
    }

    #[test]
    fn only_the_greeting_is_remembered() {
        let peek = Peek::default();
        peek.record(b"HT");
        assert!(!peek.is_http());
        peek.record(b"TP/1.1 400 Bad Request");
        assert!(peek.is_http());
    }
}
