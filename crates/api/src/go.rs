//! JSON conventions of the API: durations, byte strings, and `null` where a list or map is empty.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS_PER_UNIT: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads a duration string such as `1h30m`, `1.5s` or `0` (`docs/spec/http-api.md`, introduction). `None` when it is
/// not one; negative durations, which no call takes, are `None` too.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, nanos) = NANOS_PER_UNIT.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *nanos)?)?;
        rest = tail;
    }
    Some(total)
}

/// `number` (decimal digits with an optional fraction) times `nanos`, exact for whole numbers.
fn scaled(number: &str, nanos: f64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let exact = whole.checked_mul(nanos as u64)?;
    let part = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse::<f64>().ok()? * nanos };
    exact.checked_add(part as u64).map(Duration::from_nanos)
}

/// Writes a duration the way the API does: `1h0m0s`, `1.5s`, `200ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let decimal = |value: u128, unit: u128, name: &str| {
        let (whole, rest) = (value / unit, value % unit);
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let digits = digits.trim_end_matches('0');
        if rest == 0 { format!("{whole}{name}") } else { format!("{whole}.{digits}{name}") }
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimal(nanos, 1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => decimal(nanos, 1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// For `skip_serializing_if`: zero members the API leaves out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `null` reads as the type's default.
pub(crate) fn null_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(input: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

/// A map that is `null` when empty (`docs/spec/http-api.md §1.10`).
pub(crate) mod null_map {
    use super::*;

    pub(crate) fn serialize<S: Serializer, V: Serialize>(
        map: &BTreeMap<String, V>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        if map.is_empty() { output.serialize_none() } else { map.serialize(output) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
        input: D,
    ) -> Result<BTreeMap<String, V>, D::Error> {
        null_default(input)
    }
}

/// A list that is `null` when empty.
pub(crate) mod null_list {
    use super::*;

    pub(crate) fn serialize<S: Serializer, V: Serialize>(list: &[V], output: S) -> Result<S::Ok, S::Error> {
        if list.is_empty() { output.serialize_none() } else { list.serialize(output) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, V: Deserialize<'de>>(input: D) -> Result<Vec<V>, D::Error> {
        null_default(input)
    }
}

/// Bytes as padded standard base64, `null` when empty.
pub(crate) mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], output: S) -> Result<S::Ok, S::Error> {
        if bytes.is_empty() { output.serialize_none() } else { output.serialize_str(&STANDARD.encode(bytes)) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(input)?.unwrap_or_default();
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// Durations as strings on the way out; strings or nanoseconds on the way in.
pub(crate) mod duration_text {
    use super::*;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Wire {
        Text(String),
        Nanoseconds(i64),
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&format_duration(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        match Option::<Wire>::deserialize(input)? {
            None => Ok(Duration::ZERO),
            Some(Wire::Text(text)) if text.is_empty() || text.starts_with('-') => Ok(Duration::ZERO),
            Some(Wire::Text(text)) => parse_duration(&text)
                .ok_or_else(|| serde::de::Error::custom(format!("time: invalid duration {text:?}"))),
            Some(Wire::Nanoseconds(nanos)) => Ok(Duration::from_nanos(nanos.try_into().unwrap_or(0))),
        }
    }
}

/// Durations as integer nanoseconds on the way out; strings or nanoseconds on the way in.
pub(crate) mod duration_nanos {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u64(duration.as_nanos().try_into().unwrap_or(u64::MAX))
    }

    pub(crate) use super::duration_text::deserialize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let table = [
            ("0", Some(0)),
            ("10s", Some(10_000_000_000)),
            ("1h30m", Some(5_400_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            (".5ms", Some(500_000)),
            ("1m0.25s", Some(60_250_000_000)),
            ("7\u{b5}s", Some(7_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("1..5s", None),
        ];
        for (text, nanos) in table {
            assert_eq!(parse_duration(text), nanos.map(Duration::from_nanos), "{text}");
        }
    }

    #[test]
    fn durations_are_written() {
        let table = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5\u{b5}s"),
            (200_000_000, "200ms"),
            (10_000_000_000, "10s"),
            (90_500_000_000, "1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanos, text) in table {
            assert_eq!(format_duration(Duration::from_nanos(nanos)), text);
        }
    }
}
