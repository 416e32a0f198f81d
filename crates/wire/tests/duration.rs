//! Go's durations: grammar, error texts, printing (`docs/spec/cli.md §1.3`, `docs/spec/http-api.md §1.9`).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::GoDuration;
use wire::json::{self, Unknown};
use wire::msgpack;

#[test]
fn texts_parse_to_nanoseconds() {
    for (text, nanos) in [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("0s", 0),
        ("5s", 5_000_000_000),
        ("+5s", 5_000_000_000),
        ("-5s", -5_000_000_000),
        ("30s", 30_000_000_000),
        ("1478s", 1_478_000_000_000),
        ("5.6s", 5_600_000_000),
        ("5.s", 5_000_000_000),
        (".5s", 500_000_000),
        ("1.004s", 1_004_000_000),
        ("100.00100s", 100_001_000_000),
        ("10ns", 10),
        ("11us", 11_000),
        ("12µs", 12_000),
        ("12μs", 12_000),
        ("13ms", 13_000_000),
        ("15m", 900_000_000_000),
        ("16h", 57_600_000_000_000),
        ("3h30m", 12_600_000_000_000),
        ("10.5s4m", 250_500_000_000),
        ("-2m3.4s", -123_400_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("9223372036.854775807s", i64::MAX),
    ] {
        assert_eq!(GoDuration::parse(text), Ok(GoDuration(nanos)), "{text}");
    }
}

#[test]
fn bad_texts_fail_with_the_words_of_go() {
    for (text, message) in [
        ("", r#"time: invalid duration """#),
        ("ten", r#"time: invalid duration "ten""#),
        ("3", r#"time: missing unit in duration "3""#),
        ("10", r#"time: missing unit in duration "10""#),
        ("-", r#"time: invalid duration "-""#),
        ("s", r#"time: invalid duration "s""#),
        (".", r#"time: invalid duration ".""#),
        ("-.", r#"time: invalid duration "-.""#),
        (".s", r#"time: invalid duration ".s""#),
        ("+.s", r#"time: invalid duration "+.s""#),
        ("1d", r#"time: unknown unit "d" in duration "1d""#),
        ("1x", r#"time: unknown unit "x" in duration "1x""#),
        ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
        ("1s ", r#"time: unknown unit "s " in duration "1s ""#),
        ("µ1", r#"time: invalid duration "\xc2\xb51""#),
        ("1\"", r#"time: unknown unit "\"" in duration "1\"""#),
        ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
        ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
        ("3000000h", r#"time: invalid duration "3000000h""#),
        ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
    ] {
        let error = GoDuration::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn durations_print_like_go() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (100_000, "100µs"),
        (2_200_000, "2.2ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (305_001_000_000, "5m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (87_600 * 3_600_000_000_000, "87600h0m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (-1_500_000, "-1.5ms"),
        (i64::MAX, "2562047h47m16.854775807s"),
        (i64::MIN, "-2562047h47m16.854775808s"),
    ] {
        assert_eq!(GoDuration(nanos).to_string(), text);
        assert_eq!(text.parse(), Ok(GoDuration(nanos)), "{text} reads back");
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Session {
    ttl: GoDuration,
    #[serde(with = "wire::duration::nanos")]
    lock_delay: GoDuration,
}

#[test]
fn json_reads_strings_and_nanoseconds_and_ignores_other_types() {
    for (body, nanos) in [
        (r#"{"ttl":"10s"}"#, 10_000_000_000),
        (r#"{"ttl":1500}"#, 1500),
        (r#"{"ttl":1e10}"#, 10_000_000_000),
        (r#"{"ttl":-2.9}"#, -2),
        (r#"{"ttl":true}"#, 0),
        (r#"{"ttl":null}"#, 0),
        (r#"{"ttl":["1s"]}"#, 0),
        (r#"{"ttl":{"a":{"b":1}}}"#, 0),
    ] {
        let session: Session = json::from_slice(body.as_bytes(), Unknown::Reject).expect(body);
        assert_eq!(session.ttl, GoDuration(nanos), "{body}");
    }
    let error = json::from_slice::<Session>(br#"{"ttl":"ten"}"#, Unknown::Reject).expect_err("no duration");
    assert_eq!(error.to_string(), r#"time: invalid duration "ten""#);
}

#[test]
fn formats_write_their_own_form() {
    let session = Session { ttl: GoDuration::from_secs(10), lock_delay: GoDuration::from_millis(15) };
    assert_eq!(json::to_vec(&session).expect("encodes"), br#"{"ttl":"10s","lock_delay":15000000}"#);
    let packed = msgpack::to_vec(&session).expect("encodes");
    assert_eq!(packed, b"\x82\xa3ttl\xcf\x00\x00\x00\x02\x54\x0b\xe4\x00\xaalock_delay\xce\x00\xe4\xe1\xc0");
    assert_eq!(msgpack::from_slice::<Session>(&packed).expect("decodes"), session);
}

#[test]
fn standard_durations_convert_with_saturation() {
    assert_eq!(GoDuration::from_secs(3).as_std(), Duration::from_secs(3));
    assert_eq!(GoDuration(-1).as_std(), Duration::ZERO);
    assert_eq!(GoDuration::from(Duration::from_millis(5)), GoDuration::from_millis(5));
    assert_eq!(GoDuration::from(Duration::MAX), GoDuration(i64::MAX));
}
