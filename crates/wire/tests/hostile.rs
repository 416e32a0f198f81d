//! No input makes a decoder panic, and what is encoded decodes to itself.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use wire::json::Unknown;
use wire::{GoDuration, GoTime, hcl, json, msgpack};

/// Any JSON-like value with integers, strings, lists and maps.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,40}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            prop::collection::btree_map(".{0,8}", inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Pieces of HCL in any order.
fn hcl_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "a",
            "b \"c\"",
            " = ",
            "=",
            "{",
            "}",
            "[",
            "]",
            ",",
            "1",
            "-0x1f",
            "1.5e3",
            "true",
            "\"s${x}\"",
            "\"",
            "\\",
            "<<E\nx\nE\n",
            "<<-E\n  x\n  E\n",
            "<<",
            "# c\n",
            "/*",
            "*/",
            "\n",
            "\r\n",
            ".",
            "-",
            "é",
            "${",
            "\0",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn msgpack_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let whole = msgpack::from_slice_prefix::<serde_json::Value>(&bytes);
        let skipped = msgpack::from_slice_prefix::<IgnoredAny>(&bytes);
        if let (Ok((_, decoded)), Ok((_, skipped))) = (&whole, &skipped) {
            prop_assert_eq!(decoded, skipped);
        }
        prop_assert!(whole.is_err() || skipped.is_ok());
        let _ = msgpack::from_slice::<(String, GoTime, GoDuration, Vec<u64>)>(&bytes);
        let _ = msgpack::Reader::new(&bytes[..]).read_raw();
    }

    #[test]
    fn msgpack_round_trips(value in value()) {
        let bytes = msgpack::to_vec(&value).expect("encodes");
        prop_assert_eq!(msgpack::from_slice::<serde_json::Value>(&bytes).expect("decodes"), value);
        let raw = msgpack::Reader::new(&bytes[..]).read_raw().expect("reads");
        prop_assert_eq!(raw.as_deref(), Some(&bytes[..]));
    }

    #[test]
    fn json_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = json::from_slice::<serde_json::Value>(&bytes, Unknown::Reject);
    }

    #[test]
    fn json_round_trips(value in value()) {
        for bytes in [json::to_vec(&value), json::to_vec_pretty(&value, "\t")] {
            let decoded: serde_json::Value =
                json::from_slice(&bytes.expect("encodes"), Unknown::Reject).expect("decodes");
            prop_assert_eq!(without_float_types(decoded), without_float_types(value.clone()));
        }
    }

    #[test]
    fn hcl_survives_any_text(text in hcl_text()) {
        let _ = hcl::parse(&text);
        let _ = hcl::parse_json(&text);
    }

    #[test]
    fn durations_round_trip(nanos in any::<i64>()) {
        prop_assert_eq!(GoDuration(nanos).to_string().parse(), Ok(GoDuration(nanos)));
    }

    #[test]
    fn duration_texts_never_panic(text in "[-+]?[0-9.]{0,25}[nuµmshx]{0,3}[0-9.]{0,5}(s|h)?") {
        let _ = GoDuration::parse(&text);
    }

    #[test]
    fn times_round_trip(seconds in -62_135_596_800_i64..253_402_300_800, nanos in 0..1_000_000_000_u32) {
        let time = GoTime::from_unix(seconds, nanos);
        prop_assert_eq!(GoTime::parse(&time.to_string()), Ok(time));
        prop_assert_eq!(GoTime::from_binary(&time.to_binary()), Ok(time));
    }

    #[test]
    fn time_decoders_never_panic(text in ".{0,30}", bytes in prop::collection::vec(any::<u8>(), 0..18)) {
        let _ = GoTime::parse(&text);
        if let Ok(time) = GoTime::from_binary(&bytes) {
            let _ = (time.to_string(), time.to_binary(), time.to_system_time());
        }
    }
}

/// JSON text does not tell 1 from 1.0.
fn without_float_types(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(elements) => elements.into_iter().map(without_float_types).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, without_float_types(value))).collect(),
        other => other,
    }
}
