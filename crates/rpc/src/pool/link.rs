//! A session of the pool and its idle streams.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::codec::CallStream;
use crate::yamux::Session;

/// One session with a server. Its last user closes it.
#[derive(Debug)]
pub(super) struct Link {
    session: Session,
    idle: Mutex<Vec<CallStream>>,
    begun: Instant,
    /// When it was used last, in milliseconds since it began.
    used: AtomicU64,
}

impl Link {
    pub(super) fn new(session: Session) -> Link {
        Link { session, idle: Mutex::new(Vec::new()), begun: Instant::now(), used: AtomicU64::new(0) }
    }

    /// A stream for one call.
    ///
    /// # Errors
    /// The text of what kept one from being opened.
    pub(super) async fn stream(&self) -> Result<CallStream, String> {
        while let Some(stream) = self.take_idle() {
            // The server may have closed it since.
            if stream.is_quiet() {
                return Ok(stream);
            }
        }
        match self.session.open().await {
            Ok(stream) => Ok(CallStream::new(Channel::Stream(stream))),
            Err(error) => Err(error.to_string()),
        }
    }

    fn take_idle(&self) -> Option<CallStream> {
        self.idle.lock().pop()
    }

    /// Keeps a stream for the next call, if not too many are kept already.
    pub(super) fn keep(&self, stream: CallStream, max_idle: usize) {
        self.used.store(self.age(), Ordering::Relaxed);
        let mut idle = self.idle.lock();
        if idle.len() < max_idle {
            idle.push(stream);
            return;
        }
        drop(idle);
        drop(stream);
    }

    /// Whether calls can still be made over it, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_open()
    }

    /// How long nobody has used it.
    pub(super) fn idle_for(&self) -> Duration {
        Duration::from_millis(self.age().saturating_sub(self.used.load(Ordering::Relaxed)))
    }

    fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.session.close();
    }
}
