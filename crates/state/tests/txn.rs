//! Transactions: all or nothing (`docs/spec/http-api.md` §7). Every error text is checked by `tests/recorded.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Log, check, node, register, service, txn_kv};
use state::Effect;
use types::txn::{TxnCheckOp, TxnNodeOp, TxnServiceOp};
use types::{HealthCheck, Node, TxnError, TxnOp};

fn set_node(name: &str, address: &str) -> TxnOp {
    let node = Node { node: name.into(), address: address.into(), ..Node::default() };
    TxnOp { node: Some(TxnNodeOp { verb: "set".into(), node }), ..TxnOp::default() }
}

#[test]
fn each_operation_sees_what_the_earlier_ones_did() {
    let mut log = Log::new();
    let mut web = service("web").0;
    web.port = 80;
    let check = HealthCheck { node: "n1".into(), service_id: "web".into(), ..check("up", "passing").0 };
    let response = log.txn(vec![
        set_node("n1", "10.0.0.1"),
        TxnOp {
            service: Some(TxnServiceOp { verb: "set".into(), node: "n1".into(), service: web }),
            ..TxnOp::default()
        },
        TxnOp { check: Some(TxnCheckOp { verb: "set".into(), check }), ..TxnOp::default() },
        txn_kv("set", "k", "v", 0, ""),
        txn_kv("get", "k", "", 0, ""),
    ]);
    assert_eq!(response.errors, []);
    let check = response.results[2].check.as_ref().unwrap();
    assert_eq!((check.service_name.as_str(), check.modify_index), ("web", 1));
    assert!(response.results[3].kv.as_ref().unwrap().value.is_empty());
    assert_eq!(&response.results[4].kv.as_ref().unwrap().value[..], b"v");
}

#[test]
fn a_failure_undoes_everything_and_every_failure_is_reported() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let session = log.session("n1", "release", 10, &[]);
    log.kv("lock", "held", "v", 0, &session);
    let before = log.bytes();
    let mut doomed = set_node("n1", "");
    doomed.node.as_mut().unwrap().verb = "delete".into();
    let applied = log.apply(&common::txn(vec![
        txn_kv("set", "k", "v", 0, ""),
        txn_kv("get", "none", "", 0, ""),
        doomed,
        txn_kv("check-index", "k", "", 9, ""),
    ]));
    let state::Outcome::Txn(response) = applied.outcome else { panic!("not a transaction") };
    let error = |op_index, what: &str| TxnError { op_index, what: what.into() };
    assert_eq!(response.results, []);
    assert_eq!(
        response.errors,
        [
            error(1, "key \"none\" doesn't exist"),
            error(3, "failed index check for key \"k\", current modify index 4 != 9")
        ]
    );
    assert_eq!(applied.effects, [], "no session ended");
    assert_eq!(log.bytes(), before);
}

#[test]
fn an_identical_set_keeps_the_old_index_in_its_result() {
    let mut log = Log::new();
    let index = log.set("k", "v");
    let response = log.txn(vec![txn_kv("set", "k", "v", 0, "")]);
    assert_eq!(response.results[0].kv.as_ref().unwrap().modify_index, index);
}

#[test]
fn what_a_transaction_ends_leaves_its_effects() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let session = log.session("n1", "release", 0, &[]);
    let mut delete = set_node("n1", "");
    delete.node.as_mut().unwrap().verb = "delete".into();
    let applied = log.apply(&common::txn(vec![delete]));
    assert_eq!(applied.effects, [Effect::SessionDestroyed { id: session }]);
}

#[test]
fn sessions_and_intentions_are_no_operations() {
    let mut log = Log::new();
    // As an old client would send it: a member this version does not know.
    let command = b"\x08\x81\xa3Ops\x91\x81\xa7Session\x81\xa4Verb\xa6delete";
    let state::Outcome::Txn(response) = log.apply(command).outcome else { panic!("not a transaction") };
    assert_eq!(response.errors, [TxnError { op_index: 0, what: "no operation specified".into() }]);
}

#[test]
fn a_read_only_transaction_reads_and_refuses_to_write() {
    let mut log = Log::new();
    log.set("a/1", "1");
    log.set("a/2", "2");
    let snapshot = log.store.snapshot();
    let response = snapshot.txn_read(vec![txn_kv("get-tree", "a/", "", 0, ""), txn_kv("get-or-empty", "b", "", 0, "")]);
    let keys: Vec<_> = response.results.iter().map(|r| r.kv.as_ref().unwrap().key.to_string()).collect();
    assert_eq!(keys, ["a/1", "a/2", "b"]);
    let response = snapshot.txn_read(vec![txn_kv("get", "a/1", "", 0, ""), txn_kv("set", "a/1", "x", 0, "")]);
    assert_eq!((response.results.len(), response.errors.len(), response.errors[0].op_index), (0, 1, 1));
}

#[test]
fn a_node_is_found_by_its_id_alone() {
    let mut log = Log::new();
    let id = "11111111-2222-3333-4444-555555555555";
    log.ok(&register(node("n1").id(id)));
    let wanted = Node { id: id.into(), ..Node::default() };
    let op = TxnOp { node: Some(TxnNodeOp { verb: "get".into(), node: wanted }), ..TxnOp::default() };
    let response = log.store.snapshot().txn_read(vec![op]);
    assert_eq!(response.results[0].node.as_ref().unwrap().node, "n1");
}
