//! Timestamps in Go's binary and textual forms (`docs/spec/rpc-and-state.md §2.4`).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};

use crate::quote::go_quote;

/// Unix seconds of 0001-01-01T00:00:00Z, where the binary form counts from.
const YEAR_ONE_UNIX_SECONDS: i64 = -62_135_596_800;
const DAY_SECONDS: i64 = 86_400;
const SECOND_NANOS: u32 = 1_000_000_000;
const UTC_OFFSET_MINUTES: i16 = -1;

/// A point in time with nanoseconds, and the zone offset it was written with. The default is Go's zero time,
/// 0001-01-01T00:00:00Z. Ordered by instant.
///
/// RFC 3339 in human-readable formats, a raw string of 15 or 16 bytes in msgpack; nil and empty read as the zero time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoTime {
    unix_seconds: i64,
    nanos: u32,
    offset_seconds: i32,
}

/// Why something is not a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Text that is not RFC 3339: the part that could not be read, and what should stand there.
    #[error(
        "parsing time {} as \"2006-01-02T15:04:05Z07:00\": cannot parse {} as {}",
        go_quote(.text), go_quote(.rest), go_quote(.element)
    )]
    Syntax {
        /// The whole text.
        text: String,
        /// Where reading stopped.
        rest: String,
        /// The layout element that should stand there.
        element: &'static str,
    },
    /// A field of the date or time is out of its range, such as day 32.
    #[error("parsing time {}: {field} out of range", go_quote(.text))]
    OutOfRange {
        /// The whole text.
        text: String,
        /// `month`, `day`, `hour`, `minute`, `second` or `time zone offset hour`/`minute`.
        field: &'static str,
    },
    /// Binary form with an unknown version byte.
    #[error("Time.UnmarshalBinary: unsupported version")]
    Version,
    /// Binary form of the wrong length.
    #[error("Time.UnmarshalBinary: invalid length")]
    Length,
    /// The year cannot be written in four digits.
    #[error("Time.MarshalJSON: year outside of range [0,9999]")]
    Year,
}

impl Default for GoTime {
    fn default() -> Self {
        Self::ZERO
    }
}

impl GoTime {
    /// Go's zero time.
    pub const ZERO: Self = Self { unix_seconds: YEAR_ONE_UNIX_SECONDS, nanos: 0, offset_seconds: 0 };

    /// The UTC time `unix_seconds` after 1970 plus `nanos`, which carries over when it is a second or more.
    pub const fn from_unix(unix_seconds: i64, nanos: u32) -> Self {
        let carried = unix_seconds.saturating_add((nanos / SECOND_NANOS) as i64);
        Self { unix_seconds: carried, nanos: nanos % SECOND_NANOS, offset_seconds: 0 }
    }

    /// Whether this is Go's zero time, whatever the zone.
    pub const fn is_zero(self) -> bool {
        self.unix_seconds == YEAR_ONE_UNIX_SECONDS && self.nanos == 0
    }

    /// Whole seconds since 1970, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// Nanoseconds past the second, below 10⁹.
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// The same instant written in UTC.
    pub const fn to_utc(self) -> Self {
        Self { offset_seconds: 0, ..self }
    }

    /// The same instant for the operating system's clock; `None` when its range does not reach that far.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let magnitude = Duration::from_secs(self.unix_seconds.unsigned_abs());
        let second =
            if self.unix_seconds < 0 { UNIX_EPOCH.checked_sub(magnitude) } else { UNIX_EPOCH.checked_add(magnitude) };
        second?.checked_add(Duration::from_nanos(self.nanos.into()))
    }

    /// Go's binary form: version, seconds since year one, nanoseconds, zone offset in minutes (`ffff` for UTC), and in
    /// version 2 the offset's seconds.
    pub fn to_binary(self) -> Vec<u8> {
        let (minutes, seconds) = match self.offset_seconds {
            0 => (UTC_OFFSET_MINUTES, 0),
            offset => ((offset / 60) as i16, (offset % 60) as i8),
        };
        let mut binary = Vec::with_capacity(16);
        binary.push(if seconds == 0 { 1 } else { 2 });
        binary.extend_from_slice(&self.unix_seconds.wrapping_sub(YEAR_ONE_UNIX_SECONDS).to_be_bytes());
        binary.extend_from_slice(&self.nanos.to_be_bytes());
        binary.extend_from_slice(&minutes.to_be_bytes());
        if seconds != 0 {
            binary.extend_from_slice(&seconds.to_be_bytes());
        }
        binary
    }

    /// Reads Go's binary form; no bytes at all are the zero time.
    pub fn from_binary(binary: &[u8]) -> Result<Self, TimeError> {
        let (version, fields) = match binary.split_first() {
            None => return Ok(Self::ZERO),
            Some((version @ (1 | 2), fields)) => (version, fields),
            Some(_) => return Err(TimeError::Version),
        };
        let (seconds, rest) = fields.split_first_chunk::<8>().ok_or(TimeError::Length)?;
        let (nanos, rest) = rest.split_first_chunk::<4>().ok_or(TimeError::Length)?;
        let (minutes, rest) = rest.split_first_chunk::<2>().ok_or(TimeError::Length)?;
        let minutes = i16::from_be_bytes(*minutes);
        let extra_seconds = match (version, rest) {
            (1, []) => 0,
            (2, [seconds]) => i32::from(seconds.cast_signed()),
            _ => return Err(TimeError::Length),
        };
        let offset_seconds = if minutes == UTC_OFFSET_MINUTES { 0 } else { i32::from(minutes) * 60 + extra_seconds };
        let unix_seconds = i64::from_be_bytes(*seconds).wrapping_add(YEAR_ONE_UNIX_SECONDS);
        Ok(Self { offset_seconds, ..Self::from_unix(unix_seconds, u32::from_be_bytes(*nanos)) })
    }

    /// RFC 3339 with as many fractional digits as needed. Fails when the year is not within 0..=9999.
    pub fn to_rfc3339(self) -> Result<String, TimeError> {
        let local = self.unix_seconds.saturating_add(self.offset_seconds.into());
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_SECONDS));
        if !(0..=9999).contains(&year) {
            return Err(TimeError::Year);
        }
        let second = local.rem_euclid(DAY_SECONDS);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if self.nanos != 0 {
            text.push_str(format!(".{:09}", self.nanos).trim_end_matches('0'));
        }
        if self.offset_seconds == 0 {
            text.push('Z');
            return Ok(text);
        }
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let minutes = self.offset_seconds.unsigned_abs() / 60;
        text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
        Ok(text)
    }

    /// Reads RFC 3339 with any number of fractional digits (those beyond nanoseconds are dropped).
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let mut cursor = Cursor { text, rest: text };
        let year = cursor.number(4, "2006")?;
        cursor.literal('-', "-")?;
        let month = cursor.number(2, "01")?;
        cursor.check((1..=12).contains(&month), "month")?;
        cursor.literal('-', "-")?;
        let day = cursor.number(2, "02")?;
        cursor.literal('T', "T")?;
        let hour = cursor.number(2, "15")?;
        cursor.check(hour < 24, "hour")?;
        cursor.literal(':', ":")?;
        let minute = cursor.number(2, "04")?;
        cursor.check(minute < 60, "minute")?;
        cursor.literal(':', ":")?;
        let second = cursor.number(2, "05")?;
        cursor.check(second < 60, "second")?;
        let nanos = cursor.fraction();
        let offset_seconds = cursor.offset()?;
        cursor.check((1..=days_in_month(year, month)).contains(&day), "day")?;
        let local =
            days_from_civil(year.into(), month, day) * DAY_SECONDS + i64::from(hour * 3600 + minute * 60 + second);
        Ok(Self { unix_seconds: local - i64::from(offset_seconds), nanos, offset_seconds })
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date, counting years from March so that leap days come last.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

