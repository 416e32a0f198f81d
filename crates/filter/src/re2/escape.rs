//! Escapes that stand for one character, and `\p`.

use super::{Fault, before, next};

/// Reads an escape (a backslash and more) that stands for one character: its code point, and what follows.
pub(super) fn character(text: &str) -> Result<(u32, &str), Fault<'_>> {
    let Some((kind, rest)) = text.get(1..).and_then(next) else {
        return Err(Fault { cause: "trailing backslash at end of expression", part: "" });
    };
    let control = match kind {
        '0'..='7' => return octal(text, kind, rest),
        'x' => return hexadecimal(text, rest),
        'a' => 0x07,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        mark if mark.is_ascii() && !mark.is_ascii_alphanumeric() => u32::from(mark),
        _ => return Err(invalid(text, rest)),
    };
    Ok((control, rest))
}

fn invalid<'p>(text: &'p str, rest: &str) -> Fault<'p> {
    Fault { cause: "invalid escape sequence", part: before(text, rest) }
}

/// Up to three digits. One that is not 0 alone would be a back reference, which RE2 does not have.
fn octal<'p>(text: &'p str, first: char, rest: &'p str) -> Result<(u32, &'p str), Fault<'p>> {
    let digit = |c: char| c.to_digit(8);
    if first != '0' && next(rest).is_none_or(|(c, _)| digit(c).is_none()) {
        return Err(invalid(text, rest));
    }
    let (mut code, mut rest) = (digit(first).unwrap_or(0), rest);
    for _ in 0..2 {
        let Some((value, after)) = next(rest).and_then(|(c, after)| Some((digit(c)?, after))) else { break };
        code = code * 8 + value;
        rest = after;
    }
    Ok((code, rest))
}

/// `\x41` or `\x{1F600}`. What is wrong is told with all that was read up to there.
fn hexadecimal<'p>(text: &'p str, rest: &'p str) -> Result<(u32, &'p str), Fault<'p>> {
    let Some((first, mut rest)) = next(rest) else { return Err(invalid(text, rest)) };
    if first != '{' {
        let Some((second, rest)) = next(rest) else { return Err(invalid(text, rest)) };
        return match (first.to_digit(16), second.to_digit(16)) {
            (Some(high), Some(low)) => Ok((high * 16 + low, rest)),
            _ => Err(invalid(text, rest)),
        };
    }
    let mut code: Option<u32> = None;
    while let Some((c, after)) = next(rest) {
        rest = after;
        if let ('}', Some(code)) = (c, code) {
            return Ok((code, rest));
        }
        let Some(value) = c.to_digit(16) else { break };
        let longer = code.unwrap_or(0) * 16 + value;
        if longer > u32::from(char::MAX) {
            break;
        }
        code = Some(longer);
    }
    Err(invalid(text, rest))
}

/// Reads `\pL`, `\P{Greek}`, `\p{^Lu}`: how the engine writes it, and what follows.
pub(super) fn unicode_class(text: &str) -> Result<(String, &str), Fault<'_>> {
    let negative = text.starts_with("\\P");
    let after_p = text.get(2..).unwrap_or_default();
    let fault = |rest: &str| Fault { cause: "invalid character class range", part: before(text, rest) };
    let (name, rest) = match after_p.strip_prefix('{') {
        Some(braced) => braced.split_once('}').ok_or_else(|| fault(""))?,
        None => {
            let (_, rest) = next(after_p).ok_or_else(|| fault(""))?;
            (before(after_p, rest), rest)
        }
    };
    let (name, negated) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let sign = if negative != negated { 'P' } else { 'p' };
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-'));
    // A general category or a script, and none of the engine's other properties.
    ["gc", "sc"]
        .into_iter()
        .filter(|_| plain)
        .map(|kind| format!("\\{sign}{{{kind}={name}}}"))
        .find(|class| regex::Regex::new(class).is_ok())
        .map(|class| (class, rest))
        .ok_or_else(|| fault(rest))
}

/// `\d \D \s \S \w \W` as the engine writes them inside brackets.
pub(super) fn perl_class(text: &str) -> Option<(&'static str, &str)> {
    let (kind, rest) = text.strip_prefix('\\').and_then(next)?;
    let class = match kind {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => "[\\t\\n\\x0c\\r\\x20]",
        'S' => "[^\\t\\n\\x0c\\r\\x20]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    };
    Some((class, rest))
}
