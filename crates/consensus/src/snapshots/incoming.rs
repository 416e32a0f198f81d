//! A snapshot that another server sends: written beside the finished ones, and one of them only when all of it is there
//! and its checksum is right.

use std::io::{self, Write};
use std::sync::Arc;

use super::crc64::Crc64;
use super::directory::StateFile;
use super::{Data, Header, SnapshotStore, Stored, new_id};

/// Dropped before [`Incoming::finish`], it leaves nothing behind.
pub(crate) struct Incoming {
    store: Arc<SnapshotStore>,
    id: String,
    header: Header,
    size: u64,
    crc: u64,
    received: u64,
    received_crc: Crc64,
    /// `None` once it is finished.
    state: Option<State>,
}

enum State {
    Memory(Vec<u8>),
    File(StateFile),
}

impl Incoming {
    pub(super) fn begin(store: Arc<SnapshotStore>, header: Header, size: u64, crc: u64) -> io::Result<Incoming> {
        let id = new_id(header.last);
        let state = match &*store {
            SnapshotStore::Memory(_) => State::Memory(Vec::new()),
            SnapshotStore::Directory(directory) => State::File(directory.begin(&id)?),
        };
        let (received, received_crc) = (0, Crc64::new());
        Ok(Incoming { store, id, header, size, crc, received, received_crc, state: Some(state) })
    }

    /// Adds the next bytes of the state. Blocks.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.received += bytes.len() as u64;
        if self.received > self.size {
            return Err(self.mismatch());
        }
        self.received_crc.update(bytes);
        match &mut self.state {
            Some(State::Memory(state)) => state.extend_from_slice(bytes),
            Some(State::File(file)) => file.write_all(bytes)?,
            None => {}
        }
        Ok(())
    }

    /// Checks what was received and makes it a snapshot like any other, durably when on disk. Blocks.
    pub(crate) fn finish(mut self) -> io::Result<Stored> {
        if self.received != self.size || self.received_crc.finish() != self.crc {
            return Err(self.mismatch());
        }
        let store = self.store.clone();
        let (id, header) = (self.id.clone(), self.header.clone());
        match (&*store, self.state.take()) {
            (SnapshotStore::Memory(shelf), Some(State::Memory(state))) => {
                let stored = Stored::new(id, header, self.size, self.crc, Data::Memory(state.into()));
                shelf.put(stored.clone());
                Ok(stored)
            }
            (SnapshotStore::Directory(directory), Some(State::File(file))) => {
                let completed = directory.complete(file, id, header, self.size, self.crc);
                completed.inspect_err(|_| directory.discard(&self.id))
            }
            _ => Err(io::Error::other("snapshot is already finished")),
        }
    }

    fn mismatch(&self) -> io::Error {
        let (received, crc) = (self.received, self.received_crc.finish());
        let text = format!(
            "received snapshot has {received} bytes with CRC {crc:016x}, expected {} bytes with CRC {:016x}",
            self.size, self.crc
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let (SnapshotStore::Directory(directory), Some(_)) = (&*self.store, &self.state) {
            directory.discard(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use crate::log::{LogId, Membership};

    use super::*;

    fn header() -> Header {
        let id = LogId { term: 2, index: 15 };
        Header { last: id, membership: Arc::new(Membership::default()), membership_at: LogId { term: 1, index: 1 } }
    }

    fn crc(bytes: &[u8]) -> u64 {
        let mut crc = Crc64::new();
        crc.update(bytes);
        crc.finish()
    }

    fn names(directory: &std::path::Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_whole_snapshot_is_kept_and_readable() {
        let directory = tempfile::tempdir().unwrap();
        let on_disk = SnapshotStore::open(directory.path().to_owned()).unwrap();
        for store in [Arc::new(SnapshotStore::memory()), Arc::new(on_disk)] {
            let mut incoming = store.receive(header(), 9, crc(b"123456789")).unwrap();
            incoming.write(b"1234").unwrap();
            incoming.write(b"56789").unwrap();
            let stored = incoming.finish().unwrap();
            let mut state = Vec::new();
            stored.open().unwrap().read_to_end(&mut state).unwrap();
            assert_eq!((&state[..], stored.info.index, stored.crc()), (&b"123456789"[..], 15, crc(b"123456789")));
        }
        assert!(names(directory.path()).iter().all(|name| !name.ends_with(".tmp")));
    }

    #[test]
    fn a_torn_or_wrong_transfer_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SnapshotStore::open(directory.path().to_owned()).unwrap());
        let whole = crc(b"123456789");
        for (sent, expected) in [(&b"1234"[..], whole), (b"123456788", whole), (b"123456789", whole ^ 1)] {
            let mut incoming = store.receive(header(), 9, expected).unwrap();
            incoming.write(sent).unwrap();
            assert!(incoming.finish().is_err());
        }
        let mut incoming = store.receive(header(), 9, whole).unwrap();
        assert!(incoming.write(b"1234567890").is_err(), "more than was announced");
        drop(incoming);
        let mut incoming = store.receive(header(), 9, whole).unwrap();
        incoming.write(b"1234").unwrap();
        drop(incoming);
        assert_eq!(names(directory.path()), Vec::<String>::new());
    }
}
