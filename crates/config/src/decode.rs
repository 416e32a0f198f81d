//! One source's text, typed by the table: wrong types and unknown keys are found here (`docs/spec/config.md` §2.1).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{ConfigError, Problem};
use crate::merge::Layer;
use crate::place::Place;
use crate::table::{AGENT_STANZA, Entry, Key, Kind, Stanza};
use crate::value::{Raw, RawValue, Shape, Value};

/// Keys the reference drops with a warning instead of refusing them.
const DROPPED_KEY: &str = "acl_enforce_version_8";
const AUDIT_SINK: &str = "audit.sink[";

/// Types the values of one source. Warnings are the reference's, about keys it no longer reads.
pub(crate) fn decode(source: &Arc<str>, root: &Raw, warnings: &mut Vec<String>) -> Result<Layer, ConfigError> {
    let mut decoder = Decoder { source, wrong: Vec::new(), unknown: Vec::new() };
    let mut layer = Layer::default();
    if let RawValue::Map(entries) = &root.unwrapped().value {
        decoder.stanza(&AGENT_STANZA, entries, "", &mut |key, value, place| layer.set(key, value, place));
    }
    if !decoder.wrong.is_empty() {
        return Err(ConfigError::Types { source_name: source.to_string(), problems: decoder.wrong });
    }
    let mut problems = Vec::new();
    for unknown in decoder.unknown {
        match unknown.path.as_str() {
            DROPPED_KEY => {
                warnings.push(format!(
                    "config key {} is deprecated and should be removed",
                    wire::quote::go_quote(DROPPED_KEY)
                ));
            }
            path if path.starts_with(AUDIT_SINK) && path.ends_with("].name") => {
                warnings.push("config key audit.sink[].name is deprecated and should be removed".to_owned());
            }
            path => {
                let message = format!("invalid config key {path}");
                problems.push(Problem { message, place: Some(unknown.place) });
            }
        }
    }
    if !problems.is_empty() {
        return Err(ConfigError::UnknownKeys { source_name: source.to_string(), problems });
    }
    Ok(layer)
}

struct UnknownKey {
    path: String,
    place: Place,
}

struct Decoder<'a> {
    source: &'a Arc<str>,
    wrong: Vec<Problem>,
    unknown: Vec<UnknownKey>,
}

type Sink<'a> = dyn FnMut(&'static Key, Value, Place) + 'a;

