//! The language inside `${…}`: names, `match(N)`, literals, arithmetic, comparisons, `&& || !`, `a ? b : c`.
//!
//! Text is filled in while it is read: every operand is evaluated anyway, as the reference does. A fault of evaluation
//! is kept until the whole text has been read, because a fault of syntax further on goes before it.

use super::scan::{Cursor, Position, Token};
use super::value::{Kind, Mismatch, Value};

/// Deepest nesting of brackets, strings, signs and conditions.
const MAX_NESTING: usize = 64;

/// What expressions may refer to.
pub(super) struct Scope<'a> {
    pub(super) full: &'a str,
    pub(super) prefix: &'a str,
    pub(super) suffix: &'a str,
    pub(super) segment: &'a str,
    pub(super) captures: Option<regex::Captures<'a>>,
}

impl Scope<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        match name {
            "name.full" => Some(self.full),
            "name.prefix" => Some(self.prefix),
            "name.suffix" => Some(self.suffix),
            "agent.segment" => Some(self.segment),
            _ => None,
        }
    }

    /// A group of the regular expression, empty if it did not take part in a match.
    fn group(&self, number: i64) -> &str {
        let number = usize::try_from(number).ok();
        let found = number.zip(self.captures.as_ref()).and_then(|(number, captures)| captures.get(number));
        found.map_or("", |found| found.as_str())
    }
}

/// What is wrong with a text.
#[derive(Debug)]
pub(super) enum Fault {
    /// It cannot be read.
    Format(String),
    /// It cannot be evaluated.
    Evaluation(String),
}

