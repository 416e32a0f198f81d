//! What is on the disk outlives the process, and damage to it is never silent (`docs/spec/server-operations.md` §8.5, §9).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api::{
    CatalogRegistration, Coord, CoordinateEntry, KvPair, QueryOptions, SessionBehavior, SessionRequest, WriteOptions,
};
use common::{Ended, Server, eventually, in_time, run};

const KEYS: usize = 120;
const VALUE_BYTES: usize = 2000;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn consistent() -> QueryOptions {
    QueryOptions::new().consistent()
}

async fn put(server: &Server, key: &str, value: impl Into<Vec<u8>>) -> api::Result<()> {
    server.client.kv().put(&KvPair::new(key, value), &WriteOptions::new()).await
}

/// Writes `KEYS` keys; all of them are acknowledged.
async fn fill(server: &Server, round: &str) {
    for n in 0..KEYS {
        put(server, &format!("{round}/{n:03}"), vec![b'x'; VALUE_BYTES]).await.expect("written");
    }
}

async fn count(server: &Server, round: &str) -> usize {
    let (keys, _) = server.client.kv().list(&format!("{round}/"), &consistent()).await.expect("an answer");
    assert!(keys.iter().all(|pair| pair.value.len() == VALUE_BYTES));
    keys.len()
}

#[tokio::test]
async fn everything_written_is_there_after_a_restart() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    server.await_registered().await;
    let (client, write) = (server.client.clone(), WriteOptions::new());

    let binary = KvPair { flags: 42, ..KvPair::new("a/b", (0..=255).collect::<Vec<u8>>()) };
    client.kv().put(&binary, &write).await.expect("written");
    client.kv().put(&KvPair::new("gone", "1"), &write).await.expect("written");
    client.kv().delete("gone", &write).await.expect("deleted");
    let request =
        SessionRequest::new().name("kept").behavior(SessionBehavior::Delete).lock_delay(Duration::from_secs(3));
    let session = client.session().create(&request, &write).await.expect("a session");
    let locked = KvPair { session: session.clone(), ..KvPair::new("lock", "held") };
    assert!(client.kv().acquire(&locked, &write).await.expect("an answer"));
    let other = CatalogRegistration { node: "other".to_owned(), address: "192.0.2.1".to_owned(), ..Default::default() };
    client.catalog().register(&other, &write).await.expect("registered");
    let coord = Coord { vec: vec![0.5; 8], error: 1.0, adjustment: 0.25, height: 0.125 };
    let entry = CoordinateEntry { node: "other".to_owned(), coord: Some(coord), ..Default::default() };
    client.coordinate().update(&entry, &write).await.expect("taken");
    eventually("the coordinate", || async {
        let (nodes, _) = client.coordinate().nodes(&QueryOptions::new()).await.ok()?;
        (!nodes.is_empty()).then_some(())
    })
    .await;
    let autopilot = ["operator", "autopilot", "set-config", "-max-trailing-logs=777"];
    let set = server.cli(&autopilot).await;

    let before = everything(&server).await;
    for _ in 0..2 {
        server.stop().await;
        server.spawn().await;
        assert_eq!(everything(&server).await, before);
    }
    // Where the operator's settings can be changed already, they are kept as well.
    if set.code == Some(0) {
        let config = server.cli(&["operator", "autopilot", "get-config"]).await;
        assert!(config.stdout.contains("MaxTrailingLogs = 777"), "{}", config.stdout);
    }
    // The lock is still a lock: its session can release it, another cannot take it.
    let thief = client.session().create_no_checks(&SessionRequest::new(), &write).await.expect("a session");
    let stolen = KvPair { session: thief, ..KvPair::new("lock", "stolen") };
    assert!(!client.kv().acquire(&stolen, &write).await.expect("an answer"));
    assert!(client.kv().release(&locked, &write).await.expect("an answer"));
}

/// The store as its readers see it, with every index.
async fn everything(server: &Server) -> Vec<String> {
    let client = &server.client;
    let mut node_names: Vec<_> = Vec::new();
    let (nodes, _) = client.catalog().nodes(&consistent()).await.expect("nodes");
    node_names.extend(nodes.iter().map(|node| format!("{node:?}")));
    vec![
        format!("{:?}", client.kv().list("", &consistent()).await.expect("keys").0),
        format!("{:?}", client.session().list(&consistent()).await.expect("sessions").0),
        format!("{:?}", client.coordinate().nodes(&consistent()).await.expect("coordinates").0),
        format!("{:?}", client.catalog().services(&consistent()).await.expect("services").0),
        format!("{:?}", client.health().state("any", &consistent()).await.expect("checks").0),
        node_names.join(" "),
    ]
}

