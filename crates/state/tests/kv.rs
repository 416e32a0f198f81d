//! Rules of keys, values, tombstones, sessions and locks (`docs/spec/rpc-and-state.md` §7.2, §7.3).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::Duration;

use common::{Log, check, create_session, entry, kv, node, query, register};
use state::{Effect, Outcome};
use types::{Key, KvRequest, MessageType, PreparedQuery};

fn keys(log: &Log, prefix: &str, separator: &str) -> Vec<String> {
    let (_, keys) = log.store.snapshot().kv_keys(prefix.as_bytes(), separator.as_bytes());
    keys.iter().map(Key::to_string).collect()
}

#[test]
fn a_plain_put_on_a_held_key_keeps_the_holder_and_takes_the_request_s_lock_index() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let session = log.session("n1", "release", 0, &[]);
    log.kv("lock", "k", "1", 0, &session);
    log.set("k", "2");
    let (_, stored) = log.store.snapshot().kv_get(b"k");
    let stored = stored.unwrap();
    assert_eq!((stored.lock_index, stored.session.as_str()), (0, session.as_str()));
}

#[test]
fn cas_compares_the_modify_index_and_zero_means_absent() {
    let mut log = Log::new();
    assert_eq!(log.kv("cas", "k", "1", 5, ""), Outcome::Bool(false));
    assert_eq!(log.kv("cas", "k", "1", 0, ""), Outcome::Bool(true));
    assert_eq!(log.kv("cas", "k", "2", 0, ""), Outcome::Bool(false));
    let (index, _) = log.store.snapshot().kv_get(b"k");
    assert_eq!(log.kv("cas", "k", "2", index + 1, ""), Outcome::Bool(false));
    assert_eq!(log.kv("cas", "k", "2", index, ""), Outcome::Bool(true));
}

#[test]
fn delete_cas_of_an_absent_key_counts_as_done() {
    let mut log = Log::new();
    assert_eq!(log.kv("delete-cas", "k", "", 9, ""), Outcome::Bool(true));
    let index = log.set("k", "1");
    assert_eq!(log.kv("delete-cas", "k", "", index + 1, ""), Outcome::Bool(false));
    assert_eq!(log.kv("delete-cas", "k", "", index, ""), Outcome::Bool(true));
    assert!(log.store.snapshot().kv_get(b"k").1.is_none());
}

#[test]
fn an_unknown_operation_is_refused_by_name() {
    let mut log = Log::new();
    let request = KvRequest { op: "frob".into(), dir_ent: entry("k", "", 0, ""), ..KvRequest::default() };
    let text = log.refused(&common::command(MessageType::Kvs, &request));
    assert_eq!(text, "Invalid KVS operation 'frob'");
}

#[test]
fn keys_are_cut_after_the_separator_and_listed_once() {
    let mut log = Log::new();
    for key in ["a", "a/", "a/b", "a/b/c", "a/b/d", "a/e", "b"] {
        log.set(key, "");
    }
    let cases: [(&str, &str, &[&str]); 5] = [
        ("", "/", &["a", "a/", "b"]),
        ("a/", "/", &["a/", "a/b", "a/b/", "a/e"]),
        ("a/b", "", &["a/b", "a/b/c", "a/b/d"]),
        ("a/b", "/", &["a/b", "a/b/"]),
        ("c", "/", &[]),
    ];
    for (prefix, separator, expected) in cases {
        assert_eq!(keys(&log, prefix, separator), expected, "{prefix:?} {separator:?}");
    }
}

#[test]
fn keys_may_be_any_bytes() {
    let mut log = Log::new();
    let key = Key::from(&[0xff, 0, b'/', 0xc3][..]);
    let mut dir_ent = entry("", "v", 0, "");
    dir_ent.key = key.clone();
    let request = KvRequest { op: "set".into(), dir_ent, ..KvRequest::default() };
    log.ok(&common::command(MessageType::Kvs, &request));
    let (_, listed) = log.store.snapshot().kv_list(&[0xff]);
    assert_eq!(listed[0].key, key);
}

#[test]
fn a_prefix_s_index_is_its_newest_entry_or_tombstone() {
    let mut log = Log::new();
    let a = log.set("a/1", "1");
    let b = log.set("b/1", "1");
    assert_eq!(log.store.snapshot().kv_list(b"a/").0, a);
    assert_eq!(log.store.snapshot().kv_keys(b"a/", b"/").0, a);
    log.kv("delete", "a/1", "", 0, "");
    let deleted = b + 1;
    let c = log.set("c", "1");
    let snapshot = log.store.snapshot();
    assert_eq!(snapshot.kv_list(b"a/").0, deleted);
    assert_eq!(snapshot.kv_list(b"b/").0, b);
    assert_eq!(snapshot.kv_list(b"").0, c);
    assert_eq!(snapshot.kv_list(b"zz").0, c, "nothing there: the whole store's");
    assert_eq!(snapshot.kv_get(b"zz").0, c);
}

