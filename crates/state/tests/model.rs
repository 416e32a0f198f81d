//! Random logs of key, lock, session and transaction commands, against a model that recomputes everything naively.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use common::{Log, check, create_session, destroy_session, kv, node, register, txn, txn_kv};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use state::Outcome;
use types::{DirEntry, TxnResponse};

const KEYS: [&str; 7] = ["", "a", "a/", "a/b", "a/b/c", "ab", "b"];
const SESSIONS: [&str; 3] = ["s0", "s1", "s2"];
/// The check that this session depends on.
const CHECKED_SESSION: &str = "s1";

/// Which index a conditional command asks for.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Zero,
    Current,
    Other,
}

#[derive(Clone, Debug)]
struct Kv {
    op: &'static str,
    key: &'static str,
    value: &'static str,
    wanted: Wanted,
    session: &'static str,
}

#[derive(Clone, Debug)]
enum Command {
    Kv(Kv),
    Txn(Vec<Kv>),
    Create { session: &'static str, behavior: &'static str },
    Destroy(&'static str),
    Critical,
    Passing,
    Reap { back: u64 },
    Restore,
}

fn kv_of(ops: &'static [&'static str]) -> impl Strategy<Value = Kv> {
    let wanted = select(&[Wanted::Zero, Wanted::Current, Wanted::Other][..]);
    let session = select(&["", "s0", "s1", "s2"][..]);
    (select(ops), select(&KEYS[..]), select(&["", "1", "2"][..]), wanted, session)
        .prop_map(|(op, key, value, wanted, session)| Kv { op, key, value, wanted, session })
}

const WRITES: &[&str] = &["set", "cas", "delete", "delete-cas", "delete-tree", "lock", "lock", "unlock"];
const ALL: &[&str] = &[
    "set",
    "cas",
    "delete",
    "delete-cas",
    "delete-tree",
    "lock",
    "unlock",
    "get",
    "get-or-empty",
    "get-tree",
    "check-session",
    "check-index",
    "check-not-exists",
];

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let one = prop_oneof![
        8 => kv_of(WRITES).prop_map(Command::Kv),
        2 => vec(kv_of(ALL), 1..5).prop_map(Command::Txn),
        1 => vec(kv_of(&["set", "get-tree", "delete-tree", "get-or-empty"]), 1..5).prop_map(Command::Txn),
        2 => (select(&SESSIONS[..]), select(&["release", "delete"][..]))
            .prop_map(|(session, behavior)| Command::Create { session, behavior }),
        1 => select(&SESSIONS[..]).prop_map(Command::Destroy),
        1 => Just(Command::Critical),
        1 => Just(Command::Passing),
        1 => (0..10_u64).prop_map(|back| Command::Reap { back }),
        1 => Just(Command::Restore),
    ];
    vec(one, 1..60)
}

#[derive(Clone, Default)]
struct Model {
    entries: BTreeMap<&'static str, DirEntry>,
    tombstones: BTreeMap<&'static str, u64>,
    sessions: BTreeMap<&'static str, &'static str>,
    critical: bool,
    kvs: u64,
    graves: u64,
    sessions_index: u64,
}

impl Model {
    fn current(&self, kv: &Kv) -> u64 {
        match kv.wanted {
            Wanted::Zero => 0,
            Wanted::Current => self.entries.get(kv.key).map_or(0, |e| e.modify_index),
            Wanted::Other => 1_000_000,
        }
    }

    fn write(&mut self, at: u64, kv: &Kv, session: &str, lock_index: u64) -> DirEntry {
        let stored = self.entries.get(kv.key).cloned();
        let mut entry = common::entry(kv.key, kv.value, at, session);
        entry.lock_index = lock_index;
        entry.create_index = stored.as_ref().map_or(at, |s| s.create_index);
        if let Some(stored) = stored {
            let same = DirEntry { modify_index: stored.modify_index, ..entry.clone() };
            if same == stored {
                return stored;
            }
        }
        self.entries.insert(kv.key, entry.clone());
        self.kvs = at;
        entry
    }

    fn bury(&mut self, at: u64, key: &'static str) {
        self.tombstones.insert(key, at);
        self.graves = at;
        self.kvs = at;
    }

