//! Random order and numbers.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

thread_local! {
    static STATE: Cell<u64> = Cell::new(unpredictable() | 1);
}

/// A number nobody can foresee: the hash of nothing under keys of the system's randomness.
pub(crate) fn unpredictable() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The next number of the thread's xorshift generator (Marsaglia 2003): fast and even, but foreseeable.
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

/// Puts items into a random order, each with the same chance.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        // The high half scaled to 0..=last, free of division.
        let scaled = (u128::from(next()) * (last as u128 + 1)) >> 64;
        items.swap(last, usize::try_from(scaled).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_reached_by_every_item() {
        let mut seen = [[false; 4]; 4];
        for _ in 0..2000 {
            let mut items = [0, 1, 2, 3];
            shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                seen[place][item] = true;
            }
        }
        assert_eq!(seen, [[true; 4]; 4]);
    }

    #[test]
    fn nothing_is_lost() {
        let mut items: Vec<_> = (0..100).collect();
        shuffle(&mut items);
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        shuffle::<u8>(&mut []);
    }
}
