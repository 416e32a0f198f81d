//! Servers that form a cluster in one process, each with a pretended disk that survives it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use super::fabric::Fabric;
use crate::log::backend::fault::{Fault, FaultBackend};
use crate::snapshots::SnapshotStore;
use crate::tests::ledger::Ledger;
use crate::{Config, Consensus, Error, ServerId, SnapshotPolicy, Storage, Timing};

/// Far longer than anything here takes, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::task::yield_now().await;
    }
}

pub(super) struct Place {
    pub(super) id: ServerId,
    pub(super) disk: FaultBackend,
    pub(super) ledger: Ledger,
    snapshots: tempfile::TempDir,
    server: Option<Consensus<Ledger>>,
}

pub(super) struct Cluster {
    pub(super) fabric: Fabric,
    pub(super) places: Vec<Place>,
    pub(super) trailing_logs: u64,
}

/// Tighter than in operation, so that tests with many elections end soon.
fn timing() -> Timing {
    let ms = Duration::from_millis;
    Timing { heartbeat: ms(100), election_min: ms(900), election_max: ms(1200), leader_lease: ms(500) }
}

fn id_of(place: usize) -> ServerId {
    ServerId::from_bytes([place as u8 + 1; 16])
}

pub(super) fn address_of(place: usize) -> String {
    format!("10.0.0.{}:8300", place + 1)
}

pub(super) fn command(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

impl Cluster {
    /// Places for servers; none of them runs.
    pub(super) fn new(places: usize) -> Cluster {
        let place = |place| Place {
            id: id_of(place),
            disk: FaultBackend::default(),
            ledger: Ledger::default(),
            snapshots: tempfile::tempdir().unwrap(),
            server: None,
        };
        Cluster { fabric: Fabric::default(), places: (0..places).map(place).collect(), trailing_logs: 10_000 }
    }

    /// A cluster whose servers have all been told to form it, at the same time.
    pub(super) async fn formed(places: usize) -> Cluster {
        let mut cluster = Cluster::new(places);
        for place in 0..places {
            cluster.start(place).await;
        }
        let servers: Vec<_> = (0..places).map(|place| (id_of(place), address_of(place), true)).collect();
        let formed = join_all((0..places).map(|place| cluster.server(place).bootstrap(&servers))).await;
        for outcome in formed {
            assert!(matches!(outcome, Ok(()) | Err(Error::AlreadyBootstrapped)), "{outcome:?}");
        }
        cluster
    }

    fn config(&self, place: usize) -> Config {
        Config {
            server_id: id_of(place),
            address: address_of(place),
            storage: Storage::Memory,
            timing: timing(),
            snapshot: SnapshotPolicy { trailing_logs: self.trailing_logs, ..SnapshotPolicy::default() },
            transport: self.fabric.transport(id_of(place)),
            recovery: None,
        }
    }

    pub(super) async fn start(&mut self, place: usize) {
        self.start_with(place, None).await.unwrap();
    }

    pub(super) async fn start_with(
        &mut self,
        place: usize,
        recovery: Option<Vec<(ServerId, String, bool)>>,
    ) -> Result<(), Error> {
        let config = Config { recovery, ..self.config(place) };
        let at = &mut self.places[place];
        at.ledger = Ledger::default();
        let snapshots = SnapshotStore::open(at.snapshots.path().to_owned())?;
        let disk = Arc::new(at.disk.clone());
        let token = CancellationToken::new();
        let server = Consensus::start_on(config, at.ledger.clone(), disk, snapshots, token).await?;
        self.fabric.plug_in(at.id, &server);
        at.server = Some(server);
        Ok(())
    }

    /// Ends a server as a power cut does. Of what was not synced, the first writes survive, the last of them perhaps
    /// torn.
    pub(super) async fn crash(&mut self, place: usize, surviving_writes: usize, torn: bool) {
        let at = &mut self.places[place];
        self.fabric.unplug(at.id);
        at.disk.set_fault(Fault::SyncFails);
        if let Some(server) = at.server.take() {
            // What it says about its disk is what was asked for.
            drop(server.shutdown().await);
        }
        at.disk.cut_power(surviving_writes, torn);
    }

    /// Stops a server in good order.
    pub(super) async fn stop(&mut self, place: usize) {
        let at = &mut self.places[place];
        self.fabric.unplug(at.id);
        if let Some(server) = at.server.take() {
            server.shutdown().await.unwrap();
        }
    }

    pub(super) fn server(&self, place: usize) -> &Consensus<Ledger> {
        self.places[place].server.as_ref().unwrap()
    }

    pub(super) fn running(&self) -> impl Iterator<Item = usize> {
        (0..self.places.len()).filter(move |place| self.places[*place].server.is_some())
    }

    pub(super) fn followers(&self, leader: usize) -> Vec<usize> {
        self.running().filter(|place| *place != leader).collect()
    }

    /// Waits until one of the running servers leads.
    pub(super) async fn leader(&self) -> usize {
        self.leader_but(None).await
    }

    /// Waits until one of the running servers leads that is not at this place.
    pub(super) async fn leader_but(&self, not: Option<usize>) -> usize {
        let mut leader = None;
        until("a leader", || {
            leader = self.running().find(|place| Some(*place) != not && self.server(*place).is_leader());
            leader.is_some()
        })
        .await;
        leader.unwrap()
    }

    /// Has commands acknowledged by whoever leads, trying each again until it is; returns the leader of the last.
    pub(super) async fn propose(&self, numbers: std::ops::Range<u64>) -> usize {
        let mut leader = self.leader().await;
        for number in numbers {
            while self.server(leader).propose(command(number)).await.is_err() {
                leader = self.leader().await;
            }
        }
        leader
    }

    /// Waits until these servers have applied the same commands, which `is_all` accepts.
    pub(super) async fn agree(&self, places: &[usize], is_all: impl Fn(&[Vec<u8>]) -> bool) {
        until("the servers agree", || {
            let first = self.places[places[0]].ledger.commands();
            is_all(&first) && places.iter().all(|place| self.places[*place].ledger.commands() == first)
        })
        .await;
    }
}

impl Drop for Cluster {
    /// The wires hold the servers, and the servers the wires.
    fn drop(&mut self) {
        for place in &self.places {
            self.fabric.unplug(place.id);
        }
    }
}