#[tokio::test]
async fn a_session_with_a_ttl_survives_a_restart_and_can_be_renewed() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    server.await_registered().await;
    let request = SessionRequest::new().ttl(Duration::from_secs(3600));
    let session = server.client.session();
    let id = session.create_no_checks(&request, &WriteOptions::new()).await.expect("a session");
    server.stop().await;
    server.spawn().await;
    let renewed = session.renew(&id, &WriteOptions::new()).await.expect("an answer");
    assert_eq!(renewed.expect("the session").ttl, "1h0m0s");
}

#[tokio::test]
async fn the_index_never_goes_back() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    let mut last = 0;
    for round in 0..4 {
        put(&server, "a", round.to_string()).await.expect("written");
        let (pair, meta) = server.client.kv().get("a", &consistent()).await.expect("an answer");
        let index = pair.expect("the key").modify_index;
        assert!(index > last, "a write got index {index} after {last}");
        assert!(meta.last_index >= index);
        last = meta.last_index;
        if round % 2 == 0 {
            server.stop().await;
        } else {
            server.kill();
        }
        server.spawn().await;
        let (_, meta) = server.client.kv().get("a", &consistent()).await.expect("an answer");
        assert!(meta.last_index >= last, "the index went back: {} after {last}", meta.last_index);
    }
}

#[tokio::test]
async fn a_default_read_after_a_restart_sees_every_acknowledged_write() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    for round in 0..10 {
        for n in 0..20 {
            put(&server, "counter", format!("{round}.{n}")).await.expect("written");
        }
        server.kill();
        // Ready when a default read is answered: the next one must not be older than what was acknowledged.
        server.spawn().await;
        let (pair, _) = server.client.kv().get("counter", &QueryOptions::new()).await.expect("an answer");
        assert_eq!(pair.map(|pair| String::from_utf8_lossy(&pair.value).into_owned()), Some(format!("{round}.19")));
    }
}

#[tokio::test]
async fn the_node_id_is_made_once() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut server = Server::start(&data_dir).await;
    let id = fs::read_to_string(data_dir.join("node-id")).expect("a node id");
    server.stop().await;
    server.spawn().await;
    let described = server.client.agent().self_info(&QueryOptions::new()).await.expect("an answer");
    assert_eq!(described.config_text("NodeID"), Some(id.as_str()));
    assert_eq!(fs::read_to_string(data_dir.join("node-id")).expect("a node id"), id);
}

#[tokio::test]
async fn a_damaged_node_id_is_a_start_error() {
    let home = home();
    let data_dir = home.path().join("data");
    fs::create_dir(&data_dir).expect("a folder");
    fs::write(data_dir.join("node-id"), "nonsense").expect("written");
    let ended = run(&mut Server::new(&data_dir, &[]).command()).await;
    let error = format!(
        "==> failed to setup node ID: NodeID in {}/node-id is invalid: uuid string is wrong length\n",
        data_dir.display()
    );
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(1), "", error.as_str()));
}

#[tokio::test]
async fn a_snapshot_goes_to_a_fresh_server_and_survives_its_restart() {
    let home = home();
    let archive = home.path().join("backup.snap").display().to_string();
    let old = Server::start(&home.path().join("old")).await;
    fill(&old, "kept").await;
    let saved = old.cli(&["snapshot", "save", &archive]).await;
    assert_eq!(saved.code, Some(0), "{}", saved.stderr);
    let index = saved.stdout.trim_end().strip_prefix("Saved and verified snapshot to index ").expect("the message");

    let inspected = old.cli(&["snapshot", "inspect", &archive]).await;
    assert_eq!(inspected.code, Some(0), "{}", inspected.stderr);
    let has = |start: &str, end: &str| {
        inspected.stdout.lines().any(|l| l.trim_start().starts_with(start) && l.trim_end().ends_with(end))
    };
    assert!(has("Index", index), "{}", inspected.stdout);
    let kvs = inspected.stdout.lines().find(|line| line.trim_start().starts_with("KVS")).expect("keys are counted");
    assert_eq!(kvs.split_whitespace().nth(1), Some(KEYS.to_string().as_str()), "{}", inspected.stdout);

    let mut new = Server::start_with(&home.path().join("new"), &["-node=successor"]).await;
    put(&new, "overwritten", "1").await.expect("written");
    let restored = new.cli(&["snapshot", "restore", &archive]).await;
    assert_eq!((restored.code, restored.stdout.as_str()), (Some(0), "Restored snapshot\n"), "{}", restored.stderr);
    assert_eq!(count(&new, "kept").await, KEYS);
    assert!(new.client.kv().get("overwritten", &consistent()).await.expect("an answer").0.is_none());
    put(&new, "after", "1").await.expect("written");
    new.stop().await;
    new.spawn().await;
    assert_eq!(count(&new, "kept").await, KEYS);
    assert!(new.client.kv().get("after", &consistent()).await.expect("an answer").0.is_some());
    assert!(new.client.kv().get("overwritten", &consistent()).await.expect("an answer").0.is_none());
}

