//! Requests over UDP: received, answered and sent in batches.
//!
//! Several workers share a socket. A worker polls the answer to each request once, in place; most are there at once,
//! for a server reads them from its own state. An answer that has to wait moves into a task of its own.

use std::future::{poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::Poll;

use telemetry::metrics::{self, Counter};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio_util::sync::ReusableBoxFuture;

use super::Door;
use super::datagram::{Datagram, Inbox, LocalAddress, Outgoing, announce_local_address, send};
use crate::context::Context;
use crate::respond::respond;
use crate::server::Transport;

/// Most workers of a socket.
const WORKERS_MAX: usize = 4;
/// So many requests of a socket may wait for an answer; what comes beyond is dropped.
const MAX_PENDING: usize = 4096;
/// Reply buffers a worker keeps for later.
const SPARE_BUFFERS: usize = 64;
/// A larger buffer is not kept.
const SPARE_MAX_BYTES: usize = 4096;

/// Starts the workers of a socket.
pub(super) fn serve(door: &Door, socket: UdpSocket) -> io::Result<()> {
    let tells_local_address = socket.local_addr()?.ip().is_unspecified();
    if tells_local_address {
        announce_local_address(&socket)?;
    }
    let socket = Arc::new(socket);
    let places = Arc::new(Semaphore::new(MAX_PENDING));
    let dropped = metrics::counter("dns.dropped_queries");
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    for _ in 0..workers {
        let worker = Worker {
            door: door.clone(),
            socket: socket.clone(),
            places: places.clone(),
            dropped: dropped.clone(),
            inbox: Inbox::new(tells_local_address),
            spare: Vec::new(),
        };
        let stopping = door.stopping.clone();
        door.tasks.spawn(async move { stopping.run_until_cancelled(worker.run()).await });
    }
    Ok(())
}

struct Worker {
    door: Door,
    socket: Arc<UdpSocket>,
    places: Arc<Semaphore>,
    dropped: Counter,
    inbox: Inbox,
    /// Buffers for replies.
    spare: Vec<Vec<u8>>,
}

/// The answer to a request, if there is one.
type Answer = ReusableBoxFuture<'static, Option<Vec<u8>>>;

impl Worker {
    async fn run(mut self) {
        let mut answer = Answer::new(ready(None));
        let mut outgoing = Vec::new();
        loop {
            let (socket, inbox) = (&self.socket, &mut self.inbox);
            let fd = socket.as_raw_fd();
            if let Err(error) = socket.async_io(Interest::READABLE, || inbox.receive(fd)).await {
                // An error of an earlier reply (nobody there any more) shows up here; the socket goes on.
                tracing::debug!(target: "agent.dns", error = %error, "failed to receive");
                continue;
            }
            for index in 0..self.inbox.len() {
                let Some(datagram) = self.inbox.get(index) else { break };
                let future = answer_to(self.door.context.clone(), &datagram, self.spare.pop().unwrap_or_default());
                answer.set(future);
                let (client, local) = (datagram.client, datagram.local);
                // Polled once, in place.
                match poll_fn(|cx| Poll::Ready(answer.poll(cx))).await {
                    Poll::Ready(Some(bytes)) => outgoing.push(Outgoing { bytes, client, local }),
                    Poll::Ready(None) => {}
                    Poll::Pending => {
                        let waiting = std::mem::replace(&mut answer, Answer::new(ready(None)));
                        self.wait_elsewhere(waiting, client, local);
                    }
                }
            }
            send(&self.socket, &outgoing).await;
            for Outgoing { bytes, .. } in outgoing.drain(..) {
                if self.spare.len() < SPARE_BUFFERS && bytes.capacity() <= SPARE_MAX_BYTES {
                    self.spare.push(bytes);
                }
            }
        }
    }

    /// Lets an answer that is not there yet come in a task of its own.
    fn wait_elsewhere(&self, answer: Answer, client: SocketAddr, local: Option<LocalAddress>) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.dropped.one();
            return;
        };
        let (socket, stopping) = (self.socket.clone(), self.door.stopping.clone());
        self.door.tasks.spawn(async move {
            if let Some(Some(bytes)) = stopping.run_until_cancelled(answer).await {
                send(&socket, &[Outgoing { bytes, client, local }]).await;
            }
            drop(place);
        });
    }
}

/// The answer to a datagram, written into `reply`.
fn answer_to(
    context: Arc<Context>,
    datagram: &Datagram<'_>,
    mut reply: Vec<u8>,
) -> impl Future<Output = Option<Vec<u8>>> + Send + use<> {
    let packet = datagram.bytes.to_vec();
    let client = datagram.client;
    async move {
        let answered = respond(&context, &packet, Transport::Udp, client, &mut reply).await;
        answered.then_some(reply)
    }
}
