//! Durations as the configuration writes and prints them.

use std::time::Duration;

use wire::GoDuration;

/// Reads Go duration syntax; the error is the reference's detail text.
pub(crate) fn parse(text: &str) -> Result<GoDuration, String> {
    GoDuration::parse(text).map_err(|error| error.to_string())
}

/// Prints a duration the way Go does (`1m30s`).
pub(crate) fn show(duration: Duration) -> String {
    GoDuration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)).to_string()
}
