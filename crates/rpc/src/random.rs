//! Random order, pauses and places. Nothing here needs to be unforeseeable.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish() | 1);
}

/// The next number of the thread's xorshift generator (Marsaglia 2003).
fn next() -> u64 {
    STATE.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x
    })
}

/// A number below `limit`; 0 if that is 0.
pub(crate) fn below(limit: usize) -> usize {
    // The high half scaled, free of division.
    let scaled = (u128::from(next()) * limit as u128) >> 64;
    usize::try_from(scaled).unwrap_or_default()
}

/// A time below `limit`.
pub(crate) fn pause(limit: Duration) -> Duration {
    let nanos = usize::try_from(limit.as_nanos()).unwrap_or(usize::MAX);
    Duration::from_nanos(below(nanos) as u64)
}

/// Puts items into a random order, each with the same chance.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_limit() {
        for limit in [1, 2, 3, 1000] {
            assert!((0..1000).all(|_| below(limit) < limit));
        }
        assert_eq!(below(0), 0);
        assert_eq!(pause(Duration::ZERO), Duration::ZERO);
        assert!((0..1000).all(|_| pause(Duration::from_millis(5)) < Duration::from_millis(5)));
    }

    #[test]
    fn a_shuffle_loses_nothing_and_reaches_every_place() {
        let mut seen = [[false; 4]; 4];
        for _ in 0..2000 {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                seen[place][item] = true;
            }
        }
        assert_eq!(seen, [[true; 4]; 4]);
        shuffle::<u8>(&mut []);
    }
}
