//! Tags as metadata of the membership layer (`docs/spec/gossip.md` §11.4).

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::msgpack;

use crate::log::Log;

/// First byte of metadata that holds tags.
const TAGS_BYTE: u8 = 0xff;
/// Longest metadata the membership layer carries.
const META_MAX_BYTES: usize = 512;

/// Tags encoded; they are encoded once and kept, since peers compare the bytes.
pub(crate) fn encode(tags: &BTreeMap<String, String>) -> Result<Bytes, String> {
    let mut meta = vec![TAGS_BYTE];
    msgpack::to_writer(&mut meta, tags).map_err(|error| format!("Failed to encode tags: {error}"))?;
    if meta.len() > META_MAX_BYTES {
        return Err(format!("Encoded length of tags exceeds limit of {META_MAX_BYTES} bytes"));
    }
    Ok(meta.into())
}

/// Reads what a peer announced. Anything but tags is the bare role of an old protocol; tags that cannot be read are
/// none.
pub(super) fn decode(meta: &[u8], log: Log) -> BTreeMap<String, String> {
    match meta.split_first() {
        Some((&TAGS_BYTE, encoded)) => match msgpack::from_slice_prefix(encoded) {
            Ok((tags, _)) => tags,
            Err(error) => {
                log.error(format_args!("serf: Failed to decode tags: {error}"));
                BTreeMap::new()
            }
        },
        _ => BTreeMap::from([("role".to_owned(), String::from_utf8_lossy(meta).into_owned())]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        crate::log::Logs::default().serf
    }

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn tags_have_the_spec_s_bytes_and_come_back() {
        let role = tags(&[("role", "a")]);
        let meta = encode(&role).unwrap();
        assert_eq!(meta.as_ref(), b"\xff\x81\xa4role\xa1a");
        assert_eq!(decode(&meta, log()), role);
    }

    #[test]
    fn other_metadata_is_a_role() {
        assert_eq!(decode(b"web", log()), tags(&[("role", "web")]));
        assert_eq!(decode(b"", log()), tags(&[("role", "")]));
        assert_eq!(decode(b"\xff\xc1", log()), tags(&[]));
    }

    #[test]
    fn tags_over_the_limit_are_refused() {
        let refused = encode(&tags(&[("role", &"x".repeat(510))])).unwrap_err();
        assert_eq!(refused, "Encoded length of tags exceeds limit of 512 bytes");
    }
}
