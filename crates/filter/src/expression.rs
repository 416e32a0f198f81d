//! A parsed expression, and how it is written.

use std::fmt;

/// A boolean expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One of them holds; two or more.
    Or(Vec<Expression>),
    /// All of them hold; two or more.
    And(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    /// A test of one field.
    Match(Match),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The field.
    pub selector: Selector,
    /// The test.
    pub operator: Operator,
    /// What to compare with; empty for [`Operator::IsEmpty`] and [`Operator::IsNotEmpty`].
    pub value: String,
}

/// Names that lead from a value to one of its fields; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(pub(crate) Vec<String>);

impl Selector {
    /// The names, outermost first.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// The first `count` names joined with dots, as error messages show them.
    pub(crate) fn dotted(&self, count: usize) -> String {
        self.0.get(..count).unwrap_or(&self.0).join(".")
    }
}

/// How a field is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    IsEmpty,
    IsNotEmpty,
    Matches,
    NotMatches,
}

impl Operator {
    /// The operator's name in error messages (`docs/spec/http-api.md` §2.4).
    pub const fn name(self) -> &'static str {
        match self {
            Operator::Equal => "Equal",
            Operator::NotEqual => "Not Equal",
            Operator::In => "In",
            Operator::NotIn => "Not In",
            Operator::IsEmpty => "Is Empty",
            Operator::IsNotEmpty => "Is Not Empty",
            Operator::Matches => "Matches",
            Operator::NotMatches => "Not Matches",
        }
    }

    /// The operator without its negation, and whether it had one.
    pub(crate) const fn split(self) -> (Operator, bool) {
        match self {
            Operator::NotEqual => (Operator::Equal, true),
            Operator::NotIn => (Operator::In, true),
            Operator::IsNotEmpty => (Operator::IsEmpty, true),
            Operator::NotMatches => (Operator::Matches, true),
            plain => (plain, false),
        }
    }

    /// What the test gives for a key that a map does not have (`docs/spec/http-api.md` §2.2).
    pub(crate) const fn of_missing_key(self) -> bool {
        !matches!(self, Operator::Equal | Operator::In | Operator::IsNotEmpty)
    }
}

/// The expression in the language it was read from, with strings always quoted and no needless parentheses:
/// parsing it gives the same expression.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Or(terms) => write_chain(f, terms, "or"),
            Expression::And(terms) => write_chain(f, terms, "and"),
            Expression::Not(inner) => {
                f.write_str("not ")?;
                write_operand(f, inner)
            }
            Expression::Match(test) => write!(f, "{test}"),
        }
    }
}

fn write_chain(f: &mut fmt::Formatter<'_>, terms: &[Expression], word: &str) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            write!(f, " {word} ")?;
        }
        write_operand(f, term)?;
    }
    Ok(())
}

fn write_operand(f: &mut fmt::Formatter<'_>, operand: &Expression) -> fmt::Result {
    match operand {
        Expression::Or(_) | Expression::And(_) => write!(f, "({operand})"),
        Expression::Not(_) | Expression::Match(_) => write!(f, "{operand}"),
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (selector, value) = (&self.selector, Quoted(&self.value));
        match self.operator {
            Operator::Equal => write!(f, "{selector} == {value}"),
            Operator::NotEqual => write!(f, "{selector} != {value}"),
            Operator::In => write!(f, "{value} in {selector}"),
            Operator::NotIn => write!(f, "{value} not in {selector}"),
            Operator::IsEmpty => write!(f, "{selector} is empty"),
            Operator::IsNotEmpty => write!(f, "{selector} is not empty"),
            Operator::Matches => write!(f, "{selector} matches {value}"),
            Operator::NotMatches => write!(f, "{selector} not matches {value}"),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            match (index, is_identifier(part)) {
                (0, _) => f.write_str(part)?,
                (_, true) => write!(f, ".{part}")?,
                (_, false) => write!(f, "[{}]", Quoted(part))?,
            }
        }
        Ok(())
    }
}

fn is_identifier(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A string literal. In backquotes whenever they can hold it: double quotes cannot hold a double quote as such.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(['`', '\r']) {
            return write!(f, "`{}`", self.0);
        }
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\x22")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}
