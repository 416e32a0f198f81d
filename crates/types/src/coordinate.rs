//! Network coordinates.

use serde::{Deserialize, Serialize};

/// Dimensions of every coordinate.
pub const DIMENSIONS: usize = 8;

/// A point of the network's latency space, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Coordinate {
    /// Position; [`DIMENSIONS`] numbers.
    pub vec: Vec<f64>,
    /// Confidence, smaller is better.
    pub error: f64,
    /// Offset learned from recent samples.
    pub adjustment: f64,
    /// Distance to the network's core.
    pub height: f64,
}

impl Coordinate {
    /// The place of a node that has not measured anything yet.
    pub fn origin() -> Coordinate {
        Coordinate { vec: vec![0.0; DIMENSIONS], error: 1.5, adjustment: 0.0, height: 1.0e-5 }
    }

    /// False if any component is not a finite number.
    pub fn is_valid(&self) -> bool {
        self.vec.iter().chain([&self.error, &self.adjustment, &self.height]).all(|x| x.is_finite())
    }

    /// Estimated round-trip time to another place, seconds (`docs/spec/gossip.md` §17).
    pub fn distance_to(&self, other: &Coordinate) -> f64 {
        let squares: f64 = self.vec.iter().zip(&other.vec).map(|(a, b)| (a - b) * (a - b)).sum();
        let raw = squares.sqrt() + self.height + other.height;
        let adjusted = raw + self.adjustment + other.adjustment;
        if adjusted > 0.0 { adjusted } else { raw }
    }
}

/// A node's coordinate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CoordinateEntry {
    /// Node name.
    pub node: String,
    /// Network segment; empty here.
    pub segment: String,
    /// Where it is.
    pub coord: Option<Coordinate>,
}

/// A node reports where it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CoordinateUpdate {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Node name.
    pub node: String,
    /// Network segment.
    pub segment: String,
    /// Where it is.
    pub coord: Option<Coordinate>,
    /// Secret of the caller's token.
    pub token: String,
}
