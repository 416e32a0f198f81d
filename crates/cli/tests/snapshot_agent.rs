//! `snapshot agent` against servers that stand in for an agent and an object store.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests may fail as loudly as tests")]

mod common;
mod stand_in;

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::{Ran, run_with};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;
use stand_in::{Objects, agent, object_store, start};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long something expected may take.
const DEADLINE: Duration = Duration::from_secs(60);
const SECRET: &str = "s3cr3t-k3y";

/// One test at a time: the signal that ends a snapshot agent reaches all of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn archive() -> Vec<u8> {
    let state = b"state".as_slice();
    let meta = snapshot::Meta { index: 7, size: state.len() as u64, ..snapshot::Meta::default() };
    let mut archive = Vec::new();
    snapshot::write_archive(&mut archive, &meta, state).expect("an archive");
    archive
}

/// The stand-ins, and the folder that snapshots go to.
struct Stage {
    runtime: Runtime,
    agent: String,
    told: Receiver<(String, Value)>,
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    fn new(archive: Vec<u8>) -> Stage {
        let alone = alone();
        let runtime = Runtime::new().expect("an event loop");
        let (tell, told) = channel();
        let agent = start(&runtime, agent(archive, tell));
        Stage { runtime, agent, told, folder: tempfile::tempdir().expect("a folder"), _alone: alone }
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
        names.sort();
        names
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        run(&self.agent, args, variables)
    }

    /// Waits until the agent was told of something.
    fn until(&self, what: &str, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (path, body) = self.told.recv_timeout(left).unwrap_or_else(|e| panic!("{what}: {e}"));
            if wanted(&path, &body) {
                return body;
            }
        }
    }
}

fn run(agent: &str, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    run_with(
        &[&["snapshot", "agent"][..], args].concat(),
        &[&[("CONSUL_HTTP_ADDR", agent)][..], variables].concat(),
        "",
    )
}

fn is_snapshot(name: &str) -> bool {
    name.strip_prefix("consul-").and_then(|name| name.strip_suffix(".snap")).is_some_and(|id| id.len() > 15)
}

fn store(stage: &Stage) -> (String, Objects) {
    let objects = Objects::default();
    let address = start(&stage.runtime, object_store(Arc::clone(&objects)));
    (format!("http://{address}"), objects)
}

#[test]
fn a_single_snapshot_is_verified_kept_and_old_ones_go() {
    let stage = Stage::new(archive());
    for name in ["consul-1.snap", "consul-2.snap", "other.snap"] {
        File::create(stage.folder.path().join(name)).expect("a file");
    }
    let ran = stage.run(&["-interval=0", "-retain=2", "-local-path", &stage.path()], &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    let names = stage.names();
    let [saved, second, other] = names.as_slice() else { panic!("{names:?}") };
    assert!(is_snapshot(saved) && (second.as_str(), other.as_str()) == ("consul-2.snap", "other.snap"), "{names:?}");

    let id = saved.trim_start_matches("consul-").trim_end_matches(".snap");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let [told, removed] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(told.ends_with(&format!("Z [INFO]  Saved snapshot {id}")), "{told}");
    assert!(removed.ends_with("Z [INFO]  Removed old snapshots: 1"), "{removed}");

    let path = stage.folder.path().join(saved);
    let file = File::open(&path).expect("the snapshot");
    assert_eq!(file.metadata().expect("its metadata").permissions().mode() & 0o777, 0o600);
    assert_eq!(snapshot::read_archive(file, io::sink()).expect("a good archive").index, 7);
}

#[test]
fn a_snapshot_that_cannot_be_verified_is_not_kept() {
    let stage = Stage::new(b"no archive at all".to_vec());
    let ran = stage.run(&["-interval=0", "-local-path", &stage.path()], &[]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.starts_with("Error verifying snapshot file: "), "{}", ran.stderr);
    assert_eq!(stage.names(), Vec::<String>::new());
}

#[test]
fn a_file_of_settings_sends_snapshots_to_a_bucket() {
    let stage = Stage::new(archive());
    let (endpoint, objects) = store(&stage);
    for id in 1..=5 {
        objects.lock().unwrap().insert(format!("a b/env=x/consul-{id}.snap"), Vec::new());
    }
    objects.lock().unwrap().insert("a b/env=x/consul-notes".to_string(), Vec::new());
    let config = stage.folder.path().join("agent.json");
    let text = format!(
        r#"{{"snapshot_agent": {{
            "http_addr": "{}",
            "snapshot": {{"interval": "0s", "retain": 3, "local_scratch_path": "{}"}},
            "aws_storage": {{
                "access_key_id": "AKID", "secret_access_key": "{SECRET}", "s3_region": "us-east-1",
                "s3_bucket": "backups", "s3_key_prefix": "a b/env=x", "s3_endpoint": "{endpoint}"
            }}
        }}}}"#,
        stage.agent,
        stage.path(),
    );
    std::fs::write(&config, text).expect("a file");
    let ran = run("127.0.0.1:1", &["-config-file", &config.display().to_string()], &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("Removed old snapshots: 3\n") && !ran.stdout.contains(SECRET), "{}", ran.stdout);
    assert_eq!(stage.names(), ["agent.json"], "nothing is left on the way");

    let objects = objects.lock().unwrap();
    let keys: Vec<&str> = objects.keys().map(|key| key.strip_prefix("a b/env=x/").expect("the prefix")).collect();
    let [saved, fourth, fifth, notes] = keys.as_slice() else { panic!("{keys:?}") };
    assert!(is_snapshot(saved), "{saved}");
    assert_eq!([*fourth, *fifth, *notes], ["consul-4.snap", "consul-5.snap", "consul-notes"]);
    let archive = &objects[&format!("a b/env=x/{saved}")];
    assert_eq!(snapshot::read_archive(archive.as_slice(), io::sink()).expect("a good archive").index, 7);
}

