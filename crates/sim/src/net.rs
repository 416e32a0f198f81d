//! A network in memory.

mod conn;
mod datagrams;
mod host;
mod pipe;
#[cfg(test)]
mod tests;
mod world;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use net::Network;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::chance::Chance;
use host::Host;
use world::World;

/// How good the network is between any two hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    /// One way; each message draws its own.
    pub latency: Range<Duration>,
    /// Share of the datagrams that do not arrive. What streams carry always does, unless they break.
    pub loss: f64,
}

impl Conditions {
    /// A good data center.
    pub fn calm() -> Conditions {
        Conditions { latency: Duration::from_micros(200)..Duration::from_millis(3), loss: 0.0 }
    }
}

/// How a host goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies: its connections break, new ones are refused.
    Killed,
    /// The machine is gone: nobody is told, and who connects waits.
    PowerCut,
}

/// The network; clones are the same one.
#[derive(Clone)]
pub struct Net {
    world: Arc<Mutex<World>>,
    /// Counts changes that may let a connection through.
    changes: watch::Sender<u64>,
}

impl Net {
    /// A network without hosts.
    pub fn new(chance: Chance, conditions: Conditions) -> Net {
        Net { world: Arc::new(Mutex::new(World::new(chance, conditions))), changes: watch::channel(0).0 }
    }

    /// Switches a host on, and answers its way to the others. What its last life had open is gone.
    pub fn boot(&self, host: IpAddr) -> Arc<dyn Network> {
        let life = self.change(|world| world.boot(host));
        Arc::new(Host { net: self.clone(), at: world::Seat { host, life } })
    }

    /// Switches a host off. Whatever still runs on it reaches nobody from now on.
    pub fn crash(&self, host: IpAddr, how: Crash) {
        self.change(|world| world.crash(host, how));
    }

    /// Nothing goes from one host to the other any more; the other way stays as it is. Streams wait, datagrams are
    /// lost.
    pub fn block(&self, from: IpAddr, to: IpAddr) {
        self.change(|world| world.set_blocked(from, to, true));
    }

    /// Takes every block away.
    pub fn heal(&self) {
        self.change(World::heal);
    }

    /// Changes how good the network is, from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.change(|world| world.set_conditions(conditions));
    }

    /// Breaks every connection of a host with others.
    pub fn reset(&self, host: IpAddr) {
        self.change(|world| world.reset(host));
    }

    /// Halts a host for a while, as seen from outside: what comes to it and what it sends waits, and so does its
    /// [`crate::Disk`].
    pub fn pause(&self, host: IpAddr, length: Duration) {
        self.change(|world| world.pause(host, Instant::now() + length));
    }

    /// Returns when the host is not halted.
    pub(crate) async fn thawed(&self, host: IpAddr) {
        loop {
            let until = self.world().frozen_until(host);
            match until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let result = change(&mut world);
        world.wake_all();
        drop(world);
        self.changes.send_modify(|count| *count += 1);
        result
    }
}