#[tokio::test]
async fn a_snapshot_goes_to_a_fresh_server_of_the_same_name() {
    let home = home();
    let archive = home.path().join("backup.snap").display().to_string();
    let old = Server::start(&home.path().join("old")).await;
    old.await_registered().await;
    put(&old, "a", "1").await.expect("written");
    assert_eq!(old.cli(&["snapshot", "save", &archive]).await.code, Some(0));
    // The catalog in the snapshot has a healthy node of this name with another ID.
    let new = Server::start(&home.path().join("new")).await;
    let restored = new.cli(&["snapshot", "restore", &archive]).await;
    assert_eq!((restored.code, restored.stdout.as_str()), (Some(0), "Restored snapshot\n"), "{}", restored.stderr);
    let (pair, _) = new.client.kv().get("a", &consistent()).await.expect("a consistent read is answered");
    assert_eq!(pair.expect("the key").value, b"1");
}

#[tokio::test]
async fn a_restore_wakes_blocking_queries() {
    let home = home();
    let archive = home.path().join("backup.snap").display().to_string();
    let server = Server::start(&home.path().join("data")).await;
    put(&server, "a", "1").await.expect("written");
    assert_eq!(server.cli(&["snapshot", "save", &archive]).await.code, Some(0));
    put(&server, "a", "2").await.expect("written");
    let (_, meta) = server.client.kv().get("a", &consistent()).await.expect("an answer");
    let blocking = QueryOptions::new().index(meta.last_index).wait(Duration::from_secs(600));
    let client = server.client.clone();
    let parked = tokio::spawn(async move { client.kv().get("a", &blocking).await });
    assert_eq!(server.cli(&["snapshot", "restore", &archive]).await.code, Some(0));
    let (pair, _) = in_time("the blocking query", parked).await.expect("no panic").expect("an answer");
    assert_eq!(pair.expect("the key").value, b"1");
}

#[tokio::test]
async fn a_damaged_archive_is_refused_and_changes_nothing() {
    let home = home();
    let archive = home.path().join("backup.snap");
    let path = archive.display().to_string();
    let server = Server::start(&home.path().join("data")).await;
    put(&server, "a", "1").await.expect("written");
    assert_eq!(server.cli(&["snapshot", "save", &path]).await.code, Some(0));
    put(&server, "a", "2").await.expect("written");
    let whole = fs::read(&archive).expect("the archive");
    for damaged in [&whole[..whole.len() / 2], b"nonsense".as_slice(), b""] {
        fs::write(&archive, damaged).expect("written");
        let ended = server.cli(&["snapshot", "restore", &path]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.stdout);
        assert!(ended.stderr.starts_with("Error restoring snapshot: "), "{}", ended.stderr);
    }
    let (pair, _) = server.client.kv().get("a", &consistent()).await.expect("an answer");
    assert_eq!(pair.expect("the key").value, b"2");
}

/// Settings under which a server writes snapshots of its own all the time and keeps its whole log.
const MANY_SNAPSHOTS: &[&str] =
    &["-hcl", "raft_snapshot_interval = \"10ms\" raft_snapshot_threshold = 20 raft_trailing_logs = 100000"];

/// The finished snapshots on disk, oldest first.
fn snapshots(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("raft/snapshots")).expect("the folder of snapshots");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.extension().is_none_or(|ending| ending != "tmp")).collect();
    found.sort_by_key(|path| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        name.split('-').map(|part| part.parse::<u64>().expect("a number")).collect::<Vec<_>>()
    });
    found
}

