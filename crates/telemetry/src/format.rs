//! One log event and its two written forms.

use std::borrow::Cow;
use std::fmt::Write;

use serde::ser::{Serialize, SerializeMap, Serializer};
use time::OffsetDateTime;
use tracing_core::Level;
use wire::quote::go_quote;

use crate::level;

/// The value of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A string. Empty, it prints `""` in text.
    Text(String),
    /// The display form of some other type. Empty, it prints nothing in text.
    Shown(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Bool(bool),
    List(Vec<String>),
}

/// One log event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) time: OffsetDateTime,
    pub(crate) level: Level,
    /// The dotted logger name.
    pub(crate) logger: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<(&'static str, Value)>,
}

impl Record {
    /// The line in text, with its line end (`docs/spec/server-operations.md` §18.1).
    pub(crate) fn text(&self) -> String {
        let mut line = String::with_capacity(96 + self.message.len() + 32 * self.fields.len());
        push_text_time(&mut line, self.time);
        line.push(' ');
        line.push_str(level::tag(self.level));
        line.push(' ');
        line.push_str(self.logger);
        line.push_str(": ");
        line.push_str(&self.message);
        if !self.fields.is_empty() {
            line.push(':');
        }
        for (key, value) in &self.fields {
            push_text_field(&mut line, key, value);
        }
        line.push('\n');
        line
    }

    /// The line as a JSON object, with its line end.
    pub(crate) fn json(&self) -> String {
        let Ok(mut line) = wire::json::to_vec(self) else {
            // No field's value can refuse to be written, so this is not reached; text is better than nothing.
            return self.text();
        };
        line.push(b'\n');
        String::from_utf8_lossy(&line).into_owned()
    }
}

/// The members of the JSON object, keys sorted as Go's encoder sorts a map's.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields: Vec<&(&'static str, Value)> = self.fields.iter().collect();
        fields.sort_by_key(|(key, _)| *key);
        // A key given twice counts once, with its last value.
        let is_last = |at: &usize| fields.get(at + 1).is_none_or(|(next, _)| *next != fields[*at].0);

        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("@level", level::json_name(self.level))?;
        object.serialize_entry("@message", &self.message)?;
        object.serialize_entry("@module", self.logger)?;
        object.serialize_entry("@timestamp", &json_time(self.time))?;
        for at in (0..fields.len()).filter(is_last) {
            let (key, value) = fields[at];
            object.serialize_entry(key, value)?;
        }
        object.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) | Self::Shown(text) => serializer.serialize_str(text),
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::List(items) => items.serialize(serializer),
        }
    }
}

fn push_text_field(line: &mut String, key: &str, value: &Value) {
    let text = match value {
        Value::Text(text) if text.is_empty() => Cow::Borrowed("\"\""),
        Value::Text(text) | Value::Shown(text) if text.contains('\n') => return push_block(line, key, text),
        Value::Text(text) | Value::Shown(text) if needs_quotes(text) => Cow::Owned(go_quote(text)),
        Value::Text(text) | Value::Shown(text) => Cow::Borrowed(text.as_str()),
        Value::Signed(number) => Cow::Owned(number.to_string()),
        Value::Unsigned(number) => Cow::Owned(number.to_string()),
        Value::Float(number) => Cow::Owned(number.to_string()),
        Value::Bool(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Value::List(items) => Cow::Owned(text_list(items)),
    };
    line.push(' ');
    line.push_str(key);
    line.push('=');
    line.push_str(&text);
}

/// A value of several lines stands below the message, each of its lines behind a bar.
fn push_block(line: &mut String, key: &str, text: &str) {
    line.push_str("\n  ");
    line.push_str(key);
    line.push_str("=\n");
    for part in text.split_terminator('\n') {
        line.push_str("  | ");
        line.push_str(part);
        line.push('\n');
    }
    line.push_str("  ");
}

fn text_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| go_quote(item)).collect();
    format!("[{}]", items.join(", "))
}

/// `docs/spec/cli.md` §2.4: quoted as soon as a character lies outside `-` to `~`.
fn needs_quotes(text: &str) -> bool {
    text.chars().any(|c| !('-'..='~').contains(&c))
}

/// `2006-01-02T15:04:05.000-0700`, or `Z` in place of a zero offset.
fn push_text_time(line: &mut String, time: OffsetDateTime) {
    push_date_and_clock(line, time);
    // Writing to a string cannot fail.
    let _ = write!(line, ".{:03}", time.millisecond());
    push_offset(line, time, "");
}

/// `2006-01-02T15:04:05.000000-07:00`, or `Z` in place of a zero offset.
fn json_time(time: OffsetDateTime) -> String {
    let mut text = String::with_capacity(32);
    push_date_and_clock(&mut text, time);
    let _ = write!(text, ".{:06}", time.microsecond());
    push_offset(&mut text, time, ":");
    text
}

