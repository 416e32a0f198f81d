//! A pattern from RE2's syntax to the engine's.

use std::fmt::Write;

use super::class::{self, NOTHING};
use super::{Fault, MAX_REPEAT, before, escape, next};

/// A pattern as the engine reads it.
pub(super) struct Translation {
    pub(super) written: String,
    /// Groups that capture.
    pub(super) captures: usize,
}

pub(super) fn translate(pattern: &str) -> Result<Translation, Fault<'_>> {
    let mut translator = Translator {
        pattern,
        written: String::with_capacity(pattern.len() * 2),
        captures: 0,
        flags: Flags::default(),
        groups: Vec::new(),
        weight: 1,
        operand: None,
    };
    translator.run()?;
    Ok(Translation { written: translator.written, captures: translator.captures })
}

#[derive(Clone, Copy, Default)]
struct Flags {
    fold_case: bool,
    many_lines: bool,
    dot_takes_newline: bool,
    lazy: bool,
}

/// What holds again after a group.
struct Group {
    flags: Flags,
    weight: u32,
}

/// Counted repetitions nested in something: the product of their counts.
type Weight = u32;

struct Translator<'p> {
    pattern: &'p str,
    written: String,
    captures: usize,
    flags: Flags,
    groups: Vec<Group>,
    /// Greatest weight in the group so far, without the operand's.
    weight: Weight,
    /// Weight of what a repetition would apply to, if there is something.
    operand: Option<Weight>,
}

