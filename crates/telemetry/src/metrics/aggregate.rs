//! What a metric was in one interval.

/// Running figures over the values of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Aggregate {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// The latest value: all that counts for a gauge.
    pub(super) last: f64,
    center: f64,
    /// Squared distances from the mean, by Welford's method: rounding cannot turn them negative.
    squares: f64,
}

impl Aggregate {
    /// Adds a finite value.
    pub(super) fn add(&mut self, value: f64) {
        let first = self.count == 0;
        self.count += 1;
        self.sum += value;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        self.last = value;
        let distance = value - self.center;
        self.center += distance / self.count as f64;
        self.squares += distance * (value - self.center);
    }

    /// Replaces the value of a gauge, which may be NaN.
    pub(super) fn set(&mut self, value: f64) {
        self.count += 1;
        self.last = value;
    }

    pub(super) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Standard deviation, the values being a sample of what could have been; 0 for fewer than two.
    pub(super) fn stddev(&self) -> f64 {
        if self.count < 2 { 0.0 } else { (self.squares / (self.count - 1) as f64).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Aggregate {
        let mut aggregate = Aggregate::default();
        values.iter().for_each(|value| aggregate.add(*value));
        aggregate
    }

    #[test]
    fn figures_of_known_values() {
        // values, sum, min, max, mean, standard deviation
        type Case = (&'static [f64], [f64; 5]);
        let cases: &[Case] = &[
            (&[], [0.0, 0.0, 0.0, 0.0, 0.0]),
            (&[3.0], [3.0, 3.0, 3.0, 3.0, 0.0]),
            (&[1.0, 1.0, 1.0], [3.0, 1.0, 1.0, 1.0, 0.0]),
            (&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], [40.0, 2.0, 9.0, 5.0, (32.0_f64 / 7.0).sqrt()]),
            (&[-2.0, 2.0], [0.0, -2.0, 2.0, 0.0, 8.0_f64.sqrt()]),
        ];
        for (values, expected) in cases {
            let a = of(values);
            let found = [a.sum, a.min, a.max, a.mean(), a.stddev()];
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{values:?}: {found} is not {expected}");
            }
            assert_eq!(a.count, values.len() as u64);
        }
    }

    #[test]
    fn large_equal_values_have_no_deviation() {
        let deviation = of(&[1e9 + 0.1; 1000]).stddev();
        assert!(deviation.abs() < 1e-6, "{deviation}");
    }
}
