//! What can go wrong while setting logs up.

use std::io;
use std::path::Path;

/// Why logs could not be set up or changed. The texts are the reference's (`docs/spec/cli.md` §2.1, §2.4).
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is none of the six known names.
    #[error("Invalid log level: {0}. Valid log levels are: [TRACE DEBUG INFO WARN ERR ERROR]")]
    InvalidLevel(String),
    /// Old log files could not be listed or removed at start.
    #[error("Failed to prune log files: {0}")]
    Prune(String),
    /// The log file could not be created at start.
    #[error("Failed to setup logging: {0}")]
    OpenFile(String),
    /// The thread that writes lines could not be started.
    #[error("Failed to setup logging: {0}")]
    Thread(io::Error),
    /// The process already has a `tracing` subscriber.
    #[error("Failed to setup logging: a log subscriber is already installed in this process")]
    AlreadyInstalled,
}

/// `open PATH: no such file or directory`: an I/O error in the words users of the reference know.
pub(crate) fn io_text(operation: &str, path: &Path, error: &io::Error) -> String {
    let text = error.to_string();
    let cause = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = cause.chars();
    let lowered = chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect::<String>();
    format!("{operation} {}: {lowered}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_errors_read_like_the_references() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(io_text("open", Path::new("/a/b"), &error), "open /a/b: no such file or directory");
    }
}
