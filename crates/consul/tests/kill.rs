//! A kill -9 at any moment loses nothing that was acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use api::{Client, KvPair, QueryOptions, WriteOptions};
use common::Server;

/// Rounds of write, kill, restart, check; more with `KILL_ROUNDS=100`.
const ROUNDS: usize = 10;
const WRITERS: usize = 8;
/// Acknowledged writes after which a round's server is killed: this many plus up to as many again, different each round.
const WRITES_BEFORE_KILL: usize = 150;

type Acknowledged = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_kills() {
    let home = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(&home.path().join("data")).await;
    let acknowledged = Acknowledged::default();
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let mut index = 0;
    for round in 0..rounds {
        let enough = WRITES_BEFORE_KILL + round * 37 % WRITES_BEFORE_KILL;
        write_until_killed(&mut server, round, enough, &acknowledged).await;
        server.spawn().await;
        index = check(&server, &acknowledged, index).await;
    }
}

/// Writers write as fast as they can; the server is killed while they do.
async fn write_until_killed(server: &mut Server, round: usize, enough: usize, acknowledged: &Acknowledged) {
    let count = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, count, acknowledged) = (server.client.clone(), count.clone(), acknowledged.clone());
            tokio::spawn(async move { write(&client, round, writer, &count, &acknowledged).await })
        })
        .collect();
    while count.load(Ordering::Relaxed) < enough {
        tokio::task::yield_now().await;
    }
    server.kill();
    for writer in writers {
        writer.await.expect("a writer ends with the first error");
    }
}

/// Writes until the first error: fresh keys, and one key overwritten again and again.
async fn write(client: &Client, round: usize, writer: usize, count: &AtomicUsize, acknowledged: &Acknowledged) {
    for n in 0.. {
        let key = if n % 4 == 0 { format!("own/{writer}") } else { format!("fresh/{round}/{writer}/{n}") };
        let value = format!("{round}:{writer}:{n}:{}", "x".repeat(n % 300)).into_bytes();
        if client.kv().put(&KvPair::new(&key, value.clone()), &WriteOptions::default()).await.is_err() {
            return;
        }
        acknowledged.lock().expect("no writer panics").insert(key, value);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Everything acknowledged is there; answers the store's index, which must not have gone back.
async fn check(server: &Server, acknowledged: &Acknowledged, before: u64) -> u64 {
    let (pairs, meta) = server.client.kv().list("", &QueryOptions::default()).await.expect("a list of all keys");
    let found: BTreeMap<String, Vec<u8>> = pairs.into_iter().map(|p| (p.key, p.value.to_vec())).collect();
    let acknowledged = acknowledged.lock().expect("no writer panics");
    for (key, value) in acknowledged.iter() {
        let stored = found.get(key).unwrap_or_else(|| panic!("{key} was acknowledged and is lost"));
        // The write in flight at the kill may have overwritten a writer's own key: it may be newer, never older.
        assert!(sequence(stored) >= sequence(value), "{key} is older than what was acknowledged");
    }
    assert!(meta.last_index >= before, "the index went back: {} after {before}", meta.last_index);
    meta.last_index
}

/// Position of a value in its writer's stream: round, then number.
fn sequence(value: &[u8]) -> (usize, usize) {
    let text = String::from_utf8_lossy(value);
    let mut parts = text.split(':').map(|part| part.parse().unwrap_or_default());
    let (round, _, n) = (parts.next(), parts.next(), parts.next());
    (round.unwrap_or_default(), n.unwrap_or_default())
}