    /// Runs one operation: the entry a transaction would report, or the error it would.
    fn run(&mut self, at: u64, kv: &Kv) -> Result<Vec<DirEntry>, String> {
        let (key, wanted) = (kv.key, self.current(kv));
        let stored = self.entries.get(key).cloned();
        let held_by = stored.as_ref().map_or("", |s| s.session.as_str()).to_owned();
        let quoted = format!("\"{key}\"");
        let index_fits = stored.as_ref().map_or(0, |s| s.modify_index) == wanted && (stored.is_some() == (wanted != 0));
        let hide = |entry: DirEntry| Ok(vec![DirEntry { value: Default::default(), ..entry }]);
        match kv.op {
            "set" => hide(self.write(at, kv, &held_by, 0)),
            "cas" if index_fits => hide(self.write(at, kv, &held_by, 0)),
            "cas" => Err(format!("failed to set key {quoted}, index is stale")),
            "delete" | "delete-cas" if stored.is_none() => Ok(vec![]),
            "delete-cas" if !index_fits => Err(format!("failed to delete key {quoted}, index is stale")),
            "delete" | "delete-cas" => {
                self.entries.remove(key);
                self.bury(at, key);
                Ok(vec![])
            }
            "delete-tree" => {
                let before = self.entries.len();
                self.entries.retain(|k, _| !k.starts_with(key));
                if self.entries.len() < before {
                    self.kvs = at;
                    if !key.is_empty() {
                        self.bury(at, key);
                    }
                }
                Ok(vec![])
            }
            "lock" | "unlock" if kv.session.is_empty() => Err("missing session".to_owned()),
            "lock" if !self.sessions.contains_key(kv.session) => Err(format!("invalid session \"{}\"", kv.session)),
            "lock" => {
                let lock_index = stored.as_ref().map_or(0, |s| s.lock_index);
                match held_by.as_str() {
                    "" => hide(self.write(at, kv, kv.session, lock_index + 1)),
                    holder if holder == kv.session => hide(self.write(at, kv, kv.session, lock_index)),
                    _ => Err(format!("failed to lock key {quoted}, lock is already held")),
                }
            }
            "unlock" => match stored {
                Some(stored) if held_by == kv.session => hide(self.write(at, kv, "", stored.lock_index)),
                _ => Err(format!("failed to unlock key {quoted}, lock isn't held, or is held by another session")),
            },
            "get" => stored.map(|s| vec![s]).ok_or(format!("key {quoted} doesn't exist")),
            "get-or-empty" => match stored {
                Some(stored) => Ok(vec![stored]),
                None => Ok(vec![common::entry(key, "", wanted, kv.session)]),
            },
            "get-tree" => Ok(self.entries.iter().filter(|(k, _)| k.starts_with(key)).map(|(_, e)| e.clone()).collect()),
            "check-session" => match stored {
                None => Err(format!("failed to check session, key {quoted} doesn't exist")),
                Some(stored) if stored.session == kv.session => hide(stored),
                Some(stored) => Err(format!(
                    "failed session check for key {quoted}, current session \"{}\" != \"{}\"",
                    stored.session, kv.session
                )),
            },
            "check-index" => match stored {
                None => Err(format!("failed to check index, key {quoted} doesn't exist")),
                Some(stored) if stored.modify_index == wanted => hide(stored),
                Some(stored) => Err(format!(
                    "failed index check for key {quoted}, current modify index {} != {wanted}",
                    stored.modify_index
                )),
            },
            "check-not-exists" if stored.is_some() => Err(format!("key {quoted} exists")),
            "check-not-exists" => Ok(vec![]),
            other => panic!("model does not know {other}"),
        }
    }

    fn end_session(&mut self, at: u64, id: &'static str) {
        let Some(behavior) = self.sessions.remove(id) else { return };
        self.sessions_index = at;
        let held: Vec<_> = self.entries.iter().filter(|(_, e)| e.session == id).map(|(k, _)| *k).collect();
        for key in held {
            if behavior == "delete" {
                self.entries.remove(key);
                self.bury(at, key);
            } else if let Some(entry) = self.entries.get_mut(key) {
                entry.session.clear();
                entry.modify_index = at;
                self.kvs = at;
            }
        }
    }

