//! Regular expressions whose errors read as users of RE2 know them.

use std::convert::Infallible;

use regex::Regex;
use regex_syntax::ast::{self, Ast, ErrorKind, Repetition, Span, Visitor};

/// The largest count RE2 repeats an expression by.
const MAX_REPEAT: u32 = 1000;

/// Compiles `pattern`. The error is `error parsing regexp: CAUSE:` with the part at fault in back quotes.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let fault = match ast::parse::Parser::new().parse(pattern) {
        Err(error) => Some(explain(pattern, &error)),
        Ok(tree) => stricter(pattern, &tree),
    };
    let told = |(cause, part): (&str, &str)| format!("error parsing regexp: {cause}: `{part}`");
    if let Some(fault) = fault {
        return Err(told(fault));
    }
    Regex::new(pattern).map_err(|error| match regex_syntax::parse(pattern) {
        Err(regex_syntax::Error::Translate(error)) => {
            told(("invalid character class range", text(pattern, error.span())))
        }
        _ => told((&error.to_string(), pattern)),
    })
}

fn text<'p>(pattern: &'p str, span: &Span) -> &'p str {
    pattern.get(span.start.offset..span.end.offset).unwrap_or(pattern)
}

fn explain<'p>(pattern: &'p str, error: &ast::Error) -> (&'static str, &'p str) {
    let part = text(pattern, error.span());
    let from = |at: usize| pattern.get(at..).unwrap_or(pattern);
    let group = || pattern.rfind('(').map_or(pattern, from);
    let start = error.span().start.offset;
    match error.kind() {
        ErrorKind::ClassUnclosed => ("missing closing ]", from(start)),
        ErrorKind::GroupUnclosed => ("missing closing )", pattern),
        ErrorKind::GroupUnopened => ("unexpected )", pattern),
        ErrorKind::RepetitionMissing => {
            ("missing argument to repetition operator", from(start).get(..1).unwrap_or(part))
        }
        ErrorKind::EscapeUnexpectedEof => ("trailing backslash at end of expression", ""),
        ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral => ("invalid character class range", part),
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountUnclosed
        | ErrorKind::RepetitionCountDecimalEmpty => ("invalid repeat count", part),
        ErrorKind::UnsupportedLookAround => ("invalid or unsupported Perl syntax", part),
        ErrorKind::FlagUnrecognized
        | ErrorKind::FlagUnexpectedEof
        | ErrorKind::FlagDanglingNegation
        | ErrorKind::FlagRepeatedNegation { .. } => ("invalid or unsupported Perl syntax", group()),
        ErrorKind::GroupNameEmpty | ErrorKind::GroupNameInvalid | ErrorKind::GroupNameUnexpectedEof => {
            ("invalid named capture", group())
        }
        ErrorKind::GroupNameDuplicate { .. } => ("duplicate capture group name", part),
        ErrorKind::NestLimitExceeded(_) => ("expression nests too deeply", pattern),
        _ => ("invalid escape sequence", part),
    }
}

/// What RE2 refuses although we could compile it.
fn stricter<'p>(pattern: &'p str, tree: &Ast) -> Option<(&'static str, &'p str)> {
    match ast::visit(tree, Strictness { pattern, fault: None }) {
        Ok(fault) => fault,
        Err(never) => match never {},
    }
}

struct Strictness<'p> {
    pattern: &'p str,
    fault: Option<(&'static str, &'p str)>,
}

impl<'p> Strictness<'p> {
    fn check(&self, outer: &Repetition) -> Option<(&'static str, &'p str)> {
        if let Ast::Repetition(inner) = outer.ast.as_ref() {
            let operators = inner.op.span.start.offset..outer.op.span.end.offset;
            return Some(("invalid nested repetition operator", self.pattern.get(operators).unwrap_or(self.pattern)));
        }
        let most = match &outer.op.kind {
            ast::RepetitionKind::Range(
                ast::RepetitionRange::Exactly(n)
                | ast::RepetitionRange::AtLeast(n)
                | ast::RepetitionRange::Bounded(_, n),
            ) => *n,
            _ => 0,
        };
        (most > MAX_REPEAT).then(|| ("invalid repeat count", text(self.pattern, &outer.op.span)))
    }
}

impl<'p> Visitor for Strictness<'p> {
    type Output = Option<(&'static str, &'p str)>;
    type Err = Infallible;

    fn finish(self) -> Result<Self::Output, Infallible> {
        Ok(self.fault)
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), Infallible> {
        if let (None, Ast::Repetition(repetition)) = (self.fault, node) {
            self.fault = self.check(repetition);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_cause_and_the_part() {
        for (pattern, text) in [
            ("[", "missing closing ]: `[`"),
            ("a[b-", "missing closing ]: `[b-`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a++", "invalid nested repetition operator: `++`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("\\pX", "invalid character class range: `\\pX`"),
            ("\\y", "invalid escape sequence: `\\y`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
            ("(?P<n", "invalid named capture: `(?P<n`"),
        ] {
            let error = compile(pattern).map(|r| r.to_string());
            assert_eq!(error, Err(format!("error parsing regexp: {text}")), "{pattern}");
        }
    }

    #[test]
    fn ordinary_patterns_compile() {
        for pattern in ["", "^web-[0-9]+$", "a*?b{2,1000}", "(?i)x|y", "\\.example\\.com"] {
            assert!(compile(pattern).is_ok(), "{pattern}");
        }
    }
}
