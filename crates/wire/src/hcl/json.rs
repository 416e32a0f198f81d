use super::parse::{Content, Item, Key, Node as HclNode};
use super::{HclError, Object, Spanned, Value, build};
use crate::json::JsonError;
use crate::json::tree::{self, Located, Mode, Node};

/// Parses strict JSON: one object, or `null` for an empty one. Of equal keys the last counts; numbers are floats; Go's
/// `encoding/json` words the errors.
pub fn parse_json(text: &str) -> Result<Object, HclError> {
    let root = tree::parse_as(text.as_bytes(), Mode::Whole)?;
    let mut places = Places::new(text);
    match root.node {
        Node::Null => Ok(Object::default()),
        Node::Object(entries) => strict_object(entries, &mut places),
        other => Err(JsonError::wrong_type(other.kind(), "map[string]interface {}").into()),
    }
}

/// Parses JSON the way HCL takes it (`docs/spec/config.md §2.2`), with HCL's rules for repeated keys.
pub(super) fn parse_lenient(text: &str) -> Result<Object, HclError> {
    let root = match tree::parse_as(text.as_bytes(), Mode::Lenient) {
        Ok(root) => root,
        Err(JsonError::Syntax { offset, character, context }) => {
            let (line, column) = Places::new(text).find(offset);
            let message = JsonError::Syntax { offset, character, context }.to_string();
            return Err(HclError::At { line, column, message });
        }
        Err(error) => return Err(error.into()),
    };
    let mut places = Places::new(text);
    match hcl_node(root, &mut places).content {
        Content::Object(items) => build::object(&items),
        _ => Ok(Object::default()),
    }
}

fn strict_object(
    entries: Vec<(std::borrow::Cow<'_, str>, Located<'_>)>,
    places: &mut Places<'_>,
) -> Result<Object, HclError> {
    let mut object = Object::default();
    let mut known = std::collections::HashMap::new();
    for (key, value) in entries {
        let value = strict_value(value, places)?;
        match known.get(key.as_ref()) {
            Some(&place) => {
                let entry: &mut (String, Spanned) = &mut object.entries[place];
                entry.1 = value;
            }
            None => {
                known.insert(key.clone().into_owned(), object.entries.len());
                object.entries.push((key.into_owned(), value));
            }
        }
    }
    Ok(object)
}

fn strict_value(located: Located<'_>, places: &mut Places<'_>) -> Result<Spanned, HclError> {
    let (line, column) = places.find(located.offset);
    let value = match located.node {
        Node::Null => Value::Null,
        Node::Bool(value) => Value::Bool(value),
        Node::Number(text) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Value::Float(value),
            _ => return Err(JsonError::wrong_type(format!("number {text}"), "float64").into()),
        },
        Node::String(text) => Value::String(text.into_owned()),
        Node::Array(elements) => {
            Value::List(elements.into_iter().map(|element| strict_value(element, places)).collect::<Result<_, _>>()?)
        }
        Node::Object(entries) => Value::Object(strict_object(entries, places)?),
    };
    Ok(Spanned { value, line, column, blocks: false })
}

fn hcl_node(located: Located<'_>, places: &mut Places<'_>) -> HclNode {
    let (line, column) = places.find(located.offset);
    let content = match located.node {
        Node::Null => Content::Null,
        Node::Bool(value) => Content::Bool(value),
        Node::Number(text) if text.contains(['.', 'e', 'E']) => Content::Float(text.to_owned()),
        Node::Number(text) => Content::Number(text.to_owned()),
        Node::String(text) => Content::String(text.into_owned()),
        Node::Array(elements) => Content::List(elements.into_iter().map(|element| hcl_node(element, places)).collect()),
        Node::Object(entries) => {
            let item = |(key, value): (std::borrow::Cow<'_, str>, Located<'_>)| {
                let node = hcl_node(value, places);
                Item { keys: vec![Key { name: key.into_owned(), line: node.line, column: node.column }], node }
            };
            Content::Object(entries.into_iter().map(item).collect())
        }
    };
    HclNode { content, line, column }
}

/// Turns byte offsets into lines and columns; cheapest when asked in ascending order.
struct Places<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
    column: u32,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, column: 1 }
    }

    fn find(&mut self, offset: usize) -> (u32, u32) {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        for byte in self.text.as_bytes().get(self.offset..offset).unwrap_or_default() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.column = 1;
                }
                // Continuation bytes belong to the character before them.
                0x80..=0xbf => {}
                _ => self.column += 1,
            }
        }
        self.offset = offset;
        (self.line, self.column)
    }
}
