//! Go's `%q`: how the reference puts foreign text inside messages.

use std::fmt::Write;

/// `text` in double quotes with Go's escapes: `\a \b \f \n \r \t \v \\ \"`, `\x00` for other ASCII controls, `\u`/`\U`
/// for characters that do not print.
///
/// ```
/// assert_eq!(wire::quote::go_quote("a\"b\n"), r#""a\"b\n""#);
/// ```
pub fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character, '"');
    }
    quoted.push('"');
    quoted
}

/// One character as Go's JSON scanner names it: in single quotes, the double quote unescaped.
pub(crate) fn go_quote_char(character: char) -> String {
    let mut quoted = String::from('\'');
    push_escaped(&mut quoted, character, '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(out: &mut String, character: char, quote: char) {
    match character {
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        character if character == quote => {
            out.push('\\');
            out.push(character);
        }
        character if prints(character) => out.push(character),
        character => push_code(out, u32::from(character)),
    }
}

fn push_code(out: &mut String, code: u32) {
    let written = match code {
        0..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
        0x20..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

/// Go's `strconv.IsPrint`, told by Rust's own notion of what `{:?}` must escape; the space is the only blank printed.
fn prints(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    character.escape_debug().len() == 1 && !character.is_whitespace() && character != '\u{ad}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        for (text, quoted) in [
            ("", r#""""#),
            ("plain text", r#""plain text""#),
            ("tab\tnul\0del\x7f", r#""tab\tnul\x00del\x7f""#),
            ("bell\x07 back\\slash", r#""bell\a back\\slash""#),
            ("µs ö 日本 😀", r#""µs ö 日本 😀""#),
            ("\u{a0}\u{2028}\u{ad}\u{feff}", r#""\u00a0\u2028\u00ad\ufeff""#),
            ("\u{e000}\u{10ffff}", r#""\ue000\U0010ffff""#),
        ] {
            assert_eq!(go_quote(text), quoted);
        }
        assert_eq!(go_quote_char('\''), r"'\''");
        assert_eq!(go_quote_char('"'), r#"'"'"#);
    }
}
