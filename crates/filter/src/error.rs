//! What can be wrong with a filter, in the words clients of the reference know.

use std::fmt;

use wire::quote::go_quote;

use crate::expression::Operator;
use crate::re2;

/// What endpoints put before a [`FilterError`]; the exceptions are named in `docs/spec/http-api.md` §2.4.
pub const CREATE_ERROR_PREFIX: &str = "Failed to create boolean expression evaluator: ";

/// Why a filter cannot be used. The texts are those of `docs/spec/http-api.md` §2.4, without [`CREATE_ERROR_PREFIX`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The text is not an expression.
    #[error(transparent)]
    Syntax(#[from] ParseError),
    /// The type has no such field; `selector` goes up to and including the bad part.
    #[error("Selector {} is not valid", go_quote(.selector))]
    UnknownSelector {
        /// Parts joined with dots.
        selector: String,
    },
    /// The field's type does not know the operator.
    #[error("Invalid match operator {} for selector {}", go_quote(.operator.name()), go_quote(.selector))]
    WrongOperator {
        /// The operator used.
        operator: Operator,
        /// Parts joined with dots.
        selector: String,
    },
    /// The value is not one of the field's type.
    #[error("Failed to coerce value {} for selector {}: {cause}", go_quote(.value), go_quote(.selector))]
    WrongValue {
        /// The value as written.
        value: String,
        /// Parts joined with dots.
        selector: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The right side of `matches` is not a regular expression.
    #[error("Failed to compile regular expression {}: {cause}", go_quote(.pattern))]
    WrongPattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        cause: re2::Error,
    },
}

/// Why a text is not an expression: everything found, each once, in the order found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub(crate) faults: Vec<Fault>,
}

impl ParseError {
    /// The faults; at least one.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl std::error::Error for ParseError {}

/// One fault a line.
impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// One thing wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1; a line break belongs to the line it begins.
    pub line: usize,
    /// Column in characters, from 1; 0 is the line break that begins the line.
    pub column: usize,
    /// Bytes before it.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

/// `LINE:COLUMN (OFFSET): MESSAGE`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({}): {}", self.line, self.column, self.offset, self.message)
    }
}
