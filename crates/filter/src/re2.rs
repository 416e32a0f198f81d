//! Regular expressions in RE2's syntax, as the reference reads them, on the `regex` crate's engine.
//!
//! The two syntaxes differ where it shows: `\d \w \s \b` mean ASCII in RE2, `[a&&b]` is a plain class, `a{` is text, `a**`
//! is an error, `\Q…\E` quotes. So a pattern is read by RE2's rules, with RE2's errors, and written anew for the engine
//! with every choice spelled out; the engine's own syntax never meets a user's text. Whatever takes a pattern from a user
//! compiles it here.
//!
//! ```
//! let geo = filter::re2::compile(r"^geo-(.*?)-([^\-]+?)$")?;
//! assert_eq!(geo.captures("geo-web-eu").map(|found| found[2].to_owned()).as_deref(), Some("eu"));
//!
//! let error = filter::re2::compile("a**").unwrap_err();
//! assert_eq!(error.to_string(), "error parsing regexp: invalid nested repetition operator: `**`");
//! # Ok::<(), filter::re2::Error>(())
//! ```

mod class;
mod escape;
mod translate;

use regex::{Regex, RegexBuilder};

/// Most repetitions `{n,m}` may ask for, also as the product of nested ones (RE2's own limit).
pub const MAX_REPEAT: u32 = 1000;
/// Deepest nesting the engine is given, counting groups, alternations, sequences and repetitions. RE2 allows 1000; the
/// engine recurses when it builds, and this many levels fit the stack of any thread, unoptimised builds included.
pub const MAX_NESTING: u32 = 128;
/// Most memory a compiled expression takes, in bytes (the engine's own limit).
pub const MAX_COMPILED_BYTES: usize = 10 << 20;
/// Most memory matching takes for the places of groups, in bytes. The engine may keep the places of every group for
/// every step of the expression, even to tell only whether it matches: compiled size times groups, gigabytes for the
/// few kilobytes of `()()()…`. It leaves room for some hundreds of groups.
pub const MAX_GROUPS_BYTES: usize = 32 << 20;

/// Why a text is not a regular expression, as RE2 words it: ``error parsing regexp: CAUSE: `PART` ``.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {cause}: `{part}`")]
pub struct Error {
    cause: &'static str,
    part: String,
}

/// Compiles `pattern`. Groups are numbered as written, but have no names: RE2 lets two share one.
///
/// # Errors
/// RE2 does not accept the pattern, or it passes [`MAX_NESTING`], [`MAX_COMPILED_BYTES`] or [`MAX_GROUPS_BYTES`].
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    let translation = translate::translate(pattern)?;
    // The whole match is a group too.
    let size_limit = MAX_COMPILED_BYTES.min(MAX_GROUPS_BYTES / (translation.captures + 1));
    let built = RegexBuilder::new(&translation.written).nest_limit(MAX_NESTING).size_limit(size_limit).build();
    built.map_err(|error| {
        let cause = match error {
            regex::Error::CompiledTooBig(_) => "expression too large",
            _ => "expression nests too deeply",
        };
        Error::from(Fault { cause, part: pattern })
    })
}

/// What is wrong with a pattern, and the part at fault.
#[derive(Debug)]
struct Fault<'p> {
    cause: &'static str,
    part: &'p str,
}

impl From<Fault<'_>> for Error {
    fn from(fault: Fault<'_>) -> Error {
        Error { cause: fault.cause, part: fault.part.to_owned() }
    }
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
