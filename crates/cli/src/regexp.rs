//! Regular expressions whose errors read as users of RE2 know them.

use regex::Regex;
use regex_syntax::ast::{ErrorKind, parse::Parser};

/// Compiles `pattern`; the error is `error parsing regexp: CAUSE: ‘PART’` with back quotes around the part at fault.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| {
        let (cause, part) = match Parser::new().parse(pattern) {
            Err(fault) => explain(pattern, &fault),
            // Syntax that is right but means nothing here, or a pattern that is too large.
            Ok(_) => (error.to_string(), pattern),
        };
        format!("error parsing regexp: {cause}: `{part}`")
    })
}

fn explain<'p>(pattern: &'p str, fault: &regex_syntax::ast::Error) -> (String, &'p str) {
    let (start, end) = (fault.span().start.offset, fault.span().end.offset);
    let part = pattern.get(start..end).unwrap_or(pattern);
    let (cause, part) = match fault.kind() {
        ErrorKind::ClassUnclosed => ("missing closing ]", pattern.get(start..).unwrap_or(pattern)),
        ErrorKind::GroupUnclosed => ("missing closing )", pattern),
        ErrorKind::GroupUnopened => ("unexpected )", pattern),
        ErrorKind::RepetitionMissing => {
            ("missing argument to repetition operator", pattern.get(start..).and_then(|p| p.get(..1)).unwrap_or(part))
        }
        ErrorKind::EscapeUnexpectedEof => ("trailing backslash at end of expression", ""),
        ErrorKind::ClassRangeInvalid | ErrorKind::ClassRangeLiteral => ("invalid character class range", part),
        ErrorKind::RepetitionCountInvalid
        | ErrorKind::RepetitionCountUnclosed
        | ErrorKind::RepetitionCountDecimalEmpty => ("invalid repeat count", part),
        ErrorKind::UnsupportedLookAround
        | ErrorKind::FlagUnrecognized
        | ErrorKind::FlagUnexpectedEof
        | ErrorKind::FlagDanglingNegation
        | ErrorKind::FlagRepeatedNegation { .. } => ("invalid or unsupported Perl syntax", part),
        ErrorKind::GroupNameEmpty | ErrorKind::GroupNameInvalid | ErrorKind::GroupNameUnexpectedEof => {
            ("invalid named capture", part)
        }
        ErrorKind::GroupNameDuplicate { .. } => ("duplicate capture group name", part),
        ErrorKind::NestLimitExceeded(_) => ("expression nests too deeply", pattern),
        _ => ("invalid escape sequence", part),
    };
    (cause.to_string(), part)
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
            ("a\\", "trailing backslash at end of expression: ``"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("\\y", "invalid escape sequence: `\\y`"),
        ] {
            let error = compile(pattern).map(|r| r.to_string());
            assert_eq!(error, Err(format!("error parsing regexp: {text}")), "{pattern}");
        }
    }
}