#[test]
fn a_tree_delete_leaves_one_tombstone_for_the_prefix_and_none_for_everything() {
    let mut log = Log::new();
    log.set("a/1", "1");
    log.set("a/2", "1");
    let effects = log.apply(&kv("delete-tree", "a/", "", 0, "")).effects;
    assert_eq!(effects, [Effect::Tombstoned { index: 3 }]);
    assert_eq!(log.store.snapshot().kv_list(b"a/").0, 3);
    log.set("b", "1");
    assert_eq!(log.apply(&kv("delete-tree", "", "", 0, "")).effects, []);
    assert_eq!((log.index("kvs"), log.index("tombstones")), (5, 3));
    assert_eq!(log.apply(&kv("delete-tree", "none/", "", 0, "")).effects, []);
    assert_eq!(log.index("kvs"), 5);
}

#[test]
fn reaping_lets_a_prefix_s_index_go_down() {
    let mut log = Log::new();
    let kept = log.set("a/1", "1");
    log.set("a/2", "1");
    log.kv("delete", "a/2", "", 0, "");
    let deleted = log.index("tombstones");
    assert_eq!(log.store.snapshot().kv_list(b"a/").0, deleted);
    log.reap(deleted - 1);
    assert_eq!(log.store.snapshot().kv_list(b"a/").0, deleted);
    log.reap(deleted);
    assert_eq!(log.store.snapshot().kv_list(b"a/").0, kept);
}

#[test]
fn locks_pass_from_holder_to_holder() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let one = log.session("n1", "release", 0, &[]);
    let two = log.session("n1", "release", 0, &[]);
    assert_eq!(log.kv("lock", "k", "1", 0, &one), Outcome::Bool(true));
    assert_eq!(log.kv("lock", "k", "2", 0, &one), Outcome::Bool(true), "again by the holder");
    assert_eq!(log.kv("lock", "k", "x", 0, &two), Outcome::Bool(false));
    assert_eq!(log.kv("unlock", "k", "x", 0, &two), Outcome::Bool(false));
    assert_eq!(log.kv("unlock", "k", "3", 0, &one), Outcome::Bool(true));
    assert_eq!(log.kv("unlock", "k", "x", 0, &one), Outcome::Bool(false));
    assert_eq!(log.kv("lock", "k", "4", 0, &two), Outcome::Bool(true));
    let (_, stored) = log.store.snapshot().kv_get(b"k");
    let stored = stored.unwrap();
    assert_eq!((stored.lock_index, stored.session.as_str(), &stored.value[..]), (2, two.as_str(), &b"4"[..]));
}

#[test]
fn locking_without_a_valid_session_is_refused() {
    let mut log = Log::new();
    for op in ["lock", "unlock"] {
        assert_eq!(log.refused(&kv(op, "k", "", 0, "")), "missing session");
    }
    assert_eq!(log.refused(&kv("lock", "k", "", 0, "no\"pe")), r#"invalid session "no\"pe""#);
}

#[test]
fn the_end_of_a_session_releases_or_deletes_its_keys() {
    for (behavior, survives) in [("release", true), ("", true), ("delete", false)] {
        let mut log = Log::new();
        log.ok(&register(node("n1")));
        let session = log.session("n1", behavior, 90, &[]);
        log.kv("lock", "k1", "v", 0, &session);
        log.kv("lock", "k2", "v", 0, &session);
        let index = log.next;
        let effects = log.destroy(&session);
        let stored = log.store.snapshot().kv_get(b"k1").1;
        assert_eq!(stored.is_some(), survives, "{behavior}");
        if let Some(stored) = stored {
            assert_eq!((stored.session.as_str(), stored.lock_index, stored.modify_index), ("", 1, index));
        }
        let delays: Vec<_> = effects.iter().filter(|e| matches!(e, Effect::LockDelay { .. })).collect();
        let delay = Duration::from_secs(60);
        assert_eq!(
            delays,
            [&Effect::LockDelay { key: "k1".into(), delay }, &Effect::LockDelay { key: "k2".into(), delay }]
        );
        assert_eq!(effects.last(), Some(&Effect::SessionDestroyed { id: session }));
    }
}

#[test]
fn no_lock_delay_without_one_and_none_on_unlock() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let session = log.session("n1", "release", 0, &[]);
    log.kv("lock", "k", "v", 0, &session);
    assert_eq!(log.apply(&kv("unlock", "k", "v", 0, &session)).effects, []);
    log.kv("lock", "k", "v", 0, &session);
    assert_eq!(log.destroy(&session), [Effect::SessionDestroyed { id: session }]);
}

