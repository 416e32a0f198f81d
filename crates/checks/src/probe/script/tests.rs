use std::path::Path;
use std::time::Duration;

use super::*;
use crate::Probe;
use crate::probe::test_support::{OUTPUT_MAX_BYTES, SHORT, passed, probe};

const LONG: Duration = Duration::from_secs(60);

fn args(args: &[&str]) -> Probe {
    Probe::Script { args: args.iter().map(|arg| (*arg).to_owned()).collect() }
}

fn shell(script: &str) -> Probe {
    args(&["sh", "-c", script])
}

#[tokio::test]
async fn the_exit_code_decides_and_output_is_kept_in_order() {
    let table = [
        ("echo fine", CheckStatus::Passing, "fine\n"),
        ("true", CheckStatus::Passing, ""),
        ("echo careful; exit 1", CheckStatus::Warning, "careful\n"),
        ("echo broken >&2; exit 2", CheckStatus::Critical, "broken\n"),
        ("exit 127", CheckStatus::Critical, ""),
        ("echo out; echo err >&2; echo out", CheckStatus::Passing, "out\nerr\nout\n"),
        ("echo a; kill -9 $$", CheckStatus::Critical, "a\n"),
        ("printf '\\377\\376ok'", CheckStatus::Passing, "\u{fffd}\u{fffd}ok"),
        // There is nothing to read, and nothing to wait for.
        ("cat", CheckStatus::Passing, ""),
        // A script may close its outputs and go on.
        ("echo a; exec >&- 2>&-; true", CheckStatus::Passing, "a\n"),
    ];
    for (script, status, output) in table {
        assert_eq!(probe(shell(script), LONG).await, Outcome::new(status, output.to_owned()), "{script}");
    }
}

#[tokio::test]
async fn the_end_of_a_long_output_is_kept() {
    let outcome = probe(shell("seq 1 3000; echo e >&2; exit 1"), LONG).await;
    let body = outcome.output.strip_prefix("Captured 4096 of 13895 bytes\n...\n").unwrap();
    assert_eq!(outcome.status, CheckStatus::Warning);
    assert_eq!(body.len(), OUTPUT_MAX_BYTES);
    assert!(body.ends_with("\n3000\ne\n"), "{body}");

    // More than the pipe holds.
    let outcome = probe(shell("head -c 1000000 /dev/zero | tr '\\0' y"), LONG).await;
    assert!(outcome.output.starts_with("Captured 4096 of 1000000 bytes\n...\nyyy"), "{}", outcome.output);
}

#[tokio::test]
async fn programs_that_do_not_start_are_critical_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-program");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let table = [
        ("/nonexistent/prog", "fork/exec /nonexistent/prog: no such file or directory".to_owned()),
        ("nonexistentprog", "exec: \"nonexistentprog\": executable file not found in $PATH".to_owned()),
        (file, format!("fork/exec {file}: permission denied")),
        ("", "exec: no command".to_owned()),
    ];
    for (program, text) in table {
        assert_eq!(probe(args(&[program]), LONG).await, Outcome::critical_at_once(text));
    }
    assert_eq!(probe(args(&[]), LONG).await, Outcome::critical_at_once("exec: no command".to_owned()));
}

#[tokio::test]
async fn a_script_that_takes_too_long_is_killed_with_all_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // The first may be killed before it has written anything: then it has left nothing either.
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", pids.display());
    let outcome = probe(shell(&script), Duration::from_secs(1)).await;
    assert_eq!(outcome, Outcome::critical_at_once("Timed out (1s) running check".to_owned()));
    if let Ok(pid) = std::fs::read_to_string(&pids) {
        assert_gone(pid.trim()).await;
    }
}

#[tokio::test]
async fn what_a_killed_script_printed_is_kept() {
    let outcome = probe(shell("echo begun; exec sleep 1000"), Duration::from_secs(1)).await;
    assert_eq!(outcome, Outcome::critical_at_once("Timed out (1s) running check\n\nbegun\n".to_owned()));
}

#[tokio::test]
async fn dropping_a_run_kills_its_script() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 1000; true", pids.display());
    let pid = tokio::select! {
        outcome = probe(shell(&script), LONG) => panic!("{outcome:?}"),
        pid = written(&pids) => pid,
    };
    assert_gone(pid.trim()).await;
}

#[tokio::test]
async fn what_a_script_leaves_behind_does_not_delay_it() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The one left behind holds the pipe until the fifo is written to.
    let outcome = probe(shell(&format!("echo hi; cat {} & exit 0", fifo.display())), LONG).await;
    assert_eq!(outcome, passed("hi\n"));
    tokio::task::spawn_blocking(move || std::fs::write(fifo, "")).await.unwrap().unwrap();
}

#[tokio::test]
async fn floods_are_killed_too() {
    let outcome = probe(shell("exec yes"), SHORT).await;
    assert!(outcome.past_thresholds);
    assert!(outcome.output.starts_with("Timed out (200ms) running check"), "{}", outcome.output);
}

/// The text of a file, once it is there.
async fn written(path: &Path) -> String {
    loop {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until a process has ended (or is about to be reaped).
async fn assert_gone(pid: &str) {
    let status = format!("/proc/{pid}/stat");
    let gone = async {
        while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.unwrap();
}
