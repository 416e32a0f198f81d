//! Numbers for states that began anew.

use std::sync::atomic::{AtomicU64, Ordering};

static LAST: AtomicU64 = AtomicU64::new(0);

/// A [`types::Version::generation`] that nothing in this process has had: what is kept for an earlier state of a view
/// or a cache entry is not taken for that of a later one, whose index may be the same.
pub(crate) fn new_generation() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
