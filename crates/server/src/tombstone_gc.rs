//! When tombstones of deleted keys may be forgotten (`docs/spec/server-operations.md` §2.10). A plain value driven by its owner's clock.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a deletion stays visible in the index of a prefix.
pub(crate) const TTL: Duration = Duration::from_secs(15 * 60);
/// Ends are rounded up to multiples of this, so that one command reaps many tombstones.
pub(crate) const GRANULARITY: Duration = Duration::from_secs(30);

/// Pending reaps: end (time since the owner's epoch) to the highest index that expires then.
#[derive(Default)]
pub(crate) struct TombstoneGc {
    bins: BTreeMap<Duration, u64>,
}

impl TombstoneGc {
    /// Notes a deletion at `index`.
    pub(crate) fn hint(&mut self, now: Duration, index: u64) {
        let end = round_up(now + TTL);
        let highest = self.bins.entry(end).or_default();
        *highest = index.max(*highest);
    }

    /// When the next reap is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.bins.keys().next().copied()
    }

    /// Takes the highest index whose time is up.
    pub(crate) fn due(&mut self, now: Duration) -> Option<u64> {
        let mut highest = None;
        while let Some(entry) = self.bins.first_entry() {
            if *entry.key() > now {
                break;
            }
            highest = highest.max(Some(entry.remove()));
        }
        highest
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.bins.clear();
    }
}

fn round_up(time: Duration) -> Duration {
    let step = GRANULARITY.as_nanos();
    let steps = time.as_nanos().div_ceil(step);
    GRANULARITY.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_of_one_bin_are_reaped_together() {
        let mut gc = TombstoneGc::default();
        gc.hint(Duration::from_secs(1), 7);
        gc.hint(Duration::from_secs(29), 9);
        gc.hint(Duration::from_secs(31), 12);
        let end = Duration::from_secs(930);
        assert_eq!(gc.next(), Some(end));
        assert_eq!(gc.due(end - Duration::from_nanos(1)), None);
        assert_eq!(gc.due(end), Some(9));
        assert_eq!(gc.next(), Some(Duration::from_secs(960)));
    }

    #[test]
    fn nothing_is_due_after_clear() {
        let mut gc = TombstoneGc::default();
        gc.hint(Duration::ZERO, 1);
        gc.clear();
        assert_eq!(gc.due(Duration::MAX), None);
    }
}