impl<'p> Translator<'p> {
    fn run(&mut self) -> Result<(), Fault<'p>> {
        let mut rest = self.pattern;
        // The text from the last repetition on, when that is what came last.
        let mut last_repeat = None;
        while let Some((character, after)) = next(rest) {
            let here = rest;
            let repeat_before = last_repeat.take();
            rest = match character {
                '(' if after.starts_with('?') => self.perl_group(here)?,
                '(' => self.capture(after),
                ')' => self.close(after)?,
                '|' => {
                    self.settle();
                    self.written.push('|');
                    after
                }
                '^' => self.atom(if self.flags.many_lines { "(?m:^)" } else { "\\A" }, after),
                '$' => self.atom(if self.flags.many_lines { "(?m:$)" } else { "\\z" }, after),
                '.' => self.atom(if self.flags.dot_takes_newline { "(?s:.)" } else { "[^\\n]" }, after),
                '[' => {
                    let (class, after) = class::class(here)?;
                    self.class(&class, after)
                }
                '*' => self.repeat(here, after, "*", repeat_before, &mut last_repeat)?,
                '+' => self.repeat(here, after, "+", repeat_before, &mut last_repeat)?,
                // Not `?`: after another repetition (`a+(?i)?`) the engine would read it as that one's laziness.
                '?' => self.repeat(here, after, "{0,1}", repeat_before, &mut last_repeat)?,
                '{' => self.counted(here, after, repeat_before, &mut last_repeat)?,
                '\\' => self.escape(here)?,
                plain => self.literal(u32::from(plain), after),
            };
        }
        if !self.groups.is_empty() {
            return Err(Fault { cause: "missing closing )", part: self.pattern });
        }
        Ok(())
    }

    /// What came last can no longer be repeated.
    fn settle(&mut self) {
        self.weight = self.weight.max(self.operand.take().unwrap_or(1));
    }

    fn operand(&mut self, weight: Weight) {
        self.settle();
        self.operand = Some(weight);
    }

    fn atom(&mut self, written: &str, rest: &'p str) -> &'p str {
        self.operand(1);
        self.written.push_str(written);
        rest
    }

    fn class(&mut self, written: &str, rest: &'p str) -> &'p str {
        if self.flags.fold_case {
            return self.atom(&format!("(?i:{written})"), rest);
        }
        self.atom(written, rest)
    }

    fn literal(&mut self, code: u32, rest: &'p str) -> &'p str {
        match char::from_u32(code) {
            // A surrogate: no text holds one.
            None => self.atom(NOTHING, rest),
            Some(_) if self.flags.fold_case => self.atom(&format!("(?i:\\x{{{code:X}}})"), rest),
            Some(plain) if plain.is_ascii_alphanumeric() => self.atom(plain.encode_utf8(&mut [0; 4]), rest),
            Some(_) => self.atom(&format!("\\x{{{code:X}}}"), rest),
        }
    }

    fn escape(&mut self, here: &'p str) -> Result<&'p str, Fault<'p>> {
        let (kind, after) = here.get(1..).and_then(next).map_or((None, ""), |(kind, after)| (Some(kind), after));
        match kind {
            Some('A') => Ok(self.atom("\\A", after)),
            Some('z') => Ok(self.atom("\\z", after)),
            Some('b') => Ok(self.atom("(?-u:\\b)", after)),
            Some('B') => Ok(self.atom("(?-u:\\B)", after)),
            Some('Q') => {
                let (quoted, rest) = after.split_once("\\E").unwrap_or((after, ""));
                for character in quoted.chars() {
                    self.literal(u32::from(character), rest);
                }
                Ok(rest)
            }
            Some('p' | 'P') => {
                let (class, rest) = escape::unicode_class(here)?;
                Ok(self.class(&class, rest))
            }
            _ => match escape::perl_class(here) {
                Some((class, rest)) => Ok(self.class(class, rest)),
                None => {
                    let (code, rest) = escape::character(here)?;
                    Ok(self.literal(code, rest))
                }
            },
        }
    }

    fn capture(&mut self, rest: &'p str) -> &'p str {
        self.captures += 1;
        self.open("(", rest)
    }

    fn open(&mut self, written: &str, rest: &'p str) -> &'p str {
        self.settle();
        self.groups.push(Group { flags: self.flags, weight: self.weight });
        self.weight = 1;
        self.written.push_str(written);
        rest
    }

    fn close(&mut self, rest: &'p str) -> Result<&'p str, Fault<'p>> {
        let Some(group) = self.groups.pop() else {
            return Err(Fault { cause: "unexpected )", part: self.pattern });
        };
        self.settle();
        let weight = std::mem::replace(&mut self.weight, group.weight);
        self.flags = group.flags;
        self.written.push(')');
        self.operand(weight);
        Ok(rest)
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn perl_group(&mut self, here: &'p str) -> Result<&'p str, Fault<'p>> {
        let named = ["(?P<", "(?<"].iter().find(|opening| here.len() > opening.len() && here.starts_with(**opening));
        if let Some(opening) = named {
            let fault = |part| Fault { cause: "invalid named capture", part };
            let inner = here.get(opening.len()..).unwrap_or_default();
            let (name, rest) = inner.split_once('>').ok_or_else(|| fault(here))?;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(fault(before(here, rest)));
            }
            // Without its name: RE2 allows the same twice, and names the engine refuses.
            return Ok(self.capture(rest));
        }
        let (mut flags, mut value, mut complete) = (self.flags, true, true);
        let mut rest = here.get(2..).unwrap_or_default();
        while let Some((character, after)) = next(rest) {
            rest = after;
            match character {
                'i' => flags.fold_case = value,
                'm' => flags.many_lines = value,
                's' => flags.dot_takes_newline = value,
                'U' => flags.lazy = value,
                '-' if value => {
                    (value, complete) = (false, false);
                    continue;
                }
                ':' if complete => {
                    let rest = self.open("(?:", rest);
                    self.flags = flags;
                    return Ok(rest);
                }
                ')' if complete => {
                    self.flags = flags;
                    return Ok(rest);
                }
                _ => break,
            }
            complete = true;
        }
        Err(Fault { cause: "invalid or unsupported Perl syntax", part: before(here, rest) })
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else in braces is text.
    fn counted(
        &mut self,
        here: &'p str,
        after_brace: &'p str,
        repeat_before: Option<&'p str>,
        last_repeat: &mut Option<&'p str>,
    ) -> Result<&'p str, Fault<'p>> {
        let Some((least, most, rest)) = counts(after_brace) else {
            return Ok(self.literal(u32::from('{'), after_brace));
        };
        let too_many = |part| Fault { cause: "invalid repeat count", part };
        if least > MAX_REPEAT || most.is_some_and(|most| most > MAX_REPEAT || most < least) {
            return Err(too_many(before(here, rest)));
        }
        let written = before(here, rest);
        let rest = self.repeat(here, rest, written, repeat_before, last_repeat)?;
        let weight = self.operand.unwrap_or(1);
        let weight = match most {
            Some(0) => 1,
            _ => weight.saturating_mul(most.unwrap_or(least).max(1)),
        };
        if weight > MAX_REPEAT {
            return Err(too_many(before(here, rest)));
        }
        self.operand = Some(weight);
        Ok(rest)
    }

    fn repeat(
        &mut self,
        here: &'p str,
        after: &'p str,
        written: &str,
        repeat_before: Option<&'p str>,
        last_repeat: &mut Option<&'p str>,
    ) -> Result<&'p str, Fault<'p>> {
        let (lazy, rest) = after.strip_prefix('?').map_or((false, after), |rest| (true, rest));
        if let Some(first) = repeat_before {
            return Err(Fault { cause: "invalid nested repetition operator", part: before(first, rest) });
        }
        if self.operand.is_none() {
            return Err(Fault { cause: "missing argument to repetition operator", part: before(here, rest) });
        }
        *last_repeat = Some(here);
        let question_mark = if lazy != self.flags.lazy { "?" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(self.written, "{written}{question_mark}");
        Ok(rest)
    }
}

/// The least and the most, and what follows the closing brace. Numbers too great to read are told as too great.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (least, rest) = count(text)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, Some(least), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, None, rest));
    }
    let (most, rest) = count(rest)?;
    Some((least, Some(most), rest.strip_prefix('}')?))
}

/// Digits without a leading zero.
fn count(text: &str) -> Option<(u32, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = before(text, rest);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}
