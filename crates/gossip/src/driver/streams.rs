//! Exchanges over streams: one request and at most one reply a connection (`docs/spec/gossip.md` §3.3).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use net::{BoxConn, Listener, Network};
use outgoing::cause::system_text;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Request;
use super::metrics::Metrics;
use crate::log::Log;
use crate::wire::{MAX_ENCRYPTED_STREAM_BYTES, StreamDecoder};
use crate::{ExchangeId, StreamId};

/// Requests of others that are served at a time; more are closed unread (`docs/spec/gossip.md` §8).
const INBOUND_MAX: usize = 128;
/// Requests of this node at a time; more fail at once. A pool needs a few.
const OUTBOUND_MAX: usize = 128;
/// Taken from the connection in one go.
const READ_BYTES: usize = 16 * 1024;
/// The other side closed the connection.
const EOF: &str = "EOF";
/// Pauses after a connection could not be accepted; they double.
const FIRST_ACCEPT_PAUSE: Duration = Duration::from_millis(5);
const LAST_ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What serving and making exchanges needs.
pub(super) struct Streams {
    network: Arc<dyn Network>,
    requests: mpsc::Sender<Request>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    metrics: Arc<Metrics>,
    log: Log,
    /// For a request of another node to be there, and once more for the reply to be written.
    deadline: Duration,
    inbound: Arc<Semaphore>,
    outbound: Arc<Semaphore>,
    last_id: AtomicU64,
}

/// One request of this node.
pub(super) struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) to: SocketAddr,
    pub(super) frame: Bytes,
    pub(super) wants_reply: bool,
    pub(super) deadline: Duration,
}

impl Streams {
    pub(super) fn new(
        network: Arc<dyn Network>,
        requests: mpsc::Sender<Request>,
        tasks: TaskTracker,
        stopping: CancellationToken,
        metrics: Arc<Metrics>,
        log: Log,
        deadline: Duration,
    ) -> Streams {
        Streams {
            network,
            requests,
            tasks,
            stopping,
            metrics,
            log,
            deadline,
            inbound: Arc::new(Semaphore::new(INBOUND_MAX)),
            outbound: Arc::new(Semaphore::new(OUTBOUND_MAX)),
            last_id: AtomicU64::new(0),
        }
    }

    /// Serves what others request, until the pool stops.
    pub(super) async fn accept(self: Arc<Self>, mut listener: Box<dyn Listener>) {
        let stopping = self.stopping.clone();
        stopping.run_until_cancelled(self.accept_all(listener.as_mut())).await;
    }

    async fn accept_all(&self, listener: &mut dyn Listener) {
        let mut pause = FIRST_ACCEPT_PAUSE;
        loop {
            match listener.accept().await {
                Ok((conn, from)) => {
                    pause = FIRST_ACCEPT_PAUSE;
                    self.take(conn, from);
                }
                Err(error) => {
                    self.log.error(format_args!("memberlist: Error accepting TCP connection: {error}"));
                    sleep(pause).await;
                    pause = (pause * 2).min(LAST_ACCEPT_PAUSE);
                }
            }
        }
    }

    fn take(&self, conn: BoxConn, from: SocketAddr) {
        self.metrics.tcp_accept.one();
        let Ok(permit) = self.inbound.clone().try_acquire_owned() else {
            self.log.error(format_args!("memberlist: Too many pending push/pull requests from={from}"));
            return;
        };
        self.log.debug(format_args!("memberlist: Stream connection from={from}"));
        let id = StreamId(self.last_id.fetch_add(1, Ordering::Relaxed));
        let serving = Inbound {
            id,
            from,
            deadline: self.deadline,
            requests: self.requests.clone(),
            metrics: self.metrics.clone(),
            log: self.log,
        };
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            stopping.run_until_cancelled_owned(serving.serve(conn)).await;
            drop(permit);
        });
    }

    /// Makes a request; how it ended is told to the pool. False: there are too many already, nothing will be told.
    pub(super) fn make(&self, exchange: Exchange) -> bool {
        let Ok(permit) = self.outbound.clone().try_acquire_owned() else { return false };
        self.metrics.tcp_connect.one();
        let connecting = self.network.connect(None, exchange.to);
        let making = make(exchange, connecting, self.requests.clone(), self.metrics.clone(), permit);
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move { stopping.run_until_cancelled_owned(making).await });
        true
    }
}

/// One request of another node.
struct Inbound {
    id: StreamId,
    from: SocketAddr,
    deadline: Duration,
    requests: mpsc::Sender<Request>,
    metrics: Arc<Metrics>,
    log: Log,
}

