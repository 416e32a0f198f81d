//! JSON of entries, written by hand: the hottest answer there is. A test holds it against serde.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use types::{DirEntry, Key};

/// Bytes an entry takes beside its key, value and session.
const ENTRY_FRAME_BYTES: usize = 140;

/// A list of entries as compact JSON.
pub(crate) fn entries(entries: &[Arc<DirEntry>]) -> Vec<u8> {
    let size = |entry: &Arc<DirEntry>| {
        ENTRY_FRAME_BYTES + entry.key.as_bytes().len() + entry.value.len().div_ceil(3) * 4 + entry.session.len()
    };
    let mut out = Vec::with_capacity(2 + entries.iter().map(size).sum::<usize>());
    out.push(b'[');
    for (position, entry) in entries.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        push_entry(&mut out, entry);
    }
    out.push(b']');
    out
}

/// A list of keys as compact JSON.
pub(crate) fn keys(keys: &[Key]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + keys.iter().map(|key| key.as_bytes().len() + 3).sum::<usize>());
    out.push(b'[');
    for (position, key) in keys.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        push_string(&mut out, key.as_bytes());
    }
    out.push(b']');
    out
}

fn push_entry(out: &mut Vec<u8>, entry: &DirEntry) {
    out.extend_from_slice(b"{\"LockIndex\":");
    push_number(out, entry.lock_index);
    out.extend_from_slice(b",\"Key\":");
    push_string(out, entry.key.as_bytes());
    out.extend_from_slice(b",\"Flags\":");
    push_number(out, entry.flags);
    out.extend_from_slice(b",\"Value\":");
    push_base64(out, &entry.value);
    if !entry.session.is_empty() {
        out.extend_from_slice(b",\"Session\":");
        push_string(out, entry.session.as_bytes());
    }
    out.extend_from_slice(b",\"CreateIndex\":");
    push_number(out, entry.create_index);
    out.extend_from_slice(b",\"ModifyIndex\":");
    push_number(out, entry.modify_index);
    out.push(b'}');
}

fn push_base64(out: &mut Vec<u8>, value: &[u8]) {
    if value.is_empty() {
        out.extend_from_slice(b"null");
        return;
    }
    out.push(b'"');
    let start = out.len();
    out.resize(start + value.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(value, &mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
    out.push(b'"');
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A string with Go's escapes (`docs/spec/http-api.md` §1.10); bytes that are not UTF-8 become U+FFFD.
fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if text.iter().all(|byte| (0x20..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')) {
        out.extend_from_slice(text);
    } else {
        for character in String::from_utf8_lossy(text).chars() {
            push_character(out, character);
        }
    }
    out.push(b'"');
}

fn push_character(out: &mut Vec<u8>, character: char) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{2028}' => out.extend_from_slice(b"\\u2028"),
        '\u{2029}' => out.extend_from_slice(b"\\u2029"),
        '<' | '>' | '&' | '\0'..='\x1f' => {
            let byte = character as u8;
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        character => {
            let mut buffer = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn samples() -> Vec<Arc<DirEntry>> {
        let entry = |key: &[u8], value: &'static [u8], session: &str, number: u64| {
            Arc::new(DirEntry {
                lock_index: number,
                key: Key::from(key),
                flags: number / 3,
                value: Bytes::from_static(value),
                session: session.to_owned(),
                create_index: number / 2,
                modify_index: number,
            })
        };
        vec![
            entry(b"plain", b"value", "", 0),
            entry(b"", b"", "adf4238a-882b-9ddc-4a9d-5b6758e4159e", u64::MAX),
            entry("a\"\\<>&\n\r\t\0\x1f\x7f é\u{2028}\u{2029}😀".as_bytes(), b"\0\xff\x80", "", 10),
            entry(b"bad \xff\xc3 bytes", b"ab", "s", 1234567890),
        ]
    }

    #[test]
    fn entries_read_as_serde_writes_them() {
        for count in 0..=samples().len() {
            let list = &samples()[..count];
            let expected = serde_json::to_value(list).unwrap();
            let written: serde_json::Value = serde_json::from_slice(&entries(list)).unwrap();
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn entries_have_the_bytes_of_our_other_encoder() {
        let list = samples();
        let expected = wire::json::to_vec(&list).unwrap();
        assert_eq!(String::from_utf8(entries(&list)).unwrap(), String::from_utf8(expected).unwrap());
    }

    #[test]
    fn keys_read_as_serde_writes_them() {
        let list: Vec<Key> = samples().iter().map(|entry| entry.key.clone()).collect();
        let expected = serde_json::to_value(&list).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&keys(&list)).unwrap(), expected);
    }
}