struct Cursor<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Cursor<'_> {
    fn syntax(&self, element: &'static str) -> TimeError {
        TimeError::Syntax { text: self.text.to_owned(), rest: self.rest.to_owned(), element }
    }

    fn check(&self, holds: bool, field: &'static str) -> Result<(), TimeError> {
        if holds { Ok(()) } else { Err(TimeError::OutOfRange { text: self.text.to_owned(), field }) }
    }

    fn number(&mut self, width: usize, element: &'static str) -> Result<u32, TimeError> {
        let digits = self.rest.get(..width).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.syntax(element))?;
        self.rest = &self.rest[width..];
        Ok(number)
    }

    fn literal(&mut self, literal: char, element: &'static str) -> Result<(), TimeError> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.syntax(element))?;
        Ok(())
    }

    fn fraction(&mut self) -> u32 {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else {
            return 0;
        };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if end == 0 {
            return 0;
        }
        self.rest = &rest[end..];
        rest[..end.min(9)]
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'))
    }

    /// `Z` or `±hh:mm`, which must end the text. Seconds east of UTC.
    fn offset(&mut self) -> Result<i32, TimeError> {
        const ELEMENT: &str = "Z07:00";
        let (negative, digits) = match self.rest.as_bytes() {
            [b'Z'] => return Ok(0),
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => (*sign == b'-', [*h1, *h2, *m1, *m2]),
            _ => return Err(self.syntax(ELEMENT)),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(self.syntax(ELEMENT));
        }
        let [h1, h2, m1, m2] = digits.map(|digit| i32::from(digit - b'0'));
        let (hours, minutes) = (h1 * 10 + h2, m1 * 10 + m2);
        self.check(hours <= 24, "time zone offset hour")?;
        self.check(minutes < 60, "time zone offset minute")?;
        let offset = hours * 3600 + minutes * 60;
        Ok(if negative { -offset } else { offset })
    }
}

impl FromStr for GoTime {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

impl fmt::Display for GoTime {
    /// RFC 3339; a year that does not fit is shown as seconds since 1970 (`@…`).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_rfc3339() {
            Ok(text) => formatter.pad(&text),
            Err(_) => formatter.pad(&format!("@{}", self.unix_seconds)),
        }
    }
}

impl From<SystemTime> for GoTime {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::from_unix(i64::try_from(after.as_secs()).unwrap_or(i64::MAX), after.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).map_or(i64::MIN, |seconds| -seconds);
                match before.subsec_nanos() {
                    0 => Self::from_unix(seconds, 0),
                    nanos => Self::from_unix(seconds.saturating_sub(1), SECOND_NANOS - nanos),
                }
            }
        }
    }
}

impl Serialize for GoTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.to_rfc3339().map_err(ser::Error::custom)?)
        } else {
            serializer.serialize_bytes(&self.to_binary())
        }
    }
}

impl<'de> Deserialize<'de> for GoTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TimeVisitor)
        } else {
            deserializer.deserialize_bytes(TimeVisitor)
        }
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = GoTime;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a timestamp")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<GoTime, E> {
        // serde's buffer for flattened fields calls itself human-readable whatever format filled it.
        if text.starts_with(['\x01', '\x02']) {
            return self.visit_bytes(text.as_bytes());
        }
        GoTime::parse(text).map_err(E::custom)
    }

    fn visit_bytes<E: de::Error>(self, binary: &[u8]) -> Result<GoTime, E> {
        GoTime::from_binary(binary).map_err(E::custom)
    }

    fn visit_unit<E>(self) -> Result<GoTime, E> {
        Ok(GoTime::ZERO)
    }
}
