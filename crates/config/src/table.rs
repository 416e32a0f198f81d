//! The table of configuration keys: the one place a key is declared (`docs/spec/config.md` §2-§11).
//!
//! A [`Key`] carries its dotted path, type, defaults, whether a reload applies it and the [`Capability`] it belongs to.
//! Parsing, type errors, unknown-key errors, merging, the start-up check and the key reference all read this table.

mod agent;
mod definition;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::capability::Capability;

pub use agent::AGENT_KEYS;
pub use definition::{CHECK_KEYS, SERVICE_KEYS};

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Dotted path, relative to the shape the key stands in (`ports.http`, or `http` inside a check).
    pub path: &'static str,
    /// Type of the value.
    pub kind: Kind,
    /// Value when nothing sets the key.
    pub default: Preset,
    /// Value in `-dev` mode when nothing sets the key; [`Preset::Unset`] means the same as `default`.
    pub dev_default: Preset,
    /// Whether a reload applies a changed value.
    pub reloadable: bool,
    /// The capability the key belongs to.
    pub capability: Capability,
    /// The key may be set although its capability does not exist: it only says where or how something absent would be.
    pub idle: bool,
    /// Older spellings, lower-cased, taken when the key itself is absent.
    pub aliases: &'static [&'static str],
    /// The value must never be printed.
    pub secret: bool,
}

/// The keys of a stanza. A reference to the static itself, so that stanzas may contain one another.
pub type Keys = &'static &'static [Key];

/// Type of a key's value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Signed whole number; a fraction is cut off.
    Int,
    /// Unsigned 32-bit number.
    Uint32,
    /// Unsigned machine-word number.
    Uint,
    /// Floating-point number.
    Float,
    /// Text.
    Text,
    /// Text in Go's duration syntax.
    Duration,
    /// List of texts.
    Texts,
    /// Text to text.
    TextMap,
    /// Text to list of texts.
    TextsMap,
    /// A stanza that later sources replace as a whole.
    Shape(Keys),
    /// A list of stanzas.
    Shapes(Keys),
    /// Named stanzas.
    ShapeMap(Keys),
    /// Free-form map.
    Opaque,
    /// List of free-form maps.
    Opaques,
}

/// A default, in the type of its key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preset {
    /// No default.
    Unset,
    /// Truth value.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Floating-point number.
    Float(f64),
    /// Text or duration.
    Text(&'static str),
}

impl Kind {
    /// The type's name as the reference prints it and as the key reference shows it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Uint32 => "uint32",
            Kind::Uint => "uint",
            Kind::Float => "float64",
            Kind::Text => "string",
            Kind::Duration => "duration",
            Kind::Texts => "list of strings",
            Kind::TextMap => "map of strings",
            Kind::TextsMap => "map of lists of strings",
            Kind::Shape(_) => "stanza",
            Kind::Shapes(_) => "list of stanzas",
            Kind::ShapeMap(_) => "map of stanzas",
            Kind::Opaque => "map",
            Kind::Opaques => "list of maps",
        }
    }

    /// Whether values of several sources are concatenated.
    pub fn is_list(self) -> bool {
        matches!(self, Kind::Texts | Kind::Shapes(_) | Kind::Opaques)
    }
}

impl Key {
    const fn new(path: &'static str, kind: Kind, capability: Capability) -> Key {
        Key {
            path,
            kind,
            default: Preset::Unset,
            dev_default: Preset::Unset,
            reloadable: false,
            capability,
            idle: false,
            aliases: &[],
            secret: false,
        }
    }

    const fn or(mut self, default: Preset) -> Key {
        self.default = default;
        self
    }

    const fn dev(mut self, default: Preset) -> Key {
        self.dev_default = default;
        self
    }

    const fn reloads(mut self) -> Key {
        self.reloadable = true;
        self
    }

    const fn idle(mut self) -> Key {
        self.idle = true;
        self
    }

    const fn alias(mut self, aliases: &'static [&'static str]) -> Key {
        self.aliases = aliases;
        self
    }

    const fn secret(mut self) -> Key {
        self.secret = true;
        self
    }
}

const fn flag(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Bool, capability)
}

const fn int(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Int, capability)
}

const fn float(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Float, capability)
}

const fn text(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Text, capability)
}

const fn duration(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Duration, capability)
}

const fn texts(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Texts, capability)
}

const fn text_map(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::TextMap, capability)
}

