//! How long a proposal takes on a single server, alone and among 256, on disk and in memory.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot run has nothing else to do")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use consensus::{
    Config, Consensus, Isolated, ServerId, Snapshot, SnapshotPolicy, State, StateMachine, Storage, Timing,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const COMMAND_BYTES: usize = 256;
const PROPOSERS: [u64; 3] = [1, 16, 256];
const ME: ServerId = ServerId::from_bytes([1; 16]);
const ADDRESS: &str = "127.0.0.1:8300";

/// Counts commands, so that consensus is all that is measured.
struct Counter(u64);

struct Count(u64);

impl StateMachine for Counter {
    type Reply = u64;
    type Snapshot = Count;

    fn apply(&mut self, _index: u64, _term: u64, _command: &[u8]) -> u64 {
        self.0 += 1;
        self.0
    }

    fn flush(&mut self) {}

    fn snapshot(&self) -> Count {
        Count(self.0)
    }

    fn restore(&mut self, from: &mut dyn io::Read) -> io::Result<()> {
        let mut count = [0; 8];
        from.read_exact(&mut count)?;
        self.0 = u64::from_le_bytes(count);
        Ok(())
    }
}

impl Snapshot for Count {
    fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&self.0.to_le_bytes())
    }
}

async fn start(storage: Storage) -> Consensus<Counter> {
    let config = Config {
        server_id: ME,
        address: ADDRESS.to_owned(),
        storage,
        timing: Timing::dev(),
        snapshot: SnapshotPolicy::default(),
        transport: Arc::new(Isolated),
        recovery: None,
    };
    let consensus = Consensus::start(config, Counter(0), CancellationToken::new()).await.expect("start");
    consensus.bootstrap(&[(ME, ADDRESS.to_owned(), true)]).await.expect("bootstrap");
    consensus.leadership().wait_for(|now| now.state == State::Leader).await.expect("leader");
    consensus
}

/// Time for `count` proposals made by `proposers` tasks, each waiting for its reply before the next.
async fn propose(consensus: &Consensus<Counter>, count: u64, proposers: u64) -> Duration {
    let command = Bytes::from(vec![7; COMMAND_BYTES]);
    let started = Instant::now();
    let tasks: Vec<_> = (0..proposers)
        .map(|proposer| {
            let (consensus, command) = (consensus.clone(), command.clone());
            let own = count / proposers + u64::from(proposer < count % proposers);
            tokio::spawn(async move {
                for _ in 0..own {
                    consensus.propose(command.clone()).await.expect("propose");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("proposer");
    }
    started.elapsed()
}

fn bench_storage(criterion: &mut Criterion, name: &str, storage: Storage) {
    let runtime = Runtime::new().expect("runtime");
    let consensus = runtime.block_on(start(storage));
    let mut group = criterion.benchmark_group(format!("propose/{name}"));
    group.throughput(Throughput::Elements(1));
    for proposers in PROPOSERS {
        group.bench_function(proposers.to_string(), |bencher| {
            bencher.iter_custom(|count| runtime.block_on(propose(&consensus, count, proposers)));
        });
    }
    group.finish();
    runtime.block_on(consensus.shutdown()).expect("shutdown");
}

fn benches(criterion: &mut Criterion) {
    bench_storage(criterion, "memory", Storage::Memory);
    let directory = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("directory");
    bench_storage(criterion, "disk", Storage::Disk(directory.path().join("raft")));
}

criterion_group!(propose_benches, benches);
criterion_main!(propose_benches);
