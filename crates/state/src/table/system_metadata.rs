//! Switches of the whole cluster (`docs/spec/server-operations.md` §2.8).

use std::sync::Arc;

use types::command::SystemMetadataEntry;

use crate::key::{self, RowKey};
use crate::map::Map;
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::watch::Topic;

const SYSTEM_METADATA: &str = "system-metadata";

#[derive(Clone, Debug, Default)]
pub(crate) struct MetadataTable {
    rows: Map<RowKey, Arc<SystemMetadataEntry>>,
}

impl MetadataTable {
    pub(crate) fn get(&self, key: &str) -> Option<&Arc<SystemMetadataEntry>> {
        self.rows.get::<[u8]>(&key::row(&[key]))
    }

    /// Whether a switch has any value.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|entry| !entry.value.is_empty())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<SystemMetadataEntry>> {
        self.rows.values()
    }

    fn insert(&mut self, entry: SystemMetadataEntry) {
        self.rows.insert(key::row(&[&entry.key]).into(), Arc::new(entry));
    }
}

impl Tx<'_> {
    pub(crate) fn set_metadata(&mut self, mut entry: SystemMetadataEntry) -> Result<(), String> {
        if entry.key.is_empty() {
            return Err("missing key on system metadata".to_owned());
        }
        let stored = self.root.metadata.get(&entry.key);
        entry.create_index = stored.map_or(self.index, |s| s.create_index);
        entry.modify_index = self.index;
        self.root.metadata.insert(entry);
        self.root.indexes.set(SYSTEM_METADATA, self.index);
        self.touch(Topic::system_metadata());
        Ok(())
    }

    pub(crate) fn delete_metadata(&mut self, key: &str) {
        if self.root.metadata.rows.remove::<[u8]>(&key::row(&[key])).is_none() {
            return;
        }
        self.root.indexes.set(SYSTEM_METADATA, self.index);
        self.touch(Topic::system_metadata());
    }

    pub(crate) fn restore_metadata(&mut self, entry: SystemMetadataEntry) {
        self.raise(SYSTEM_METADATA, entry.modify_index);
        self.root.metadata.insert(entry);
    }
}

/// Reads of the system metadata. The index is always the table's.
impl Snapshot {
    /// One entry.
    pub fn system_metadata(&self, key: &str) -> (u64, Option<Arc<SystemMetadataEntry>>) {
        (self.root.indexes.get(SYSTEM_METADATA), self.root.metadata.get(key).cloned())
    }

    /// Every entry, by key.
    pub fn system_metadata_list(&self) -> (u64, Vec<Arc<SystemMetadataEntry>>) {
        (self.root.indexes.get(SYSTEM_METADATA), self.root.metadata.iter().cloned().collect())
    }
}
