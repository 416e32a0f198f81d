//! Rules of node and service metadata (`docs/spec/config.md` §3, `node_meta`).

use std::collections::BTreeMap;

const MAX_PAIRS: usize = 64;
const MAX_KEY_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 512;
const RESERVED_PREFIX: &str = "consul-";

/// What is wrong with one pair, with the pair in front.
pub(crate) fn pair_fault(key: &str, value: &str) -> Option<String> {
    let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let rule = if key.is_empty() {
        "Key cannot be blank".to_owned()
    } else if !key.bytes().all(well_formed) {
        "Key contains invalid characters".to_owned()
    } else if key.len() > MAX_KEY_BYTES {
        format!("Key is too long (limit: {MAX_KEY_BYTES} characters)")
    } else if key.starts_with(RESERVED_PREFIX) {
        format!("Key prefix '{RESERVED_PREFIX}' is reserved for internal use")
    } else if value.len() > MAX_VALUE_BYTES {
        format!("Value is too long (limit: {MAX_VALUE_BYTES} characters)")
    } else {
        return None;
    };
    Some(format!("Couldn't load metadata pair ('{key}', '{value}'): {rule}"))
}

/// What is wrong with the metadata of a node.
pub(crate) fn node_fault(meta: &BTreeMap<String, String>) -> Option<String> {
    if meta.len() > MAX_PAIRS {
        return Some(format!("Node metadata cannot contain more than {MAX_PAIRS} key/value pairs"));
    }
    meta.iter().find_map(|(key, value)| pair_fault(key, value))
}