/// Replaces every `${…}` by its value and `$$` by `$`.
pub(super) fn fill(text: &str, scope: &Scope<'_>) -> Result<String, Fault> {
    let cursor = Cursor::new(text);
    let mut reader = Reader { cursor, peeked: None, scope, depth: 0, of_types: None, of_values: None };
    let filled = reader.literal()?;
    match reader.of_types.or(reader.of_values) {
        Some(fault) => Err(Fault::Evaluation(fault)),
        None => Ok(filled),
    }
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Or,
    And,
    Compare(Comparison),
    Math(Arithmetic),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Operator {
    /// The operator a token is, and how tightly it binds.
    fn of(token: &Token<'_>) -> Option<(Operator, u8)> {
        let Token::Sign(sign) = token else { return None };
        Some(match *sign {
            "||" => (Operator::Or, 0),
            "&&" => (Operator::And, 1),
            "==" => (Operator::Compare(Comparison::Equal), 2),
            "!=" => (Operator::Compare(Comparison::NotEqual), 2),
            "<" => (Operator::Compare(Comparison::Less), 3),
            "<=" => (Operator::Compare(Comparison::LessOrEqual), 3),
            ">" => (Operator::Compare(Comparison::Greater), 3),
            ">=" => (Operator::Compare(Comparison::GreaterOrEqual), 3),
            "+" => (Operator::Math(Arithmetic::Add), 4),
            "-" => (Operator::Math(Arithmetic::Subtract), 4),
            "*" => (Operator::Math(Arithmetic::Multiply), 5),
            "/" => (Operator::Math(Arithmetic::Divide), 5),
            "%" => (Operator::Math(Arithmetic::Modulo), 5),
            _ => return None,
        })
    }
}

impl Comparison {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Less => left < right,
            Comparison::LessOrEqual => left <= right,
            Comparison::Greater => left > right,
            Comparison::GreaterOrEqual => left >= right,
        }
    }

    const fn is_order(self) -> bool {
        !matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

struct Reader<'a, 's> {
    cursor: Cursor<'a>,
    /// A token that was looked at and not taken yet.
    peeked: Option<(Token<'a>, Position)>,
    scope: &'s Scope<'s>,
    depth: usize,
    /// The first fault that any values would have.
    of_types: Option<String>,
    /// The first fault that these values have.
    of_values: Option<String>,
}

impl<'a> Reader<'a, '_> {
    /// The text outside all expressions.
    fn literal(&mut self) -> Result<String, Fault> {
        let mut filled = String::with_capacity(self.cursor.rest.len());
        loop {
            if self.cursor.take("$$") {
                filled.push('$');
            } else if self.cursor.take("${") {
                filled.push_str(&self.interpolation()?);
            } else if let Some(character) = self.cursor.character() {
                filled.push(character);
            } else {
                return Ok(filled);
            }
        }
    }

    /// What follows `${`, up to and with its brace.
    fn interpolation(&mut self) -> Result<String, Fault> {
        let value = self.expression()?;
        self.expect("}")?;
        Ok(value.into_text())
    }

    /// What follows an opening quote, up to and with the closing one.
    fn string(&mut self) -> Result<String, Fault> {
        let mut value = String::new();
        let mut piece = self.cursor.clone();
        loop {
            let here = self.cursor.at;
            if self.cursor.take("$$") {
                value.push('$');
            } else if self.cursor.take("${") {
                value.push_str(&self.interpolation()?);
                piece = self.cursor.clone();
            } else {
                match self.cursor.character() {
                    None => return Err(unexpected(piece.at, "\"${\"", &Token::Invalid(piece.rest))),
                    Some('"') => return Ok(value),
                    Some('\\') => match self.cursor.character() {
                        Some('n') => value.push('\n'),
                        Some(escaped @ ('"' | '\\')) => value.push(escaped),
                        _ => return Err(parse_error(here, "invalid backslash escape sequence")),
                    },
                    Some(character) => value.push(character),
                }
            }
        }
    }

    fn peek(&mut self) -> &(Token<'a>, Position) {
        let cursor = &mut self.cursor;
        self.peeked.get_or_insert_with(|| cursor.token())
    }

    fn advance(&mut self) -> (Token<'a>, Position) {
        match self.peeked.take() {
            Some(token) => token,
            None => self.cursor.token(),
        }
    }

    /// Takes a sign if it comes next.
    fn accept(&mut self, sign: &str) -> bool {
        let comes = matches!(self.peek().0, Token::Sign(next) if next == sign);
        if comes {
            self.advance();
        }
        comes
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.accept(sign) {
            return Ok(());
        }
        let expected = if sign == ":" { sign.to_owned() } else { wire::quote::go_quote(sign) };
        let (found, at) = self.advance();
        Err(unexpected(at, &expected, &found))
    }

    fn expression(&mut self) -> Result<Value, Fault> {
        let at = self.peek().1;
        self.enter(at)?;
        let mut value = self.operation(0)?;
        if self.accept("?") {
            let yes = self.expression()?;
            self.expect(":")?;
            let no = self.expression()?;
            value = self.choose(at, value, yes, no);
        }
        self.depth -= 1;
        Ok(value)
    }

    fn enter(&mut self, at: Position) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(parse_error(at, "expression nests too deeply"));
        }
        Ok(())
    }

    /// Operands joined by operators that bind at least this tightly.
    fn operation(&mut self, tightness: u8) -> Result<Value, Fault> {
        let at = self.peek().1;
        let mut left = self.operand()?;
        while let Some((operator, level)) = Operator::of(&self.peek().0)
            && level >= tightness
        {
            self.advance();
            let right = self.operation(level + 1)?;
            left = match operator {
                Operator::Or | Operator::And => self.combine(at, operator, left, right),
                Operator::Compare(comparison) => self.compare(at, comparison, left, right),
                Operator::Math(arithmetic) => self.calculate(at, arithmetic, left, right),
            };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Value, Fault> {
        let (token, at) = self.advance();
        match token {
            Token::Sign("(") => {
                let value = self.expression()?;
                self.expect(")")?;
                Ok(value)
            }
            Token::Sign(sign @ ("!" | "-")) => {
                self.enter(at)?;
                let value = self.operand()?;
                self.depth -= 1;
                Ok(match sign {
                    "!" => self.compare(at, Comparison::Equal, Value::Bool(false), value),
                    _ => self.calculate(at, Arithmetic::Subtract, Value::Int(0), value),
                })
            }
            Token::Quote => self.string().map(Value::Text),
            Token::Integer(digits) => digits.parse().map(Value::Int).map_err(|_| {
                let quoted = wire::quote::go_quote(digits);
                parse_error(at, &format!("invalid integer: strconv.Atoi: parsing {quoted}: value out of range"))
            }),
            Token::Float(digits) => Ok(Value::Float(digits.parse().unwrap_or(f64::INFINITY))),
            Token::Identifier("true") => Ok(Value::Bool(true)),
            Token::Identifier("false") => Ok(Value::Bool(false)),
            Token::Identifier(name) if self.accept("(") => self.call(name, at),
            Token::Identifier(name) => self.variable(name, at),
            found => Err(unexpected(at, "expression", &found)),
        }
    }

    fn variable(&mut self, name: &str, at: Position) -> Result<Value, Fault> {
        let value = self.scope.variable(name).map(str::to_owned);
        if value.is_none() {
            self.wrong(format!("{}:{}: unknown variable accessed: {name}", at.line, at.column));
        }
        let bracket = self.peek().1;
        if self.accept("[") {
            self.expression()?;
            self.expect("]")?;
            self.wrong_at(bracket, "invalid index operation into non-indexable type: TypeString");
        }
        Ok(Value::Text(value.unwrap_or_default()))
    }

    /// What follows the opening bracket of a call.
    fn call(&mut self, name: &str, at: Position) -> Result<Value, Fault> {
        let mut arguments = Vec::new();
        while !self.accept(")") {
            arguments.push(self.expression()?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        let Position { line, column } = at;
        if name != "match" {
            self.wrong(format!("{line}:{column}: unknown function called: {name}"));
            return Ok(Kind::Text.nothing());
        }
        if arguments.len() != 1 {
            self.wrong(format!("{line}:{column}: match: expected 1 arguments, got {}", arguments.len()));
        }
        let number = arguments.pop().unwrap_or(Value::Int(0));
        let refusal = format!("match: argument 1 should be type int, got type {}", number.kind().name());
        let Value::Int(number) = self.convert(at, number, Kind::Int, &refusal) else { return Ok(Kind::Text.nothing()) };
        Ok(Value::Text(self.scope.group(number).to_owned()))
    }

    fn choose(&mut self, at: Position, condition: Value, yes: Value, no: Value) -> Value {
        let refusal = format!("condition must be type bool, not type {}", condition.kind().name());
        let condition = self.convert(at, condition, Kind::Bool, &refusal);
        let kind = if yes.kind() == Kind::Text { no.kind() } else { yes.kind() };
        let (of_yes, of_no) = (yes.kind().name(), no.kind().name());
        let refusal = format!("true and false expression types must match; have type {of_yes} and type {of_no}");
        let yes = self.convert(at, yes, kind, &refusal);
        let no = self.convert(at, no, kind, &refusal);
        if condition == Value::Bool(true) { yes } else { no }
    }

    fn combine(&mut self, at: Position, operator: Operator, left: Value, right: Value) -> Value {
        let mut truth = |value: Value| {
            let refusal = format!("logical operators require boolean operands, not {}", value.kind().operand_name());
            self.convert(at, value, Kind::Bool, &refusal) == Value::Bool(true)
        };
        let (left, right) = (truth(left), truth(right));
        Value::Bool(if operator == Operator::And { left && right } else { left || right })
    }

    fn compare(&mut self, at: Position, comparison: Comparison, left: Value, right: Value) -> Value {
        let kind = match (left.kind(), right.kind()) {
            (Kind::Text, Kind::Text) if comparison.is_order() => Kind::Int,
            (Kind::Bool, _) | (Kind::Text, Kind::Bool) if comparison.is_order() => Kind::Int,
            (Kind::Text, kind) => kind,
            (Kind::Int, Kind::Float) => Kind::Float,
            (kind, _) => kind,
        };
        let (left, right) = self.operands(at, kind, left, right);
        Value::Bool(match (left, right) {
            (Value::Int(left), Value::Int(right)) => comparison.holds(&left, &right),
            (Value::Float(left), Value::Float(right)) => comparison.holds(&left, &right),
            (Value::Bool(left), Value::Bool(right)) => comparison.holds(&left, &right),
            (left, right) => comparison.holds(&left.into_text(), &right.into_text()),
        })
    }

    fn calculate(&mut self, at: Position, arithmetic: Arithmetic, left: Value, right: Value) -> Value {
        let kind = if [left.kind(), right.kind()].contains(&Kind::Float) { Kind::Float } else { Kind::Int };
        if kind == Kind::Float && arithmetic == Arithmetic::Modulo {
            self.wrong_at(at, "modulo cannot be used with floats");
            return kind.nothing();
        }
        match self.operands(at, kind, left, right) {
            (Value::Float(left), Value::Float(right)) => Value::Float(match arithmetic {
                Arithmetic::Add => left + right,
                Arithmetic::Subtract => left - right,
                Arithmetic::Multiply => left * right,
                Arithmetic::Divide | Arithmetic::Modulo => left / right,
            }),
            (Value::Int(left), Value::Int(right)) => Value::Int(match arithmetic {
                Arithmetic::Add => left.wrapping_add(right),
                Arithmetic::Subtract => left.wrapping_sub(right),
                Arithmetic::Multiply => left.wrapping_mul(right),
                Arithmetic::Divide | Arithmetic::Modulo if right == 0 => {
                    self.of_values.get_or_insert_with(|| "__builtin_IntMath: divide by zero".to_owned());
                    0
                }
                Arithmetic::Divide => left.wrapping_div(right),
                Arithmetic::Modulo => left.wrapping_rem(right),
            }),
            _ => kind.nothing(),
        }
    }

    /// Both operands as values of one type.
    fn operands(&mut self, at: Position, kind: Kind, left: Value, right: Value) -> (Value, Value) {
        let mut operand = |number: u8, value: Value| {
            let (wanted, got) = (kind.operand_name(), value.kind().operand_name());
            let refusal = format!("operand {number} should be {wanted}, got {got}");
            self.convert(at, value, kind, &refusal)
        };
        (operand(1, left), operand(2, right))
    }

    /// A value as one of another type; `refusal` is told if the types never fit.
    fn convert(&mut self, at: Position, value: Value, kind: Kind, refusal: &str) -> Value {
        value.convert(kind).unwrap_or_else(|mismatch| {
            match mismatch {
                Mismatch::Types => self.wrong_at(at, refusal),
                Mismatch::Value(text) => {
                    self.of_values.get_or_insert(text);
                }
            }
            kind.nothing()
        })
    }

    fn wrong(&mut self, text: String) {
        self.of_types.get_or_insert(text);
    }

    fn wrong_at(&mut self, at: Position, reason: &str) {
        self.wrong(format!("At column {}, line {}: {reason}", at.column, at.line));
    }
}

fn unexpected(at: Position, expected: &str, found: &Token<'_>) -> Fault {
    parse_error(at, &format!("expected {expected} but found {}", found.shown()))
}

fn parse_error(at: Position, reason: &str) -> Fault {
    Fault::Format(format!("parse error at {}:{}: {reason}", at.line, at.column))
}
