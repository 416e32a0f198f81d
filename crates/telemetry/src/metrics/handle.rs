//! What code that counts something holds.

use std::sync::Arc;
use std::time::Instant;

use super::series::Series;

/// Counts events. Cheap to clone; a clone counts the same.
#[derive(Clone, Debug)]
pub struct Counter(pub(super) Arc<Series>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: f64) {
        self.0.record(n);
    }

    /// Adds one.
    pub fn one(&self) {
        self.add(1.0);
    }
}

/// A value that goes up and down. Cheap to clone; a clone sets the same.
#[derive(Clone, Debug)]
pub struct Gauge(pub(super) Arc<Series>);

impl Gauge {
    /// Sets the value. NaN says that there is none: the JSON view then leaves the metric out.
    pub fn set(&self, value: f64) {
        self.0.record(value);
    }
}

/// Values whose distribution matters: mostly times, in milliseconds. Cheap to clone; a clone records the same.
#[derive(Clone, Debug)]
pub struct Sample(pub(super) Arc<Series>);

impl Sample {
    /// Takes a value down; one that is not finite is dropped.
    pub fn record(&self, value: f64) {
        self.0.record(value);
    }

    /// Takes the time since `start` down, in milliseconds.
    pub fn record_since(&self, start: Instant) {
        self.record(start.elapsed().as_secs_f64() * 1000.0);
    }

    /// Takes the time from now to the end of the answer's life down, however the scope is left.
    pub fn timing(&self) -> Timing<'_> {
        Timing { sample: self, start: Instant::now() }
    }
}

/// A running measurement, from [`Sample::timing`].
#[derive(Debug)]
#[must_use = "the time is taken when this is dropped"]
pub struct Timing<'a> {
    sample: &'a Sample,
    start: Instant,
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.sample.record_since(self.start);
    }
}
