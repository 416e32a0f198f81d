//! Lines the log writes about itself.

use std::sync::Arc;

use tracing_core::Level;

use crate::format::{Record, Value};
use crate::subscriber::{Clock, ROOT};
use crate::zone::Zone;

/// Makes lines in the form of the agent's own log, outside `tracing`: a writer that logged about its own trouble by
/// way of an event would feed itself.
#[derive(Clone)]
pub(crate) struct Notes {
    pub(crate) json: bool,
    pub(crate) now: Clock,
    pub(crate) zone: Zone,
}

impl Notes {
    /// So many lines were dropped here.
    pub(crate) fn dropped(&self, count: u64) -> Arc<str> {
        self.line(Level::WARN, "Log lines dropped", vec![("count", Value::Unsigned(count))])
    }

    /// The log file cannot be written at present.
    pub(crate) fn file_failed(&self, error: &str) -> Arc<str> {
        let fields = vec![("error", Value::Shown(error.to_owned()))];
        self.line(Level::ERROR, "Log file cannot be written, lines are missing from it", fields)
    }

    fn line(&self, level: Level, message: &str, fields: Vec<(&'static str, Value)>) -> Arc<str> {
        let time = self.zone.at((self.now)());
        let record = Record { time, level, logger: ROOT, message: message.to_owned(), fields };
        if self.json { record.json().into() } else { record.text().into() }
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self { json: false, now: Arc::new(|| std::time::UNIX_EPOCH), zone: Zone::utc() }
    }
}
