//! What the words of the command line ask for, before any command's own flags (docs/spec/cli.md §1.1).

use crate::command::Command;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// `-v` before any sub-command.
    pub(crate) version: bool,
    /// `-h` anywhere before `--`.
    pub(crate) help: bool,
    /// `-autocomplete-install` anywhere before `--`.
    pub(crate) install_completion: bool,
    /// `-autocomplete-uninstall` anywhere before `--`.
    pub(crate) uninstall_completion: bool,
    /// Other flags stand before the sub-command.
    pub(crate) has_top_flags: bool,
    /// The command, if the words name one.
    pub(crate) command: Option<&'static Command>,
    /// The words after the command's name.
    pub(crate) args: &'a [String],
}

/// Reads the words after the program's name. `find` answers the command of a name.
pub(crate) fn read<'a>(args: &'a [String], find: impl Fn(&str) -> Option<&'static Command>) -> Request<'a> {
    let mut request = Request {
        version: false,
        help: false,
        install_completion: false,
        uninstall_completion: false,
        has_top_flags: false,
        command: None,
        args: &[],
    };
    let mut words: Option<&[String]> = None;
    for (at, arg) in args.iter().enumerate() {
        if arg == "--" {
            break;
        }
        match arg.as_str() {
            "-h" | "-help" | "--help" => request.help = true,
            "-autocomplete-install" | "--autocomplete-install" => request.install_completion = true,
            "-autocomplete-uninstall" | "--autocomplete-uninstall" => request.uninstall_completion = true,
            _ if words.is_some() => {}
            "-v" | "-version" | "--version" => request.version = true,
            flag if flag.len() > 1 && flag.starts_with('-') => request.has_top_flags = true,
            "" => {}
            "-" => break,
            _ => words = Some(&args[at..]),
        }
    }
    if let Some(words) = words {
        let (command, used) = longest_command(words, find);
        request.command = command;
        request.args = &words[used..];
    }
    request
}

/// The command whose name is the longest run of leading words, and how many words that is.
fn longest_command(
    words: &[String],
    find: impl Fn(&str) -> Option<&'static Command>,
) -> (Option<&'static Command>, usize) {
    let plain = words.iter().take_while(|word| !word.contains(' ')).count();
    (1..=plain)
        .rev()
        .find_map(|used| find(&words[..used].join(" ")).map(|command| (Some(command), used)))
        .unwrap_or((None, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::find;

    fn args(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn the_longest_command_name_wins() {
        for (words, path, rest) in [
            (&["kv", "get", "a"][..], Some("kv get"), &["a"][..]),
            (&["kv", "nosuch"], Some("kv"), &["nosuch"]),
            (&["kv", "-x", "get"], Some("kv"), &["-x", "get"]),
            (&["", "members"], Some("members"), &[]),
            (&["connect", "ca", "get-config", "x"], Some("connect ca get-config"), &["x"]),
            (&["KV"], None, &[]),
            (&["nosuch", "kv"], None, &[]),
            (&["kv get", "a"], None, &[]),
            (&["kv", "get a"], Some("kv"), &["get a"]),
            (&["--", "members"], None, &[]),
            (&["-"], None, &[]),
            (&[], None, &[]),
        ] {
            let args = args(words);
            let request = read(&args, find);
            assert_eq!(request.command.map(|c| c.path), path, "{words:?}");
            if path.is_some() {
                assert_eq!(request.args, rest, "{words:?}");
            }
        }
    }

    #[test]
    fn help_is_seen_anywhere_before_two_dashes() {
        for (words, help) in [
            (&["-h"][..], true),
            (&["kv", "put", "a", "-h"], true),
            (&["exec", "ls", "--help"], true),
            (&["exec", "--", "ls", "-h"], false),
            (&["kv", "get"], false),
        ] {
            assert_eq!(read(&args(words), find).help, help, "{words:?}");
        }
    }

    #[test]
    fn version_and_other_flags_count_only_before_the_command() {
        for (words, version, top) in [
            (&["-v"][..], true, false),
            (&["--version", "kv"], true, false),
            (&["-version", "-x"], true, true),
            (&["members", "-v"], false, false),
            (&["-foo", "members"], false, true),
        ] {
            let args = args(words);
            let request = read(&args, find);
            assert_eq!((request.version, request.has_top_flags), (version, top), "{words:?}");
        }
    }
}
