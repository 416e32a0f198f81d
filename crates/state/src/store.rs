//! The two ends of the state: one writer, many readers.

use std::io::Read;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::apply::{self, Applied, Effect};
use crate::error::RestoreError;
use crate::restore;
use crate::root::{Root, Tx};
use crate::snapshot::Snapshot;
use crate::watch::{Registry, Topic, Touched, Watch};

#[derive(Debug)]
struct Shared {
    published: ArcSwap<Root>,
    registry: Arc<Registry>,
}

/// Read access to the published state; a cheap handle, one for everybody who reads.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// The newest published version. Takes no lock and never waits for the writer.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.published.load_full())
    }

    /// Waits for the next publish that touches one of these topics. Make it before the snapshot it shall guard.
    pub fn watch(&self, topics: impl IntoIterator<Item = Topic>) -> Watch {
        self.shared.registry.watch(topics)
    }

    /// How many [`Watch`]es exist.
    pub fn watchers(&self) -> usize {
        self.shared.registry.watchers()
    }
}

/// The only one that changes the state.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    pub(crate) root: Root,
    pub(crate) touched: Touched,
}

impl Writer {
    /// An empty state.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> (Writer, Store) {
        let shared = Arc::new(Shared {
            published: ArcSwap::from_pointee(Root::default()),
            registry: Arc::new(Registry::default()),
        });
        let writer = Writer { shared: Arc::clone(&shared), root: Root::default(), touched: Touched::default() };
        (writer, Store { shared })
    }

    /// Applies one entry of the log: a type byte and a msgpack payload (`docs/spec/rpc-and-state.md` §5).
    ///
    /// `log_index` is Raft's. The index that objects get is higher by a constant once an archive whose indexes were
    /// ahead of this log has been restored; it is [`Applied::index`]. Readers see nothing before [`Self::publish`].
    pub fn apply(&mut self, log_index: u64, command: &[u8]) -> Applied {
        apply::apply(self, log_index, command)
    }

    /// Makes everything applied so far visible to readers at once, then wakes those who wait for what was touched.
    pub fn publish(&mut self) {
        self.shared.published.store(Arc::new(self.root.clone()));
        self.shared.registry.wake(&mut self.touched);
    }

    /// The state as the writer sees it, published or not.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::new(self.root.clone()))
    }

    /// Replaces everything by the `state.bin` of a Raft snapshot, publishes it and wakes everyone.
    ///
    /// On an error the state is as it was.
    pub fn restore(&mut self, reader: &mut dyn Read) -> Result<(), RestoreError> {
        let restored = restore::raft_snapshot(reader)?;
        self.root = Root { generation: self.root.generation + 1, ..restored };
        self.touched = Touched::everything();
        self.publish();
        Ok(())
    }

    /// Runs `change` on the state. It must not fail after its first change.
    pub(crate) fn change<T>(
        &mut self,
        index: u64,
        effects: &mut Vec<Effect>,
        change: impl FnOnce(&mut Tx<'_>) -> T,
    ) -> T {
        change(&mut Tx { root: &mut self.root, index, restoring: false, touched: &mut self.touched, effects })
    }

    /// Runs `change` on a copy of the state that becomes the state if it succeeds and vanishes if it fails.
    pub(crate) fn change_atomically<T, E>(
        &mut self,
        index: u64,
        effects: &mut Vec<Effect>,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut copy = self.root.clone();
        let (touched_before, effects_before) = (self.touched.len(), effects.len());
        let result = change(&mut Tx { root: &mut copy, index, restoring: false, touched: &mut self.touched, effects });
        if result.is_ok() {
            self.root = copy;
        } else {
            self.touched.truncate(touched_before);
            effects.truncate(effects_before);
        }
        result
    }
}
