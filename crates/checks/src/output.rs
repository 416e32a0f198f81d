//! Limits on the output of checks, shared with those whose results are sent in.

use std::collections::VecDeque;

/// The first `max_bytes` of a text, with a note when that is not all: `… (captured N of M bytes)`.
/// A character cut in the middle becomes a replacement character.
pub fn head(text: &str, max_bytes: usize) -> String {
    match text.as_bytes().get(..max_bytes) {
        Some(kept) if max_bytes < text.len() => {
            format!("{} ... (captured {max_bytes} of {} bytes)", String::from_utf8_lossy(kept), text.len())
        }
        _ => text.to_owned(),
    }
}

/// The last bytes of a stream of any length, in bounded memory.
#[derive(Debug)]
pub(crate) struct Tail {
    kept: VecDeque<u8>,
    max_bytes: usize,
    written: u64,
}

impl Tail {
    pub(crate) fn new(max_bytes: usize) -> Tail {
        Tail { kept: VecDeque::new(), max_bytes, written: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.written = self.written.saturating_add(bytes.len() as u64);
        let fresh = bytes.get(bytes.len().saturating_sub(self.max_bytes)..).unwrap_or_default();
        let excess = (self.kept.len() + fresh.len()).saturating_sub(self.max_bytes);
        self.kept.drain(..excess.min(self.kept.len()));
        self.kept.extend(fresh);
    }

    /// What was kept, as text.
    pub(crate) fn into_text(mut self) -> String {
        String::from_utf8_lossy(self.kept.make_contiguous()).into_owned()
    }

    /// What was kept, after a line that says so when that is not all.
    pub(crate) fn into_captured(self) -> String {
        let (kept, written) = (self.kept.len(), self.written);
        let text = self.into_text();
        if written > kept as u64 { format!("Captured {kept} of {written} bytes\n...\n{text}") } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_kept_with_a_note() {
        let table = [
            ("0123456789", 8, "01234567 ... (captured 8 of 10 bytes)"),
            ("0123456789", 10, "0123456789"),
            ("0123456789", 11, "0123456789"),
            ("", 1, ""),
            ("ééé", 4, "éé ... (captured 4 of 6 bytes)"),
            ("ééé", 3, "é\u{fffd} ... (captured 3 of 6 bytes)"),
        ];
        for (text, max_bytes, expected) in table {
            assert_eq!(head(text, max_bytes), expected);
        }
    }

    fn tail_of(max_bytes: usize, writes: &[&str]) -> Tail {
        let mut tail = Tail::new(max_bytes);
        for write in writes {
            tail.push(write.as_bytes());
        }
        tail
    }

    #[test]
    fn the_tail_is_kept_with_a_note() {
        let table: [(usize, &[&str], &str); 6] = [
            (6, &["0123456789abcdef\n"], "Captured 6 of 17 bytes\n...\nbcdef\n"),
            (6, &["0123", "456789", "ab"], "Captured 6 of 12 bytes\n...\n6789ab"),
            (6, &["0123", "45"], "012345"),
            (6, &[], ""),
            (3, &["0123", "4"], "Captured 3 of 5 bytes\n...\n234"),
            (0, &["01"], "Captured 0 of 2 bytes\n...\n"),
        ];
        for (max_bytes, writes, expected) in table {
            assert_eq!(tail_of(max_bytes, writes).into_captured(), expected, "{max_bytes} {writes:?}");
        }
    }

    #[test]
    fn memory_for_the_tail_is_bounded() {
        let mut tail = Tail::new(4096);
        for _ in 0..1000 {
            tail.push(&[b'y'; 8192]);
        }
        assert!(tail.kept.capacity() <= 2 * 4096, "{}", tail.kept.capacity());
        assert_eq!(tail.into_text().len(), 4096);
    }
}
