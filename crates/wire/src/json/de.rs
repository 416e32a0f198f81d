use std::borrow::Cow;
use std::vec;

use serde::de::{self, Deserialize, DeserializeSeed, Expected, IntoDeserializer, Visitor};

use super::tree::{self, Node};
use super::{JsonError, base64_bytes, ignore_unknown};

/// What to do with a key the target struct has no field for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// Fail with [`JsonError::UnknownField`].
    Reject,
    /// Skip it and its value.
    Ignore,
}

/// Decodes the first JSON value of `input` and ignores what follows it.
///
/// ```
/// use wire::json::{from_slice, Unknown};
/// #[derive(serde::Deserialize)]
/// struct Query { #[serde(rename = "Name", default)] name: String }
/// let query: Query = from_slice(br#"{"name":"db"} trailing"#, Unknown::Reject)?;
/// assert_eq!(query.name, "db");
/// # Ok::<(), wire::json::JsonError>(())
/// ```
pub fn from_slice<'a, T: Deserialize<'a>>(input: &'a [u8], unknown: Unknown) -> Result<T, JsonError> {
    let root = tree::parse(input)?;
    T::deserialize(NodeDeserializer { node: root.node, unknown })
}

struct NodeDeserializer<'de> {
    node: Node<'de>,
    unknown: Unknown,
}

impl<'de> NodeDeserializer<'de> {
    fn mismatch<T>(self, target: impl Into<String>) -> Result<T, JsonError> {
        Err(JsonError::wrong_type(self.node.kind(), target))
    }

    fn float(self, target: &'static str) -> Result<f64, JsonError> {
        let text = match self.node {
            Node::Null => return Ok(0.0),
            Node::Number(text) => text,
            _ => return self.mismatch(target),
        };
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(JsonError::wrong_type(format!("number {text}"), target)),
        }
    }

    fn visit_list<V: Visitor<'de>>(
        elements: Vec<tree::Located<'de>>,
        padding: usize,
        unknown: Unknown,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_seq(Elements { elements: elements.into_iter(), padding, unknown })
    }
}

fn visit_text<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, JsonError> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

