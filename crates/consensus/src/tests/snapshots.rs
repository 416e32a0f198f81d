//! Snapshots on disk and what a start makes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::ledger::{Ledger, config, lead};
use crate::log::backend::fault::FaultBackend;
use crate::snapshots::SnapshotStore;
use crate::{Consensus, Error, SnapshotPolicy, Storage};

/// A server with its log on a pretended disk and its snapshots in a directory.
struct Place {
    disk: FaultBackend,
    directory: tempfile::TempDir,
    trailing_logs: u64,
}

impl Place {
    fn new(trailing_logs: u64) -> Place {
        Place { disk: FaultBackend::default(), directory: tempfile::tempdir().unwrap(), trailing_logs }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("snapshots")
    }

    async fn start(&self, ledger: &Ledger) -> Result<Consensus<Ledger>, Error> {
        let mut config = config(Storage::Memory);
        config.snapshot = SnapshotPolicy { trailing_logs: self.trailing_logs, ..SnapshotPolicy::default() };
        let snapshots = SnapshotStore::open(self.path())?;
        let disk = Arc::new(self.disk.clone());
        Consensus::start_on(config, ledger.clone(), disk, snapshots, CancellationToken::new()).await
    }

    /// Newest first.
    fn snapshots(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        found.sort_by_key(|path| std::cmp::Reverse(index_of(path)));
        found
    }
}

fn index_of(path: &Path) -> u64 {
    path.file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap().parse().unwrap()
}

async fn propose(consensus: &Consensus<Ledger>, count: u64) {
    for number in 0..count {
        consensus.propose(Bytes::from(number.to_string())).await.unwrap();
    }
}

/// A stopped server with two snapshots and a few commands behind the newer one; returns all commands.
async fn two_snapshots(place: &Place) -> Vec<Vec<u8>> {
    let ledger = Ledger::default();
    let consensus = place.start(&ledger).await.unwrap();
    lead(&consensus).await;
    for _ in 0..2 {
        propose(&consensus, 20).await;
        consensus.take_snapshot().await.unwrap();
    }
    propose(&consensus, 5).await;
    consensus.shutdown().await.unwrap();
    ledger.commands()
}

fn damage(path: &Path) {
    let state = path.join("state.bin");
    let mut bytes = fs::read(&state).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(state, bytes).unwrap();
}

#[tokio::test]
async fn a_start_restores_the_newest_snapshot_and_replays_the_log() {
    let place = Place::new(0);
    let commands = two_snapshots(&place).await;
    let ledger = Ledger::default();
    let consensus = place.start(&ledger).await.unwrap();
    lead(&consensus).await;
    assert_eq!(ledger.commands(), commands);
    assert_eq!(consensus.status().last_snapshot_index, index_of(&place.snapshots()[0]));
}

#[tokio::test]
async fn a_damaged_newest_snapshot_gives_way_to_the_older_one_that_the_log_covers() {
    let place = Place::new(1000);
    let commands = two_snapshots(&place).await;
    damage(&place.snapshots()[0]);
    let ledger = Ledger::default();
    let consensus = place.start(&ledger).await.unwrap();
    lead(&consensus).await;
    assert_eq!(ledger.commands(), commands);

    let older = place.snapshots()[1].clone();
    let info = consensus.take_snapshot().await.unwrap();
    assert_eq!(place.snapshots(), [place.path().join(info.id), older], "the damaged one went first");
}

#[tokio::test]
async fn an_older_snapshot_that_the_log_does_not_cover_is_not_enough() {
    let place = Place::new(0);
    two_snapshots(&place).await;
    damage(&place.snapshots()[0]);
    let error = place.start(&Ledger::default()).await.err().unwrap();
    assert_eq!(error.to_string(), "failed to load any existing snapshots");
}

#[tokio::test]
async fn when_all_snapshots_are_damaged_the_server_does_not_start() {
    for file in ["state.bin", "meta.json"] {
        let place = Place::new(1000);
        two_snapshots(&place).await;
        for path in place.snapshots() {
            fs::write(path.join(file), b"{").unwrap();
        }
        let error = place.start(&Ledger::default()).await.err().unwrap();
        assert!(matches!(error, Error::NoUsableSnapshot), "{file}: {error}");
        assert_eq!(place.snapshots().len(), 2, "{file}: the evidence stays");
    }
}

