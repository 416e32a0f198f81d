//! Lock-delays: keys that may not be locked again yet (`docs/spec/rpc-and-state.md` §7.3).
//!
//! They are wall-clock state of the leader's, not part of the replicated state, and lost on a restart.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use types::Key;

/// Above this many remembered keys, expired ones are swept on the next insertion.
const SWEEP_ABOVE: usize = 1024;

/// The keys under a lock-delay, each with its end.
#[derive(Default)]
pub(crate) struct LockDelays {
    until: Mutex<HashMap<Key, Instant>>,
}

impl LockDelays {
    pub(crate) fn start(&self, key: Key, delay: Duration) {
        let now = Instant::now();
        let mut until = self.until.lock();
        if until.len() >= SWEEP_ABOVE {
            until.retain(|_, end| *end > now);
        }
        until.insert(key, now + delay);
    }

    /// True while `key` may not be locked.
    pub(crate) fn holds(&self, key: &[u8]) -> bool {
        let mut until = self.until.lock();
        let Some(end) = until.get(key) else { return false };
        if *end > Instant::now() {
            return true;
        }
        until.remove(key);
        false
    }

    pub(crate) fn clear(&self) {
        self.until.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_delay_ends_by_itself() {
        let delays = LockDelays::default();
        delays.start(Key::from("k"), Duration::from_secs(15));
        assert!(delays.holds(b"k"));
        assert!(!delays.holds(b"other"));
        tokio::time::advance(Duration::from_secs(14)).await;
        assert!(delays.holds(b"k"));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!delays.holds(b"k"));
    }

    #[tokio::test(start_paused = true)]
    async fn expired_delays_are_swept() {
        let delays = LockDelays::default();
        for n in 0..SWEEP_ABOVE {
            delays.start(Key::from(format!("k{n}").as_str()), Duration::from_secs(1));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        delays.start(Key::from("fresh"), Duration::from_secs(1));
        assert_eq!(delays.until.lock().len(), 1);
    }
}
