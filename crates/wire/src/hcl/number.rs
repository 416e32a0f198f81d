//! Go's `strconv` numbers: the forms and the error texts.

use crate::quote::go_quote;

/// Reads an integer with Go's base prefixes (`0x`, `0o`, `0b`, leading `0` for octal). The error is Go's text.
pub(super) fn parse_int(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let fails = |why| Err(format!("strconv.ParseInt: parsing {}: {why}", go_quote(text)));
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return fails("invalid syntax");
    }
    let magnitude = i128::from_str_radix(digits, radix).unwrap_or(i128::MAX);
    match i64::try_from(if negative { -magnitude } else { magnitude }) {
        Ok(value) => Ok(value),
        Err(_) => fails("value out of range"),
    }
}

/// Reads a decimal floating-point number. The error is Go's text.
pub(super) fn parse_float(text: &str) -> Result<f64, String> {
    let fails = |why| Err(format!("strconv.ParseFloat: parsing {}: {why}", go_quote(text)));
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => fails("value out of range"),
        Err(_) => fails("invalid syntax"),
    }
}
