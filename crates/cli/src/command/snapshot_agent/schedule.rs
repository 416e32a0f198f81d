//! When the leader saves its next snapshot, and when it should leave that to another.

use std::time::Duration;

/// The longest pause after a failure: a short trouble should not cost a whole interval.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// The rhythm of one leadership.
pub(super) struct Schedule {
    interval: Duration,
    /// 0 for any number.
    max_failures: u64,
    failures: u64,
}

/// What to do after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Save the next snapshot after this pause.
    Wait(Duration),
    /// Give up leadership: this many attempts in a row have failed.
    GiveUp(u64),
}

impl Schedule {
    pub(super) fn new(interval: Duration, max_failures: u64) -> Schedule {
        Schedule { interval, max_failures, failures: 0 }
    }

    /// After a snapshot that was saved. Intervals are counted from start to start.
    pub(super) fn saved(&mut self, took: Duration) -> Next {
        self.failures = 0;
        Next::Wait(self.interval.saturating_sub(took))
    }

    /// After one that was not.
    pub(super) fn failed(&mut self) -> Next {
        self.failures = self.failures.saturating_add(1);
        if self.failures == self.max_failures {
            return Next::GiveUp(self.failures);
        }
        Next::Wait(pause_after_failure(self.interval))
    }
}

/// How long to wait after something failed.
pub(super) fn pause_after_failure(interval: Duration) -> Duration {
    interval.min(RETRY_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn snapshots_start_an_interval_apart() {
        let mut schedule = Schedule::new(HOUR, 3);
        assert_eq!(schedule.saved(5 * SECOND), Next::Wait(HOUR - 5 * SECOND));
        assert_eq!(schedule.saved(2 * HOUR), Next::Wait(Duration::ZERO));
    }

    #[test]
    fn failures_in_a_row_end_the_leadership() {
        let mut schedule = Schedule::new(HOUR, 3);
        let retry = Next::Wait(RETRY_PAUSE);
        assert_eq!((schedule.failed(), schedule.failed()), (retry, Next::Wait(RETRY_PAUSE)));
        schedule.saved(SECOND);
        for _ in 0..2 {
            assert_eq!(schedule.failed(), Next::Wait(RETRY_PAUSE));
        }
        assert_eq!(schedule.failed(), Next::GiveUp(3));
    }

    #[test]
    fn failures_are_not_retried_faster_than_snapshots_are_taken() {
        assert_eq!(Schedule::new(SECOND, 3).failed(), Next::Wait(SECOND));
    }

    #[test]
    fn without_a_limit_leadership_is_never_given_up() {
        let mut schedule = Schedule::new(SECOND, 0);
        for _ in 0..100 {
            assert_eq!(schedule.failed(), Next::Wait(SECOND));
        }
    }
}
