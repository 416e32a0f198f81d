use super::HclError;

/// The kinds of token; their names are part of error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Illegal,
    Eof,
    Comment,
    Ident,
    Number,
    Float,
    Bool,
    String,
    Heredoc,
    LeftBracket,
    LeftBrace,
    Comma,
    Period,
    RightBracket,
    RightBrace,
    Assign,
    Add,
    Sub,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Illegal => "ILLEGAL",
            Self::Eof => "EOF",
            Self::Comment => "COMMENT",
            Self::Ident => "IDENT",
            Self::Number => "NUMBER",
            Self::Float => "FLOAT",
            Self::Bool => "BOOL",
            Self::String => "STRING",
            Self::Heredoc => "HEREDOC",
            Self::LeftBracket => "LBRACK",
            Self::LeftBrace => "LBRACE",
            Self::Comma => "COMMA",
            Self::Period => "PERIOD",
            Self::RightBracket => "RBRACK",
            Self::RightBrace => "RBRACE",
            Self::Assign => "ASSIGN",
            Self::Add => "ADD",
            Self::Sub => "SUB",
        }
    }
}

/// A token: its kind, its text as written and where it starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Cuts a text into tokens. A lexical error does not stop it; the latest one is kept and outranks what the parser makes
/// of the tokens, as in HCL. Every read at the end of the text moves the column on, which shows in the positions
/// reported there.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: Position,
    before: Position,
    last_line_columns: u32,
    error: Option<HclError>,
}

