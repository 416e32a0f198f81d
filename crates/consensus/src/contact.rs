//! When this server last heard from a leader.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

const NEVER: u64 = 0;

pub(crate) struct Contact {
    started: Instant,
    /// Milliseconds since `started`, plus one.
    last: AtomicU64,
    /// After this long a silence the leader counts as gone.
    stale_after: Duration,
    revived: Notify,
}

impl Contact {
    pub(crate) fn new(stale_after: Duration) -> Contact {
        Contact { started: Instant::now(), last: AtomicU64::new(NEVER), stale_after, revived: Notify::new() }
    }

    /// The leader was heard just now.
    pub(crate) fn touch(&self) {
        let was_fresh = self.is_fresh();
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        self.last.store(now, Ordering::Release);
        if !was_fresh {
            self.revived.notify_one();
        }
    }

    /// Resolves when the leader is heard after a silence.
    pub(crate) async fn revived(&self) {
        self.revived.notified().await;
    }

    /// Time since the leader was heard; `None` when it never was.
    pub(crate) fn age(&self) -> Option<Duration> {
        let last = self.last()?;
        Some(Instant::now().saturating_duration_since(last))
    }

    /// Whether the leader was heard lately.
    pub(crate) fn is_fresh(&self) -> bool {
        self.age().is_some_and(|age| age < self.stale_after)
    }

    /// When the leader will count as gone if nothing more is heard of it: from the start on when it never was heard.
    pub(crate) fn stale_at(&self) -> Instant {
        self.last().unwrap_or(self.started) + self.stale_after
    }

    fn last(&self) -> Option<Instant> {
        match self.last.load(Ordering::Acquire) {
            NEVER => None,
            last => Some(self.started + Duration::from_millis(last - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE_AFTER: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_contact_grows_stale_and_is_revived() {
        let contact = Contact::new(STALE_AFTER);
        assert_eq!((contact.age(), contact.is_fresh()), (None, false));
        contact.touch();
        contact.revived().await;
        assert_eq!((contact.age(), contact.is_fresh()), (Some(Duration::ZERO), true));
        assert_eq!(contact.stale_at(), Instant::now() + STALE_AFTER);

        tokio::time::advance(STALE_AFTER).await;
        assert_eq!((contact.age(), contact.is_fresh()), (Some(STALE_AFTER), false));
        contact.touch();
        contact.revived().await;
        assert!(contact.is_fresh());
    }
}
