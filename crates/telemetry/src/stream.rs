//! Live streams of log lines, each with a level and form of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tracing_core::Level;

use crate::subscriber::Hub;

/// Lines a stream holds for a slow reader; those that come on top are dropped and counted
/// (`docs/spec/http-api.md`, `/v1/agent/monitor`).
pub const STREAM_QUEUE_LINES: usize = 512;

/// A live stream of log lines, from [`crate::Logs::subscribe`]. It ends when dropped.
#[derive(Debug)]
pub struct LogStream {
    id: u64,
    lines: mpsc::Receiver<Arc<str>>,
    dropped: Arc<AtomicU64>,
    hub: Arc<Hub>,
}

impl LogStream {
    /// The next line, with its line end. Cancelling the wait loses nothing.
    pub async fn recv(&mut self) -> Option<Arc<str>> {
        self.lines.recv().await
    }

    /// The next line if one is waiting.
    pub fn try_recv(&mut self) -> Option<Arc<str>> {
        self.lines.try_recv().ok()
    }

    /// How many lines were dropped so far because the reader was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        self.hub.remove_stream(self.id);
    }
}

/// The writing end of a [`LogStream`].
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) id: u64,
    pub(crate) level: Level,
    pub(crate) json: bool,
    lines: mpsc::Sender<Arc<str>>,
    dropped: Arc<AtomicU64>,
}

impl Feed {
    /// Hands a line over, or counts it as dropped; never waits.
    pub(crate) fn push(&self, line: Arc<str>) {
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A stream and its writing end.
pub(crate) fn pair(id: u64, level: Level, json: bool, hub: Arc<Hub>) -> (Feed, LogStream) {
    let (sender, receiver) = mpsc::channel(STREAM_QUEUE_LINES);
    let dropped = Arc::new(AtomicU64::new(0));
    let feed = Feed { id, level, json, lines: sender, dropped: dropped.clone() };
    (feed, LogStream { id, lines: receiver, dropped, hub })
}
