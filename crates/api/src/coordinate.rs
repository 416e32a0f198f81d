//! Network coordinates (`docs/spec/http-api.md §9`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Client, QueryMeta, QueryOptions, Result, WriteOptions, go};

/// Network coordinates; [`Client::coordinate`] makes one.
#[derive(Clone, Debug)]
pub struct Coordinate {
    pub(crate) client: Client,
}

/// A point in the network's delay space. All lengths are seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Coord {
    /// Position.
    #[serde(deserialize_with = "go::null_default")]
    pub vec: Vec<f64>,
    /// Confidence; lower is better.
    pub error: f64,
    /// Correction from recent measurements.
    pub adjustment: f64,
    /// Delay of the node's own access link.
    pub height: f64,
}

/// The coordinate of one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CoordinateEntry {
    /// Name of the node.
    pub node: String,
    /// Network segment; empty for the default one.
    pub segment: String,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// Its coordinate.
    pub coord: Option<Coord>,
}

/// The servers of one datacenter, with WAN coordinates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DatacenterCoordinates {
    /// Name of the datacenter.
    pub datacenter: String,
    /// Always `wan` in the open-source reference.
    #[serde(rename = "AreaID")]
    pub area_id: String,
    /// Its servers.
    #[serde(deserialize_with = "go::null_default")]
    pub coordinates: Vec<CoordinateEntry>,
}

impl Coord {
    /// Estimated round-trip time to `other`; `None` when the two have different dimensions.
    pub fn distance_to(&self, other: &Coord) -> Option<Duration> {
        if self.vec.len() != other.vec.len() {
            return None;
        }
        let squares: f64 = self.vec.iter().zip(&other.vec).map(|(a, b)| (a - b) * (a - b)).sum();
        let raw = squares.sqrt() + self.height + other.height;
        let adjusted = raw + self.adjustment + other.adjustment;
        // An adjustment may not turn the estimate negative (docs/spec/gossip.md, coordinates).
        let seconds = if adjusted > 0.0 { adjusted } else { raw };
        // Whole nanoseconds, cut off, as the reference prints them.
        Duration::try_from_secs_f64((seconds * 1e9).trunc() / 1e9).ok()
    }
}

impl Coordinate {
    /// Servers of every known datacenter.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse)
    /// (401 when coordinates are disabled), [`Error::Decode`](crate::Error::Decode).
    pub async fn datacenters(&self) -> Result<Vec<DatacenterCoordinates>> {
        let options = QueryOptions::new();
        Ok(self.client.query::<Option<_>>("/v1/coordinate/datacenters", &options).await?.0.unwrap_or_default())
    }

    /// Every node of the datacenter, one entry a segment.
    ///
    /// # Errors
    /// As [`Coordinate::datacenters`].
    pub async fn nodes(&self, options: &QueryOptions) -> Result<(Vec<CoordinateEntry>, QueryMeta)> {
        let (entries, meta) = self.client.query::<Option<_>>("/v1/coordinate/nodes", options).await?;
        Ok((entries.unwrap_or_default(), meta))
    }

    /// One node, one entry a segment; an unknown node is a 404.
    ///
    /// # Errors
    /// As [`Coordinate::datacenters`].
    pub async fn node(&self, node: &str, options: &QueryOptions) -> Result<(Vec<CoordinateEntry>, QueryMeta)> {
        self.client.query(&format!("/v1/coordinate/node/{node}"), options).await
    }

    /// Stores a node's coordinate; visible a moment later.
    ///
    /// # Errors
    /// As [`Coordinate::datacenters`]; also for a wrong number of dimensions.
    pub async fn update(&self, entry: &CoordinateEntry, options: &WriteOptions) -> Result<()> {
        self.client.write_empty("/v1/coordinate/update", entry, options).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, adjustment: f64) -> Coord {
        Coord { vec: vec![x, 0.0], error: 0.0, adjustment, height: 0.25 }
    }

    #[test]
    fn distance_adds_heights_and_adjustments() {
        assert_eq!(at(0.0, 0.0).distance_to(&at(1.0, 0.5)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn adjustments_never_make_it_negative() {
        assert_eq!(at(0.0, -9.0).distance_to(&at(1.0, 0.0)), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn dimensions_must_agree() {
        assert_eq!(at(0.0, 0.0).distance_to(&Coord::default()), None);
    }
}
