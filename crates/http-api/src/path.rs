//! Paths: percent-decoding, the unprintable-character filter, cleaning (`docs/spec/http-api.md` §1.2 steps 1 and 2).

use std::borrow::Cow;

/// An escape in a path or query that is not `%` and two hexadecimal digits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadEscape;

/// The path's bytes with every `%XX` decoded; `+` stays.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, [u8]>, BadEscape> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw.as_bytes()));
    }
    let mut out = Vec::with_capacity(raw.len());
    decode_into(raw.as_bytes(), false, &mut out)?;
    Ok(Cow::Owned(out))
}

/// Appends `raw` with every `%XX` decoded, and with `+` as a space when `plus_is_space`.
pub(crate) fn decode_into(raw: &[u8], plus_is_space: bool, out: &mut Vec<u8>) -> Result<(), BadEscape> {
    let mut rest = raw;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match byte {
            b'%' => {
                let [high, low, behind @ ..] = rest else { return Err(BadEscape) };
                out.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                rest = behind;
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(*byte),
        }
    }
    Ok(())
}

fn hex_digit(byte: u8) -> Result<u8, BadEscape> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(BadEscape),
    }
}

/// Whether every character prints: letters, marks, numbers, punctuation, symbols and the ASCII space. Bytes that are
/// not UTF-8 count as U+FFFD, which prints.
pub(crate) fn is_printable(path: &[u8]) -> bool {
    if path.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return true;
    }
    path.utf8_chunks().all(|chunk| prints(chunk.valid()))
}

/// Rust's `{:?}` escapes exactly what does not print, besides quotes and the like; behind a first character it leaves
/// combining marks alone, as this filter must.
fn prints(text: &str) -> bool {
    text.chars().all(|character| match character {
        ' '..='~' => true,
        character if character.is_ascii() => false,
        character => {
            let mut buffer = [b'x', 0, 0, 0, 0];
            let length = character.encode_utf8(&mut buffer[1..]).len();
            let shown = std::str::from_utf8(&buffer[..=length]).unwrap_or_default();
            shown.escape_debug().nth(1) == Some(character)
        }
    })
}

/// The path with `//`, `/./` and `/../` collapsed and its trailing slash kept, or nothing if it is clean already.
pub(crate) fn clean(path: &[u8]) -> Option<Vec<u8>> {
    if is_clean(path) {
        return None;
    }
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() || path.ends_with(b"/") {
        out.push(b'/');
    }
    Some(out)
}

fn is_clean(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') {
        return false;
    }
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'/') {
        rest = &rest[at + 1..];
        match rest {
            [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => return false,
            _ => {}
        }
    }
    true
}

/// A path as it stands in a URL: everything that is not unreserved or one of `$&+,/:;=@` escaped.
pub(crate) fn encode(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(*byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => {
                out.push(char::from(*byte));
            }
            byte => push_escape(&mut out, *byte),
        }
    }
    out
}

/// Appends `%XX`.
pub(crate) fn push_escape(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_plus_is_kept() {
        let cases: [(&str, Result<&[u8], BadEscape>); 7] = [
            ("/v1/kv/a", Ok(b"/v1/kv/a")),
            ("/v1/kv/a+b%20c", Ok(b"/v1/kv/a+b c")),
            ("/a%2fb%2Fc", Ok(b"/a/b/c")),
            ("/%C3", Ok(b"/\xc3")),
            ("/%zz", Err(BadEscape)),
            ("/%a", Err(BadEscape)),
            ("/%", Err(BadEscape)),
        ];
        for (raw, expected) in cases {
            assert_eq!(decode(raw).as_deref(), expected.as_ref().copied(), "{raw}");
        }
    }

    #[test]
    fn paths_are_cleaned_as_redirects_show() {
        let cases = [
            ("/v1/kv/a", None),
            ("/v1/kv/a/", None),
            ("/v1/kv/...", None),
            ("/v1/kv/..a/.b", None),
            ("/", None),
            ("/v1/kv/a//b", Some("/v1/kv/a/b")),
            ("/v1/kv/a//", Some("/v1/kv/a/")),
            ("/v1/kv/./a", Some("/v1/kv/a")),
            ("/v1/kv/a/../b", Some("/v1/kv/b")),
            ("/v1/kv/a/..", Some("/v1/kv")),
            ("/v1/kv/a/../", Some("/v1/kv/")),
            ("/v1/kv/.", Some("/v1/kv")),
            ("//v1/kv/a", Some("/v1/kv/a")),
            ("/../..", Some("/")),
            ("//", Some("/")),
            ("*", Some("/*")),
        ];
        for (path, expected) in cases {
            let cleaned = clean(path.as_bytes());
            assert_eq!(cleaned.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn characters_that_do_not_print_are_found() {
        let cases: [(&[u8], bool); 11] = [
            (b"/v1/kv/a b\"...", true),
            ("/é/e\u{301}/日本/😀".as_bytes(), true),
            (b"/\xff\xc3", true),
            ("/\u{fffd}".as_bytes(), true),
            (b"/\t", false),
            (b"/\0", false),
            (b"/\x7f", false),
            ("/\u{a0}".as_bytes(), false),
            ("/\u{200b}".as_bytes(), false),
            ("/\u{2028}".as_bytes(), false),
            ("/\u{85}".as_bytes(), false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_printable(path), expected, "{}", String::from_utf8_lossy(path));
        }
    }

    #[test]
    fn locations_are_escaped() {
        assert_eq!(encode(b"/a \"<b/\xe9?;=@"), "/a%20%22%3Cb/%E9%3F;=@");
    }
}
