//! Sockets: accepting connections, TLS, Unix sockets (`docs/spec/http-api.md` §1.1).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Error;

/// Name of HTTP/2 in TLS.
pub(crate) const ALPN_H2: &[u8] = b"h2";
/// Name of HTTP/1.1 in TLS.
const ALPN_HTTP1: &[u8] = b"http/1.1";
/// Idle time before a TCP connection is probed, and time between probes.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// What is read of the first request while the handshake's time runs.
const FIRST_READ_BYTES: usize = 4096;

/// Where the API is served.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: Socket,
    /// TLS settings for HTTPS; the protocols on offer are set here. Not used by Unix sockets, which speak plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
}

/// A socket to listen on.
#[derive(Debug)]
pub enum Socket {
    /// A bound TCP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket, to be bound.
    Unix(UnixSocket),
}

/// A Unix socket and who may use it.
#[derive(Clone, Debug, Default)]
pub struct UnixSocket {
    /// Where; a file that is there already is removed.
    pub path: PathBuf,
    /// Numeric ID of the owner, unchanged without one.
    pub user: Option<u32>,
    /// Numeric ID of the group, unchanged without one.
    pub group: Option<u32>,
    /// Permission bits, unchanged without any.
    pub mode: Option<u32>,
}

/// A listener ready to accept.
pub(crate) enum Acceptor {
    Tcp(TcpListener, Option<TlsAcceptor>),
    Unix(UnixListener, RemovedPath),
}

/// A path that is removed with its listener.
pub(crate) struct RemovedPath(PathBuf);

impl Drop for RemovedPath {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(target: "agent.http", path = %self.0.display(), error = %error, "failed to remove socket");
        }
    }
}

impl Acceptor {
    pub(crate) fn new(listener: Listener) -> Result<Acceptor, Error> {
        match listener.socket {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true).map_err(Error::Listen)?;
                let socket = TcpListener::from_std(socket).map_err(Error::Listen)?;
                Ok(Acceptor::Tcp(socket, listener.tls.map(|config| tls_acceptor(&config))))
            }
            Socket::Unix(socket) => {
                let path = socket.path.clone();
                bind(&socket)
                    .map(|listener| Acceptor::Unix(listener, RemovedPath(path.clone())))
                    .map_err(|source| Error::UnixSocket { path, source })
            }
        }
    }
}

fn tls_acceptor(config: &ServerConfig) -> TlsAcceptor {
    let mut config = config.clone();
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

fn bind(socket: &UnixSocket) -> io::Result<UnixListener> {
    match std::fs::remove_file(&socket.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&socket.path)?;
    if socket.user.is_some() || socket.group.is_some() {
        std::os::unix::fs::chown(&socket.path, socket.user, socket.group)?;
    }
    if let Some(mode) = socket.mode {
        std::fs::set_permissions(&socket.path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(listener)
}

/// Answers without delay, and notices peers that vanished.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?;
    rustix::net::sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE)?;
    Ok(())
}

/// Shakes hands and waits for the first byte, within `bound`; nothing when the client did not make it.
pub(crate) async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    bound: Duration,
) -> Option<Rewound<TlsStream<TcpStream>>> {
    let first_byte = async {
        let mut stream = acceptor.accept(stream).await?;
        let mut first = BytesMut::with_capacity(FIRST_READ_BYTES);
        stream.read_buf(&mut first).await?;
        Ok::<_, io::Error>(Rewound { first: first.freeze(), inner: stream })
    };
    let shaken = tokio::time::timeout(bound, first_byte).await.ok()?.ok()?;
    (!shaken.first.is_empty()).then_some(shaken)
}

/// A stream whose first bytes were read already.
pub(crate) struct Rewound<S> {
    first: Bytes,
    inner: S,
}

impl Rewound<TlsStream<TcpStream>> {
    /// Whether the client chose HTTP/2.
    pub(crate) fn speaks_http2(&self) -> bool {
        self.inner.get_ref().1.alpn_protocol() == Some(ALPN_H2)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        }
        let length = this.first.len().min(buffer.remaining());
        buffer.put_slice(&this.first[..length]);
        this.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