impl Decoder<'_> {
    fn place(&self, raw: &Raw) -> Place {
        Place { source: Arc::clone(self.source), position: raw.position }
    }

    fn wrong(&mut self, raw: &Raw, message: String) {
        let place = Some(self.place(raw));
        self.wrong.push(Problem { message, place });
    }

    fn stanza(&mut self, stanza: &Stanza, entries: &[(String, Raw)], path: &str, sink: &mut Sink<'_>) {
        let entries = canonical_names(stanza, entries);
        let mut taken = vec![false; entries.len()];
        for (name, entry) in &stanza.entries {
            let Some(index) = find(&entries, name) else { continue };
            taken[index] = true;
            let raw = entries[index].1;
            let path = join(path, name);
            match entry {
                Entry::Key(key) => {
                    if let Some(value) = self.value(key.kind, raw, &path) {
                        sink(key, value, self.place(raw));
                    }
                }
                Entry::Stanza(deeper) => {
                    if let Some(entries) = self.map(raw, &path) {
                        self.stanza(deeper, entries, &path, sink);
                    }
                }
            }
        }
        for ((name, raw), taken) in entries.iter().zip(taken) {
            if !taken {
                let unknown = UnknownKey { path: join(path, name), place: self.place(raw) };
                self.unknown.push(unknown);
            }
        }
    }

    fn map<'r>(&mut self, raw: &'r Raw, path: &str) -> Option<&'r [(String, Raw)]> {
        let raw = raw.unwrapped();
        match &raw.value {
            RawValue::Null => None,
            RawValue::Map(entries) => Some(entries),
            _ => {
                self.wrong(raw, format!("'{path}' expected a map, got '{}'", raw.go_kind()));
                None
            }
        }
    }

    fn list<'r>(&mut self, raw: &'r Raw, path: &str) -> Option<&'r [Raw]> {
        match &raw.value {
            RawValue::Null => None,
            RawValue::List(items) | RawValue::Blocks(items) => Some(items),
            _ => {
                self.wrong(raw, format!("'{path}': source data must be an array or slice, got {}", raw.go_kind()));
                None
            }
        }
    }

    fn value(&mut self, kind: Kind, raw: &Raw, path: &str) -> Option<Value> {
        match kind {
            Kind::Texts => self.texts(raw, path).map(Value::Texts),
            Kind::Shapes(keys) => {
                let items = self.list(raw, path)?;
                let stanza = Stanza::of(keys);
                let shapes = items
                    .iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.shape(&stanza, item, &format!("{path}[{index}]")));
                Some(Value::Shapes(shapes.collect()))
            }
            Kind::Opaques => {
                let items = self.list(raw, path)?;
                let maps =
                    items.iter().enumerate().filter_map(|(index, item)| self.opaque(item, &format!("{path}[{index}]")));
                Some(Value::Opaques(maps.collect()))
            }
            Kind::Shape(keys) => self.shape(&Stanza::of(keys), raw, path).map(Value::Shape),
            Kind::ShapeMap(keys) => {
                let stanza = Stanza::of(keys);
                let entries = self.map_of_maps(raw, path)?;
                let shapes = entries.into_iter().filter_map(|(name, raw)| {
                    self.shape(&stanza, raw, &format!("{path}[{name}]")).map(|shape| (name.to_owned(), shape))
                });
                Some(Value::ShapeMap(shapes.collect()))
            }
            Kind::TextMap => {
                let entries = self.map(raw, path)?;
                let texts = entries.iter().filter_map(|(name, raw)| {
                    match self.scalar(Kind::Text, raw, &format!("{path}[{name}]")) {
                        Some(Value::Text(text)) => Some((name.clone(), text)),
                        _ => None,
                    }
                });
                Some(Value::TextMap(texts.collect()))
            }
            Kind::TextsMap => {
                let entries = self.map(raw, path)?;
                let lists = entries.iter().filter_map(|(name, raw)| {
                    self.texts(raw, &format!("{path}[{name}]")).map(|texts| (name.clone(), texts))
                });
                Some(Value::TextsMap(lists.collect()))
            }
            Kind::Opaque => self.opaque(raw, path).map(Value::Opaque),
            Kind::Bool | Kind::Int | Kind::Uint | Kind::Uint32 | Kind::Float | Kind::Text | Kind::Duration => {
                self.scalar(kind, raw, path)
            }
        }
    }

    fn texts(&mut self, raw: &Raw, path: &str) -> Option<Vec<String>> {
        let items = self.list(raw, path)?;
        let texts = items.iter().enumerate().filter_map(|(index, item)| {
            if item.value == RawValue::Null {
                return Some(String::new());
            }
            match self.scalar(Kind::Text, item, &format!("{path}[{index}]")) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            }
        });
        Some(texts.collect())
    }

    fn shape(&mut self, stanza: &Stanza, raw: &Raw, path: &str) -> Option<Shape> {
        let mut shape = Shape::at(self.place(raw.unwrapped()));
        if raw.value == RawValue::Null {
            return None;
        }
        let entries = self.map(raw, path)?;
        self.stanza(stanza, entries, path, &mut |key, value, _| shape.insert(key.path, value));
        Some(shape)
    }

    /// Entries of a map whose values are stanzas. HCL's labelled blocks arrive as one map per block.
    fn map_of_maps<'r>(&mut self, raw: &'r Raw, path: &str) -> Option<BTreeMap<&'r str, &'r Raw>> {
        let entries = self.map(raw, path)?;
        Some(entries.iter().map(|(name, raw)| (name.as_str(), raw)).collect())
    }

    fn opaque(&mut self, raw: &Raw, path: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
        let entries = self.map(raw, path)?;
        Some(entries.iter().map(|(name, raw)| (name.clone(), raw.to_json())).collect())
    }

    fn scalar(&mut self, kind: Kind, raw: &Raw, path: &str) -> Option<Value> {
        let raw = raw.unwrapped();
        let value = match (kind, &raw.value) {
            (_, RawValue::Null) => return None,
            (Kind::Bool, RawValue::Bool(value)) => Value::Bool(*value),
            (Kind::Uint | Kind::Uint32, RawValue::Int(value)) if *value < 0 => {
                self.wrong(raw, format!("cannot parse '{path}', {value} overflows uint"));
                return None;
            }
            (Kind::Uint | Kind::Uint32, RawValue::Float(value)) if *value < 0.0 => {
                self.wrong(raw, format!("cannot parse '{path}', {value:.6} overflows uint"));
                return None;
            }
            (Kind::Int | Kind::Uint | Kind::Uint32, RawValue::Int(value)) => Value::Int(*value),
            (Kind::Int | Kind::Uint | Kind::Uint32, RawValue::Float(value)) => Value::Int(go_int(*value)),
            (Kind::Float, RawValue::Float(value)) => Value::Float(*value),
            (Kind::Float, RawValue::Int(value)) => Value::Float(*value as f64),
            (Kind::Text | Kind::Duration, RawValue::Text(value)) => Value::Text(value.clone()),
            _ => {
                let wanted = match kind {
                    Kind::Duration => Kind::Text.name(),
                    kind => kind.name(),
                };
                let message = format!(
                    "'{path}' expected type '{wanted}', got unconvertible type '{}', value: '{}'",
                    raw.go_type(),
                    raw.go_print()
                );
                self.wrong(raw, message);
                return None;
            }
        };
        Some(value)
    }
}

/// Truncates as Go does on x86-64: what does not fit becomes the smallest integer.
fn go_int(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The entries with aliases renamed to their keys; an alias beside its key is dropped.
fn canonical_names<'r>(stanza: &Stanza, entries: &'r [(String, Raw)]) -> Vec<(&'r str, &'r Raw)> {
    let mut out = Vec::with_capacity(entries.len());
    for (name, raw) in entries {
        match aliased(stanza, name) {
            Some(canonical) if entries.iter().any(|(other, _)| other == canonical) => {}
            Some(canonical) => out.push((canonical, raw)),
            None => out.push((name.as_str(), raw)),
        }
    }
    out
}

fn aliased(stanza: &Stanza, name: &str) -> Option<&'static str> {
    let lower = name.to_lowercase();
    stanza.entries.values().find_map(|entry| match entry {
        Entry::Key(key) if key.aliases.contains(&lower.as_str()) => Some(key.path),
        _ => None,
    })
}

/// The entry for a key: its exact name, else the first that differs only in case.
fn find(entries: &[(&str, &Raw)], name: &str) -> Option<usize> {
    let exact = entries.iter().position(|(other, _)| *other == name);
    exact.or_else(|| entries.iter().position(|(other, _)| other.eq_ignore_ascii_case(name)))
}
