//! What the snapshot agent says of its work: a line each, with the time.

use time::OffsetDateTime;

use crate::terminal::Terminal;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    /// The level of this name in any case. There are no lines below `info`, so that lower levels are the same.
    pub(super) fn from_name(name: &str) -> Option<Level> {
        match name.to_ascii_lowercase().as_str() {
            "trace" | "debug" | "info" => Some(Level::Info),
            "warn" => Some(Level::Warn),
            "error" | "err" => Some(Level::Error),
            _ => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Level::Info => "[INFO] ",
            Level::Warn => "[WARN] ",
            Level::Error => "[ERROR]",
        }
    }
}

/// Writes lines that matter enough to standard output.
pub(super) struct Log<'t> {
    terminal: &'t Terminal,
    least: Level,
}

impl<'t> Log<'t> {
    pub(super) fn new(terminal: &'t Terminal, least: Level) -> Log<'t> {
        Log { terminal, least }
    }

    pub(super) fn info(&self, text: impl AsRef<str>) {
        self.write(Level::Info, text.as_ref());
    }

    pub(super) fn warn(&self, text: impl AsRef<str>) {
        self.write(Level::Warn, text.as_ref());
    }

    pub(super) fn error(&self, text: impl AsRef<str>) {
        self.write(Level::Error, text.as_ref());
    }

    fn write(&self, level: Level, text: &str) {
        if level >= self.least {
            self.terminal.say(line(level, text, OffsetDateTime::now_utc()));
        }
    }
}

fn line(level: Level, text: &str, at: OffsetDateTime) -> String {
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second, millisecond) = (at.hour(), at.minute(), at.second(), at.millisecond());
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z {} {text}",
        level.label()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_with_the_time_and_the_level() {
        let at = OffsetDateTime::from_unix_timestamp(1_479_330_073).expect("a time");
        assert_eq!(line(Level::Warn, "careful", at), "2016-11-16T21:01:13.000Z [WARN]  careful");
    }

    #[test]
    fn levels_have_the_names_of_the_reference() {
        let table = [
            ("TRACE", Some(Level::Info)),
            ("info", Some(Level::Info)),
            ("Warn", Some(Level::Warn)),
            ("error", Some(Level::Error)),
            ("loud", None),
        ];
        for (name, level) in table {
            assert_eq!(Level::from_name(name), level, "{name}");
        }
    }
}
