//! One interval as JSON (`docs/spec/server-operations.md` §17.2), and as lines of text.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::aggregate::Aggregate;
use super::names::Kind;
use super::series::{INTERVAL_SECONDS, Key};

/// Integers up to here are exact in a float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A metric of an interval.
pub(super) struct Line {
    /// The full name.
    pub(super) name: String,
    pub(super) key: Arc<Key>,
    pub(super) aggregate: Aggregate,
}

/// The body of `/v1/agent/metrics`.
pub(super) fn json(interval: u64, mut lines: Vec<Line>) -> Value {
    lines.sort_by_cached_key(Line::order);
    let of_kind = |kind: Kind, shape: fn(&Line) -> Value| {
        let lines = lines.iter().filter(|line| line.key.kind == kind && line.has_value());
        Value::Array(lines.map(shape).collect())
    };
    object([
        ("Timestamp", timestamp(interval).into()),
        ("Gauges", of_kind(Kind::Gauge, Line::gauge)),
        ("Points", Value::Array(Vec::new())),
        ("Counters", of_kind(Kind::Counter, Line::figures)),
        ("Samples", of_kind(Kind::Sample, Line::figures)),
    ])
}

/// One line for each metric, in the reference's form.
pub(super) fn text(interval: u64, mut lines: Vec<Line>) -> String {
    lines.sort_by_cached_key(|line| (line.key.kind, line.order()));
    let timestamp = timestamp(interval);
    let mut text = String::new();
    for line in &lines {
        let letter = match line.key.kind {
            Kind::Gauge => 'G',
            Kind::Counter => 'C',
            Kind::Sample => 'S',
        };
        let labels: String = line.key.labels.iter().map(|(_, value)| format!(".{value}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{timestamp}][{letter}] '{}{labels}': {}", line.name, line.figures_text());
    }
    text
}

impl Line {
    /// By name, then by labels.
    fn order(&self) -> String {
        let labels: String = self.key.labels.iter().map(|(name, value)| format!(";{name}={value}")).collect();
        format!("{}{labels}", self.name)
    }

    /// JSON has no way to say NaN, and any number would be a lie.
    fn has_value(&self) -> bool {
        self.key.kind != Kind::Gauge || self.aggregate.last.is_finite()
    }

    fn gauge(&self) -> Value {
        object([("Name", self.name.as_str().into()), ("Value", number(self.aggregate.last)), ("Labels", self.labels())])
    }

    fn figures(&self) -> Value {
        let a = &self.aggregate;
        object([
            ("Name", self.name.as_str().into()),
            ("Count", a.count.into()),
            ("Rate", number(a.sum / INTERVAL_SECONDS as f64)),
            ("Sum", number(a.sum)),
            ("Min", number(a.min)),
            ("Max", number(a.max)),
            ("Mean", number(a.mean())),
            ("Stddev", number(a.stddev())),
            ("Labels", self.labels()),
        ])
    }

    fn labels(&self) -> Value {
        let labels = self.key.labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
        Value::Object(labels.collect())
    }

    fn figures_text(&self) -> String {
        let a = &self.aggregate;
        let (count, sum, deviation) = (a.count, a.sum, a.stddev());
        if self.key.kind == Kind::Gauge {
            return format!("{:.3}", a.last);
        }
        if deviation == 0.0 {
            return format!("Count: {count} Sum: {sum:.3}");
        }
        let (min, mean, max) = (a.min, a.mean(), a.max);
        format!("Count: {count} Min: {min:.3} Mean: {mean:.3} Max: {max:.3} Stddev: {deviation:.3} Sum: {sum:.3}")
    }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// A number whatever `value` is: sums of finite values can leave the range of a float.
fn number(value: f64) -> Value {
    let value = if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) };
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX { (value as i64).into() } else { value.into() }
}

/// When the interval began, as Go prints a time.
fn timestamp(interval: u64) -> String {
    let seconds = i64::try_from(interval.saturating_mul(INTERVAL_SECONDS)).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_always_numbers() {
        let cases = [
            (3.0, Value::from(3)),
            (-0.0, Value::from(0)),
            (0.1, Value::from(0.1)),
            (1e16, Value::from(1e16)),
            (f64::NAN, Value::from(0)),
            (f64::INFINITY, Value::from(f64::MAX)),
            (f64::NEG_INFINITY, Value::from(f64::MIN)),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected, "{value}");
        }
    }

    #[test]
    fn timestamps_are_the_begin_of_the_interval() {
        assert_eq!(timestamp(150_216_091), "2017-08-08 02:55:10 +0000 UTC");
        assert_eq!(timestamp(0), "1970-01-01 00:00:00 +0000 UTC");
    }
}
