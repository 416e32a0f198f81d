//! Network coordinates of nodes (`docs/spec/rpc-and-state.md` §5.1 type 6, §7.5).

use std::sync::Arc;

use types::CoordinateEntry;

use crate::key::{self, RowKey};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::watch::Topic;

const COORDINATES: &str = "coordinates";

#[derive(Clone, Debug, Default)]
pub(crate) struct CoordinateTable {
    /// (node, segment).
    rows: Map<RowKey, Arc<CoordinateEntry>>,
}

impl CoordinateTable {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<CoordinateEntry>> {
        self.rows.values()
    }
}

impl Tx<'_> {
    /// Stores a batch, skipping what is invalid or of an unknown node. The index moves whatever is stored.
    pub(crate) fn update_coordinates(&mut self, updates: Vec<CoordinateEntry>) {
        for update in updates {
            let valid = update.coord.as_ref().is_some_and(|coord| coord.is_valid());
            if valid && (self.restoring || self.root.nodes.get("", &update.node).is_some()) {
                self.touch(Topic::coordinates());
                self.touch(Topic::node_coordinates(&update.node));
                let at = key::row(&[&update.node, &update.segment]);
                self.root.coordinates.rows.insert(at.into(), Arc::new(update));
            }
        }
        self.raise(COORDINATES, self.index);
    }

    pub(crate) fn delete_coordinates_of_node(&mut self, node: &str) {
        let prefix = key::row(&[node]);
        let doomed: Vec<RowKey> = under(&self.root.coordinates.rows, &prefix).map(|(key, _)| Arc::clone(key)).collect();
        if doomed.is_empty() {
            return;
        }
        for key in doomed {
            self.root.coordinates.rows.remove::<[u8]>(&key);
        }
        self.raise(COORDINATES, self.index);
        self.touch(Topic::coordinates());
        self.touch(Topic::node_coordinates(node));
    }
}

/// Reads of coordinates. The index is always the table's.
impl Snapshot {
    /// Every coordinate, by node and segment.
    pub fn coordinates(&self) -> (u64, Vec<Arc<CoordinateEntry>>) {
        (self.root.indexes.get(COORDINATES), self.root.coordinates.iter().cloned().collect())
    }

    /// The coordinates of a node, by segment.
    pub fn node_coordinates(&self, node: &str) -> (u64, Vec<Arc<CoordinateEntry>>) {
        let prefix = key::row(&[node]);
        let found = under(&self.root.coordinates.rows, &prefix).map(|(_, entry)| Arc::clone(entry)).collect();
        (self.root.indexes.get(COORDINATES), found)
    }
}
