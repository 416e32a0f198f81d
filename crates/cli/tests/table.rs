//! Every row of the table of commands is complete, and help shows it well.

mod common;

use std::collections::BTreeSet;

use cli::command::{Command, Run, all};
use common::run;

const MAX_COLUMNS: usize = 80;
/// The names of docs/spec/cli.md §1, and `snapshot agent`, which the open-source reference lacks.
const COMMANDS: usize = 113 + 1;

fn help(command: &Command) -> String {
    let words: Vec<&str> = command.path.split(' ').chain(["-h"]).collect();
    let ran = run(&words);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{}", command.path);
    ran.stdout
}

#[test]
fn there_are_as_many_commands_as_there_should_be_and_no_two_share_a_name() {
    let paths: BTreeSet<&str> = all().map(|c| c.path).collect();
    assert_eq!((paths.len(), all().count()), (COMMANDS, COMMANDS));
}

#[test]
fn every_command_stands_under_a_group_or_a_command() {
    let paths: BTreeSet<&str> = all().map(|c| c.path).collect();
    for path in &paths {
        if let Some((parent, _)) = path.rsplit_once(' ') {
            assert!(paths.contains(parent), "{path}");
        }
    }
}

#[test]
fn every_command_says_what_it_does_and_shows_how() {
    for command in all() {
        let path = command.path;
        assert!(!command.synopsis.is_empty() && !command.synopsis.ends_with('.'), "{path}: synopsis");
        assert!(command.about.ends_with('.'), "{path}: description");
        assert!(!command.examples.is_empty(), "{path}: examples");
        for (purpose, line) in command.examples {
            assert!(line.contains(&format!("consul {path}")) || matches!(command.run, Run::Group), "{path}: {line}");
            assert!(!purpose.ends_with(['.', ':']), "{path}: {purpose}");
        }
    }
}

#[test]
fn every_flag_is_described_once() {
    for command in all() {
        let flags = command.flags();
        let names: BTreeSet<&str> = flags.iter().map(|f| f.name).collect();
        assert_eq!(names.len(), flags.len(), "{}", command.path);
        for flag in flags {
            let end = flag.about.trim_end();
            assert!(end.ends_with('.'), "{} -{}: {end}", command.path, flag.name);
            assert!(!end.contains("Default"), "{} -{}: help adds the default", command.path, flag.name);
        }
    }
}

#[test]
fn defaults_and_choices_of_flags_can_be_given() {
    for command in all().filter(|c| !c.takes_raw_arguments) {
        for flag in command.flags() {
            for value in flag.choices.iter().copied().chain([flag.default]).filter(|v| !v.is_empty()) {
                let args = vec![format!("-{}={value}", flag.name)];
                cli::flag::parse(&command.flags(), &args).unwrap_or_else(|e| panic!("{}: {e}", command.path));
            }
        }
    }
}

#[test]
fn help_begins_with_the_usage_line_and_lists_every_flag() {
    for command in all() {
        let text = help(command);
        assert!(text.starts_with(&format!("Usage: consul {}", command.path)), "{text}");
        let listed: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("  -")).collect();
        let shown = if command.hides_flags { 0 } else { command.flags().len() };
        assert_eq!(listed.len(), shown, "{}", command.path);
    }
}

#[test]
fn help_has_no_tabs_no_trailing_blanks_and_no_long_lines_but_examples() {
    for command in all() {
        for line in help(command).lines() {
            assert!(!line.contains('\t') && line.trim_end() == line, "{}: {line}", command.path);
            let example = line.starts_with("      $ ");
            assert!(example || line.chars().count() <= MAX_COLUMNS, "{}: {line}", command.path);
        }
    }
}

#[test]
fn help_parts_api_options_from_the_commands_own() {
    let text = run(&["kv", "get", "-h"]).stdout;
    let (api, own) = text.split_once("\n\nCommand Options\n").expect("two sections");
    assert!(api.contains("\nHTTP API Options\n\n  -ca-file=<path>\n     "), "{api}");
    assert!(own.starts_with("\n  -base64\n     Print values in base64"), "{own}");
    assert!(
        own.contains("\n  -separator=<string>\n     Where -keys cuts names; empty does not cut. Default: /.\n"),
        "{own}"
    );
}

#[test]
fn help_of_a_group_lists_its_commands() {
    let text = run(&["connect", "ca", "-h"]).stdout;
    let (_, list) = text.split_once("\n\nSubcommands:\n").expect("a list");
    let names: Vec<&str> = list.lines().map(|l| l.split_whitespace().next().unwrap_or("")).collect();
    assert_eq!(names, ["get-config", "set-config"]);
}

#[test]
fn help_of_the_program_lists_the_commands_of_one_word() {
    let text = run(&["-h"]).stdout;
    let usage =
        "Usage: consul [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n    acl            Manages";
    assert!(text.starts_with(usage), "{text}");
    assert!(text.ends_with("\n\n"), "a blank line ends it");
    assert_eq!(text.lines().filter(|l| l.starts_with("    ")).count(), all().filter(|c| !c.path.contains(' ')).count());
}
