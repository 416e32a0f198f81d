//! Network coordinates: where this node stands in the pool's space of latencies, learned from round-trip times
//! (Vivaldi with height, adjustment, latency filter and gravity; `docs/spec/gossip.md` §17).

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use types::Coordinate;
use types::coordinate::DIMENSIONS;

use crate::random::Rng;

/// Largest error, and the one a node starts with.
const ERROR_MAX: f64 = 1.5;
/// How far one sample moves the error.
const ERROR_GAIN: f64 = 0.25;
/// How far one sample moves the position.
const POSITION_GAIN: f64 = 0.25;
/// Samples the adjustment is the mean of.
const ADJUSTMENT_WINDOW: usize = 20;
/// Smallest height, seconds.
const HEIGHT_MIN: f64 = 1.0e-5;
/// Round-trip times per node of which the median counts.
const LATENCY_FILTER: usize = 3;
/// The larger, the weaker the pull towards the origin.
const GRAVITY_RHO: f64 = 150.0;
/// What is smaller counts as nothing, seconds.
const ZERO_THRESHOLD: f64 = 1.0e-6;
/// Longest round-trip time that is believed.
const RTT_MAX: Duration = Duration::from_secs(10);

/// Why a sample was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The other coordinate has another number of dimensions.
    #[error("dimensions aren't compatible")]
    Dimensions,
    /// The other coordinate holds what is no number.
    #[error("coordinate is invalid")]
    Invalid,
    /// The round trip took longer than is believed.
    #[error("round trip time not in valid range")]
    RoundTrip,
}

/// This node's place, and what is needed to improve it.
#[derive(Debug)]
pub(crate) struct Place {
    own: Coordinate,
    origin: Coordinate,
    adjustments: [f64; ADJUSTMENT_WINDOW],
    next_adjustment: usize,
    /// Last round-trip times by node, oldest first, seconds. [`Place::forget`] keeps it to the members there are.
    latencies: HashMap<String, Vec<f64>>,
    resets: u64,
    rng: Rng,
}

impl Place {
    /// A node that has measured nothing yet.
    pub(crate) fn new(rng: Rng) -> Place {
        Place::with_dimensions(DIMENSIONS, rng)
    }

    fn with_dimensions(dimensions: usize, rng: Rng) -> Place {
        let start = Coordinate { vec: vec![0.0; dimensions], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN };
        Place {
            own: start.clone(),
            origin: start,
            adjustments: [0.0; ADJUSTMENT_WINDOW],
            next_adjustment: 0,
            latencies: HashMap::new(),
            resets: 0,
            rng,
        }
    }

    /// Where this node is.
    pub(crate) fn own(&self) -> &Coordinate {
        &self.own
    }

    /// How often it started anew because its numbers had gone wrong.
    pub(crate) fn resets(&self) -> u64 {
        self.resets
    }

    /// Learns from one round trip to `node`, which says that it is at `other`.
    pub(crate) fn update(&mut self, node: &str, other: &Coordinate, rtt: Duration) -> Result<(), Refused> {
        if other.vec.len() != self.own.vec.len() {
            return Err(Refused::Dimensions);
        }
        if !other.is_valid() {
            return Err(Refused::Invalid);
        }
        if rtt > RTT_MAX {
            return Err(Refused::RoundTrip);
        }
        let rtt = self.filtered(node, rtt.as_secs_f64());
        self.attract(other, rtt);
        self.adjust(other, rtt);
        self.gravitate();
        if !self.own.is_valid() {
            self.own = self.origin.clone();
            self.resets += 1;
        }
        Ok(())
    }

    /// Forgets a node that is no member any more.
    pub(crate) fn forget(&mut self, node: &str) {
        self.latencies.remove(node);
    }