/// A stopped server with two snapshots and a log that reaches from before the older one to the end.
async fn with_two_snapshots(data_dir: &Path) -> Server {
    let mut server = Server::start_with(data_dir, MANY_SNAPSHOTS).await;
    fill(&server, "first").await;
    eventually("a snapshot", || async { (!snapshots(data_dir).is_empty()).then_some(()) }).await;
    let oldest = snapshots(data_dir)[0].clone();
    fill(&server, "second").await;
    eventually("two newer snapshots", || async {
        put(&server, "more", "1").await.expect("written");
        let found = snapshots(data_dir);
        (found.len() >= 2 && found[found.len() - 2] != oldest).then_some(())
    })
    .await;
    server.stop().await;
    server.arguments.clear();
    server
}

fn flip(path: &Path, at: u64, bytes: usize) {
    let file = File::options().read(true).write(true).open(path).expect("the file");
    let mut piece = vec![0; bytes];
    file.read_exact_at(&mut piece, at).expect("long enough");
    piece.iter_mut().for_each(|byte| *byte ^= 0xFF);
    file.write_all_at(&piece, at).expect("written");
}

#[tokio::test]
async fn a_damaged_newest_snapshot_falls_back_to_the_one_before() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut server = with_two_snapshots(&data_dir).await;
    let newest = snapshots(&data_dir).pop().expect("a snapshot");
    flip(&newest.join("state.bin"), 500, 4);
    server.spawn().await;
    assert_eq!((count(&server, "first").await, count(&server, "second").await), (KEYS, KEYS));
    let id = newest.file_name().expect("a name").to_string_lossy().into_owned();
    let logged = format!("[ERROR] agent.server.raft: failed to restore snapshot: id={id}");
    server.process().stdout.says(&logged).await;
}

#[tokio::test]
async fn a_newest_snapshot_without_its_metadata_falls_back_to_the_one_before() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut server = with_two_snapshots(&data_dir).await;
    let newest = snapshots(&data_dir).pop().expect("a snapshot");
    fs::remove_file(newest.join("meta.json")).expect("removed");
    server.spawn().await;
    assert_eq!((count(&server, "first").await, count(&server, "second").await), (KEYS, KEYS));
}

#[tokio::test]
async fn an_unfinished_snapshot_is_ignored_and_removed() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut server = with_two_snapshots(&data_dir).await;
    let unfinished = data_dir.join("raft/snapshots/99-999999-1.tmp");
    fs::create_dir(&unfinished).expect("a folder");
    fs::write(unfinished.join("state.bin"), "half").expect("written");
    server.spawn().await;
    assert_eq!(count(&server, "second").await, KEYS);
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn no_usable_snapshot_is_a_start_error() {
    let home = home();
    let data_dir = home.path().join("data");
    let server = with_two_snapshots(&data_dir).await;
    for path in snapshots(&data_dir) {
        flip(&path.join("state.bin"), 500, 4);
    }
    let ended = run(&mut server.command()).await;
    assert_refused(&ended, &["failed to load any existing snapshots"]);
}

/// The start failed in the log, in these words.
fn assert_refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let line = ended.stdout.lines().find(|line| line.contains("Error starting agent")).unwrap_or_default();
    assert!(
        line.contains("[ERROR] agent: Error starting agent: error=\"Failed to start Consul server: "),
        "{}",
        ended.stdout
    );
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
}

