//! TTLs of sessions: timers of the leader's that end a session nobody renews (`docs/spec/rpc-and-state.md` §7.3).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A session ends after this many TTLs without renewal.
const TTL_MULTIPLIER: u32 = 2;

/// Timers of all sessions with a TTL. Starting, renewing and stopping one costs O(log n).
#[derive(Default)]
pub(crate) struct SessionTimers {
    timers: Mutex<Timers>,
    /// The earliest end may have moved forward.
    sooner: Notify,
}

#[derive(Default)]
struct Timers {
    ends: HashMap<String, Instant>,
    queue: BTreeSet<(Instant, String)>,
}

impl Timers {
    fn set(&mut self, id: &str, end: Instant) {
        self.remove(id);
        self.ends.insert(id.to_owned(), end);
        self.queue.insert((end, id.to_owned()));
    }

    fn remove(&mut self, id: &str) {
        if let Some(end) = self.ends.remove(id) {
            self.queue.remove(&(end, id.to_owned()));
        }
    }
}

impl SessionTimers {
    /// Starts or restarts a session's timer.
    pub(crate) fn renew(&self, id: &str, ttl: Duration) {
        self.set(id, ttl * TTL_MULTIPLIER);
    }

    /// Lets a session end after `wait` whatever its TTL.
    pub(crate) fn set(&self, id: &str, wait: Duration) {
        self.timers.lock().set(id, Instant::now() + wait);
        self.sooner.notify_one();
    }

    pub(crate) fn stop(&self, id: &str) {
        self.timers.lock().remove(id);
    }

    pub(crate) fn clear(&self) {
        *self.timers.lock() = Timers::default();
    }

    /// How many sessions have a timer.
    #[cfg(test)]
    fn active(&self) -> usize {
        self.timers.lock().ends.len()
    }

    /// Waits for the next session whose time is up, and forgets its timer.
    pub(crate) async fn expired(&self) -> String {
        loop {
            let sooner = self.sooner.notified();
            let next = self.timers.lock().queue.first().map(|(end, _)| *end);
            match next {
                None => sooner.await,
                Some(end) => tokio::select! {
                    () = sooner => {}
                    () = tokio::time::sleep_until(end) => {
                        if let Some(id) = self.pop_expired() {
                            return id;
                        }
                    }
                },
            }
        }
    }

    /// Forgets and names one session whose time is up, if there is one.
    pub(crate) fn pop_expired(&self) -> Option<String> {
        let mut timers = self.timers.lock();
        let (end, _) = timers.queue.first()?;
        if *end > Instant::now() {
            return None;
        }
        let (_, id) = timers.queue.pop_first()?;
        timers.ends.remove(&id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_twice_its_ttl() {
        let timers = SessionTimers::default();
        let start = Instant::now();
        timers.renew("a", TTL);
        assert_eq!(timers.expired().await, "a");
        assert_eq!(start.elapsed(), TTL * 2);
        assert_eq!(timers.active(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn renewal_starts_over() {
        let timers = SessionTimers::default();
        let start = Instant::now();
        timers.renew("a", TTL);
        tokio::time::advance(Duration::from_secs(19)).await;
        timers.renew("a", TTL);
        assert_eq!(timers.expired().await, "a");
        assert_eq!(start.elapsed(), Duration::from_secs(39));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_comes_first_and_a_stopped_one_never() {
        let timers = SessionTimers::default();
        timers.renew("late", TTL * 3);
        timers.renew("soon", TTL);
        timers.renew("gone", TTL / 2);
        timers.stop("gone");
        assert_eq!(timers.expired().await, "soon");
        assert_eq!(timers.expired().await, "late");
    }
}
