//! `version`.

use super::shared::FORMAT;
use super::{Command, Run};
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::version;

pub(super) const COMMANDS: &[Command] = &[Command::new(
    "version",
    "Prints the version of this program",
    "[options]",
    "Prints the version, when and from what it was built, and the protocol versions agents of this version speak.",
    Run::Handler(print),
)
.examples(&[("For programs", "consul version -format=json")])
.flags_of_its_own(&[FORMAT])];

fn print(invocation: &Invocation<'_>) -> Outcome {
    let text = match invocation.values.text("format") {
        "pretty" => version::pretty(),
        "json" => version::json().map_err(|e| Error::failed(e.to_string()))?,
        other => return Err(Error::failed(format!("Unknown format: {other}"))),
    };
    invocation.terminal.say(text);
    Ok(())
}
