//! One writer, many readers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Log, txn_kv};

#[test]
fn readers_see_only_what_is_published() {
    let mut log = Log::new();
    log.apply_only(&common::kv("set", "k", "1", 0, ""));
    assert!(log.store.snapshot().kv_get(b"k").1.is_none());
    assert!(log.writer.snapshot().kv_get(b"k").1.is_some(), "the writer sees its own version");
    log.writer.publish();
    assert!(log.store.snapshot().kv_get(b"k").1.is_some());
}

#[test]
fn a_snapshot_never_changes() {
    let mut log = Log::new();
    log.set("k", "1");
    let (snapshot, bytes) = (log.store.snapshot(), log.bytes());
    log.set("k", "2");
    log.kv("delete-tree", "", "", 0, "");
    let mut now = Vec::new();
    snapshot.write_to(&mut now).unwrap();
    assert_eq!(now, bytes);
}

#[test]
fn readers_on_other_threads_see_transactions_whole() {
    const ROUNDS: u64 = 2_000;
    let mut log = Log::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (store, done) = (log.store.clone(), &done);
                scope.spawn(move || {
                    let mut newest = 0;
                    while !done.load(Ordering::Acquire) {
                        let snapshot = store.snapshot();
                        let value = |key: &[u8]| snapshot.kv_get(key).1.map(|entry| entry.value.clone());
                        assert_eq!(value(b"a"), value(b"b"));
                        let index = snapshot.last_index();
                        assert!(index >= newest, "versions only move forward");
                        newest = index;
                    }
                })
            })
            .collect();
        for round in 0..ROUNDS {
            let value = round.to_string();
            log.txn(vec![txn_kv("set", "a", &value, 0, ""), txn_kv("set", "b", &value, 0, "")]);
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert_eq!(log.store.snapshot().last_index(), ROUNDS);
}
