//! Statistics about a state (`docs/spec/rpc-and-state.md` §6.8).

use std::collections::HashMap;
use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;
use wire::msgpack::{self, Reader};

use crate::Error;
use crate::kind::{KV, kind_name};

/// A row of statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The record type's name, or the common start of the keys.
    pub name: String,
    /// Bytes of all its records.
    pub bytes: u64,
    /// How many records.
    pub count: u64,
}

/// Statistics about a state. Rows are sorted by bytes, largest first, then by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// A row for each record type.
    pub kinds: Vec<Group>,
    /// A row for each group of keys, when asked for.
    pub keys: Vec<Group>,
    /// Bytes of all records.
    pub total_bytes: u64,
    /// Bytes of the records counted in `keys`.
    pub total_key_bytes: u64,
}

/// How keys are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvGrouping {
    /// How many `/`-separated parts of a key name its group.
    pub depth: usize,
    /// Keys without this start are left out.
    pub prefix: String,
}

/// Counts the records of a state. With `keys`, keys are grouped and counted too. Give a buffered reader: the state is
/// read in small pieces.
///
/// # Errors
///
/// [`Error::StateHeader`], [`Error::Record`] or [`Error::State`] when the state cannot be decoded. One record is held
/// in memory at a time; one longer than [`wire::msgpack::DEFAULT_MAX_VALUE_BYTES`] is refused.
pub fn inspect(state: impl Read, keys: Option<&KvGrouping>) -> Result<Stats, Error> {
    let mut reader = Reader::new(state);
    read_header(&mut reader)?;

    let mut kinds: HashMap<u8, Group> = HashMap::new();
    let mut groups: HashMap<String, Group> = HashMap::new();
    // The header counts as a part of the first record.
    let mut counted = 0;
    while let Some(kind) = reader.read_byte().map_err(|error| Error::State(error.to_string()))? {
        let key = read_record(&mut reader, kind, keys.is_some())?;
        let bytes = reader.position() - counted;
        counted = reader.position();
        add(kinds.entry(kind).or_insert_with(|| Group::named(kind_name(kind))), bytes);
        let (Some(key), Some(grouping)) = (key, keys) else { continue };
        if key.starts_with(&grouping.prefix) {
            let name = group_of(&key, grouping.depth);
            match groups.get_mut(name) {
                Some(group) => add(group, bytes),
                None => {
                    groups.insert(name.to_owned(), Group { name: name.to_owned(), bytes, count: 1 });
                }
            }
        }
    }

    let kinds = sorted(kinds.into_values());
    let keys = sorted(groups.into_values());
    let (total_bytes, total_key_bytes) = (total(&kinds), total(&keys));
    Ok(Stats { kinds, keys, total_bytes, total_key_bytes })
}

impl Group {
    fn named(name: String) -> Self {
        Self { name, bytes: 0, count: 0 }
    }
}

fn read_header(reader: &mut Reader<impl Read>) -> Result<(), Error> {
    let header = reader.read_raw().map_err(|error| Error::StateHeader(cause(&error)))?;
    let Some(header) = header else { return Err(Error::StateHeader("EOF".to_owned())) };
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "LastIndex", default)]
        _last_index: IgnoredAny,
    }
    msgpack::from_slice::<Header>(&header)
        .map(|_| ())
        .map_err(|error| Error::StateHeader(format!("failed to decode snapshot header: {error}")))
}

/// Reads a record and returns its key if it has one and `with_key` asks for it.
fn read_record(reader: &mut Reader<impl Read>, kind: u8, with_key: bool) -> Result<Option<String>, Error> {
    let record_error = |cause: String| Error::Record { kind: kind_name(kind), cause };
    let record = reader.read_raw().map_err(|error| record_error(cause(&error)))?;
    let Some(record) = record else { return Err(record_error("EOF".to_owned())) };
    if kind != KV || !with_key {
        return Ok(None);
    }
    #[derive(Deserialize)]
    struct Keyed {
        #[serde(rename = "Key", default, with = "wire::msgpack::bytes")]
        key: Vec<u8>,
    }
    let keyed: Keyed = msgpack::from_slice(&record).map_err(|error| record_error(cause(&error)))?;
    Ok(Some(String::from_utf8_lossy(&keyed.key).into_owned()))
}

