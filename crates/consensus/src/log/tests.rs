//! What the log promises, on a disk that fails on demand.

mod model;

use std::sync::{Arc, mpsc};

use bytes::Bytes;

use super::backend::fault::{Fault, FaultBackend};
use super::backend::memory::MemoryBackend;
use super::*;
use crate::ServerId;

const TERM: u64 = 2;

fn record(index: u64) -> Record {
    let command = Bytes::from(format!("command {index}"));
    Record { id: LogId { term: TERM, index }, body: Body::Command(command) }
}

fn records(range: Range<u64>) -> Vec<Record> {
    range.map(record).collect()
}

fn open(disk: &FaultBackend) -> Result<LogStore, Error> {
    LogStore::open(Arc::new(disk.clone()), None)
}

/// Queues entries; the receiver gets the outcome.
fn append(log: &LogStore, range: Range<u64>) -> mpsc::Receiver<io::Result<()>> {
    let (sender, outcome) = mpsc::channel();
    log.append(records(range), Box::new(move |result| drop(sender.send(result)))).unwrap();
    outcome
}

fn append_and_wait(log: &LogStore, range: Range<u64>) {
    append(log, range).recv().unwrap().unwrap();
}

fn all(log: &LogStore) -> Vec<Record> {
    log.read(0..u64::MAX, usize::MAX).unwrap()
}

fn open_error(disk: &FaultBackend) -> String {
    open(disk).err().expect("open must fail").to_string()
}

#[test]
fn an_append_costs_one_sync() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    let before = disk.syncs();
    append_and_wait(&log, 1..2);
    assert_eq!(disk.syncs(), before + 1);
}

#[test]
fn appends_that_queue_up_share_one_sync() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    let before = disk.syncs();
    disk.set_fault(Fault::SyncHangs);
    let first = append(&log, 1..2);
    disk.wait_for_hang();
    let rest: Vec<_> = (2..257).map(|index| append(&log, index..index + 1)).collect();
    disk.set_fault(Fault::None);
    first.recv().unwrap().unwrap();
    rest.into_iter().for_each(|outcome| outcome.recv().unwrap().unwrap());
    assert_eq!(disk.syncs(), before + 2);
}

#[test]
fn outcomes_are_reported_in_order() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    let (sender, reported) = mpsc::channel();
    for index in 1..200 {
        let sender = sender.clone();
        log.append(records(index..index + 1), Box::new(move |_| sender.send(index).unwrap())).unwrap();
    }
    drop(sender);
    assert!(reported.iter().eq(1..200));
}

#[test]
fn entries_are_readable_before_they_are_durable() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    disk.set_fault(Fault::SyncHangs);
    let outcome = append(&log, 1..2000);
    disk.wait_for_hang();
    assert_eq!(all(&log), records(1..2000));
    assert!(outcome.try_recv().is_err());
    disk.set_fault(Fault::None);
    outcome.recv().unwrap().unwrap();
}

#[test]
fn entries_that_left_the_memory_are_read_back() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    for start in (1..5001).step_by(100) {
        append_and_wait(&log, start..start + 100);
    }
    assert!(log.recent.read().records.len() <= RECENT_ENTRIES + 100);
    assert_eq!(all(&log), records(1..5001));
    assert_eq!(log.read(4990..9000, usize::MAX).unwrap(), records(4990..5001));
    assert_eq!(log.read(10..20, usize::MAX).unwrap(), records(10..20));
}

#[test]
fn a_bounded_read_returns_at_least_one_entry_and_no_hole() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    for start in (1..3001).step_by(100) {
        append_and_wait(&log, start..start + 100);
    }
    for start in [1, 1500, 1990, 2990] {
        for max_bytes in [1, 100, 40_000] {
            let read = log.read(start..3001, max_bytes).unwrap();
            assert!(!read.is_empty());
            assert_eq!(read, records(start..start + read.len() as u64), "from {start}, {max_bytes} bytes");
        }
    }
}

#[test]
fn a_hole_is_not_appended() {
    let log = open(&FaultBackend::default()).unwrap();
    let error = log.append(records(5..6), Box::new(|_| ())).unwrap_err();
    assert_eq!(error.to_string(), "log entry 5 appended where 1 is due");
}

