//! What a type offers to filters: names, and how to get from a value to what they name.
//!
//! One table a type, [`Fields::FIELDS`], both validates selectors and reads values, so the two cannot differ.

use std::collections::BTreeMap;

use crate::bind::{Predicate, Reach, bind_match};
use crate::error::FilterError;
use crate::expression::Operator;

/// A type whose values can be filtered.
pub trait Fields: Sized + 'static {
    /// Everything that can be selected.
    const FIELDS: &'static [Field<Self>];
}

/// One name a type offers.
pub struct Field<T: 'static> {
    /// The name, as on the wire.
    pub name: &'static str,
    /// How to read it.
    pub access: Access<T>,
}

impl<T> Field<T> {
    /// A field.
    pub const fn new(name: &'static str, access: Access<T>) -> Self {
        Field { name, access }
    }
}

/// How a field is read, which also says its type and so the operators it knows (`docs/spec/http-api.md` §2.2).
pub enum Access<T: 'static> {
    /// Text.
    Text(fn(&T) -> &str),
    /// An integer.
    Int(fn(&T) -> i64),
    /// True or false.
    Bool(fn(&T) -> bool),
    /// A list of text.
    Texts(fn(&T) -> &[String]),
    /// Text by key.
    TextMap(fn(&T) -> &BTreeMap<String, String>),
    /// Something with fields of its own.
    Nested(&'static dyn Nested<T>),
}

/// Something within `T` that has fields of its own.
pub trait Nested<T>: Sync {
    /// The test of what `reach` leads to, from `T`; `reach` has gone through the name of the nested thing.
    ///
    /// # Errors
    /// A selector, operator or value is wrong.
    fn bind(&self, reach: Reach<'_>) -> Result<Predicate<T>, FilterError>;

    /// Adds every selector that begins with `path`.
    fn list(&self, path: &str, selectors: &mut Vec<String>);
}

/// A single value with fields.
pub struct Through<T, U>(pub fn(&T) -> &U);

impl<T: 'static, U: Fields> Nested<T> for Through<T, U> {
    fn bind(&self, reach: Reach<'_>) -> Result<Predicate<T>, FilterError> {
        if reach.is_done() {
            return Err(reach.wrong_operator());
        }
        let (get, holds) = (self.0, bind_match::<U>(reach)?);
        Ok(Box::new(move |value| holds(get(value))))
    }

    fn list(&self, path: &str, selectors: &mut Vec<String>) {
        list_selectors::<U>(path, selectors);
    }
}

/// A list of values with fields: a test holds when it holds for any of them, negations included.
pub struct Each<T, I, U> {
    /// The list.
    pub items: fn(&T) -> &[I],
    /// From an item to the value with fields.
    pub item: fn(&I) -> &U,
}

impl<T: 'static, I: 'static, U: Fields> Nested<T> for Each<T, I, U> {
    fn bind(&self, reach: Reach<'_>) -> Result<Predicate<T>, FilterError> {
        let (items, item) = (self.items, self.item);
        if reach.is_done() {
            return match reach.operator().split() {
                (Operator::IsEmpty, negated) => Ok(Box::new(move |value| items(value).is_empty() != negated)),
                _ => Err(reach.wrong_operator()),
            };
        }
        let holds = bind_match::<U>(reach)?;
        Ok(Box::new(move |value| items(value).iter().any(|each| holds(item(each)))))
    }

    fn list(&self, path: &str, selectors: &mut Vec<String>) {
        selectors.push(path.to_string());
        list_selectors::<U>(path, selectors);
    }
}

/// Values with fields, by key.
pub struct Entries<T, U: 'static>(pub fn(&T) -> &BTreeMap<String, U>);

impl<T: 'static, U: Fields> Nested<T> for Entries<T, U> {
    fn bind(&self, reach: Reach<'_>) -> Result<Predicate<T>, FilterError> {
        let entries = self.0;
        if reach.is_done() {
            return reach.bind_keys(entries);
        }
        let (key, reach) = reach.enter_key();
        if reach.is_done() {
            return Err(reach.wrong_operator());
        }
        let (key, if_missing) = (key.to_string(), reach.operator().of_missing_key());
        let holds = bind_match::<U>(reach)?;
        Ok(Box::new(move |value| entries(value).get(&key).map_or(if_missing, &holds)))
    }

    fn list(&self, path: &str, selectors: &mut Vec<String>) {
        selectors.push(path.to_string());
        list_selectors::<U>(&format!("{path}.*"), selectors);
    }
}

/// Adds every selector of `T`, each after `path`; `*` stands for any key of a map.
pub(crate) fn list_selectors<T: Fields>(path: &str, selectors: &mut Vec<String>) {
    for field in T::FIELDS {
        let name = match path {
            "" => field.name.to_string(),
            _ => format!("{path}.{}", field.name),
        };
        match &field.access {
            Access::Text(_) | Access::Int(_) | Access::Bool(_) | Access::Texts(_) => selectors.push(name),
            Access::TextMap(_) => {
                selectors.push(name.clone());
                selectors.push(format!("{name}.*"));
            }
            Access::Nested(nested) => nested.list(&name, selectors),
        }
    }
}
