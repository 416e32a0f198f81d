//! Decodes any bytes into a generic value. What decodes must take as many bytes as skipping it does, and must encode
//! and decode to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;
use wire::msgpack::{Reader, from_slice, from_slice_prefix, to_vec};

fuzz_target!(|input: &[u8]| {
    let _ = Reader::new(input).read_raw();
    let Ok((value, decoded)) = from_slice_prefix::<Value>(input) else {
        return;
    };
    let (_, skipped) = from_slice_prefix::<IgnoredAny>(input).expect("what decodes can be skipped");
    assert_eq!(decoded, skipped);
    let encoded = to_vec(&value).expect("a decoded value encodes");
    assert_eq!(from_slice::<Value>(&encoded).expect("an encoded value decodes"), value);
});
