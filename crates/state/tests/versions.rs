//! Readers that keep encoded answers rely on this: while an index stays the same, so does what it is the index of, and an
//! answer that changes has a higher index.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use common::{Log, check, deregister, node, register, service};
use state::Snapshot;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const SERVICES: [&str; 3] = ["web", "db", "web-proxy"];
const IDS: [&str; 4] = ["a", "b", "c", "d"];
const STATUSES: [&str; 3] = ["passing", "warning", "critical"];
const STEPS: u64 = 3000;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// Some change of the catalog, which may be none.
fn change(numbers: &mut Numbers) -> Vec<u8> {
    let (on, id) = (numbers.of(&NODES), numbers.of(&IDS));
    match numbers.below(10) {
        0 => deregister(on, "", ""),
        1 | 2 => deregister(on, id, ""),
        3 => deregister(on, "", numbers.of(&IDS)),
        4 => register(node(on).address(numbers.of(&["10.0.0.1", "10.0.0.2"])).meta("rack", numbers.of(&["r1", "r2"]))),
        5 => register(node(on).check(check(numbers.of(&IDS), numbers.of(&STATUSES)))),
        6 => register(node(on).check(check(numbers.of(&IDS), numbers.of(&STATUSES)).of(id))),
        7 => register(node(on).service(service(numbers.of(&SERVICES)).id(id).native())),
        8 => register(node(on).service(service(numbers.of(&SERVICES)).id(id).proxy_for(numbers.of(&SERVICES)))),
        _ => register(node(on).service(service(numbers.of(&SERVICES)).id(id).tags(&[numbers.of(&["x", "y"])]))),
    }
}

type Read = (&'static str, fn(&Snapshot) -> (u64, String), fn(&Snapshot) -> u64);

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn rack() -> BTreeMap<String, String> {
    [("rack".to_owned(), "r1".to_owned())].into()
}

fn shown<T: std::fmt::Debug>((index, value): (u64, T)) -> (u64, String) {
    (index, format!("{value:?}"))
}

const READS: [Read; 8] = [
    ("instances", |s| shown(s.service_nodes("", "web")), |s| s.service_nodes_index("", "web")),
    ("health", |s| shown(s.check_service_nodes("", "web")), |s| s.check_service_nodes_index("", "web")),
    ("mesh", |s| shown(s.connect_service_nodes("", "web")), |s| s.connect_service_nodes_index("", "web")),
    (
        "health in the mesh",
        |s| shown(s.connect_check_service_nodes("", "web")),
        |s| s.connect_check_service_nodes_index("", "web"),
    ),
    ("nodes", |s| shown(s.nodes("", &rack())), |s| s.nodes_index("")),
    ("names", |s| shown(s.services("", &none())), |s| s.services_index("", &none())),
    ("names on some nodes", |s| shown(s.services("", &rack())), |s| s.services_index("", &rack())),
    ("checks", |s| shown(s.checks_in_state("", "critical", &none())), |s| s.checks_index("")),
];

#[test]
fn an_index_tells_every_change() {
    let mut numbers = Numbers(7);
    let mut log = Log::new();
    let mut last = READS.map(|(_, read, _)| read(&log.store.snapshot()));
    let mut changes = [0; READS.len()];
    for step in 0..STEPS {
        log.apply(&change(&mut numbers));
        let snapshot = log.store.snapshot();
        for (n, (name, read, index_of)) in READS.iter().enumerate() {
            let (index, value) = read(&snapshot);
            assert_eq!(index, index_of(&snapshot), "{name} at step {step}: the index alone");
            if value != last[n].1 {
                assert!(index > last[n].0, "{name} at step {step}: changed at {} but has index {index}", last[n].0);
                changes[n] += 1;
            }
            assert!(index >= last[n].0, "{name} at step {step}: the index went from {} to {index}", last[n].0);
            last[n] = (index, value);
        }
    }
    assert!(changes.iter().all(|count| *count > 100), "the steps change something: {changes:?}");
}

#[test]
fn a_restore_is_another_generation() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    let before = log.store.snapshot().generation();
    let bytes = log.bytes();
    log.writer.restore(&mut bytes.as_slice()).unwrap();
    assert!(log.store.snapshot().generation() > before);
}
