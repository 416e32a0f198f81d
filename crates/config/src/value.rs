//! Values before and after they are typed, and how Go prints them in messages.

use std::collections::BTreeMap;

use crate::place::Place;

/// A parsed value, not yet matched to a key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raw {
    pub(crate) value: RawValue,
    /// 1-based line and column, where known.
    pub(crate) position: Option<(usize, usize)>,
}

/// The shapes HCL and JSON have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RawValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    /// HCL's form of an object value: a list of the blocks that share a name.
    Blocks(Vec<Raw>),
    Map(Vec<(String, Raw)>),
}

impl Raw {
    /// The Go type the reference names in "unconvertible type" messages.
    pub(crate) fn go_type(&self) -> &'static str {
        match self.value {
            RawValue::Null => "<nil>",
            RawValue::Bool(_) => "bool",
            RawValue::Int(_) => "int",
            RawValue::Float(_) => "float64",
            RawValue::Text(_) => "string",
            RawValue::List(_) => "[]interface {}",
            RawValue::Blocks(_) => "[]map[string]interface {}",
            RawValue::Map(_) => "map[string]interface {}",
        }
    }

    /// The Go kind the reference names in "expected a map" and "must be an array" messages.
    pub(crate) fn go_kind(&self) -> &'static str {
        match self.value {
            RawValue::Null => "invalid",
            RawValue::Bool(_) => "bool",
            RawValue::Int(_) => "int",
            RawValue::Float(_) => "float64",
            RawValue::Text(_) => "string",
            RawValue::List(_) | RawValue::Blocks(_) => "slice",
            RawValue::Map(_) => "map",
        }
    }

    /// The value as Go's `%v` prints it.
    pub(crate) fn go_print(&self) -> String {
        match &self.value {
            RawValue::Null => "<nil>".to_owned(),
            RawValue::Bool(value) => value.to_string(),
            RawValue::Int(value) => value.to_string(),
            RawValue::Float(value) => go_float(*value),
            RawValue::Text(value) => value.clone(),
            RawValue::List(items) | RawValue::Blocks(items) => {
                let items: Vec<String> = items.iter().map(Raw::go_print).collect();
                format!("[{}]", items.join(" "))
            }
            RawValue::Map(entries) => {
                let sorted: BTreeMap<&str, &Raw> = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
                let entries: Vec<String> =
                    sorted.into_iter().map(|(key, value)| format!("{key}:{}", value.go_print())).collect();
                format!("map[{}]", entries.join(" "))
            }
        }
    }

    /// The value behind any number of one-element lists: HCL wraps single objects, and the reference undoes that
    /// wherever no list is wanted (`docs/spec/config.md` §2.2).
    pub(crate) fn unwrapped(&self) -> &Raw {
        let mut raw = self;
        while let RawValue::List(items) | RawValue::Blocks(items) = &raw.value {
            let [only] = items.as_slice() else { break };
            raw = only;
        }
        raw
    }

    /// The free-form JSON of a value, with HCL's wrapping undone at every depth.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let raw = self.unwrapped();
        match &raw.value {
            RawValue::Null => serde_json::Value::Null,
            RawValue::Bool(value) => (*value).into(),
            RawValue::Int(value) => (*value).into(),
            RawValue::Float(value) => (*value).into(),
            RawValue::Text(value) => value.as_str().into(),
            RawValue::List(items) | RawValue::Blocks(items) => items.iter().map(Raw::to_json).collect(),
            RawValue::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// A float the way Go's `%v` prints it: shortest digits, with an exponent below 1e-4 and from 1e6 on.
pub(crate) fn go_float(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value.is_nan() {
            "NaN".into()
        } else if value.is_infinite() {
            go_infinity(value)
        } else {
            "0".into()
        };
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(exponent) = exponent.parse::<i32>() else { return scientific };
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn go_infinity(value: f64) -> String {
    if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
}

/// A value in the type of its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Texts(Vec<String>),
    TextMap(BTreeMap<String, String>),
    TextsMap(BTreeMap<String, Vec<String>>),
    Shape(Shape),
    Shapes(Vec<Shape>),
    ShapeMap(BTreeMap<String, Shape>),
    Opaque(serde_json::Map<String, serde_json::Value>),
    Opaques(Vec<serde_json::Map<String, serde_json::Value>>),
}

/// The typed fields of a stanza that stands as one value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    fields: BTreeMap<&'static str, Value>,
    pub(crate) place: Option<Place>,
}

