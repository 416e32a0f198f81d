//! Whether something that is kept is still asked for.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Who asks for something now, and when somebody last did.
#[derive(Debug)]
pub(crate) struct Usage(Mutex<Used>);

#[derive(Debug)]
struct Used {
    callers: usize,
    last: Instant,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage(Mutex::new(Used { callers: 0, last: Instant::now() }))
    }
}

impl Usage {
    /// Somebody begins to ask.
    pub(crate) fn enter(&self) {
        self.0.lock().callers += 1;
    }

    /// Somebody has been answered, or gave up.
    pub(crate) fn leave(&self) {
        let mut used = self.0.lock();
        used.callers = used.callers.saturating_sub(1);
        used.last = Instant::now();
    }

    /// Since when nobody asks; nothing while somebody does.
    pub(crate) fn unused_since(&self) -> Option<Instant> {
        let used = self.0.lock();
        (used.callers == 0).then_some(used.last)
    }

    /// Whether nobody has asked for so long.
    pub(crate) fn is_idle(&self, limit: Duration) -> bool {
        self.unused_since().is_some_and(|since| since.elapsed() >= limit)
    }

    /// When it may be idle at the earliest.
    pub(crate) fn idle_at(&self, limit: Duration) -> Instant {
        self.unused_since().unwrap_or_else(Instant::now) + limit
    }
}
