use super::{Error, head::Head};

/// How far one value reaches in the bytes seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// The value occupies this many bytes from the start of the buffer.
    Complete(usize),
    /// At least this many bytes beyond the buffer belong to the value.
    Incomplete(u64),
}

/// Finds the end of one value without decoding it, resuming where it stopped when more bytes have come. It does not
/// recurse, so nesting depth costs nothing.
///
/// ```
/// use wire::msgpack::{Scan, Scanner};
/// let mut scanner = Scanner::default();
/// assert_eq!(scanner.scan(b"\x92\x01")?, Scan::Incomplete(1));
/// assert_eq!(scanner.scan(b"\x92\x01\x02rest")?, Scan::Complete(3));
/// # Ok::<(), wire::msgpack::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scanner {
    position: usize,
    pending_values: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { position: 0, pending_values: 1 }
    }
}

impl Scanner {
    /// A scanner for the value that starts at `position` of the buffer; it reports offsets in the buffer.
    pub(super) fn starting_at(position: usize) -> Self {
        Self { position, pending_values: 1 }
    }

    /// Looks at `buffer`, which holds the value from its first byte on and everything received since. Fails on a
    /// header no msgpack value has.
    pub fn scan(&mut self, buffer: &[u8]) -> Result<Scan, Error> {
        while self.pending_values > 0 {
            let Some((head, head_length)) = Head::read(buffer, self.position)? else {
                return Ok(Scan::Incomplete(self.missing(buffer, 1)));
            };
            let (payload, children) = match head {
                Head::Raw(bytes) | Head::Bin(bytes) | Head::Ext(bytes) => (bytes, 0),
                Head::Array(elements) => (0, elements as u64),
                Head::Map(pairs) => (0, (pairs as u64).saturating_mul(2)),
                _ => (0, 0),
            };
            let end = self.position.saturating_add(head_length).saturating_add(payload);
            if end > buffer.len() {
                return Ok(Scan::Incomplete(self.missing(buffer, end - self.position)));
            }
            self.position = end;
            self.pending_values = (self.pending_values - 1).saturating_add(children);
        }
        Ok(Scan::Complete(self.position))
    }

    /// Bytes certainly missing when the value at the position is `length` bytes long or longer: its own, and one for
    /// each value still to come.
    fn missing(&self, buffer: &[u8], length: usize) -> u64 {
        let present = buffer.len() - self.position;
        let wanted = (length as u64).saturating_add(self.pending_values - 1);
        wanted.saturating_sub(present as u64).max(1)
    }
}
