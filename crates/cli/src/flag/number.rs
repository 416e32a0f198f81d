//! Booleans and numbers as the reference's flags read them (docs/spec/cli.md §1.3).

/// Why a number could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is no number.
    #[error("invalid syntax")]
    Syntax,
    /// The number does not fit in 64 bits.
    #[error("value out of range")]
    Range,
}

/// Reads one of the spellings of a boolean; `None` for any other text.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads an unsigned number: decimal, `0x…`, `0o…`, `0b…` or octal with a leading `0`, with `_` between digits.
pub fn parse_uint(text: &str) -> Result<u64, NumberError> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.as_str() {
        t if t.starts_with("0x") => (16, &lower[2..]),
        t if t.starts_with("0o") => (8, &lower[2..]),
        t if t.starts_with("0b") => (2, &lower[2..]),
        t if t.len() > 1 && t.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    let prefixed = digits.len() < lower.len();
    if !underscores_are_between_digits(digits, prefixed) {
        return Err(NumberError::Syntax);
    }
    let mut value = 0u64;
    let mut any = false;
    let mut overflow = false;
    for c in digits.chars().filter(|c| *c != '_') {
        let digit = c.to_digit(base).ok_or(NumberError::Syntax)?;
        any = true;
        match value.checked_mul(u64::from(base)).and_then(|v| v.checked_add(u64::from(digit))) {
            Some(next) => value = next,
            None => overflow = true,
        }
    }
    match (any, overflow) {
        (false, _) => Err(NumberError::Syntax),
        (true, true) => Err(NumberError::Range),
        (true, false) => Ok(value),
    }
}

fn underscores_are_between_digits(digits: &str, prefixed: bool) -> bool {
    let starts_well = prefixed || !digits.starts_with('_');
    starts_well && !digits.ends_with('_') && !digits.contains("__")
}

/// Reads a signed number: as [`parse_uint`], after an optional sign.
pub fn parse_int(text: &str) -> Result<i64, NumberError> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(rest)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).ok_or(NumberError::Range)
    } else {
        i64::try_from(magnitude).map_err(|_| NumberError::Range)
    }
}

/// Reads a signed decimal number, without any prefix but its sign.
pub(crate) fn parse_decimal(text: &str) -> Result<i64, NumberError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Syntax);
    }
    text.parse().map_err(|_| NumberError::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_base_prefixes_and_underscores() {
        for (text, want) in [
            ("0", Ok(0)),
            ("42", Ok(42)),
            ("0x10", Ok(16)),
            ("010", Ok(8)),
            ("0o17", Ok(15)),
            ("0b101", Ok(5)),
            ("1_000", Ok(1000)),
            ("0x_ff", Ok(255)),
            ("18446744073709551615", Ok(u64::MAX)),
            ("18446744073709551616", Err(NumberError::Range)),
            ("", Err(NumberError::Syntax)),
            ("-1", Err(NumberError::Syntax)),
            ("1.5", Err(NumberError::Syntax)),
            ("1__0", Err(NumberError::Syntax)),
            ("_1", Err(NumberError::Syntax)),
            ("0x", Err(NumberError::Syntax)),
        ] {
            assert_eq!(parse_uint(text), want, "{text}");
        }
    }

    #[test]
    fn signed_numbers_reach_both_ends_of_their_range() {
        for (text, want) in [
            ("-5", Ok(-5)),
            ("+5", Ok(5)),
            ("-0x10", Ok(-16)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(NumberError::Range)),
            ("--5", Err(NumberError::Syntax)),
        ] {
            assert_eq!(parse_int(text), want, "{text}");
        }
    }
}
