use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::*;
use crate::{Probe, Thresholds};

/// More than any test takes when all is well.
const LONG: Duration = Duration::from_secs(60);

struct Reports(mpsc::UnboundedSender<(String, CheckStatus, String)>);

impl Sink for Reports {
    fn report(&self, check_id: &str, status: CheckStatus, output: String) {
        // A test that has seen enough no longer listens.
        let _ = self.0.send((check_id.to_owned(), status, output));
    }
}

fn runner() -> (Runner, CancellationToken, mpsc::UnboundedReceiver<(String, CheckStatus, String)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stopping = CancellationToken::new();
    (Runner::new(Arc::new(Reports(sender)), TlsSettings::default(), stopping.clone()), stopping, receiver)
}

fn script(id: &str, script: &str) -> CheckPlan {
    CheckPlan {
        id: id.to_owned(),
        probe: Probe::Script { args: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()] },
        interval: Duration::from_secs(1),
        timeout: LONG,
        thresholds: Thresholds::default(),
        output_max_bytes: 4096,
    }
}

/// Fails without touching the system, so that the paused clock of a test has nothing to wait for.
fn unrequestable(interval: Duration) -> CheckPlan {
    let probe = Probe::Http {
        url: "nowhere".to_owned(),
        method: String::new(),
        header: BTreeMap::new(),
        body: String::new(),
        disable_redirects: false,
        tls: crate::ProbeTls::default(),
    };
    CheckPlan { probe, interval, ..script("h", "") }
}

#[tokio::test]
async fn results_are_reported_run_after_run() {
    let (runner, _stopping, mut reports) = runner();
    let _running = runner.start(script("c", "echo hi; exit 1"));
    for _ in 0..2 {
        let report = tokio::time::timeout(LONG, reports.recv()).await.unwrap().unwrap();
        assert_eq!(report, ("c".to_owned(), CheckStatus::Warning, "hi\n".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn runs_are_an_interval_apart_and_the_first_comes_within_one() {
    let (runner, _stopping, mut reports) = runner();
    let interval = Duration::from_secs(100);
    let started = tokio::time::Instant::now();
    let running = runner.start(unrequestable(interval));
    assert_eq!(running.plan().interval, interval);
    reports.recv().await.unwrap();
    let first = started.elapsed();
    assert!(first <= interval, "{first:?}");
    reports.recv().await.unwrap();
    let between = started.elapsed() - first;
    // The clock of the runtime counts whole milliseconds.
    assert!(between >= interval && between < interval + Duration::from_millis(10), "{between:?}");
}

#[tokio::test(start_paused = true)]
async fn short_intervals_are_raised() {
    let (runner, _stopping, _reports) = runner();
    let running = runner.start(unrequestable(Duration::from_millis(5)));
    assert_eq!(running.plan().interval, MIN_INTERVAL);
}

#[tokio::test]
async fn dropping_the_handle_or_stopping_the_runner_ends_a_check() {
    for by_handle in [true, false] {
        let (runner, stopping, mut reports) = runner();
        let running = runner.start(script("c", "exec sleep 1000"));
        drop(runner);
        if by_handle {
            drop(running);
        } else {
            stopping.cancel();
        }
        // Its task held the last sender.
        let ended = tokio::time::timeout(LONG, reports.recv()).await.unwrap();
        assert_eq!(ended, None, "{by_handle}");
    }
}

#[test]
fn thresholds_are_applied_except_to_what_passes_them() {
    let thresholds = Thresholds { failures_before_critical: 2, ..Thresholds::default() };
    let mut verdict = Verdict::new(thresholds);
    let outcome = |status, past_thresholds| Outcome { status, output: String::new(), past_thresholds };
    let table = [
        (outcome(CheckStatus::Passing, false), Some(CheckStatus::Passing)),
        (outcome(CheckStatus::Critical, false), None),
        (outcome(CheckStatus::Critical, true), Some(CheckStatus::Critical)),
        (outcome(CheckStatus::Passing, false), Some(CheckStatus::Passing)),
        // What passed the thresholds did not count.
        (outcome(CheckStatus::Critical, true), Some(CheckStatus::Critical)),
        (outcome(CheckStatus::Critical, false), None),
        (outcome(CheckStatus::Critical, false), Some(CheckStatus::Critical)),
    ];
    for (number, (outcome, expected)) in table.iter().enumerate() {
        assert_eq!(settle("c", &mut verdict, outcome), *expected, "{number}");
    }
}

#[test]
fn random_parts_are_smaller_than_the_whole() {
    for interval in [Duration::from_secs(1), Duration::from_nanos(1), Duration::ZERO] {
        assert!(random_part(interval) < interval.max(Duration::from_nanos(1)));
    }
}
