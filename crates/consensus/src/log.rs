//! The durable log: recent entries in memory, everything in a [`LogBackend`], one writer.
//!
//! [`LogStore::append`] returns as soon as entries are readable and queued; the writer stores whatever has queued up as
//! one batch with one sync and only then reports each append as durable. A write or sync that fails stops the writer
//! for good: what a disk holds after a failed sync is unknown, so nothing may be acknowledged or retried on top of it.

pub(crate) mod backend;
mod record;
mod task;
mod writer;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::oneshot;

use crate::Error;
use backend::{LogBackend, MetaKey};
pub(crate) use record::{Body, LogId, Membership, Record, Vote};
use writer::{Done, Op, Shared, Writer, WriterHandle};

/// Entries that may stay in memory once they are durable; `docs/spec/rpc-and-state.md` §9.2 names 512, twice that keeps
/// an apply that is a full group of commits behind off the disk.
const RECENT_ENTRIES: usize = 1024;
/// Bound of the same in bytes.
const RECENT_BYTES: usize = 16 * 1024 * 1024;

pub(crate) struct LogStore {
    recent: RwLock<Recent>,
    /// `None` once the log is closed.
    backend: RwLock<Option<Arc<dyn LogBackend>>>,
    writer: WriterHandle,
    shared: Arc<Shared>,
    location: String,
}

/// The end of the log, contiguous up to the last entry, and everything that is not an entry.
struct Recent {
    records: VecDeque<Record>,
    /// Index of the first of `records`, or of the next entry when there is none.
    first: u64,
    bytes: usize,
    last: Option<LogId>,
    purged: Option<LogId>,
    vote: Option<Vote>,
    committed: Option<LogId>,
}

impl LogStore {
    /// Opens the log and checks every entry behind `snapshot`, the last one that a restored snapshot covers. Entries at
    /// the end that are damaged and were never synced are cut off with a warning; any other damage is an error.
    pub(crate) fn open(backend: Arc<dyn LogBackend>, snapshot: Option<LogId>) -> Result<LogStore, Error> {
        let location = backend.location();
        let meta = StoredMeta::load(&*backend, &location)?;
        let last = check_entries(&*backend, &location, &meta, snapshot)?;
        let failed = || Error::storage(format!("failed to open raft log in {location}"));
        // Entries that only a process crash preserved are not on the disk yet; from here on they count as synced.
        backend.sync().map_err(failed())?;
        let durable = last.map_or(0, |id| id.index);
        backend.set_mark(durable).map_err(failed())?;

        let shared = Arc::new(Shared::new(durable));
        let first_stored = backend.bounds().map_err(failed())?.map_or(durable + 1, |(first, _)| first);
        let mut writer = Writer::new(backend.clone(), shared.clone(), first_stored, durable);
        if let Some(purged) = meta.purged {
            // What an interrupted purge left in the store.
            writer.extend_purge(purged.index);
        }
        let recent = Recent {
            records: VecDeque::new(),
            first: durable + 1,
            bytes: 0,
            last,
            purged: meta.purged,
            vote: meta.vote,
            // A mark of what was committed can be ahead of a log that was cut.
            committed: meta.committed.filter(|id| id.index <= durable),
        };
        Ok(LogStore {
            recent: RwLock::new(recent),
            writer: WriterHandle::start(writer, backend.drive()).map_err(failed())?,
            backend: RwLock::new(Some(backend)),
            shared,
            location,
        })
    }

