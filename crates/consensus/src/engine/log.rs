//! The log as the engine wants it.

use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{EntryPayload, LogState, OptionalSend, RaftLogReader};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    Command, EngineEntry, EngineLogId, EnginePayload, EngineVote, Types, from_engine_id, from_engine_membership,
    from_engine_number, from_engine_vote, to_engine_id, to_engine_membership, to_engine_vote,
};
use crate::log::{Body, LogStore, Record};

/// Entries read from the log at a time while a long stretch is applied or replicated.
const CHUNK_ENTRIES: u64 = 1024;
/// Bound of the same in bytes.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of entries in one request to another server, but for the last entry, which may exceed it.
pub(super) const REPLICATION_BYTES: usize = 1024 * 1024;

pub(crate) struct EngineLog<R> {
    store: Arc<LogStore>,
    /// Tells the owner when the engine has let go of the log.
    in_use: TaskTrackerToken,
    types: PhantomData<fn() -> R>,
}

impl<R> EngineLog<R> {
    pub(crate) fn new(store: Arc<LogStore>, in_use: TaskTrackerToken) -> EngineLog<R> {
        EngineLog { store, in_use, types: PhantomData }
    }
}

impl<R> Clone for EngineLog<R> {
    fn clone(&self) -> Self {
        EngineLog::new(self.store.clone(), self.in_use.clone())
    }
}

impl<R: Send + Sync + 'static> RaftLogReader<Types<R>> for EngineLog<R> {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<EngineEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.store.read(start..end, usize::MAX)?.into_iter().map(to_entry).collect()
    }

    async fn read_vote(&mut self) -> io::Result<Option<EngineVote>> {
        Ok(self.store.vote().as_ref().map(to_engine_vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<EngineEntry>> {
        let (start, end) = bounds(&(start..end));
        self.store.read(start..end, REPLICATION_BYTES)?.into_iter().map(to_entry).collect()
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<EngineEntry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let reader = Reader { store: self.store.clone(), next: start, end, chunk: Vec::new().into_iter() };
        stream::iter(reader)
    }
}

/// Reads a range piece by piece.
struct Reader {
    store: Arc<LogStore>,
    next: u64,
    end: u64,
    chunk: std::vec::IntoIter<Record>,
}

impl Iterator for Reader {
    type Item = io::Result<EngineEntry>;

    fn next(&mut self) -> Option<io::Result<EngineEntry>> {
        if let Some(record) = self.chunk.next() {
            return Some(to_entry(record));
        }
        let chunk_end = self.end.min(self.next.saturating_add(CHUNK_ENTRIES));
        let chunk = match self.store.read(self.next..chunk_end, CHUNK_BYTES) {
            Ok(chunk) => chunk,
            Err(error) => {
                self.next = self.end;
                return Some(Err(error));
            }
        };
        self.next = chunk.last()?.id.index + 1;
        self.chunk = chunk.into_iter();
        self.chunk.next().map(to_entry)
    }
}

impl<R: Send + Sync + 'static> RaftLogStorage<Types<R>> for EngineLog<R> {
    type LogReader = EngineLog<R>;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types<R>>> {
        Ok(LogState {
            last_purged_log_id: self.store.purged().map(to_engine_id),
            last_log_id: self.store.last().map(to_engine_id),
        })
    }

    async fn get_log_reader(&mut self) -> EngineLog<R> {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &EngineVote) -> io::Result<()> {
        self.store.save_vote(from_engine_vote(vote)).await
    }

    async fn save_committed(&mut self, committed: Option<EngineLogId>) -> io::Result<()> {
        self.store.save_committed(committed.as_ref().map(from_engine_id));
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<EngineLogId>> {
        Ok(self.store.committed().map(to_engine_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types<R>>) -> io::Result<()>
    where
        I: IntoIterator<Item = EngineEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let records = entries.into_iter().map(to_record).collect();
        self.store.append(records, Box::new(move |result| callback.io_completed(result)))
    }

    async fn truncate_after(&mut self, last: Option<EngineLogId>) -> io::Result<()> {
        self.store.truncate(last.as_ref().map_or(0, |id| from_engine_id(id).index)).await
    }

    async fn purge(&mut self, upto: EngineLogId) -> io::Result<()> {
        self.store.purge(from_engine_id(&upto)).await
    }
}

/// A range of the engine's indexes as a half-open range of ours.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => from_engine_number(*start),
        Bound::Excluded(start) => from_engine_number(*start).saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => from_engine_number(*end).saturating_add(1),
        Bound::Excluded(end) => from_engine_number(*end),
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

fn to_record(entry: EngineEntry) -> Record {
    let body = match entry.payload {
        EnginePayload::Blank => Body::Noop,
        EnginePayload::Normal(Command(command)) => Body::Command(command),
        EnginePayload::Membership(membership) => Body::Membership(Arc::new(from_engine_membership(&membership))),
    };
    Record { id: from_engine_id(&entry.log_id), body }
}

pub(super) fn to_entry(record: Record) -> io::Result<EngineEntry> {
    let payload = match record.body {
        Body::Noop => EntryPayload::Blank,
        Body::Command(command) => EntryPayload::Normal(Command(command)),
        Body::Membership(membership) => {
            let membership = to_engine_membership(&membership)
                .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
            EntryPayload::Membership(membership)
        }
    };
    Ok(EngineEntry { log_id: to_engine_id(record.id), payload })
}