const fn shape(path: &'static str, keys: Keys, capability: Capability) -> Key {
    Key::new(path, Kind::Shape(keys), capability)
}

const fn shapes(path: &'static str, keys: Keys, capability: Capability) -> Key {
    Key::new(path, Kind::Shapes(keys), capability)
}

const fn opaque(path: &'static str, capability: Capability) -> Key {
    Key::new(path, Kind::Opaque, capability)
}

/// A stanza as the parser sees it: names to keys or deeper stanzas.
#[derive(Debug, Default)]
pub(crate) struct Stanza {
    /// Entries by their last path segment.
    pub(crate) entries: BTreeMap<&'static str, Entry>,
}

/// What a name in a stanza stands for.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A key with a value.
    Key(&'static Key),
    /// A deeper stanza.
    Stanza(Stanza),
}

impl Stanza {
    /// The tree of dotted paths of `keys`.
    pub(crate) fn of(keys: &'static [Key]) -> Stanza {
        let mut root = Stanza::default();
        for key in keys {
            let mut stanza = &mut root;
            let mut segments = key.path.split('.').peekable();
            while let Some(segment) = segments.next() {
                if segments.peek().is_none() {
                    stanza.entries.insert(segment, Entry::Key(key));
                    break;
                }
                let entry = stanza.entries.entry(segment).or_insert_with(|| Entry::Stanza(Stanza::default()));
                match entry {
                    Entry::Stanza(deeper) => stanza = deeper,
                    Entry::Key(_) => break,
                }
            }
        }
        root
    }
}

/// The tree of the agent's own keys.
pub(crate) static AGENT_STANZA: LazyLock<Stanza> = LazyLock::new(|| Stanza::of(AGENT_KEYS));

static AGENT_INDEX: LazyLock<BTreeMap<&'static str, &'static Key>> =
    LazyLock::new(|| AGENT_KEYS.iter().map(|key| (key.path, key)).collect());

/// The agent key with this dotted path.
pub fn agent_key(path: &str) -> Option<&'static Key> {
    AGENT_INDEX.get(path).copied()
}

/// The key reference as a Markdown table, one row per agent key, for the documentation.
pub fn key_reference() -> String {
    let mut out =
        String::from("| Key | Type | Default | Dev default | Reloadable | Capability |\n|---|---|---|---|---|---|\n");
    for key in AGENT_KEYS {
        let reloadable = if key.reloadable { "yes" } else { "no" };
        let secret = if key.secret { " (secret)" } else { "" };
        out.push_str(&format!(
            "| `{}` | {}{secret} | {} | {} | {} | {} |\n",
            key.path,
            key.kind.name(),
            key.default,
            key.dev_default,
            reloadable,
            key.capability
        ));
    }
    out
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Preset::Unset => Ok(()),
            Preset::Bool(value) => write!(f, "`{value}`"),
            Preset::Int(value) => write!(f, "`{value}`"),
            Preset::Float(value) => write!(f, "`{value}`"),
            Preset::Text(value) => write!(f, "`\"{value}\"`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_key_is_declared_once() {
        let mut seen = std::collections::BTreeSet::new();
        for key in AGENT_KEYS {
            assert!(seen.insert(key.path), "{} is declared twice", key.path);
        }
    }

    #[test]
    fn a_default_has_the_type_of_its_key() {
        for key in AGENT_KEYS {
            for default in [key.default, key.dev_default] {
                let fits = match default {
                    Preset::Unset => true,
                    Preset::Bool(_) => matches!(key.kind, Kind::Bool),
                    Preset::Int(_) => matches!(key.kind, Kind::Int | Kind::Uint | Kind::Uint32),
                    Preset::Float(_) => matches!(key.kind, Kind::Float),
                    Preset::Text(_) => matches!(key.kind, Kind::Text | Kind::Duration),
                };
                assert!(fits, "{} has a default of another type", key.path);
            }
        }
    }

    #[test]
    fn no_key_is_also_a_stanza_of_other_keys() {
        for key in AGENT_KEYS {
            let prefix = format!("{}.", key.path);
            assert!(!AGENT_KEYS.iter().any(|other| other.path.starts_with(&prefix)), "{} is both", key.path);
        }
    }

    #[test]
    fn the_reference_has_a_row_for_every_key() {
        assert_eq!(key_reference().lines().count(), AGENT_KEYS.len() + 2);
    }
}
