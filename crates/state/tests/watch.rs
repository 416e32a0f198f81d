//! Who is woken by what, and how often.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use common::{Log, check, node, register, service};
use state::{Store, Topic, Watch};

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A parked waiter that counts how often it is woken.
struct Waiting {
    watch: Watch,
    wakes: Arc<Counter>,
}

impl Waiting {
    fn new(store: &Store, topics: impl IntoIterator<Item = Topic>) -> Waiting {
        let mut waiting = Waiting { watch: store.watch(topics), wakes: Arc::default() };
        assert!(!waiting.poll(), "a new watch must wait");
        waiting
    }

    fn poll(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.wakes));
        Pin::new(&mut self.watch).poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_key_waiter_wakes_for_its_key_only() {
    let mut log = Log::new();
    let mut waiting = Waiting::new(&log.store, [Topic::key(b"a/b")]);
    log.set("a/c", "1");
    log.set("a", "1");
    log.set("a/b/c", "1");
    assert_eq!((waiting.wakes(), waiting.poll()), (0, false));
    log.set("a/b", "1");
    assert_eq!((waiting.wakes(), waiting.poll()), (1, true));
}

#[test]
fn a_prefix_waiter_wakes_for_keys_under_it_only() {
    for (key, wakes) in [("a/", 1), ("a/b", 1), ("a/b/c", 1), ("a", 0), ("b", 0), ("A/b", 0)] {
        let mut log = Log::new();
        let waiting = Waiting::new(&log.store, [Topic::key_prefix(b"a/")]);
        log.set(key, "1");
        assert_eq!(waiting.wakes(), wakes, "{key}");
    }
}

#[test]
fn the_empty_prefix_stands_for_every_key() {
    let mut log = Log::new();
    let waiting = Waiting::new(&log.store, [Topic::key_prefix(b"")]);
    log.set("x", "1");
    assert_eq!(waiting.wakes(), 1);
}

#[test]
fn deletes_and_tree_deletes_wake_those_who_wait_for_the_keys() {
    let mut log = Log::new();
    log.set("a/1", "1");
    log.set("b/1", "1");
    let one = Waiting::new(&log.store, [Topic::key(b"a/1")]);
    let tree = Waiting::new(&log.store, [Topic::key_prefix(b"a/")]);
    let outer = Waiting::new(&log.store, [Topic::key_prefix(b"b")]);
    let other = Waiting::new(&log.store, [Topic::key_prefix(b"c")]);
    log.kv("delete", "a/1", "", 0, "");
    log.kv("delete-tree", "b/", "", 0, "");
    assert_eq!([one.wakes(), tree.wakes(), outer.wakes(), other.wakes()], [1, 1, 1, 0]);
}

#[test]
fn an_identical_put_wakes_nobody() {
    let mut log = Log::new();
    log.set("k", "1");
    let waiting = Waiting::new(&log.store, [Topic::key(b"k"), Topic::key_prefix(b"")]);
    let index = log.store.snapshot().last_index();
    log.set("k", "1");
    assert_eq!((waiting.wakes(), log.store.snapshot().last_index()), (0, index));
}

#[test]
fn one_publish_wakes_a_waiter_once_whatever_it_touches() {
    let mut log = Log::new();
    let waiting = Waiting::new(&log.store, [Topic::key(b"a"), Topic::key(b"b"), Topic::key_prefix(b"")]);
    log.apply_only(&common::kv("set", "a", "1", 0, ""));
    log.apply_only(&common::kv("set", "b", "1", 0, ""));
    assert_eq!(waiting.wakes(), 0, "nothing is visible before the publish");
    log.writer.publish();
    assert_eq!(waiting.wakes(), 1);
    log.set("a", "2");
    assert_eq!(waiting.wakes(), 1, "a watch fires once");
}

#[test]
fn a_watch_made_before_the_snapshot_misses_nothing() {
    let mut log = Log::new();
    let mut watch = Waiting::new(&log.store, [Topic::key(b"k")]);
    let snapshot = log.store.snapshot();
    log.set("k", "1");
    assert!(snapshot.kv_get(b"k").1.is_none());
    assert!(watch.poll());
}

#[test]
fn a_dropped_watch_leaves_nothing_behind() {
    let mut log = Log::new();
    let kept = Waiting::new(&log.store, [Topic::key_prefix(b"a")]);
    let dropped = Waiting::new(&log.store, [Topic::key_prefix(b"a"), Topic::nodes("")]);
    assert_eq!(log.store.watchers(), 2);
    let counter = Arc::clone(&dropped.wakes);
    drop(dropped);
    assert_eq!(log.store.watchers(), 1);
    log.set("a", "1");
    assert_eq!((kept.wakes(), counter.0.load(Ordering::Relaxed)), (1, 0));
    drop(kept);
    assert_eq!(log.store.watchers(), 0);
}

