//! Metrics as JSON (`docs/spec/http-api.md §3.2`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::go;

/// One interval of metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Metrics {
    /// When the interval began: `2017-08-08 02:55:10 +0000 UTC`.
    pub timestamp: String,
    /// Current values.
    #[serde(deserialize_with = "go::null_default")]
    pub gauges: Vec<Metric>,
    /// Single points, unused by agents.
    #[serde(deserialize_with = "go::null_default")]
    pub points: Vec<serde_json::Value>,
    /// Sums over the interval.
    #[serde(deserialize_with = "go::null_default")]
    pub counters: Vec<MetricSample>,
    /// Distributions over the interval; times are milliseconds.
    #[serde(deserialize_with = "go::null_default")]
    pub samples: Vec<MetricSample>,
}

/// A current value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Metric {
    /// Its name, for instance `consul.runtime.alloc_bytes`.
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "go::null_default")]
    pub value: f64,
    /// Its labels.
    #[serde(deserialize_with = "go::null_default")]
    pub labels: BTreeMap<String, String>,
}

/// A counter or distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MetricSample {
    /// Its name.
    pub name: String,
    /// How many values came in.
    pub count: u64,
    /// Their sum by second.
    pub rate: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub stddev: f64,
    /// Its labels.
    #[serde(deserialize_with = "go::null_default")]
    pub labels: BTreeMap<String, String>,
}
