use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::JsonError;

/// Indent of HTTP answers with `?pretty`.
pub const INDENT_FOUR_SPACES: &str = "    ";
/// Indent of a few CLI outputs.
pub const INDENT_THREE_SPACES: &str = "   ";
/// Indent of a few CLI outputs.
pub const INDENT_TAB: &str = "\t";

/// Compact JSON with Go's escapes and number forms. Fails only when a `Serialize` does.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(128);
    to_writer(&mut out, value)?;
    Ok(out)
}

/// Writes compact JSON as it is produced: on failure part of it may have been written.
pub fn to_writer<T: Serialize + ?Sized>(writer: impl Write, value: &T) -> Result<(), JsonError> {
    write(writer, GoFormatter { layout: CompactFormatter }, value)
}

/// JSON with one entry a line, each level indented by one more `indent`. No newline at the end.
pub fn to_vec_pretty<T: Serialize + ?Sized>(value: &T, indent: &str) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(256);
    write(&mut out, GoFormatter { layout: PrettyFormatter::with_indent(indent.as_bytes()) }, value)?;
    Ok(out)
}

fn write<T: Serialize + ?Sized>(writer: impl Write, formatter: impl Formatter, value: &T) -> Result<(), JsonError> {
    value
        .serialize(&mut Serializer::with_formatter(writer, formatter))
        .map_err(|error| JsonError::Message(error.to_string()))
}

/// serde_json's layout with Go's spelling of strings and floats.
struct GoFormatter<L> {
    layout: L,
}

macro_rules! layout_from {
    ($($method:ident($($flag:ident)?))*) => {
        $(
            #[inline]
            fn $method<W: Write + ?Sized>(&mut self, writer: &mut W $(, $flag: bool)?) -> io::Result<()> {
                self.layout.$method(writer $(, $flag)?)
            }
        )*
    };
}

impl<L: Formatter> Formatter for GoFormatter<L> {
    layout_from! {
        begin_array()
        end_array()
        begin_array_value(first)
        end_array_value()
        begin_object()
        end_object()
        begin_object_key(first)
        end_object_key()
        begin_object_value()
        end_object_value()
    }

    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let magnitude = value.abs();
        if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
            return write!(writer, "{value}");
        }
        write_exponential(writer, &format!("{value:e}"))
    }

    fn write_f32<W: Write + ?Sized>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        let magnitude = value.abs();
        if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
            return write!(writer, "{value}");
        }
        write_exponential(writer, &format!("{value:e}"))
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut written = 0;
        let mut at = 0;
        while at < bytes.len() {
            let (length, escape): (usize, &[u8]) = match bytes[at] {
                b'<' => (1, b"\\u003c"),
                b'>' => (1, b"\\u003e"),
                b'&' => (1, b"\\u0026"),
                0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => (3, b"\\u2028"),
                0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => (3, b"\\u2029"),
                _ => {
                    at += 1;
                    continue;
                }
            };
            writer.write_all(&bytes[written..at])?;
            writer.write_all(escape)?;
            at += length;
            written = at;
        }
        writer.write_all(&bytes[written..])
    }

    fn write_char_escape<W: Write + ?Sized>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => writer.write_all(b"\\u0008"),
            CharEscape::FormFeed => writer.write_all(b"\\u000c"),
            other => self.layout.write_char_escape(writer, other),
        }
    }
}

/// Go signs positive exponents: `1e+21`.
fn write_exponential<W: Write + ?Sized>(writer: &mut W, text: &str) -> io::Result<()> {
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => write!(writer, "{mantissa}e+{exponent}"),
        _ => writer.write_all(text.as_bytes()),
    }
}
