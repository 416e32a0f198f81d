//! Shell completion: what could stand at the end of a half-typed command line (docs/spec/cli.md §1.9).
//!
//! Shells call the program with the line so far in `COMP_LINE` and take a candidate from each line it prints.
//! Beyond the reference, flags and their fixed values are offered too.

use crate::command::{Command, children, find, top_level};
use crate::flag::Flag;

const ROOT_FLAGS: &[&str] = &["-autocomplete-install", "-autocomplete-uninstall", "-help", "-version"];

/// The candidates for the last word of `line`. `word` is that word as the shell sees it: bash parts words at `=`, so
/// it may be only the end of ours, and then the candidates are ends as well.
pub(crate) fn candidates(line: &str, word: Option<&str>) -> Vec<String> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let last = if line.ends_with(char::is_whitespace) { "" } else { words.pop().unwrap_or("") };
    let before = words.get(1..).unwrap_or_default();
    let split_off = word.and_then(|word| last.strip_suffix(word)).unwrap_or("");
    let all = words_for(before, last);
    all.iter().filter(|c| c.starts_with(last)).filter_map(|c| c.strip_prefix(split_off)).map(str::to_string).collect()
}

/// The whole words that could follow `before`, given how the word begins.
fn words_for(before: &[&str], last: &str) -> Vec<String> {
    let (command, rest) = command_of(before);
    let Some(command) = command else {
        if !rest.is_empty() {
            return Vec::new();
        }
        return match last.starts_with('-') {
            true => ROOT_FLAGS.iter().map(|f| f.to_string()).collect(),
            false => top_level().map(|c| c.name().to_string()).collect(),
        };
    };
    let flags = command.flags();
    if let Some(flag) = rest.last().and_then(|word| awaiting_value(&flags, word)) {
        return flag.choices.iter().map(|c| c.to_string()).collect();
    }
    if has_positional(&flags, rest) {
        return Vec::new();
    }
    if last.starts_with('-') {
        return flag_words(&flags, last);
    }
    if rest.is_empty() { children(command).map(|c| c.name().to_string()).collect() } else { Vec::new() }
}

fn command_of<'a, 'b>(before: &'a [&'b str]) -> (Option<&'static Command>, &'a [&'b str]) {
    (1..=before.len())
        .rev()
        .find_map(|n| find(&before[..n].join(" ")).map(|command| (Some(command), &before[n..])))
        .unwrap_or((None, before))
}

fn flag_words(flags: &[Flag], last: &str) -> Vec<String> {
    let dashes = if last.starts_with("--") { "--" } else { "-" };
    if let Some((name, _)) = last.trim_start_matches('-').split_once('=') {
        let choices = flags.iter().filter(|f| f.name == name).flat_map(|f| f.choices);
        return choices.map(|choice| format!("{dashes}{name}={choice}")).collect();
    }
    flags.iter().map(|flag| format!("{dashes}{}", flag.name)).collect()
}

/// The flag that `word` is, when its value is the word after it.
fn awaiting_value<'f>(flags: &'f [Flag], word: &str) -> Option<&'f Flag> {
    let name = word.strip_prefix("--").or(word.strip_prefix('-'))?;
    flags.iter().find(|flag| flag.name == name && !flag.kind.is_bool())
}

fn has_positional(flags: &[Flag], rest: &[&str]) -> bool {
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if !word.starts_with('-') || *word == "-" || *word == "--" {
            return true;
        }
        if awaiting_value(flags, word).is_some() {
            words.next();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_fit_the_last_word() {
        for (line, word, want) in [
            ("consul k", None, &["keygen", "keyring", "kv"][..]),
            ("consul kv ", None, &["delete", "export", "get", "import", "put"]),
            ("consul -v", None, &["-version"]),
            ("consul kv get -rec", None, &["-recurse"]),
            ("consul kv get --rec", None, &["--recurse"]),
            ("consul kv get -recurse -k", None, &["-keys"]),
            ("consul kv get -separator x -k", None, &["-keys"]),
            ("consul kv get a -k", None, &[]),
            ("consul version -format=", None, &["-format=pretty", "-format=json"]),
            ("consul version -format=p", Some("p"), &["pretty"]),
            ("consul version -format ", None, &["pretty", "json"]),
            ("consul version -format j", Some("j"), &["json"]),
            ("consul connect ca s", None, &["set-config"]),
            ("consul nosuch ", None, &[]),
            ("consul members ", None, &[]),
        ] {
            assert_eq!(candidates(line, word), want, "{line}");
        }
    }
}
