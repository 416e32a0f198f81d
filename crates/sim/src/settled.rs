//! What must be so once nothing goes wrong any more.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use types::method::{KeyRequest, KvGet, KvList};
use types::query::Consistency;
use types::{Key, QueryOptions};

use crate::cluster::Cluster;
use crate::roster::{Access, Answer};
use crate::workload::{ENTRIES, PATIENCE, Workload, key};

/// After this long a cluster without faults must be well again: failed members are met again by chance, every 30 s, and
/// a server that was removed votes again after it has been stable.
const RECOVERY_MAX: Duration = Duration::from_secs(300);
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// A watcher is told of a change within this, far less than it waits.
const TOLD_MAX: Duration = Duration::from_secs(15);

fn consistent(key: Key) -> KeyRequest {
    KeyRequest { key, options: QueryOptions { consistency: Consistency::Consistent, ..QueryOptions::default() } }
}

/// Waits until every agent answers.
pub(crate) async fn well(cluster: &Cluster) {
    let deadline = Instant::now() + RECOVERY_MAX;
    for access in cluster.roster().running() {
        while !matches!(access.ask::<KvGet>(consistent(key(0)), PATIENCE).await, Answer::Done(_)) {
            assert!(Instant::now() < deadline, "{} reaches no leader though nothing is in its way", access.name);
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Every entry whose writing was acknowledged is there, seen from every agent.
pub(crate) async fn nothing_is_lost(cluster: &Cluster, workload: &Workload) {
    let acknowledged = workload.acknowledged.lock().clone();
    for access in cluster.roster().running() {
        let names = entries(&access).await;
        let lost: Vec<&String> = acknowledged.iter().filter(|name| !names.contains(name.as_str())).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged writes are lost: {lost:?}", lost.len(), acknowledged.len());
    }
}

async fn entries(access: &Access) -> HashSet<String> {
    let deadline = Instant::now() + RECOVERY_MAX;
    loop {
        let request = consistent(Key::from(ENTRIES));
        if let Answer::Done(found) = access.ask::<KvList>(request, PATIENCE).await {
            return found.value.iter().map(|entry| entry.key.to_string()).collect();
        }
        assert!(Instant::now() < deadline, "{} cannot list keys though the cluster is well", access.name);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Every watcher is told of the counter's last change.
pub(crate) async fn watchers_see(workload: &mut Workload, value: u64) {
    let deadline = Instant::now() + TOLD_MAX;
    while !workload.watched.lock().iter().all(|(seen, _)| *seen == value) {
        workload.check_watchers();
        let now = Instant::now();
        if now >= deadline {
            let watched = workload.watched.lock();
            let seen: Vec<_> = watched.iter().map(|(seen, at)| (*seen, now - *at)).collect();
            panic!("the counter is {value}, but watchers saw last (value, so long ago): {seen:?}");
        }
        tokio::time::sleep(LOOK_INTERVAL / 5).await;
    }
}

/// All servers come to hold the same state, byte for byte.
pub(crate) async fn servers_agree(cluster: &Cluster) {
    let deadline = Instant::now() + RECOVERY_MAX;
    loop {
        let states: Vec<Vec<u8>> = (0..cluster.servers()).map(|place| state(cluster, place)).collect();
        if states.windows(2).all(|pair| pair[0] == pair[1]) {
            return;
        }
        if Instant::now() >= deadline {
            let sizes: Vec<usize> = states.iter().map(Vec::len).collect();
            let status: Vec<_> = (0..cluster.servers()).filter_map(|place| status(cluster, place)).collect();
            panic!("servers hold different states of {sizes:?} bytes: {status:#?}");
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn state(cluster: &Cluster, place: usize) -> Vec<u8> {
    let access = cluster.roster().at(place).expect("a server that runs");
    let server = access.agent.server().expect("a server");
    let mut bytes = Vec::new();
    server.store().snapshot().write_to(&mut bytes).expect("a vector takes everything");
    bytes
}

fn status(cluster: &Cluster, place: usize) -> Option<consensus::Status> {
    Some(cluster.roster().at(place)?.agent.server()?.consensus_status())
}
