//! Values of the types that are not text, read as Go's `strconv` reads them.

use wire::quote::go_quote;

/// An integer, its base told by its prefix (`0x`, `0o`, `0b`, `0`), with `_` between digits (`docs/spec/http-api.md` §2.2).
pub(crate) fn int(text: &str) -> Result<i64, String> {
    let fail = |cause: &str| Err(format!("strconv.ParseInt: parsing {}: {cause}", go_quote(text)));
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned.is_empty() {
        return fail("invalid syntax");
    }
    let (radix, digits) = radix_of(unsigned);
    let mut magnitude: u64 = 0;
    for character in digits.chars().filter(|character| *character != '_') {
        let Some(digit) = character.to_digit(radix) else { return fail("invalid syntax") };
        let Some(next) = magnitude.checked_mul(u64::from(radix)).and_then(|m| m.checked_add(u64::from(digit))) else {
            return fail("value out of range");
        };
        magnitude = next;
    }
    if !underscores_fit(unsigned) {
        return fail("invalid syntax");
    }
    let number = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { 0_i64.checked_add_unsigned(magnitude) };
    number.map_or_else(|| fail("value out of range"), Ok)
}

fn radix_of(unsigned: &str) -> (u32, &str) {
    let Some(after_zero) = unsigned.strip_prefix('0') else { return (10, unsigned) };
    for (marks, radix) in [(['x', 'X'], 16), (['o', 'O'], 8), (['b', 'B'], 2)] {
        if let Some(digits) = after_zero.strip_prefix(marks)
            && !digits.is_empty()
        {
            return (radix, digits);
        }
    }
    (8, after_zero)
}

/// `_` may stand only between digits; a base's prefix counts as a digit.
fn underscores_fit(unsigned: &str) -> bool {
    let mut after_digit = false;
    for character in unsigned.chars() {
        let digit = character != '_';
        if !digit && !after_digit {
            return false;
        }
        after_digit = digit;
    }
    after_digit
}

/// One of the thirteen spellings of true and false.
pub(crate) fn bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", go_quote(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_go_reads_them() {
        for (text, number) in [
            ("0", 0),
            ("80", 80),
            ("-80", -80),
            ("+80", 80),
            ("0x50", 80),
            ("0X5_0", 80),
            ("0x_50", 80),
            ("0120", 80),
            ("0_1", 1),
            ("0o120", 80),
            ("0b1010000", 80),
            ("8_0", 80),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(int(text), Ok(number), "{text}");
        }
        for (text, cause) in [
            ("", "invalid syntax"),
            ("-", "invalid syntax"),
            (" 80", "invalid syntax"),
            ("80.0", "invalid syntax"),
            ("0x", "invalid syntax"),
            ("08", "invalid syntax"),
            ("0_8", "invalid syntax"),
            ("_8", "invalid syntax"),
            ("8_", "invalid syntax"),
            ("8__0", "invalid syntax"),
            ("9223372036854775808", "value out of range"),
            ("-9223372036854775809", "value out of range"),
            ("99999999999999999999x", "value out of range"),
        ] {
            assert_eq!(int(text), Err(format!("strconv.ParseInt: parsing \"{text}\": {cause}")), "{text}");
        }
    }
}
