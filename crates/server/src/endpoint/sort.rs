//! Sorting by network distance (`docs/spec/http-api.md` §1.4, parameter `near`).

use std::cmp::Ordering;
use std::collections::HashMap;

use state::Snapshot;
use types::{Coordinate, QuerySource};

use crate::config::ServerConfig;

/// Sorts by distance from `source`, nodes without a coordinate last; leaves the order when it cannot be told.
pub(super) fn by_distance<T>(
    config: &ServerConfig,
    snapshot: &Snapshot,
    source: &QuerySource,
    items: &mut [T],
    node: impl Fn(&T) -> &str,
) {
    let here = source.datacenter.is_empty() || source.datacenter == config.datacenter;
    if source.node.is_empty() || !here {
        return;
    }
    let Some(from) = coordinate_of(snapshot, &source.node, &source.segment) else { return };
    let mut distances: HashMap<String, f64> = HashMap::new();
    for item in items.iter() {
        let name = node(item);
        if !distances.contains_key(name) {
            let distance =
                coordinate_of(snapshot, name, &source.segment).map_or(f64::INFINITY, |c| from.distance_to(&c));
            distances.insert(name.to_owned(), distance);
        }
    }
    let distance = |item: &T| distances.get(node(item)).copied().unwrap_or(f64::INFINITY);
    items.sort_by(|a, b| distance(a).partial_cmp(&distance(b)).unwrap_or(Ordering::Equal));
}

fn coordinate_of(snapshot: &Snapshot, node: &str, segment: &str) -> Option<Coordinate> {
    let (_, entries) = snapshot.node_coordinates(node);
    entries.iter().find(|e| e.segment == segment).and_then(|e| e.coord.clone())
}
