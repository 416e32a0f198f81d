//! Three servers on loopback: they find each other, elect a leader, and answer whichever is asked.

#![allow(clippy::expect_used)]

mod common;

use common::{DEADLINE, Node};
use server::Server;
use types::method::{
    CatalogListNodes, DatacenterRequest, KeyRequest, KvApply, KvGet, OperatorRaftGetConfiguration, SnapshotRequest,
};
use types::query::Consistency;
use types::{DirEntry, Key, KvRequest, QueryOptions};

async fn put(server: &Server, key: &str, value: &'static str) {
    let dir_ent = DirEntry { key: Key::from(key), value: value.into(), ..DirEntry::default() };
    let request = KvRequest { op: "set".to_owned(), dir_ent, ..KvRequest::default() };
    // An election may fall into it: what was not written for certain is written again.
    let wrote = async {
        while server.call::<KvApply>(request.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, wrote).await.expect("a write in time");
}

async fn get(server: &Server, key: &str, consistency: Consistency) -> Option<String> {
    let options = QueryOptions { consistency, ..QueryOptions::default() };
    let request = KeyRequest { key: Key::from(key), options };
    // Until it has heard of another, a server asks the leader that was.
    let found = async {
        loop {
            match server.call::<KvGet>(request.clone()).await {
                Ok(found) => return found,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let found = tokio::time::timeout(DEADLINE, found).await.expect("a read in time");
    found.value.map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
}

async fn three() -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 1..=3 {
        nodes.push(Node::start(number, 3).await);
    }
    nodes[1].join(&nodes[0]).await;
    nodes[2].join(&nodes[0]).await;
    for node in &nodes {
        node.knows(3).await;
    }
    put(&nodes[0].server, "first", "write").await;
    nodes
}

/// The leader, taken out of the nodes.
fn take_leader(nodes: &mut Vec<Node>) -> Option<Node> {
    let at = nodes.iter().position(|node| node.server.is_leader())?;
    Some(nodes.remove(at))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_answers_for_the_cluster() {
    let nodes = three().await;
    for (node, value) in nodes.iter().zip(["1", "2", "3"]) {
        put(&node.server, "key", value).await;
        for other in &nodes {
            assert_eq!(get(&other.server, "key", Consistency::Default).await.as_deref(), Some(value));
            assert_eq!(get(&other.server, "key", Consistency::Consistent).await.as_deref(), Some(value));
        }
    }
    let request = SnapshotRequest::default();
    let servers = nodes[1].server.call::<OperatorRaftGetConfiguration>(request).await.expect("the configuration");
    let mut names: Vec<&str> = servers.iter().map(|server| server.node.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["s1", "s2", "s3"]);
    assert!(servers.iter().all(|server| server.voter), "{servers:?}");
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_registers_every_member() {
    let nodes = three().await;
    let mut index = 0;
    let names = loop {
        let options = QueryOptions { min_index: index, max_wait: DEADLINE, ..QueryOptions::default() };
        let request = DatacenterRequest { options, ..DatacenterRequest::default() };
        let found = nodes[2].server.call::<CatalogListNodes>(request).await.expect("a read");
        let names: Vec<String> = found.value.iter().map(|node| node.node.clone()).collect();
        if names.len() == 3 {
            break names;
        }
        index = found.meta.index;
    };
    assert_eq!(names, ["s1", "s2", "s3"]);
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_leader_is_replaced_and_nothing_is_lost_with_it() {
    let mut nodes = three().await;
    put(&nodes[0].server, "key", "before").await;
    let found = async {
        loop {
            if let Some(leader) = take_leader(&mut nodes) {
                return leader;
            }
            tokio::task::yield_now().await;
        }
    };
    let leader = tokio::time::timeout(DEADLINE, found).await.expect("a leader");
    leader.stop().await;
    put(&nodes[0].server, "key", "after").await;
    for node in &nodes {
        assert_eq!(get(&node.server, "key", Consistency::Consistent).await.as_deref(), Some("after"));
        assert_eq!(get(&node.server, "first", Consistency::Default).await.as_deref(), Some("write"));
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_passes_through_any_server() {
    let nodes = three().await;
    put(&nodes[0].server, "kept", "old").await;
    for (number, node) in nodes.iter().enumerate() {
        let saved = node.server.snapshot_save(&SnapshotRequest::default()).await.expect("an archive");
        assert!(saved.meta.index > 0);
        put(&node.server, "kept", "new").await;
        let through = &nodes[(number + 1) % nodes.len()].server;
        through.snapshot_restore(&SnapshotRequest::default(), saved.archive).await.expect("a restore");
        for other in &nodes {
            assert_eq!(get(&other.server, "kept", Consistency::Default).await.as_deref(), Some("old"));
        }
    }
    for node in nodes {
        node.stop().await;
    }
}