/// The file the log's newest entries are in, and the position behind the last of them.
fn journal(data_dir: &Path) -> (PathBuf, u64) {
    let entries = fs::read_dir(data_dir.join("raft/log")).expect("the log's folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let newest = paths.filter(|path| path.extension().is_some_and(|ending| ending == "jnl")).max().expect("a journal");
    let stored = fs::read(&newest).expect("readable");
    let end = stored.iter().rposition(|byte| *byte != 0).expect("not empty") as u64 + 1;
    (newest, end)
}

/// A stopped server with `KEYS` acknowledged keys, none of them in a snapshot.
async fn with_log(data_dir: &Path) -> Server {
    let mut server = Server::start(data_dir).await;
    fill(&server, "logged").await;
    server.stop().await;
    server
}

#[tokio::test]
async fn a_log_damaged_in_its_middle_is_a_start_error_again_and_again() {
    let home = home();
    let data_dir = home.path().join("data");
    let server = with_log(&data_dir).await;
    let (journal, end) = journal(&data_dir);
    flip(&journal, end / 2, 16);
    let place = format!("raft log in {}/raft/log is damaged at index ", data_dir.display());
    // The start must not have made the damage look like the end of the log.
    for _ in 0..2 {
        let ended = run(&mut server.command()).await;
        assert_refused(&ended, &[&place, "were synced"]);
    }
}

#[tokio::test]
async fn a_log_that_lost_acknowledged_entries_is_a_start_error() {
    let home = home();
    let data_dir = home.path().join("data");
    let server = with_log(&data_dir).await;
    let (journal, end) = journal(&data_dir);
    File::options().write(true).open(&journal).and_then(|file| file.set_len(end - 3000)).expect("truncated");
    let place = format!("raft log in {}/raft/log is damaged at index ", data_dir.display());
    assert_refused(&run(&mut server.command()).await, &[&place, "were synced"]);
}

#[tokio::test]
async fn an_emptied_log_is_a_start_error() {
    let home = home();
    let data_dir = home.path().join("data");
    let server = with_log(&data_dir).await;
    fs::remove_dir_all(data_dir.join("raft/log")).expect("removed");
    assert_refused(&run(&mut server.command()).await, &["is damaged", "were synced"]);
}

#[tokio::test]
async fn a_torn_write_behind_the_last_acknowledged_one_is_cut_off() {
    for torn in [13, 700, 1900] {
        let home = home();
        let data_dir = home.path().join("data");
        let mut server = with_log(&data_dir).await;
        let (journal, end) = journal(&data_dir);
        // The beginning of a batch as it would be after a power cut: the end of it never reached the disk.
        let file = File::options().read(true).write(true).open(&journal).expect("the journal");
        let mut batch = vec![0; torn];
        file.read_exact_at(&mut batch, 0).expect("long enough");
        file.write_all_at(&batch, end).expect("written");
        server.spawn().await;
        assert_eq!(count(&server, "logged").await, KEYS);
        put(&server, "after", "1").await.expect("written");
        server.stop().await;
        server.spawn().await;
        assert_eq!(count(&server, "logged").await, KEYS);
        assert!(server.client.kv().get("after", &consistent()).await.expect("an answer").0.is_some());
    }
}

/// Runs a command with no file written beyond this many bytes: like a full disk, for every user and on every system.
fn with_file_limit(command: &Command, bytes: u64) -> Command {
    /// The unit of `ulimit -f` in a POSIX shell.
    const BLOCK_BYTES: u64 = 512;
    // The signal that comes with the limit is ignored here and in what is executed: a full disk sends none.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / BLOCK_BYTES);
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[tokio::test]
async fn a_full_disk_fails_writes_and_loses_nothing_acknowledged() {
    const LIMIT_BYTES: u64 = 1024 * 1024;
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    put(&server, "before", "1").await.expect("written");
    server.stop().await;

    let limited = with_file_limit(&server.command(), LIMIT_BYTES);
    server.spawn_as(limited).await;
    let mut acknowledged = 0;
    let error = loop {
        assert!(acknowledged * VALUE_BYTES < 8 * LIMIT_BYTES as usize, "the limit is never felt");
        match put(&server, &format!("full/{acknowledged:05}"), vec![b'x'; VALUE_BYTES]).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("500 (failed to commit logs: ") && error.contains("File too large"), "{error}");
    assert!(acknowledged > 0);
    let logged =
        "[ERROR] agent.server.raft: failed to write raft log; this server takes no more writes until it is restarted";
    server.process().stdout.says(logged).await;

    // The agent is there still, and answers from what it has.
    let stale = QueryOptions::new().stale();
    let (pair, _) = server.client.kv().get("before", &stale).await.expect("a stale read is answered");
    assert_eq!(pair.expect("the key").value, b"1");
    server.client.agent().self_info(&QueryOptions::new()).await.expect("the agent answers");
    assert!(put(&server, "again", "1").await.is_err());

    server.stop().await;
    server.spawn().await;
    let (pairs, _) = server.client.kv().list("full/", &consistent()).await.expect("an answer");
    // The write that failed may be there or not: it was not acknowledged.
    assert!((acknowledged..=acknowledged + 1).contains(&pairs.len()), "{} of {acknowledged}", pairs.len());
    assert!(server.client.kv().get("before", &consistent()).await.expect("an answer").0.is_some());
    put(&server, "after", "1").await.expect("there is space again");
}

#[tokio::test]
async fn a_start_without_space_is_an_error_and_the_next_one_works() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut server = Server::new(&data_dir, &[]);
    let ended = run(&mut with_file_limit(&server.command(), 64 * 1024)).await;
    assert_refused(&ended, &[&format!("failed to open raft log in {}/raft/log: File too large", data_dir.display())]);
    server.spawn().await;
    put(&server, "a", "1").await.expect("written");
}
