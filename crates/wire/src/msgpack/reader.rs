use std::io::{self, Read};

use serde::de::DeserializeOwned;

use super::{Error, Scan, Scanner, from_slice};

/// Longest single value a [`Reader`] accepts unless told otherwise.
pub const DEFAULT_MAX_VALUE_BYTES: usize = 512 << 20;

/// Reads a stream of values one by one. It never reads past the end of the value asked for, so the source can be
/// handed on afterwards; give it a `BufReader` when the source is a file or a socket.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    position: u64,
    max_value_bytes: usize,
    buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// A reader at position 0 that refuses values longer than [`DEFAULT_MAX_VALUE_BYTES`].
    pub fn new(source: R) -> Self {
        Self::with_max_value_bytes(source, DEFAULT_MAX_VALUE_BYTES)
    }

    /// A reader that refuses values longer than `max_value_bytes`.
    pub fn with_max_value_bytes(source: R, max_value_bytes: usize) -> Self {
        Self { source, position: 0, max_value_bytes, buffer: Vec::new() }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Gives the source back, positioned right behind the last value read.
    pub fn into_inner(self) -> R {
        self.source
    }

    /// Reads one plain byte (record types in snapshots), `None` at the end of the stream.
    pub fn read_byte(&mut self) -> Result<Option<u8>, Error> {
        let mut byte = [0];
        loop {
            match self.source.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    self.position += 1;
                    return Ok(Some(byte[0]));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Decodes the next value, `None` when the stream ends right before it. An end inside it is
    /// [`Error::Truncated`].
    pub fn read_value<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        if !self.fill()? {
            return Ok(None);
        }
        from_slice(&self.buffer).map(Some)
    }

    /// The next value's bytes, undecoded, `None` when the stream ends right before it.
    pub fn read_raw(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if !self.fill()? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.buffer)))
    }

    /// Brings exactly one value into the buffer; false at a clean end of the stream.
    fn fill(&mut self) -> Result<bool, Error> {
        self.buffer.clear();
        let mut scanner = Scanner::default();
        loop {
            let Scan::Incomplete(missing) = scanner.scan(&self.buffer)? else {
                return Ok(true);
            };
            let room = self.max_value_bytes.saturating_sub(self.buffer.len()) as u64;
            if missing > room {
                return Err(Error::TooLarge(self.max_value_bytes));
            }
            let received = self.source.by_ref().take(missing).read_to_end(&mut self.buffer)?;
            self.position += received as u64;
            if received as u64 == missing {
                continue;
            }
            if self.buffer.is_empty() {
                return Ok(false);
            }
            return Err(Error::Truncated(self.buffer.len()));
        }
    }
}
