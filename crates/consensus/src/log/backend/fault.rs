//! A log on a pretended disk that fails on demand. Clones share the disk, so that a test can cut the power and open the
//! disk again.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::memory::Contents;
use super::{Batch, LogBackend, MetaKey, Visit};

/// What the disk does wrong from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Writes fail: no space left on device.
    NoSpace,
    /// Syncs fail.
    SyncFails,
    /// Syncs claim success and do nothing.
    SyncLies,
    /// Syncs do not return until the fault is changed.
    SyncHangs,
}

#[derive(Default)]
struct Disk {
    fault: Fault,
    /// What a power cut leaves.
    durable: Contents,
    /// Written since, in order.
    volatile: Vec<Batch>,
    /// What reads see.
    visible: Contents,
    mark: Option<u64>,
    syncs: u64,
    is_hanging: bool,
}

#[derive(Clone, Default)]
pub(crate) struct FaultBackend(Arc<(Mutex<Disk>, Condvar)>);

impl FaultBackend {
    pub(crate) fn set_fault(&self, fault: Fault) {
        self.disk().fault = fault;
        self.0.1.notify_all();
    }

    /// Blocks until a sync hangs.
    pub(crate) fn wait_for_hang(&self) {
        let mut disk = self.disk();
        self.0.1.wait_while(&mut disk, |disk| !disk.is_hanging);
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.0.lock()
    }

    /// Loses everything that was not synced, except the first `kept` batches; the last entry of the last of these is
    /// cut in half when `torn`.
    pub(crate) fn cut_power(&self, kept: usize, torn: bool) {
        let disk = &mut *self.disk();
        disk.fault = Fault::None;
        let mut lost = std::mem::take(&mut disk.volatile);
        lost.truncate(kept);
        if let Some((_, stored)) = lost.last_mut().filter(|_| torn).and_then(|batch| batch.put.last_mut()) {
            stored.truncate(stored.len() / 2);
        }
        lost.into_iter().for_each(|batch| disk.durable.apply(batch));
        disk.visible = disk.durable.clone();
    }

    /// Flips a bit of a stored entry.
    pub(crate) fn corrupt(&self, index: u64) {
        let disk = &mut *self.disk();
        for contents in [&mut disk.durable, &mut disk.visible] {
            let stored = contents.entries.get_mut(&index).expect("entry to corrupt");
            *stored.last_mut().expect("non-empty record") ^= 1;
        }
    }

    /// Makes the stored vote unreadable.
    pub(crate) fn corrupt_vote(&self) {
        let disk = &mut *self.disk();
        for contents in [&mut disk.durable, &mut disk.visible] {
            contents.meta.get_mut(&MetaKey::Vote).expect("vote to corrupt").truncate(3);
        }
    }

    /// Loses a stored entry.
    pub(crate) fn lose(&self, index: u64) {
        let disk = &mut *self.disk();
        for contents in [&mut disk.durable, &mut disk.visible] {
            contents.entries.remove(&index).expect("entry to lose");
        }
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.disk().syncs
    }
}

impl LogBackend for FaultBackend {
    fn write(&self, batch: Batch) -> io::Result<()> {
        let disk = &mut *self.disk();
        if disk.fault == Fault::NoSpace {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.visible.apply(batch.clone());
        disk.volatile.push(batch);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.syncs += 1;
        disk.is_hanging = disk.fault == Fault::SyncHangs;
        self.0.1.notify_all();
        self.0.1.wait_while(&mut disk, |disk| disk.fault == Fault::SyncHangs);
        disk.is_hanging = false;
        match disk.fault {
            Fault::SyncFails => return Err(io::Error::other("input/output error")),
            Fault::SyncLies => return Ok(()),
            Fault::None | Fault::NoSpace | Fault::SyncHangs => {}
        }
        for batch in std::mem::take(&mut disk.volatile) {
            disk.durable.apply(batch);
        }
        Ok(())
    }

    fn read(&self, range: Range<u64>, visit: &mut Visit<'_>) -> io::Result<()> {
        self.disk().visible.visit(range, visit);
        Ok(())
    }

    fn bounds(&self) -> io::Result<Option<(u64, u64)>> {
        Ok(self.disk().visible.bounds())
    }

    fn meta(&self, key: MetaKey) -> io::Result<Option<Vec<u8>>> {
        Ok(self.disk().visible.meta.get(&key).cloned())
    }

    fn set_mark(&self, index: u64) -> io::Result<()> {
        self.disk().mark = Some(index);
        Ok(())
    }

    fn mark(&self) -> io::Result<Option<u64>> {
        Ok(self.disk().mark)
    }

    fn location(&self) -> String {
        "fault disk".to_owned()
    }
}