    /// The last entry; the last purged one when the log is empty behind it.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.recent.read().last
    }

    pub(crate) fn purged(&self) -> Option<LogId> {
        self.recent.read().purged
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        self.recent.read().vote
    }

    /// The committed entry that was remembered when the log was opened or since.
    pub(crate) fn committed(&self) -> Option<LogId> {
        self.recent.read().committed
    }

    /// Why the writer gave up, if it did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    /// Makes entries readable and queues them; `done` is called, from any thread, once they are durable or cannot be.
    pub(crate) fn append(&self, records: Vec<Record>, done: Done) -> io::Result<()> {
        {
            let recent = &mut *self.recent.write();
            for record in &records {
                let next = recent.last.map_or(1, |id| id.index + 1);
                if record.id.index != next {
                    let text = format!("log entry {} appended where {next} is due", record.id.index);
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                recent.push(record.clone());
            }
            recent.evict(self.shared.durable());
        }
        self.writer.submit(Op::Append { records, done });
        Ok(())
    }

    /// Stores the vote durably.
    pub(crate) async fn save_vote(&self, vote: Vote) -> io::Result<()> {
        self.recent.write().vote = Some(vote);
        self.submit_and_wait(|done| Op::Vote { vote, done }).await
    }

    /// Remembers what is committed; stored along with a later write.
    pub(crate) fn save_committed(&self, committed: Option<LogId>) {
        self.recent.write().committed = committed;
        self.shared.set_committed(committed);
    }

    /// Removes every entry behind `after`, durably.
    pub(crate) async fn truncate(&self, after: u64) -> io::Result<()> {
        let last = match after {
            0 => None,
            index => Some(self.id_at(index)?),
        };
        self.recent.write().truncate(after, last);
        self.submit_and_wait(|done| Op::Truncate { after, done }).await
    }

    /// Forgets every entry up to `upto`. Their space is freed little by little, between other writes.
    pub(crate) async fn purge(&self, upto: LogId) -> io::Result<()> {
        self.recent.write().purge(upto);
        self.submit_and_wait(|done| Op::Purge { upto, done }).await
    }

    /// Makes the log agree with a snapshot that was restored: entries that another history wrote go. A snapshot from a
    /// leader is stored before the log is cleared for it, and the time between may have been cut off.
    pub(crate) async fn settle(&self, snapshot: LogId) -> io::Result<()> {
        let Some(last) = self.last().filter(|last| *last != snapshot) else { return Ok(()) };
        let purged = self.purged().map_or(0, |id| id.index);
        if purged >= snapshot.index {
            return Ok(());
        }
        let contradicts = match last.index.cmp(&snapshot.index) {
            // A damaged entry, which the snapshot covers, proves nothing.
            Ordering::Greater => self.id_at(snapshot.index).is_ok_and(|id| id != snapshot),
            Ordering::Equal => true,
            // The engine closes the gap behind a log that merely ends early.
            Ordering::Less => last.term > snapshot.term,
        };
        if !contradicts {
            return Ok(());
        }
        tracing::warn!(target: "agent.server.raft", location = self.location, last_index = last.index,
            snapshot_index = snapshot.index, "clearing a log that contradicts the snapshot");
        self.truncate(purged).await?;
        self.purge(snapshot).await
    }

    /// Gives back the space of purged entries as far as that is cheap. Blocks, but delays no other call.
    pub(crate) fn reclaim(&self) -> io::Result<()> {
        let Some(backend) = self.backend.read().clone() else { return Err(closed()) };
        match self.purged() {
            Some(purged) => backend.reclaim(purged.index + 1),
            None => Ok(()),
        }
    }

    /// The entries of `range` that the log has, in order, at most `max_bytes` of them but at least one.
    pub(crate) fn read(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Record>> {
        let (old, mut found) = {
            let recent = self.recent.read();
            let start = range.start.max(recent.purged.map_or(1, |id| id.index + 1));
            let end = range.end.min(recent.last.map_or(1, |id| id.index + 1));
            if start >= end {
                return Ok(Vec::new());
            }
            if start >= recent.first {
                return Ok(recent.copy(start..end, max_bytes));
            }
            let found = if end > recent.first { recent.copy(recent.first..end, max_bytes) } else { Vec::new() };
            (start..end.min(recent.first), found)
        };
        let mut records = self.read_backend(old.clone(), max_bytes)?;
        let complete = records.last().is_some_and(|record| record.id.index + 1 == old.end);
        if complete && records.iter().map(Record::weight).sum::<usize>() < max_bytes {
            records.append(&mut found);
        }
        Ok(records)
    }

    fn read_backend(&self, range: Range<u64>, max_bytes: usize) -> io::Result<Vec<Record>> {
        let Some(backend) = self.backend.read().clone() else { return Err(closed()) };
        let mut records = Vec::new();
        let mut failure = None;
        let mut bytes = 0;
        backend.read(range.clone(), &mut |index, stored| {
            let due = range.start + records.len() as u64;
            let record = if index == due { Record::decode(index, stored) } else { Err("entry is missing".to_owned()) };
            match record {
                Ok(record) => {
                    bytes += record.weight();
                    records.push(record);
                }
                Err(reason) => failure = Some((due, reason)),
            }
            if failure.is_some() || bytes >= max_bytes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let next = range.start + records.len() as u64;
        if failure.is_none() && bytes < max_bytes && next < range.end {
            failure = Some((next, "entry is missing".to_owned()));
        }
        let Some((index, reason)) = failure else { return Ok(records) };
        let error = Error::Corrupt { location: self.location.clone(), index, reason };
        Err(io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn id_at(&self, index: u64) -> io::Result<LogId> {
        if let Some(purged) = self.purged().filter(|id| id.index == index) {
            return Ok(purged);
        }
        match self.read(index..index + 1, 1)?.first() {
            Some(record) => Ok(record.id),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("log has no entry {index}"))),
        }
    }

    async fn submit_and_wait(&self, op: impl FnOnce(Done) -> Op) -> io::Result<()> {
        let (done, result) = oneshot::channel();
        self.writer.submit(op(Box::new(move |outcome| drop(done.send(outcome)))));
        result.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Writes what is queued, waits for the writer to end and lets go of the backend. Blocks.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.writer.close();
        *self.backend.write() = None;
        match self.failure() {
            None => Ok(()),
            Some(failure) => Err(io::Error::other(failure)),
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("raft log is closed")
}

impl Recent {
    fn push(&mut self, record: Record) {
        self.last = Some(record.id);
        self.bytes += record.weight();
        self.records.push_back(record);
    }

    fn pop_front(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.weight();
            self.first = record.id.index + 1;
        }
    }

    /// Entries that are not durable yet can be read from nowhere else and stay.
    fn evict(&mut self, durable: u64) {
        while (self.records.len() > RECENT_ENTRIES || self.bytes > RECENT_BYTES) && self.first <= durable {
            self.pop_front();
        }
    }

    fn truncate(&mut self, after: u64, last: Option<LogId>) {
        while let Some(record) = self.records.back().filter(|record| record.id.index > after) {
            self.bytes -= record.weight();
            self.records.pop_back();
        }
        self.first = self.first.min(after + 1);
        self.last = last;
        self.committed = self.committed.filter(|id| id.index <= after);
    }

    fn purge(&mut self, upto: LogId) {
        while self.records.front().is_some_and(|record| record.id.index <= upto.index) {
            self.pop_front();
        }
        self.first = self.first.max(upto.index + 1);
        self.purged = self.purged.max(Some(upto));
        if self.last.is_none_or(|last| last.index <= upto.index) {
            self.last = Some(upto);
        }
    }

    fn copy(&self, range: Range<u64>, max_bytes: usize) -> Vec<Record> {
        let mut bytes = 0;
        let wanted = self.records.iter().skip((range.start - self.first) as usize);
        let wanted = wanted.take_while(|record| {
            let fits = bytes < max_bytes;
            bytes += record.weight();
            fits && record.id.index < range.end
        });
        wanted.cloned().collect()
    }
}

struct StoredMeta {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
}

impl StoredMeta {
    fn load(backend: &dyn LogBackend, location: &str) -> Result<StoredMeta, Error> {
        Ok(StoredMeta {
            vote: load(backend, location, MetaKey::Vote, Vote::decode)?,
            committed: load(backend, location, MetaKey::Committed, LogId::decode)?,
            purged: load(backend, location, MetaKey::Purged, LogId::decode)?,
        })
    }
}

fn load<T>(
    backend: &dyn LogBackend,
    location: &str,
    key: MetaKey,
    decode: fn(&[u8]) -> Result<T, String>,
) -> Result<Option<T>, Error> {
    let stored = backend.meta(key).map_err(Error::storage(format!("failed to read raft log in {location}")))?;
    let Some(stored) = stored else { return Ok(None) };
    let damaged = |reason| Error::CorruptMeta { location: location.to_owned(), reason: format!("{key:?}: {reason}") };
    decode(&stored).map(Some).map_err(damaged)
}

/// Checks what is needed to start: that the log follows on the snapshot without a hole, that each entry behind it can be
/// read, and that the log ends no earlier than it once did. Returns the last entry.
fn check_entries(
    backend: &dyn LogBackend,
    location: &str,
    meta: &StoredMeta,
    snapshot: Option<LogId>,
) -> Result<Option<LogId>, Error> {
    let failed = || Error::storage(format!("failed to read raft log in {location}"));
    let damaged = |index, reason: String| Error::Corrupt { location: location.to_owned(), index, reason };
    let purged = meta.purged.map_or(0, |id| id.index);
    let bounds = backend.bounds().map_err(failed())?.filter(|(_, last)| *last > purged);
    let mark = backend.mark().map_err(failed())?;

    let Some((first_stored, last_stored)) = bounds else {
        return match mark.filter(|mark| *mark > purged) {
            Some(mark) => Err(damaged(purged + 1, format!("the log is empty, but entries up to {mark} were synced"))),
            None => Ok(meta.purged),
        };
    };
    if first_stored > purged + 1 {
        return Err(damaged(purged + 1, format!("the log begins at {first_stored}")));
    }
    let start = purged.max(snapshot.map_or(0, |id| id.index).min(last_stored - 1)) + 1;
    let mut last = None;
    let mut bad = None;
    let mut visit = |index: u64, stored: &[u8]| {
        let due = last.map_or(start, |id: LogId| id.index + 1);
        let record = if index == due { Record::decode(index, stored) } else { Err("entry is missing".to_owned()) };
        match record {
            Ok(record) if last.is_some_and(|id| record.id.term < id.term) => {
                bad = Some((due, format!("term {} follows a higher term", record.id.term)));
            }
            Ok(record) => last = Some(record.id),
            Err(reason) => bad = Some((due, reason)),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    backend.read(start..last_stored + 1, &mut visit).map_err(failed())?;

    let synced = mark.unwrap_or(last_stored);
    if let Some((index, reason)) = bad {
        if index <= synced {
            return Err(damaged(index, reason));
        }
        tracing::warn!(target: "agent.server.raft", location, index, last_index = last_stored, reason,
            "cutting off damaged log entries that were never synced");
        let remove = index..last_stored + 1;
        backend.write(backend::Batch { remove, ..Default::default() }).map_err(failed())?;
        if last.is_none() && index > purged + 1 {
            last = Some(read_id(backend, index - 1).map_err(failed())?.map_err(|reason| damaged(index - 1, reason))?);
        }
    }
    let last = last.or(meta.purged);
    let last_index = last.map_or(0, |id| id.index);
    if last_index < synced {
        let reason = format!("the log ends at {last_index}, but entries up to {synced} were synced");
        return Err(damaged(last_index + 1, reason));
    }
    Ok(last)
}

fn read_id(backend: &dyn LogBackend, index: u64) -> io::Result<Result<LogId, String>> {
    let mut found = Err("entry is missing".to_owned());
    backend.read(index..index + 1, &mut |index, stored| {
        found = Record::decode(index, stored).map(|record| record.id);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
