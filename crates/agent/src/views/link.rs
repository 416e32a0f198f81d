//! The one connection of all views.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use streaming::{Channel, Code, Status};
use tokio::time::timeout;

use super::Connect;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that opens when it is needed. Who comes while it is being opened shares what becomes of it.
pub(super) struct Link {
    connect: Connect,
    /// Counts tries.
    tries: AtomicU64,
    /// The turn of whoever opens it.
    turn: tokio::sync::Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    channel: Option<Arc<Channel>>,
    failed: Option<Status>,
}

impl Link {
    pub(super) fn new(connect: Connect) -> Link {
        Link { connect, tries: AtomicU64::new(0), turn: tokio::sync::Mutex::default() }
    }

    /// The connection.
    pub(super) async fn channel(&self) -> Result<Arc<Channel>, Status> {
        let tries = self.tries.load(Ordering::Acquire);
        let mut slot = self.turn.lock().await;
        if let Some(channel) = slot.channel.as_ref().filter(|channel| channel.is_open()) {
            return Ok(channel.clone());
        }
        slot.channel = None;
        // It was tried while this waited for its turn.
        if self.tries.load(Ordering::Acquire) != tries
            && let Some(failed) = &slot.failed
        {
            return Err(failed.clone());
        }
        let opened = self.open().await;
        self.tries.fetch_add(1, Ordering::AcqRel);
        slot.failed = opened.as_ref().err().cloned();
        slot.channel = opened.as_ref().ok().cloned();
        opened
    }

    /// Leaves a connection to the subscriptions it has: the next one opens another.
    pub(super) async fn give_up(&self, channel: &Arc<Channel>) {
        let mut slot = self.turn.lock().await;
        slot.channel = slot.channel.take().filter(|current| !Arc::ptr_eq(current, channel));
    }

    /// Closes the connection, which ends every subscription.
    pub(super) async fn close(&self) {
        if let Some(channel) = self.turn.lock().await.channel.take() {
            channel.close();
        }
    }

    async fn open(&self) -> Result<Arc<Channel>, Status> {
        let unavailable = |cause: String| Status::new(Code::Unavailable, format!("connection error: {cause}"));
        let conn = match timeout(CONNECT_TIMEOUT, (self.connect)()).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(error)) => return Err(unavailable(error.to_string())),
            Err(_) => return Err(unavailable("timed out".to_owned())),
        };
        Channel::open(conn).await.map(Arc::new)
    }
}
