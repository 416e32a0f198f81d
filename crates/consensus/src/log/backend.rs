//! The seam between the log and what stores it.

use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use net::BoxFuture;

#[cfg(test)]
pub(crate) mod fault;
pub(crate) mod fjall;
pub(crate) mod memory;

/// A value kept beside the log entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetaKey {
    /// The vote; changed only through a synced write.
    Vote,
    /// The highest committed entry, as of some earlier moment.
    Committed,
    /// The highest entry that was purged: the log begins right behind it.
    Purged,
}

/// A set of changes that is stored as a whole or not at all. Removals come first.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Indexes of removed entries; empty when nothing is removed.
    pub remove: Range<u64>,
    /// Entries, by index.
    pub put: Vec<(u64, Vec<u8>)>,
    /// Values kept beside them.
    pub meta: Vec<(MetaKey, Vec<u8>)>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.put.is_empty() && self.meta.is_empty()
    }
}

/// Called with each index and its stored bytes, in order of index.
pub type Visit<'a> = dyn FnMut(u64, &[u8]) -> ControlFlow<()> + 'a;

/// Returns when the next writes may begin.
pub type Pace = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Where a log's writer runs.
pub enum Drive {
    /// On a thread of its own.
    Thread,
    /// On the thread that appends: a sync costs nothing, so that handing it over would only add delay.
    Inline,
    /// In a task of the runtime, for a simulation, whose clock no thread may disturb.
    Task(Pace),
}

/// Stores opaque values by index. Calls that change something come from one place; reads come from any thread.
pub trait LogBackend: Send + Sync + 'static {
    /// Makes a batch visible to reads. It need not survive a power cut before the next [`LogBackend::sync`].
    fn write(&self, batch: Batch) -> io::Result<()>;

    /// Makes every earlier write survive a power cut. After an error nothing is known about those writes, so the
    /// caller must not write again.
    fn sync(&self) -> io::Result<()>;

    /// Gives back the space of entries below this index, which nobody reads any more, as far as that is cheap; they
    /// are removed one by one besides. May be called from any thread and take long.
    fn reclaim(&self, below: u64) -> io::Result<()> {
        let _ = below;
        Ok(())
    }

    /// Visits the stored values in `range`.
    fn read(&self, range: Range<u64>, visit: &mut Visit<'_>) -> io::Result<()>;

    /// Lowest and highest stored index.
    fn bounds(&self) -> io::Result<Option<(u64, u64)>>;

    /// A value kept beside the entries.
    fn meta(&self, key: MetaKey) -> io::Result<Option<Vec<u8>>>;

    /// Remembers, outside the store proper, that entries up to `index` were synced, so that a store that comes back
    /// with less is recognised. Raising the mark may be forgotten in a power cut; lowering it may not.
    fn set_mark(&self, index: u64) -> io::Result<()>;

    /// The mark, or `None` when it is unknown: then every entry must be taken for synced.
    fn mark(&self) -> io::Result<Option<u64>>;

    /// Where the data is, for messages.
    fn location(&self) -> String;

    /// Where the log's writer runs on this store.
    fn drive(&self) -> Drive {
        Drive::Thread
    }
}
