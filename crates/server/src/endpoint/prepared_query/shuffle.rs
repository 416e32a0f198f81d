//! A random order, so that clients that take the first instance spread over all.

/// Puts the items into a random order.
pub(super) fn shuffle<T>(items: &mut [T]) {
    let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
    shuffle_from(seed, items);
}

/// Fisher and Yates, fed by splitmix64.
fn shuffle_from<T>(mut seed: u64, items: &mut [T]) {
    for end in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = seed;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        // The remainder's bias is far below what can be seen with so few items.
        let to = number % (end as u64 + 1);
        items.swap(end, to as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_up_and_nothing_gets_lost() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            let mut items = [1, 2, 3, 4];
            shuffle_from(seed, &mut items);
            seen.insert(items);
            items.sort_unstable();
            assert_eq!(items, [1, 2, 3, 4]);
        }
        assert_eq!(seen.len(), 24);
        shuffle::<u8>(&mut []);
    }
}
