//! A state machine that remembers everything that happened to it.

use std::io::{self, Read};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Snapshot, StateMachine};

/// The list of applied commands, with the index of each. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Vec<(u64, Vec<u8>)>>>);

impl Ledger {
    pub(super) fn commands(&self) -> Vec<Vec<u8>> {
        self.0.lock().iter().map(|(_, command)| command.clone()).collect()
    }

    pub(super) fn indexes(&self) -> Vec<u64> {
        self.0.lock().iter().map(|(index, _)| *index).collect()
    }
}

/// Makes [`Ledger::apply`] panic.
pub(super) const POISON: &[u8] = b"poison";

impl StateMachine for Ledger {
    /// Index of the command and its place in the list.
    type Reply = (u64, usize);
    type Snapshot = Page;

    fn apply(&mut self, index: u64, _term: u64, command: &[u8]) -> (u64, usize) {
        assert_ne!(command, POISON, "poisoned");
        let mut commands = self.0.lock();
        commands.push((index, command.to_vec()));
        (index, commands.len())
    }

    fn flush(&mut self) {}

    fn snapshot(&self) -> Page {
        Page(self.0.lock().clone())
    }

    fn restore(&mut self, from: &mut dyn io::Read) -> io::Result<()> {
        let mut restored = Vec::new();
        let mut number = [0; 8];
        let mut count = {
            from.read_exact(&mut number)?;
            u64::from_le_bytes(number)
        };
        while count > 0 {
            from.read_exact(&mut number)?;
            let index = u64::from_le_bytes(number);
            from.read_exact(&mut number)?;
            let mut command = Vec::new();
            Read::take(&mut *from, u64::from_le_bytes(number)).read_to_end(&mut command)?;
            restored.push((index, command));
            count -= 1;
        }
        *self.0.lock() = restored;
        Ok(())
    }
}

pub(super) struct Page(Vec<(u64, Vec<u8>)>);

impl Snapshot for Page {
    fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&(self.0.len() as u64).to_le_bytes())?;
        for (index, command) in &self.0 {
            out.write_all(&index.to_le_bytes())?;
            out.write_all(&(command.len() as u64).to_le_bytes())?;
            out.write_all(command)?;
        }
        Ok(())
    }
}
