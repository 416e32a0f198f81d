//! A process that is killed in the middle of writing: everything it acknowledged is there afterwards.
//!
//! The test runs its own binary again as the victim; the victim prints each acknowledged command, the test kills it.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail as the test would")]

mod ledger;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use consensus::{Consensus, SnapshotPolicy, Storage};
use ledger::{Ledger, config, lead};
use tokio_util::sync::CancellationToken;

const VICTIM_VARIABLE: &str = "CONSENSUS_CRASH_DIRECTORY";
const VICTIM_PROPOSERS: u64 = 16;
const ROUNDS: u64 = 3;
const ACKNOWLEDGED_PER_ROUND: usize = 500;
const PREFIX: &str = "acknowledged ";

async fn start(directory: &Path, ledger: &Ledger) -> Consensus<Ledger> {
    let mut config = config(Storage::Disk(directory.join("raft")));
    // Snapshots and purges happen all the time, so that some kill hits them.
    config.snapshot = SnapshotPolicy { interval: Duration::from_millis(1), threshold: 50, trailing_logs: 20 };
    Consensus::start(config, ledger.clone(), CancellationToken::new()).await.unwrap()
}

/// Not a test of its own: what the killed process runs.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(directory) = std::env::var_os(VICTIM_VARIABLE) else { return };
    let ledger = Ledger::default();
    let consensus = start(&PathBuf::from(directory), &ledger).await;
    lead(&consensus).await;
    let first = ledger.commands().len() as u64;
    let proposers: Vec<_> = (0..VICTIM_PROPOSERS)
        .map(|proposer| {
            let consensus = consensus.clone();
            tokio::spawn(async move {
                for number in first.. {
                    let command = format!("{proposer}-{number}");
                    consensus.propose(Bytes::from(command.clone())).await.expect("propose");
                    writeln!(std::io::stdout().lock(), "{PREFIX}{command}").expect("print");
                }
            })
        })
        .collect();
    for proposer in proposers {
        proposer.await.expect("proposer");
    }
}

#[test]
fn a_killed_server_has_everything_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = HashSet::new();
    for _ in 0..ROUNDS {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM_VARIABLE, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut printed = lines.by_ref().filter_map(|line| line.strip_prefix(PREFIX).map(str::to_owned));
        acknowledged.extend(printed.by_ref().take(ACKNOWLEDGED_PER_ROUND));
        victim.kill().unwrap();
        // A line is either complete or was never acknowledged to anybody.
        victim.wait().unwrap();

        let ledger = Ledger::default();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let consensus = start(directory.path(), &ledger).await;
            lead(&consensus).await;
            consensus.shutdown().await.unwrap();
        });
        let applied: Vec<_> =
            ledger.commands().into_iter().map(|command| String::from_utf8(command).unwrap()).collect();
        let distinct: HashSet<_> = applied.iter().cloned().collect();
        assert_eq!(distinct.len(), applied.len(), "no command is applied twice");
        assert!(acknowledged.is_subset(&distinct), "{:?}", acknowledged.difference(&distinct).next());
    }
    assert!(acknowledged.len() >= ROUNDS as usize * ACKNOWLEDGED_PER_ROUND);
}
