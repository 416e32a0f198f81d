//! Contracts of the whole crate that need its inner seams.

mod machine;

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::log::backend::memory::MemoryBackend;
use crate::snapshots::SnapshotStore;
use crate::{Config, Consensus, ServerId, SnapshotPolicy, State, Storage, Timing};
use machine::Ledger;

const ME: ServerId = ServerId::from_bytes([7; 16]);
const ADDRESS: &str = "127.0.0.1:8300";

fn config() -> Config {
    Config {
        server_id: ME,
        address: ADDRESS.to_owned(),
        storage: Storage::Memory,
        timing: Timing::dev(),
        snapshot: SnapshotPolicy::default(),
    }
}

async fn lead(consensus: &Consensus<Ledger>) {
    if consensus.pristine() {
        consensus.bootstrap(&[(ME, ADDRESS.to_owned())]).await.unwrap();
    }
    consensus.leadership().wait_for(|now| now.state == State::Leader).await.unwrap();
}

#[tokio::test]
async fn memory_smoke() {
    let ledger = Ledger::default();
    let c = Consensus::start_on(config(), ledger.clone(), Arc::new(MemoryBackend::default()), SnapshotStore::memory(), CancellationToken::new()).await.unwrap();
    let t = std::time::Instant::now();
    lead(&c).await;
    eprintln!("leader after {:?}", t.elapsed());
    let r = c.propose(Bytes::from_static(b"a")).await.unwrap();
    eprintln!("{r:?} {:?}", c.status());
    c.read_barrier().await.unwrap();
    eprintln!("{:?}", c.take_snapshot().await);
    eprintln!("{:?}", c.status());
    let t = std::time::Instant::now();
    c.shutdown().await.unwrap();
    eprintln!("shutdown {:?}", t.elapsed());
}
#[tokio::test]
async fn disk_smoke() {
    let dir = tempfile::tempdir().unwrap();
    let mut cfg = config();
    cfg.storage = Storage::Disk(dir.path().join("raft"));
    for round in 0..3 {
        let ledger = Ledger::default();
        let t = std::time::Instant::now();
        let c = Consensus::start(cfg.clone(), ledger.clone(), CancellationToken::new()).await.unwrap();
        eprintln!("start {:?}", t.elapsed());
        lead(&c).await;
        eprintln!("leader after {:?}", t.elapsed());
        let r = c.propose(Bytes::from_static(b"a")).await.unwrap();
        eprintln!("{r:?} {:?}", c.status());
        c.read_barrier().await.unwrap();
        if round == 1 { eprintln!("{:?}", c.take_snapshot().await); }
        let t = std::time::Instant::now();
        c.shutdown().await.unwrap();
        eprintln!("shutdown {:?}", t.elapsed());
    }
}
