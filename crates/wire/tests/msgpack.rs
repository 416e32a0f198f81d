//! The msgpack dialect: bytes on the wire (`docs/spec/rpc-and-state.md §2.2-§2.4`), tolerance, streams.

#![allow(clippy::expect_used, reason = "a failed expectation is how a test fails")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Read;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use wire::GoTime;
use wire::msgpack::{Error, MAX_DEPTH, Reader, from_slice, from_slice_prefix, to_vec, to_writer};

fn encoded<T: Serialize>(value: T) -> Vec<u8> {
    to_vec(&value).expect("encodes")
}

fn decoded<'a, T: Deserialize<'a> + Debug>(bytes: &'a [u8]) -> T {
    from_slice(bytes).expect("decodes")
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Header {
    seq: u64,
    service_method: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Operation {
    Set,
    Weight(u32),
    Pair(u8, u8),
    Cas { index: u64 },
}

#[test]
fn request_header_has_the_reference_bytes() {
    let header = Header { seq: 1, service_method: "Status.Ping".into() };
    let bytes = encoded(&header);
    assert_eq!(bytes, b"\x82\xa3Seq\x01\xadServiceMethod\xabStatus.Ping");
    assert_eq!(decoded::<Header>(&bytes), header);
}

#[test]
fn integers_take_the_smallest_form() {
    let cases: [(i128, &[u8]); 16] = [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (255, b"\xcc\xff"),
        (256, b"\xcd\x01\x00"),
        (65_535, b"\xcd\xff\xff"),
        (65_536, b"\xce\x00\x01\x00\x00"),
        (1 << 32, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        (u64::MAX as i128, b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-128, b"\xd0\x80"),
        (-129, b"\xd1\xff\x7f"),
        (-32_769, b"\xd2\xff\xff\x7f\xff"),
        (i64::MIN as i128, b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
    ];
    for (value, bytes) in cases {
        assert_eq!(encoded(value), bytes, "{value}");
        match u64::try_from(value) {
            Ok(value) => assert_eq!(decoded::<u64>(bytes), value),
            Err(_) => assert_eq!(decoded::<i64>(bytes), value as i64),
        }
    }
}

#[test]
fn strings_and_bytes_share_the_raw_family() {
    for (length, head) in [
        (0, &b"\xa0"[..]),
        (31, b"\xbf"),
        (32, b"\xda\x00\x20"),
        (255, b"\xda\x00\xff"),
        (65_535, b"\xda\xff\xff"),
        (65_536, b"\xdb\x00\x01\x00\x00"),
    ] {
        let text = "x".repeat(length);
        let bytes = encoded(&text);
        assert_eq!(&bytes[..head.len()], head, "{length}");
        assert_eq!(bytes.len(), head.len() + length);
        assert_eq!(decoded::<&str>(&bytes), text);
        #[derive(Serialize)]
        struct Raw<'a>(#[serde(with = "wire::msgpack::bytes")] &'a [u8]);
        assert_eq!(encoded(Raw(text.as_bytes())), bytes);
    }
}

#[test]
fn other_shapes_have_their_bytes() {
    assert_eq!(encoded(true), b"\xc3");
    assert_eq!(encoded(None::<u8>), b"\xc0");
    assert_eq!(encoded(Some(5)), b"\x05");
    assert_eq!(encoded(1.5_f32), b"\xca\x3f\xc0\x00\x00");
    assert_eq!(encoded(1.5_f64), b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00");
    assert_eq!(encoded(vec![1, 2]), b"\x92\x01\x02");
    assert_eq!(encoded(vec![0; 16])[..3], b"\xdc\x00\x10"[..]);
    assert_eq!(encoded(vec![0_u8; 65_536])[..5], b"\xdd\x00\x01\x00\x00"[..]);
    assert_eq!(encoded(BTreeMap::from([("a", 1)])), b"\x81\xa1a\x01");
    assert_eq!(encoded((0..16).map(|n| (n, n)).collect::<BTreeMap<_, _>>())[..3], b"\xde\x00\x10"[..]);
    #[derive(Serialize)]
    struct Empty;
    assert_eq!(encoded(Empty), b"\x80");
}

#[test]
fn enums_go_by_name() {
    for (value, bytes) in [
        (Operation::Set, &b"\xa3Set"[..]),
        (Operation::Weight(7), b"\x81\xa6Weight\x07"),
        (Operation::Pair(1, 2), b"\x81\xa4Pair\x92\x01\x02"),
        (Operation::Cas { index: 9 }, b"\x81\xa3Cas\x81\xa5index\x09"),
    ] {
        assert_eq!(encoded(&value), bytes);
        assert_eq!(decoded::<Operation>(bytes), value);
    }
    assert!(from_slice::<Operation>(b"\xa4Nope").is_err());
}

#[test]
fn flattened_structs_share_the_parent_map() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Query {
        name: String,
        #[serde(flatten)]
        header: Header,
    }
    let query = Query { name: "n".into(), header: Header { seq: 3, service_method: "m".into() } };
    let bytes = encoded(&query);
    assert_eq!(bytes, b"\x83\xa4Name\xa1n\xa3Seq\x03\xadServiceMethod\xa1m");
    assert_eq!(decoded::<Query>(&bytes), query);
}

#[test]
fn unknown_keys_are_skipped_and_missing_ones_are_defaults() {
    let bytes = b"\x83\xa5Other\x92\x01\x81\xa1x\xc0\xa3Seq\x05\xa4More\xc4\x02\xff\xfe";
    assert_eq!(decoded::<Header>(bytes), Header { seq: 5, service_method: String::new() });
}

#[test]
fn structs_may_be_positional() {
    assert_eq!(decoded::<Header>(b"\x92\x05\xa1m"), Header { seq: 5, service_method: "m".into() });
    assert_eq!(decoded::<Header>(b"\x91\x05"), Header { seq: 5, service_method: String::new() });
    assert_eq!(decoded::<Header>(b"\x93\x05\xa1m\x80"), Header { seq: 5, service_method: "m".into() });
}

#[test]
fn nil_is_the_zero_value_of_every_type() {
    assert_eq!(decoded::<String>(b"\xc0"), "");
    assert_eq!(decoded::<&str>(b"\xc0"), "");
    assert_eq!(decoded::<u64>(b"\xc0"), 0);
    assert_eq!(decoded::<i8>(b"\xc0"), 0);
    assert_eq!(decoded::<f64>(b"\xc0"), 0.0);
    assert!(!decoded::<bool>(b"\xc0"));
    assert_eq!(decoded::<Vec<u8>>(b"\xc0"), b"");
    assert_eq!(decoded::<BTreeMap<String, u8>>(b"\xc0"), BTreeMap::new());
    assert_eq!(decoded::<Header>(b"\xc0"), Header::default());
    assert_eq!(decoded::<Option<u8>>(b"\xc0"), None);
    assert_eq!(decoded::<[u8; 3]>(b"\xc0"), [0; 3]);
    assert_eq!(decoded::<GoTime>(b"\xc0"), GoTime::ZERO);
    decoded::<()>(b"\xc0");
    assert_eq!(decoded::<Header>(b"\x82\xa3Seq\xc0\xadServiceMethod\xc0"), Header::default());
}

#[test]
fn strings_accept_every_str_header_and_refuse_bin() {
    for bytes in [&b"\xa2hi"[..], b"\xd9\x02hi", b"\xda\x00\x02hi", b"\xdb\x00\x00\x00\x02hi"] {
        assert_eq!(decoded::<String>(bytes), "hi");
    }
    for bytes in [&b"\xc4\x02hi"[..], b"\xc5\x00\x02hi", b"\xc6\x00\x00\x00\x02hi"] {
        assert!(matches!(from_slice::<String>(bytes), Err(Error::Unexpected { byte: 0xc4..=0xc6, .. })));
    }
}

#[test]
fn bytes_that_are_not_utf8_show_in_strings() {
    assert_eq!(decoded::<String>(b"\xa3a\xffb"), "a\u{fffd}b");
}

#[test]
fn byte_containers_accept_str_bin_and_lists() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Bytes<T: AsRef<[u8]> + From<Vec<u8>>>(#[serde(with = "wire::msgpack::bytes")] T);
    for bytes in [&b"\xa2\xffa"[..], b"\xc4\x02\xffa", b"\xc5\x00\x02\xffa", b"\x92\xcc\xffa"] {
        assert_eq!(decoded::<Bytes<Vec<u8>>>(bytes).0, b"\xffa");
        assert_eq!(*decoded::<Bytes<Arc<[u8]>>>(bytes).0, *b"\xffa");
        assert_eq!(decoded::<Bytes<bytes::Bytes>>(bytes).0, &b"\xffa"[..]);
    }
    assert_eq!(decoded::<Bytes<Vec<u8>>>(b"\xc0").0, b"");
    assert_eq!(decoded::<&[u8]>(b"\xa2\xffa"), b"\xffa");
}

#[test]
fn numbers_convert_only_where_the_reference_does() {
    assert_eq!(decoded::<f64>(b"\x05"), 5.0);
    assert_eq!(decoded::<f64>(b"\xd0\x80"), -128.0);
    assert_eq!(decoded::<f64>(b"\xca\x3f\xc0\x00\x00"), 1.5);
    assert_eq!(decoded::<f32>(b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), 1.5);
    assert!(from_slice::<f32>(&encoded(1e300_f64)).is_err());
    assert!(decoded::<bool>(b"\x01"));
    assert!(!decoded::<bool>(b"\x00"));
    assert!(from_slice::<bool>(b"\x02").is_err());
    assert_eq!(decoded::<u8>(b"\xcf\x00\x00\x00\x00\x00\x00\x00\xff"), 255);
    assert_eq!(decoded::<u8>(b"\xd3\x00\x00\x00\x00\x00\x00\x00\x07"), 7);
    assert!(from_slice::<u64>(b"\xff").is_err(), "unsigned refuses negative");
    assert!(from_slice::<u8>(b"\xcd\x01\x00").is_err(), "overflow");
    assert!(from_slice::<i8>(b"\xcc\x80").is_err(), "overflow");
    assert!(from_slice::<i64>(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").is_err(), "overflow");
    assert!(from_slice::<u64>(b"\xca\x3f\x80\x00\x00").is_err(), "integers refuse floats");
}

#[test]
fn fixed_arrays_are_padded_and_cut() {
    assert_eq!(decoded::<[u8; 3]>(b"\x91\x05"), [5, 0, 0]);
    assert_eq!(decoded::<[u8; 2]>(b"\x93\x01\x02\x03"), [1, 2]);
    assert_eq!(decoded::<(String, u8)>(b"\x91\xa1a"), ("a".into(), 0));
}

#[test]
fn any_values_become_text_maps_and_numbers() {
    let bytes =
        b"\x86\xa1a\xa1t\xa1b\x05\xa1c\xcc\xff\xa1d\xca\x3f\xc0\x00\x00\xa1e\x92\xc0\xc3\xa1f\x81\xa1g\xc4\x01h";
    let value: serde_json::Value = decoded(bytes);
    assert_eq!(value, serde_json::json!({"a": "t", "b": 5, "c": 255, "d": 1.5, "e": [null, true], "f": {"g": "h"}}));
}

#[test]
fn strings_borrow_from_the_input() {
    let bytes = encoded(BTreeMap::from([("key", "value")]));
    let map: BTreeMap<&str, &str> = decoded(&bytes);
    assert!(bytes.as_ptr_range().contains(&map["key"].as_ptr()));
}

#[test]
fn trailing_bytes_are_refused_unless_asked_for() {
    assert!(matches!(from_slice::<u8>(b"\x05\x06"), Err(Error::Trailing(1))));
    assert_eq!(from_slice_prefix::<u8>(b"\x05\x06").expect("decodes"), (5, 1));
}

#[test]
fn every_truncation_is_reported_as_such() {
    let bytes = encoded(serde_json::json!({"a": [1, 70000, "text", {"b": "x".repeat(40)}], "c": 1.5, "d": -40000}));
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        assert!(matches!(from_slice::<serde_json::Value>(cut), Err(Error::Truncated(_))), "{length}");
        assert!(matches!(from_slice::<IgnoredAny>(cut), Err(Error::Truncated(_))), "{length}");
    }
}

#[test]
fn hostile_lengths_fail_without_allocating() {
    for bytes in [
        &b"\xdb\xff\xff\xff\xff"[..],
        b"\xc6\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x00",
        b"\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff\xdf\xff\xff\xff\xff",
    ] {
        assert!(from_slice::<serde_json::Value>(bytes).is_err());
        assert!(matches!(from_slice::<IgnoredAny>(bytes), Err(Error::Truncated(_))));
        assert!(from_slice::<Vec<u64>>(bytes).is_err());
        assert!(from_slice::<BTreeMap<String, u64>>(bytes).is_err());
        assert!(matches!(Reader::new(bytes).read_raw(), Err(Error::Truncated(_) | Error::TooLarge(_))));
    }
}

#[test]
fn deep_nesting_is_an_error_only_where_it_is_decoded() {
    #[derive(Debug, Deserialize)]
    struct Nested(#[allow(dead_code)] Vec<Nested>);
    let depth = MAX_DEPTH as usize;
    let nested = |depth: usize| [vec![0x91; depth], vec![0x90]].concat();
    decoded::<Nested>(&nested(depth - 1));
    assert!(matches!(from_slice::<Nested>(&nested(depth)), Err(Error::TooDeep(_))));
    assert!(matches!(from_slice::<serde_json::Value>(&nested(100_000)), Err(Error::TooDeep(_))));
    decoded::<IgnoredAny>(&nested(1_000_000));
}

#[test]
fn extensions_and_the_reserved_byte_are_refused_but_extensions_can_be_skipped() {
    assert!(from_slice::<serde_json::Value>(b"\xd4\x01\x02").is_err());
    decoded::<IgnoredAny>(b"\xd4\x01\x02");
    decoded::<IgnoredAny>(b"\xd8\x01aaaaaaaaaaaaaaaa");
    decoded::<IgnoredAny>(b"\xc7\x02\x01ab");
    assert!(matches!(
        from_slice::<IgnoredAny>(b"\x92\x00\xc1"),
        Err(Error::Unexpected { position: 2, byte: 0xc1, .. })
    ));
}

#[test]
fn errors_name_what_was_found_and_wanted() {
    let error = from_slice::<Header>(b"\x81\xa3Seq\xa1x").expect_err("a string is no number");
    assert_eq!(error.to_string(), "msgpack decode error [pos 5]: cannot decode a string (byte 0xa1) into uint64");
}

#[test]
fn a_stream_yields_bytes_values_and_raw_values_with_positions() {
    let mut stream = Vec::new();
    to_writer(&mut stream, &Header { seq: 300, service_method: "m".into() }).expect("writes");
    stream.push(7);
    to_writer(&mut stream, &vec!["a", "b"]).expect("writes");
    to_writer(&mut stream, &5).expect("writes");
    stream.extend_from_slice(b"rest");

    let mut reader = Reader::new(&stream[..]);
    assert_eq!(reader.read_value::<Header>().expect("reads").map(|header| header.seq), Some(300));
    let after_header = reader.position();
    assert_eq!(reader.read_byte().expect("reads"), Some(7));
    assert_eq!(reader.position(), after_header + 1);
    assert_eq!(reader.read_raw().expect("reads").as_deref(), Some(&b"\x92\xa1a\xa1b"[..]));
    assert_eq!(reader.read_value::<u8>().expect("reads"), Some(5));
    assert_eq!(reader.position() as usize, stream.len() - 4);
    let mut rest = String::new();
    reader.into_inner().read_to_string(&mut rest).expect("reads");
    assert_eq!(rest, "rest", "nothing is read ahead");
}

#[test]
fn a_stream_tells_its_end_from_a_break() {
    let mut reader = Reader::new(&b"\x05"[..]);
    reader.read_value::<u8>().expect("reads");
    assert!(reader.read_value::<u8>().expect("a clean end").is_none());
    assert!(reader.read_raw().expect("a clean end").is_none());
    assert!(reader.read_byte().expect("a clean end").is_none());
    assert!(matches!(Reader::new(&b"\xa5ab"[..]).read_value::<String>(), Err(Error::Truncated(3))));
    assert!(matches!(Reader::with_max_value_bytes(&b"\xa5abcde"[..], 5).read_raw(), Err(Error::TooLarge(5))));
}
