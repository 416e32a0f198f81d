//! The log on disk: one fjall keyspace, plus a small file for the mark of what was synced.
//!
//! Entries are stored under `l` and the big-endian index, other values under `m` and a name. One keyspace for both lets
//! fjall drop a journal file as soon as the entries in it are flushed.

mod journal;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use super::{Batch, LogBackend, MetaKey, Visit};
use crate::Error;
use crate::data_dir::DataDir;

/// Blocks of old entries kept in memory; recent ones come from the log's own cache.
const BLOCK_CACHE_BYTES: u64 = 1024 * 1024;
/// Entries collected in memory before they leave fjall's journal for a table.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
/// fjall's smallest allowed bound of all its journal files together.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// Size of a table and number of tables after which they are merged: small, so that purged entries, which only a merge
/// takes off the disk, do not pile up in tables that are too few to merge.
const TABLE_BYTES: u64 = 4 * 1024 * 1024;
const TABLES_TO_MERGE: u8 = 2;
/// Flushing and compaction of one small keyspace need no more.
const WORKER_THREADS: usize = 1;

const DATABASE_DIR: &str = "log";
const MARK_FILE: &str = "log.synced";
const KEYSPACE: &str = "log";
/// fjall writes this file last when it creates a database, and refuses to open a folder that has others but not this.
const FINISHED_FILE: &str = "version";

const ENTRY_PREFIX: u8 = b'l';

pub(crate) struct FjallBackend {
    database: Database,
    keyspace: Keyspace,
    mark: Mutex<MarkFile>,
    /// Last, so that the directory is unlocked only after the database is closed.
    directory: DataDir,
}

impl FjallBackend {
    /// Opens or creates the log in a Raft directory.
    pub(crate) fn open(directory: DataDir) -> Result<FjallBackend, Error> {
        let location = directory.path().join(DATABASE_DIR).display().to_string();
        FjallBackend::open_in(directory).map_err(Error::storage(format!("failed to open raft log in {location}")))
    }

    fn open_in(directory: DataDir) -> io::Result<FjallBackend> {
        let path = directory.path().join(DATABASE_DIR);
        remove_unfinished(&path, &directory.path().join(MARK_FILE))?;
        journal::cut_torn_end(&path)?;
        let database = Database::builder(path)
            .cache_size(BLOCK_CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKER_THREADS)
            .manual_journal_persist(true)
            .open()
            .map_err(to_io)?;
        let options = || {
            let merging = Leveled::default().with_table_target_size(TABLE_BYTES).with_l0_threshold(TABLES_TO_MERGE);
            KeyspaceCreateOptions::default()
                .compaction_strategy(Arc::new(merging))
                .max_memtable_size(MEMTABLE_BYTES)
                .manual_journal_persist(true)
                .expect_point_read_hits(true)
        };
        let keyspace = database.keyspace(KEYSPACE, options).map_err(to_io)?;
        let mark = Mutex::new(MarkFile::open(&directory.path().join(MARK_FILE))?);
        Ok(FjallBackend { database, keyspace, mark, directory })
    }
}

/// Removes what a creation that was interrupted, or found no space, left behind. Nothing was ever stored in it: the
/// mark is made only after the database was opened.
fn remove_unfinished(database: &Path, mark: &Path) -> io::Result<()> {
    if database.exists() && !database.join(FINISHED_FILE).exists() && !mark.exists() {
        tracing::warn!(target: "agent.server.raft", path = %database.display(), "removing a raft log that was never finished");
        std::fs::remove_dir_all(database)?;
    }
    Ok(())
}

impl LogBackend for FjallBackend {
    fn write(&self, batch: Batch) -> io::Result<()> {
        let mut changes = self.database.batch();
        batch.remove.for_each(|index| changes.remove(&self.keyspace, entry_key(index)));
        for (index, stored) in batch.put {
            changes.insert(&self.keyspace, entry_key(index), stored);
        }
        for (key, stored) in batch.meta {
            changes.insert(&self.keyspace, meta_key(key), stored);
        }
        changes.commit().map_err(to_io)
    }

    fn sync(&self) -> io::Result<()> {
        self.database.persist(PersistMode::SyncData).map_err(to_io)
    }

