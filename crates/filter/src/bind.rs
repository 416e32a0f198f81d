//! From an expression to a test of values of one type: everything that can be wrong is found here, without a value.

use std::collections::BTreeMap;

use regex::Regex;

use crate::access::{Access, Fields};
use crate::error::FilterError;
use crate::expression::{Expression, Match, Operator};
use crate::{coerce, re2};

/// A test of values of one type.
pub type Predicate<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

pub(crate) fn bind<T: Fields>(expression: &Expression) -> Result<Predicate<T>, FilterError> {
    Ok(match expression {
        Expression::Or(terms) => {
            let terms = bind_all::<T>(terms)?;
            Box::new(move |value| terms.iter().any(|holds| holds(value)))
        }
        Expression::And(terms) => {
            let terms = bind_all::<T>(terms)?;
            Box::new(move |value| terms.iter().all(|holds| holds(value)))
        }
        Expression::Not(inner) => {
            let holds = bind::<T>(inner)?;
            Box::new(move |value| !holds(value))
        }
        Expression::Match(test) => bind_match::<T>(Reach { test, gone: 0 })?,
    })
}

fn bind_all<T: Fields>(terms: &[Expression]) -> Result<Vec<Predicate<T>>, FilterError> {
    terms.iter().map(bind::<T>).collect()
}

/// How far along its selector a test has been followed into a type.
#[derive(Clone, Copy)]
pub struct Reach<'m> {
    test: &'m Match,
    gone: usize,
}

impl<'m> Reach<'m> {
    /// Whether the selector ends here.
    pub(crate) fn is_done(&self) -> bool {
        self.gone >= self.test.selector.parts().len()
    }

    pub(crate) fn operator(&self) -> Operator {
        self.test.operator
    }

    /// The next name, and the way on from it. At the end the name is empty, which no field is called.
    pub(crate) fn enter_key(self) -> (&'m str, Reach<'m>) {
        let name = self.test.selector.parts().get(self.gone).map_or("", String::as_str);
        (name, Reach { gone: self.gone + 1, ..self })
    }

    /// The operator does not suit what was reached.
    pub(crate) fn wrong_operator(&self) -> FilterError {
        FilterError::WrongOperator { operator: self.test.operator, selector: self.whole_selector() }
    }

    fn unknown_here(&self) -> FilterError {
        FilterError::UnknownSelector { selector: self.test.selector.dotted(self.gone) }
    }

    fn wrong_value(&self, cause: String) -> FilterError {
        FilterError::WrongValue { value: self.test.value.clone(), selector: self.whole_selector(), cause }
    }

    fn whole_selector(&self) -> String {
        self.test.selector.dotted(self.gone)
    }

    /// Something without parts was reached: the selector must end here.
    fn expect_done(self) -> Result<Self, FilterError> {
        if self.is_done() { Ok(self) } else { Err(self.enter_key().1.unknown_here()) }
    }

    /// The test of a map's keys.
    pub(crate) fn bind_keys<T: 'static, U: 'static>(
        self,
        entries: fn(&T) -> &BTreeMap<String, U>,
    ) -> Result<Predicate<T>, FilterError> {
        match self.operator().split() {
            (Operator::In, negated) => {
                let key = self.test.value.clone();
                Ok(Box::new(move |value| entries(value).contains_key(&key) != negated))
            }
            (Operator::IsEmpty, negated) => Ok(Box::new(move |value| entries(value).is_empty() != negated)),
            _ => Err(self.wrong_operator()),
        }
    }

    fn bind_texts<T: 'static>(self, texts: fn(&T) -> &[String]) -> Result<Predicate<T>, FilterError> {
        match self.operator().split() {
            (Operator::In, negated) => {
                let wanted = self.test.value.clone();
                Ok(Box::new(move |value| texts(value).contains(&wanted) != negated))
            }
            (Operator::IsEmpty, negated) => Ok(Box::new(move |value| texts(value).is_empty() != negated)),
            _ => Err(self.wrong_operator()),
        }
    }

    fn bind_text_map<T: 'static>(
        self,
        entries: fn(&T) -> &BTreeMap<String, String>,
    ) -> Result<Predicate<T>, FilterError> {
        if self.is_done() {
            return self.bind_keys(entries);
        }
        let (key, reach) = self.enter_key();
        let test = reach.expect_done()?.text_test()?;
        let (key, if_missing) = (key.to_string(), self.operator().of_missing_key());
        Ok(Box::new(move |value| entries(value).get(&key).map_or(if_missing, |text| test.holds(text))))
    }

    fn text_test(self) -> Result<TextTest, FilterError> {
        let value = &self.test.value;
        Ok(match self.operator() {
            Operator::Equal => TextTest::Equal(value.clone()),
            Operator::NotEqual => TextTest::NotEqual(value.clone()),
            Operator::In => TextTest::Contains(value.clone()),
            Operator::NotIn => TextTest::NotContains(value.clone()),
            Operator::Matches => TextTest::Matches(self.pattern()?),
            Operator::NotMatches => TextTest::NotMatches(self.pattern()?),
            Operator::IsEmpty | Operator::IsNotEmpty => return Err(self.wrong_operator()),
        })
    }

    fn pattern(self) -> Result<Regex, FilterError> {
        let pattern = &self.test.value;
        re2::compile(pattern).map_err(|cause| FilterError::WrongPattern { pattern: pattern.clone(), cause })
    }

    /// The value to equal, and whether not to.
    fn equality<V>(self, coerce: fn(&str) -> Result<V, String>) -> Result<(V, bool), FilterError> {
        match self.operator().split() {
            (Operator::Equal, negated) => {
                let value = coerce(&self.test.value).map_err(|cause| self.wrong_value(cause))?;
                Ok((value, negated))
            }
            _ => Err(self.wrong_operator()),
        }
    }
}

/// The test of what `reach` leads to, from `T`.
pub(crate) fn bind_match<T: Fields>(reach: Reach<'_>) -> Result<Predicate<T>, FilterError> {
    let (name, reach) = reach.enter_key();
    let Some(field) = T::FIELDS.iter().find(|field| field.name == name) else {
        return Err(reach.unknown_here());
    };
    match field.access {
        Access::Text(get) => {
            let test = reach.expect_done()?.text_test()?;
            Ok(Box::new(move |value| test.holds(get(value))))
        }
        Access::Int(get) => {
            let (number, negated) = reach.expect_done()?.equality(coerce::int)?;
            Ok(Box::new(move |value| (get(value) == number) != negated))
        }
        Access::Bool(get) => {
            let (wanted, negated) = reach.expect_done()?.equality(coerce::bool)?;
            Ok(Box::new(move |value| (get(value) == wanted) != negated))
        }
        Access::Texts(get) => reach.expect_done()?.bind_texts(get),
        Access::TextMap(get) => reach.bind_text_map(get),
        Access::Nested(nested) => nested.bind(reach),
    }
}

/// A test of text.
enum TextTest {
    Equal(String),
    NotEqual(String),
    Contains(String),
    NotContains(String),
    Matches(Regex),
    NotMatches(Regex),
}

impl TextTest {
    fn holds(&self, text: &str) -> bool {
        match self {
            TextTest::Equal(value) => text == value,
            TextTest::NotEqual(value) => text != value,
            TextTest::Contains(part) => text.contains(part.as_str()),
            TextTest::NotContains(part) => !text.contains(part.as_str()),
            TextTest::Matches(pattern) => pattern.is_match(text),
            TextTest::NotMatches(pattern) => !pattern.is_match(text),
        }
    }
}
