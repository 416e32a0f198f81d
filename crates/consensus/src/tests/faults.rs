//! A server on a disk that fails.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::ledger::{Ledger, POISON, config, lead, reach};
use crate::log::backend::fault::{Fault, FaultBackend};
use crate::snapshots::SnapshotStore;
use crate::{Consensus, Error, ProposeError, ReadError, State, Storage};

async fn start(disk: &FaultBackend, ledger: &Ledger) -> Result<Consensus<Ledger>, Error> {
    let (backend, snapshots) = (Arc::new(disk.clone()), SnapshotStore::memory());
    Consensus::start_on(config(Storage::Memory), ledger.clone(), backend, snapshots, CancellationToken::new()).await
}

fn command(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

#[tokio::test]
async fn a_failing_disk_acknowledges_nothing_and_stops_the_server() {
    for fault in [Fault::NoSpace, Fault::SyncFails] {
        let (disk, ledger) = (FaultBackend::default(), Ledger::default());
        let consensus = start(&disk, &ledger).await.unwrap();
        lead(&consensus).await;
        consensus.propose(command(1)).await.unwrap();

        disk.set_fault(fault);
        let error = consensus.propose(command(2)).await.unwrap_err();
        assert!(matches!(error, ProposeError::Storage(_)), "{fault:?}: {error:?}");
        assert!(error.to_string().starts_with("failed to commit logs: "), "{error}");
        reach(&consensus, State::Shutdown).await;
        assert!(consensus.leadership().borrow().failure.is_some());
        assert!(!consensus.is_leader());

        disk.set_fault(Fault::None);
        assert!(matches!(consensus.propose(command(3)).await, Err(ProposeError::Storage(_))));
        assert!(matches!(consensus.read_barrier().await, Err(ReadError::Storage(_))));
        assert_eq!(ledger.commands(), [b"1"]);
        assert!(consensus.shutdown().await.is_err(), "a failed disk is told at the end, too");
    }
}

#[tokio::test]
async fn concurrent_proposals_on_a_failing_disk_all_get_an_answer() {
    let (disk, ledger) = (FaultBackend::default(), Ledger::default());
    let consensus = start(&disk, &ledger).await.unwrap();
    lead(&consensus).await;
    disk.set_fault(Fault::SyncHangs);
    let proposals: Vec<_> = (0..64)
        .map(|number| {
            let consensus = consensus.clone();
            tokio::spawn(async move { consensus.propose(command(number)).await })
        })
        .collect();
    tokio::task::spawn_blocking({
        let disk = disk.clone();
        move || disk.wait_for_hang()
    })
    .await
    .unwrap();
    disk.set_fault(Fault::SyncFails);
    for proposal in proposals {
        proposal.await.unwrap().unwrap_err();
    }
    assert!(ledger.commands().is_empty());
}

#[tokio::test]
async fn acknowledged_commands_survive_a_power_cut() {
    let disk = FaultBackend::default();
    let consensus = start(&disk, &Ledger::default()).await.unwrap();
    lead(&consensus).await;
    for number in 0..50 {
        consensus.propose(command(number)).await.unwrap();
    }
    disk.set_fault(Fault::SyncFails);
    consensus.propose(command(50)).await.unwrap_err();
    drop(consensus.shutdown().await);
    disk.cut_power(0, false);

    let ledger = Ledger::default();
    let consensus = start(&disk, &ledger).await.unwrap();
    lead(&consensus).await;
    let expected: Vec<_> = (0..50).map(|number| command(number).to_vec()).collect();
    assert_eq!(ledger.commands(), expected);
}

#[test]
fn acknowledged_commands_survive_an_end_without_shutdown() {
    let disk = FaultBackend::default();
    let runtime = Runtime::new().unwrap();
    let consensus = runtime.block_on(async {
        let consensus = start(&disk, &Ledger::default()).await.unwrap();
        lead(&consensus).await;
        for number in 0..50 {
            consensus.propose(command(number)).await.unwrap();
        }
        consensus
    });
    // The tasks end wherever they are, then the log does.
    drop(runtime);
    drop(consensus);

    let ledger = Ledger::default();
    Runtime::new().unwrap().block_on(async {
        let consensus = start(&disk, &ledger).await.unwrap();
        lead(&consensus).await;
        let expected: Vec<_> = (0..50).map(|number| command(number).to_vec()).collect();
        assert_eq!(ledger.commands(), expected);
    });
}

#[tokio::test]
async fn a_damaged_log_refuses_to_start() {
    let disk = FaultBackend::default();
    let consensus = start(&disk, &Ledger::default()).await.unwrap();
    lead(&consensus).await;
    let (index, _) = consensus.propose(command(1)).await.unwrap();
    consensus.propose(command(2)).await.unwrap();
    consensus.shutdown().await.unwrap();
    disk.corrupt(index);
    let error = start(&disk, &Ledger::default()).await.err().unwrap();
    assert!(matches!(error, Error::Corrupt { index: at, .. } if at == index), "{error}");
}

#[tokio::test]
async fn a_panicking_state_machine_stops_the_server() {
    let consensus = start(&FaultBackend::default(), &Ledger::default()).await.unwrap();
    lead(&consensus).await;
    let error = consensus.propose(Bytes::from_static(POISON)).await.unwrap_err();
    assert!(matches!(error, ProposeError::Storage(_) | ProposeError::Shutdown), "{error:?}");
    reach(&consensus, State::Shutdown).await;
    let failure = consensus.status().failure.unwrap();
    assert!(failure.contains("state machine panicked") && failure.contains("poisoned"), "{failure}");
    consensus.shutdown().await.unwrap();
}
