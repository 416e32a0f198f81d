//! `SHA256SUMS`: the hashes of the other two members (`docs/spec/rpc-and-state.md` §6.3).

use std::fmt::Write;

use crate::{Error, Member};

/// Longest `SHA256SUMS` that is read; two lines are 150 bytes.
pub(crate) const SUMS_LIMIT_BYTES: u64 = 64 << 10;

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// The hashes of the members that have one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hashes {
    pub(crate) meta: Hash,
    pub(crate) state: Hash,
}

/// The text of the member.
pub(crate) fn render(hashes: &Hashes) -> String {
    let mut text = String::new();
    for (hash, member) in [(hashes.meta, Member::Meta), (hashes.state, Member::State)] {
        for byte in hash {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        let _ = writeln!(text, "  {member}");
    }
    text
}

/// Compares the text of the member with the hashes found.
pub(crate) fn verify(text: &[u8], found: &Hashes) -> Result<(), Error> {
    let (mut meta_listed, mut state_listed) = (false, false);
    let text = String::from_utf8_lossy(text);
    for (position, line) in text.lines().enumerate() {
        let bad_line = Error::BadSum(position + 1);
        let mut words = line.split_whitespace();
        let (Some(hash), Some(name)) = (words.next(), words.next()) else { return Err(bad_line) };
        let Some(hash) = decode_hex(hash) else { return Err(bad_line) };
        let (expected, listed, member) = match Member::from_name(name.as_bytes()) {
            Some(Member::Meta) => (&found.meta, &mut meta_listed, Member::Meta),
            Some(Member::State) => (&found.state, &mut state_listed, Member::State),
            _ => return Err(Error::UnknownSum(name.to_owned())),
        };
        if hash != expected {
            return Err(Error::HashMismatch(member));
        }
        *listed = true;
    }
    if !meta_listed {
        return Err(Error::MissingFile(Member::Meta));
    }
    if !state_listed {
        return Err(Error::MissingFile(Member::State));
    }
    Ok(())
}

/// The bytes of a hexadecimal text of any length: a hash of the wrong length is a wrong hash, not a bad line.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|c| c.to_digit(16).and_then(|v| u8::try_from(v).ok())).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high * 16 + low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASHES: Hashes = Hashes { meta: [0xAB; 32], state: [0x01; 32] };

    #[test]
    fn the_text_is_what_common_tools_write() {
        let expected = format!("{}  meta.json\n{}  state.bin\n", "ab".repeat(32), "01".repeat(32));
        assert_eq!(render(&HASHES), expected);
    }

    #[test]
    fn lines_in_any_order_and_spacing_are_accepted() {
        let (meta, state) = ("ab".repeat(32), "01".repeat(32));
        let cases = [
            render(&HASHES),
            format!("{state}  state.bin\n{meta}  meta.json\n"),
            format!("{meta} meta.json\r\n{state}\tstate.bin"),
            format!("{}  meta.json\n{state}  state.bin\n{state}  state.bin\n", meta.to_uppercase()),
        ];
        for text in cases {
            assert!(verify(text.as_bytes(), &HASHES).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let (meta, state) = ("ab".repeat(32), "01".repeat(32));
        let cases = [
            (String::new(), "file missing for \"meta.json\""),
            (format!("{meta}  meta.json\n"), "file missing for \"state.bin\""),
            (format!("{meta}  state.bin\n"), "hash check failed for \"state.bin\""),
            (format!("{meta}ab  meta.json\n"), "hash check failed for \"meta.json\""),
            (format!("{meta}  evil\n"), "list missing hash for \"evil\""),
            (format!("{meta}  SHA256SUMS\n"), "list missing hash for \"SHA256SUMS\""),
            (format!("{meta}  meta.json\n\n{state}  state.bin\n"), "bad line 2 in \"SHA256SUMS\""),
            ("zz  meta.json\n".to_owned(), "bad line 1 in \"SHA256SUMS\""),
            ("abc  meta.json\n".to_owned(), "bad line 1 in \"SHA256SUMS\""),
        ];
        for (text, expected) in cases {
            let error = verify(text.as_bytes(), &HASHES).unwrap_err().to_string();
            let prefix = "failed to read snapshot file: failed checking integrity of snapshot: ";
            assert_eq!(error, format!("{prefix}{expected}"), "{text}");
        }
    }
}
