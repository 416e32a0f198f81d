//! A socket for datagrams.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use net::{BoxFuture, Datagrams};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Net;
use super::world::Seat;

pub(super) struct Post {
    pub(super) net: Net,
    pub(super) at: Seat,
    pub(super) address: SocketAddr,
    pub(super) arrived: Arc<Notify>,
}

impl Datagrams for Post {
    fn send<'a>(&'a self, to: SocketAddr, data: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move {
            self.net.world().send(self.at, self.address, to, data);
            Ok(())
        })
    }

    fn receive<'a>(&'a self, buffer: &'a mut [u8]) -> BoxFuture<'a, io::Result<(usize, SocketAddr)>> {
        Box::pin(async move {
            loop {
                let received = self.net.world().receive(self.at, self.address);
                let next = match received {
                    Ok((from, data)) => {
                        let length = data.len().min(buffer.len());
                        buffer[..length].copy_from_slice(&data[..length]);
                        return Ok((length, from));
                    }
                    Err(next) => next,
                };
                tokio::select! {
                    biased;
                    () = self.arrived.notified() => {}
                    () = until(next) => {}
                }
            }
        })
    }

    fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let mut world = self.net.world();
        if world.sockets.get(&self.address).is_some_and(|socket| socket.at == self.at) {
            world.sockets.remove(&self.address);
        }
    }
}