#[derive(Clone, Copy)]
struct Position {
    offset: usize,
    line: u32,
    column: u32,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let start = Position { offset: 0, line: 1, column: 0 };
        Self { text, at: start, before: start, last_line_columns: 0, error: None }
    }

    pub(super) fn take_error(&mut self) -> Option<HclError> {
        self.error.take()
    }

    pub(super) fn scan(&mut self) -> Token<'a> {
        let mut first = self.next();
        while matches!(first, Some(' ' | '\t' | '\n' | '\r')) {
            first = self.next();
        }
        let start = if first.is_some() { self.before.offset } else { self.at.offset };
        let (line, column) = self.recent();
        let kind = match first {
            None => Kind::Eof,
            Some(first) => self.token(first),
        };
        Token { kind, text: &self.text[start..self.at.offset], line, column }
    }

    fn token(&mut self, first: char) -> Kind {
        match first {
            '"' => self.string(),
            '#' | '/' => self.comment(first),
            '<' => self.heredoc(),
            '[' => Kind::LeftBracket,
            ']' => Kind::RightBracket,
            '{' => Kind::LeftBrace,
            '}' => Kind::RightBrace,
            ',' => Kind::Comma,
            '=' => Kind::Assign,
            '+' => Kind::Add,
            '.' if self.peek_is_digit() => {
                let stop = self.digits(self.peek());
                self.exponent(stop);
                Kind::Float
            }
            '.' => Kind::Period,
            '-' if self.peek_is_digit() => {
                let digit = self.next();
                self.number(digit)
            }
            '-' => Kind::Sub,
            '0'..='9' => self.number(Some(first)),
            _ if is_letter(first) => self.identifier(),
            _ => {
                self.fail("illegal char");
                Kind::Illegal
            }
        }
    }

    fn identifier(&mut self) -> Kind {
        let start = self.before.offset;
        let mut next = self.next();
        while next.is_some_and(|c| is_letter(c) || is_digit(c) || c == '-' || c == '.') {
            next = self.next();
        }
        self.unread(next);
        match &self.text[start..self.at.offset] {
            "true" | "false" => Kind::Bool,
            _ => Kind::Ident,
        }
    }

    fn comment(&mut self, first: char) -> Kind {
        if first == '/' && self.peek() == Some('*') {
            self.next();
            let mut previous = self.next();
            loop {
                let Some(character) = previous else {
                    self.fail("comment not terminated");
                    return Kind::Comment;
                };
                previous = self.next();
                if character == '*' && previous == Some('/') {
                    return Kind::Comment;
                }
            }
        }
        if first == '/' && self.peek() != Some('/') {
            self.fail("expected '/' for comment");
            return Kind::Comment;
        }
        let mut next = self.next();
        while next.is_some_and(|c| c != '\n') {
            next = self.next();
        }
        self.unread(next);
        Kind::Comment
    }

    fn number(&mut self, first: Option<char>) -> Kind {
        if first != Some('0') {
            self.digits(first);
            let stop = self.next();
            return match stop {
                Some('e' | 'E') => {
                    self.exponent(stop);
                    Kind::Float
                }
                Some('.') => self.fraction(),
                _ => {
                    self.unread(stop);
                    Kind::Number
                }
            };
        }
        let mut next = self.next();
        if let Some('x' | 'X') = next {
            return self.hexadecimal();
        }
        // `0159` is no octal number, but `0159.5` is a float.
        let mut illegal_octal = false;
        while next.is_some_and(|c| c.is_ascii_digit()) {
            next = self.next();
            illegal_octal |= matches!(next, Some('8' | '9'));
        }
        match next {
            Some('e' | 'E') => {
                self.exponent(next);
                Kind::Float
            }
            Some('.') => self.fraction(),
            _ => {
                if illegal_octal {
                    self.fail("illegal octal number");
                }
                self.unread(next);
                Kind::Number
            }
        }
    }

    fn hexadecimal(&mut self) -> Kind {
        let mut next = self.next();
        if !next.is_some_and(|c| c.is_ascii_hexdigit()) {
            self.fail("illegal hexadecimal number");
        }
        while next.is_some_and(|c| c.is_ascii_hexdigit()) {
            next = self.next();
        }
        self.unread(next);
        Kind::Number
    }

    /// Behind the point.
    fn fraction(&mut self) -> Kind {
        let stop = self.digits(self.peek());
        if let Some('e' | 'E') = stop {
            let letter = self.next();
            self.exponent(letter);
        }
        Kind::Float
    }

    /// Behind the letter, when `letter` is one.
    fn exponent(&mut self, letter: Option<char>) {
        let Some('e' | 'E') = letter else {
            return;
        };
        let mut next = self.next();
        if let Some('+' | '-') = next {
            next = self.next();
        }
        self.digits(next);
    }

    /// Reads on while there are digits; returns the first character that is none, unread unless it was `first`.
    fn digits(&mut self, first: Option<char>) -> Option<char> {
        if !first.is_some_and(|c| c.is_ascii_digit()) {
            return first;
        }
        let mut next = self.next();
        while next.is_some_and(|c| c.is_ascii_digit()) {
            next = self.next();
        }
        self.unread(next);
        next
    }

    fn string(&mut self) -> Kind {
        let mut open_braces = 0_u32;
        loop {
            let next = self.next();
            match next {
                None => break,
                Some('\n') if open_braces == 0 => break,
                Some('"') if open_braces == 0 => return Kind::String,
                Some('$') if open_braces == 0 && self.peek() == Some('{') => {
                    open_braces = 1;
                    self.next();
                }
                Some('{') if open_braces > 0 => open_braces += 1,
                Some('}') if open_braces > 0 => open_braces -= 1,
                Some('\\') => self.escape(),
                Some(_) => {}
            }
        }
        self.fail("literal not terminated");
        Kind::String
    }

    fn escape(&mut self) {
        let next = self.next();
        match next {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '"') => {}
            Some('0'..='7') => self.escape_digits(next, 8, 3),
            Some('x') => self.escape_number(2),
            Some('u') => self.escape_number(4),
            Some('U') => self.escape_number(8),
            _ => self.fail("illegal char escape"),
        }
    }

    fn escape_number(&mut self, count: u32) {
        let first = self.next();
        self.escape_digits(first, 16, count);
    }

    fn escape_digits(&mut self, mut next: Option<char>, radix: u32, count: u32) {
        let mut missing = count;
        while missing > 0 && next.is_some_and(|c| c.is_digit(radix)) {
            next = self.next();
            if next.is_none() {
                break;
            }
            missing -= 1;
        }
        if missing > 0 {
            self.fail("illegal char escape");
        }
        if missing != count {
            self.unread(next);
        }
    }

    /// From the second `<` to the end of the line that holds the anchor again.
    fn heredoc(&mut self) -> Kind {
        if self.next() != Some('<') {
            self.fail("heredoc expected second '<', didn't see it");
            return Kind::Heredoc;
        }
        let anchor_start = self.at.offset;
        let mut next = self.next();
        if next == Some('-') {
            next = self.next();
        }
        while next.is_some_and(|c| is_letter(c) || is_digit(c)) {
            next = self.next();
        }
        match next {
            None => {
                self.fail("heredoc not terminated");
                return Kind::Heredoc;
            }
            Some('\n') => {}
            Some(_) => {
                self.fail("invalid characters in heredoc anchor");
                return Kind::Heredoc;
            }
        }
        let marker = &self.text[anchor_start..self.before.offset];
        let anchor = marker.trim_start_matches('-');
        if anchor.is_empty() {
            self.fail("zero-length heredoc anchor");
            return Kind::Heredoc;
        }
        let mut line_start = self.at.offset;
        loop {
            match self.next() {
                None => {
                    self.fail("heredoc not terminated");
                    return Kind::Heredoc;
                }
                Some('\n') => {
                    let line = &self.text[line_start..self.before.offset];
                    let bare = line.trim_start_matches([' ', '\t', '\x0b', '\x0c', '\r']).trim_end_matches('\r');
                    // The dash counts here: with `<<-` an anchor that is not indented closes nothing.
                    if bare == anchor && line.len() >= marker.len() {
                        return Kind::Heredoc;
                    }
                    line_start = self.at.offset;
                }
                Some(_) => {}
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let Some(character) = self.peek() else {
            self.at.column += 1;
            return None;
        };
        self.before = self.at;
        self.at.offset += character.len_utf8();
        self.at.column += 1;
        match character {
            '\n' => {
                self.at.line += 1;
                self.last_line_columns = self.at.column;
                self.at.column = 0;
            }
            '\0' => {
                self.fail("unexpected null character (0x00)");
                return None;
            }
            '\u{e123}' => {
                self.fail("unicode code point U+E123 reserved for internal use");
            }
            _ => {}
        }
        Some(character)
    }

    /// Steps back over `character`, the one read last; at the end of the text there was none.
    fn unread(&mut self, character: Option<char>) {
        if character.is_some() {
            self.at = self.before;
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at.offset..].chars().next()
    }

    fn peek_is_digit(&self) -> bool {
        self.peek().is_some_and(|c| c.is_ascii_digit())
    }

    /// Line and column of the character read last.
    fn recent(&self) -> (u32, u32) {
        if self.at.column > 0 {
            (self.at.line, self.at.column)
        } else if self.last_line_columns > 0 {
            (self.at.line - 1, self.last_line_columns)
        } else {
            (1, 1)
        }
    }

    fn fail(&mut self, message: &str) {
        let (line, column) = self.recent();
        self.error = Some(HclError::At { line, column, message: message.to_owned() });
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && c.is_alphabetic())
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric())
}
