//! Which service names exist of each kind; derived from registrations, never stored (`docs/spec/rpc-and-state.md` §7.4).

use std::sync::Arc;

use crate::key::{self, RowKey};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::index::kind_label;

#[derive(Clone, Debug, Default)]
pub(crate) struct KindNameTable {
    /// (kind, name) to the name as registered.
    rows: Map<RowKey, Arc<str>>,
}

fn index_row(kind: &str) -> String {
    format!("kind_service_names.{}", kind_label(kind))
}

impl Tx<'_> {
    pub(crate) fn add_kind_name(&mut self, kind: &str, name: &str, at: u64) {
        let row = key::row(&[kind, name]);
        if self.root.kind_names.rows.contains_key::<[u8]>(&row) {
            return;
        }
        self.root.kind_names.rows.insert(row.into(), name.into());
        self.raise(&index_row(kind), at);
    }

    pub(crate) fn remove_kind_name(&mut self, kind: &str, name: &str) {
        if self.root.kind_names.rows.remove::<[u8]>(&key::row(&[kind, name])).is_some() {
            self.raise(&index_row(kind), self.index);
        }
    }
}

/// Reads of service names by kind.
impl Snapshot {
    /// The names of this cluster's services of a kind (`""`, `connect-proxy`, …), in order. Index: the kind's names'.
    pub fn service_names_of_kind(&self, kind: &str) -> (u64, Vec<Arc<str>>) {
        let prefix = key::row(&[kind]);
        let names = under(&self.root.kind_names.rows, &prefix).map(|(_, name)| Arc::clone(name)).collect();
        (self.root.indexes.get(&index_row(kind)), names)
    }
}
