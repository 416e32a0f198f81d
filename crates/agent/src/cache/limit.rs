//! How often an entry may be fetched.

use std::time::Duration;

use tokio::time::Instant;

/// A token bucket's measures (`cache.entry_fetch_rate`, `cache.entry_fetch_max_burst`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FetchLimits {
    /// Fetches a second; the largest number there is, or infinity, for no limit.
    pub rate: f64,
    /// Fetches that may follow each other at once.
    pub burst: u32,
}

impl Default for FetchLimits {
    fn default() -> FetchLimits {
        FetchLimits { rate: f64::INFINITY, burst: 2 }
    }
}

/// One entry's bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Below zero when fetches have been promised that are still to come.
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(limits: FetchLimits) -> Bucket {
        Bucket { tokens: limits.burst.into(), at: Instant::now() }
    }

    /// How long to wait before the next fetch, which is counted.
    pub(super) fn take(&mut self, limits: FetchLimits) -> Duration {
        let now = Instant::now();
        let since = now.duration_since(std::mem::replace(&mut self.at, now)).as_secs_f64();
        if limits.rate >= f64::MAX {
            self.tokens = limits.burst.into();
            return Duration::ZERO;
        }
        self.tokens = (self.tokens + since * limits.rate).min(limits.burst.into()) - 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / limits.rate).unwrap_or(Duration::MAX)
    }
}
