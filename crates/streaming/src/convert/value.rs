//! Free-form configuration, and durations.

use prost_types::value::Kind;
use prost_types::{Duration, ListValue, Struct, Value};
use serde_json::{Map, Number};
use types::GoDuration;
use types::service::ConfigMap;

const SECOND_NANOS: i64 = 1_000_000_000;
/// Whole numbers up to here are exact as floating-point numbers, which are all that the wire has.
const EXACT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// Nothing for an empty map.
pub(super) fn to_struct(map: &ConfigMap) -> Option<Struct> {
    let fields = map.iter().map(|(key, value)| (key.clone(), to_value(value)));
    (!map.is_empty()).then(|| Struct { fields: fields.collect() })
}

pub(super) fn from_struct(map: Option<Struct>) -> ConfigMap {
    let fields = map.map(|map| map.fields).unwrap_or_default();
    fields.into_iter().map(|(key, value)| (key, from_value(value))).collect()
}

fn to_value(value: &serde_json::Value) -> Value {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    let kind = match value {
        Null => Kind::NullValue(0),
        Bool(value) => Kind::BoolValue(*value),
        Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        String(text) => Kind::StringValue(text.clone()),
        Array(values) => Kind::ListValue(ListValue { values: values.iter().map(to_value).collect() }),
        Object(map) => {
            let fields = map.iter().map(|(key, value)| (key.clone(), to_value(value))).collect();
            Kind::StructValue(Struct { fields })
        }
    };
    Value { kind: Some(kind) }
}

fn from_value(value: Value) -> serde_json::Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(value)) => serde_json::Value::Bool(value),
        Some(Kind::NumberValue(number)) => from_number(number),
        Some(Kind::StringValue(text)) => serde_json::Value::String(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(map)) => {
            let fields = map.fields.into_iter().map(|(key, value)| (key, from_value(value)));
            serde_json::Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// A whole number becomes one again, so that it is written as it was.
fn from_number(number: f64) -> serde_json::Value {
    if number.fract() == 0.0 && number.abs() <= EXACT_LIMIT {
        return (number as i64).into();
    }
    Number::from_f64(number).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// Always there: readers of the reference do not expect it to be missing.
pub(super) fn to_duration(duration: GoDuration) -> Option<Duration> {
    let nanos = i32::try_from(duration.0 % SECOND_NANOS).unwrap_or_default();
    Some(Duration { seconds: duration.0 / SECOND_NANOS, nanos })
}

pub(super) fn from_duration(duration: Option<Duration>) -> GoDuration {
    let duration = duration.unwrap_or_default();
    GoDuration(duration.seconds.saturating_mul(SECOND_NANOS).saturating_add(duration.nanos.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_form_values_come_back_as_they_were() {
        let text = r#"{"a":null,"b":true,"c":8080,"d":-0.5,"e":"text","f":[1,[],{}],"g":{"h":{"i":9007199254740992}}}"#;
        let map: ConfigMap = serde_json::from_str(text).unwrap();
        assert_eq!(from_struct(to_struct(&map)), map);
        assert_eq!(to_struct(&ConfigMap::new()), None);
        assert_eq!(from_value(Value { kind: Some(Kind::NumberValue(f64::NAN)) }), serde_json::Value::Null);
    }

    #[test]
    fn durations_come_back_as_they_were() {
        for nanos in [0, 1, -1, 1_500_000_000, -1_500_000_000, i64::MAX, i64::MIN] {
            assert_eq!(from_duration(to_duration(GoDuration(nanos))), GoDuration(nanos));
        }
        assert_eq!(to_duration(GoDuration(-1_500_000_000)), Some(Duration { seconds: -1, nanos: -500_000_000 }));
        let endless = Duration { seconds: i64::MAX, nanos: 5 };
        assert_eq!(from_duration(Some(endless)), GoDuration(i64::MAX));
    }
}