    fn outcome(&mut self, at: u64, command: &Command) -> Outcome {
        match command {
            Command::Kv(kv) => match (kv.op, self.run(at, kv)) {
                ("lock" | "unlock", Err(text)) if text.contains("session") && !text.contains("failed") => {
                    Outcome::Error(text)
                }
                ("set" | "delete" | "delete-tree", _) => Outcome::Nil,
                (_, result) => Outcome::Bool(result.is_ok()),
            },
            Command::Txn(ops) => {
                let mut copy = self.clone();
                let mut response = TxnResponse::default();
                for (op_index, op) in ops.iter().enumerate() {
                    match copy.run(at, op) {
                        Ok(entries) => {
                            response.results.extend(entries.into_iter().map(|entry| types::TxnResult {
                                kv: Some(entry.into()),
                                ..types::TxnResult::default()
                            }))
                        }
                        Err(what) => response.errors.push(types::TxnError { op_index, what }),
                    }
                }
                if response.errors.is_empty() {
                    *self = copy;
                } else {
                    response.results.clear();
                }
                Outcome::Txn(response)
            }
            Command::Create { session, .. } if *session == CHECKED_SESSION && self.critical => {
                Outcome::Error("Check 'up' is in critical state".to_owned())
            }
            Command::Create { session, behavior } => {
                self.sessions.insert(session, behavior);
                self.sessions_index = at;
                Outcome::Id((*session).to_owned())
            }
            Command::Destroy(session) => {
                self.end_session(at, session);
                Outcome::Nil
            }
            Command::Critical => {
                self.critical = true;
                self.end_session(at, CHECKED_SESSION);
                Outcome::Nil
            }
            Command::Passing => {
                self.critical = false;
                Outcome::Nil
            }
            Command::Reap { back } => {
                self.tombstones.retain(|_, index| *index > at.saturating_sub(*back));
                Outcome::Nil
            }
            Command::Restore => Outcome::Nil,
        }
    }

    fn list(&self, prefix: &str) -> (u64, Vec<DirEntry>) {
        let entries: Vec<_> =
            self.entries.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(_, e)| e.clone()).collect();
        let graves = self.tombstones.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(_, index)| *index);
        let index = entries.iter().map(|e| e.modify_index).chain(graves).max().unwrap_or(0);
        let whole = self.kvs.max(self.graves);
        (if prefix.is_empty() || index == 0 { whole } else { index }, entries)
    }
}

fn encode(model: &Model, at: u64, command: &Command) -> Vec<u8> {
    match command {
        Command::Kv(op) => kv(op.op, op.key, op.value, model.current(op), op.session),
        Command::Txn(ops) => {
            // The index an operation asks for is the one it finds, which depends on the operations before it.
            let mut copy = model.clone();
            let encoded = ops.iter().map(|op| {
                let encoded = txn_kv(op.op, op.key, op.value, copy.current(op), op.session);
                drop(copy.run(at, op));
                encoded
            });
            txn(encoded.collect())
        }
        Command::Create { session, behavior } => {
            let checks: &[&str] = if *session == CHECKED_SESSION { &["up"] } else { &[] };
            create_session(session, "n1", behavior, 0, checks)
        }
        Command::Destroy(session) => destroy_session(session),
        Command::Critical | Command::Restore => register(node("n1").check(check("up", "critical"))),
        Command::Passing => register(node("n1").check(check("up", "passing"))),
        Command::Reap { back } => {
            let reap_index = at.saturating_sub(*back);
            let request = types::command::TombstoneRequest { op: "reap".into(), reap_index, ..Default::default() };
            common::command(types::MessageType::Tombstone, &request)
        }
    }
}

fn compare(log: &Log, model: &Model) {
    let snapshot = log.store.snapshot();
    for key in KEYS {
        let (index, entry) = snapshot.kv_get(key.as_bytes());
        let expected = model.entries.get(key);
        assert_eq!(entry.as_deref(), expected, "get {key:?}");
        let whole = model.kvs.max(model.graves);
        assert_eq!(index, expected.map_or(whole, |e| e.modify_index), "index of {key:?}");
        let (index, entries) = snapshot.kv_list(key.as_bytes());
        let listed = (index, entries.iter().map(|e| DirEntry::clone(e)).collect::<Vec<_>>());
        assert_eq!(listed, model.list(key), "list {key:?}");
        assert_eq!(snapshot.kv_keys(key.as_bytes(), b"/").0, index, "index of the keys under {key:?}");
    }
    let (index, sessions) = snapshot.sessions();
    assert_eq!(index, model.sessions_index);
    assert!(sessions.iter().map(|s| s.id.as_str()).eq(model.sessions.keys().copied()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_answers_like_the_model(commands in commands()) {
        let mut log = Log::new();
        let mut twin = Log::new();
        for log in [&mut log, &mut twin] {
            log.ok(&register(node("n1").check(check("up", "passing"))));
        }
        let mut model = Model::default();
        for command in &commands {
            if matches!(command, Command::Restore) {
                let bytes = log.bytes();
                let next = log.next;
                log = Log::new();
                log.writer.restore(&mut bytes.as_slice()).unwrap();
                log.next = next;
                prop_assert_eq!(log.bytes(), bytes);
                continue;
            }
            let at = log.next;
            let encoded = encode(&model, at, command);
            let applied = log.apply(&encoded);
            prop_assert_eq!(applied.index, at);
            prop_assert_eq!(applied.outcome, model.outcome(at, command));
            twin.apply(&encoded);
            compare(&log, &model);
        }
        prop_assert_eq!(log.bytes(), twin.bytes(), "a twin that was never restored");
    }
}