    fn read(&self, range: Range<u64>, visit: &mut Visit<'_>) -> io::Result<()> {
        for pair in self.keyspace.range(entry_key(range.start)..entry_key(range.end)) {
            let (key, stored) = pair.into_inner().map_err(to_io)?;
            if visit(entry_index(&key)?, &stored).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn bounds(&self) -> io::Result<Option<(u64, u64)>> {
        let mut entries = self.keyspace.prefix([ENTRY_PREFIX]);
        let Some(first) = entries.next() else { return Ok(None) };
        let first = entry_index(&first.key().map_err(to_io)?)?;
        let Some(last) = entries.next_back() else { return Ok(Some((first, first))) };
        Ok(Some((first, entry_index(&last.key().map_err(to_io)?)?)))
    }

    fn meta(&self, key: MetaKey) -> io::Result<Option<Vec<u8>>> {
        let stored = self.keyspace.get(meta_key(key)).map_err(to_io)?;
        Ok(stored.map(|stored| stored.to_vec()))
    }

    fn reclaim(&self, below: u64) -> io::Result<()> {
        // Removed entries leave the disk only when tables are merged, which happens late in a log, where each table
        // holds newer keys than the last. Tables that hold nothing else can go as a whole. This is the one call to an
        // undocumented part of fjall (its tree); without it the disk use is about twice as high.
        let gone = entry_key(0)..entry_key(below);
        self.keyspace.tree.drop_range(gone).map_err(|error| to_io(error.into()))
    }

    fn set_mark(&self, index: u64) -> io::Result<()> {
        self.mark.lock().set(index)
    }

    fn mark(&self) -> io::Result<Option<u64>> {
        Ok(self.mark.lock().index)
    }

    fn location(&self) -> String {
        self.directory.path().join(DATABASE_DIR).display().to_string()
    }
}

fn entry_key(index: u64) -> [u8; 9] {
    let mut key = [ENTRY_PREFIX; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

fn entry_index(key: &[u8]) -> io::Result<u64> {
    match key.split_first_chunk::<1>() {
        Some(([ENTRY_PREFIX], index)) if index.len() == 8 => {
            Ok(index.iter().fold(0, |high, byte| high << 8 | u64::from(*byte)))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("unexpected key {key:02x?} among log entries"))),
    }
}

fn meta_key(key: MetaKey) -> &'static [u8] {
    match key {
        MetaKey::Vote => b"mvote",
        MetaKey::Committed => b"mcommitted",
        MetaKey::Purged => b"mpurged",
    }
}

fn to_io(error: fjall::Error) -> io::Error {
    match error {
        fjall::Error::Io(error) => error,
        fjall::Error::Poisoned => io::Error::other("an earlier write or sync of the log failed"),
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

/// `index u64 | XXH3-64 of these bytes`, little-endian, overwritten in place: 16 bytes never straddle a sector.
struct MarkFile {
    file: File,
    index: Option<u64>,
}

const MARK_BYTES: usize = 16;

impl MarkFile {
    fn open(path: &Path) -> io::Result<MarkFile> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut stored = Vec::with_capacity(MARK_BYTES);
        file.read_to_end(&mut stored)?;
        Ok(MarkFile { file, index: decode_mark(&stored) })
    }

    fn set(&mut self, index: u64) -> io::Result<()> {
        if self.index == Some(index) {
            return Ok(());
        }
        let mut stored = [0; MARK_BYTES];
        stored[..8].copy_from_slice(&index.to_le_bytes());
        let checksum = xxh3_64(&stored[..8]);
        stored[8..].copy_from_slice(&checksum.to_le_bytes());
        self.file.write_all_at(&stored, 0)?;
        if self.index.is_none_or(|old| index < old) {
            self.file.sync_data()?;
        }
        self.index = Some(index);
        Ok(())
    }
}

fn decode_mark(stored: &[u8]) -> Option<u64> {
    let (index, checksum) = stored.split_first_chunk::<8>()?;
    let checksum = u64::from_le_bytes(checksum.try_into().ok()?);
    (xxh3_64(index) == checksum).then(|| u64::from_le_bytes(*index))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    #[test]
    fn entries_and_values_survive_reopening() {
        let directory = tempfile::tempdir().unwrap();
        {
            let backend = open(directory.path()).unwrap();
            let put = (1..=300).map(|index| (index, vec![index as u8; 3])).collect();
            backend.write(Batch { put, ..Batch::default() }).unwrap();
            let meta = vec![(MetaKey::Vote, b"vote".to_vec())];
            backend.write(Batch { remove: 1..11, ..Batch::default() }).unwrap();
            backend.write(Batch { remove: 290..301, put: vec![(290, vec![0])], meta }).unwrap();
            backend.sync().unwrap();
            backend.set_mark(290).unwrap();
        }
        let backend = open(directory.path()).unwrap();
        assert_eq!(backend.bounds().unwrap(), Some((11, 290)));
        assert_eq!(backend.meta(MetaKey::Vote).unwrap().as_deref(), Some(&b"vote"[..]));
        assert_eq!(backend.meta(MetaKey::Purged).unwrap(), None);
        assert_eq!(backend.mark().unwrap(), Some(290));
        let mut seen = Vec::new();
        let mut visit = |index, stored: &[u8]| {
            seen.push((index, stored.to_vec()));
            std::ops::ControlFlow::Continue(())
        };
        backend.read(288..400, &mut visit).unwrap();
        assert_eq!(seen, [(288, vec![32; 3]), (289, vec![33; 3]), (290, vec![0])]);
    }

    fn open(directory: &Path) -> Result<FjallBackend, Error> {
        FjallBackend::open(DataDir::open(directory).unwrap())
    }

    /// Stores entries `1..=last`, each in a batch of its own, synced as the log does.
    fn store(directory: &Path, last: u64) {
        let backend = open(directory).unwrap();
        for index in 1..=last {
            backend.write(Batch { put: vec![(index, vec![index as u8; 5000])], ..Batch::default() }).unwrap();
            backend.sync().unwrap();
            backend.set_mark(index).unwrap();
        }
    }

    /// Overwrites bytes of the only journal, counted from the end of what is stored.
    fn damage_journal(directory: &Path, before_end: u64, bytes: &[u8]) {
        let path = directory.join(DATABASE_DIR).join("0.jnl");
        let stored = std::fs::read(&path).unwrap();
        let end = stored.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start(end - before_end)).unwrap();
        file.write_all(bytes).unwrap();
    }

    #[test]
    fn an_undamaged_journal_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        store(directory.path(), 20);
        assert_eq!(open(directory.path()).unwrap().bounds().unwrap(), Some((1, 20)));
        assert!(!directory.path().join(DATABASE_DIR).join("0.cut").exists());
    }

    #[test]
    fn a_batch_that_misses_a_page_in_its_middle_is_cut_off_and_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        store(directory.path(), 20);
        damage_journal(directory.path(), 4500, &[0; 4096]);
        let backend = open(directory.path()).unwrap();
        assert_eq!(backend.bounds().unwrap(), Some((1, 19)));
        assert!(directory.path().join(DATABASE_DIR).join("0.cut").exists());
        // The journal goes on behind the cut.
        backend.write(Batch { put: vec![(20, vec![1])], ..Batch::default() }).unwrap();
        backend.sync().unwrap();
        drop(backend);
        assert_eq!(open(directory.path()).unwrap().bounds().unwrap(), Some((1, 20)));
    }

    #[test]
    fn a_journal_damaged_in_its_middle_keeps_the_mark_of_what_was_synced() {
        let directory = tempfile::tempdir().unwrap();
        store(directory.path(), 20);
        damage_journal(directory.path(), 50_000, &[0xFF; 8]);
        let backend = open(directory.path()).unwrap();
        assert_eq!((backend.bounds().unwrap(), backend.mark().unwrap()), (Some((1, 10)), Some(20)));
    }

    #[test]
    fn a_damaged_mark_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(MARK_FILE);
        MarkFile::open(&path).unwrap().set(77).unwrap();
        assert_eq!(MarkFile::open(&path).unwrap().index, Some(77));
        let mut stored = std::fs::read(&path).unwrap();
        stored[0] ^= 1;
        std::fs::write(&path, stored).unwrap();
        assert_eq!(MarkFile::open(&path).unwrap().index, None);
    }
}