#[test]
fn a_store_that_refuses_is_quoted_without_secrets() {
    let stage = Stage::new(archive());
    let (endpoint, _) = store(&stage);
    let flags = ["-interval=0", "-aws-s3-bucket=backups", "-aws-s3-endpoint", endpoint.as_str()];
    let variables = [("AWS_ACCESS_KEY_ID", "stranger"), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", "us-east-1")];
    let ran = stage.run(&flags, &variables);
    assert_eq!((ran.exit, ran.stdout.as_str()), (1, ""));
    let told = ran.stderr.trim_end();
    assert!(told.starts_with("Error uploading consul-snapshot/consul-"), "{told}");
    assert!(told.ends_with(".snap: the store answers 403, AccessDenied: Not you."), "{told}");
}

#[test]
fn mistakes_in_settings_are_told_before_anything_is_done() {
    let stage = Stage::new(archive());
    let config = stage.folder.path().join("agent.hcl");
    let path = config.display().to_string();
    let missing = stage.folder.path().join("none.json").display().to_string();
    let (path, missing) = (path.as_str(), missing.as_str());
    for (text, args, message) in [
        (
            "snapshot_agent {\n  retain = 3\n}",
            ["-config-file", path],
            format!("Error in configuration: {path}:2:3: invalid config key snapshot_agent.retain"),
        ),
        ("server = true", ["-config-file", path], "No configuration file has a snapshot_agent object".to_string()),
        ("", ["-config-file", "agent.txt"], "Configuration file agent.txt must end with .json or .hcl".to_string()),
        (
            "",
            ["-config-file", missing],
            format!("Error reading configuration: open {missing}: no such file or directory"),
        ),
        ("", ["-local-path", "/no/such"], "/no/such is not a directory".to_string()),
        ("", ["-interval=0", "here"], "Too many arguments (expected 0, got 1)".to_string()),
    ] {
        std::fs::write(&config, text).expect("a file");
        let ran = stage.run(&args, &[]);
        assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.trim_end()), (1, "", message.as_str()), "{args:?}");
    }
    assert!(stage.told.try_recv().is_err(), "nothing was written");
}

#[test]
fn another_datacenter_is_only_saved_singly() {
    let stage = Stage::new(archive());
    let ran = stage.run(&["-datacenter=dc2", "-local-path", &stage.path()], &[]);
    let message = "Snapshots of another datacenter (dc2, not dc1) can only be saved singly, with -interval=0";
    assert_eq!((ran.exit, ran.stderr.trim_end()), (1, message));
    let ran = stage.run(&["-datacenter=dc2", "-interval=0", "-local-path", &stage.path()], &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_daemon_registers_leads_saves_and_leaves_in_good_order() {
    let stage = Stage::new(archive());
    let (agent, path) = (stage.agent.clone(), stage.path());
    let daemon = std::thread::spawn(move || {
        run(&agent, &["-local-path", &path, "-service=backup", "-deregister-after=1h"], &[])
    });

    let service = stage.until("a registration", |path, _| path == "agent/service/register");
    let id = service["ID"].as_str().expect("an ID").to_string();
    assert!(service["Name"] == "backup" && id.starts_with("backup:"), "{service}");
    let alive = &service["Checks"][0];
    assert_eq!((&alive["Name"], &alive["Status"]), (&"Consul Snapshot Agent Alive".into(), &"passing".into()));
    let times = (&alive["TTL"], &alive["DeregisterCriticalServiceAfter"]);
    assert_eq!(times, (&"30s".into(), &"1h0m0s".into()));

    let session = stage.until("a session", |path, _| path == "session/create");
    assert_eq!(session["Name"], "Consul Snapshot Agent");
    let saving = stage.until("the leader's check", |path, _| path == "agent/check/register");
    assert_eq!(saving["Name"], "Consul Snapshot Agent Saving Snapshots");
    assert_eq!(saving["ServiceID"], id.as_str());
    stage.until("a snapshot", |path, body| {
        let output = body["Output"].as_str().unwrap_or_default();
        path == format!("agent/check/update/{id}:saving") && output.starts_with("Saved snapshot ")
    });
    let names = stage.names();
    assert!(names.len() == 1 && is_snapshot(&names[0]), "{names:?}");

    kill_process(getpid(), Signal::TERM).expect("a signal");
    let saving = format!("agent/check/deregister/{id}:saving");
    stage.until("the end of leadership", |path, _| path == saving);
    stage.until("the end of its session", |path, _| path.starts_with("session/destroy/"));
    stage.until("the end of the service", |path, _| path == format!("agent/service/deregister/{id}"));
    let ran = daemon.join().expect("an end");
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    let told: Vec<&str> =
        ran.stdout.lines().filter_map(|line| line.split_once("[INFO]  ").map(|(_, text)| text)).collect();
    let [running, waiting, leading, saved, released, ended] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!([*running, *waiting], ["Snapshot agent running", "Waiting to obtain leadership..."]);
    assert_eq!([*leading, *released, *ended], ["Obtained leadership", "Gave up leadership", "Snapshot agent ended"]);
    assert!(saved.starts_with("Saved snapshot "), "{saved}");
    assert!(Path::new(&stage.path()).join(&names[0]).is_file());
}
