//! Reading a text token by token, remembering the furthest place where nothing fitted and what would have.

use std::collections::BTreeSet;

use crate::error::{Fault, ParseError};

/// What the grammar looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Literal(&'static str),
    Class(&'static str),
    End,
}

/// Name of the class of blanks, as error messages show it.
const BLANK: &str = "[ \\t\\r\\n]";

/// A place in a text, and the faults found on the way there.
///
/// The reference's error messages show through its grammar: every token tried at the furthest failing place is listed.
/// So tokens are read through this type alone, and alternatives are tried in the reference's order.
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    furthest: usize,
    expected: BTreeSet<Token>,
    faults: Vec<Fault>,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Scanner { text, at: 0, furthest: 0, expected: BTreeSet::new(), faults: Vec::new() }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn since(&self, start: usize) -> &'t str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(crate) fn literal(&mut self, literal: &'static str) -> bool {
        if self.rest().starts_with(literal) {
            self.at += literal.len();
            return true;
        }
        self.missed(Token::Literal(literal))
    }

    /// One ASCII character of a class; `name` is the class in error messages.
    pub(crate) fn one_of(&mut self, name: &'static str, fits: fn(&u8) -> bool) -> bool {
        if self.text.as_bytes().get(self.at).is_some_and(fits) {
            self.at += 1;
            return true;
        }
        self.missed(Token::Class(name))
    }

    pub(crate) fn end(&mut self) -> bool {
        self.at == self.text.len() || self.missed(Token::End)
    }

    /// Any number of blanks; whether there was one.
    pub(crate) fn blanks(&mut self) -> bool {
        let start = self.at;
        while self.one_of(BLANK, |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {}
        self.at > start
    }

    /// The words, each after at least one blank.
    pub(crate) fn words(&mut self, words: &[&'static str]) -> bool {
        let start = self.at;
        let found = words.iter().all(|word| self.blanks() && self.literal(word));
        if !found {
            self.at = start;
        }
        found
    }

    fn missed(&mut self, token: Token) -> bool {
        if self.at > self.furthest {
            self.furthest = self.at;
            self.expected.clear();
        }
        if self.at == self.furthest {
            self.expected.insert(token);
        }
        false
    }

    /// Notes that `rule` found `cause` here.
    pub(crate) fn fault(&mut self, rule: &str, cause: &str) {
        self.fault_at(self.at, format!("rule \"{rule}\": {cause}"));
    }

    pub(crate) fn fault_at(&mut self, offset: usize, message: String) {
        let (line, column) = line_and_column(self.text, offset);
        let fault = Fault { line, column, offset, message };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// A named fault fails the text even when another reading of it would fit; without one, the furthest failure is told.
    pub(crate) fn finish<T>(mut self, read: Option<T>) -> Result<T, ParseError> {
        if let Some(value) = read
            && self.faults.is_empty()
        {
            return Ok(value);
        }
        if self.faults.is_empty() {
            let message = format!("no match found, expected: {}", list(&self.expected));
            self.fault_at(self.furthest, message);
        }
        Err(ParseError { faults: self.faults })
    }
}

/// Tokens by their spelling, the end last: `"a", [b] or EOF`.
fn list(expected: &BTreeSet<Token>) -> String {
    let mut names: Vec<String> = expected
        .iter()
        .filter_map(|token| match token {
            Token::Literal(literal) => Some(format!("{literal:?}")),
            Token::Class(class) => Some((*class).to_string()),
            Token::End => None,
        })
        .collect();
    names.sort();
    if expected.contains(&Token::End) {
        names.push("EOF".to_string());
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// A line break counts as column 0 of the line it begins, as the reference counts.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    if text.as_bytes().get(offset) == Some(&b'\n') {
        return (line + 1, 0);
    }
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}
