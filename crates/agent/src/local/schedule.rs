//! When the catalog is compared with this agent as a whole (`docs/spec/server-operations.md` §12.1).
//!
//! No clock and no randomness: the driver says what time it is and hands in fractions of `[0, 1)`.

use std::time::Duration;

use tokio::time::Instant;

/// Between two full comparisons, at least.
const FULL_INTERVAL: Duration = Duration::from_secs(60);
/// Until the next try after a failure, at least.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);
/// A trigger is followed within this time, so that the agents of a cluster do not all come at once.
const TRIGGER_SPREAD: Duration = Duration::from_secs(3);
/// Up to this many members all intervals are as they stand above.
const SCALE_FROM_MEMBERS: usize = 128;

/// The timer of full comparisons.
#[derive(Debug)]
pub(super) struct Schedule {
    factor: u32,
    /// Nothing while a comparison is under way.
    next: Option<Instant>,
    /// Set aside by a trigger that came while one was under way.
    triggered: Option<Instant>,
}

impl Schedule {
    /// The first comparison is due at once.
    pub(super) fn new(now: Instant) -> Schedule {
        Schedule { factor: 1, next: Some(now), triggered: None }
    }

    /// How many members the datacenter's pool has; counts from the next interval on.
    pub(super) fn set_members(&mut self, members: usize) {
        self.factor = scale(members);
    }

    /// When the next comparison is due; nothing while one is under way.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Starts a comparison if one is due.
    pub(super) fn start(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.next = None;
        true
    }

    /// A comparison has ended.
    pub(super) fn ended(&mut self, well: bool, now: Instant, random: f64) {
        let interval = if well { FULL_INTERVAL } else { RETRY_INTERVAL };
        let next = now + interval + self.spread(interval, random);
        let triggered = self.triggered.take();
        self.next = Some(triggered.map_or(next, |at| at.min(next)));
    }

    /// Something happened that makes a comparison worth while soon.
    pub(super) fn trigger(&mut self, now: Instant, random: f64) {
        self.bring_forward(now + self.spread(TRIGGER_SPREAD, random));
    }

    /// A single write failed: a comparison will find what is missing.
    pub(super) fn push_failed(&mut self, now: Instant, random: f64) {
        self.bring_forward(now + RETRY_INTERVAL + self.spread(RETRY_INTERVAL, random));
    }

    /// The next comparison is due no later than this.
    pub(super) fn bring_forward(&mut self, at: Instant) {
        let slot = if self.next.is_some() { &mut self.next } else { &mut self.triggered };
        *slot = Some(slot.map_or(at, |before| before.min(at)));
    }

    fn spread(&self, interval: Duration, random: f64) -> Duration {
        (interval * self.factor).mul_f64(random.clamp(0.0, 1.0))
    }
}

/// Large clusters spread their comparisons further: 1 up to 128 members, then one more for each doubling.
fn scale(members: usize) -> u32 {
    if members <= SCALE_FROM_MEMBERS {
        return 1;
    }
    members.next_power_of_two().ilog2() - SCALE_FROM_MEMBERS.ilog2() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn large_clusters_take_longer() {
        let table = [(1, 1), (128, 1), (129, 2), (256, 2), (257, 3), (512, 3), (513, 4), (1024, 4), (8192, 7)];
        for (members, factor) in table {
            assert_eq!(scale(members), factor, "{members} members");
        }
    }

    #[test]
    fn a_comparison_is_due_at_once_then_after_a_minute_or_two() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert!(schedule.start(start));
        assert_eq!(schedule.next(), None);
        assert!(!schedule.start(start));
        schedule.ended(true, start, 0.0);
        assert_eq!(schedule.next(), Some(start + secs(60)));
        assert!(!schedule.start(start + secs(59)));
        assert!(schedule.start(start + secs(60)));
        schedule.ended(true, start + secs(60), 0.5);
        assert_eq!(schedule.next(), Some(start + secs(150)));
    }

    #[test]
    fn a_failure_is_retried_sooner() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        schedule.set_members(200);
        assert!(schedule.start(start));
        schedule.ended(false, start, 0.5);
        assert_eq!(schedule.next(), Some(start + secs(30)));
    }

    #[test]
    fn triggers_coalesce_and_never_delay() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert!(schedule.start(start));
        schedule.ended(true, start, 0.0);
        schedule.trigger(start, 1.0);
        schedule.trigger(start + secs(2), 1.0);
        schedule.push_failed(start, 0.0);
        assert_eq!(schedule.next(), Some(start + secs(3)));
    }

    #[test]
    fn a_trigger_during_a_comparison_leads_to_another() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start);
        assert!(schedule.start(start));
        schedule.trigger(start, 0.0);
        assert_eq!(schedule.next(), None);
        schedule.ended(true, start + secs(1), 0.0);
        assert!(schedule.start(start + secs(1)));
    }
}
