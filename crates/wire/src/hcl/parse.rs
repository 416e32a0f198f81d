use super::scan::{Kind, Scanner, Token};
use super::{HclError, MAX_DEPTH, unquote};

/// One entry as written: `key = value`, `key { … }` or `key "label" … { … }`.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) keys: Vec<Key>,
    pub(super) node: Node,
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A value as written. Numbers keep their text: what they become depends on what the key held before.
#[derive(Debug)]
pub(super) enum Content {
    Null,
    Bool(bool),
    Number(String),
    Float(String),
    String(String),
    Heredoc(String),
    List(Vec<Node>),
    Object(Vec<Item>),
}

/// Parses a whole HCL text into its items.
pub(super) fn items(text: &str) -> Result<Vec<Item>, HclError> {
    let text = text.replace("\r\n", "\n");
    let mut scanner = Scanner::new(&text);
    let token = Token { kind: Kind::Eof, text: "", line: 0, column: 0 };
    let mut parser = Parser { scanner: &mut scanner, token, unread: false, depth: 0 };
    let parsed = parser.object_list(false);
    if let Some(error) = scanner.take_error() {
        return Err(error);
    }
    match parsed {
        Ok(items) => Ok(items),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Eof) => Ok(Vec::new()),
    }
}

/// Why a production ended early.
enum Stop {
    /// The text ended where an item or a value would start.
    Eof,
    Error(HclError),
}

struct Parser<'s, 'a> {
    scanner: &'s mut Scanner<'a>,
    /// The token read last.
    token: Token<'a>,
    /// Whether [`Parser::scan`] is to return it once more.
    unread: bool,
    depth: usize,
}

