//! Crashes and partitions by chance: what was acknowledged stays.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fabric::Cut;
use super::harness::{Cluster, command, until};

const SEEDS: [u64; 4] = [1, 2, 3, 4];
const STEPS: usize = 10;
const SERVERS: usize = 3;
/// Commands that must be acknowledged between two faults.
const ACKNOWLEDGED_PER_STEP: usize = 20;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ z >> 31) % bound
    }
}

/// Commands that were acknowledged, and the next number to propose; no number is proposed twice.
#[derive(Default)]
struct Progress {
    acknowledged: HashSet<Vec<u8>>,
    next: u64,
}

/// Proposes until enough is acknowledged.
async fn advance(cluster: &Cluster, progress: &Arc<Mutex<Progress>>) {
    let goal = progress.lock().acknowledged.len() + ACKNOWLEDGED_PER_STEP;
    while progress.lock().acknowledged.len() < goal {
        let leader = cluster.leader().await;
        let numbers = {
            let mut progress = progress.lock();
            let first = progress.next;
            progress.next += 8;
            first..progress.next
        };
        let proposals = numbers.map(|number| async move {
            let outcome = cluster.server(leader).propose(command(number)).await;
            outcome.is_ok().then(|| command(number).to_vec())
        });
        let done = futures_util::future::join_all(proposals).await;
        progress.lock().acknowledged.extend(done.into_iter().flatten());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commands_survive_crashes_and_partitions() {
    for seed in SEEDS {
        let mut chance = Chance(seed);
        let mut cluster = Cluster::formed(SERVERS).await;
        cluster.trailing_logs = chance.below(30);
        let progress = Arc::new(Mutex::new(Progress::default()));
        advance(&cluster, &progress).await;
        for step in 0..STEPS {
            // One at a time, so that a quorum is always possible; every other time the leader.
            let leader = cluster.leader().await;
            let victim = if chance.below(2) == 0 { leader } else { chance.below(SERVERS as u64) as usize };
            println!("seed {seed}, step {step}: victim {victim}, leader {leader}");
            match chance.below(4) {
                0 => {
                    cluster.fabric.isolate(cluster.places[victim].id, Cut::Broken);
                    advance(&cluster, &progress).await;
                    cluster.fabric.heal();
                }
                1 => {
                    cluster.fabric.isolate(cluster.places[victim].id, Cut::Silent);
                    advance(&cluster, &progress).await;
                    cluster.fabric.heal();
                }
                kind => {
                    cluster.crash(victim, chance.below(4) as usize, chance.below(2) == 0).await;
                    advance(&cluster, &progress).await;
                    if kind == 2 {
                        // The one that is back may need a snapshot. There may be none to take.
                        let leader = cluster.leader().await;
                        drop(cluster.server(leader).take_snapshot().await);
                    }
                    cluster.start(victim).await;
                }
            }
            advance(&cluster, &progress).await;
        }

        let acknowledged = progress.lock().acknowledged.clone();
        cluster.agree(&[0, 1, 2], |commands| commands.len() >= acknowledged.len()).await;
        until("the last entries are everywhere", || {
            let all: Vec<_> = cluster.places.iter().map(|place| place.ledger.commands()).collect();
            all.iter().all(|commands| *commands == all[0])
        })
        .await;
        let applied = cluster.places[0].ledger.commands();
        let distinct: HashSet<_> = applied.iter().cloned().collect();
        assert_eq!(distinct.len(), applied.len(), "seed {seed}: a command was applied twice");
        let lost: Vec<_> = acknowledged.difference(&distinct).collect();
        assert!(lost.is_empty(), "seed {seed}: lost {lost:?}");
    }
}
