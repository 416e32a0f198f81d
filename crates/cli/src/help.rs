//! Help texts, laid out from the table of commands (docs/spec/cli.md §1.2).

use wire::quote::go_quote;

use crate::command::{Command, children, top_level};
use crate::flag::{Flag, Kind};
use crate::layout::wrap;

/// Widest line of a flag's description, without its indent.
const FLAG_TEXT_COLUMNS: usize = 67;
/// Widest line of a command's description, without its indent.
const COMMAND_TEXT_COLUMNS: usize = 76;

/// The help of the whole program. Its own last newline makes the blank line that ends it when printed.
pub(crate) fn program() -> String {
    let commands: Vec<&Command> = top_level().collect();
    format!("Usage: consul [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n{}", listing(&commands))
}

/// The help of one command.
pub(crate) fn command(command: &Command) -> String {
    let mut out = format!("Usage: consul {}", command.usage());
    out.push_str("\n\n");
    out.push_str(&wrap(command.about, COMMAND_TEXT_COLUMNS, 2));
    for (purpose, line) in command.examples {
        out.push_str("\n\n");
        out.push_str(&wrap(purpose, COMMAND_TEXT_COLUMNS, 2));
        out.push_str(":\n\n");
        out.push_str(&format!("      $ {line}"));
    }
    if !command.hides_flags {
        let flags = command.flags();
        let (api, own): (Vec<&Flag>, Vec<&Flag>) = flags.iter().partition(|f| command.groups.is_api(f.name));
        section(&mut out, "HTTP API Options", &api);
        section(&mut out, "Command Options", &own);
    }
    let children: Vec<&Command> = children(command).collect();
    if !children.is_empty() {
        out.push_str("\n\nSubcommands:\n");
        out.push_str(&listing(&children));
    }
    out.truncate(out.trim_end().len());
    out
}

fn listing(commands: &[&Command]) -> String {
    let widest = commands.iter().map(|c| c.name().len()).max().unwrap_or(0);
    commands.iter().map(|c| format!("    {:widest$}    {}\n", c.name(), c.synopsis)).collect()
}

fn section(out: &mut String, title: &str, flags: &[&Flag]) {
    if flags.is_empty() {
        return;
    }
    out.push_str(&format!("\n\n{title}\n"));
    for flag in flags {
        match flag.value_name() {
            Some(value_name) => out.push_str(&format!("\n  -{}=<{value_name}>\n", flag.name)),
            None => out.push_str(&format!("\n  -{}\n", flag.name)),
        }
        out.push_str(&wrap(&description(flag), FLAG_TEXT_COLUMNS, 5));
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
}

/// What a flag does, and then where its value comes from when it is not given.
fn description(flag: &Flag) -> String {
    let mut text = flag.about.to_string();
    if let Some(variable) = flag.variable {
        text.push_str(&format!(" Environment variable: {variable}."));
    }
    if !flag.default.is_empty() {
        text.push_str(&format!(" Default: {}.", flag.default));
    }
    text
}

/// The listing that follows a flag error: every flag with its type, description and default.
pub(crate) fn flag_listing(flags: &[Flag]) -> String {
    let mut out = String::from("Usage:\n");
    for flag in flags {
        let value_name = flag.value_name().map(|p| format!(" {p}")).unwrap_or_default();
        let default = match (flag.default, flag.kind) {
            ("", _) => String::new(),
            (text, Kind::Text) => format!(" (default {})", go_quote(text)),
            (value, _) => format!(" (default {value})"),
        };
        out.push_str(&format!("  -{}{value_name}\n    \t{}{default}\n", flag.name, flag.about));
    }
    out
}
