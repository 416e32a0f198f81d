//! Durations the way Go reads and prints them (`docs/spec/http-api.md §1.9`, `docs/spec/cli.md §1.3`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

const MICROSECOND_NANOS: u64 = 1_000;
const MILLISECOND_NANOS: u64 = 1_000_000;
const SECOND_NANOS: u64 = 1_000_000_000;
const MINUTE_NANOS: u64 = 60 * SECOND_NANOS;
const HOUR_NANOS: u64 = 60 * MINUTE_NANOS;

/// The magnitude of the most negative duration, one more than the largest positive one.
const MAX_MAGNITUDE_NANOS: u64 = 1 << 63;

/// A signed span of time in nanoseconds.
///
/// In human-readable formats it is written as a Go duration string and read from such a string or from a number of
/// nanoseconds; any other JSON type reads as zero. In msgpack it is an integer.
///
/// ```
/// use wire::GoDuration;
/// assert_eq!("1h30m".parse::<GoDuration>()?, GoDuration::from_secs(5400));
/// assert_eq!(GoDuration::from_secs(90).to_string(), "1m30s");
/// # Ok::<(), wire::duration::DurationError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(pub i64);

/// Why a text is not a duration; the messages are Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form `[-+]?([0-9]*(\.[0-9]*)?unit)+`, or out of range.
    #[error("time: invalid duration {}", quote(.0))]
    Invalid(String),
    /// A number without a unit behind it.
    #[error("time: missing unit in duration {}", quote(.0))]
    MissingUnit(String),
    /// A number with a unit that is none of `ns us µs ms s m h`.
    #[error("time: unknown unit {} in duration {}", quote(.unit), quote(.text))]
    UnknownUnit {
        /// The unit as written.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl GoDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of whole seconds, saturating.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND_NANOS.cast_signed()))
    }

    /// A duration of whole milliseconds, saturating.
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds.saturating_mul(MILLISECOND_NANOS.cast_signed()))
    }

    /// Reads Go's duration grammar: signed decimal numbers with units, `0` alone being allowed without one.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, behind) = parse_term(text, rest)?;
            total = total.checked_add(nanos).filter(|&total| total <= MAX_MAGNITUDE_NANOS).ok_or_else(invalid)?;
            rest = behind;
        }
        if negative {
            return Ok(Self(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self).map_err(|_| invalid())
    }

    /// The same span as an unsigned one; negative becomes zero.
    pub fn as_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

/// One number with its unit at the start of `rest`: nanoseconds (at most [`MAX_MAGNITUDE_NANOS`]) and what follows.
fn parse_term<'a>(text: &str, rest: &'a str) -> Result<(u64, &'a str), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let whole_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (whole_digits, rest) = rest.split_at(whole_end);
    let (fraction_digits, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    if whole_digits.is_empty() && fraction_digits.is_empty() {
        return Err(invalid());
    }
    let whole = whole_value(whole_digits).ok_or_else(invalid)?;
    let unit_end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let unit_nanos = match unit {
        "" => return Err(DurationError::MissingUnit(text.to_owned())),
        "ns" => 1,
        // U+00B5 (micro sign) and U+03BC (Greek mu) look alike and are both in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND_NANOS,
        "ms" => MILLISECOND_NANOS,
        "s" => SECOND_NANOS,
        "m" => MINUTE_NANOS,
        "h" => HOUR_NANOS,
        _ => return Err(DurationError::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() }),
    };
    let whole_nanos =
        whole.checked_mul(unit_nanos).filter(|&nanos| nanos <= MAX_MAGNITUDE_NANOS).ok_or_else(invalid)?;
    let (fraction, scale) = fraction_value(fraction_digits);
    let fraction_nanos = (fraction as f64 * (unit_nanos as f64 / scale)) as u64;
    let nanos = whole_nanos + fraction_nanos;
    if nanos > MAX_MAGNITUDE_NANOS {
        return Err(invalid());
    }
    Ok((nanos, rest))
}

fn whole_value(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0_u64, |value, digit| {
        let value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        (value <= MAX_MAGNITUDE_NANOS).then_some(value)
    })
}

/// The digits behind the point as an integer and the power of ten it is to be divided by. Digits beyond 63 bits do not
/// change a nanosecond count and are dropped.
fn fraction_value(digits: &str) -> (u64, f64) {
    let mut value: u64 = 0;
    let mut scale = 1.0;
    for digit in digits.bytes() {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0')));
        let Some(next) = next.filter(|&next| next <= MAX_MAGNITUDE_NANOS) else {
            break;
        };
        value = next;
        scale *= 10.0;
    }
    (value, scale)
}

/// Go's time package quotes input its own way: everything outside printable ASCII as `\x` bytes.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            0x20..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        Self::parse(text)
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let text = match nanos {
            0 => "0s".to_owned(),
            1..MICROSECOND_NANOS => format!("{sign}{nanos}ns"),
            MICROSECOND_NANOS..MILLISECOND_NANOS => format!("{sign}{}µs", decimal(nanos, MICROSECOND_NANOS)),
            MILLISECOND_NANOS..SECOND_NANOS => format!("{sign}{}ms", decimal(nanos, MILLISECOND_NANOS)),
            SECOND_NANOS..MINUTE_NANOS => format!("{sign}{}s", decimal(nanos, SECOND_NANOS)),
            _ => {
                let seconds = decimal(nanos % MINUTE_NANOS, SECOND_NANOS);
                let minutes = nanos / MINUTE_NANOS;
                match minutes / 60 {
                    0 => format!("{sign}{minutes}m{seconds}s"),
                    hours => format!("{sign}{hours}h{}m{seconds}s", minutes % 60),
                }
            }
        };
        formatter.pad(&text)
    }
}

/// `nanos / unit` in decimal without trailing zeros.
fn decimal(nanos: u64, unit: u64) -> String {
    let (whole, fraction) = (nanos / unit, nanos % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

impl From<Duration> for GoDuration {
    /// Saturates at the largest Go duration, about 292 years.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(DurationVisitor)
        } else {
            deserializer.deserialize_i64(DurationVisitor)
        }
    }
}

struct DurationVisitor;

impl<'de> Visitor<'de> for DurationVisitor {
    type Value = GoDuration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a duration")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
        GoDuration::parse(text).map_err(E::custom)
    }

    fn visit_i64<E>(self, nanos: i64) -> Result<GoDuration, E> {
        Ok(GoDuration(nanos))
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<GoDuration, E> {
        let out_of_range = |_| E::invalid_value(de::Unexpected::Unsigned(nanos), &self);
        i64::try_from(nanos).map(GoDuration).map_err(out_of_range)
    }

    fn visit_f64<E>(self, nanos: f64) -> Result<GoDuration, E> {
        Ok(GoDuration(nanos as i64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<GoDuration, E> {
        Ok(GoDuration::ZERO)
    }

    fn visit_unit<E>(self) -> Result<GoDuration, E> {
        Ok(GoDuration::ZERO)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<GoDuration, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(GoDuration::ZERO)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<GoDuration, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(GoDuration::ZERO)
    }
}

/// `#[serde(with = "wire::duration::nanos")]`: a duration written as integer nanoseconds in every format (session
/// `LockDelay`, query `LastContact`); read like any other duration.
pub mod nanos {
    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    use super::GoDuration;

    /// Writes the nanoseconds.
    pub fn serialize<S: Serializer>(duration: &GoDuration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(duration.0)
    }

    /// Reads a string or a number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GoDuration, D::Error> {
        GoDuration::deserialize(deserializer)
    }
}
