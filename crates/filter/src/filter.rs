//! An expression ready for values of one type.

use std::fmt;

use crate::access::{Fields, list_selectors};
use crate::bind::{Predicate, bind};
use crate::error::FilterError;
use crate::expression::Expression;

impl Expression {
    /// Checks the expression against what `T` offers, and readies it for values.
    ///
    /// # Errors
    /// The leftmost test that names no field, uses an operator the field does not know, compares with a value that is not
    /// of the field's type, or matches with what is not a regular expression.
    pub fn bind<T: Fields>(&self) -> Result<Filter<T>, FilterError> {
        Ok(Filter { text: self.to_string(), predicate: Some(bind::<T>(self)?) })
    }
}

/// Decides about values of one type.
pub struct Filter<T> {
    text: String,
    predicate: Option<Predicate<T>>,
}

impl<T: Fields> Filter<T> {
    /// Reads and checks a filter. An empty text is no filter: it keeps every value.
    ///
    /// # Errors
    /// Those of [`Expression::parse`] and [`Expression::bind`].
    pub fn new(text: &str) -> Result<Filter<T>, FilterError> {
        if text.is_empty() {
            return Ok(Filter { text: String::new(), predicate: None });
        }
        Expression::parse(text)?.bind()
    }

    /// Whether the filter keeps the value.
    pub fn matches(&self, value: &T) -> bool {
        self.predicate.as_ref().is_none_or(|holds| holds(value))
    }

    /// Whether the filter keeps every value without looking.
    pub fn keeps_all(&self) -> bool {
        self.predicate.is_none()
    }

    /// Every selector of `T`, in the order of its fields; `*` stands for any key of a map.
    pub fn selectors() -> Vec<String> {
        let mut selectors = Vec::new();
        list_selectors::<T>("", &mut selectors);
        selectors
    }
}

impl<T> fmt::Debug for Filter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}
