//! Domain names: presentation form in memory, labels on the wire.
//!
//! Names are kept as text with a dot at the end, because node names and addresses of the catalog enter answers as they
//! are registered: only writing them decides whether they are names at all (`docs/spec/dns.md` §7, §9).

use std::sync::Arc;

use super::write::Unencodable;

/// A name takes at most this many bytes on the wire when it is read.
const NAME_MAX_BYTES: usize = 255;
/// A label takes at most this many bytes.
const LABEL_MAX_BYTES: usize = 63;
/// A name read follows at most this many compression pointers: more than a name of one-byte labels needs.
const POINTERS_MAX: usize = 126;

/// A name in presentation form, with a dot at its end. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(Arc<str>);

impl Name {
    /// The name with this text; the dot at the end is added when it is missing.
    pub(crate) fn new(text: &str) -> Name {
        if is_complete(text) {
            return Name(text.into());
        }
        Name(format!("{text}.").into())
    }

    /// Its text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the very same value, not only the same text.
    pub(super) fn is(&self, other: &Name) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the text ends with a dot that is not escaped.
fn is_complete(text: &str) -> bool {
    text.strip_suffix('.').is_some_and(|before| !ends_escaped(before))
}

/// Whether what follows this text is escaped by its last backslash.
fn ends_escaped(text: &str) -> bool {
    text.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// Whether `name` is `domain` or below it, by whole labels and without case. Both end with a dot.
pub(crate) fn ends_with_domain(name: &str, domain: &str) -> bool {
    if domain == "." {
        return true;
    }
    let Some(cut) = name.len().checked_sub(domain.len()) else { return false };
    let (Some(before), Some(end)) = (name.get(..cut), name.get(cut..)) else { return false };
    end.eq_ignore_ascii_case(domain) && (before.is_empty() || is_complete(before))
}

/// The labels of a text, still escaped. Empty for an empty text; a dot at the end counts for nothing.
pub(crate) fn labels(text: &str) -> Vec<&str> {
    let mut labels = Vec::with_capacity(8);
    let mut escaped = false;
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'.' => {
                labels.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < text.len() {
        labels.push(&text[start..]);
    }
    labels
}

/// The byte that an escape sequence at the start of `rest` (a backslash) stands for, and the sequence's length. No byte
/// for a backslash at the end.
pub(crate) fn unescape(rest: &[u8]) -> (Option<u8>, usize) {
    match rest {
        [_, a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            // Above 255 it wraps, as the reference's does.
            (Some((value & 0xff) as u8), 4)
        }
        [_, byte, ..] => (Some(*byte), 2),
        _ => (None, rest.len()),
    }
}

/// Reads a name at `at`: its text, and where the message goes on.
pub(super) fn read(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut text = String::with_capacity(48);
    let mut budget = NAME_MAX_BYTES;
    let mut pointers = 0;
    let mut end = None;
    loop {
        let length = *message.get(at)?;
        at += 1;
        match length & 0xc0 {
            0x00 if length == 0 => break,
            0x00 => {
                let length = usize::from(length);
                budget = budget.checked_sub(length + 1).filter(|&left| left > 0)?;
                for &byte in message.get(at..at + length)? {
                    push_escaped(&mut text, byte);
                }
                text.push('.');
                at += length;
            }
            0xc0 => {
                let low = *message.get(at)?;
                end.get_or_insert(at + 1);
                pointers += 1;
                if pointers > POINTERS_MAX {
                    return None;
                }
                at = usize::from(u16::from_be_bytes([length & 0x3f, low]));
            }
            _ => return None,
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    Some((text, end.unwrap_or(at)))
}

fn push_escaped(text: &mut String, byte: u8) {
    match byte {
        b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
            text.push('\\');
            text.push(char::from(byte));
        }
        b'!'..=b'~' => text.push(char::from(byte)),
        _ => {
            text.push('\\');
            for digit in [byte / 100, byte / 10 % 10, byte % 10] {
                text.push(char::from(b'0' + digit));
            }
        }
    }
}

/// Turns a name into labels with their lengths and the root, and notes where each label starts.
///
/// There is no bound on the whole: the reference sends names beyond 255 bytes when the catalog holds them.
pub(super) fn to_wire(name: &str, wire: &mut Vec<u8>, starts: &mut Vec<usize>) -> Result<(), Unencodable> {
    wire.clear();
    starts.clear();
    wire.push(0);
    if name == "." {
        return Ok(());
    }
    let bytes = name.as_bytes();
    let mut start = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                let (byte, length) = unescape(bytes.get(at..).unwrap_or_default());
                wire.extend(byte);
                at += length;
                continue;
            }
            b'.' => {
                let length = wire.len() - start - 1;
                if length == 0 || length > LABEL_MAX_BYTES {
                    return Err(Unencodable::Name);
                }
                if let Some(place) = wire.get_mut(start) {
                    *place = length as u8;
                }
                starts.push(start);
                start = wire.len();
                wire.push(0);
            }
            _ => wire.push(byte),
        }
        at += 1;
    }
    if wire.len() == start + 1 { Ok(()) } else { Err(Unencodable::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        to_wire(name, &mut bytes, &mut Vec::new()).ok().map(|()| bytes)
    }

    #[test]
    fn a_name_goes_to_the_wire_and_back() {
        for name in [".", "consul.", "db.service.consul.", "bad\\ name.consul.", "a\\.b.c.", "x\\000\\255y."] {
            let bytes = wire(name).expect(name);
            assert_eq!(read(&bytes, 0), Some((name.to_owned(), bytes.len())), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_written() {
        for name in ["a..b.", "..", "nodot", &format!("{}.consul.", "l".repeat(64)), "a\\."] {
            assert_eq!(wire(name), None, "{name}");
        }
        assert!(wire(&format!("{}.", ["m"; 200].join("."))).is_some());
    }

    #[test]
    fn escapes_wrap_and_vanish_as_the_reference_has_it() {
        assert_eq!(wire("b\\097ck.").expect("name"), b"\x04back\0");
        assert_eq!(unescape(b"\\999"), (Some(231), 4));
        assert_eq!(unescape(b"\\"), (None, 1));
    }

    #[test]
    fn pointers_are_followed_but_not_forever() {
        assert_eq!(read(b"\xc0\x00", 0), None);
        assert_eq!(read(b"\xc0\x02\x01a\0", 0), Some(("a.".to_owned(), 2)));
        assert_eq!(read(b"\x01a\xc0\x00", 0), None);
        assert_eq!(read(b"\x41a\0", 0), None);
        assert_eq!(read(b"\x05ab", 0), None);
    }

    #[test]
    fn a_name_of_255_bytes_is_the_longest() {
        let labels = |last: usize| {
            let mut bytes = Vec::new();
            for length in [63, 63, 63, last] {
                bytes.push(length as u8);
                bytes.extend(vec![b'b'; length]);
            }
            bytes.push(0);
            bytes
        };
        assert!(read(&labels(61), 0).is_some());
        assert!(read(&labels(62), 0).is_none());
    }

    #[test]
    fn domains_match_by_whole_labels() {
        assert!(ends_with_domain("x.CoNsUl.", "consul."));
        assert!(ends_with_domain("consul.", "consul."));
        assert!(!ends_with_domain("xconsul.", "consul."));
        assert!(!ends_with_domain("x\\.consul.", "consul."));
        assert!(ends_with_domain("x\\\\.consul.", "consul."));
        assert!(ends_with_domain("anything.", "."));
    }

    #[test]
    fn labels_keep_their_escapes() {
        assert_eq!(labels("a.b\\.c.d"), ["a", "b\\.c", "d"]);
        assert_eq!(labels("a.b."), ["a", "b"]);
        assert!(labels("").is_empty());
    }

    #[test]
    fn the_dot_at_the_end_is_added_once() {
        assert_eq!(Name::new("a").as_str(), "a.");
        assert_eq!(Name::new("a.").as_str(), "a.");
        assert_eq!(Name::new("a\\.").as_str(), "a\\..");
        assert_eq!(Name::new("").as_str(), ".");
    }
}