    /// The median of the node's last round-trip times, this one included.
    fn filtered(&mut self, node: &str, rtt: f64) -> f64 {
        if !self.latencies.contains_key(node) {
            self.latencies.insert(node.to_owned(), Vec::with_capacity(LATENCY_FILTER + 1));
        }
        let Some(samples) = self.latencies.get_mut(node) else { return rtt };
        samples.push(rtt);
        if samples.len() > LATENCY_FILTER {
            samples.remove(0);
        }
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(rtt)
    }

    /// Moves so that the distance to `other` comes closer to `rtt`, the more so the surer the other is.
    fn attract(&mut self, other: &Coordinate, rtt: f64) {
        let distance = whole_nanos(self.own.distance_to(other));
        let rtt = rtt.max(ZERO_THRESHOLD);
        let wrong = (distance - rtt).abs() / rtt;
        let weight = self.own.error / (self.own.error + other.error).max(ZERO_THRESHOLD);
        let error = ERROR_GAIN * weight * wrong + self.own.error * (1.0 - ERROR_GAIN * weight);
        self.own.error = error.min(ERROR_MAX);
        let force = POSITION_GAIN * weight * (rtt - distance);
        push(&mut self.own, force, other, &mut self.rng);
    }

    /// Learns by how much distances to everyone are off.
    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        let sample = rtt - raw_distance(&self.own, other);
        // What is no number would spoil the adjustment for as long as its window lasts.
        if let Some(place) = self.adjustments.get_mut(self.next_adjustment).filter(|_| sample.is_finite()) {
            *place = sample;
        }
        self.next_adjustment = (self.next_adjustment + 1) % ADJUSTMENT_WINDOW;
        let sum: f64 = self.adjustments.iter().sum();
        self.own.adjustment = sum / (2.0 * ADJUSTMENT_WINDOW as f64);
    }

    /// Is pulled towards the origin, so that the pool as a whole does not drift away.
    fn gravitate(&mut self) {
        let distance = whole_nanos(self.origin.distance_to(&self.own));
        let force = -(distance / GRAVITY_RHO).powi(2);
        push(&mut self.own, force, &self.origin, &mut self.rng);
    }
}

/// Moves `from` away from `other` by `force` seconds.
fn push(from: &mut Coordinate, force: f64, other: &Coordinate, rng: &mut Rng) {
    let apart: Vec<f64> = from.vec.iter().zip(&other.vec).map(|(a, b)| a - b).collect();
    let length = magnitude(&apart);
    if length > ZERO_THRESHOLD {
        for (place, difference) in from.vec.iter_mut().zip(&apart) {
            *place += difference * (1.0 / length) * force;
        }
        let height = (from.height + other.height) * force / length + from.height;
        from.height = height.max(HEIGHT_MIN);
        return;
    }
    for (place, direction) in from.vec.iter_mut().zip(random_direction(apart.len(), rng)) {
        *place += direction * force;
    }
}

/// A vector of length 1.
fn random_direction(dimensions: usize, rng: &mut Rng) -> Vec<f64> {
    let mut direction: Vec<f64> = (0..dimensions).map(|_| rng.unit() - 0.5).collect();
    let length = magnitude(&direction);
    if length > ZERO_THRESHOLD {
        direction.iter_mut().for_each(|component| *component /= length);
        return direction;
    }
    direction.iter_mut().enumerate().for_each(|(axis, component)| *component = if axis == 0 { 1.0 } else { 0.0 });
    direction
}

fn magnitude(vector: &[f64]) -> f64 {
    vector.iter().map(|component| component * component).sum::<f64>().sqrt()
}

/// Distance without the adjustments.
fn raw_distance(a: &Coordinate, b: &Coordinate) -> f64 {
    let apart: Vec<f64> = a.vec.iter().zip(&b.vec).map(|(a, b)| a - b).collect();
    magnitude(&apart) + a.height + b.height
}

/// The reference keeps distances as whole nanoseconds.
fn whole_nanos(seconds: f64) -> f64 {
    (seconds * 1.0e9).trunc() / 1.0e9
}