#[test]
fn a_refused_transaction_wakes_nobody() {
    let mut log = Log::new();
    let waiting = Waiting::new(&log.store, [Topic::key(b"k")]);
    log.txn(vec![common::txn_kv("set", "k", "1", 0, ""), common::txn_kv("get", "missing", "", 0, "")]);
    log.set("other", "1");
    assert_eq!(waiting.wakes(), 0);
}

#[test]
fn a_restore_wakes_everyone() {
    let mut log = Log::new();
    let mut bytes = Vec::new();
    log.store.snapshot().write_to(&mut bytes).unwrap();
    let waiting = Waiting::new(&log.store, [Topic::key(b"k")]);
    let idle = log.store.watch([Topic::sessions()]);
    log.writer.restore(&mut bytes.as_slice()).unwrap();
    assert_eq!(waiting.wakes(), 1);
    let mut late = Waiting { watch: idle, wakes: Arc::default() };
    assert!(late.poll(), "fired before it was first polled");
}

#[test]
fn catalog_writes_wake_those_whose_answer_changes() {
    type Case = (&'static str, fn(&mut Log), &'static [&'static str]);
    let cases: [Case; 7] = [
        ("the same again", |log| log.ok(&register(node("n1").service(service("web")))), &[]),
        (
            "another instance",
            |log| log.ok(&register(node("n2").service(service("web")))),
            &["kind typical", "nodes", "services", "web"],
        ),
        (
            "another service on the node",
            |log| log.ok(&register(node("n1").service(service("db")))),
            &["kind typical", "node", "services"],
        ),
        (
            "a service check",
            |log| log.ok(&register(node("n1").check(check("web-up", "critical").of("web")))),
            &["checks", "checks web", "kind typical", "node checks", "web"],
        ),
        (
            "a node check",
            |log| log.ok(&register(node("n1").check(check("disk", "warning")))),
            &["checks", "connect web", "kind proxy", "kind typical", "node checks", "proxy", "web"],
        ),
        (
            "the node's address",
            |log| log.ok(&register(node("n1").address("10.9.9.9"))),
            &["connect web", "kind proxy", "kind typical", "node", "nodes", "proxy", "web"],
        ),
        (
            "the node goes",
            |log| log.deregister("n1", "", ""),
            &[
                "checks",
                "checks web",
                "connect web",
                "kind proxy",
                "kind typical",
                "node",
                "node checks",
                "nodes",
                "proxy",
                "services",
                "web",
            ],
        ),
    ];
    for (name, write, expected) in cases {
        let mut log = Log::new();
        log.ok(&register(node("n1").service(service("web")).check(check("web-up", "passing").of("web"))));
        log.ok(&register(node("n1").service(service("proxy").proxy_for("web"))));
        let topics = [
            ("checks", Topic::checks("")),
            ("checks web", Topic::service_checks("", "Web")),
            ("connect web", Topic::connect("", "web")),
            ("kind proxy", Topic::service_kind("", "connect-proxy")),
            ("kind typical", Topic::service_kind("", "")),
            ("node", Topic::node("", "N1")),
            ("node checks", Topic::node_checks("", "n1")),
            ("nodes", Topic::nodes("")),
            ("proxy", Topic::service("", "proxy")),
            ("services", Topic::services("")),
            ("web", Topic::service("", "web")),
        ];
        let waiting: Vec<_> =
            topics.into_iter().map(|(name, topic)| (name, Waiting::new(&log.store, [topic]))).collect();
        write(&mut log);
        let woken: Vec<_> = waiting.iter().filter(|(_, w)| w.wakes() > 0).map(|(name, _)| *name).collect();
        assert_eq!(woken, expected, "{name}");
    }
}

#[test]
fn who_watches_a_service_is_never_woken_by_another() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web")).check(check("web-up", "passing").of("web"))));
    log.ok(&register(node("n1").service(service("web-proxy").proxy_for("web"))));
    log.ok(&register(node("n1").service(service("native").native())));
    let waiting = [
        Topic::service("", "web"),
        Topic::service("", "none"),
        Topic::service_checks("", "web"),
        Topic::connect("", "web"),
        Topic::connect("", "native"),
        Topic::connect("", "none"),
    ]
    .map(|topic| Waiting::new(&log.store, [topic]));
    for n in 0..100 {
        let port = n.to_string();
        log.ok(&register(node("n2").address(&format!("10.0.0.{n}")).service(service("db").tags(&[&port]))));
        log.ok(&register(node("n2").service(service("db-proxy").proxy_for("db").tags(&[&port]))));
        log.ok(&register(node("n2").check(check("db-up", if n % 2 == 0 { "passing" } else { "critical" }).of("db"))));
        log.ok(&register(node("n1").service(service("other-proxy").proxy_for("other").tags(&[&port]))));
        log.deregister("n2", "db-proxy", "");
        log.deregister("n2", "db", "");
    }
    log.deregister("n2", "", "");
    assert_eq!(waiting.map(|waiting| waiting.wakes()), [0; 6]);
}

#[test]
fn lists_of_the_whole_catalog_wake_for_what_they_show() {
    type Case = (&'static str, fn(&mut Log), [usize; 3]);
    let cases: [Case; 5] = [
        ("a check", |log| log.ok(&register(node("n1").check(check("disk", "warning")))), [0, 0, 1]),
        ("the same check", |log| log.ok(&register(node("n1").check(check("disk", "passing")))), [0, 0, 0]),
        ("a node's metadata", |log| log.ok(&register(node("n1").meta("rack", "r2"))), [0, 1, 0]),
        ("a service", |log| log.ok(&register(node("n1").service(service("db")))), [1, 1, 0]),
        ("a node without services", |log| log.ok(&register(node("n2"))), [0, 1, 0]),
    ];
    for (name, write, expected) in cases {
        let mut log = Log::new();
        log.ok(&register(node("n1").service(service("web")).check(check("disk", "passing"))));
        let names = Waiting::new(&log.store, [Topic::services("")]);
        let names_on_some_nodes = Waiting::new(&log.store, [Topic::services(""), Topic::nodes("")]);
        let checks = Waiting::new(&log.store, [Topic::checks("")]);
        write(&mut log);
        assert_eq!([names.wakes(), names_on_some_nodes.wakes(), checks.wakes()], expected, "{name}");
    }
}

#[test]
fn mesh_waiters_wake_when_an_instance_comes_to_serve_and_when_it_leaves() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("p").proxy_for("web"))));
    let index = |log: &Log, name| log.store.snapshot().connect_service_nodes("", name).0;
    let writes: [fn(&mut Log); 3] = [
        |log| log.ok(&register(node("n2").service(service("q").proxy_for("web")))),
        |log| log.ok(&register(node("n1").service(service("p").proxy_for("db")))),
        |log| log.deregister("n2", "q", ""),
    ];
    for (step, write) in writes.into_iter().enumerate() {
        let waiting = Waiting::new(&log.store, [Topic::connect("", "web")]);
        let before = index(&log, "web");
        write(&mut log);
        assert_eq!((waiting.wakes(), index(&log, "web") > before), (1, true), "{step}");
    }
    assert_eq!(log.store.snapshot().connect_service_nodes("", "web").1.len(), 0);
    assert_eq!(log.store.snapshot().connect_service_nodes("", "db").1.len(), 1);
}

#[test]
fn session_waiters_wake_for_their_session() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let id = log.session("n1", "release", 0, &[]);
    let mine = Waiting::new(&log.store, [Topic::session(&id)]);
    let other = Waiting::new(&log.store, [Topic::session("other")]);
    let of_node = Waiting::new(&log.store, [Topic::node_sessions("N1")]);
    let all = Waiting::new(&log.store, [Topic::sessions()]);
    log.destroy(&id);
    assert_eq!([mine.wakes(), other.wakes(), of_node.wakes(), all.wakes()], [1, 0, 1, 1]);
}

#[test]
fn ten_thousand_waiters_are_left_alone_by_foreign_writes() {
    let mut log = Log::new();
    let waiting: Vec<_> =
        (0..10_000).map(|n| Waiting::new(&log.store, [Topic::key_prefix(format!("w/{n}/").as_bytes())])).collect();
    assert_eq!(log.store.watchers(), 10_000);
    for n in 0..100 {
        log.set(&format!("x/{n}"), "1");
    }
    log.set("w/77/a", "1");
    let woken: Vec<usize> = waiting.iter().enumerate().filter(|(_, w)| w.wakes() > 0).map(|(n, _)| n).collect();
    assert_eq!(woken, [77]);
}
