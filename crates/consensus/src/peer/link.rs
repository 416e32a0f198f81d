//! One connection to one peer: opened when it is needed, given up when it shows no sign of life, opened again.
//!
//! Each link is one task, which alone knows the connection; callers hand it frames and wait for answers.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::BoxConn;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::frame::{self, Frame, FrameReader, Kind, invalid};
use super::peers::Peers;
use crate::ServerId;

/// Requests that may wait for a connection.
const QUEUE: usize = 64;
/// Without a sign of life for this long while answers are due, a connection is dead: a partition leaves no other trace.
/// The peer gives one every `WORKING_INTERVAL`.
const STALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How often that is checked.
const STALL_CHECK: Duration = Duration::from_millis(500);
/// Pause after a connection could not be opened, and its bound; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Why a call got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0}")]
    Unreachable(String),
    #[error("connection lost")]
    Lost,
    #[error("refused: {0}")]
    Refused(String),
}

type Answer = Result<Bytes, CallError>;

/// An answer that is due.
pub(crate) struct Due(oneshot::Receiver<Answer>);

impl Due {
    /// Waits for it. Dropping the future loses nothing.
    pub(crate) async fn get(&mut self) -> Answer {
        (&mut self.0).await.unwrap_or(Err(CallError::Lost))
    }
}

struct Request {
    /// Lacks its number.
    frame: Vec<u8>,
    /// Worth a try although the last one has just failed.
    urgent: bool,
    answer: oneshot::Sender<Answer>,
}

impl Request {
    fn fail(self, error: &CallError) {
        // A caller that has given up does not mind.
        let _ = self.answer.send(Err(error.clone()));
    }
}

/// The callers' end; when the last is dropped, the connection is closed.
pub(crate) struct Link {
    requests: mpsc::Sender<Request>,
}

impl Link {
    /// A link to `peer` and the task that serves it.
    pub(super) fn new(peers: Arc<Peers>, peer: ServerId) -> (Link, impl Future<Output = ()> + Send + 'static) {
        let (sender, requests) = mpsc::channel(QUEUE);
        let task = Task { peers, peer, requests, failures: 0, quiet_until: None };
        (Link { requests: sender }, task.run())
    }

    /// Sends a frame, without its number; the answer comes in the order of the peer's work.
    pub(crate) async fn send(&self, frame: Vec<u8>, urgent: bool) -> Due {
        let (answer, due) = oneshot::channel();
        // When the link has ended, the answer is dropped unsent, which says as much.
        let _ = self.requests.send(Request { frame, urgent, answer }).await;
        Due(due)
    }
}

struct Task {
    peers: Arc<Peers>,
    peer: ServerId,
    requests: mpsc::Receiver<Request>,
    /// Connections in a row that could not be opened.
    failures: u32,
    quiet_until: Option<(Instant, CallError)>,
}

impl Task {
    async fn run(mut self) {
        let peers = self.peers.clone();
        tokio::select! {
            biased;
            () = peers.stopped() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        while let Some(request) = self.requests.recv().await {
            if request.answer.is_closed() {
                continue;
            }
            match &self.quiet_until {
                Some((until, error)) if !request.urgent && Instant::now() < *until => request.fail(error),
                _ => self.connect_and_serve(request).await,
            }
        }
    }

    async fn connect_and_serve(&mut self, request: Request) {
        let conn = match self.peers.connect(self.peer).await {
            Ok(conn) => conn,
            Err(error) => return self.note_failure(error, request),
        };
        self.failures = 0;
        self.quiet_until = None;
        let ended = serve(conn, &mut self.requests, request).await;
        tracing::debug!(target: "agent.server.raft", peer = %self.peer, reason = ?ended.err(), "raft connection ended");
    }

    fn note_failure(&mut self, error: io::Error, request: Request) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(MAX_PAUSE);
        if self.failures == 0 {
            tracing::warn!(target: "agent.server.raft", peer = %self.peer, address = self.peers.address(self.peer),
                error = %error, "failed to connect to peer");
        }
        self.failures = self.failures.saturating_add(1);
        let error = CallError::Unreachable(error.to_string());
        request.fail(&error);
        while let Ok(waiting) = self.requests.try_recv() {
            waiting.fail(&error);
        }
        self.quiet_until = Some((Instant::now() + pause, error));
    }
}

/// What is under way on a connection.
#[derive(Default)]
struct UnderWay {
    answers: HashMap<u64, oneshot::Sender<Answer>>,
    /// The last sign of life, or when the first answer became due.
    heard: Option<Instant>,
}

impl UnderWay {
    fn add(&mut self, number: u64, answer: oneshot::Sender<Answer>) {
        if self.answers.is_empty() {
            self.heard = Some(Instant::now());
        }
        self.answers.insert(number, answer);
    }

    fn take(&mut self, frame: Frame) -> io::Result<()> {
        self.heard = Some(Instant::now());
        let answer = match frame.kind {
            Kind::Working => return Ok(()),
            Kind::Answer => Ok(frame.body),
            Kind::Refused => Err(CallError::Refused(String::from_utf8_lossy(&frame.body).into_owned())),
            other => return Err(invalid(format!("unexpected {other:?} among answers"))),
        };
        if let Some(due) = self.answers.remove(&frame.number) {
            let _ = due.send(answer);
        }
        Ok(())
    }

    fn is_stalled(&self) -> bool {
        !self.answers.is_empty() && self.heard.is_none_or(|heard| heard.elapsed() >= STALL_TIMEOUT)
    }
}

/// Sends requests and hands out answers until the connection or the link ends. Whatever is under way then fails.
async fn serve(conn: BoxConn, requests: &mut mpsc::Receiver<Request>, first: Request) -> io::Result<()> {
    let (read, write) = tokio::io::split(conn);
    let under_way = Mutex::new(UnderWay::default());
    tokio::select! {
        ended = read_answers(FrameReader::new(read), &under_way) => ended,
        ended = write_requests(write, requests, first, &under_way) => ended,
    }
}

async fn read_answers(mut frames: FrameReader<impl AsyncRead + Unpin>, under_way: &Mutex<UnderWay>) -> io::Result<()> {
    loop {
        match tokio::time::timeout(STALL_CHECK, frames.next()).await {
            Ok(frame) => match frame? {
                Some(frame) => under_way.lock().take(frame)?,
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            },
            Err(_) if under_way.lock().is_stalled() => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no sign of life"));
            }
            Err(_) => {}
        }
    }
}

async fn write_requests(
    mut write: impl AsyncWrite + Unpin,
    requests: &mut mpsc::Receiver<Request>,
    first: Request,
    under_way: &Mutex<UnderWay>,
) -> io::Result<()> {
    let mut next = Some(first);
    let mut number = 0;
    loop {
        let request = match next.take() {
            Some(request) => request,
            None => {
                write.flush().await?;
                match requests.recv().await {
                    Some(request) => request,
                    None => return Ok(()),
                }
            }
        };
        if !request.answer.is_closed() {
            let Request { mut frame, answer, .. } = request;
            number += 1;
            frame::seal(&mut frame, number);
            under_way.lock().add(number, answer);
            write.write_all(&frame).await?;
        }
        next = requests.try_recv().ok();
    }
}
