//! A disk in memory that outlives the server on it.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Batch, CustomStores, Drive, LogBackend, MetaKey, Shelf, Visit};
use net::BoxFuture;
use parking_lot::{Mutex, MutexGuard};

use crate::chance::Chance;
use crate::net::Net;

/// A write with its sync.
const LATENCY: Range<Duration> = Duration::from_micros(100)..Duration::from_millis(4);
/// The same when the disk has something else to do, and how often.
const SLOW_LATENCY: Range<Duration> = Duration::from_millis(20)..Duration::from_millis(250);
const SLOW: f64 = 0.02;
/// How often a power cut leaves more than what was synced, and how often the last of that is torn.
const KEPT: f64 = 0.5;
const TORN: f64 = 0.5;

/// A server's disk; clones are the same one. A server gets its stores from [`Disk::open`] at each start.
#[derive(Clone)]
pub struct Disk(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    net: Net,
    host: IpAddr,
}

struct State {
    chance: Chance,
    /// Only who opened the disk last writes to it.
    session: u64,
    /// What a power cut leaves.
    durable: Contents,
    /// Written since, in order.
    volatile: Vec<Batch>,
    /// The mark that is sure to survive, and one that may be forgotten.
    mark: u64,
    raised_mark: Option<u64>,
    snapshots: Shelf,
}

#[derive(Clone, Default)]
struct Contents {
    entries: BTreeMap<u64, Vec<u8>>,
    meta: BTreeMap<MetaKey, Vec<u8>>,
}

impl Contents {
    fn apply(&mut self, batch: Batch) {
        if !batch.remove.is_empty() {
            self.entries.retain(|index, _| !batch.remove.contains(index));
        }
        self.entries.extend(batch.put);
        self.meta.extend(batch.meta);
    }
}

impl Disk {
    /// An empty disk in this host, which halts with it.
    pub fn new(chance: Chance, net: Net, host: IpAddr) -> Disk {
        let state = State {
            chance,
            session: 0,
            durable: Contents::default(),
            volatile: Vec::new(),
            mark: 0,
            raised_mark: None,
            snapshots: Shelf::default(),
        };
        Disk(Arc::new(Shared { state: Mutex::new(state), net, host }))
    }

    /// Opens the disk. Whoever had it open before changes nothing any more.
    pub fn open(&self) -> CustomStores {
        let mut state = self.state();
        state.end_session();
        let session = Session { disk: self.clone(), number: state.session, visible: Mutex::new(state.durable.clone()) };
        CustomStores { log: Arc::new(session), snapshots: state.snapshots.clone() }
    }

    /// The power goes: what was not synced is lost, but for a part of it that may be torn.
    pub fn cut_power(&self) {
        let state = &mut *self.state();
        let mut kept = std::mem::take(&mut state.volatile);
        let count = if state.chance.hits(KEPT) { state.chance.index(kept.len() + 1) } else { 0 };
        kept.truncate(count);
        let torn = state.chance.hits(TORN);
        if let Some((_, stored)) = kept.last_mut().filter(|_| torn).and_then(|batch| batch.put.last_mut()) {
            stored.truncate(stored.len() / 2);
        }
        kept.into_iter().for_each(|batch| state.durable.apply(batch));
        if state.chance.hits(KEPT) {
            state.raised_mark = None;
        }
        state.end_session();
    }

    /// The process that had it open dies: what it wrote is still written, and it writes nothing more.
    pub fn close(&self) {
        self.state().end_session();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// Returns when a write that begins now would be synced.
    async fn paced(self) {
        let latency = {
            let mut state = self.state();
            let range = if state.chance.hits(SLOW) { SLOW_LATENCY } else { LATENCY };
            state.chance.time(&range)
        };
        tokio::time::sleep(latency).await;
        self.0.net.thawed(self.0.host).await;
    }
}

impl State {
    fn mark(&self) -> u64 {
        self.raised_mark.unwrap_or(self.mark)
    }

