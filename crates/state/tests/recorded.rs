//! The same commands at the same indexes give what the reference gave: answers, rows and every index.
//!
//! `fixtures/recorded` holds two `state.bin` files taken from a running Consul 1.14 server, and the commands it
//! applied between them with the answers its HTTP API gave.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Log, command};
use serde::de::DeserializeOwned;
use serde_json::Value;
use state::Outcome;
use types::{
    DeregisterRequest, KvRequest, MessageType, PreparedQueryRequest, RegisterRequest, SessionRequest, TxnRequest,
};

const BEFORE: &[u8] = include_bytes!("fixtures/recorded/before.state.bin");
const AFTER: &[u8] = include_bytes!("fixtures/recorded/after.state.bin");
const COMMANDS: &str = include_str!("fixtures/recorded/commands.jsonl");

struct Recorded {
    index: u64,
    command: Vec<u8>,
    status: u64,
    answer: String,
}

fn recorded() -> impl Iterator<Item = Recorded> {
    COMMANDS.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let payload = &line["payload"];
        let command = match line["type"].as_u64() {
            Some(0) => encode::<RegisterRequest>(MessageType::Register, payload),
            Some(1) => encode::<DeregisterRequest>(MessageType::Deregister, payload),
            Some(2) => encode::<KvRequest>(MessageType::Kvs, payload),
            Some(3) => encode::<SessionRequest>(MessageType::Session, payload),
            Some(7) => encode::<PreparedQueryRequest>(MessageType::PreparedQuery, payload),
            Some(8) => encode::<TxnRequest>(MessageType::Txn, payload),
            other => panic!("command type {other:?}"),
        };
        Recorded {
            index: line["index"].as_u64().unwrap(),
            command,
            status: line["answer"][0].as_u64().unwrap(),
            answer: line["answer"][1].as_str().unwrap().trim().to_owned(),
        }
    })
}

fn encode<T: DeserializeOwned + serde::Serialize>(kind: MessageType, payload: &Value) -> Vec<u8> {
    command(kind, &serde_json::from_value::<T>(payload.clone()).unwrap())
}

fn restored(bytes: &[u8]) -> Log {
    let mut log = Log::new();
    log.writer.restore(&mut &bytes[..]).unwrap();
    log
}

/// The same value with the keys of maps in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let map: BTreeMap<String, Value> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::from_iter(map)
        }
        Value::Array(list) => list.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Each record of a `state.bin` as text.
fn records(bytes: &[u8]) -> BTreeSet<String> {
    let mut reader = wire::msgpack::Reader::new(bytes);
    let header: Value = reader.read_value().unwrap().unwrap();
    let mut records = BTreeSet::from([format!("header {header}")]);
    while let Some(kind) = reader.read_byte().unwrap() {
        let raw = reader.read_raw().unwrap().unwrap();
        let value: Value = wire::msgpack::from_slice(&raw).unwrap_or_else(|_| Value::from(format!("{raw:?}")));
        let text = format!("{kind} {}", sorted(value));
        assert!(!records.contains(&text), "record twice: {text}");
        records.insert(text);
    }
    records
}

#[test]
fn rows_and_indexes_are_the_reference_s() {
    let mut log = restored(BEFORE);
    for recorded in recorded() {
        log.writer.apply(recorded.index, &recorded.command);
    }
    let (ours, theirs) = (records(&log.bytes()), records(&restored(AFTER).bytes()));
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&theirs).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
}

#[test]
fn answers_are_the_reference_s() {
    let mut log = restored(BEFORE);
    for recorded in recorded() {
        let Recorded { index, command, status, answer } = recorded;
        match log.writer.apply(index, &command).outcome {
            Outcome::Error(text) => {
                assert_eq!(status, 500, "{index}: refused with {text}");
                assert_eq!(answer.trim_start_matches("raft apply failed: "), text, "{index}");
            }
            Outcome::Txn(response) => {
                let theirs: Value = serde_json::from_str(&answer).unwrap();
                let ours = serde_json::to_value(&response).unwrap();
                assert_eq!(ours["Errors"], theirs["Errors"], "{index}");
                for (ours, theirs) in list(&ours["Results"]).zip(list(&theirs["Results"])) {
                    assert_eq!(ours["KV"], theirs["KV"], "{index}");
                }
                assert_eq!(list(&ours["Results"]).count(), list(&theirs["Results"]).count(), "{index}");
            }
            Outcome::Bool(done) => assert_eq!(answer, done.to_string(), "{index}"),
            Outcome::Id(id) => assert!(answer.contains(&id), "{index}"),
            Outcome::Nil => assert_eq!(status, 200, "{index}: {answer}"),
            other @ (Outcome::Index(_) | Outcome::Serial(_)) => panic!("{index}: {other:?}"),
        }
    }
}

#[test]
fn a_reference_snapshot_survives_a_round_trip() {
    let first = restored(AFTER).bytes();
    assert_eq!(first, restored(&first).bytes());
    let (ours, theirs) = (records(&first).len(), records(AFTER).len());
    assert_eq!(ours, theirs);
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