/// Stanzas are equal when their fields are, wherever they stand.
impl PartialEq for Shape {
    fn eq(&self, other: &Shape) -> bool {
        self.fields == other.fields
    }
}

impl Shape {
    pub(crate) fn at(place: Place) -> Shape {
        Shape { fields: BTreeMap::new(), place: Some(place) }
    }

    pub(crate) fn insert(&mut self, path: &'static str, value: Value) {
        self.fields.insert(path, value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.fields.contains_key(path)
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        match self.fields.get(path) {
            Some(Value::Text(value)) => value,
            _ => "",
        }
    }

    pub(crate) fn bool(&self, path: &str) -> bool {
        matches!(self.fields.get(path), Some(Value::Bool(true)))
    }

    pub(crate) fn int(&self, path: &str) -> Option<i64> {
        match self.fields.get(path) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, path: &str) -> &[String] {
        match self.fields.get(path) {
            Some(Value::Texts(values)) => values,
            _ => &[],
        }
    }

    pub(crate) fn text_map(&self, path: &str) -> BTreeMap<String, String> {
        match self.fields.get(path) {
            Some(Value::TextMap(values)) => values.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub(crate) fn texts_map(&self, path: &str) -> BTreeMap<String, Vec<String>> {
        match self.fields.get(path) {
            Some(Value::TextsMap(values)) => values.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub(crate) fn shape(&self, path: &str) -> Option<&Shape> {
        match self.fields.get(path) {
            Some(Value::Shape(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn shapes(&self, path: &str) -> &[Shape] {
        match self.fields.get(path) {
            Some(Value::Shapes(values)) => values,
            _ => &[],
        }
    }

    pub(crate) fn shape_map(&self, path: &str) -> impl Iterator<Item = (&String, &Shape)> {
        match self.fields.get(path) {
            Some(Value::ShapeMap(values)) => Some(values),
            _ => None,
        }
        .into_iter()
        .flatten()
    }

    pub(crate) fn opaque(&self, path: &str) -> serde_json::Map<String, serde_json::Value> {
        match self.fields.get(path) {
            Some(Value::Opaque(value)) => value.clone(),
            _ => serde_json::Map::new(),
        }
    }
}

impl Value {
    /// Folds a later source's value into this one (`docs/spec/config.md` §1.3).
    pub(crate) fn merge(&mut self, later: Value) {
        match (self, later) {
            (Value::Texts(values), Value::Texts(later)) => values.extend(later),
            (Value::Shapes(values), Value::Shapes(later)) => values.extend(later),
            (Value::Opaques(values), Value::Opaques(later)) => values.extend(later),
            (Value::TextMap(values), Value::TextMap(later)) => values.extend(later),
            (Value::TextsMap(values), Value::TextsMap(later)) => values.extend(later),
            (Value::ShapeMap(values), Value::ShapeMap(later)) => values.extend(later),
            (Value::Opaque(values), Value::Opaque(later)) => values.extend(later),
            (value, later) => *value = later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::go_float;

    #[test]
    fn floats_print_as_in_go() {
        let table = [
            (0.0, "0"),
            (1.0, "1"),
            (8500.9, "8500.9"),
            (-1.5, "-1.5"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e10, "1.5e+10"),
            (123_456_789.0, "1.23456789e+08"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
        ];
        for (value, text) in table {
            assert_eq!(go_float(value), text);
        }
    }
}