fn push_date_and_clock(line: &mut String, time: OffsetDateTime) {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let _ = write!(line, "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month));
}

fn push_offset(line: &mut String, time: OffsetDateTime, separator: &str) {
    let (hours, minutes, _) = time.offset().as_hms();
    if hours == 0 && minutes == 0 {
        line.push('Z');
        return;
    }
    let sign = if hours < 0 || minutes < 0 { '-' } else { '+' };
    let _ = write!(line, "{sign}{:02}{separator}{:02}", hours.abs(), minutes.abs());
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn record(fields: Vec<(&'static str, Value)>) -> Record {
        Record {
            time: datetime!(2022-11-30 10:00:00.123456 UTC),
            level: Level::INFO,
            logger: "agent",
            message: "m".to_owned(),
            fields,
        }
    }

    fn text(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn text_values_are_quoted_as_the_reference_does() {
        let cases = [
            (text("plain-id"), " k=plain-id"),
            (text("a=b"), " k=a=b"),
            (text(""), " k=\"\""),
            (Value::Shown(String::new()), " k="),
            (text("a,b"), " k=\"a,b\""),
            (text("a&<b>"), " k=\"a&<b>\""),
            (text("a\"b\\c"), " k=\"a\\\"b\\\\c\""),
            (text("tab\there"), " k=\"tab\\there\""),
            (text("é ü"), " k=\"é ü\""),
            (text("emoji😀"), " k=\"emoji😀\""),
            (text("\u{1}\u{2028}z"), " k=\"\\x01\\u2028z\""),
            (text("nb\u{a0}sp"), " k=\"nb\\u00a0sp\""),
            (text("\u{7f}\u{e000}\u{10ffff}"), " k=\"\\x7f\\ue000\\U0010ffff\""),
            (Value::Shown("two words".to_owned()), " k=\"two words\""),
            (Value::Signed(-3), " k=-3"),
            (Value::Bool(true), " k=true"),
            (Value::List(vec![]), " k=[]"),
            (Value::List(vec!["a:1".to_owned(), "b c".to_owned()]), " k=[\"a:1\", \"b c\"]"),
            (text("x\ny"), "\n  k=\n  | x\n  | y\n  "),
            (text("x\n"), "\n  k=\n  | x\n  "),
            (text("x\n\n"), "\n  k=\n  | x\n  | \n  "),
        ];
        for (value, expected) in cases {
            let line = record(vec![("k", value.clone())]).text();
            assert_eq!(line, format!("2022-11-30T10:00:00.123Z [INFO]  agent: m:{expected}\n"), "{value:?}");
        }
    }

    #[test]
    fn json_values_are_escaped_as_the_reference_does() {
        let cases = [
            (text("a&<b>"), r#""a\u0026\u003cb\u003e""#),
            (text("\u{1}\u{2028}z\u{7f}"), "\"\\u0001\\u2028z\u{7f}\""),
            (text("a\"b\\c\n\t\r"), r#""a\"b\\c\n\t\r""#),
            (text("é😀\u{a0}"), "\"é😀\u{a0}\""),
            (Value::Shown(String::new()), r#""""#),
            (Value::Unsigned(7), "7"),
            (Value::Float(0.5), "0.5"),
            (Value::Bool(false), "false"),
            (Value::List(vec!["a".to_owned(), "b c".to_owned()]), r#"["a","b c"]"#),
        ];
        for (value, expected) in cases {
            let line = record(vec![("k", value.clone())]).json();
            let head =
                r#"{"@level":"info","@message":"m","@module":"agent","@timestamp":"2022-11-30T10:00:00.123456Z","#;
            assert_eq!(line, format!("{head}\"k\":{expected}}}\n"), "{value:?}");
        }
    }

    #[test]
    fn levels_fill_the_same_columns() {
        let cases = [
            (Level::TRACE, "[TRACE] "),
            (Level::DEBUG, "[DEBUG] "),
            (Level::INFO, "[INFO]  "),
            (Level::WARN, "[WARN]  "),
            (Level::ERROR, "[ERROR] "),
        ];
        for (level, tag) in cases {
            let line = Record { level, ..record(vec![]) }.text();
            assert_eq!(line, format!("2022-11-30T10:00:00.123Z {tag}agent: m\n"));
        }
    }

    #[test]
    fn offsets_print_without_colon_in_text_and_with_one_in_json() {
        let cases = [
            (datetime!(2022-11-30 10:00:00.000001 -3:30), "10:00:00.000-0330", "10:00:00.000001-03:30"),
            (datetime!(2022-11-30 10:00:00.5 +1), "10:00:00.500+0100", "10:00:00.500000+01:00"),
            (datetime!(2022-11-30 10:00:00 -0:30), "10:00:00.000-0030", "10:00:00.000000-00:30"),
        ];
        for (time, in_text, in_json) in cases {
            let record = Record { time, ..record(vec![]) };
            assert!(record.text().starts_with(&format!("2022-11-30T{in_text} [")), "{}", record.text());
            assert!(record.json().contains(&format!("\"@timestamp\":\"2022-11-30T{in_json}\"")), "{}", record.json());
        }
    }

    #[test]
    fn json_keys_are_sorted_and_a_repeated_key_keeps_its_last_value() {
        let line = record(vec![("b", text("1")), ("a", text("2")), ("b", text("3"))]).json();
        assert!(line.ends_with("Z\",\"a\":\"2\",\"b\":\"3\"}\n"), "{line}");
    }

    #[test]
    fn text_keeps_the_order_of_fields() {
        let line = record(vec![("b", text("1")), ("a", text("2"))]).text();
        assert!(line.ends_with("m: b=1 a=2\n"), "{line}");
    }
}
