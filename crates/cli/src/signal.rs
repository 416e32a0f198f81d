//! SIGINT and SIGTERM for commands that finish their work before they end (docs/spec/cli.md §1.10).

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

use crate::error::Error;

/// The two signals, from the moment this is made.
pub(crate) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Starts to listen. Needs the event loop.
    pub(crate) fn listen() -> Result<Signals, Error> {
        let listen = |kind| unix::signal(kind).map_err(|e| Error::failed(format!("Error listening for signals: {e}")));
        Ok(Signals { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// The next of them. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
}
