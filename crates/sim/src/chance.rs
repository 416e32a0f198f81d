//! Everything random, from a seed.

use std::ops::Range;
use std::time::Duration;

/// A generator (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Chance {
        Chance(mix(seed))
    }

    /// A generator of its own for a purpose: what is drawn from one does not move the other.
    pub fn fork(&self, purpose: u64) -> Chance {
        Chance(mix(self.0 ^ mix(purpose.wrapping_add(1))))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number().checked_rem(bound).unwrap_or(0)
    }

    /// An index into a list of this length; 0 if it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True with this probability.
    pub fn hits(&mut self, probability: f64) -> bool {
        let unit = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < probability
    }

    /// A time in the range, in whole microseconds.
    pub fn time(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_micros();
        range.start + Duration::from_micros(self.below(u64::try_from(width).unwrap_or(u64::MAX)))
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_forks_are_apart() {
        let draw = |mut chance: Chance| (0..8).map(|_| chance.number()).collect::<Vec<_>>();
        assert_eq!(draw(Chance::new(7)), draw(Chance::new(7)));
        assert_ne!(draw(Chance::new(7)), draw(Chance::new(8)));
        assert_ne!(draw(Chance::new(7).fork(0)), draw(Chance::new(7).fork(1)));
        assert_ne!(draw(Chance::new(0)), draw(Chance::new(0).fork(0)));
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut chance = Chance::new(1);
        let range = Duration::from_millis(5)..Duration::from_millis(9);
        for _ in 0..1000 {
            assert!(range.contains(&chance.time(&range)));
            assert!(chance.below(3) < 3);
            assert!(!chance.hits(0.0) && chance.hits(1.0));
        }
        assert_eq!((chance.below(0), chance.time(&(range.start..range.start))), (0, range.start));
    }
}
