//! HCL's rules for what several items of one key come to, with its error texts.

use std::collections::{HashMap, HashSet};

use super::parse::{Content, Item, Key, Node};
use super::{HclError, Object, Spanned, Value, number};

/// The object the items of a text describe.
pub(super) fn object(items: &[Item]) -> Result<Object, HclError> {
    let views: Vec<_> = items.iter().map(|item| View { keys: &item.keys, node: &item.node }).collect();
    let mut path = String::from("root");
    Builder { path: &mut path }.object(&views)
}

/// An item seen without the labels that led to it.
#[derive(Clone, Copy)]
struct View<'a> {
    keys: &'a [Key],
    node: &'a Node,
}

struct Builder<'p> {
    /// Where the value being built stands, for messages.
    path: &'p mut String,
}

impl Builder<'_> {
    /// Runs `build` with `step` added to the path.
    fn at<T>(
        &mut self,
        step: std::fmt::Arguments<'_>,
        build: impl FnOnce(&mut Self) -> Result<T, HclError>,
    ) -> Result<T, HclError> {
        let length = self.path.len();
        self.path.push_str(&step.to_string());
        let built = build(self)?;
        self.path.truncate(length);
        Ok(built)
    }

    fn object(&mut self, views: &[View<'_>]) -> Result<Object, HclError> {
        let mut object = Object::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut same_key: HashMap<&str, Vec<View<'_>>> = HashMap::new();
        for view in views {
            let Some((first, labels)) = view.keys.split_first() else {
                return Err(unplaced(view.node.line, view.node.column, self.mixed("map must have string keys")));
            };
            same_key.entry(&first.name).or_default().push(View { keys: labels, node: view.node });
        }
        let mut labelled: HashSet<&str> = HashSet::new();
        for view in views {
            let [first, labels @ ..] = view.keys else { continue };
            let key = first.name.as_str();
            if labelled.contains(key) {
                continue;
            }
            // The first labelled item of a key stands for all items of that key.
            let whole_group = if labels.is_empty() { None } else { same_key.get(key) };
            if whole_group.is_some() {
                labelled.insert(key);
            }
            let held = places.get(key).and_then(|&place| object.entries.get_mut(place)).map(|(_, held)| held);
            let value = self.at(format_args!(".{key}"), |this| match whole_group {
                Some(group) => this.combine_blocks(held, first, group),
                None => this.combine(held, first, view.node),
            })?;
            if let Some(value) = value {
                places.insert(key, object.entries.len());
                object.entries.push((key.to_owned(), value));
            }
        }
        Ok(object)
    }

    /// The labelled blocks of one key, one object each; `None` when they were added to what the key held.
    fn combine_blocks(
        &mut self,
        held: Option<&mut Spanned>,
        key: &Key,
        group: &[View<'_>],
    ) -> Result<Option<Spanned>, HclError> {
        let refused = match &held {
            Some(Spanned { value: Value::List(_), blocks: false, .. }) => {
                Some(format!("{}[0]: cannot decode into interface: *ast.ObjectItem", self.path))
            }
            Some(Spanned { value: Value::String(_), .. }) => {
                Some(self.mixed("unknown type for string *ast.ObjectList"))
            }
            Some(Spanned { value: Value::Int(_) | Value::Float(_) | Value::Bool(_), .. }) => {
                Some(self.mixed("unknown type *ast.ObjectList"))
            }
            _ => None,
        };
        if let Some(message) = refused {
            return Err(unplaced(key.line, key.column, message));
        }
        let mut elements = Vec::with_capacity(group.len());
        for (index, view) in group.iter().enumerate() {
            let object = self.at(format_args!("[{index}]"), |this| this.object(&[*view]))?;
            elements.push(element(Value::Object(object), view.node));
        }
        match held {
            Some(Spanned { value: Value::List(list), .. }) => {
                list.append(&mut elements);
                Ok(None)
            }
            _ => Ok(Some(Spanned { value: Value::List(elements), line: key.line, column: key.column, blocks: true })),
        }
    }

    fn mixed(&self, message: &str) -> String {
        format!("At -: {}: {message}", self.path)
    }

    /// One more value for a key; `None` when it was merged into what the key held.
    fn combine(&mut self, held: Option<&mut Spanned>, key: &Key, node: &Node) -> Result<Option<Spanned>, HclError> {
        let Some(held) = held else {
            let value = self.value(node)?;
            let blocks = matches!(node.content, Content::Object(_));
            return Ok(Some(Spanned { value, line: key.line, column: key.column, blocks }));
        };
        if let Content::Null = node.content {
            return Ok(None);
        }
        match &mut held.value {
            Value::Null | Value::Object(_) => {
                held.value = self.value(node)?;
                held.blocks = matches!(node.content, Content::Object(_));
            }
            Value::List(list) => {
                let Value::List(more) = self.value(node)? else {
                    return Err(fails(node, format!("unknown slice type: {}", type_name(node))));
                };
                let stranger = more.iter().position(|element| !matches!(element.value, Value::Object(_)));
                if let (true, Some(index), Content::List(nodes)) = (held.blocks, stranger, &node.content) {
                    let wrong = &nodes[index];
                    let path = &self.path;
                    let message = format!("{path}[{index}]: not an object type for map ({})", type_name(wrong));
                    return Err(fails(wrong, message));
                }
                list.extend(more);
            }
            scalar => *scalar = self.replaced(scalar, node)?,
        }
        if !matches!(held.value, Value::List(_)) {
            (held.line, held.column) = (key.line, key.column);
        }
        Ok(None)
    }

    /// The value of a key that held a scalar: HCL keeps the first one's type.
    fn replaced(&self, scalar: &Value, node: &Node) -> Result<Value, HclError> {
        match (scalar, &node.content) {
            (Value::String(_), Content::Number(text) | Content::String(text) | Content::Heredoc(text)) => {
                Ok(Value::String(text.clone()))
            }
            (Value::Int(_), Content::Number(text) | Content::String(text)) => integer(node, text),
            (Value::Float(_), Content::Number(text) | Content::Float(text)) => float(node, text),
            (Value::Bool(_), Content::Bool(value)) => Ok(Value::Bool(*value)),
            (Value::String(_), _) => {
                Err(fails(node, format!("{}: unknown type for string {}", self.path, type_name(node))))
            }
            _ => Err(fails(node, format!("{}: unknown type {}", self.path, type_name(node)))),
        }
    }

    /// A value on its own. An object becomes blocks: what is wanted of it is not known here.
    fn value(&mut self, node: &Node) -> Result<Value, HclError> {
        match &node.content {
            Content::Null => Ok(Value::Null),
            Content::Bool(value) => Ok(Value::Bool(*value)),
            Content::Number(text) => integer(node, text),
            Content::Float(text) => float(node, text),
            Content::String(text) | Content::Heredoc(text) => Ok(Value::String(text.clone())),
            Content::List(nodes) => {
                let mut elements = Vec::with_capacity(nodes.len());
                for (index, node) in nodes.iter().enumerate() {
                    let value = self.at(format_args!("[{index}]"), |this| match &node.content {
                        Content::Object(items) => this.items(items).map(Value::Object),
                        _ => this.value(node),
                    })?;
                    elements.push(element(value, node));
                }
                Ok(Value::List(elements))
            }
            Content::Object(items) => {
                let object = self.at(format_args!("[0]"), |this| this.items(items))?;
                Ok(Value::List(vec![element(Value::Object(object), node)]))
            }
        }
    }

    fn items(&mut self, items: &[Item]) -> Result<Object, HclError> {
        let views: Vec<_> = items.iter().map(|item| View { keys: &item.keys, node: &item.node }).collect();
        self.object(&views)
    }
}

fn element(value: Value, node: &Node) -> Spanned {
    Spanned { value, line: node.line, column: node.column, blocks: false }
}

fn integer(node: &Node, text: &str) -> Result<Value, HclError> {
    let Node { line, column, .. } = *node;
    number::parse_int(text).map(Value::Int).map_err(|message| HclError::Value { line, column, message })
}

fn float(node: &Node, text: &str) -> Result<Value, HclError> {
    let Node { line, column, .. } = *node;
    number::parse_float(text).map(Value::Float).map_err(|message| HclError::Value { line, column, message })
}

fn fails(node: &Node, message: String) -> HclError {
    HclError::At { line: node.line, column: node.column, message }
}

fn unplaced(line: u32, column: u32, message: String) -> HclError {
    HclError::Value { line, column, message }
}

/// HCL's messages name the kind of syntax node.
fn type_name(node: &Node) -> &'static str {
    match node.content {
        Content::List(_) => "*ast.ListType",
        Content::Object(_) => "*ast.ObjectType",
        _ => "*ast.LiteralType",
    }
}
