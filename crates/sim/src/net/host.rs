//! The network as a host sees it.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use net::{BoxConn, BoxFuture, Datagrams, Listener, Network};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use super::Net;
use super::conn::End;
use super::datagrams::Post;
use super::world::{Knock, Listening, Seat};

/// Pause before whoever lives on after a crash learns that there is no way: it must not try again without end at once.
const STALE_PAUSE: Duration = Duration::from_secs(1);

/// One life of a host.
pub(super) struct Host {
    pub(super) net: Net,
    pub(super) at: Seat,
}

impl Network for Host {
    fn connect(&self, _from: Option<IpAddr>, to: SocketAddr) -> BoxFuture<'static, io::Result<BoxConn>> {
        Box::pin(connect(self.net.clone(), self.at, to))
    }

    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let (net, seat) = (self.net.clone(), self.at);
        Box::pin(async move {
            let (queue, waiting) = mpsc::unbounded_channel();
            let mut world = net.world();
            check(world.is_stale(seat), seat, at)?;
            let is_taken = |world: &super::World, port| world.listeners.contains_key(&SocketAddr::new(seat.host, port));
            let port = world.port(seat.host, at.port(), is_taken)?;
            let address = SocketAddr::new(seat.host, port);
            world.listeners.insert(address, Listening { at: seat, queue });
            drop(world);
            Ok(Box::new(Ear { net, at: seat, address, waiting }) as Box<dyn Listener>)
        })
    }

    fn datagrams(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Arc<dyn Datagrams>>> {
        let (net, seat) = (self.net.clone(), self.at);
        Box::pin(async move {
            let mut world = net.world();
            check(world.is_stale(seat), seat, at)?;
            let is_taken = |world: &super::World, port| world.sockets.contains_key(&SocketAddr::new(seat.host, port));
            let port = world.port(seat.host, at.port(), is_taken)?;
            let address = SocketAddr::new(seat.host, port);
            let arrived = world.open_socket(seat, address);
            drop(world);
            Ok(Arc::new(Post { net, at: seat, address, arrived }) as Arc<dyn Datagrams>)
        })
    }
}

/// A host has one address.
fn check(is_stale: bool, seat: Seat, at: SocketAddr) -> io::Result<()> {
    if is_stale || (at.ip() != seat.host && !at.ip().is_unspecified()) {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(())
}

async fn connect(net: Net, seat: Seat, to: SocketAddr) -> io::Result<BoxConn> {
    let mut changes = net.changes.subscribe();
    loop {
        changes.borrow_and_update();
        let is_stale = net.world().is_stale(seat);
        if is_stale {
            sleep(STALE_PAUSE).await;
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let knock = net.world().knock(seat.host, to.ip());
        match knock {
            // The network itself holds the sender, so that the channel does not end.
            Knock::Unanswered => drop(changes.changed().await),
            Knock::Answered(at) => {
                sleep_until(at).await;
                if let Some(entered) = enter(&net, seat, to) {
                    return entered;
                }
            }
        }
    }
}

/// The answer to a connection attempt; nothing when it got lost meanwhile.
fn enter(net: &Net, seat: Seat, to: SocketAddr) -> Option<io::Result<BoxConn>> {
    let mut world = net.world();
    if world.is_stale(seat) {
        return Some(Err(io::ErrorKind::NetworkUnreachable.into()));
    }
    if matches!(world.knock(seat.host, to.ip()), Knock::Unanswered) {
        return None;
    }
    let Some(Listening { at: far, queue }) = world.listeners.get(&to) else {
        return Some(Err(io::ErrorKind::ConnectionRefused.into()));
    };
    let (far, queue) = (*far, queue.clone());
    let source = match world.source(seat.host) {
        Ok(source) => source,
        Err(error) => return Some(Err(error)),
    };
    let (there, back) = world.lay_pipes(seat.host, to.ip());
    // Ends release their pipes when dropped, for which they need the network.
    drop(world);
    let near_end = End::new(net.clone(), seat, back, there);
    let far_end = End::new(net.clone(), far, there, back);
    match queue.send((Box::new(far_end), source)) {
        Ok(()) => Some(Ok(Box::new(near_end))),
        Err(_) => Some(Err(io::ErrorKind::ConnectionRefused.into())),
    }
}

/// An open port.
struct Ear {
    net: Net,
    at: Seat,
    address: SocketAddr,
    waiting: mpsc::UnboundedReceiver<(BoxConn, SocketAddr)>,
}

impl Listener for Ear {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxConn, SocketAddr)>> {
        Box::pin(async move {
            match self.waiting.recv().await {
                Some(accepted) => Ok(accepted),
                // The host is off.
                None => pending().await,
            }
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut world = self.net.world();
        if world.listeners.get(&self.address).is_some_and(|listening| listening.at == self.at) {
            world.listeners.remove(&self.address);
        }
    }
}
