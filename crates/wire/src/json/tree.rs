use std::borrow::Cow;

use super::JsonError;

/// Deepest nesting of arrays and objects accepted.
pub const MAX_DEPTH: usize = 256;

/// One parsed value. Objects keep their keys in order, repeated ones included; numbers keep their text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Located<'a>>),
    Object(Vec<(Cow<'a, str>, Located<'a>)>),
}

impl Node<'_> {
    /// The kind of value as Go's messages name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// A value and the offset where it starts; for a member of an object, where its key does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located<'a> {
    pub(crate) node: Node<'a>,
    pub(crate) offset: usize,
}

/// What an input may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One value first, then anything: Go's stream decoder.
    First,
    /// One value and nothing else: Go's `Unmarshal`, which sees the end of the input as a blank.
    Whole,
    /// As `First`, and commas may stand before a closing bracket: JSON as HCL takes it.
    Lenient,
}

/// Parses the first value of `input` and ignores what follows.
pub(crate) fn parse(input: &[u8]) -> Result<Located<'_>, JsonError> {
    parse_as(input, Mode::First)
}

/// Parses the value of `input`.
pub(crate) fn parse_as(input: &[u8], mode: Mode) -> Result<Located<'_>, JsonError> {
    let mut parser = Parser { input, position: 0, depth: 0, mode };
    parser.skip_blanks();
    if parser.position == input.len() && mode != Mode::Whole {
        return Err(JsonError::Eof);
    }
    let value = parser.value()?;
    if mode == Mode::Whole {
        parser.skip_blanks();
        if parser.position < input.len() {
            return Err(parser.unexpected("after top-level value"));
        }
    }
    Ok(value)
}

const ARRAY: &str = "after array element";
const STRING: &str = "in string literal";

struct Parser<'a> {
    input: &'a [u8],
    position: usize,
    depth: usize,
    mode: Mode,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.position).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.position += 1;
        }
    }

    /// The error for the byte at the position, or for its absence.
    fn unexpected(&self, context: &'static str) -> JsonError {
        match self.peek() {
            Some(byte) => JsonError::Syntax { character: char::from(byte), context, offset: self.position },
            None if self.mode != Mode::Whole => JsonError::UnexpectedEof,
            None if context.starts_with("looking") || context.starts_with("after ob") => JsonError::UnexpectedEnd,
            None if context == ARRAY || context == STRING => JsonError::UnexpectedEnd,
            None => JsonError::Syntax { character: ' ', context, offset: self.position },
        }
    }

    fn value(&mut self) -> Result<Located<'a>, JsonError> {
        self.skip_blanks();
        let offset = self.position;
        let node = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => Node::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Node::Number(self.number()?),
            Some(b't') => self.word("true", Node::Bool(true))?,
            Some(b'f') => self.word("false", Node::Bool(false))?,
            Some(b'n') => self.word("null", Node::Null)?,
            _ => return Err(self.unexpected("looking for beginning of value")),
        };
        Ok(Located { node, offset })
    }

    fn nested(&mut self, parse: impl FnOnce(&mut Self) -> Result<Node<'a>, JsonError>) -> Result<Node<'a>, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.unexpected("exceeded max depth"));
        }
        self.depth += 1;
        self.position += 1;
        let node = parse(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn object(&mut self) -> Result<Node<'a>, JsonError> {
        let mut entries = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(Node::Object(entries));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let offset = self.position;
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.position += 1;
            let value = self.value()?;
            entries.push((key, Located { node: value.node, offset }));
            self.skip_blanks();
            match self.peek() {
                Some(b',') => {
                    self.position += 1;
                    if self.closes_after_comma(b'}') {
                        return Ok(Node::Object(entries));
                    }
                }
                Some(b'}') => {
                    self.position += 1;
                    return Ok(Node::Object(entries));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<Node<'a>, JsonError> {
        let mut elements = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(Node::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.skip_blanks();
            match self.peek() {
                Some(b',') => {
                    self.position += 1;
                    if self.closes_after_comma(b']') {
                        return Ok(Node::Array(elements));
                    }
                }
                Some(b']') => {
                    self.position += 1;
                    return Ok(Node::Array(elements));
                }
                _ => return Err(self.unexpected(ARRAY)),
            }
        }
    }

    fn closes_after_comma(&mut self, bracket: u8) -> bool {
        self.skip_blanks();
        let closes = self.mode == Mode::Lenient && self.peek() == Some(bracket);
        self.position += usize::from(closes);
        closes
    }

    fn word(&mut self, word: &'static str, node: Node<'a>) -> Result<Node<'a>, JsonError> {
        for &expected in word.as_bytes() {
            if self.peek() != Some(expected) {
                return Err(self.unexpected(word_context(word, expected)));
            }
            self.position += 1;
        }
        Ok(node)
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        match self.peek() {
            Some(b'0') => self.position += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.position += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.position += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.position += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        Ok(std::str::from_utf8(&self.input[start..self.position]).unwrap_or_default())
    }

    fn some_digits(&mut self, context: &'static str) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected(context));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
    }

    /// A string with the position on its opening quote. Without escapes and in valid UTF-8 it borrows from the input.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.position += 1;
        let plain = self.plain_text()?;
        if self.peek() == Some(b'"') {
            self.position += 1;
            return Ok(utf8(plain));
        }
        let mut text = utf8(plain).into_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.position += 1;
                    text.push(self.escape()?);
                }
                _ => text.push_str(&utf8(self.plain_text()?)),
            }
        }
    }

    /// The bytes up to the next quote or backslash.
    fn plain_text(&mut self) -> Result<&'a [u8], JsonError> {
        let rest = &self.input[self.position..];
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len());
        self.position += length;
        match self.peek() {
            Some(b'"' | b'\\') => Ok(&rest[..length]),
            _ => Err(self.unexpected(STRING)),
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let character = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.position += 1;
        Ok(character)
    }

    /// `uXXXX` at the position, and a low surrogate's escape behind a high one; a lone surrogate becomes U+FFFD.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        self.position += 1;
        let first = self.hex4()?;
        if (0xd800..0xdc00).contains(&first) && self.input[self.position..].starts_with(b"\\u") {
            let before_second = self.position;
            self.position += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.position = before_second;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.unexpected("in \\u hexadecimal character escape"))?;
            self.position += 1;
        }
        Ok(code)
    }
}

/// Go replaces each byte that is not part of valid UTF-8, where Rust's lossy conversion replaces runs.
fn utf8(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

fn word_context(word: &'static str, expected: u8) -> &'static str {
    match (word, expected) {
        ("true", b'r') => "in literal true (expecting 'r')",
        ("true", b'u') => "in literal true (expecting 'u')",
        ("true", _) => "in literal true (expecting 'e')",
        ("false", b'a') => "in literal false (expecting 'a')",
        ("false", b'l') => "in literal false (expecting 'l')",
        ("false", b's') => "in literal false (expecting 's')",
        ("false", _) => "in literal false (expecting 'e')",
        (_, b'u') => "in literal null (expecting 'u')",
        _ => "in literal null (expecting 'l')",
    }
}
