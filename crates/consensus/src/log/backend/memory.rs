//! A log that is lost with the process, for dev mode.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use parking_lot::RwLock;

use super::{Batch, Drive, LogBackend, MetaKey, Visit};

#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    pub(super) entries: BTreeMap<u64, Vec<u8>>,
    pub(super) meta: BTreeMap<MetaKey, Vec<u8>>,
}

impl Contents {
    pub(super) fn apply(&mut self, batch: Batch) {
        if !batch.remove.is_empty() {
            let mut behind = self.entries.split_off(&batch.remove.start).split_off(&batch.remove.end);
            self.entries.append(&mut behind);
        }
        self.entries.extend(batch.put);
        self.meta.extend(batch.meta);
    }

    pub(super) fn visit(&self, range: Range<u64>, visit: &mut Visit<'_>) {
        for (index, stored) in self.entries.range(range) {
            if visit(*index, stored).is_break() {
                return;
            }
        }
    }

    pub(super) fn bounds(&self) -> Option<(u64, u64)> {
        Some((*self.entries.first_key_value()?.0, *self.entries.last_key_value()?.0))
    }
}

#[derive(Default)]
pub(crate) struct MemoryBackend(RwLock<Contents>);

impl LogBackend for MemoryBackend {
    fn write(&self, batch: Batch) -> io::Result<()> {
        self.0.write().apply(batch);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn read(&self, range: Range<u64>, visit: &mut Visit<'_>) -> io::Result<()> {
        self.0.read().visit(range, visit);
        Ok(())
    }

    fn bounds(&self) -> io::Result<Option<(u64, u64)>> {
        Ok(self.0.read().bounds())
    }

    fn meta(&self, key: MetaKey) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.read().meta.get(&key).cloned())
    }

    fn set_mark(&self, _index: u64) -> io::Result<()> {
        Ok(())
    }

    fn mark(&self) -> io::Result<Option<u64>> {
        Ok(self.bounds()?.map(|(_, last)| last))
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn drive(&self) -> Drive {
        Drive::Inline
    }
}
