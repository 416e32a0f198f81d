//! How many calls an agent may begin (`docs/spec/rpc-and-state.md` §3.3).

use parking_lot::Mutex;
use tokio::time::Instant;

/// A bucket of tokens that fills steadily; each call takes one.
#[derive(Debug)]
pub(super) struct Limiter {
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Tokens a second; below zero for no limit.
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Limiter {
    /// A full bucket.
    pub(super) fn new(rate: f64, burst: usize, now: Instant) -> Limiter {
        let burst = burst as f64;
        Limiter { bucket: Mutex::new(Bucket { rate, burst, tokens: burst, filled: now }) }
    }

    /// A full bucket with new limits.
    pub(super) fn set(&self, rate: f64, burst: usize, now: Instant) {
        let burst = burst as f64;
        *self.bucket.lock() = Bucket { rate, burst, tokens: burst, filled: now };
    }

    /// Whether one more call may begin; then it has.
    pub(super) fn allow(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock();
        if bucket.rate < 0.0 {
            return true;
        }
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * bucket.rate;
        bucket.tokens = (bucket.tokens + gained).min(bucket.burst);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn allowed(limiter: &Limiter, calls: usize, now: Instant) -> usize {
        (0..calls).filter(|_| limiter.allow(now)).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let start = Instant::now();
        let limiter = Limiter::new(10.0, 5, start);
        assert_eq!(allowed(&limiter, 100, start), 5);
        assert_eq!(allowed(&limiter, 100, start + Duration::from_millis(250)), 2);
        assert_eq!(allowed(&limiter, 100, start + Duration::from_secs(3600)), 5);
    }

    #[test]
    fn below_zero_is_no_limit() {
        let start = Instant::now();
        let limiter = Limiter::new(-1.0, 0, start);
        assert_eq!(allowed(&limiter, 1000, start), 1000);
        limiter.set(0.0, 3, start);
        assert_eq!(allowed(&limiter, 1000, start + Duration::from_secs(10)), 3);
    }
}