impl<'a> Parser<'_, 'a> {
    fn scan(&mut self) -> Token<'a> {
        if self.unread {
            self.unread = false;
            return self.token;
        }
        self.token = self.scanner.scan();
        while self.token.kind == Kind::Comment {
            self.token = self.scanner.scan();
        }
        self.token
    }

    fn peek(&mut self) -> Token<'a> {
        let token = self.scan();
        self.unread = true;
        token
    }

    fn object_list(&mut self, in_braces: bool) -> Result<Vec<Item>, Stop> {
        let mut items = Vec::new();
        loop {
            if in_braces && self.peek().kind == Kind::RightBrace {
                return Ok(items);
            }
            match self.item() {
                Ok(item) => items.push(item),
                // HCL takes a text that breaks off behind `key =` as if the key were not there.
                Err(Stop::Eof) => return Ok(items),
                Err(error) => return Err(error),
            }
            if self.scan().kind != Kind::Comma {
                self.unread = true;
            }
        }
    }

    fn item(&mut self) -> Result<Item, Stop> {
        let tokens = self.keys()?;
        let node = match self.token.kind {
            Kind::Assign => self.value()?,
            Kind::LeftBrace => self.object()?,
            _ => {
                let keys: Vec<_> = tokens.iter().map(|key| key.text).collect();
                let keys = keys.join(" ");
                return Err(stop(
                    self.token,
                    format!("key '{keys}' expected start of object ('{{') or assignment ('=')"),
                ));
            }
        };
        let keys = tokens
            .into_iter()
            .map(|token| Ok(Key { name: text_of(token)?, line: token.line, column: token.column }))
            .collect::<Result<_, Stop>>()?;
        self.peek();
        Ok(Item { keys, node })
    }

    /// The keys up to `=`, `{` or, which is for the caller to refuse, whatever else ends them.
    fn keys(&mut self) -> Result<Vec<Token<'a>>, Stop> {
        let mut keys = Vec::new();
        loop {
            let token = self.scan();
            match token.kind {
                Kind::Ident | Kind::String => keys.push(token),
                Kind::Eof if keys.is_empty() => return Err(Stop::Eof),
                Kind::Eof => return Ok(keys),
                Kind::Assign if keys.len() > 1 => {
                    return Err(stop(token, "nested object expected: LBRACE got: ASSIGN".to_owned()));
                }
                Kind::Assign if keys.is_empty() => return Err(stop(token, "no object keys found!".to_owned())),
                Kind::LeftBrace if keys.is_empty() => {
                    return Err(stop(token, "expected: IDENT | STRING got: LBRACE".to_owned()));
                }
                Kind::Assign | Kind::LeftBrace => return Ok(keys),
                Kind::RightBrace if !keys.is_empty() => {
                    // Not to be taken for the end of the object around it.
                    self.token.kind = Kind::Eof;
                    return Ok(keys);
                }
                Kind::Illegal => return Err(stop(token, "illegal character".to_owned())),
                kind => {
                    return Err(stop(
                        token,
                        format!("expected: IDENT | STRING | ASSIGN | LBRACE got: {}", kind.name()),
                    ));
                }
            }
        }
    }

    fn value(&mut self) -> Result<Node, Stop> {
        let token = self.scan();
        match token.kind {
            Kind::Bool | Kind::Number | Kind::Float | Kind::String | Kind::Heredoc => literal(token),
            Kind::LeftBrace => self.object(),
            Kind::LeftBracket => self.list(),
            Kind::Eof => Err(Stop::Eof),
            kind => {
                let Token { line, column, text, .. } = token;
                Err(stop(token, format!("Unknown token: {line}:{column} {} {text}", kind.name())))
            }
        }
    }

    /// Behind `{`.
    fn object(&mut self) -> Result<Node, Stop> {
        let Token { line, column, .. } = self.token;
        self.descend()?;
        let items = match self.object_list(true) {
            Ok(items) => items,
            // An error at a closing brace is taken for the end of the object; the brace still expected then fails.
            Err(_) if self.token.kind == Kind::RightBrace => Vec::new(),
            Err(error) => return Err(error),
        };
        let closing = self.scan();
        if closing.kind != Kind::RightBrace {
            return Err(stop(closing, format!("object expected closing RBRACE got: {}", closing.kind.name())));
        }
        self.depth -= 1;
        Ok(Node { content: Content::Object(items), line, column })
    }

    /// Behind `[`.
    fn list(&mut self) -> Result<Node, Stop> {
        let Token { line, column, .. } = self.token;
        self.descend()?;
        let mut elements = Vec::new();
        let mut needs_comma = false;
        loop {
            let token = self.scan();
            if needs_comma && !matches!(token.kind, Kind::Comma | Kind::RightBracket) {
                let got = token.kind.name();
                return Err(stop(token, format!("error parsing list, expected comma or list end, got: {got}")));
            }
            match token.kind {
                Kind::Bool | Kind::Number | Kind::Float | Kind::String | Kind::Heredoc => {
                    elements.push(literal(token)?);
                    needs_comma = true;
                }
                Kind::Comma => needs_comma = false,
                Kind::LeftBrace => {
                    let object = self.object();
                    elements.push(object.map_err(|error| within(token, "object", error))?);
                    needs_comma = true;
                }
                Kind::LeftBracket => {
                    let list = self.list();
                    elements.push(list.map_err(|error| within(token, "list", error))?);
                }
                Kind::RightBracket => break,
                kind => return Err(stop(token, format!("unexpected token while parsing list: {}", kind.name()))),
            }
        }
        self.depth -= 1;
        Ok(Node { content: Content::List(elements), line, column })
    }

    fn descend(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(stop(self.token, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }
}

fn stop(token: Token<'_>, message: String) -> Stop {
    Stop::Error(HclError::At { line: token.line, column: token.column, message })
}

fn within(token: Token<'_>, what: &str, error: Stop) -> Stop {
    match error {
        Stop::Error(inner) => stop(token, format!("error while trying to parse {what} within list: {inner}")),
        Stop::Eof => Stop::Eof,
    }
}

fn literal(token: Token<'_>) -> Result<Node, Stop> {
    let content = match token.kind {
        Kind::Bool => Content::Bool(token.text == "true"),
        Kind::Number => Content::Number(token.text.to_owned()),
        Kind::Float => Content::Float(token.text.to_owned()),
        Kind::Heredoc => Content::Heredoc(unquote::heredoc(token.text)),
        _ => Content::String(text_of(token)?),
    };
    Ok(Node { content, line: token.line, column: token.column })
}

/// An identifier's or string's text.
fn text_of(token: Token<'_>) -> Result<String, Stop> {
    let Some(content) = token.text.strip_prefix('"') else {
        return Ok(token.text.to_owned());
    };
    unquote::quoted(content.strip_suffix('"').unwrap_or(content))
        .ok_or_else(|| stop(token, format!("string {} has an escape that names no character", token.text)))
}
