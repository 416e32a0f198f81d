//! Character classes in brackets.

use std::fmt::Write;

use super::{Fault, before, escape, next};

/// A class that no character is in.
pub(super) const NOTHING: &str = "[^\\x{0}-\\x{10FFFF}]";

/// Reads a class from its opening bracket on: how the engine writes it, and what follows.
pub(super) fn class(text: &str) -> Result<(String, &str), Fault<'_>> {
    let mut written = String::from("[");
    let mut rest = text.get(1..).unwrap_or_default();
    if let Some(after) = rest.strip_prefix('^') {
        written.push('^');
        rest = after;
    }
    // Never empty for the engine, and changes nothing.
    written.push_str(NOTHING);
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        rest = item(text, rest, &mut written)?;
    }
    written.push(']');
    Ok((written, rest.get(1..).unwrap_or_default()))
}

fn item<'p>(whole: &'p str, text: &'p str, written: &mut String) -> Result<&'p str, Fault<'p>> {
    if let Some((class, rest)) = posix_class(text)? {
        written.push_str(&class);
        return Ok(rest);
    }
    if text.starts_with("\\p") || text.starts_with("\\P") {
        let (class, rest) = escape::unicode_class(text)?;
        written.push_str(&class);
        return Ok(rest);
    }
    if let Some((class, rest)) = escape::perl_class(text) {
        written.push_str(class);
        return Ok(rest);
    }
    let (low, mut rest) = character(whole, text)?;
    let mut high = low;
    if let Some(after) = rest.strip_prefix('-')
        && !after.starts_with(']')
        && !after.is_empty()
    {
        (high, rest) = character(whole, after)?;
        if high < low {
            return Err(Fault { cause: "invalid character class range", part: before(text, rest) });
        }
    }
    range(low, high, written);
    Ok(rest)
}

fn character<'p>(whole: &'p str, text: &'p str) -> Result<(u32, &'p str), Fault<'p>> {
    match next(text) {
        None => Err(Fault { cause: "missing closing ]", part: whole }),
        Some(('\\', _)) => escape::character(text),
        Some((plain, rest)) => Ok((u32::from(plain), rest)),
    }
}

/// `[:alpha:]`, `[:^alpha:]`; without `:]` somewhere behind it, the bracket is a character of the class.
fn posix_class(text: &str) -> Result<Option<(String, &str)>, Fault<'_>> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
        "word", "xdigit",
    ];
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inner| inner.split_once(":]")) else { return Ok(None) };
    let class = before(text, rest);
    if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(Fault { cause: "invalid character class range", part: class });
    }
    Ok(Some((class.to_string(), rest)))
}

/// Writes a range without the surrogates: they are code points for RE2, but no text holds one.
fn range(low: u32, high: u32, written: &mut String) {
    const SURROGATES: std::ops::RangeInclusive<u32> = 0xD800..=0xDFFF;
    let low = if SURROGATES.contains(&low) { SURROGATES.end() + 1 } else { low };
    let high = if SURROGATES.contains(&high) { SURROGATES.start() - 1 } else { high };
    if low <= high {
        // Writing to a string cannot fail.
        let _ = write!(written, "\\x{{{low:X}}}-\\x{{{high:X}}}");
    }
}
