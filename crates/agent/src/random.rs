//! Random pauses, so that many do not do the same at the same time.

use std::time::Duration;

/// A duration below `limit`.
pub(crate) fn random_below(limit: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 { Duration::ZERO } else { Duration::from_nanos(random % nanos) }
}
