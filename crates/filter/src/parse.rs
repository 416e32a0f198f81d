//! The grammar of `docs/spec/http-api.md` §2.1, by recursive descent.
//!
//! Where the reference's grammar tries an alternative again from its start, this one goes on from what is known not to
//! change: the same tokens are tried at the same places, so messages are the same and time stays linear.

use crate::error::ParseError;
use crate::expression::{Expression, Match, Operator, Selector};
use crate::quote;
use crate::scan::Scanner;

/// Longest filter accepted, in bytes. The reference has no limit of its own; no client comes near this one.
pub const MAX_LENGTH_BYTES: usize = 1 << 20;
/// Deepest nesting of parentheses and `not` accepted: what is nested further would exhaust the stack.
pub const MAX_DEPTH: usize = 256;

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// The text does not follow the grammar, is longer than [`MAX_LENGTH_BYTES`] or nests deeper than [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Expression, ParseError> {
        let mut parser = Parser { scanner: Scanner::new(text), depth: 0 };
        if text.len() > MAX_LENGTH_BYTES {
            let message = format!("filter is {} bytes long, at most {MAX_LENGTH_BYTES} are accepted", text.len());
            parser.scanner.fault_at(0, message);
            return parser.scanner.finish(None);
        }
        let read = parser.whole();
        parser.scanner.finish(read)
    }
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    depth: usize,
}

/// A value before it is known whether it is one or the field under test.
enum Operand {
    Selector(Selector),
    Value(String),
}

