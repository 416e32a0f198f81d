//! The grammar of templates: texts, actions, pipelines, commands, operands.

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
}

/// Commands joined by `|`; each result is the last argument of the next.
#[derive(Debug, PartialEq)]
pub(super) struct Pipeline {
    pub(super) commands: Vec<Command>,
}

/// A function with its arguments, or a lone value.
#[derive(Debug, PartialEq)]
pub(super) struct Command {
    pub(super) operands: Vec<Operand>,
}

/// One word of a command.
#[derive(Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) value: OperandValue,
    pub(super) line: usize,
    /// 0-based, in bytes, as Go counts.
    pub(super) column: usize,
    /// As written.
    pub(super) text: String,
}

#[derive(Debug, PartialEq)]
pub(super) enum OperandValue {
    Function(String),
    Text(String),
    Number(i64),
    Pipeline(Pipeline),
}

impl Command {
    /// The command as written, blanks normalised.
    pub(super) fn text(&self) -> String {
        let words: Vec<&str> = self.operands.iter().map(|operand| operand.text.as_str()).collect();
        words.join(" ")
    }
}

const FUNCTIONS: &[&str] = &[
    "GetAllInterfaces",
    "GetDefaultInterfaces",
    "GetPrivateInterfaces",
    "GetPublicInterfaces",
    "GetPrivateIP",
    "GetPrivateIPs",
    "GetPublicIP",
    "GetPublicIPs",
    "GetInterfaceIP",
    "GetInterfaceIPs",
    "sort",
    "include",
    "exclude",
    "limit",
    "offset",
    "unique",
    "math",
    "attr",
    "Attr",
    "join",
];

/// Parses a template; the error is `<line>: <cause>` in Go's words.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut nodes = Vec::new();
    let mut rest = 0;
    let mut trim_next = false;
    while let Some(open) = text[rest..].find("{{").map(|at| rest + at) {
        let mut before = &text[rest..open];
        if trim_next {
            before = before.trim_start();
        }
        let mut start = open + 2;
        if text[start..].starts_with("- ") {
            before = before.trim_end();
            start += 2;
        }
        if !before.is_empty() {
            nodes.push(Node::Text(before.to_owned()));
        }
        let mut lexer = Lexer { text, at: start, parens: 0 };
        if let Some(end) = lexer.comment()? {
            (rest, trim_next) = end;
            continue;
        }
        let pipeline = lexer.pipeline()?;
        (rest, trim_next) = lexer.close()?;
        nodes.push(Node::Action(pipeline));
    }
    let mut tail = &text[rest..];
    if trim_next {
        tail = tail.trim_start();
    }
    if !tail.is_empty() {
        nodes.push(Node::Text(tail.to_owned()));
    }
    Ok(nodes)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    parens: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, cause: impl std::fmt::Display) -> Result<T, String> {
        let line = self.text[..self.at.min(self.text.len())].matches('\n').count() + 1;
        Err(format!("{line}: {cause}"))
    }

    fn unexpected<T>(&self) -> Result<T, String> {
        let found: String = self.rest().chars().take(1).collect();
        self.fail(format!("unexpected {} in command", wire::quote::go_quote(&found)))
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// Skips a comment action; yields where the text goes on and whether its leading blanks are trimmed.
    fn comment(&mut self) -> Result<Option<(usize, bool)>, String> {
        if !self.rest().starts_with("/*") {
            return Ok(None);
        }
        let Some(end) = self.rest().find("*/") else { return self.fail("unclosed comment") };
        self.at += end + 2;
        self.close().map(Some)
    }

    fn at_close(&self) -> Option<(usize, bool)> {
        if self.rest().starts_with("}}") {
            return Some((self.at + 2, false));
        }
        let after = self.rest().strip_prefix('-')?;
        let before_is_blank = self.text[..self.at].ends_with([' ', '\t', '\r', '\n']);
        (before_is_blank && after.starts_with("}}")).then_some((self.at + 3, true))
    }

    fn close(&mut self) -> Result<(usize, bool), String> {
        self.blanks();
        match self.at_close() {
            Some(end) => Ok(end),
            None if self.rest().is_empty() => self.fail("unclosed action"),
            None if self.rest().starts_with(')') => self.fail("unexpected right paren"),
            None => self.unexpected(),
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, String> {
        let mut commands = Vec::new();
        loop {
            let command = self.command()?;
            if command.operands.is_empty() && commands.is_empty() {
                return match self.rest().chars().next() {
                    Some(')') => self.fail("unexpected right paren"),
                    Some('|') => self.unexpected(),
                    _ => self.fail("missing value for command"),
                };
            }
            // Nothing behind a `|` is let through, as Go does.
            if !command.operands.is_empty() {
                commands.push(command);
            }
            self.blanks();
            if !self.rest().starts_with('|') {
                return Ok(Pipeline { commands });
            }
            self.at += 1;
        }
    }

    fn command(&mut self) -> Result<Command, String> {
        let mut operands = Vec::new();
        loop {
            self.blanks();
            if self.at_close().is_some() || self.rest().starts_with(['|', ')']) {
                return Ok(Command { operands });
            }
            operands.push(self.operand()?);
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let start = self.at;
        let value = match self.rest().chars().next() {
            None => return self.fail("unclosed action"),
            Some('"') => OperandValue::Text(self.quoted()?),
            Some('`') => {
                let Some(length) = self.rest()[1..].find('`') else {
                    return self.fail("unterminated raw quoted string");
                };
                let text = self.rest()[1..=length].to_owned();
                self.at += length + 2;
                OperandValue::Text(text)
            }
            Some('(') => {
                self.at += 1;
                self.parens += 1;
                let inner = self.pipeline()?;
                self.blanks();
                if !self.rest().starts_with(')') {
                    return self.fail("unclosed left paren");
                }
                self.at += 1;
                self.parens -= 1;
                OperandValue::Pipeline(inner)
            }
            Some(first) if first.is_ascii_digit() || first == '-' || first == '+' => {
                OperandValue::Number(self.number()?)
            }
            Some(first) if first.is_alphabetic() || first == '_' => OperandValue::Function(self.function()?),
            Some('.') => {
                self.at += 1;
                // The data of the template, of which there is none.
                OperandValue::Text("<no value>".to_owned())
            }
            Some(_) => return self.unexpected(),
        };
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        Ok(Operand {
            value,
            line: self.text[..start].matches('\n').count() + 1,
            column: start - line_start,
            text: self.text[start..self.at].to_owned(),
        })
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, next)) = chars.next() {
            match next {
                '"' => {
                    self.at += at + 1;
                    return Ok(out);
                }
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, escaped @ ('\\' | '"' | '\''))) => out.push(escaped),
                    _ => return self.fail("invalid syntax"),
                },
                other => out.push(other),
            }
        }
        self.fail("unterminated quoted string")
    }

    fn number(&mut self) -> Result<i64, String> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '+')).unwrap_or(rest.len());
        let word = rest[..length].to_owned();
        let Ok(number) = word.parse() else {
            return self.fail(format!("bad number syntax: {}", wire::quote::go_quote(&word)));
        };
        self.at += length;
        Ok(number)
    }

    fn function(&mut self) -> Result<String, String> {
        const CONTROL: &[&str] =
            &["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"];
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = rest[..length].to_owned();
        if CONTROL.contains(&name.as_str()) {
            return self.fail(format!("action {} is not supported in addresses", wire::quote::go_quote(&name)));
        }
        if !FUNCTIONS.contains(&name.as_str()) {
            return self.fail(format!("function {} not defined", wire::quote::go_quote(&name)));
        }
        self.at += length;
        Ok(name)
    }
}
