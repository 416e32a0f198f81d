//! Metadata of nodes as text records (`docs/spec/dns.md` §9).

use types::Node;

use crate::codec::{Name, unescape};
use crate::message::{Data, Record};

/// Keys that start so, in any case, are shown without the key.
const RAW_PREFIX: &str = "rfc1035-";

/// One record for each pair of the node's metadata.
pub(crate) fn records<'a>(node: &'a Node, owner: &'a Name, ttl: u32) -> impl Iterator<Item = Record> + 'a {
    node.meta.iter().map(move |(key, value)| Record {
        owner: owner.clone(),
        ttl,
        data: Data::Txt(without_escapes(&text(key, value)).into()),
    })
}

/// The text of a pair: the value alone, or `key=value` with RFC 1464's quoting.
fn text(key: &str, value: &str) -> String {
    if key.get(..RAW_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(RAW_PREFIX)) {
        return value.to_owned();
    }
    format!("{}={}", quote_key(key), value.replace('`', "``"))
}

fn quote_key(key: &str) -> String {
    let inner = key.trim_matches(' ');
    if inner.is_empty() {
        return "` ".repeat(key.len());
    }
    let spaces_before = key.len() - key.trim_start_matches(' ').len();
    let spaces_behind = key.len() - key.trim_end_matches(' ').len();
    let inner = inner.replace('`', "``").replace('=', "`=");
    format!("{}{inner}{}", "` ".repeat(spaces_before), "` ".repeat(spaces_behind))
}

/// The bytes of a text whose backslashes are taken as escapes, as the reference's library does.
fn without_escapes(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (byte, length) = match rest {
            [b'\\', ..] => unescape(rest),
            [byte, ..] => (Some(*byte), 1),
            [] => break,
        };
        plain.extend(byte);
        at += length;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_the_spec() {
        for (key, value, want) in [
            ("color", "blue", "color=blue"),
            ("equation", "a=4", "equation=a=4"),
            ("a=a", "true", "a`=a=true"),
            ("=", "\\=", "`==\\="),
            ("string2", "`abc`", "string2=``abc``"),
            ("novalue", "", "novalue="),
            ("abc ", "123 ", "abc` =123 "),
            (" abc", " 321", "` abc= 321"),
            ("`a", "b", "``a=b"),
            ("  ", "x", "` ` =x"),
            ("rfc1035-00", "raw", "raw"),
            ("RFC1035-x", "upper", "upper"),
            ("rfc1035", "v", "rfc1035=v"),
        ] {
            assert_eq!(text(key, value), want, "{key:?} {value:?}");
        }
    }

    #[test]
    fn backslashes_escape() {
        for (given, want) in [
            ("a=x\\y", &b"a=xy"[..]),
            ("\\065", b"A"),
            ("x\\y\\065z\\", b"xyAz"),
            ("\u{e9}\\999", b"\xc3\xa9\xe7"),
            ("q=\"q\"", b"q=\"q\""),
            ("\\06", b"06"),
        ] {
            assert_eq!(without_escapes(given), want, "{given}");
        }
    }
}
