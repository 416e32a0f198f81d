//! Sources folded into one set of settings (`docs/spec/config.md` §1.1, §1.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::place::Place;
use crate::table::{AGENT_KEYS, Key, Kind, Preset, agent_key};
use crate::value::{Shape, Value};

/// One key's value and where it was last set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// Set by a file or a flag, as opposed to a default.
    pub(crate) by_user: bool,
}

/// The settings of one source.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    settings: BTreeMap<&'static str, Setting>,
}

impl Layer {
    /// The defaults of the table, or those of `-dev` mode.
    pub(crate) fn defaults(dev: bool) -> Layer {
        let source: Arc<str> = Arc::from(if dev { "dev" } else { "default" });
        let mut settings = BTreeMap::new();
        for key in AGENT_KEYS {
            let preset = if dev { key.dev_default } else { key.default };
            let value = match preset {
                Preset::Unset => continue,
                Preset::Bool(value) => Value::Bool(value),
                Preset::Int(value) => Value::Int(value),
                Preset::Float(value) => Value::Float(value),
                Preset::Text(value) => Value::Text(value.to_owned()),
            };
            settings.insert(key.path, Setting { value, place: Place::source(&source), by_user: false });
        }
        Layer { settings }
    }

    pub(crate) fn set(&mut self, key: &'static Key, value: Value, place: Place) {
        let later = Setting { value, place, by_user: true };
        match self.settings.get_mut(key.path) {
            Some(setting) => setting.fold(key.kind, later),
            None => {
                self.settings.insert(key.path, later);
            }
        }
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.settings.contains_key(path)
    }

    pub(crate) fn take(&mut self, path: &str) -> Option<Setting> {
        self.settings.remove(path)
    }

    /// Sets a key unless the source already has it.
    pub(crate) fn set_if_absent(&mut self, path: &'static str, value: Value, place: Place) {
        self.settings.entry(path).or_insert(Setting { value, place, by_user: true });
    }

    /// Sets a key whatever the source says.
    pub(crate) fn force(&mut self, path: &'static str, value: Value, place: Place) {
        self.settings.insert(path, Setting { value, place, by_user: true });
    }

    /// Moves the singular `service` and `check` behind the lists of the same source.
    pub(crate) fn pluralise(&mut self) {
        for (singular, plural) in [("service", "services"), ("check", "checks")] {
            let Some(Setting { value: Value::Shape(shape), place, .. }) = self.take(singular) else { continue };
            let Some(key) = agent_key(plural) else { continue };
            self.set(key, Value::Shapes(vec![shape]), place);
        }
    }
}

impl Setting {
    fn fold(&mut self, kind: Kind, later: Setting) {
        match kind {
            // A whole stanza is replaced, and so is every scalar.
            Kind::Shape(_) => self.value = later.value,
            _ => self.value.merge(later.value),
        }
        self.place = later.place;
        self.by_user |= later.by_user;
    }
}

/// Every source folded together, in order. `Debug` shows keys and places only: values may be secret.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Settings {
    settings: BTreeMap<&'static str, Setting>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.settings.iter().map(|(path, setting)| (path, &setting.place))).finish()
    }
}

impl Settings {
    /// Adds a later source.
    pub(crate) fn overlay(&mut self, layer: Layer) {
        for (path, later) in layer.settings {
            let Some(key) = agent_key(path) else { continue };
            match self.settings.get_mut(path) {
                Some(setting) => setting.fold(key.kind, later),
                None => {
                    self.settings.insert(path, later);
                }
            }
        }
    }

    /// Keys set by files and flags, in the order of the table.
    pub(crate) fn set_by_user(&self) -> impl Iterator<Item = (&'static Key, &Setting)> {
        AGENT_KEYS.iter().filter_map(|key| self.user_setting(key).map(|setting| (key, setting)))
    }

    pub(crate) fn user_setting(&self, key: &Key) -> Option<&Setting> {
        self.settings.get(key.path).filter(|setting| setting.by_user)
    }

    pub(crate) fn place(&self, path: &str) -> Option<&Place> {
        self.settings.get(path).filter(|setting| setting.by_user).map(|setting| &setting.place)
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.value(path).is_some()
    }

    pub(crate) fn value(&self, path: &str) -> Option<&Value> {
        debug_assert!(agent_key(path).is_some(), "{path} is not in the table");
        self.settings.get(path).map(|setting| &setting.value)
    }

    pub(crate) fn maybe_bool(&self, path: &str) -> Option<bool> {
        match self.value(path) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn bool(&self, path: &str) -> bool {
        self.maybe_bool(path).unwrap_or(false)
    }

    pub(crate) fn maybe_int(&self, path: &str) -> Option<i64> {
        match self.value(path) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn int(&self, path: &str) -> i64 {
        self.maybe_int(path).unwrap_or(0)
    }

    pub(crate) fn float(&self, path: &str) -> f64 {
        match self.value(path) {
            Some(Value::Float(value)) => *value,
            _ => 0.0,
        }
    }

    pub(crate) fn maybe_text(&self, path: &str) -> Option<&str> {
        match self.value(path) {
            Some(Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        self.maybe_text(path).unwrap_or("")
    }

    pub(crate) fn texts(&self, path: &str) -> &[String] {
        match self.value(path) {
            Some(Value::Texts(values)) => values,
            _ => &[],
        }
    }

    pub(crate) fn text_map(&self, path: &str) -> BTreeMap<String, String> {
        match self.value(path) {
            Some(Value::TextMap(values)) => values.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub(crate) fn shape(&self, path: &str) -> Option<&Shape> {
        match self.value(path) {
            Some(Value::Shape(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn shapes(&self, path: &str) -> &[Shape] {
        match self.value(path) {
            Some(Value::Shapes(values)) => values,
            _ => &[],
        }
    }

    pub(crate) fn opaque(&self, path: &str) -> serde_json::Map<String, serde_json::Value> {
        match self.value(path) {
            Some(Value::Opaque(value)) => value.clone(),
            _ => serde_json::Map::new(),
        }
    }

    pub(crate) fn opaques(&self, path: &str) -> &[serde_json::Map<String, serde_json::Value>] {
        match self.value(path) {
            Some(Value::Opaques(values)) => values,
            _ => &[],
        }
    }

    /// Sets a key after merging, as settings moved between keys do (`ui`, `ui_dir`, `ui_content_path`).
    pub(crate) fn replace(&mut self, path: &'static str, setting: Setting) {
        self.settings.insert(path, setting);
    }

    pub(crate) fn take(&mut self, path: &str) -> Option<Setting> {
        self.settings.remove(path)
    }
}
