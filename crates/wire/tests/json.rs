//! JSON by Go's rules (`docs/spec/http-api.md §1.9, §1.10`).

#![allow(clippy::expect_used, reason = "a failed expectation is how a test fails")]

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::json::{
    self, INDENT_FOUR_SPACES, INDENT_TAB, INDENT_THREE_SPACES, JsonError, MAX_DEPTH, Unknown, base64_bytes, from_slice,
    to_vec, to_vec_pretty,
};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    port: i32,
    weight: u8,
    ratio: f64,
    enabled: bool,
    tags: Vec<String>,
    meta: HashMap<String, String>,
    config: BTreeMap<String, serde_json::Value>,
    check: Check,
    parent: Option<Box<Service>>,
    #[serde(with = "wire::json::ignore_unknown")]
    lenient: Check,
    #[serde(with = "wire::json::base64_bytes")]
    value: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Check {
    name: String,
    interval: wire::GoDuration,
    limits: [u8; 2],
    inner: Option<Box<Check>>,
}

fn service(body: &str) -> Service {
    from_slice(body.as_bytes(), Unknown::Reject).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn refusal(body: &str) -> String {
    from_slice::<Service>(body.as_bytes(), Unknown::Reject).expect_err(body).to_string()
}

#[test]
fn keys_match_fields_without_regard_to_case() {
    for body in [r#"{"Name":"a"}"#, r#"{"name":"a"}"#, r#"{"NAME":"a"}"#, r#"{"n\u0061me":"a"}"#] {
        assert_eq!(service(body).name, "a", "{body}");
    }
    assert_eq!(service(r#"{"check":{"NAME":"c"}}"#).check.name, "c");
}

#[test]
fn of_equal_keys_the_last_wins_and_null_does_not_count() {
    assert_eq!(service(r#"{"Name":"a","Name":"b"}"#).name, "b");
    assert_eq!(service(r#"{"Name":"a","name":"b"}"#).name, "b");
    assert_eq!(service(r#"{"Name":"a","name":null}"#).name, "a");
    assert_eq!(service(r#"{"Meta":{"k":"1","k":"2"}}"#).meta["k"], "2");
}

#[test]
fn an_exact_key_beats_one_that_differs_in_case() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Both {
        name: String,
        #[serde(rename = "Name")]
        upper: String,
    }
    let both: Both = from_slice(br#"{"Name":"upper","name":"lower"}"#, Unknown::Reject).expect("decodes");
    assert_eq!(both, Both { name: "lower".into(), upper: "upper".into() });
}

#[test]
fn null_is_the_zero_value_at_every_level() {
    let nulls =
        r#"{"ID":null,"Name":null,"Port":null,"Tags":null,"Meta":null,"Check":null,"Parent":null,"Value":null}"#;
    assert_eq!(service(nulls), Service::default());
    assert_eq!(service("null"), Service::default());
    assert_eq!(service(r#"{"Tags":[null,"a"]}"#).tags, ["", "a"]);
    assert_eq!(service(r#"{"Meta":{"a":null}}"#).meta["a"], "");
    assert_eq!(service(r#"{"Check":{"Limits":null}}"#).check.limits, [0, 0]);
    let numbers: Vec<u8> = from_slice(b"null", Unknown::Reject).expect("decodes");
    assert_eq!(numbers, b"");
}

#[test]
fn unknown_keys_are_refused_as_sent_or_ignored() {
    assert_eq!(refusal(r#"{"bogus_Key":1}"#), r#"json: unknown field "bogus_Key""#);
    assert_eq!(refusal(r#"{"a\"b":1}"#), r#"json: unknown field "a\"b""#);
    assert_eq!(refusal(r#"{"Check":{"bogus":1}}"#), r#"json: unknown field "bogus""#);
    assert_eq!(refusal(r#"{"bogus":null}"#), r#"json: unknown field "bogus""#);
    let ignored: Service = from_slice(br#"{"bogus":{"a":[1]},"Name":"a"}"#, Unknown::Ignore).expect("decodes");
    assert_eq!(ignored.name, "a");
}

#[test]
fn a_field_can_tolerate_unknown_keys_inside_a_strict_body() {
    let tolerant = service(r#"{"Lenient":{"bogus":1,"name":"x","Inner":{"bogus":2,"NAME":"y"}}}"#);
    assert_eq!(tolerant.lenient.name, "x");
    assert_eq!(tolerant.lenient.inner.map(|inner| inner.name).as_deref(), Some("y"));
}

#[test]
fn free_form_maps_keep_their_keys_and_values() {
    let config = service(r#"{"Config":{"Name":1,"name":2,"x":{"ID":[1.5,"a",null,true]},"big":18446744073709551615}}"#);
    assert_eq!(
        json!(config.config),
        json!({"Name": 1, "name": 2, "x": {"ID": [1.5, "a", null, true]}, "big": u64::MAX})
    );
    let by_number: BTreeMap<u16, String> = from_slice(br#"{"5":"a"}"#, Unknown::Reject).expect("decodes");
    assert_eq!(by_number[&5], "a");
}

#[test]
fn bytes_behind_the_first_value_are_ignored() {
    assert_eq!(service(r#"{"Name":"a"} trailing"#).name, "a");
    assert_eq!(service(r#"  {"Name":"a"}{"Name":"b"}"#).name, "a");
}

#[test]
fn broken_bodies_fail_with_the_words_of_go() {
    for (body, message) in [
        ("", "EOF"),
        ("  \n", "EOF"),
        ("{", "unexpected EOF"),
        (r#"{"a"#, "unexpected EOF"),
        (r#"{"Name":"a""#, "unexpected EOF"),
        (r#"{"Port":1"#, "unexpected EOF"),
        ("tru", "unexpected EOF"),
        ("-", "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("'", r"invalid character '\'' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        ("{]", "invalid character ']' looking for beginning of object key string"),
        (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1 "b":2}"#, r#"invalid character '"' after object key:value pair"#),
        (r#"{"a":[1 2]}"#, "invalid character '2' after array element"),
        (r#"{"a":01}"#, "invalid character '1' after object key:value pair"),
        (r#"{"a":-}"#, "invalid character '}' in numeric literal"),
        (r#"{"a":1.}"#, "invalid character '}' after decimal point in numeric literal"),
        (r#"{"a":1e+}"#, "invalid character '}' in exponent of numeric literal"),
        (r#"{"a":trux}"#, "invalid character 'x' in literal true (expecting 'e')"),
        (r#"{"a":nil}"#, "invalid character 'i' in literal null (expecting 'u')"),
        ("{\"a\":\"\n\"}", r"invalid character '\n' in string literal"),
        (r#"{"a":"\q"}"#, "invalid character 'q' in string escape code"),
        (r#"{"a":"\u12g4"}"#, r"invalid character 'g' in \u hexadecimal character escape"),
        ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
    ] {
        assert_eq!(refusal(body), message, "{body}");
    }
}

#[test]
fn wrong_types_name_the_field() {
    for (body, message) in [
        (r#"{"port":"x"}"#, "json: cannot unmarshal string into Go struct field Service.Port of type int"),
        (r#"{"Port":1.5}"#, "json: cannot unmarshal number 1.5 into Go struct field Service.Port of type int"),
        (r#"{"Port":1e3}"#, "json: cannot unmarshal number 1e3 into Go struct field Service.Port of type int"),
        (r#"{"Weight":256}"#, "json: cannot unmarshal number 256 into Go struct field Service.Weight of type uint8"),
        (r#"{"Weight":-1}"#, "json: cannot unmarshal number -1 into Go struct field Service.Weight of type uint8"),
        (r#"{"Name":5}"#, "json: cannot unmarshal number into Go struct field Service.Name of type string"),
        (r#"{"Enabled":"true"}"#, "json: cannot unmarshal string into Go struct field Service.Enabled of type bool"),
        (r#"{"Ratio":true}"#, "json: cannot unmarshal bool into Go struct field Service.Ratio of type float64"),
        (
            r#"{"Ratio":1e999}"#,
            "json: cannot unmarshal number 1e999 into Go struct field Service.Ratio of type float64",
        ),
        (r#"{"Check":[]}"#, "json: cannot unmarshal array into Go struct field Service.Check of type Check"),
        (
            r#"{"Check":{"Name":{}}}"#,
            "json: cannot unmarshal object into Go struct field Check.Check.Name of type string",
        ),
        (r#"{"Value":5}"#, "json: cannot unmarshal number into Go struct field Service.Value of type []uint8"),
        (r#"[]"#, "json: cannot unmarshal array into Go value of type Service"),
    ] {
        assert_eq!(refusal(body), message, "{body}");
    }
    assert!(refusal(r#"{"Tags":"a"}"#).starts_with("json: cannot unmarshal string into Go struct field Service.Tags"));
}

#[test]
fn the_first_fault_of_a_body_is_reported() {
    assert_eq!(refusal(r#"{"bogus":1,"Port":"x"}"#), r#"json: unknown field "bogus""#);
    assert!(refusal(r#"{"Port":"x","bogus":1}"#).starts_with("json: cannot unmarshal string"));
    assert_eq!(refusal(r#"{"bogus":1,"#), "unexpected EOF");
}

#[test]
fn strings_decode_escapes_and_repair_what_is_not_unicode() {
    for (body, text) in [
        (&br#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#[..], "\"\\/\u{8}\u{c}\n\r\té😀"),
        (br#""\ud83dx""#, "\u{fffd}x"),
        (br#""\ud83d\u0041""#, "\u{fffd}A"),
        (br#""\ude00""#, "\u{fffd}"),
        (b"\"a\xff\xe2\x82b\"", "a\u{fffd}\u{fffd}\u{fffd}b"),
        (b"\"plain\"", "plain"),
    ] {
        assert_eq!(from_slice::<String>(body, Unknown::Reject).as_deref(), Ok(text));
    }
}

#[test]
fn base64_decodes_like_go() {
    for (text, bytes) in [
        ("", &b""[..]),
        ("YQ==", b"a"),
        ("YWI=", b"ab"),
        ("YWJj", b"abc"),
        ("YW\nJ\r\nj", b"abc"),
        ("YR==", b"a"),
        ("//+/", b"\xff\xff\xbf"),
    ] {
        assert_eq!(base64_bytes::decode(text.as_bytes()).as_deref(), Ok(bytes), "{text}");
    }
    for (text, offset) in [
        ("!!!", 0),
        ("YWJ", 0),
        ("YWJjZ", 4),
        ("YQ=", 3),
        ("YQ=a", 2),
        ("YQ==YQ==", 4),
        ("YWJj=", 4),
        ("Y===", 1),
        ("YW\\J", 2),
        ("YWJj\u{e9}", 4),
        ("_-__", 0),
    ] {
        let error = base64_bytes::decode(text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), format!("illegal base64 data at input byte {offset}"), "{text}");
    }
    assert_eq!(service(r#"{"Value":"YWJj"}"#).value, b"abc");
    assert_eq!(service(r#"{"Value":[97,98]}"#).value, b"ab");
    assert_eq!(refusal(r#"{"Value":"!"}"#), "illegal base64 data at input byte 0");
}

#[test]
fn byte_fields_are_base64_in_json_and_raw_in_msgpack() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Entry {
        #[serde(with = "wire::json::base64_bytes")]
        value: bytes::Bytes,
    }
    for (bytes, text, packed) in [
        (&b"a\xff"[..], &br#"{"value":"Yf8="}"#[..], &b"\x81\xa5value\xa2a\xff"[..]),
        (b"", br#"{"value":null}"#, b"\x81\xa5value\xa0"),
    ] {
        let entry = Entry { value: bytes::Bytes::copy_from_slice(bytes) };
        assert_eq!(to_vec(&entry).expect("encodes"), text);
        assert_eq!(wire::msgpack::to_vec(&entry).expect("encodes"), packed);
        assert_eq!(wire::msgpack::from_slice::<Entry>(packed).expect("decodes"), entry);
        assert_eq!(serde_json::from_slice::<Entry>(text).expect("decodes"), entry);
    }
}

#[test]
fn strings_encode_with_the_escapes_of_go() {
    for (text, encoded) in [
        ("plain é 日本", r#""plain é 日本""#),
        ("<a href=\"x\">&", r#""\u003ca href=\"x\"\u003e\u0026""#),
        ("\u{2028}\u{2029}\u{2027}", "\"\\u2028\\u2029\u{2027}\""),
        ("\u{8}\u{c}\n\r\t\u{1}\u{7f}\\", "\"\\u0008\\u000c\\n\\r\\t\\u0001\u{7f}\\\\\""),
    ] {
        assert_eq!(String::from_utf8(to_vec(text).expect("encodes")).as_deref(), Ok(encoded));
    }
    assert_eq!(to_vec(&json!({"<k>": 1})).expect("encodes"), br#"{"\u003ck\u003e":1}"#);
}

#[test]
fn floats_encode_like_go() {
    for (value, text) in [
        (0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (0.000001, "0.000001"),
        (0.00000015, "1.5e-7"),
    ] {
        assert_eq!(to_vec(&value).expect("encodes"), text.as_bytes());
    }
    assert_eq!(to_vec(&0.1_f32).expect("encodes"), b"0.1");
}

#[test]
fn pretty_output_takes_any_indent() {
    let value = json!({"a": [1, {}], "b": [], "c": {"d": "<"}});
    let expected = "{\n~\"a\": [\n~~1,\n~~{}\n~],\n~\"b\": [],\n~\"c\": {\n~~\"d\": \"\\u003c\"\n~}\n}";
    for indent in [INDENT_FOUR_SPACES, INDENT_THREE_SPACES, INDENT_TAB] {
        let text = String::from_utf8(to_vec_pretty(&value, indent).expect("encodes"));
        assert_eq!(text.as_deref(), Ok(expected.replace('~', indent).as_str()));
    }
    assert_eq!(to_vec(&value).expect("encodes"), br#"{"a":[1,{}],"b":[],"c":{"d":"\u003c"}}"#);
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert!(from_slice::<serde_json::Value>(nested(MAX_DEPTH).as_bytes(), Unknown::Reject).is_ok());
    for body in [nested(MAX_DEPTH + 1), nested(1_000_000)] {
        let error = from_slice::<serde_json::Value>(body.as_bytes(), Unknown::Reject).expect_err("too deep");
        assert_eq!(error.to_string(), "invalid character '[' exceeded max depth");
    }
}

#[test]
fn many_repeated_keys_stay_cheap() {
    let body = format!("{{{}\"Name\":\"last\"}}", r#""Name":"x","#.repeat(200_000));
    assert_eq!(service(&body).name, "last");
}

#[test]
fn enums_decode_by_name() {
    #[derive(Debug, PartialEq, Deserialize)]
    enum Mode {
        Fast,
        Limit(u8),
    }
    assert_eq!(from_slice(br#""Fast""#, Unknown::Reject), Ok(Mode::Fast));
    assert_eq!(from_slice(br#"{"Limit":5}"#, Unknown::Reject), Ok(Mode::Limit(5)));
    assert!(from_slice::<Mode>(br#""Slow""#, Unknown::Reject).is_err());
    assert!(from_slice::<Mode>(b"[]", Unknown::Reject).is_err());
}

#[test]
fn values_that_refuse_to_be_encoded_say_why() {
    let beyond = wire::GoTime::from_unix(i64::MAX, 0);
    let error = json::to_vec(&beyond).expect_err("no year for it");
    assert_eq!(error, JsonError::Message("Time.MarshalJSON: year outside of range [0,9999]".into()));
}
