//! Quantiles over the last ten seconds, in little memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The window is this many slices long; the running one counts as a whole.
const SLICES: u64 = 5;
const SLICE_SECONDS: u64 = 2;
/// Values nearer to zero than this (a femtosecond, for times in milliseconds) are zero.
const SMALLEST: f64 = 1e-12;
/// Ratio of the bounds of a bucket: a quantile is off by at most 1 %.
const GROWTH: f64 = 1.02;
/// Buckets on each side of zero, from [`SMALLEST`] to 1e18: the limit of a slice's memory.
const LEVELS_MAX: i32 = 3_489;
/// The quantiles shown (`docs/spec/server-operations.md` §17.3).
pub(super) const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// A sliding window of values, each kept as a count of its bucket.
#[derive(Debug, Default)]
pub(super) struct Window {
    slices: VecDeque<Slice>,
}

#[derive(Debug)]
struct Slice {
    number: u64,
    min: f64,
    max: f64,
    /// By bucket, sorted; only those that hold something.
    counts: Vec<(i32, u32)>,
}

impl Window {
    /// Adds a finite value.
    pub(super) fn record(&mut self, now: Duration, value: f64) {
        let number = slice_at(now);
        // Threads may come a moment late: they join the slice that is running. A clock set back starts anew.
        let outside = |slice: &Slice| slice.number < number || slice.number > number + SLICES;
        if self.slices.back().is_none_or(outside) {
            self.slices.push_back(Slice { number, min: value, max: value, counts: Vec::new() });
        }
        if self.slices.len() as u64 > SLICES {
            self.slices.pop_front();
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.add(value);
        }
    }

    /// The values at [`QUANTILES`]; `None` if the window is empty.
    pub(super) fn quantiles(&self, now: Duration) -> Option<[f64; 3]> {
        let current = slice_at(now);
        let fresh = || self.slices.iter().filter(move |slice| slice.number.abs_diff(current) < SLICES);
        let min = fresh().map(|slice| slice.min).reduce(f64::min)?;
        let max = fresh().map(|slice| slice.max).reduce(f64::max)?;
        let mut counts = BTreeMap::<i32, u64>::new();
        for (bucket, count) in fresh().flat_map(|slice| &slice.counts) {
            *counts.entry(*bucket).or_default() += u64::from(*count);
        }
        Some(QUANTILES.map(|quantile| quantile_of(&counts, quantile).max(min).min(max)))
    }
}

impl Slice {
    fn add(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let bucket = bucket_of(value);
        match self.counts.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => {
                if let Some((_, count)) = self.counts.get_mut(at) {
                    *count = count.saturating_add(1);
                }
            }
            Err(at) => self.counts.insert(at, (bucket, 1)),
        }
    }
}

fn slice_at(now: Duration) -> u64 {
    now.as_secs() / SLICE_SECONDS
}

/// The smallest bucket such that this share of all values is in it or below it.
fn quantile_of(counts: &BTreeMap<i32, u64>, quantile: f64) -> f64 {
    let total: u64 = counts.values().sum();
    let rank = (quantile * total as f64).ceil();
    let mut below = 0;
    for (bucket, count) in counts {
        below += count;
        if below as f64 >= rank {
            return middle_of(*bucket);
        }
    }
    0.0
}

/// 0 for zero; bucket n > 0 holds values from SMALLEST·GROWTH^(n-1) to SMALLEST·GROWTH^n, and -n their negatives.
fn bucket_of(value: f64) -> i32 {
    let magnitude = value.abs();
    if magnitude < SMALLEST {
        return 0;
    }
    // A conversion from float to integer saturates.
    let level = ((magnitude / SMALLEST).ln() / GROWTH.ln()) as i32;
    let level = level.saturating_add(1).min(LEVELS_MAX);
    if value < 0.0 { -level } else { level }
}

fn middle_of(bucket: i32) -> f64 {
    if bucket == 0 {
        return 0.0;
    }
    let magnitude = SMALLEST * GROWTH.powf(f64::from(bucket.abs()) - 0.5);
    if bucket < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected.abs() * 0.011
    }

    #[test]
    fn one_value_is_every_quantile_exactly() {
        for value in [0.0, 0.521_044, 7e15, -3.5, 1e-20, 1e300] {
            let mut window = Window::default();
            window.record(at(100), value);
            assert_eq!(window.quantiles(at(100)), Some([value; 3]), "{value}");
        }
    }

    #[test]
    fn quantiles_are_near_the_true_ones() {
        let mut window = Window::default();
        (1..=1000_u32).for_each(|n| window.record(at(100 + u64::from(n) / 125), f64::from(n) / 10.0));
        let found = window.quantiles(at(108)).unwrap();
        for (found, expected) in found.into_iter().zip([50.0, 90.0, 99.0]) {
            assert!(near(found, expected), "{found} is not {expected}");
        }
    }

    #[test]
    fn negative_values_come_first() {
        let mut window = Window::default();
        [-10.0, -1.0, 0.0, 1.0, 10.0].into_iter().for_each(|value| window.record(at(100), value));
        let [median, high, highest] = window.quantiles(at(100)).unwrap();
        assert_eq!(median, 0.0);
        assert!(near(high, 10.0) && near(highest, 10.0), "{high} {highest}");
    }

    #[test]
    fn values_leave_the_window_after_ten_seconds() {
        let mut window = Window::default();
        window.record(at(100), 1.0);
        window.record(at(104), 2.0);
        for (now, median) in [(109, 1.0), (110, 2.0), (113, 2.0)] {
            let found = window.quantiles(at(now)).unwrap()[0];
            assert!(near(found, median), "at {now}: {found}");
        }
        for now in [114, 1000, 80] {
            assert_eq!(window.quantiles(at(now)), None, "at {now}");
        }
    }

    #[test]
    fn a_late_value_joins_the_running_slice() {
        let mut window = Window::default();
        [102, 101, 102, 101].into_iter().for_each(|now| window.record(at(now), 1.0));
        assert_eq!(window.slices.len(), 1);
        window.record(at(20), 5.0);
        assert_eq!(window.quantiles(at(20)), Some([5.0; 3]), "the clock was set back");
    }

    #[test]
    fn memory_is_bounded() {
        let mut window = Window::default();
        let mut value = 1e-15;
        while value < 1e30 {
            window.record(at(100), value);
            window.record(at(100), -value);
            value *= 1.001;
        }
        (0..100).for_each(|n| window.record(at(200 + n), 1.0));
        assert_eq!(window.slices.len() as u64, SLICES);
        let mut window = Window::default();
        [1e30, -1e30, f64::MAX, f64::MIN].into_iter().for_each(|value| window.record(at(100), value));
        let buckets: Vec<i32> = window.slices[0].counts.iter().map(|(bucket, _)| *bucket).collect();
        assert_eq!(buckets, [-LEVELS_MAX, LEVELS_MAX]);
    }
}
