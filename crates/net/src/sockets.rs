//! The machine's own sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

use crate::{BoxConn, BoxFuture, Datagrams, Listener, Network};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Receive buffer asked for; halved until the system grants it.
const RECEIVE_BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// A silent peer is asked after this long whether it is there, and again at these intervals.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The machine's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Network for Sockets {
    fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> BoxFuture<'static, io::Result<BoxConn>> {
        Box::pin(async move {
            let socket = new_socket(to)?;
            // The unspecified address would name no source, only a family.
            if let Some(from) = from.filter(|ip| !ip.is_unspecified() && ip.is_ipv4() == to.is_ipv4()) {
                socket.bind(SocketAddr::new(from, 0))?;
            }
            let stream = socket.connect(to).await?;
            prepare(&stream)?;
            Ok(Box::new(stream) as BoxConn)
        })
    }

    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let socket = new_socket(at)?;
            // A restarted agent takes its port back although connections of the last run linger.
            socket.set_reuseaddr(true)?;
            socket.bind(at)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok(Box::new(TcpDoor { listener, address }) as Box<dyn Listener>)
        })
    }

    fn datagrams(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn Datagrams>>> {
        Box::pin(async move {
            let socket = UdpSocket::bind(at).await?;
            widen(&socket);
            let address = socket.local_addr()?;
            Ok(Arc::new(UdpDoor { socket, address }) as Arc<dyn Datagrams>)
        })
    }
}

fn new_socket(for_address: SocketAddr) -> io::Result<TcpSocket> {
    if for_address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?;
    Ok(sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE)?)
}

/// A burst of gossip must not be lost while the reader is busy; less than asked for still works.
fn widen(socket: &UdpSocket) {
    let mut bytes = RECEIVE_BUFFER_BYTES;
    while bytes > 0 && sockopt::set_socket_recv_buffer_size(socket, bytes).is_err() {
        bytes /= 2;
    }
}

struct TcpDoor {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener for TcpDoor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxConn, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            prepare(&stream)?;
            Ok((Box::new(stream) as BoxConn, from))
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

struct UdpDoor {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Datagrams for UdpDoor {
    fn send<'a>(&'a self, to: SocketAddr, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.socket.send_to(data, to).await.map(drop) })
    }

    fn receive<'a>(&'a self, buffer: &'a mut [u8]) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(self.socket.recv_from(buffer))
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}