    fn end_session(&mut self) {
        self.session += 1;
        // What was written but not synced stays in the cache of a machine that goes on.
        for batch in std::mem::take(&mut self.volatile) {
            self.durable.apply(batch);
        }
        self.mark = self.mark();
        self.raised_mark = None;
        // One that is still being written goes to the shelf that nobody looks at any more.
        self.snapshots = self.snapshots.copy();
    }
}

/// The disk as one run of a server sees it. After its end everything seems to work and nothing happens.
struct Session {
    disk: Disk,
    number: u64,
    visible: Mutex<Contents>,
}

impl Session {
    fn live(&self) -> Option<MutexGuard<'_, State>> {
        Some(self.disk.state()).filter(|state| state.session == self.number)
    }
}

impl LogBackend for Session {
    fn write(&self, batch: Batch) -> io::Result<()> {
        self.visible.lock().apply(batch.clone());
        if let Some(mut state) = self.live() {
            state.volatile.push(batch);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if let Some(mut state) = self.live() {
            for batch in std::mem::take(&mut state.volatile) {
                state.durable.apply(batch);
            }
        }
        Ok(())
    }

    fn read(&self, range: Range<u64>, visit: &mut Visit<'_>) -> io::Result<()> {
        for (index, stored) in self.visible.lock().entries.range(range) {
            if visit(*index, stored).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn bounds(&self) -> io::Result<Option<(u64, u64)>> {
        let visible = self.visible.lock();
        let ends = visible.entries.first_key_value().zip(visible.entries.last_key_value());
        Ok(ends.map(|((first, _), (last, _))| (*first, *last)))
    }

    fn meta(&self, key: MetaKey) -> io::Result<Option<Vec<u8>>> {
        Ok(self.visible.lock().meta.get(&key).cloned())
    }

    fn set_mark(&self, index: u64) -> io::Result<()> {
        if let Some(mut state) = self.live() {
            if index < state.mark() {
                state.raised_mark = None;
                state.mark = index;
            } else {
                state.raised_mark = Some(index);
            }
        }
        Ok(())
    }

    fn mark(&self) -> io::Result<Option<u64>> {
        Ok(Some(self.disk.state().mark()))
    }

    fn location(&self) -> String {
        format!("disk of {}", self.disk.0.host)
    }

    fn drive(&self) -> Drive {
        let disk = self.disk.clone();
        Drive::Task(Arc::new(move || -> BoxFuture<'static, ()> { Box::pin(disk.clone().paced()) }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use std::ops::ControlFlow;

    use super::*;
    use crate::net::Conditions;

    fn disk(seed: u64) -> Disk {
        let net = Net::new(Chance::new(seed), Conditions::calm());
        Disk::new(Chance::new(seed), net, Ipv4Addr::LOCALHOST.into())
    }

    fn entry(index: u64) -> Batch {
        Batch { put: vec![(index, vec![7; 8])], ..Batch::default() }
    }

    fn lengths(log: &dyn LogBackend) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        let mut note = |index: u64, stored: &[u8]| {
            found.push((index, stored.len()));
            ControlFlow::Continue(())
        };
        log.read(0..u64::MAX, &mut note).unwrap();
        found
    }

    #[test]
    fn what_was_synced_survives_and_the_rest_only_from_its_start() {
        let mut outcomes = BTreeSet::new();
        for seed in 0..200 {
            let disk = disk(seed);
            let log = disk.open().log;
            log.write(entry(1)).unwrap();
            log.sync().unwrap();
            log.write(entry(2)).unwrap();
            log.write(entry(3)).unwrap();
            disk.cut_power();
            log.write(entry(4)).unwrap();
            log.sync().unwrap();
            outcomes.insert(lengths(&*disk.open().log));
        }
        let expected: [&[(u64, usize)]; 5] =
            [&[(1, 8)], &[(1, 8), (2, 4)], &[(1, 8), (2, 8)], &[(1, 8), (2, 8), (3, 4)], &[(1, 8), (2, 8), (3, 8)]];
        let expected: BTreeSet<Vec<(u64, usize)>> = expected.into_iter().map(<[_]>::to_vec).collect();
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn a_lowered_mark_is_never_forgotten() {
        for seed in 0..50 {
            let disk = disk(seed);
            let log = disk.open().log;
            log.set_mark(9).unwrap();
            log.set_mark(4).unwrap();
            disk.cut_power();
            assert_eq!(disk.open().log.mark().unwrap(), Some(4));
            let log = disk.open().log;
            log.set_mark(6).unwrap();
            disk.cut_power();
            assert!([Some(4), Some(6)].contains(&disk.open().log.mark().unwrap()));
        }
    }
}
