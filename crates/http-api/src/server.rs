//! The running server: accept loops, connections, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::Agent;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use telemetry::Logs;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limit::{Admission, ConnectionLimit};
use crate::listener::{Acceptor, shake_hands, tune};
use crate::pipeline::{self, Door, Remote};
use crate::{Error, Listener, Settings};

/// How long a stopping server lets answers that are being sent finish.
const GRACE: Duration = Duration::from_millis(250);
/// How long a client that has too many connections may take to read that it has.
const REFUSAL_GRACE: Duration = Duration::from_millis(50);
/// Pause after a failed accept, so that a lack of file descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The smallest bound on headers the protocol engine takes.
const SMALLEST_HEADER_BYTES: usize = 8192;
/// What a connection beyond the client's bound reads (`docs/spec/http-api.md` §1.1).
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    Your IP is issuing too many concurrent connections, please rate limit your calls\n";

/// A running HTTP API.
pub struct HttpServer {
    door: Arc<Door>,
    limit: Arc<ConnectionLimit>,
    tasks: TaskTracker,
    addresses: Vec<SocketAddr>,
}

/// Opens the door: serves the API on every listener. Must be called inside a tokio runtime.
///
/// # Errors
/// A socket that cannot be bound or taken over, a configured header that is not valid HTTP.
pub fn start(agent: Arc<Agent>, logs: Logs, settings: Settings, listeners: Vec<Listener>) -> Result<HttpServer, Error> {
    let stopping = agent.stopping().child_token();
    let limit = Arc::new(ConnectionLimit::new(settings.http_max_conns_per_client));
    let door = Arc::new(Door::new(agent, logs, settings, stopping)?);
    let acceptors = listeners.into_iter().map(Acceptor::new).collect::<Result<Vec<_>, _>>()?;
    let mut addresses = Vec::new();
    for acceptor in &acceptors {
        if let Acceptor::Tcp(socket, _) = acceptor {
            addresses.push(socket.local_addr().map_err(Error::Listen)?);
        }
    }
    let tasks = TaskTracker::new();
    for acceptor in acceptors {
        let place = Place { door: door.clone(), limit: limit.clone(), tasks: tasks.clone() };
        tasks.spawn(place.accept(acceptor));
    }
    Ok(HttpServer { door, limit, tasks, addresses })
}

impl HttpServer {
    /// Addresses of the TCP listeners, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Changes the bound on open connections of one client; 0 for none. Open connections stay.
    pub fn set_max_conns_per_client(&self, most: usize) {
        self.limit.set(most);
    }

    /// Stops accepting, ends requests that wait, lets answers that are being sent finish for a moment, closes everything
    /// and awaits every task.
    pub async fn stop(&self) {
        self.door.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What an accept loop needs.
#[derive(Clone)]
struct Place {
    door: Arc<Door>,
    limit: Arc<ConnectionLimit>,
    tasks: TaskTracker,
}

impl Place {
    async fn accept(self, acceptor: Acceptor) {
        let stopping = self.door.stopping.clone();
        let accepting = async {
            match acceptor {
                Acceptor::Tcp(socket, tls) => loop {
                    match socket.accept().await {
                        Ok((stream, address)) => self.take(stream, address, tls.clone()),
                        Err(error) => pause(&error).await,
                    }
                },
                Acceptor::Unix(socket, _removed) => loop {
                    match socket.accept().await {
                        Ok((stream, _)) => {
                            let door = self.door.clone();
                            self.tasks.spawn(serve_http1(door, Remote::Unix, stream));
                        }
                        Err(error) => pause(&error).await,
                    }
                },
            }
        };
        stopping.run_until_cancelled(accepting).await;
    }

    /// Serves a TCP connection, or tells its client that it has too many.
    fn take(&self, stream: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>) {
        let Some(admission) = self.limit.admit(address.ip()) else {
            if tls.is_none() {
                self.tasks.spawn(refuse(stream, self.door.stopping.clone()));
            }
            return;
        };
        if let Err(error) = tune(&stream) {
            tracing::debug!(target: "agent.http", from = %address, error = %error, "failed to tune connection");
        }
        let (door, remote) = (self.door.clone(), Remote::Tcp(address));
        match tls {
            None => {
                let serving = serve_http1(door, remote, stream);
                self.tasks.spawn(counted(admission, serving));
            }
            Some(tls) => {
                let serving = serve_https(door, remote, stream, tls, self.tasks.clone());
                self.tasks.spawn(counted(admission, serving));
            }
        }
    }
}

async fn counted(admission: Admission, serving: impl Future<Output = ()>) {
    serving.await;
    drop(admission);
}

async fn pause(error: &io::Error) {
    tracing::warn!(target: "agent.http", error = %error, "failed to accept connection");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

async fn refuse(mut stream: TcpStream, stopping: CancellationToken) {
    let refusing = async {
        stream.write_all(TOO_MANY_CONNECTIONS).await?;
        stream.shutdown().await?;
        // The request that is on its way is read, or closing would take the answer back.
        stream.read(&mut [0; SMALLEST_HEADER_BYTES]).await
    };
    let bounded = tokio::time::timeout(REFUSAL_GRACE, refusing);
    if let Some(Ok(Err(error))) = stopping.run_until_cancelled(bounded).await {
        tracing::trace!(target: "agent.http", error = %error, "failed to refuse connection");
    }
}

/// Room for headers in the protocol engine: more than are answered, so that the refusal is ours and can be read.
fn header_room_bytes(door: &Door) -> usize {
    door.settings.header_limit_bytes().saturating_mul(2).max(SMALLEST_HEADER_BYTES)
}

async fn serve_http1<S>(door: Arc<Door>, remote: Remote, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stopping = door.stopping.clone();
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).max_buf_size(header_room_bytes(&door)).header_read_timeout(None);
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(pipeline::answer(door, remote, request).await) }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = stopping.run_until_cancelled(connection.as_mut()).await;
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        log_end(remote, tokio::time::timeout(GRACE, connection).await.ok());
    } else {
        log_end(remote, ended);
    }
}

async fn serve_https(door: Arc<Door>, remote: Remote, stream: TcpStream, tls: TlsAcceptor, tasks: TaskTracker) {
    let stopping = door.stopping.clone();
    let bound = door.settings.https_handshake_timeout;
    let shaken = stopping.run_until_cancelled(shake_hands(&tls, stream, bound)).await;
    let Some(Some(stream)) = shaken else { return };
    if !stream.speaks_http2() {
        return serve_http1(door, remote, stream).await;
    }
    let mut builder = http2::Builder::new(TrackedExecutor(tasks));
    builder.max_header_list_size(u32::try_from(header_room_bytes(&door)).unwrap_or(u32::MAX));
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(pipeline::answer(door, remote, request).await) }
    });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = stopping.run_until_cancelled(connection.as_mut()).await;
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        log_end(remote, tokio::time::timeout(GRACE, connection).await.ok());
    } else {
        log_end(remote, ended);
    }
}

fn log_end(remote: Remote, ended: Option<Result<(), hyper::Error>>) {
    if let Some(Err(error)) = ended {
        tracing::trace!(target: "agent.http", from = %remote, error = %error, "connection ended");
    }
}

/// Runs the streams of HTTP/2 connections as tasks that are awaited in the end.
#[derive(Clone)]
struct TrackedExecutor(TaskTracker);

impl<F> hyper::rt::Executor<F> for TrackedExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
