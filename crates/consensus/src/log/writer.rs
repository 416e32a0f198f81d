//! The one writer of the log: drains what is queued, stores it as one batch with one sync, then reports.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::backend::{Batch, Drive, LogBackend, MetaKey};
use super::task::WriterTask;
use super::{LogId, Record, Vote};

/// Entries removed between two other writes while a purge is under way, so that it delays no proposal noticeably.
const PURGE_STEP_ENTRIES: u64 = 256;

pub(crate) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

pub(super) enum Op {
    Append { records: Vec<Record>, done: Done },
    Vote { vote: Vote, done: Done },
    Truncate { after: u64, done: Done },
    Purge { upto: LogId, done: Done },
}

/// What the writer and the rest of the log share.
pub(super) struct Shared {
    durable: AtomicU64,
    committed: Mutex<Option<LogId>>,
    failure: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn new(durable: u64) -> Shared {
        Shared { durable: AtomicU64::new(durable), committed: Mutex::new(None), failure: Mutex::new(None) }
    }

    /// Highest index that is durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(super) fn set_committed(&self, committed: Option<LogId>) {
        *self.committed.lock() = committed;
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

pub(super) struct Writer {
    backend: Arc<dyn LogBackend>,
    shared: Arc<Shared>,
    last_stored: u64,
    /// Purged entries whose space is still to be freed; its start is the first entry in the store.
    purging: Range<u64>,
}

/// Operations that are stored and reported together.
#[derive(Default)]
struct Group {
    batch: Batch,
    sync: bool,
    last: Option<u64>,
    done: Vec<Done>,
}

impl Writer {
    /// A writer for a store that holds the entries `first_stored..=last_stored`.
    pub(super) fn new(
        backend: Arc<dyn LogBackend>,
        shared: Arc<Shared>,
        first_stored: u64,
        last_stored: u64,
    ) -> Writer {
        Writer { backend, shared, last_stored, purging: first_stored..first_stored }
    }

    pub(super) fn run(&mut self, ops: Vec<Op>) {
        let mut group = Group::default();
        for op in ops {
            match op {
                Op::Append { records, done } => {
                    group.last = records.last().map(|record| record.id.index).or(group.last);
                    group.batch.put.extend(records.iter().map(|record| (record.id.index, record.encode())));
                    group.sync = true;
                    group.done.push(done);
                }
                Op::Vote { vote, done } => {
                    group.batch.meta.push((MetaKey::Vote, vote.encode()));
                    group.sync = true;
                    group.done.push(done);
                }
                Op::Purge { upto, done } => {
                    // Synced, because the space of the entries may be given back at once.
                    group.batch.meta.push((MetaKey::Purged, upto.encode()));
                    group.sync = true;
                    self.extend_purge(upto.index);
                    group.done.push(done);
                }
                Op::Truncate { after, done } => {
                    self.commit(std::mem::take(&mut group));
                    done(self.guarded(|writer| writer.truncate(after)));
                }
            }
        }
        self.commit(group);
    }