#[test]
fn after_a_failed_write_nothing_is_acknowledged() {
    for fault in [Fault::NoSpace, Fault::SyncFails] {
        let disk = FaultBackend::default();
        let log = open(&disk).unwrap();
        append_and_wait(&log, 1..3);
        disk.set_fault(fault);
        append(&log, 3..4).recv().unwrap().unwrap_err();
        // The disk recovers, but what it holds is unknown.
        disk.set_fault(Fault::None);
        append(&log, 4..5).recv().unwrap().unwrap_err();
        assert!(log.failure().is_some(), "{fault:?}");
        assert!(log.close().is_err(), "{fault:?}");
        disk.cut_power(0, false);
        assert_eq!(all(&open(&disk).unwrap()), records(1..3), "{fault:?}");
    }
}

#[test]
fn acknowledged_entries_survive_a_power_cut() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..100);
    drop(log);
    disk.cut_power(0, false);
    assert_eq!(all(&open(&disk).unwrap()), records(1..100));
}

#[test]
fn a_torn_entry_that_was_never_synced_is_cut_off() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..10);
    disk.set_fault(Fault::SyncFails);
    append(&log, 10..20).recv().unwrap().unwrap_err();
    drop(log);
    disk.cut_power(1, true);
    let log = open(&disk).unwrap();
    assert_eq!(all(&log), records(1..19));
    append_and_wait(&log, 19..25);
    drop(log);
    assert_eq!(all(&open(&disk).unwrap()), records(1..25));
}

#[test]
fn entries_that_a_lying_disk_lost_are_missed() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..10);
    disk.set_fault(Fault::SyncLies);
    append_and_wait(&log, 10..20);
    drop(log);
    disk.cut_power(0, false);
    let expected = "raft log in fault disk is damaged at index 10: the log ends at 9, but entries up to 19 were synced";
    assert_eq!(open_error(&disk), expected);
}

#[test]
fn a_log_that_a_lying_disk_lost_altogether_is_missed() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    disk.set_fault(Fault::SyncLies);
    append_and_wait(&log, 1..20);
    drop(log);
    disk.cut_power(0, false);
    let expected = "raft log in fault disk is damaged at index 1: the log is empty, but entries up to 19 were synced";
    assert_eq!(open_error(&disk), expected);
}

#[test]
fn a_damaged_synced_entry_is_an_error_that_names_it() {
    for index in [1, 5, 9] {
        let disk = FaultBackend::default();
        append_and_wait(&open(&disk).unwrap(), 1..10);
        disk.corrupt(index);
        let error = open_error(&disk);
        let start = format!("raft log in fault disk is damaged at index {index}: checksum mismatch");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn a_missing_synced_entry_is_an_error_that_names_it() {
    let reasons = [(1, "the log begins at 2"), (5, "entry is missing"), (9, "the log ends at 8, but")];
    for (index, reason) in reasons {
        let disk = FaultBackend::default();
        append_and_wait(&open(&disk).unwrap(), 1..10);
        disk.lose(index);
        let error = open_error(&disk);
        let start = format!("raft log in fault disk is damaged at index {index}: {reason}");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn a_damaged_entry_that_a_snapshot_covers_does_not_stop_a_start() {
    let disk = FaultBackend::default();
    append_and_wait(&open(&disk).unwrap(), 1..10);
    disk.corrupt(5);
    let log = LogStore::open(Arc::new(disk), Some(LogId { term: TERM, index: 6 })).unwrap();
    assert_eq!(log.read(6..20, usize::MAX).unwrap(), records(6..10));
    let error = log.read(1..20, usize::MAX).unwrap_err().to_string();
    assert!(error.starts_with("raft log in fault disk is damaged at index 5"), "{error}");
}

#[tokio::test]
async fn a_damaged_vote_is_an_error() {
    let disk = FaultBackend::default();
    let vote = Vote { term: 3, candidate: ServerId::from_bytes([1; 16]), committed: false };
    open(&disk).unwrap().save_vote(vote).await.unwrap();
    disk.corrupt_vote();
    assert_eq!(open_error(&disk), "raft store in fault disk is damaged: Vote: record of 3 bytes is too short");
}

#[tokio::test]
async fn a_saved_vote_survives_a_power_cut() {
    let disk = FaultBackend::default();
    let vote = Vote { term: 3, candidate: ServerId::from_bytes([1; 16]), committed: false };
    open(&disk).unwrap().save_vote(vote).await.unwrap();
    disk.cut_power(0, false);
    assert_eq!(open(&disk).unwrap().vote(), Some(vote));
}

#[tokio::test]
async fn a_truncated_log_ends_where_it_was_cut() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..10);
    log.truncate(4).await.unwrap();
    assert_eq!(log.last(), Some(LogId { term: TERM, index: 4 }));
    append_and_wait(&log, 5..7);
    drop(log);
    disk.cut_power(0, false);
    assert_eq!(all(&open(&disk).unwrap()), records(1..7));
}

#[tokio::test]
async fn purged_entries_leave_the_store() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..2001);
    let upto = LogId { term: TERM, index: 1500 };
    log.purge(upto).await.unwrap();
    assert_eq!(log.purged(), Some(upto));
    assert_eq!(all(&log), records(1501..2001));
    log.close().unwrap();
    assert_eq!(disk.bounds().unwrap(), Some((1501, 2000)));
    let log = open(&disk).unwrap();
    assert_eq!((log.purged(), all(&log)), (Some(upto), records(1501..2001)));
}

