//! Timestamps: Go's binary form and RFC 3339 (`docs/spec/rpc-and-state.md §2.4`).

use std::time::{Duration, UNIX_EPOCH};

use wire::GoTime;
use wire::json::{self, Unknown};
use wire::msgpack;

#[test]
fn the_zero_time_has_the_reference_bytes() {
    let bytes = msgpack::to_vec(&GoTime::ZERO).expect("encodes");
    assert_eq!(bytes, b"\xaf\x01\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff");
    assert_eq!(msgpack::from_slice::<GoTime>(&bytes).expect("decodes"), GoTime::ZERO);
    assert_eq!(GoTime::ZERO.to_string(), "0001-01-01T00:00:00Z");
}

#[test]
fn texts_and_instants_agree() {
    for (text, unix_seconds, nanos) in [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2022-11-30T15:04:05.000000001Z", 1_669_820_645, 1),
        ("2022-11-30T15:04:05.12Z", 1_669_820_645, 120_000_000),
        ("2000-02-29T23:59:59Z", 951_868_799, 0),
        ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
        ("1600-03-01T00:00:00Z", -11_670_912_000, 0),
        ("9999-12-31T23:59:59Z", 253_402_300_799, 0),
        ("2022-11-30T15:04:05+01:00", 1_669_817_045, 0),
        ("2022-11-30T15:04:05.5-05:30", 1_669_840_445, 500_000_000),
    ] {
        let time = GoTime::parse(text).expect(text);
        assert_eq!((time.unix_seconds(), time.nanos()), (unix_seconds, nanos), "{text}");
        assert_eq!(time.to_rfc3339().as_deref(), Ok(text));
        assert_eq!(GoTime::from_binary(&time.to_binary()), Ok(time), "{text}");
        assert_eq!(time.to_utc(), GoTime::from_unix(unix_seconds, nanos));
    }
    assert_eq!(
        GoTime::parse("2022-11-30T15:04:05,1234567899+00:00"),
        Ok(GoTime::from_unix(1_669_820_645, 123_456_789))
    );
}

#[test]
fn bad_texts_say_where_and_why() {
    for (text, message) in [
        ("x", r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#),
        ("", r#"parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006""#),
        (
            "2022-11-30 15:04:05Z",
            r#"parsing time "2022-11-30 15:04:05Z" as "2006-01-02T15:04:05Z07:00": cannot parse " 15:04:05Z" as "T""#,
        ),
        ("2022-13-30T15:04:05Z", r#"parsing time "2022-13-30T15:04:05Z": month out of range"#),
        ("2023-02-29T15:04:05Z", r#"parsing time "2023-02-29T15:04:05Z": day out of range"#),
        ("2022-11-00T15:04:05Z", r#"parsing time "2022-11-00T15:04:05Z": day out of range"#),
        ("2022-11-30T24:04:05Z", r#"parsing time "2022-11-30T24:04:05Z": hour out of range"#),
    ] {
        assert_eq!(GoTime::parse(text).expect_err(text).to_string(), message);
    }
    for text in ["2022-11-30T15:04:05", "2022-11-30T15:04:05Zx", "2022-11-30T15:04:05+1:00", "2022-11-30T15:04:05+0é:0"]
    {
        assert!(GoTime::parse(text).is_err(), "{text}");
    }
}

#[test]
fn binary_forms_carry_zones_and_refuse_nonsense() {
    let berlin = GoTime::parse("2022-11-30T15:04:05+01:00").expect("parses");
    assert_eq!(berlin.to_binary()[13..], [0, 60]);
    let version_two = b"\x02\0\0\0\x0e\xd8\x1b\x08\x05\0\0\0\0\0\x3c\x0a";
    let odd_zone = GoTime::from_binary(version_two).expect("decodes");
    assert_eq!(odd_zone.to_binary(), version_two);
    for (bytes, message) in [
        (&b"\x03aaaaaaaaaaaaaa"[..], "Time.UnmarshalBinary: unsupported version"),
        (b"\x01aaaaaaaaaaaaa", "Time.UnmarshalBinary: invalid length"),
        (b"\x01aaaaaaaaaaaaaaa", "Time.UnmarshalBinary: invalid length"),
        (b"\x02aaaaaaaaaaaaaa", "Time.UnmarshalBinary: invalid length"),
        (b"\x01", "Time.UnmarshalBinary: invalid length"),
    ] {
        assert_eq!(GoTime::from_binary(bytes).expect_err(message).to_string(), message);
    }
}

#[test]
fn years_beyond_four_digits_are_encodable_in_binary_only() {
    for seconds in [i64::MIN, i64::MAX, 253_402_300_800] {
        let time = GoTime::from_unix(seconds, 0);
        assert!(json::to_vec(&time).is_err());
        assert_eq!(GoTime::from_binary(&time.to_binary()), Ok(time));
        assert_eq!(time.to_string(), format!("@{seconds}"));
    }
}

#[test]
fn json_carries_rfc3339() {
    let time = GoTime::from_unix(1_669_820_645, 0);
    assert_eq!(json::to_vec(&time).expect("encodes"), br#""2022-11-30T15:04:05Z""#);
    assert_eq!(json::from_slice(br#""2022-11-30T15:04:05Z""#, Unknown::Reject), Ok(time));
    assert_eq!(json::from_slice(b"null", Unknown::Reject), Ok(GoTime::ZERO));
    assert!(json::from_slice::<GoTime>(br#""""#, Unknown::Reject).is_err());
    assert!(json::from_slice::<GoTime>(b"5", Unknown::Reject).is_err());
}

#[test]
fn system_times_convert_both_ways() {
    for time in [UNIX_EPOCH, UNIX_EPOCH + Duration::new(5, 7), UNIX_EPOCH - Duration::new(5, 7)] {
        assert_eq!(GoTime::from(time).to_system_time(), Some(time));
    }
    assert_eq!(GoTime::from_unix(5, 2_500_000_000), GoTime::from_unix(7, 500_000_000));
}
