//! Row keys: the parts of a compound key, lower-cased, in one byte string that sorts like the parts.

use std::sync::Arc;

/// Key of a row or of a secondary index; cheap to clone.
pub(crate) type RowKey = Arc<[u8]>;

/// Stands for "not imported from a peer" in keys and index names (`docs/spec/rpc-and-state.md` §7).
const LOCAL: &str = "~";

/// The first part of every catalog key: the peering a row was imported from.
pub(crate) fn peer_part(peer: &str) -> &str {
    if peer.is_empty() { LOCAL } else { peer }
}

/// A key made of these parts. The keys of all rows that start with the same parts have it as a prefix.
pub(crate) fn row(parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::with_capacity(parts.iter().map(|part| part.len() + 2).sum());
    for part in parts {
        push(&mut key, part);
    }
    key
}

/// Appends one part: a NUL inside it becomes `00 01` so that the terminator `00 00` is unique and sorts first.
pub(crate) fn push(key: &mut Vec<u8>, part: &str) {
    let start = key.len();
    if part.is_ascii() {
        key.extend(part.bytes().map(|byte| byte.to_ascii_lowercase()));
    } else {
        key.extend_from_slice(part.to_lowercase().as_bytes());
    }
    if key[start..].contains(&0) {
        let escaped: Vec<u8> =
            key[start..].iter().flat_map(|&b| [b, 1].into_iter().take(1 + usize::from(b == 0))).collect();
        key.truncate(start);
        key.extend_from_slice(&escaped);
    }
    key.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn sorts_like_the_parts() {
        let mut parts = [["a", "b"], ["a", ""], ["a\0", "a"], ["a", "\0"], ["ab", "a"], ["", "z"], ["a-", "c"]];
        let mut keys: Vec<Vec<u8>> = parts.iter().map(|p| row(p)).collect();
        parts.sort_unstable();
        keys.sort_unstable();
        assert_eq!(keys, parts.iter().map(|p| row(p)).collect::<Vec<_>>());
    }

    #[test]
    fn ignores_case() {
        assert_eq!(row(&["Web", "ÄB"]), row(&["weB", "äb"]));
    }

    #[test]
    fn a_part_is_never_a_prefix_of_a_longer_part() {
        assert!(!row(&["web-1"]).starts_with(&row(&["web"])));
        assert!(!row(&["web\0"]).starts_with(&row(&["web"])));
    }
}
