//! The state as consensus sees it.

mod timings;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use consensus::StateMachine;
use state::{Effect, Outcome, Writer};
use telemetry::metrics::Sample;
use timings::Timings;
use tokio::sync::{mpsc, watch};

use crate::lock_delays::LockDelays;

/// Applies the log to the state and hands effects that need a clock to the leader's duties.
pub(crate) struct Machine {
    writer: Writer,
    effects: mpsc::UnboundedSender<Effect>,
    lock_delays: Arc<LockDelays>,
    fatal: watch::Sender<Option<String>>,
    timings: Timings,
}

impl Machine {
    pub(crate) fn new(
        writer: Writer,
        effects: mpsc::UnboundedSender<Effect>,
        lock_delays: Arc<LockDelays>,
        fatal: watch::Sender<Option<String>>,
    ) -> Machine {
        Machine { writer, effects, lock_delays, fatal, timings: Timings::new() }
    }

    fn pass_on(&self, effect: Effect) {
        match effect {
            Effect::Fatal(text) => {
                self.fatal.send_replace(Some(text));
                return;
            }
            // In force before anybody can see the lock released.
            Effect::LockDelay { key, delay } => return self.lock_delays.start(key, delay),
            Effect::Restored => self.lock_delays.clear(),
            _ => {}
        }
        // The receiver ends before consensus does only while the server stops: nobody needs the effect then.
        let _ = self.effects.send(effect);
    }
}

impl StateMachine for Machine {
    type Reply = Outcome;
    type Snapshot = Version;

    fn apply(&mut self, index: u64, _term: u64, command: &[u8]) -> Outcome {
        let start = Instant::now();
        let applied = self.writer.apply(index, command);
        self.timings.applied(command, start);
        applied.effects.into_iter().for_each(|effect| self.pass_on(effect));
        applied.outcome
    }

    fn flush(&mut self) {
        self.writer.publish();
    }

    fn snapshot(&self) -> Version {
        Version { state: self.writer.snapshot(), persist: self.timings.persist() }
    }

    fn restore(&mut self, from: &mut dyn io::Read) -> io::Result<()> {
        self.writer.restore(from).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.pass_on(Effect::Restored);
        Ok(())
    }
}

/// One immutable version of the state.
pub(crate) struct Version {
    state: state::Snapshot,
    persist: Sample,
}

impl consensus::Snapshot for Version {
    fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let _timing = self.persist.timing();
        self.state.write_to(out)
    }
}
