//! The one connection of all views.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rpc::Target;
use streaming::{Channel, Code, Status};
use tokio::time::timeout;

use super::ServerChoice;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that opens when it is needed. Who comes while it is being opened shares what becomes of it.
pub(super) struct Link {
    servers: Arc<dyn ServerChoice>,
    /// Counts tries.
    tries: AtomicU64,
    /// The turn of whoever opens it.
    turn: tokio::sync::Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    line: Option<Arc<Line>>,
    failed: Option<Status>,
    /// Every connection that has subscriptions, also those that were given up.
    lines: Vec<Weak<Line>>,
}

/// A connection to a server.
pub(super) struct Line {
    pub(super) channel: Channel,
    server: Arc<Target>,
    left: AtomicBool,
}

impl Line {
    /// Whether it was closed on this side, for another server is to be asked.
    pub(super) fn was_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    fn leave(&self) {
        self.left.store(true, Ordering::Release);
        self.channel.close();
    }
}

impl Link {
    pub(super) fn new(servers: Arc<dyn ServerChoice>) -> Link {
        Link { servers, tries: AtomicU64::new(0), turn: tokio::sync::Mutex::default() }
    }

    /// The connection.
    pub(super) async fn line(&self) -> Result<Arc<Line>, Status> {
        let tries = self.tries.load(Ordering::Acquire);
        let mut slot = self.turn.lock().await;
        if let Some(line) = slot.line.as_ref().filter(|line| line.channel.is_open()) {
            return Ok(line.clone());
        }
        if let Some(broken) = slot.line.take() {
            self.servers.failed(&broken.server);
        }
        // It was tried while this waited for its turn.
        if self.tries.load(Ordering::Acquire) != tries
            && let Some(failed) = &slot.failed
        {
            return Err(failed.clone());
        }
        let opened = self.open().await;
        self.tries.fetch_add(1, Ordering::AcqRel);
        slot.failed = opened.as_ref().err().cloned();
        slot.line = opened.as_ref().ok().cloned();
        slot.lines.retain(|line| line.strong_count() > 0);
        slot.lines.extend(opened.as_ref().ok().map(Arc::downgrade));
        opened
    }

    /// Leaves a connection to the subscriptions it has: the next one opens another, to another server. Of all who give
    /// the same connection up, only the first does something.
    pub(super) async fn give_up(&self, line: &Arc<Line>) {
        let mut slot = self.turn.lock().await;
        if slot.line.as_ref().is_some_and(|current| Arc::ptr_eq(current, line)) {
            slot.line = None;
            self.servers.failed(&line.server);
        }
    }

    /// Closes every connection that does not go to the first server, which ends its subscriptions.
    pub(super) async fn follow_first(&self) {
        let mut slot = self.turn.lock().await;
        // Without servers, what there is may still do.
        let Ok(first) = self.servers.first() else { return };
        slot.line = slot.line.take().filter(|line| line.server == first);
        slot.lines.retain(|line| {
            let Some(line) = line.upgrade() else { return false };
            let stays = line.server == first;
            if !stays {
                line.leave();
            }
            stays
        });
    }

    async fn open(&self) -> Result<Arc<Line>, Status> {
        let server = self.servers.first().map_err(|error| unavailable(&error.to_string()))?;
        match self.open_to(&server).await {
            Ok(channel) => Ok(Arc::new(Line { channel, server, left: AtomicBool::new(false) })),
            Err(status) => {
                self.servers.failed(&server);
                Err(status)
            }
        }
    }

    async fn open_to(&self, server: &Arc<Target>) -> Result<Channel, Status> {
        let conn = match timeout(CONNECT_TIMEOUT, self.servers.connect(server)).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(error)) => return Err(unavailable(&error.to_string())),
            Err(_) => return Err(unavailable("timed out")),
        };
        Channel::open(conn).await
    }
}

fn unavailable(cause: &str) -> Status {
    Status::new(Code::Unavailable, format!("connection error: {cause}"))
}
