//! The seam to the network. Gossip, the server port and Raft reach other machines through a [`Network`], and nothing
//! else: the machine's own sockets, or a simulated network in which whole clusters run in one process.

#![forbid(unsafe_code)]

mod sockets;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

pub use sockets::Sockets;

/// A byte stream in both directions. Shutting down its write side half-closes it.
pub trait Conn: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Conn for T {}

/// Any connection.
pub type BoxConn = Box<dyn Conn>;

/// A future behind a pointer, as traits that are used as objects answer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Ways to other machines.
pub trait Network: Send + Sync + 'static {
    /// Opens a stream to `to`, from the local address `from` if one is given. It has no timeout of its own.
    fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> BoxFuture<'static, io::Result<BoxConn>>;

    /// Takes streams at this address; port 0 is any free one.
    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;

    /// Takes and sends datagrams at this address; port 0 is any free one.
    fn datagrams(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn Datagrams>>>;
}

/// Streams that others open.
pub trait Listener: Send + 'static {
    /// The next one, and where it comes from.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxConn, SocketAddr)>>;

    /// Where it listens.
    fn local_addr(&self) -> SocketAddr;
}

/// Datagrams in both directions.
pub trait Datagrams: Send + Sync + 'static {
    /// Sends one.
    fn send<'a>(&'a self, to: SocketAddr, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>>;

    /// Receives one; what does not fit the buffer is cut off. Answers its length and where it comes from.
    fn receive<'a>(&'a self, buffer: &'a mut [u8]) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>>;

    /// Where it is bound.
    fn local_addr(&self) -> SocketAddr;
}