#[test]
fn what_ends_a_session() {
    type Case = (&'static str, fn(&mut Log), bool);
    let cases: [Case; 7] = [
        ("its check critical", |log| log.ok(&register(node("n1").check(check("up", "critical")))), true),
        ("its check warning", |log| log.ok(&register(node("n1").check(check("up", "warning")))), false),
        ("another check critical", |log| log.ok(&register(node("n1").check(check("other", "critical")))), false),
        ("its check gone", |log| log.deregister("N1", "", "UP"), true),
        ("its node gone", |log| log.deregister("n1", "", ""), true),
        ("its node renamed", |log| log.ok(&register(node("n2").id("11111111-2222-3333-4444-555555555555"))), true),
        ("its node changed", |log| log.ok(&register(node("n1").address("10.9.9.9"))), false),
    ];
    for (name, cause, ends) in cases {
        let mut log = Log::new();
        let id = "11111111-2222-3333-4444-555555555555";
        log.ok(&register(node("n1").id(id).check(check("up", "passing"))));
        let session = log.session("n1", "release", 0, &["up"]);
        cause(&mut log);
        let (index, found) = log.store.snapshot().session(&session);
        assert_eq!(found.is_none(), ends, "{name}");
        assert_eq!(index == log.next - 1, ends, "{name}");
    }
}

#[test]
fn a_critical_status_applied_again_ends_sessions_though_the_check_is_unchanged() {
    let mut log = Log::new();
    log.ok(&register(node("n1").check(check("up", "passing"))));
    let session = log.session("n1", "release", 0, &["up"]);
    log.ok(&register(node("n1").check(check("up", "critical"))));
    assert!(log.store.snapshot().session(&session).1.is_none());
    let modified = log.store.snapshot().node_check("", "n1", "up").1.unwrap().modify_index;
    log.ok(&register(node("n1").check(check("up", "critical"))));
    assert_eq!(log.store.snapshot().node_check("", "n1", "up").1.unwrap().modify_index, modified);
}

#[test]
fn sessions_need_a_node_and_live_checks() {
    let mut log = Log::new();
    log.ok(&register(node("n1").check(check("bad", "critical"))));
    let cases = [
        (create_session("", "n1", "", 0, &[]), "missing session ID"),
        (create_session("s", "n1", "keep", 0, &[]), "Invalid session behavior: keep"),
        (create_session("s", "n9", "", 0, &[]), "Missing node registration"),
        (create_session("s", "n1", "", 0, &["none"]), "Missing check 'none' registration"),
        (create_session("s", "n1", "", 0, &["bad"]), "Check 'bad' is in critical state"),
    ];
    for (command, text) in cases {
        assert_eq!(log.refused(&command), text);
    }
    assert_eq!(log.store.snapshot().sessions(), (0, vec![]));
}

#[test]
fn destroying_an_unknown_session_changes_nothing() {
    let mut log = Log::new();
    assert_eq!(log.destroy("nope"), []);
    assert_eq!(log.index("sessions"), 0);
}

#[test]
fn a_session_takes_its_prepared_queries_with_it() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let session = log.session("n1", "release", 0, &[]);
    let bound = PreparedQuery { id: "q1".into(), session: session.clone(), ..PreparedQuery::default() };
    log.ok(&query("create", bound));
    log.ok(&query("create", PreparedQuery { id: "q2".into(), name: "free".into(), ..PreparedQuery::default() }));
    log.destroy(&session);
    let (index, left) = log.store.snapshot().prepared_queries();
    assert_eq!((index, left.len(), left[0].id.as_str()), (log.next - 1, 1, "q2"));
}

#[test]
fn sessions_are_found_by_node_whatever_the_case() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    log.ok(&register(node("n10")));
    let one = log.session("N1", "release", 0, &[]);
    log.session("n10", "release", 0, &[]);
    let (_, found) = log.store.snapshot().node_sessions("n1");
    assert_eq!(found.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), [one]);
}

#[test]
fn a_reader_of_nothing_waits_for_what_shares_most_with_its_prefix() {
    let mut log = Log::new();
    for key in ["config/shop/greeting", "config/shop/size", "other"] {
        log.set(key, "x");
    }
    let cases = [
        ("config/application/", "config/"),
        ("config/shop/", "config/shop/"),
        ("config/shop/greetings", "config/shop/greeting"),
        ("zebra", ""),
        ("o", "o"),
    ];
    for (prefix, waits_for) in cases {
        let topic = log.store.snapshot().kv_list_topic(prefix.as_bytes());
        assert_eq!(topic, state::Topic::key_prefix(waits_for.as_bytes()), "{prefix}");
    }
}
