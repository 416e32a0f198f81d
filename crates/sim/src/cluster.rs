//! Agents on simulated hosts.

mod node;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use consensus::SnapshotPolicy;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::disk::Disk;
use crate::net::{Conditions, Crash, Net};
use crate::roster::{Access, Roster};
use node::{Plan, Running};

/// What still runs of a crashed agent ends within this, or is left to the end of the simulation.
const DYING_MAX: Duration = Duration::from_secs(300);
/// Turns given to all other tasks before an agent starts, so that nobody else has anything to do at that instant.
const QUIET_TURNS: usize = 512;

/// How a cluster is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Servers; all of them vote.
    pub servers: usize,
    /// Client agents.
    pub clients: usize,
    /// When servers take snapshots.
    pub snapshots: SnapshotPolicy,
}

/// A cluster: a place for each server, then one for each client agent.
pub struct Cluster {
    net: Net,
    servers: usize,
    places: Vec<Place>,
    roster: Roster,
    /// What is left of crashed agents.
    dying: JoinSet<()>,
}

struct Place {
    plan: Plan,
    chance: Chance,
    running: Option<Running>,
}

impl Cluster {
    /// Starts all of it; they find each other by themselves.
    pub async fn start(chance: &Chance, settings: &Settings) -> Cluster {
        let net = Net::new(chance.fork(0), Conditions::calm());
        let hosts = settings.servers + settings.clients;
        let addresses: Vec<IpAddr> = (0..hosts).map(address).collect();
        let place = |number: usize| {
            let is_server = number < settings.servers;
            let own = chance.fork(1 + number as u64);
            let plan = Plan {
                name: if is_server {
                    format!("s{}", number + 1)
                } else {
                    format!("c{}", number + 1 - settings.servers)
                },
                id: format!("5157a110-0000-4000-8000-{:012}", number + 1),
                address: addresses[number],
                others: addresses.iter().copied().filter(|other| *other != addresses[number]).collect(),
                disk: is_server.then(|| Disk::new(own.fork(0), net.clone(), addresses[number])),
                expect: settings.servers,
                snapshots: settings.snapshots,
            };
            Place { plan, chance: own.fork(1), running: None }
        };
        let places: Vec<Place> = (0..hosts).map(place).collect();
        let mut cluster =
            Cluster { net, servers: settings.servers, places, roster: Roster::default(), dying: JoinSet::new() };
        cluster.boot_all().await;
        cluster
    }

    /// Starts the agent at a place, if it does not run.
    ///
    /// # Panics
    /// When it does not start, whatever its disk went through.
    pub async fn boot(&mut self, place: usize) {
        let at = &mut self.places[place];
        if at.running.is_some() {
            return;
        }
        for _ in 0..QUIET_TURNS {
            tokio::task::yield_now().await;
        }
        let running = node::start(&at.plan, &self.net, at.chance.number()).await;
        let access =
            Access { name: at.plan.name.clone(), agent: running.agent.clone(), gone: CancellationToken::new() };
        at.running = Some(running);
        self.roster.set(place, Some(access));
    }

    /// Starts all that do not run.
    pub async fn boot_all(&mut self) {
        for place in 0..self.places.len() {
            self.boot(place).await;
        }
    }

    /// Ends an agent from one instant to the next: the others and its disk hear nothing more of it.
    pub fn crash(&mut self, place: usize, how: Crash) {
        let at = &mut self.places[place];
        let Some(running) = at.running.take() else { return };
        self.net.crash(at.plan.address, how);
        if let Some(disk) = &at.plan.disk {
            match how {
                Crash::Killed => disk.close(),
                Crash::PowerCut => disk.cut_power(),
            }
        }
        if let Some(access) = self.roster.set(place, None) {
            access.gone.cancel();
        }
        self.dying.spawn(async move {
            // It cannot do any harm if it takes longer.
            let _ended = tokio::time::timeout(DYING_MAX, running.end()).await;
        });
    }

    /// The server that leads, if there is one that can be sure of it.
    pub fn leader(&self) -> Option<usize> {
        let leads = |place: &usize| {
            let access = self.roster.at(*place);
            access.is_some_and(|access| access.agent.server().is_some_and(|server| server.is_leader()))
        };
        (0..self.servers).find(leads)
    }

    /// How many servers there are; they have the first places.
    pub fn servers(&self) -> usize {
        self.servers
    }

    /// How many places there are.
    pub fn hosts(&self) -> usize {
        self.places.len()
    }

    /// Name of the node at a place.
    pub fn name(&self, place: usize) -> &str {
        &self.places[place].plan.name
    }

    /// Address of the host at a place.
    pub fn address(&self, place: usize) -> IpAddr {
        self.places[place].plan.address
    }

    /// The network.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// The agents that run.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }
}

fn address(place: usize) -> IpAddr {
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + place as u32).into()
}
