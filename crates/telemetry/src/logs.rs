//! Setting logs up, and the handle on them.

use std::fmt::{self, Debug, Formatter};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use tracing_core::{Dispatch, Level, dispatcher};

use crate::file::{FileLog, FileSettings, FileWriter};
use crate::notes::Notes;
use crate::output::{Output, Terminal};
use crate::stream::LogStream;
use crate::subscriber::{Clock, Hub, LogSubscriber};
use crate::zone::Zone;
use crate::{LogError, parse_level};

/// What the agent's own log looks like and where it goes.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// The least severe level that is logged.
    pub level: Level,
    /// JSON objects instead of text lines (`log_json`).
    pub json: bool,
    /// A log file beside, or instead of, standard output.
    pub file: Option<FileSettings>,
    /// Whether lines go to standard output, once released.
    pub stdout: bool,
}

/// The outside world as logs see it.
pub struct Seams {
    /// The current time.
    pub now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// The zone of the timestamps.
    pub zone: Zone,
    /// What stands for standard output.
    pub stdout: Box<dyn Write + Send>,
}

impl Default for Seams {
    /// The system's clock, zone and standard output.
    fn default() -> Self {
        Self { now: Arc::new(SystemTime::now), zone: Zone::local(), stdout: Box::new(io::stdout()) }
    }
}

impl Debug for Seams {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seams").field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// The handle on logs. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Logs {
    hub: Arc<Hub>,
}

/// Sets logs up and installs them for the whole process.
///
/// # Errors
///
/// [`LogError`] when the log file cannot be begun, or when the process already has a subscriber.
pub fn init(settings: LogSettings) -> Result<Logs, LogError> {
    let (logs, subscriber) = build(settings, Seams::default())?;
    dispatcher::set_global_default(Dispatch::new(subscriber)).map_err(|_| LogError::AlreadyInstalled)?;
    Ok(logs)
}

/// Sets logs up without installing them: the caller does, for a thread or a scope.
///
/// # Errors
///
/// [`LogError`] when the log file cannot be begun.
pub fn build(settings: LogSettings, seams: Seams) -> Result<(Logs, LogSubscriber), LogError> {
    let Seams { now, zone, stdout } = seams;
    let notes = Notes { json: settings.json, now: now.clone(), zone: zone.clone() };
    let mut outputs = Vec::new();
    // The file first: when it cannot be begun nothing else has started.
    let file = settings.file.map(|file| FileLog::open(&file, now())).transpose()?;
    if settings.stdout {
        let output = Output::start("log-stdout", false, notes.clone(), Terminal(stdout)).map_err(LogError::Thread)?;
        outputs.push(Arc::new(output));
    }
    if let Some(log) = file {
        outputs.push(Arc::new(start_file(log, now.clone(), notes, outputs.first().cloned())?));
    }
    let hub = Arc::new(Hub::new(settings.level, settings.json, outputs, now, zone));
    Ok((Logs { hub: hub.clone() }, LogSubscriber::new(hub)))
}

fn start_file(log: FileLog, now: Clock, notes: Notes, terminal: Option<Arc<Output>>) -> Result<Output, LogError> {
    let writer = FileWriter { log, now, notes: notes.clone(), terminal, failing: false };
    Output::start("log-file", true, notes, writer).map_err(LogError::Thread)
}

impl Logs {
    /// Lets lines through to standard output: those held back since the start, and all later ones. Called when the
    /// banner has been printed. The log file never waits.
    pub fn release(&self) {
        self.hub.outputs().iter().for_each(|output| output.release());
    }

    /// The agent's own level.
    pub fn level(&self) -> Level {
        self.hub.level()
    }

    /// Changes the agent's own level; live streams keep theirs.
    ///
    /// # Errors
    ///
    /// [`LogError::InvalidLevel`]; the level stays as it was.
    pub fn set_level(&self, name: &str) -> Result<(), LogError> {
        self.hub.set_level(parse_level(name)?);
        Ok(())
    }

    /// Opens a live stream of the lines from now on, with a level and form of its own.
    pub fn subscribe(&self, level: Level, json: bool) -> LogStream {
        self.hub.add_stream(level, json)
    }

    /// Waits until every released line is written, for at most five seconds an output. Blocks the thread: to be called
    /// at the end of the process.
    pub fn flush(&self) {
        for output in self.hub.outputs() {
            output.flush();
        }
    }
}
