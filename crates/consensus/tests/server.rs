//! A server of one: its life from bootstrap to shutdown.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail as the test would")]

mod ledger;

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use consensus::{ChangeError, Consensus, Error, ProposeError, ReadError, ServerId, SnapshotPolicy, State, Storage};
use ledger::{ADDRESS, Ledger, ME, config, lead, reach};
use tokio_util::sync::CancellationToken;

fn command(number: u64) -> Bytes {
    Bytes::from(number.to_string())
}

fn commands(numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    numbers.map(|number| command(number).to_vec()).collect()
}

async fn start(storage: Storage, ledger: &Ledger) -> Consensus<Ledger> {
    Consensus::start(config(storage), ledger.clone(), CancellationToken::new()).await.unwrap()
}

fn disk(directory: &Path) -> Storage {
    Storage::Disk(directory.join("raft"))
}

#[tokio::test]
async fn a_server_without_state_waits_to_be_bootstrapped() {
    let consensus = start(Storage::Memory, &Ledger::default()).await;
    assert!(consensus.pristine());
    let status = consensus.status();
    assert_eq!((status.state, status.term, status.last_log_index), (State::Follower, 0, 0));
    assert_eq!(status.members, []);
    assert!(!consensus.is_leader());
    assert_eq!(consensus.propose(command(1)).await, Err(ProposeError::NotLeader { leader: None }));
    assert_eq!(consensus.read_barrier().await, Err(ReadError::NotLeader { leader: None }));
}

#[tokio::test]
async fn indexes_and_terms_count_as_the_references() {
    let consensus = start(Storage::Memory, &Ledger::default()).await;
    lead(&consensus).await;
    // Configuration at 1, the leader's own entry at 2 (`docs/spec/rpc-and-state.md` §9.4).
    let (index, _) = consensus.propose(command(1)).await.unwrap();
    let status = consensus.status();
    assert_eq!((index, status.last_log_index, status.commit_index, status.applied_index), (3, 3, 3, 3));
    assert_eq!((status.term, status.last_log_term, status.configuration_index), (2, 2, 1));
    assert_eq!(status.leader, Some((ME, ADDRESS.to_owned())));
    assert_eq!(status.last_contact, Some(Duration::ZERO));
    assert!(status.members[0].voter && consensus.is_leader());
}

#[tokio::test]
async fn bootstrap_works_once() {
    let consensus = start(Storage::Memory, &Ledger::default()).await;
    lead(&consensus).await;
    assert!(!consensus.pristine());
    let again = consensus.bootstrap(&[(ME, ADDRESS.to_owned(), true)]).await;
    assert!(matches!(again, Err(Error::AlreadyBootstrapped)));
}

#[tokio::test]
async fn a_cluster_is_not_bootstrapped_by_a_server_that_has_no_vote_in_it() {
    let consensus = start(Storage::Memory, &Ledger::default()).await;
    let other = (ServerId::from_bytes([8; 16]), "127.0.0.1:8301".to_owned(), true);
    let two = [other, (ME, ADDRESS.to_owned(), false)];
    assert!(matches!(consensus.bootstrap(&two).await, Err(Error::NotInConfiguration(ME))));
    assert!(matches!(consensus.bootstrap(&two[..1]).await, Err(Error::NotInConfiguration(ME))));
    assert!(matches!(consensus.bootstrap(&two[1..]).await, Err(Error::Configuration(_))));
    assert!(consensus.pristine());
}

#[tokio::test]
async fn a_leader_alone_has_nobody_to_hand_over_to_and_stays_in_the_configuration() {
    let consensus = start(Storage::Memory, &Ledger::default()).await;
    lead(&consensus).await;
    let refused = |text: &str| Err(ChangeError::Refused(text.to_owned()));
    assert_eq!(consensus.transfer_leadership().await, refused("cannot find peer"));
    assert_eq!(consensus.remove(ME).await, refused("need at least one voter in configuration: {[]}"));
    let text = format!("need at least one voter in configuration: {{[{{Nonvoter {ME} {ADDRESS}}}]}}");
    assert_eq!(consensus.demote(ME).await, refused(&text));
    assert!(consensus.status().members[0].voter && consensus.is_leader());
    let before = consensus.status().applied_index;
    consensus.barrier().await.unwrap();
    assert_eq!(consensus.status().applied_index, before + 1);
}

