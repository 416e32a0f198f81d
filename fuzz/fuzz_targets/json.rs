//! Decodes any bytes into a generic value and into a struct with a field of each kind.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;
use wire::json::{Unknown, from_slice, to_vec};
use wire::{GoDuration, GoTime};

#[derive(Default, Deserialize)]
#[serde(default)]
#[allow(dead_code)]
struct Fields {
    name: String,
    port: i32,
    flags: u64,
    ratio: f64,
    enabled: bool,
    tags: Vec<String>,
    meta: HashMap<String, String>,
    interval: GoDuration,
    created: GoTime,
    #[serde(with = "wire::json::base64_bytes")]
    value: Vec<u8>,
    inner: Option<Box<Fields>>,
}

fuzz_target!(|input: &[u8]| {
    let _ = from_slice::<Fields>(input, Unknown::Reject);
    let _ = from_slice::<Fields>(input, Unknown::Ignore);
    if let Ok(value) = from_slice::<Value>(input, Unknown::Reject) {
        let encoded = to_vec(&value).expect("a decoded value encodes");
        from_slice::<Value>(&encoded, Unknown::Reject).expect("an encoded value decodes");
    }
});
