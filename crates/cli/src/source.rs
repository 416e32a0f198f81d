//! Values that name where they come from (docs/spec/cli.md §1.5).

use std::io;

use crate::terminal::Terminal;

/// The bytes a data argument stands for: `@FILE` a file's content, `-` standard input, anything else itself.
/// The error is the message to show after the command's own prefix.
pub(crate) fn data(argument: &str, terminal: &Terminal) -> Result<Vec<u8>, String> {
    if let Some(path) = argument.strip_prefix('@') {
        return std::fs::read(path).map_err(|e| format!("Failed to read file: {}", open_error(path, &e)));
    }
    if argument == "-" {
        return terminal.read_input().map_err(|e| format!("Failed to read stdin: {}", system_text(&e)));
    }
    Ok(argument.as_bytes().to_vec())
}

/// `open PATH: no such file or directory`, or `read PATH: …` for what opens but cannot be read.
pub(crate) fn open_error(path: &str, error: &io::Error) -> String {
    let operation = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
    format!("{operation} {path}: {}", system_text(error))
}

/// The system's words for an error as the reference prints them: lower case, without the error number.
pub(crate) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error ").map_or(text.as_str(), |(words, _)| words);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(input: &'static str) -> Terminal {
        Terminal::new(input.as_bytes(), io::sink(), io::sink())
    }

    #[test]
    fn data_comes_from_the_argument_a_file_or_standard_input() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "filed\n").expect("content");
        let at_file = format!("@{}", file.path().display());
        for (argument, want) in [
            ("", ""),
            ("-5", "-5"),
            ("plain", "plain"),
            ("\\@x", "\\@x"),
            ("-", "typed"),
            (at_file.as_str(), "filed\n"),
        ] {
            assert_eq!(data(argument, &terminal("typed")), Ok(want.as_bytes().to_vec()), "{argument}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_its_cause() {
        for (argument, message) in [
            ("@/no/such/file", "Failed to read file: open /no/such/file: no such file or directory"),
            ("@", "Failed to read file: open : no such file or directory"),
            ("@/", "Failed to read file: read /: is a directory"),
        ] {
            assert_eq!(data(argument, &terminal("")), Err(message.to_string()), "{argument}");
        }
    }
}
