//! One log event and its two written forms.

use std::fmt::Write;

use time::OffsetDateTime;
use tracing_core::Level;

use crate::level;

/// The value of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A string. Empty, it prints `""` in text.
    Text(String),
    /// The display form of some other type. Empty, it prints nothing in text.
    Shown(String),
    /// A number or boolean: the same bytes in text and JSON.
    Bare(String),
    /// A list of strings.
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

    /// The line as a JSON object, with its line end. Keys are sorted and markup characters escaped, as Go's encoder
    /// writes a map.
    pub(crate) fn json(&self) -> String {
        let mut fields: Vec<&(&'static str, Value)> = self.fields.iter().collect();
        fields.sort_by_key(|(key, _)| *key);

        let mut line = String::with_capacity(128 + self.message.len() + 32 * fields.len());
        line.push_str("{\"@level\":\"");
        line.push_str(level::json_name(self.level));
        line.push_str("\",\"@message\":");
        push_json_string(&mut line, &self.message);
        line.push_str(",\"@module\":");
        push_json_string(&mut line, self.logger);
        line.push_str(",\"@timestamp\":\"");
        push_json_time(&mut line, self.time);
        line.push('"');
        for (position, (key, value)) in fields.iter().enumerate() {
            // A key given twice counts once, with its last value.
            if fields.get(position + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            line.push(',');
            push_json_string(&mut line, key);
            line.push(':');
            push_json_value(&mut line, value);
        }
        line.push_str("}\n");
        line
    }
}

fn push_text_field(line: &mut String, key: &str, value: &Value) {
    let text = match value {
        Value::Text(text) if text.is_empty() => "\"\"",
        Value::Text(text) | Value::Shown(text) if text.contains('\n') => return push_block(line, key, text),
        Value::Text(text) | Value::Shown(text) if needs_quotes(text) => {
            push_key(line, key);
            return push_quoted(line, text);
        }
        Value::Text(text) | Value::Shown(text) | Value::Bare(text) => text,
        Value::List(items) => {
            push_key(line, key);
            return push_text_list(line, items);
        }
    };
    push_key(line, key);
    line.push_str(text);
}

fn push_key(line: &mut String, key: &str) {
    line.push(' ');
    line.push_str(key);
    line.push('=');
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

fn push_text_list(line: &mut String, items: &[String]) {
    line.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            line.push_str(", ");
        }
        push_quoted(line, item);
    }
    line.push(']');
}

/// `docs/spec/cli.md` §2.4: quoted as soon as a character lies outside `-` to `~`.
fn needs_quotes(text: &str) -> bool {
    text.chars().any(|c| !('-'..='~').contains(&c))
}

/// Quotes in the manner of Go's `%q`.
fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\u{7}' => line.push_str("\\a"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{b}' => line.push_str("\\v"),
            ' '..='~' => line.push(c),
            c if u32::from(c) < 0x80 => push_hex(line, "\\x", u32::from(c), 2),
            c if is_printable(c) => line.push(c),
            c if u32::from(c) < 0x1_0000 => push_hex(line, "\\u", u32::from(c), 4),
            c => push_hex(line, "\\U", u32::from(c), 8),
        }
    }
    line.push('"');
}

fn push_hex(line: &mut String, prefix: &str, code: u32, digits: usize) {
    // Writing to a string cannot fail.
    let _ = write!(line, "{prefix}{code:0digits$x}");
}

/// Whether a character beyond ASCII shows as itself: letters, marks, numbers, punctuation and symbols do; spaces,
/// control, format, private and unassigned characters do not. The escape rules of Rust's `Debug` draw the same line
/// but for combining marks, which Go shows.
fn is_printable(c: char) -> bool {
    let escaped_by_debug = c.escape_debug().nth(1).is_some();
    !escaped_by_debug || is_combining(c)
}

/// The common blocks of combining marks.
fn is_combining(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20F0 | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F)
}

fn push_json_value(line: &mut String, value: &Value) {
    match value {
        Value::Text(text) | Value::Shown(text) => push_json_string(line, text),
        Value::Bare(text) => line.push_str(text),
        Value::List(items) => {
            line.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    line.push(',');
                }
                push_json_string(line, item);
            }
            line.push(']');
        }
    }
}

fn push_json_string(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_hex(line, "\\u", u32::from(c), 4),
            c if u32::from(c) < 0x20 => push_hex(line, "\\u", u32::from(c), 4),
            c => line.push(c),
        }
    }
    line.push('"');
}

/// `2006-01-02T15:04:05.000-0700`, or `Z` in place of a zero offset.
fn push_text_time(line: &mut String, time: OffsetDateTime) {
    push_date_and_clock(line, time);
    let _ = write!(line, ".{:03}", time.millisecond());
    push_offset(line, time, "");
}

/// `2006-01-02T15:04:05.000000-07:00`, or `Z` in place of a zero offset.
fn push_json_time(line: &mut String, time: OffsetDateTime) {
    push_date_and_clock(line, time);
    let _ = write!(line, ".{:06}", time.microsecond());
    push_offset(line, time, ":");
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
            (text("e\u{301}"), " k=\"e\u{301}\""),
            (text("\u{1}\u{2028}z"), " k=\"\\x01\\u2028z\""),
            (text("nb\u{a0}sp"), " k=\"nb\\u00a0sp\""),
            (text("\u{7f}\u{e000}\u{10ffff}"), " k=\"\\x7f\\ue000\\U0010ffff\""),
            (Value::Shown("two words".to_owned()), " k=\"two words\""),
            (Value::Bare("-3".to_owned()), " k=-3"),
            (Value::Bare("true".to_owned()), " k=true"),
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
            (Value::Bare("7".to_owned()), "7"),
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