#[tokio::test]
async fn a_purged_log_without_any_snapshot_does_not_start() {
    let place = Place::new(0);
    two_snapshots(&place).await;
    place.snapshots().into_iter().for_each(|path| fs::remove_dir_all(path).unwrap());
    assert!(matches!(place.start(&Ledger::default()).await.err(), Some(Error::NoUsableSnapshot)));
}

#[tokio::test]
async fn an_unfinished_snapshot_is_removed_and_not_used() {
    let place = Place::new(0);
    two_snapshots(&place).await;
    let unfinished = place.path().join("9-999-1670000000000.tmp");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("state.bin"), b"half").unwrap();
    lead(&place.start(&Ledger::default()).await.unwrap()).await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn the_newest_two_snapshots_are_kept() {
    let place = Place::new(0);
    let consensus = place.start(&Ledger::default()).await.unwrap();
    lead(&consensus).await;
    let mut taken = Vec::new();
    for _ in 0..4 {
        propose(&consensus, 1).await;
        taken.insert(0, consensus.take_snapshot().await.unwrap().index);
    }
    assert_eq!(place.snapshots().iter().map(|path| index_of(path)).collect::<Vec<_>>(), taken[..2]);
}

#[tokio::test]
async fn trailing_entries_stay_in_the_log() {
    let place = Place::new(7);
    let consensus = place.start(&Ledger::default()).await.unwrap();
    lead(&consensus).await;
    propose(&consensus, 50).await;
    let index = consensus.take_snapshot().await.unwrap().index;
    consensus.shutdown().await.unwrap();
    use crate::log::backend::LogBackend;
    assert_eq!(place.disk.bounds().unwrap(), Some((index - 6, index)));
}

#[tokio::test]
async fn a_snapshot_with_nothing_new_is_refused() {
    let place = Place::new(0);
    let consensus = place.start(&Ledger::default()).await.unwrap();
    lead(&consensus).await;
    consensus.take_snapshot().await.unwrap();
    assert!(matches!(consensus.take_snapshot().await, Err(Error::NothingNewToSnapshot)));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_does_not_stop_the_server() {
    let place = Place::new(0);
    let consensus = place.start(&Ledger::default()).await.unwrap();
    lead(&consensus).await;
    fs::remove_dir_all(place.path()).unwrap();
    assert!(matches!(consensus.take_snapshot().await, Err(Error::Storage { .. })));
    propose(&consensus, 1).await;
    fs::create_dir(place.path()).unwrap();
    consensus.take_snapshot().await.unwrap();
}

#[tokio::test]
async fn snapshots_are_taken_on_their_own_and_the_policy_can_change() {
    let place = Place::new(0);
    let consensus = place.start(&Ledger::default()).await.unwrap();
    lead(&consensus).await;
    propose(&consensus, 20).await;
    let policy = SnapshotPolicy { interval: std::time::Duration::from_millis(1), threshold: 10, trailing_logs: 5 };
    consensus.set_snapshot_policy(policy);
    while consensus.status().last_snapshot_index == 0 {
        tokio::task::yield_now().await;
    }
    assert!(consensus.status().last_snapshot_index >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_applied_while_a_snapshot_is_written() {
    let (place, ledger) = (Place::new(0), Ledger::default());
    let consensus = place.start(&ledger).await.unwrap();
    lead(&consensus).await;
    propose(&consensus, 3).await;
    ledger.gate().shut();
    let snapshot = tokio::spawn({
        let consensus = consensus.clone();
        async move { consensus.take_snapshot().await }
    });
    let gate = ledger.gate().clone();
    tokio::task::spawn_blocking(move || gate.wait_for_snapshot()).await.unwrap();
    let before = consensus.status().applied_index;
    propose(&consensus, 3).await;
    assert_eq!(consensus.status().applied_index, before + 3);
    ledger.gate().open();
    assert_eq!(snapshot.await.unwrap().unwrap().index, before);
}