#[tokio::test]
async fn an_interrupted_purge_is_finished_by_the_next_start() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..2001);
    let upto = LogId { term: TERM, index: 1500 };
    // Only the note of the purge reaches the disk.
    disk.write(backend::Batch { meta: vec![(MetaKey::Purged, upto.encode())], ..Default::default() }).unwrap();
    disk.sync().unwrap();
    drop(log);
    let log = open(&disk).unwrap();
    assert_eq!(all(&log), records(1501..2001));
    log.close().unwrap();
    assert_eq!(disk.bounds().unwrap(), Some((1501, 2000)));
}

#[tokio::test]
async fn a_log_that_contradicts_a_snapshot_is_cleared() {
    let other_term = LogId { term: TERM + 1, index: 5 };
    let beyond_with_older_term = LogId { term: TERM - 1, index: 50 };
    for snapshot in [other_term, LogId { term: TERM + 1, index: 9 }, beyond_with_older_term] {
        let disk = FaultBackend::default();
        let log = open(&disk).unwrap();
        append_and_wait(&log, 1..10);
        log.settle(snapshot).await.unwrap();
        assert_eq!((log.last(), log.purged(), all(&log)), (Some(snapshot), Some(snapshot), Vec::new()));
        log.close().unwrap();
        assert_eq!(open(&disk).unwrap().last(), Some(snapshot));
    }
}

#[tokio::test]
async fn a_log_that_goes_on_behind_a_snapshot_is_kept() {
    let beyond_the_end = LogId { term: TERM, index: 50 };
    for snapshot in [LogId { term: TERM, index: 5 }, LogId { term: TERM, index: 9 }, beyond_the_end] {
        let log = open(&FaultBackend::default()).unwrap();
        append_and_wait(&log, 1..10);
        log.settle(snapshot).await.unwrap();
        assert_eq!(all(&log), records(1..10), "{snapshot:?}");
    }
}

#[tokio::test]
async fn a_purge_beyond_the_end_moves_the_end() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..10);
    let upto = LogId { term: TERM, index: 50 };
    log.purge(upto).await.unwrap();
    assert_eq!((log.last(), all(&log)), (Some(upto), Vec::new()));
    append_and_wait(&log, 51..53);
    log.close().unwrap();
    assert_eq!(all(&open(&disk).unwrap()), records(51..53));
}

#[test]
fn what_is_committed_is_remembered_by_an_orderly_end() {
    let disk = FaultBackend::default();
    let log = open(&disk).unwrap();
    append_and_wait(&log, 1..10);
    let committed = Some(LogId { term: TERM, index: 7 });
    log.save_committed(committed);
    log.close().unwrap();
    assert_eq!(open(&disk).unwrap().committed(), committed);
}

#[tokio::test]
async fn a_closed_log_refuses_everything() {
    let log = LogStore::open(Arc::new(MemoryBackend::default()), None).unwrap();
    log.close().unwrap();
    let vote = Vote { term: 3, candidate: ServerId::from_bytes([1; 16]), committed: false };
    assert_eq!(log.save_vote(vote).await.unwrap_err().to_string(), "raft log is closed");
}
