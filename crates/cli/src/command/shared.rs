//! Flags and checks that several groups of commands have in common.

use crate::error::{Error, Outcome};
use crate::flag::Flag;
use crate::invocation::Invocation;

/// `-format` of the commands that print for people unless asked for JSON.
pub(super) const FORMAT: Flag =
    Flag::text("format", "How to print the result: for people (pretty) or for programs (json).")
        .hint("pretty|json")
        .defaults_to("pretty")
        .one_of(&["pretty", "json"]);

/// `-meta` of the ACL commands.
pub(super) const ACL_META: Flag = Flag::bool("meta", "Also print the content hash and the Raft indexes of each entry.");

/// For commands that accept any arguments.
pub(super) fn unchecked(_: &Invocation<'_>) -> Outcome {
    Ok(())
}

/// Refuses arguments after the flags, in the words most commands use.
pub(super) fn no_arguments(invocation: &Invocation<'_>) -> Outcome {
    match invocation.args.len() {
        0 => Ok(()),
        count => Err(Error::failed(format!("Too many arguments (expected 0, got {count})"))),
    }
}

/// The one argument a command wants.
pub(super) fn one_file<'i>(invocation: &'i Invocation<'_>) -> Result<&'i str, Error> {
    match invocation.args.as_slice() {
        [] => Err(Error::failed("Missing FILE argument")),
        [file] => Ok(file),
        more => Err(Error::failed(format!("Too many arguments (expected 1, got {})", more.len()))),
    }
}

/// Fails with `text` unless the text flag `name` has a value.
pub(super) fn require(invocation: &Invocation<'_>, name: &str, text: &str) -> Outcome {
    if invocation.values.text(name).is_empty() { Err(Error::failed(text)) } else { Ok(()) }
}