impl Inbound {
    async fn serve(self, mut conn: BoxConn) {
        let read = timeout(self.deadline, read_frame(&mut conn)).await;
        let frame = match read.unwrap_or_else(|_| Err(ReadError::Broken("i/o timeout".to_owned()))) {
            Ok(frame) => frame,
            // The core says what is wrong with it.
            Err(ReadError::Malformed { start, .. }) => start,
            // Someone looked whether the port is open.
            Err(ReadError::Broken(reason)) if reason == EOF => return,
            Err(ReadError::Broken(reason)) => {
                self.log.error(format_args!("memberlist: failed to receive: {reason} from={}", self.from));
                return;
            }
        };
        let (answer, answered) = oneshot::channel();
        let request = Request::Stream { id: self.id, from: self.from, frame, answer };
        if self.requests.send(request).await.is_err() {
            return;
        }
        let Ok(Some(reply)) = answered.await else { return };
        let written = timeout(self.deadline, write_frame(&mut conn, &reply, &self.metrics)).await;
        if !matches!(written, Ok(Ok(()))) {
            self.log.error(format_args!("memberlist: Failed to push local state from={}", self.from));
            // Only the pool itself could not be told, when it stops.
            let _told = self.requests.send(Request::StreamBroken(self.id)).await;
        }
    }
}

async fn make(
    exchange: Exchange,
    connecting: net::BoxFuture<'static, io::Result<BoxConn>>,
    requests: mpsc::Sender<Request>,
    metrics: Arc<Metrics>,
    permit: OwnedSemaphorePermit,
) {
    let Exchange { id, to, frame, wants_reply, deadline } = exchange;
    let until = Instant::now() + deadline;
    let exchanging = async {
        let mut conn = timeout_at(until, connecting)
            .await
            .map_err(|_| format!("dial tcp {to}: i/o timeout"))?
            .map_err(|error| format!("dial tcp {to}: connect: {}", system_text(&error)))?;
        let talking = ask(&mut conn, &frame, wants_reply, &metrics);
        timeout_at(until, talking).await.unwrap_or_else(|_| Err("i/o timeout".to_owned()))
    };
    let reply: Result<Bytes, String> = exchanging.await;
    drop(permit);
    // Only the pool itself could not be told, when it stops.
    let _told = requests.send(Request::Exchanged { id, reply }).await;
}

async fn ask(conn: &mut BoxConn, frame: &[u8], wants_reply: bool, metrics: &Metrics) -> Result<Bytes, String> {
    if !wants_reply {
        write_frame(conn, frame, metrics).await?;
        return Ok(Bytes::new());
    }
    // The write side stays open: the reference takes its end for the end of the exchange.
    conn.write_all(frame).await.map_err(|error| system_text(&error))?;
    conn.flush().await.map_err(|error| system_text(&error))?;
    metrics.tcp_sent.add(frame.len() as f64);
    read_frame(conn).await.map_err(|error| match error {
        ReadError::Broken(reason) | ReadError::Malformed { reason, .. } => reason,
    })
}

/// Why there is no frame.
enum ReadError {
    /// The connection ended or broke.
    Broken(String),
    /// What came is none.
    Malformed { reason: String, start: Bytes },
}

/// Reads one whole frame. Of what is none, the piece read last is handed back: where the fault is, mostly its start.
async fn read_frame(conn: &mut BoxConn) -> Result<Bytes, ReadError> {
    let mut decoder = StreamDecoder::new(MAX_ENCRYPTED_STREAM_BYTES);
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let read = conn.read(&mut chunk).await.map_err(|error| ReadError::Broken(system_text(&error)))?;
        if read == 0 {
            return Err(ReadError::Broken(EOF.to_owned()));
        }
        let bytes = chunk.get(..read).unwrap_or_default();
        let malformed = |reason| ReadError::Malformed { reason, start: Bytes::copy_from_slice(bytes) };
        if let Some(frame) = decoder.push(bytes).map_err(malformed)? {
            return Ok(frame);
        }
    }
}

/// Writes a frame, the last thing on this connection.
async fn write_frame(conn: &mut BoxConn, frame: &[u8], metrics: &Metrics) -> Result<(), String> {
    let writing = async {
        conn.write_all(frame).await?;
        conn.shutdown().await
    };
    writing.await.map_err(|error: io::Error| system_text(&error))?;
    metrics.tcp_sent.add(frame.len() as f64);
    Ok(())
}
