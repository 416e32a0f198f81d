//! One server as its agent sees it: writes, reads that wait, sessions, restore.

#![allow(clippy::expect_used)]

mod common;

use common::DEADLINE;
use server::Server;
use types::method::{
    HealthNodeChecks, KeyRequest, KvApply, KvGet, NodeRequest, SessionApply, SessionGet, SessionSpecificRequest,
    SnapshotRequest, StatusLeader, TxnApply,
};
use types::query::Consistency;
use types::txn::TxnKvOp;
use types::{DirEntry, Key, KvRequest, QueryOptions, Session, SessionOp, SessionRequest, TxnOp, TxnRequest};

fn write(op: &str, key: &str, value: &'static str) -> KvRequest {
    let dir_ent = DirEntry { key: Key::from(key), value: value.into(), ..DirEntry::default() };
    KvRequest { op: op.to_owned(), dir_ent, ..KvRequest::default() }
}

async fn start() -> Server {
    common::start(common::config()).await
}

async fn put(server: &Server, key: &str, value: &'static str) {
    server.call::<KvApply>(write("set", key, value)).await.expect("a write");
}

fn read(key: &str, options: QueryOptions) -> KeyRequest {
    KeyRequest { key: Key::from(key), options }
}

async fn value(server: &Server, key: &str) -> Option<String> {
    let found = server.call::<KvGet>(read(key, QueryOptions::default())).await.expect("a read");
    found.value.map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

#[tokio::test]
async fn a_write_is_read_back_in_every_mode() {
    let server = start().await;
    put(&server, "a", "1").await;
    for consistency in [Consistency::Default, Consistency::Consistent, Consistency::Stale] {
        let options = QueryOptions { consistency, ..QueryOptions::default() };
        let found = server.call::<KvGet>(read("a", options)).await.expect("a read");
        assert_eq!(found.value.expect("the entry").value, "1");
        assert!(found.meta.known_leader);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_blocked_read_wakes_at_its_change() {
    let server = start().await;
    put(&server, "a", "1").await;
    let before = server.call::<KvGet>(read("a", QueryOptions::default())).await.expect("a read").meta.index;
    let options = QueryOptions { min_index: before, max_wait: DEADLINE, ..QueryOptions::default() };
    let waiter = {
        let server = server.clone();
        tokio::spawn(async move { server.call::<KvGet>(read("a", options)).await })
    };
    while server.store().watchers() == 0 {
        tokio::task::yield_now().await;
    }
    put(&server, "other", "x").await;
    assert!(!waiter.is_finished());
    put(&server, "a", "2").await;
    let found = waiter.await.expect("no panic").expect("a read");
    assert_eq!(found.value.expect("the entry").value, "2");
    assert!(found.meta.index > before);
    server.stop().await;
}

#[tokio::test]
async fn a_blocked_read_ends_when_the_server_stops() {
    let server = start().await;
    put(&server, "a", "1").await;
    let options = QueryOptions { min_index: u64::MAX, max_wait: DEADLINE, ..QueryOptions::default() };
    let waiter = {
        let server = server.clone();
        tokio::spawn(async move { server.call::<KvGet>(read("a", options)).await })
    };
    while server.store().watchers() == 0 {
        tokio::task::yield_now().await;
    }
    server.stop().await;
    let found = waiter.await.expect("no panic").expect("what there is");
    assert_eq!(found.value.expect("the entry").value, "1");
}

#[tokio::test]
async fn the_leader_registers_itself() {
    let server = start().await;
    put(&server, "wait-for-leader", "").await;
    let request = |min_index| NodeRequest {
        node: "one".to_owned(),
        options: QueryOptions { min_index, max_wait: DEADLINE, ..QueryOptions::default() },
    };
    let mut checks = server.call::<HealthNodeChecks>(request(0)).await.expect("a read");
    while checks.value.is_empty() {
        checks = server.call::<HealthNodeChecks>(request(checks.meta.index)).await.expect("a read");
    }
    assert_eq!((checks.value[0].check_id.as_str(), checks.value[0].status.as_str()), ("serfHealth", "passing"));
    let leader = server.call::<StatusLeader>(String::new()).await.expect("a leader");
    assert_eq!(leader, "127.0.0.1:8300");
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_by_itself_and_frees_its_lock() {
    let server = start().await;
    let session = Session { node: "one".to_owned(), ttl: "20ms".to_owned(), ..Session::default() };
    let request = SessionRequest { op: SessionOp::Create, session, ..SessionRequest::default() };
    let id = loop {
        match server.call::<SessionApply>(request.clone()).await {
            Ok(id) => break id,
            // The leader has not registered its node yet.
            Err(error) => assert_eq!(error.to_string(), "apply failed: Missing node registration"),
        }
    };
    let mut lock = write("lock", "held", "me");
    lock.dir_ent.session.clone_from(&id);
    assert!(server.call::<KvApply>(lock).await.expect("a lock"));
    let mut index = 1;
    loop {
        let options = QueryOptions { min_index: index, max_wait: DEADLINE, ..QueryOptions::default() };
        let request = SessionSpecificRequest { session_id: id.clone(), options };
        let found = server.call::<SessionGet>(request).await.expect("a read");
        if found.value.is_none() {
            break;
        }
        index = found.meta.index;
    }
    let entry = server.call::<KvGet>(read("held", QueryOptions::default())).await.expect("a read").value;
    assert_eq!(entry.expect("the key stays").session, "");
    server.stop().await;
}

#[tokio::test]
async fn bad_requests_are_refused_in_the_known_words() {
    let server = start().await;
    let refused = |request| async { server.call::<KvApply>(request).await.expect_err("refused").to_string() };
    assert_eq!(refused(write("set", "", "x")).await, "Must provide key");
    assert_eq!(refused(write("frob", "a", "x")).await, "raft apply failed: Invalid KVS operation 'frob'");
    let mut lock = write("lock", "a", "x");
    lock.dir_ent.session = "none".to_owned();
    assert_eq!(refused(lock).await, "raft apply failed: invalid session \"none\"");
    let elsewhere = KvRequest { datacenter: "dc9".to_owned(), ..write("set", "a", "x") };
    assert_eq!(refused(elsewhere).await, "No path to datacenter");
    server.stop().await;
}

#[tokio::test]
async fn a_transaction_is_vetted_before_it_is_run() {
    let server = start().await;
    let op = |verb: &str, key: &str| TxnOp {
        kv: Some(TxnKvOp { verb: verb.to_owned(), dir_ent: DirEntry { key: Key::from(key), ..DirEntry::default() } }),
        ..TxnOp::default()
    };
    let request = TxnRequest { ops: vec![op("set", "a"), op("set", ""), op("get", "none")], ..TxnRequest::default() };
    let response = server.call::<TxnApply>(request).await.expect("an answer");
    let errors: Vec<_> = response.errors.iter().map(|e| (e.op_index, e.what.as_str())).collect();
    assert_eq!(errors, [(1, "Must provide key")]);
    assert_eq!(value(&server, "a").await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_restore_brings_back_what_was_saved() {
    let server = start().await;
    put(&server, "kept", "old").await;
    let saved = server.snapshot_save(&SnapshotRequest::default()).await.expect("an archive");
    put(&server, "kept", "new").await;
    put(&server, "later", "x").await;
    let before = server.call::<KvGet>(read("later", QueryOptions::default())).await.expect("a read").meta.index;
    server.snapshot_restore(&SnapshotRequest::default(), saved.archive).await.expect("a restore");
    assert_eq!(value(&server, "kept").await.as_deref(), Some("old"));
    assert_eq!(value(&server, "later").await, None);
    put(&server, "after", "y").await;
    let after = server.call::<KvGet>(read("after", QueryOptions::default())).await.expect("a read").meta.index;
    assert!(after > before, "the index went back: {after} after {before}");
    server.stop().await;
}

#[tokio::test]
async fn a_bad_archive_changes_nothing() {
    let server = start().await;
    put(&server, "kept", "old").await;
    let garbage = tempfile::tempfile().expect("a file");
    let error = server.snapshot_restore(&SnapshotRequest::default(), garbage).await.expect_err("refused");
    assert!(error.to_string().contains("failed to decompress snapshot"), "{error}");
    assert_eq!(value(&server, "kept").await.as_deref(), Some("old"));
    server.stop().await;
}
