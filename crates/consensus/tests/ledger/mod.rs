//! A state machine that remembers every command, for the tests of this crate.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use consensus::{
    Config, Consensus, Isolated, ServerId, Snapshot, SnapshotPolicy, State, StateMachine, Storage, Timing,
};

pub const ME: ServerId = ServerId::from_bytes([7; 16]);
pub const ADDRESS: &str = "127.0.0.1:8300";

/// A command that makes [`Ledger::apply`] panic.
pub const POISON: &[u8] = b"poison";

/// The list of applied commands, with the index of each. Clones share it.
#[derive(Clone, Default)]
pub struct Ledger {
    entries: Arc<Mutex<Vec<Entry>>>,
    gate: Gate,
}

/// Index and command.
type Entry = (u64, Vec<u8>);

/// Holds up the writing of snapshots while it is shut.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    shut: bool,
    waiting: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    pub fn shut(&self) {
        lock(&self.0.0).shut = true;
    }

    pub fn open(&self) {
        lock(&self.0.0).shut = false;
        self.0.1.notify_all();
    }

    /// Blocks until a snapshot is held up.
    pub fn wait_for_snapshot(&self) {
        let guard = lock(&self.0.0);
        drop(self.0.1.wait_while(guard, |state| !state.waiting));
    }

    fn pass(&self) {
        let mut guard = lock(&self.0.0);
        guard.waiting = guard.shut;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(guard, |state| state.shut));
    }
}

impl Ledger {
    pub fn commands(&self) -> Vec<Vec<u8>> {
        lock(&self.entries).iter().map(|(_, command)| command.clone()).collect()
    }

    pub fn indexes(&self) -> Vec<u64> {
        lock(&self.entries).iter().map(|(index, _)| *index).collect()
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl StateMachine for Ledger {
    /// Index of the command and its place in the list, counted from 1.
    type Reply = (u64, usize);
    type Snapshot = Page;

    fn apply(&mut self, index: u64, _term: u64, command: &[u8]) -> (u64, usize) {
        assert_ne!(command, POISON, "poisoned");
        let mut entries = lock(&self.entries);
        entries.push((index, command.to_vec()));
        (index, entries.len())
    }

    fn flush(&mut self) {}

    fn snapshot(&self) -> Page {
        Page { entries: lock(&self.entries).clone(), gate: self.gate.clone() }
    }

    fn restore(&mut self, from: &mut dyn io::Read) -> io::Result<()> {
        let mut restored = Vec::new();
        for _ in 0..read_number(from)? {
            let index = read_number(from)?;
            let len = read_number(from)?;
            let mut command = Vec::new();
            from.take(len).read_to_end(&mut command)?;
            restored.push((index, command));
        }
        *lock(&self.entries) = restored;
        Ok(())
    }
}

fn read_number(from: &mut dyn io::Read) -> io::Result<u64> {
    let mut number = [0; 8];
    from.read_exact(&mut number)?;
    Ok(u64::from_le_bytes(number))
}

pub struct Page {
    entries: Vec<Entry>,
    gate: Gate,
}

impl Snapshot for Page {
    fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.gate.pass();
        out.write_all(&(self.entries.len() as u64).to_le_bytes())?;
        for (index, command) in &self.entries {
            out.write_all(&index.to_le_bytes())?;
            out.write_all(&(command.len() as u64).to_le_bytes())?;
            out.write_all(command)?;
        }
        Ok(())
    }
}

pub fn config(storage: Storage) -> Config {
    Config {
        server_id: ME,
        address: ADDRESS.to_owned(),
        storage,
        timing: Timing::dev(),
        snapshot: SnapshotPolicy::default(),
        transport: Arc::new(Isolated),
        recovery: None,
    }
}

/// Bootstraps a server without state and waits until it leads.
pub async fn lead(consensus: &Consensus<Ledger>) {
    if consensus.pristine() {
        consensus.bootstrap(&[(ME, ADDRESS.to_owned(), true)]).await.unwrap();
    }
    reach(consensus, State::Leader).await;
    consensus.read_barrier().await.unwrap();
}

pub async fn reach(consensus: &Consensus<Ledger>, state: State) {
    consensus.leadership().wait_for(|now| now.state == state).await.unwrap();
}
