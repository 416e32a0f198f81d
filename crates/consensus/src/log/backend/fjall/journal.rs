//! Cutting a torn end off fjall's journal before fjall sees it.
//!
//! After a power cut the last batches of the journal, those that no sync covered, may be there in part, and not
//! necessarily from the front. fjall 3 drops such an end silently when it cannot be parsed and refuses to open when it
//! can be but has a wrong checksum. Both are settled here: the damaged end is set aside in a file of its own, with a
//! warning, and cut. Whether it held anything that was synced is decided afterwards by the log, which knows how far it
//! once reached.
//!
//! Journal format, version 3: batches of `1 | items u32 | sequence u64`, then items, then `3 | XXH3-64 of the items |
//! "FJL" 3`. An item is `2 | type u8 | compression u8 | keyspace u64 | key length u16 | value length u32 | stored length
//! u32 | key | value` or `4 | keyspace u64`. Integers are little-endian. Behind the last batch are zeros.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

const JOURNAL_ENDING: &str = "jnl";
/// The end that was cut off last.
const CUT_ENDING: &str = "cut";

const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
const START_BYTES: u64 = 12;
const ITEM_HEADER_BYTES: usize = 20;
const CLEAR_BYTES: u64 = 8;
const TRAILER: [u8; 4] = [b'F', b'J', b'L', 3];
const BUFFER_BYTES: usize = 256 * 1024;

/// Cuts a torn end off the newest journal of the database in `directory`, if there is one.
pub(super) fn cut_torn_end(directory: &Path) -> io::Result<()> {
    let Some(path) = newest_journal(directory)? else { return Ok(()) };
    let mut journal = Journal::open(&path)?;
    let end = journal.end_of_batches()?;
    let mut rest = journal.into_file(end)?;
    let mut first = [0];
    if rest.read(&mut first)? == 0 || first == [0] {
        return Ok(());
    }
    let aside = path.with_extension(CUT_ENDING);
    tracing::warn!(target: "agent.server.raft", journal = %path.display(), position = end, saved = %aside.display(),
        "cutting off the torn end of the raft log's journal");
    rest.seek(SeekFrom::Start(end))?;
    io::copy(&mut rest, &mut File::create(&aside)?)?;
    let journal = OpenOptions::new().write(true).open(&path)?;
    journal.set_len(end)?;
    journal.sync_all()
}

fn newest_journal(directory: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        let Some(number) = number.filter(|_| path.extension().is_some_and(|ending| ending == JOURNAL_ENDING)) else {
            continue;
        };
        if newest.as_ref().is_none_or(|(other, _)| *other < number) {
            newest = Some((number, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

struct Journal {
    input: BufReader<File>,
    position: u64,
    len: u64,
    hash: Xxh3,
    buffer: Vec<u8>,
}

enum ReadError {
    /// The bytes at hand are no batch, or not a whole one.
    Torn,
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Torn,
            _ => ReadError::Io(error),
        }
    }
}

impl Journal {
    fn open(path: &Path) -> io::Result<Journal> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let input = BufReader::with_capacity(BUFFER_BYTES, file);
        Ok(Journal { input, position: 0, len, hash: Xxh3::new(), buffer: Vec::new() })
    }

    fn into_file(self, position: u64) -> io::Result<File> {
        let mut file = self.input.into_inner();
        file.seek(SeekFrom::Start(position))?;
        Ok(file)
    }

    /// Position behind the last whole batch.
    fn end_of_batches(&mut self) -> io::Result<u64> {
        loop {
            let end = self.position;
            match self.batch() {
                Ok(()) => {}
                Err(ReadError::Torn) => return Ok(end),
                Err(ReadError::Io(error)) => return Err(error),
            }
        }
    }

    fn batch(&mut self) -> Result<(), ReadError> {
        if self.tag()? != TAG_START {
            return Err(ReadError::Torn);
        }
        let items = u32::from_le_bytes(self.array()?);
        self.read(START_BYTES - 4)?;
        self.hash.reset();
        for _ in 0..items {
            self.item()?;
        }
        if self.tag()? != TAG_END {
            return Err(ReadError::Torn);
        }
        let checksum = u64::from_le_bytes(self.array()?);
        let trailer: [u8; 4] = self.array()?;
        if checksum != self.hash.digest() || trailer != TRAILER {
            return Err(ReadError::Torn);
        }
        Ok(())
    }

    fn item(&mut self) -> Result<(), ReadError> {
        let tag = self.tag()?;
        self.hash.update(&[tag]);
        match tag {
            TAG_CLEAR => self.hash_next(CLEAR_BYTES),
            TAG_ITEM => {
                let header: [u8; ITEM_HEADER_BYTES] = self.array()?;
                self.hash.update(&header);
                let key = u16::from_le_bytes([header[10], header[11]]);
                let stored = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
                self.hash_next(u64::from(key) + u64::from(stored))
            }
            _ => Err(ReadError::Torn),
        }
    }

    fn tag(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        self.input.read_exact(&mut array)?;
        self.position += N as u64;
        Ok(array)
    }

    fn hash_next(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.read(bytes)?;
        self.hash.update(&self.buffer);
        Ok(())
    }

    fn read(&mut self, bytes: u64) -> Result<(), ReadError> {
        // A length out of torn bytes must not make us reserve memory for it.
        if bytes > self.len.saturating_sub(self.position) {
            return Err(ReadError::Torn);
        }
        self.buffer.clear();
        let read = (&mut self.input).take(bytes).read_to_end(&mut self.buffer)? as u64;
        self.position += read;
        if read < bytes { Err(ReadError::Torn) } else { Ok(()) }
    }
}
