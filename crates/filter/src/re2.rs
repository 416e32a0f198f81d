//! Regular expressions in RE2's syntax, as the reference reads them, on the `regex` crate's engine.
//!
//! The two syntaxes differ where it shows: `\d \w \s \b` mean ASCII in RE2, `[a&&b]` is a plain class, `a{` is text, `a**`
//! is an error, `\Q…\E` quotes. So a pattern is read by RE2's rules, with RE2's errors, and written anew for the engine
//! with every choice spelled out; the engine's own syntax never meets a user's text.

mod class;
mod escape;
mod translate;

use regex::{Regex, RegexBuilder};

/// Most repetitions `{n,m}` may ask for, also as the product of nested ones (RE2's own limit).
pub const MAX_REPEAT: u32 = 1000;
/// Deepest nesting the engine is given, counting groups, alternations, sequences and repetitions. RE2 allows 1000; the
/// engine recurses when it builds, and this many levels fit the stack of any thread, unoptimised builds included.
pub const MAX_NESTING: u32 = 128;

/// Compiles `pattern`.
///
/// # Errors
/// ``error parsing regexp: CAUSE: `PART` `` as RE2 words it.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let wrong = |fault: Fault<'_>| format!("error parsing regexp: {}: `{}`", fault.cause, fault.part);
    let written = translate::translate(pattern).map_err(wrong)?;
    RegexBuilder::new(&written).nest_limit(MAX_NESTING).build().map_err(|error| {
        let cause = match error {
            regex::Error::CompiledTooBig(_) => "expression too large",
            _ => "expression nests too deeply",
        };
        wrong(Fault { cause, part: pattern })
    })
}

/// What is wrong with a pattern, and the part at fault.
#[derive(Debug)]
struct Fault<'p> {
    cause: &'static str,
    part: &'p str,
}

/// The part of `from` before `rest`, which is its end.
fn before<'p>(from: &'p str, rest: &str) -> &'p str {
    from.get(..from.len().saturating_sub(rest.len())).unwrap_or(from)
}

/// The first character, and what follows it.
fn next(text: &str) -> Option<(char, &str)> {
    let character = text.chars().next()?;
    Some((character, text.get(character.len_utf8()..)?))
}

#[cfg(test)]
mod tests;