impl Parser<'_> {
    fn whole(&mut self) -> Option<Expression> {
        self.scanner.blanks();
        let expression = self.or()?;
        self.scanner.blanks();
        self.scanner.end().then_some(expression)
    }

    fn or(&mut self) -> Option<Expression> {
        self.chain("or", Self::and, Expression::Or)
    }

    fn and(&mut self) -> Option<Expression> {
        self.chain("and", Self::not, Expression::And)
    }

    fn chain(
        &mut self,
        word: &'static str,
        term: fn(&mut Self) -> Option<Expression>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Option<Expression> {
        let first = term(self)?;
        let mut others = Vec::new();
        loop {
            let before = self.scanner.at();
            if !(self.scanner.words(&[word]) && self.scanner.blanks()) {
                self.scanner.back_to(before);
                break;
            }
            let Some(next) = term(self) else {
                self.scanner.back_to(before);
                break;
            };
            others.push(next);
        }
        if others.is_empty() {
            return Some(first);
        }
        others.insert(0, first);
        Some(join(others))
    }

    fn not(&mut self) -> Option<Expression> {
        let start = self.scanner.at();
        if self.scanner.literal("not")
            && self.scanner.blanks()
            && let Some(inner) = self.nested(Self::not)
        {
            return Some(Expression::Not(Box::new(inner)));
        }
        self.scanner.back_to(start);
        self.group()
    }

    fn group(&mut self) -> Option<Expression> {
        let start = self.scanner.at();
        if self.scanner.literal("(") {
            self.scanner.blanks();
            if let Some(inner) = self.nested(Self::or) {
                self.scanner.blanks();
                if self.scanner.literal(")") {
                    return Some(inner);
                }
                self.scanner.fault("grouping", "Unmatched parentheses");
            }
            self.scanner.back_to(start);
        }
        self.test().map(Expression::Match)
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Option<Expression>) -> Option<Expression> {
        if self.depth == MAX_DEPTH {
            let message = format!("expression nests too deeply, at most {MAX_DEPTH} levels are accepted");
            self.scanner.fault_at(self.scanner.at(), message);
            return None;
        }
        self.depth += 1;
        let read = inner(self);
        self.depth -= 1;
        read
    }

    fn test(&mut self) -> Option<Match> {
        let value = match self.operand()? {
            Operand::Selector(selector) => {
                let after = self.scanner.at();
                if let Some(operator) = self.operator_before_value()
                    && let Some(operand) = self.operand()
                {
                    return Some(Match { selector, operator, value: operand.into_value() });
                }
                self.scanner.back_to(after);
                if let Some(operator) = self.emptiness() {
                    return Some(Match { selector, operator, value: String::new() });
                }
                Operand::Selector(selector).into_value()
            }
            Operand::Value(value) => value,
        };
        let operator = self.operator_before_selector()?;
        match self.selector() {
            Some(selector) => Some(Match { selector, operator, value }),
            None => {
                self.scanner.fault("match", "Invalid selector");
                None
            }
        }
    }

    fn operator_before_value(&mut self) -> Option<Operator> {
        let start = self.scanner.at();
        for (symbol, operator) in [("==", Operator::Equal), ("!=", Operator::NotEqual)] {
            self.scanner.blanks();
            if self.scanner.literal(symbol) {
                self.scanner.blanks();
                return Some(operator);
            }
            self.scanner.back_to(start);
        }
        self.worded(&[
            (&["contains"], Operator::In),
            (&["not", "contains"], Operator::NotIn),
            (&["matches"], Operator::Matches),
            (&["not", "matches"], Operator::NotMatches),
        ])
    }

    fn operator_before_selector(&mut self) -> Option<Operator> {
        self.worded(&[(&["in"], Operator::In), (&["not", "in"], Operator::NotIn)])
    }

    fn worded(&mut self, choices: &[(&[&'static str], Operator)]) -> Option<Operator> {
        let start = self.scanner.at();
        for (words, operator) in choices {
            if self.scanner.words(words) && self.scanner.blanks() {
                return Some(*operator);
            }
            self.scanner.back_to(start);
        }
        None
    }

    fn emptiness(&mut self) -> Option<Operator> {
        if self.scanner.words(&["is", "empty"]) {
            return Some(Operator::IsEmpty);
        }
        self.scanner.words(&["is", "not", "empty"]).then_some(Operator::IsNotEmpty)
    }

    fn operand(&mut self) -> Option<Operand> {
        if let Some(selector) = self.selector() {
            return Some(Operand::Selector(selector));
        }
        self.number().or_else(|| self.string()).map(Operand::Value)
    }

    fn selector(&mut self) -> Option<Selector> {
        let mut parts = vec![self.identifier()?];
        loop {
            let before = self.scanner.at();
            let part = if self.scanner.literal(".") { self.identifier() } else { self.index() };
            let Some(part) = part else {
                self.scanner.back_to(before);
                return Some(Selector(parts));
            };
            parts.push(part);
        }
    }

    fn identifier(&mut self) -> Option<String> {
        let start = self.scanner.at();
        if !self.scanner.one_of("[a-zA-Z]", u8::is_ascii_alphabetic) {
            return None;
        }
        while self.scanner.one_of("[a-zA-Z0-9_]", |byte| byte.is_ascii_alphanumeric() || *byte == b'_') {}
        Some(self.scanner.since(start).to_string())
    }

    fn index(&mut self) -> Option<String> {
        if !self.scanner.literal("[") {
            return None;
        }
        self.scanner.blanks();
        let Some(key) = self.string() else {
            self.scanner.fault("index", "Invalid index");
            return None;
        };
        self.scanner.blanks();
        if !self.scanner.literal("]") {
            self.scanner.fault("index", "Unclosed index expression");
            return None;
        }
        Some(key)
    }

    fn number(&mut self) -> Option<String> {
        let start = self.scanner.at();
        self.scanner.literal("-");
        if !self.scanner.literal("0") {
            if !self.scanner.one_of("[1-9]", |byte| matches!(byte, b'1'..=b'9')) {
                self.scanner.back_to(start);
                return None;
            }
            self.digits();
        }
        let whole_part_end = self.scanner.at();
        if self.scanner.literal(".") && !self.digits() {
            self.scanner.back_to(whole_part_end);
        }
        let end = self.scanner.at();
        let number = self.scanner.since(start).to_string();
        let delimited = self.scanner.blanks() || self.scanner.end() || self.scanner.literal(")");
        self.scanner.back_to(end);
        if !delimited {
            self.scanner.fault("number", "Invalid number literal");
            self.scanner.back_to(start);
            return None;
        }
        Some(number)
    }

    fn digits(&mut self) -> bool {
        let start = self.scanner.at();
        while self.scanner.one_of("[0-9]", u8::is_ascii_digit) {}
        self.scanner.at() > start
    }

    fn string(&mut self) -> Option<String> {
        let start = self.scanner.at();
        let raw = self.scanner.literal("`");
        if !raw && !self.scanner.literal("\"") {
            return None;
        }
        let rest = self.scanner.rest();
        let Some(length) = rest.find(if raw { '`' } else { '"' }) else {
            self.scanner.skip(rest.len());
            self.scanner.fault("string", "Unterminated string literal");
            self.scanner.back_to(start);
            return None;
        };
        let content = rest.get(..length).unwrap_or_default();
        // The closing quote is one byte.
        self.scanner.skip(length + 1);
        if raw {
            return Some(quote::raw(content));
        }
        let unquoted = quote::escaped(content);
        if unquoted.is_none() {
            self.scanner.fault_at(start, "rule \"string\": invalid syntax".to_string());
        }
        Some(unquoted.unwrap_or_default())
    }
}

impl Operand {
    /// A bare selector on the value side is the text of its parts.
    fn into_value(self) -> String {
        match self {
            Operand::Selector(selector) => selector.0.join("."),
            Operand::Value(value) => value,
        }
    }
}
