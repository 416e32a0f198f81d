//! Level names and the tags they print.

use tracing_core::Level;

use crate::LogError;

/// Reads a level name, in any case; `ERR` and `ERROR` are the same (`docs/spec/cli.md` §2.4).
///
/// # Errors
///
/// [`LogError::InvalidLevel`] with the name as given.
pub fn parse_level(name: &str) -> Result<Level, LogError> {
    let level = match name.to_ascii_uppercase().as_str() {
        "TRACE" => Level::TRACE,
        "DEBUG" => Level::DEBUG,
        "INFO" => Level::INFO,
        "WARN" => Level::WARN,
        "ERR" | "ERROR" => Level::ERROR,
        _ => return Err(LogError::InvalidLevel(name.to_owned())),
    };
    Ok(level)
}

/// The bracketed tag of a text line, seven columns wide.
pub(crate) fn tag(level: Level) -> &'static str {
    match level {
        Level::TRACE => "[TRACE]",
        Level::DEBUG => "[DEBUG]",
        Level::INFO => "[INFO] ",
        Level::WARN => "[WARN] ",
        Level::ERROR => "[ERROR]",
    }
}

/// The `@level` of a JSON line.
pub(crate) fn json_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// A level as a number that fits an atomic; larger is more verbose.
pub(crate) fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// The level of a [`rank`]; anything above the known ranks is TRACE.
pub(crate) fn from_rank(rank: u8) -> Level {
    match rank {
        0 | 1 => Level::ERROR,
        2 => Level::WARN,
        3 => Level::INFO,
        4 => Level::DEBUG,
        _ => Level::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        let cases = [
            ("trace", Level::TRACE),
            ("Debug", Level::DEBUG),
            ("INFO", Level::INFO),
            ("warn", Level::WARN),
            ("err", Level::ERROR),
            ("ERROR", Level::ERROR),
        ];
        for (name, level) in cases {
            assert_eq!(parse_level(name).unwrap(), level, "{name}");
        }
    }

    #[test]
    fn other_names_are_refused_with_the_list_of_valid_ones() {
        for name in ["", "warning", " info", "off"] {
            let expected =
                format!("Invalid log level: {name}. Valid log levels are: [TRACE DEBUG INFO WARN ERR ERROR]");
            assert_eq!(parse_level(name).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn ranks_round_trip() {
        for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR] {
            assert_eq!(from_rank(rank(level)), level);
        }
    }
}