#[tokio::test]
async fn contradictory_timing_is_refused() {
    let mut config = config(Storage::Memory);
    config.timing.heartbeat = config.timing.election_max;
    let error = Consensus::start(config, Ledger::default(), CancellationToken::new()).await.err().unwrap();
    assert!(matches!(error, Error::Config(_)), "{error}");
}

#[tokio::test]
async fn commands_that_are_too_large_are_refused() {
    let consensus = start(Storage::Memory, &Ledger::default()).await;
    lead(&consensus).await;
    let size = Consensus::<Ledger>::MAX_COMMAND_BYTES + 1;
    let refused = consensus.propose(Bytes::from(vec![0; size])).await;
    assert_eq!(refused, Err(ProposeError::TooLarge(size, size - 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_proposals_are_applied_once_each_in_the_order_of_their_indexes() {
    let directory = tempfile::tempdir().unwrap();
    for storage in [Storage::Memory, disk(directory.path())] {
        let ledger = Ledger::default();
        let consensus = start(storage, &ledger).await;
        lead(&consensus).await;
        let proposers: Vec<_> = (0..256_u64)
            .map(|proposer| {
                let consensus = consensus.clone();
                tokio::spawn(async move {
                    let mut last = 0;
                    for round in 0..8 {
                        let (index, _) = consensus.propose(command(proposer * 8 + round)).await.unwrap();
                        assert!(index > last, "a proposer's commands keep their order");
                        last = index;
                    }
                })
            })
            .collect();
        for proposer in proposers {
            proposer.await.unwrap();
        }
        let mut applied = ledger.commands();
        assert!(ledger.indexes().is_sorted_by(|a, b| a < b));
        applied.sort_unstable();
        let mut expected = commands(0..256 * 8);
        expected.sort_unstable();
        assert_eq!(applied, expected);
        consensus.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_restarted_server_has_everything_and_leads_again() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let ledger = Ledger::default();
        let consensus = start(disk(directory.path()), &ledger).await;
        lead(&consensus).await;
        assert_eq!(ledger.commands(), commands(0..round * 10));
        for number in round * 10..round * 10 + 10 {
            consensus.propose(command(number)).await.unwrap();
        }
        consensus.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_changed_address_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let consensus = start(disk(directory.path()), &Ledger::default()).await;
    lead(&consensus).await;
    consensus.shutdown().await.unwrap();
    let mut config = config(disk(directory.path()));
    config.address = "127.0.0.2:8300".to_owned();
    let consensus = Consensus::start(config, Ledger::default(), CancellationToken::new()).await.unwrap();
    reach(&consensus, State::Leader).await;
    while consensus.status().members[0].address != "127.0.0.2:8300" {
        tokio::task::yield_now().await;
    }
    assert_eq!(consensus.status().leader, Some((ME, "127.0.0.2:8300".to_owned())));
    consensus.propose(command(1)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_in_its_own_configuration_does_not_lead() {
    let directory = tempfile::tempdir().unwrap();
    let consensus = start(disk(directory.path()), &Ledger::default()).await;
    lead(&consensus).await;
    consensus.shutdown().await.unwrap();
    let mut config = config(disk(directory.path()));
    config.server_id = ServerId::from_bytes([8; 16]);
    let consensus = Consensus::start(config, Ledger::default(), CancellationToken::new()).await.unwrap();
    assert_eq!(consensus.status().state, State::Follower);
    assert!(matches!(consensus.propose(command(1)).await, Err(ProposeError::NotLeader { .. })));
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let consensus = start(disk(directory.path()), &Ledger::default()).await;
    let second = Consensus::start(config(disk(directory.path())), Ledger::default(), CancellationToken::new()).await;
    assert!(matches!(second.err(), Some(Error::Locked { .. })));
    consensus.shutdown().await.unwrap();
    start(disk(directory.path()), &Ledger::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_under_load_refuses_what_is_left_and_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let consensus = start(disk(directory.path()), &Ledger::default()).await;
    lead(&consensus).await;
    let proposers: Vec<_> = (0..32_u64)
        .map(|proposer| {
            let consensus = consensus.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in (proposer << 32).. {
                    match consensus.propose(command(number)).await {
                        Ok(_) => acknowledged.push(command(number).to_vec()),
                        Err(error) => {
                            assert_eq!(error, ProposeError::Shutdown);
                            return acknowledged;
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    while consensus.status().applied_index < 200 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(20), consensus.shutdown()).await.expect("deadline").unwrap();
    assert_eq!(consensus.status().state, State::Shutdown);

    let ledger = Ledger::default();
    let again = start(disk(directory.path()), &ledger).await;
    lead(&again).await;
    let applied: std::collections::HashSet<_> = ledger.commands().into_iter().collect();
    for proposer in proposers {
        for command in proposer.await.unwrap() {
            assert!(applied.contains(&command));
        }
    }
}

#[tokio::test]
async fn a_cancelled_token_stops_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let token = CancellationToken::new();
    let consensus = Consensus::start(config(disk(directory.path())), Ledger::default(), token.clone()).await.unwrap();
    lead(&consensus).await;
    token.cancel();
    reach(&consensus, State::Shutdown).await;
    consensus.shutdown().await.unwrap();
    assert_eq!(consensus.propose(command(1)).await, Err(ProposeError::Shutdown));
    assert!(matches!(consensus.take_snapshot().await, Err(Error::Shutdown)));
    start(disk(directory.path()), &Ledger::default()).await;
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let consensus = start(disk(directory.path()), &Ledger::default()).await;
    lead(&consensus).await;
    let mut leadership = consensus.leadership();
    drop(consensus);
    leadership.wait_for(|now| now.state == State::Shutdown).await.unwrap();
    start(disk(directory.path()), &Ledger::default()).await;
}

#[tokio::test]
async fn the_directory_stays_small_however_much_is_written() {
    const COMMAND_BYTES: usize = 16 * 1024;
    const ROUNDS: u64 = 40;
    const COMMANDS_PER_ROUND: u64 = 500;
    // 320 MB of commands go through a log that keeps 16 MB of them. fjall starts a new journal file only at 64 MB and
    // keeps the old one until its last memtable is flushed; measured are 45 to 210 MB.
    const BOUND_BYTES: u64 = 256 * 1024 * 1024;

    let directory = tempfile::tempdir().unwrap();
    let mut config = config(disk(directory.path()));
    config.snapshot = SnapshotPolicy { trailing_logs: 1000, ..SnapshotPolicy::default() };
    let consensus = Consensus::start(config, Forgetful, CancellationToken::new()).await.unwrap();
    consensus.bootstrap(&[(ME, ADDRESS.to_owned(), true)]).await.unwrap();
    consensus.leadership().wait_for(|now| now.state == State::Leader).await.unwrap();
    let mut largest = 0;
    for _ in 0..ROUNDS {
        let proposals = (0..COMMANDS_PER_ROUND).map(|_| consensus.propose(Bytes::from(vec![1; COMMAND_BYTES])));
        for outcome in futures_util::future::join_all(proposals).await {
            outcome.unwrap();
        }
        consensus.take_snapshot().await.unwrap();
        largest = largest.max(disk_use(directory.path()));
    }
    assert!(largest < BOUND_BYTES, "{largest} bytes");
    consensus.shutdown().await.unwrap();
}

/// Keeps nothing, so that only the log can grow.
struct Forgetful;

impl consensus::StateMachine for Forgetful {
    type Reply = ();
    type Snapshot = Forgetful;

    fn apply(&mut self, _index: u64, _term: u64, _command: &[u8]) {}

    fn flush(&mut self) {}

    fn snapshot(&self) -> Forgetful {
        Forgetful
    }

    fn restore(&mut self, _from: &mut dyn std::io::Read) -> std::io::Result<()> {
        Ok(())
    }
}

impl consensus::Snapshot for Forgetful {
    fn write_to(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        out.write_all(b"nothing")
    }
}

/// Bytes that the files below a directory take on disk; files that vanish meanwhile count nothing.
fn disk_use(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_use(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}
