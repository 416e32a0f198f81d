//! `kv import`, and the form in which `kv export` prints.

use std::fmt;

use api::KvPair;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use wire::json::{JsonError, Unknown, base64_bytes, from_slice};

use crate::client::{block_on, connect, write_options};
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::{path, source};

/// One exported key.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    key: String,
    flags: u64,
    value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    partition: String,
}

impl From<KvPair> for Entry {
    fn from(pair: KvPair) -> Entry {
        Entry {
            value: base64_bytes::encode(&pair.value),
            key: pair.key,
            flags: pair.flags,
            namespace: pair.namespace,
            partition: pair.partition,
        }
    }
}

pub(super) fn import(invocation: &Invocation<'_>) -> Outcome {
    let argument = match invocation.args.as_slice() {
        [] => return Err(Error::failed("Error! Missing DATA argument")),
        [argument] if argument.is_empty() => return Err(Error::failed("Error! Empty DATA argument")),
        [argument] => argument,
        more => return Err(Error::failed(format!("Error! Too many arguments (expected 1, got {})", more.len()))),
    };
    let data = source::data(argument, invocation.terminal).map_err(|e| Error::failed(format!("Error! {e}")))?;
    let client = connect(invocation)?;
    let entries = read(&data).map_err(|e| Error::failed(format!("Cannot unmarshal data: {e}")))?;
    let prefix = invocation.values.text("prefix");
    let kv = client.kv();
    block_on(async {
        for entry in entries {
            let value = base64_bytes::decode(entry.value.as_bytes())
                .map_err(|e| Error::failed(format!("Error base 64 decoding value for key {}: {e}", entry.key)))?;
            let pair = KvPair { flags: entry.flags, ..KvPair::new(path::join(prefix, &entry.key), value) };
            let mut options = write_options();
            if !entry.namespace.is_empty() {
                options = options.namespace(entry.namespace.as_str());
            }
            if !entry.partition.is_empty() {
                options = options.partition(entry.partition.as_str());
            }
            kv.put(&pair, &options)
                .await
                .map_err(|e| Error::failed(format!("Error! Failed writing data for key {}: {e}", pair.key)))?;
            invocation.terminal.say(format!("Imported: {}", pair.key));
        }
        Ok(())
    })
}

/// Reads one JSON list, and nothing behind it.
fn read(data: &[u8]) -> Result<Vec<Entry>, String> {
    let Entries(entries) = from_slice(data, Unknown::Ignore).map_err(|error| match error {
        JsonError::Eof | JsonError::UnexpectedEof => "unexpected end of JSON input".to_string(),
        JsonError::Type { value, target, path, .. } if target == "Entry" && path.is_empty() => {
            format!("json: cannot unmarshal {value} into Go value of type impexp.Entry")
        }
        other => other.to_string(),
    })?;
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<serde::de::IgnoredAny>();
    let end = values.next().map_or(0, |_| values.byte_offset());
    match data.get(end..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(byte) => Err(format!("invalid character {:?} after top-level value", char::from(*byte))),
        None => Ok(entries),
    }
}

struct Entries(Vec<Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries, D::Error> {
        deserializer.deserialize_seq(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    /// The type the reference names when the text is something else.
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[]*impexp.Entry")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element::<Option<Entry>>()? {
            entries.push(entry.unwrap_or_default());
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lists_are_refused_in_known_words() {
        for (data, message) in [
            ("not json", "invalid character 'o' in literal null (expecting 'u')"),
            ("{}", "json: cannot unmarshal object into Go value of type []*impexp.Entry"),
            ("[", "unexpected end of JSON input"),
            ("[1]", "json: cannot unmarshal number into Go value of type impexp.Entry"),
            ("[] x", "invalid character 'x' after top-level value"),
            ("[{\"key\":1}]", "json: cannot unmarshal number into Go struct field Entry.key of type string"),
        ] {
            assert_eq!(read(data.as_bytes()).map(|e| e.len()), Err(message.to_string()), "{data}");
        }
    }

    #[test]
    fn keys_match_in_any_case_and_unknown_ones_are_skipped() {
        let entries = read(br#"[{"KEY":"a","Flags":3,"value":"YQ==","other":[1]}, null]"#).expect("a list");
        assert_eq!((entries[0].key.as_str(), entries[0].flags, entries.len()), ("a", 3, 2));
    }
}
