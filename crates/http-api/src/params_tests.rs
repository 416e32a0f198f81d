//! Tables for query strings and shared parameters.

use http::HeaderValue;

use super::*;

/// Headers of a request in a table.
type Headers<'a> = &'a [(&'static str, &'static str)];

fn query(raw: &str) -> Query {
    Query::parse(raw).unwrap()
}

fn headers(pairs: Headers<'_>) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

fn options(raw: &str, path: &str, settings: &Settings) -> Result<QueryOptions, String> {
    query_options(&query(raw), &HeaderMap::new(), path.as_bytes(), settings)
        .map_err(|failure| failure.text().to_owned())
}

#[test]
fn query_strings_are_decoded_pair_by_pair() {
    let parsed = query("a=1&b&&c=%20+%2F&a=2&=x");
    assert_eq!(parsed.bytes("a"), b"1");
    assert_eq!(parsed.texts("a"), ["1", "2"]);
    assert!(parsed.has("b") && parsed.bytes("b").is_empty());
    assert_eq!(parsed.bytes("c"), b"  /");
    assert_eq!(parsed.bytes(""), b"x");
    assert!(!parsed.has("d") && parsed.bytes("d").is_empty());
}

#[test]
fn bad_escapes_and_semicolons_are_refused() {
    for raw in ["a=%zz", "%", "a;b", "a=1;b=2", "a=%1"] {
        assert!(Query::parse(raw).is_err(), "{raw}");
    }
}

#[test]
fn errors_show_the_query_sorted_and_escaped_afresh() {
    let cases = [
        ("flags=1&acquire=x&cas=0&b=%20+%2F%C3%A9&a", "a=&acquire=x&b=++%2F%C3%A9&cas=0&flags=1"),
        ("recurse&cas=1", "cas=1&recurse="),
        ("b=2&a=1&b=1", "a=1&b=2&b=1"),
    ];
    for (raw, expected) in cases {
        assert_eq!(query(raw).encode_sorted(), expected, "{raw}");
    }
}

#[test]
fn tokens_have_an_order_of_precedence() {
    let cases: [(&str, Headers<'_>, &str); 9] = [
        ("token=q", &[("x-consul-token", "h"), ("authorization", "Bearer b")], "q"),
        ("token=", &[("x-consul-token", "h"), ("authorization", "Bearer b")], "h"),
        ("", &[("x-consul-token", ""), ("authorization", "Bearer b")], "b"),
        ("", &[("authorization", "bearer   t x")], "t"),
        ("", &[("authorization", "Basic t")], "default"),
        ("", &[("authorization", "Bearer")], "default"),
        ("", &[("authorization", "")], "default"),
        ("token=a&token=b", &[], "a"),
        ("", &[], "default"),
    ];
    for (raw, pairs, expected) in cases {
        assert_eq!(token(&query(raw), &headers(pairs), "default"), expected, "{raw} {pairs:?}");
    }
}

#[test]
fn modes_are_read() {
    let cases = [
        ("", Consistency::Default),
        ("stale", Consistency::Stale),
        ("stale=false", Consistency::Stale),
        ("consistent", Consistency::Consistent),
        ("leader", Consistency::Default),
        ("stale&leader", Consistency::Stale),
        ("consistent&leader", Consistency::Consistent),
        ("max_stale=1m", Consistency::Stale),
        ("max_stale=0s", Consistency::Default),
        ("max_stale=-1s", Consistency::Default),
    ];
    for (raw, expected) in cases {
        assert_eq!(options(raw, "/v1/kv/a", &Settings::default()).unwrap().consistency, expected, "{raw}");
    }
}

#[test]
fn bad_parameters_are_refused_in_order() {
    let cases = [
        ("index=abc&wait=10", "Invalid wait time"),
        ("index=abc&ns=x", "Invalid index"),
        ("index=-1", "Invalid index"),
        ("index=%2B1", "Invalid index"),
        ("index=18446744073709551616", "Invalid index"),
        ("wait=10", "Invalid wait time"),
        ("stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("cached&consistent", "Cannot specify ?cached with ?consistent, conflicting semantics."),
        ("cached&consistent&stale", "Cannot specify ?stale with ?consistent, conflicting semantics."),
        ("stale&consistent&max_stale=x", "Invalid max_stale value \"x\""),
        ("wait=10&stale&consistent", "Invalid wait time"),
    ];
    for (raw, expected) in cases {
        assert_eq!(options(raw, "/v1/kv/a", &Settings::default()).unwrap_err(), expected, "{raw}");
    }
}

#[test]
fn empty_values_count_as_absent() {
    for raw in ["index=", "wait=", "max_stale=", "index=0", "wait=1h1h"] {
        let read = options(raw, "/v1/kv/a", &Settings::default()).unwrap();
        assert_eq!((read.min_index, read.consistency), (0, Consistency::Default), "{raw}");
    }
}

#[test]
fn waits_are_bounded() {
    let settings = Settings::default();
    let cases = [
        ("index=5", 300),
        ("index=5&wait=10s", 10),
        ("index=5&wait=0s", 300),
        ("index=5&wait=-1s", 300),
        ("index=5&wait=1h", 600),
        ("wait=10s", 0),
    ];
    for (raw, seconds) in cases {
        assert_eq!(options(raw, "/v1/kv/a", &settings).unwrap().max_wait, Duration::from_secs(seconds), "{raw}");
    }
}

#[test]
fn discovery_reads_are_stale_when_configured_and_not_told_otherwise() {
    let settings = Settings { discovery_max_stale: Duration::from_secs(7), ..Settings::default() };
    let cases = [
        ("/v1/catalog/nodes", "", Consistency::Stale, 7),
        ("/v1/health/state/any", "", Consistency::Stale, 7),
        ("/v1/kv/a", "", Consistency::Default, 0),
        ("/v1/catalog/nodes", "leader", Consistency::Default, 0),
        ("/v1/catalog/nodes", "consistent", Consistency::Consistent, 0),
        ("/v1/catalog/nodes", "max_stale=1s", Consistency::Stale, 1),
        ("/v1/catalog/nodes", "stale", Consistency::Stale, 0),
    ];
    for (path, raw, consistency, seconds) in cases {
        let read = options(raw, path, &settings).unwrap();
        assert_eq!((read.consistency, read.max_stale), (consistency, Duration::from_secs(seconds)), "{path}?{raw}");
    }
}

#[test]
fn cache_control_takes_whole_numbers_only() {
    let cases =
        [("max-age=3", true), ("MAX-AGE=x", false), ("max-age=3, stale-if-error=q", false), ("private, x=y", true)];
    for (value, valid) in cases {
        let map = headers(&[("cache-control", value)]);
        let read = query_options(&Query::default(), &map, b"/v1/kv/a", &Settings::default());
        assert_eq!(read.is_ok(), valid, "{value}");
    }
}

#[test]
fn namespaces_and_partitions_are_refused_in_order() {
    let both: Headers<'_> = &[("x-consul-namespace", "a"), ("x-consul-partition", "b")];
    let cases: [(&str, Headers<'_>, Enterprise, Option<&str>); 8] = [
        ("ns=x&partition=y", both, Enterprise::Both, Some("header: \"X-Consul-Namespace\" - Namespaces")),
        ("ns=x&partition=y", &both[1..], Enterprise::Both, Some("query parameter: \"ns\" - Namespaces")),
        ("partition=y", &both[1..], Enterprise::Both, Some("header: \"X-Consul-Partition\" - Partitions")),
        ("partition=y", &[], Enterprise::Both, Some("query parameter: \"partition\" - Partitions")),
        ("ns=default", &[], Enterprise::Both, Some("query parameter: \"ns\" - Namespaces")),
        ("ns=&partition=", &[("x-consul-namespace", "")], Enterprise::Both, None),
        ("ns=x", &both[..1], Enterprise::Partition, None),
        ("partition=x", &[], Enterprise::Partition, Some("query parameter: \"partition\" - Partitions")),
    ];
    for (raw, pairs, features, expected) in cases {
        let refused = refuse_enterprise(&query(raw), &headers(pairs), features).err();
        let expected = expected.map(|part| format!("Invalid {part} are a Consul Enterprise feature"));
        assert_eq!(refused.as_ref().map(Failure::text), expected.as_deref(), "{raw} {pairs:?}");
    }
}

#[test]
fn numbers_are_read_as_go_reads_them() {
    let cases = [
        ("0", Ok(0)),
        ("010", Ok(10)),
        ("18446744073709551615", Ok(u64::MAX)),
        ("18446744073709551616", Err("\"18446744073709551616\": value out of range")),
        ("99999999999999999999x", Err("\"99999999999999999999x\": value out of range")),
        ("0x1f", Err("\"0x1f\": invalid syntax")),
        ("", Err("\"\": invalid syntax")),
        ("+1", Err("\"+1\": invalid syntax")),
    ];
    for (text, expected) in cases {
        let expected = expected.map_err(|rest| format!("strconv.ParseUint: parsing {rest}"));
        assert_eq!(parse_uint(text), expected, "{text}");
    }
}

#[test]
fn node_meta_splits_at_the_first_colon() {
    let meta = query("node-meta=a:b:c&node-meta=d&node-meta=e:").node_meta();
    let pairs: Vec<_> = meta.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("a", "b:c"), ("d", ""), ("e", "")]);
}