    fn commit(&mut self, mut group: Group) {
        let done = std::mem::take(&mut group.done);
        let last = group.last;
        let result = self.guarded(|writer| writer.store(group));
        for done in done {
            done(match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
        if let (Ok(()), Some(last)) = (result, last) {
            // Behind the answers, which need not wait for it: a mark that lags only knows less than there is. A failure is
            // logged and remembered by `guarded`.
            let _ = self.guarded(|writer| writer.backend.set_mark(last));
        }
    }

    /// Runs a step unless an earlier one failed, and remembers a failure for good.
    fn guarded(&mut self, step: impl FnOnce(&mut Writer) -> io::Result<()>) -> io::Result<()> {
        if let Some(failure) = self.shared.failure() {
            return Err(io::Error::other(failure));
        }
        step(self).inspect_err(|error| {
            tracing::error!(target: "agent.server.raft", error = %error, location = self.backend.location(),
                "failed to write raft log; this server takes no more writes until it is restarted");
            *self.shared.failure.lock() = Some(error.to_string());
        })
    }

    fn store(&mut self, mut group: Group) -> io::Result<()> {
        if group.batch.is_empty() {
            return Ok(());
        }
        if let Some(committed) = self.shared.committed.lock().take() {
            group.batch.meta.push((MetaKey::Committed, committed.encode()));
        }
        self.backend.write(group.batch)?;
        if group.sync {
            self.backend.sync()?;
        }
        if let Some(last) = group.last {
            self.last_stored = self.last_stored.max(last);
            self.shared.durable.store(last, Ordering::Release);
        }
        Ok(())
    }

    fn truncate(&mut self, after: u64) -> io::Result<()> {
        if after >= self.last_stored {
            return Ok(());
        }
        // The mark goes first: a power cut between the two must not make the missing entries look lost.
        self.shared.durable.fetch_min(after, Ordering::AcqRel);
        self.backend.set_mark(after)?;
        self.backend.write(Batch { remove: after + 1..self.last_stored + 1, ..Batch::default() })?;
        self.backend.sync()?;
        self.last_stored = after;
        Ok(())
    }

    pub(super) fn extend_purge(&mut self, upto: u64) {
        self.purging.end = self.purging.end.max(upto.min(self.last_stored) + 1);
        // A snapshot from another server can cover more than the log holds.
        self.last_stored = self.last_stored.max(upto);
    }

    pub(super) fn is_purging(&self) -> bool {
        !self.purging.is_empty()
    }

    pub(super) fn purge_step(&mut self) {
        let end = self.purging.end.min(self.purging.start + PURGE_STEP_ENTRIES);
        let step = std::mem::replace(&mut self.purging.start, end)..end;
        // Not synced: entries that reappear after a power cut lie behind the purge mark and are purged again.
        let removed = self.guarded(|writer| writer.backend.write(Batch { remove: step, ..Batch::default() }));
        if removed.is_err() {
            self.purging.start = self.purging.end;
        }
    }

    /// Leaves nothing behind that a later start would have to work out again.
    pub(super) fn finish(&mut self) {
        while self.is_purging() {
            self.purge_step();
        }
        let committed = self.shared.committed.lock().take();
        let meta = committed.map(|id| (MetaKey::Committed, id.encode())).into_iter().collect();
        // A failure is logged and remembered by `guarded`.
        let _ = self.guarded(|writer| {
            writer.backend.write(Batch { meta, ..Batch::default() })?;
            writer.backend.sync()
        });
    }
}

/// How to reach the writer (see [`Drive`]).
pub(super) enum WriterHandle {
    Thread { queue: Arc<Queue>, thread: Mutex<Option<JoinHandle<()>>> },
    Inline(Mutex<Option<Writer>>),
    Task(WriterTask),
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
}

#[derive(Default)]
struct QueueState {
    ops: Vec<Op>,
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Write what is queued first.
    Orderly,
    /// Stop as a killed process would.
    Abrupt,
}

impl WriterHandle {
    pub(super) fn start(writer: Writer, drive: Drive) -> io::Result<WriterHandle> {
        match drive {
            Drive::Thread => {}
            Drive::Inline => return Ok(WriterHandle::Inline(Mutex::new(Some(writer)))),
            Drive::Task(pace) => return Ok(WriterHandle::Task(WriterTask::start(writer, pace))),
        }
        let queue = Arc::new(Queue::default());
        let thread = std::thread::Builder::new().name("raft-log".to_owned()).spawn({
            let queue = queue.clone();
            move || queue.serve(writer)
        })?;
        Ok(WriterHandle::Thread { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Hands over an operation. Once the log is closed it is dropped, and so is what would report its outcome.
    pub(super) fn submit(&self, op: Op) {
        match self {
            WriterHandle::Thread { queue, .. } => queue.push(op),
            WriterHandle::Task(task) => task.push(op),
            WriterHandle::Inline(writer) => {
                let Some(writer) = &mut *writer.lock() else { return };
                writer.run(vec![op]);
                while writer.is_purging() {
                    writer.purge_step();
                }
            }
        }
    }

    /// Ends the writer once everything queued is stored. Blocks until it has ended.
    pub(super) fn close(&self) {
        self.end(End::Orderly);
    }

    fn end(&self, end: End) {
        match self {
            WriterHandle::Inline(writer) => drop(writer.lock().take()),
            WriterHandle::Task(task) => task.end(end),
            WriterHandle::Thread { queue, thread } => {
                queue.end(end);
                if thread.lock().take().is_some_and(|thread| thread.join().is_err()) {
                    tracing::error!(target: "agent.server.raft", "raft log writer panicked");
                }
            }
        }
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        self.end(End::Abrupt);
    }
}

impl Queue {
    fn push(&self, op: Op) {
        let mut state = self.state.lock();
        if state.end.is_some() {
            return;
        }
        state.ops.push(op);
        drop(state);
        self.wake.notify_one();
    }

    fn end(&self, end: End) {
        self.state.lock().end.get_or_insert(end);
        self.wake.notify_one();
    }

    fn serve(&self, mut writer: Writer) {
        loop {
            let ops = {
                let mut state = self.state.lock();
                while state.ops.is_empty() && state.end.is_none() && !writer.is_purging() {
                    self.wake.wait(&mut state);
                }
                match state.end {
                    Some(End::Abrupt) => return,
                    Some(End::Orderly) if state.ops.is_empty() => break,
                    _ => std::mem::take(&mut state.ops),
                }
            };
            if ops.is_empty() {
                writer.purge_step();
            } else {
                writer.run(ops);
            }
        }
        writer.finish();
    }
}
