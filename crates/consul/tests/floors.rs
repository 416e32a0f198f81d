//! The house keeps its floors: a crate uses only crates of lower floors, or of its own without a circle (`ARCHITECTURE.md`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Floor of every crate of the workspace; a crate that is not listed fails the test.
const FLOORS: &[(u8, &[&str])] = &[
    (5, &["consul", "cli", "sim"]),
    (4, &["http-api", "dns", "api"]),
    (3, &["agent", "server"]),
    (2, &["consensus", "checks", "gossip", "rpc", "streaming"]),
    (1, &["state", "pki", "filter", "snapshot", "telemetry", "config"]),
    (0, &["types", "wire", "outgoing", "net"]),
];

/// Pairs that no floor forbids but the design does: the first must not use the second, directly or through others.
const APART: &[(&str, &str)] = &[
    ("cli", "agent"),
    ("cli", "server"),
    ("cli", "state"),
    ("api", "agent"),
    ("api", "server"),
    ("api", "state"),
    ("api", "types"),
    ("consensus", "state"),
    ("consensus", "types"),
    ("wire", "types"),
];

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_crate_has_a_floor() {
    let floors = floors();
    let strangers: Vec<_> = workspace().into_keys().filter(|name| !floors.contains_key(name.as_str())).collect();
    assert!(strangers.is_empty(), "crates without a floor, add them to FLOORS and ARCHITECTURE.md: {strangers:?}");
}

#[test]
fn no_crate_uses_a_higher_floor() {
    let floors = floors();
    for (name, used) in workspace() {
        for other in used {
            assert!(floors[name.as_str()] >= floors[other.as_str()], "{name} depends upward on {other}");
        }
    }
}

#[test]
fn no_circle_on_a_floor() {
    let graph = workspace();
    for name in graph.keys() {
        assert!(!reachable(&graph, name).contains(name), "{name} depends on itself through others");
    }
}

#[test]
fn what_the_design_keeps_apart_stays_apart() {
    let graph = workspace();
    for (name, other) in APART {
        assert!(!reachable(&graph, name).contains(*other), "{name} must not depend on {other}");
    }
}

fn floors() -> BTreeMap<&'static str, u8> {
    FLOORS.iter().flat_map(|(floor, names)| names.iter().map(|name| (*name, *floor))).collect()
}

fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&String> = graph[from].iter().collect();
    while let Some(name) = next.pop() {
        if seen.insert(name.clone()) {
            next.extend(&graph[name]);
        }
    }
    seen
}

/// The workspace's crates, each with the crates of the workspace that it needs to build (not those of its tests).
fn workspace() -> Graph {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let needed = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().expect("dependencies").clone();
        dependencies
            .into_iter()
            .filter(|d| d["kind"].as_str() != Some("dev"))
            .filter_map(|d| d["name"].as_str().map(str::to_owned))
            .filter(|name| names.contains(name.as_str()))
            .collect()
    };
    packages.iter().map(|p| (p["name"].as_str().expect("name").to_owned(), needed(p))).collect()
}