fn cause(error: &msgpack::Error) -> String {
    match error {
        msgpack::Error::Truncated(_) => "unexpected EOF".to_owned(),
        _ => error.to_string(),
    }
}

/// The first `depth` parts of a key, or all of it if it has fewer.
fn group_of(key: &str, depth: usize) -> &str {
    if depth == 0 {
        return "";
    }
    let end = key.match_indices('/').nth(depth - 1).map_or(key.len(), |(slash, _)| slash);
    &key[..end]
}

fn add(group: &mut Group, bytes: u64) {
    group.bytes += bytes;
    group.count += 1;
}

fn sorted(groups: impl Iterator<Item = Group>) -> Vec<Group> {
    let mut groups: Vec<Group> = groups.collect();
    groups.sort_unstable_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    groups
}

fn total(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\x81\xa9LastIndex\x05";

    fn state(records: &[&[u8]]) -> Vec<u8> {
        [HEADER, &records.concat()].concat()
    }

    fn rows(groups: &[Group]) -> Vec<(&str, u64, u64)> {
        groups.iter().map(|group| (group.name.as_str(), group.bytes, group.count)).collect()
    }

    #[test]
    fn records_are_counted_by_type_with_the_header_in_the_first() {
        let state = state(&[b"\x02\x80", b"\x77\xa3abc", b"\x02\x05", b"\x10\xc0"]);
        let stats = inspect(state.as_slice(), None).unwrap();
        assert_eq!(rows(&stats.kinds), [("KVS", 16, 2), ("Unknown(119)", 5, 1), ("Index", 2, 1)]);
        assert_eq!((stats.total_bytes, stats.total_key_bytes), (23, 0));
    }

    #[test]
    fn a_state_without_records_counts_nothing() {
        assert_eq!(inspect(HEADER, None).unwrap(), Stats::default());
    }

    #[test]
    fn keys_are_grouped_by_their_first_parts() {
        let cases = [
            ("", 2, ""),
            ("a", 2, "a"),
            ("a/b", 2, "a/b"),
            ("a/b/c", 2, "a/b"),
            ("a/b/c", 1, "a"),
            ("a/b/c", 9, "a/b/c"),
            ("a/b/c", 0, ""),
            ("dir/", 2, "dir/"),
            ("/lead/x", 2, "/lead"),
        ];
        for (key, depth, expected) in cases {
            assert_eq!(group_of(key, depth), expected, "{key} at {depth}");
        }
    }

    #[test]
    fn keys_are_filtered_by_their_start() {
        let state = state(&[b"\x02\x81\xa3Key\xa3a/b", b"\x02\x81\xa3Key\xa2ac", b"\x02\x81\xa3Key\xa1b", b"\x03\x80"]);
        let grouping = KvGrouping { depth: 1, prefix: "a".to_owned() };
        let stats = inspect(state.as_slice(), Some(&grouping)).unwrap();
        assert_eq!(rows(&stats.keys), [("a", 22, 1), ("ac", 9, 1)]);
        assert_eq!(stats.total_key_bytes, 31);
    }

    #[test]
    fn what_cannot_be_decoded_is_named() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "EOF"),
            (&HEADER[..4], "unexpected EOF"),
            (b"\x81\xa9LastIndex\x05\x1d\x81\xa1", "failed to decode msg type ChunkingState, error unexpected EOF"),
            (b"\x81\xa9LastIndex\x05\x02", "failed to decode msg type KVS, error EOF"),
            (b"\x81\xa9LastIndex\x05\x02\xc1", "failed to decode msg type KVS, error msgpack decode error"),
            (b"\x05\x02\x80", "failed to decode snapshot header: "),
        ];
        for (state, expected) in cases {
            let error = inspect(state, None).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