fn visit_any_number<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, JsonError> {
    if let Ok(value) = text.parse::<u64>() {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = text.parse::<i64>() {
        return visitor.visit_i64(value);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => visitor.visit_f64(value),
        _ => Err(JsonError::wrong_type(format!("number {text}"), "float64")),
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty, $target:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            match self.node {
                Node::Null => visitor.$visit(0),
                Node::Number(text) => match text.parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(JsonError::wrong_type(format!("number {text}"), $target)),
                },
                _ => self.mismatch($target),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(value),
            Node::Number(text) => visit_any_number(text, visitor),
            Node::String(text) => visit_text(text, visitor),
            Node::Array(elements) => Self::visit_list(elements, 0, self.unknown, visitor),
            Node::Object(entries) => visitor.visit_map(MapEntries::new(entries, self.unknown)),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8, "int8"
        deserialize_i16 visit_i16 i16, "int16"
        deserialize_i32 visit_i32 i32, "int"
        deserialize_i64 visit_i64 i64, "int"
        deserialize_i128 visit_i128 i128, "int128"
        deserialize_u8 visit_u8 u8, "uint8"
        deserialize_u16 visit_u16 u16, "uint16"
        deserialize_u32 visit_u32 u32, "uint32"
        deserialize_u64 visit_u64 u64, "uint64"
        deserialize_u128 visit_u128 u128, "uint128"
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_bool(false),
            Node::Bool(value) => visitor.visit_bool(value),
            _ => self.mismatch("bool"),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let value = self.float("float32")? as f32;
        if !value.is_finite() {
            return Err(JsonError::wrong_type("number", "float32"));
        }
        visitor.visit_f32(value)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        let value = self.float("float64")?;
        visitor.visit_f64(value)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_char('\0'),
            Node::String(text) => visit_text(text, visitor),
            _ => self.mismatch("int32"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_borrowed_str(""),
            Node::String(text) => visit_text(text, visitor),
            _ => self.mismatch("string"),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_borrowed_bytes(&[]),
            Node::String(text) => {
                visitor.visit_byte_buf(base64_bytes::decode(text.as_bytes()).map_err(de::Error::custom)?)
            }
            Node::Array(elements) => Self::visit_list(elements, 0, self.unknown, visitor),
            _ => self.mismatch("[]uint8"),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null | Node::Object(_) => visitor.visit_unit(),
            _ => self.mismatch("struct {}"),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        if name == ignore_unknown::MARKER {
            return visitor.visit_newtype_struct(Self { unknown: Unknown::Ignore, ..self });
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => Self::visit_list(Vec::new(), 0, self.unknown, visitor),
            Node::Array(elements) => Self::visit_list(elements, 0, self.unknown, visitor),
            _ => self.mismatch(expected(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => Self::visit_list(Vec::new(), length, self.unknown, visitor),
            Node::Array(elements) => {
                let padding = length.saturating_sub(elements.len());
                Self::visit_list(elements, padding, self.unknown, visitor)
            }
            _ => self.mismatch(expected(&visitor)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_map(MapEntries::new(Vec::new(), self.unknown)),
            Node::Object(entries) => visitor.visit_map(MapEntries::new(entries, self.unknown)),
            _ => self.mismatch(expected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let entries = match self.node {
            Node::Null => Vec::new(),
            Node::Object(entries) => entries,
            _ => return self.mismatch(name),
        };
        visitor.visit_map(StructEntries::new(name, fields, entries, self.unknown))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match self.node {
            Node::Null => visitor.visit_enum("".into_deserializer()),
            Node::String(text) => visitor.visit_enum(text.into_deserializer()),
            Node::Object(entries) if entries.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(MapEntries::new(entries, self.unknown)))
            }
            _ => self.mismatch(name),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_unit()
    }
}

fn expected(visitor: &dyn Expected) -> String {
    visitor.to_string()
}

/// An array; `padding` nulls follow its elements (fixed-size targets).
struct Elements<'de> {
    elements: vec::IntoIter<tree::Located<'de>>,
    padding: usize,
    unknown: Unknown,
}

impl<'de> de::SeqAccess<'de> for Elements<'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        let node = match self.elements.next() {
            Some(element) => element.node,
            None if self.padding > 0 => {
                self.padding -= 1;
                Node::Null
            }
            None => return Ok(None),
        };
        seed.deserialize(NodeDeserializer { node, unknown: self.unknown }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

type Entry<'de> = (Cow<'de, str>, tree::Located<'de>);

/// An object whose keys are data.
struct MapEntries<'de> {
    entries: vec::IntoIter<Entry<'de>>,
    value: Node<'de>,
    unknown: Unknown,
}

impl<'de> MapEntries<'de> {
    fn new(entries: Vec<Entry<'de>>, unknown: Unknown) -> Self {
        Self { entries: entries.into_iter(), value: Node::Null, unknown }
    }
}

impl<'de> de::MapAccess<'de> for MapEntries<'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = value.node;
        seed.deserialize(KeyDeserializer { key }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let node = std::mem::replace(&mut self.value, Node::Null);
        seed.deserialize(NodeDeserializer { node, unknown: self.unknown })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// An object whose keys name fields. Yields each field at most once, under its declared name; `null` counts as absent.
struct StructEntries<'de> {
    name: &'static str,
    fields: &'static [&'static str],
    entries: std::iter::Enumerate<vec::IntoIter<Entry<'de>>>,
    /// For each field the entry that counts: its last one that is not `null`.
    chosen: Vec<Option<usize>>,
    current: (&'static str, Node<'de>),
    unknown: Unknown,
}

impl<'de> StructEntries<'de> {
    fn new(name: &'static str, fields: &'static [&'static str], entries: Vec<Entry<'de>>, unknown: Unknown) -> Self {
        let mut chosen = vec![None; fields.len()];
        for (index, (key, value)) in entries.iter().enumerate() {
            if let Some(field) = field_index(fields, key).filter(|_| value.node != Node::Null) {
                chosen[field] = Some(index);
            }
        }
        Self { name, fields, entries: entries.into_iter().enumerate(), chosen, current: ("", Node::Null), unknown }
    }
}

/// The field a key means: the one of that name, else the first that differs in case only.
fn field_index(fields: &[&str], key: &str) -> Option<usize> {
    let exact = fields.iter().position(|field| *field == key);
    exact.or_else(|| fields.iter().position(|field| field.eq_ignore_ascii_case(key)))
}

impl<'de> de::MapAccess<'de> for StructEntries<'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        for (index, (key, value)) in self.entries.by_ref() {
            let Some(field) = field_index(self.fields, &key) else {
                match self.unknown {
                    Unknown::Reject => return Err(JsonError::UnknownField(key.into_owned())),
                    Unknown::Ignore => continue,
                }
            };
            if self.chosen[field] != Some(index) {
                continue;
            }
            let name = self.fields[field];
            self.current = (name, value.node);
            return seed.deserialize(name.into_deserializer()).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let (field, node) = std::mem::replace(&mut self.current, ("", Node::Null));
        seed.deserialize(NodeDeserializer { node, unknown: self.unknown })
            .map_err(|error| error.in_field(self.name, field))
    }
}

/// An object key: text, or a number when the target map's keys are numbers.
struct KeyDeserializer<'de> {
    key: Cow<'de, str>,
}

macro_rules! integer_keys {
    ($($method:ident $visit:ident $type:ty, $target:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            match self.key.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(JsonError::wrong_type(format!("number {}", self.key), $target)),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for KeyDeserializer<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visit_text(self.key, visitor)
    }

    integer_keys! {
        deserialize_i8 visit_i8 i8, "int8"
        deserialize_i16 visit_i16 i16, "int16"
        deserialize_i32 visit_i32 i32, "int"
        deserialize_i64 visit_i64 i64, "int"
        deserialize_u8 visit_u8 u8, "uint8"
        deserialize_u16 visit_u16 u16, "uint16"
        deserialize_u32 visit_u32 u32, "uint32"
        deserialize_u64 visit_u64 u64, "uint64"
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_enum(self.key.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}
