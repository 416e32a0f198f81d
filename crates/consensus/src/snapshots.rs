//! Snapshots of the state machine: directories on disk, or bytes in memory.

mod crc64;
mod directory;
mod incoming;
mod meta;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::log::{LogId, Membership};
use crate::{Error, StateMachine};
use crc64::Crc64;
use directory::SnapshotDirectory;
pub(crate) use incoming::Incoming;

const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// What a snapshot covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// `<term>-<index>-<unix ms>`, also the name of its directory.
    pub id: String,
    /// Term of the last entry in it.
    pub term: u64,
    /// Index of the last entry in it.
    pub index: u64,
    /// Bytes of the state.
    pub size: u64,
}

/// A stored snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) info: SnapshotInfo,
    pub(crate) membership: Arc<Membership>,
    /// Entry that the membership comes from.
    pub(crate) membership_at: LogId,
    crc: u64,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    File(PathBuf),
    Memory(Bytes),
}

/// What a new snapshot says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) last: LogId,
    pub(crate) membership: Arc<Membership>,
    pub(crate) membership_at: LogId,
}

/// A place in memory for the newest snapshot, which may outlive the server that puts it there; clones are the same one.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Option<Stored>>>);

impl Shelf {
    /// Another shelf with what is on this one now.
    pub fn copy(&self) -> Shelf {
        Shelf(Arc::new(Mutex::new(self.newest())))
    }

    fn newest(&self) -> Option<Stored> {
        self.0.lock().clone()
    }

    fn put(&self, stored: Stored) {
        *self.0.lock() = Some(stored);
    }
}

pub(crate) enum SnapshotStore {
    Memory(Shelf),
    Directory(SnapshotDirectory),
}

impl SnapshotStore {
    pub(crate) fn memory() -> SnapshotStore {
        SnapshotStore::Memory(Shelf::default())
    }

    /// Opens `<raft directory>/snapshots` and removes what an interrupted snapshot left there.
    pub(crate) fn open(path: PathBuf) -> Result<SnapshotStore, Error> {
        SnapshotDirectory::open(path).map(SnapshotStore::Directory)
    }

    /// Writes a snapshot, durably when on disk, and forgets all but the newest two. Blocks; returns early when `stop`
    /// is cancelled.
    pub(crate) fn create(
        &self,
        header: Header,
        state: &dyn crate::Snapshot,
        stop: &CancellationToken,
    ) -> io::Result<Stored> {
        let id = new_id(header.last);
        match self {
            SnapshotStore::Directory(directory) => directory.create(id, header, state, stop),
            SnapshotStore::Memory(shelf) => {
                let mut sink = Sink::new(Vec::new(), stop);
                state.write_to(&mut sink)?;
                let (bytes, size, crc) = sink.finish()?;
                let stored = Stored::new(id, header, size, crc, Data::Memory(bytes.into()));
                shelf.put(stored.clone());
                Ok(stored)
            }
        }
    }

    /// Begins to take a snapshot from another server: `size` bytes of state with this checksum. Blocks.
    pub(crate) fn receive(self: &Arc<Self>, header: Header, size: u64, crc: u64) -> io::Result<Incoming> {
        Incoming::begin(self.clone(), header, size, crc)
    }

    /// Restores the newest snapshot that can be, trying older ones after it. `None` when there never was one.
    pub(crate) fn restore_newest<S: StateMachine>(&self, machine: &mut S) -> Result<Option<Stored>, Error> {
        match self {
            SnapshotStore::Memory(shelf) => {
                let Some(stored) = shelf.newest() else { return Ok(None) };
                stored.restore_into(machine).map_err(Error::storage("failed to restore snapshot from memory"))?;
                Ok(Some(stored))
            }
            SnapshotStore::Directory(directory) => directory.restore_newest(machine),
        }
    }
}

impl Stored {
    fn new(id: String, header: Header, size: u64, crc: u64, data: Data) -> Stored {
        let info = SnapshotInfo { id, term: header.last.term, index: header.last.index, size };
        Stored { info, membership: header.membership, membership_at: header.membership_at, crc, data }
    }

    pub(crate) fn last(&self) -> LogId {
        LogId { term: self.info.term, index: self.info.index }
    }

    /// Checksum of the state.
    pub(crate) fn crc(&self) -> u64 {
        self.crc
    }

    /// The state, from its start. Goes on to work when the snapshot is removed meanwhile. Blocks.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.data {
            Data::Memory(bytes) => Box::new(bytes.clone().reader()),
            Data::File(path) => Box::new(File::open(path)?),
        })
    }

    /// Replaces the machine's state by this snapshot. The checksum is checked along the way, so after an error the
    /// machine's state is undefined.
    pub(crate) fn restore_into<S: StateMachine>(&self, machine: &mut S) -> io::Result<()> {
        match &self.data {
            Data::Memory(bytes) => self.restore_from(&bytes[..], machine),
            Data::File(path) => {
                self.restore_from(BufReader::with_capacity(COPY_BUFFER_BYTES, File::open(path)?), machine)
            }
        }
    }

    fn restore_from<S: StateMachine>(&self, from: impl Read, machine: &mut S) -> io::Result<()> {
        let mut source = Source { inner: from, crc: Crc64::new(), size: 0 };
        machine.restore(&mut source)?;
        io::copy(&mut source, &mut io::sink())?;
        let (size, crc) = (source.size, source.crc.finish());
        if size != self.info.size || crc != self.crc {
            let text = format!(
                "checksum mismatch: {size} bytes with CRC {crc:016x}, expected {} bytes with CRC {:016x}",
                self.info.size, self.crc
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }
}

fn new_id(last: LogId) -> String {
    format!("{}-{}-{}", last.term, last.index, unix_ms())
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// Counts and checksums what is written, and fails once a stop is wanted.
struct Sink<'a, W> {
    inner: W,
    crc: Crc64,
    size: u64,
    stop: &'a CancellationToken,
}

impl<'a, W: Write> Sink<'a, W> {
    fn new(inner: W, stop: &'a CancellationToken) -> Sink<'a, W> {
        Sink { inner, crc: Crc64::new(), size: 0, stop }
    }

    fn finish(mut self) -> io::Result<(W, u64, u64)> {
        self.inner.flush()?;
        Ok((self.inner, self.size, self.crc.finish()))
    }
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        let written = self.inner.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Counts and checksums what is read.
struct Source<R> {
    inner: R,
    crc: Crc64,
    size: u64,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}
