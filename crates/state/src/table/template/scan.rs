//! Characters and tokens of a template's text, with where they stand.

/// Where something starts, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A token inside `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Identifier(&'a str),
    Integer(&'a str),
    Float(&'a str),
    /// The quote a string starts with.
    Quote,
    /// An operator or a bracket.
    Sign(&'static str),
    /// A character no token starts with.
    Invalid(&'a str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 23] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]", "}", ",",
    ".",
];
/// Signs that stand in errors without quotes.
const UNQUOTED_SIGNS: [&str; 5] = ["!=", "<=", ">=", "&&", "||"];

impl Token<'_> {
    /// The token as an error shows it.
    pub(super) fn shown(&self) -> String {
        let quoted = wire::quote::go_quote;
        match self {
            Token::Identifier(name) => quoted(name),
            Token::Integer(digits) => format!("integer {digits}"),
            Token::Float(digits) => format!("float {digits}"),
            Token::Quote => "opening quote".to_owned(),
            Token::Sign(sign) if UNQUOTED_SIGNS.contains(sign) => (*sign).to_owned(),
            Token::Sign(sign) => quoted(sign),
            Token::Invalid(text) => format!("invalid sequence {}", quoted(text)),
            Token::End => "end of string".to_owned(),
        }
    }
}

/// A place in the text that moves forward.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a str,
    pub(super) at: Position,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        Cursor { rest: text, at: Position { line: 1, column: 1 } }
    }

    /// The next character.
    pub(super) fn character(&mut self) -> Option<char> {
        let character = self.rest.chars().next()?;
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
        match character {
            '\n' => self.at = Position { line: self.at.line + 1, column: 1 },
            _ => self.at.column += 1,
        }
        Some(character)
    }

    /// Passes a text if it comes next.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let comes = self.rest.starts_with(text);
        if comes {
            for _ in text.chars() {
                self.character();
            }
        }
        comes
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let from = self.rest;
        while self.rest.chars().next().is_some_and(&wanted) {
            self.character();
        }
        before(from, self.rest)
    }

    /// The next token and where it starts; blanks before it are passed.
    pub(super) fn token(&mut self) -> (Token<'a>, Position) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        let (from, at) = (self.rest, self.at);
        let token = match from.chars().next() {
            None => Token::End,
            Some('"') => {
                self.character();
                Token::Quote
            }
            Some('0'..='9') => self.number(),
            Some(first) if first == '_' || first.is_alphabetic() => self.identifier(),
            Some(_) => match SIGNS.into_iter().find(|sign| self.take(sign)) {
                Some(sign) => Token::Sign(sign),
                None => {
                    self.character();
                    Token::Invalid(before(from, self.rest))
                }
            },
        };
        (token, at)
    }

    fn number(&mut self) -> Token<'a> {
        let from = self.rest;
        let whole = self.take_while(|c| c.is_ascii_digit());
        let mut fraction = self.clone();
        if !fraction.take(".") || fraction.take_while(|c| c.is_ascii_digit()).is_empty() {
            return Token::Integer(whole);
        }
        *self = fraction;
        Token::Float(before(from, self.rest))
    }

    /// A name; `.*` may be a part of it.
    fn identifier(&mut self) -> Token<'a> {
        let from = self.rest;
        loop {
            let part = self.take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
            if !part.ends_with('.') || !self.take("*") {
                return Token::Identifier(before(from, self.rest));
            }
        }
    }
}

/// The part of `from` before `rest`, which is its end.
fn before<'a>(from: &'a str, rest: &str) -> &'a str {
    from.get(..from.len().saturating_sub(rest.len())).unwrap_or(from)
}
