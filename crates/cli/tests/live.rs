//! Commands against an agent that runs: `CONSUL_BIN`, or the program that was built.

#![allow(clippy::expect_used, reason = "helpers of tests may fail as loudly as tests")]

mod common;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use api::test_support::{TestAgent, program};
use api::{AgentService, CatalogRegistration, WriteOptions};
use common::{Ran, run_with};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// How long a program may take to end once it is told to.
const END_DEADLINE: Duration = Duration::from_secs(60);

/// An agent, and the event loop that looks after it while commands run in this thread.
struct Cluster {
    agent: TestAgent,
    runtime: Runtime,
}

impl Cluster {
    fn start() -> Cluster {
        let runtime = Runtime::new().expect("an event loop");
        let agent = runtime.block_on(TestAgent::start()).expect("an agent");
        Cluster { agent, runtime }
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with_input(args, "")
    }

    fn run_with_input(&self, args: &[&str], input: &str) -> Ran {
        run_with(args, &[("CONSUL_HTTP_ADDR", self.agent.http_addr())], input)
    }

    /// Runs a command that succeeds and answers what it prints.
    fn output(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{args:?}");
        ran.stdout
    }

    /// Runs a command that finds nothing, which is said on standard error and no failure.
    fn finds_nothing(&self, args: &[&str], message: &str) {
        let ran = self.run(args);
        assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.trim_end()), (0, "", message), "{args:?}");
    }

    fn fails(&self, args: &[&str], exit: i32, message: &str) {
        let ran = self.run(args);
        assert_eq!((ran.exit, ran.stdout.as_str(), ran.stderr.trim_end()), (exit, "", message), "{args:?}");
    }
}

#[test]
fn kv_values_are_written_read_and_removed() {
    let cluster = Cluster::start();
    assert_eq!(cluster.output(&["kv", "put", "a/1", "one"]), "Success! Data written to: a/1\n");
    assert_eq!(cluster.run_with_input(&["kv", "put", "a/2", "-"], "two\n").exit, 0);
    cluster.output(&["kv", "put", "-flags=7", "-base64", "a/b/3", "dGhyZWU="]);

    assert_eq!(cluster.output(&["kv", "get", "/a/1"]), "one\n");
    assert_eq!(cluster.output(&["kv", "get", "a/2"]), "two\n\n");
    assert_eq!(cluster.output(&["kv", "get", "-base64", "a/b/3"]), "dGhyZWU=\n");
    assert_eq!(cluster.output(&["kv", "get", "-recurse", "-base64", "a/"]), "a/1:b25l\na/2:dHdvCg==\na/b/3:dGhyZWU=\n");
    assert_eq!(cluster.output(&["kv", "get", "-keys", "a/"]), "a/1\na/2\na/b/\n");
    assert_eq!(cluster.output(&["kv", "get", "-keys", "-recurse", "a/"]), "a/1\na/2\na/b/3\n");
    assert_eq!(cluster.output(&["kv", "get", "-recurse", "none"]), "");
    let detailed = cluster.output(&["kv", "get", "-detailed", "a/b/3"]);
    assert!(detailed.contains("\nFlags            7\nKey              a/b/3\n"), "{detailed}");
    assert!(detailed.ends_with("\nSession          -\nValue            three\n"), "{detailed}");

    cluster.fails(&["kv", "get", "none"], 1, "Error! No key exists at: none");
    let refused = "Error! Did not write to a/1: CAS performed with index=0 and key already exists.";
    cluster.fails(&["kv", "put", "-cas", "a/1", "x"], 1, refused);
    cluster.fails(&["kv", "delete", "-cas", "-modify-index=1", "a/1"], 1, "Error! Did not delete key a/1: CAS failed");
    assert_eq!(cluster.output(&["kv", "delete", "a/1"]), "Success! Deleted key: a/1\n");
    assert_eq!(cluster.output(&["kv", "delete", "-recurse", "a/"]), "Success! Deleted keys with prefix: a/\n");
    assert_eq!(cluster.output(&["kv", "get", "-keys", ""]), "");
}

#[test]
fn kv_subtrees_are_exported_and_imported() {
    let cluster = Cluster::start();
    cluster.output(&["kv", "put", "-flags=9", "e/1", "<one>"]);
    let exported = cluster.output(&["kv", "export", "e/"]);
    assert_eq!(exported, "[\n\t{\n\t\t\"key\": \"e/1\",\n\t\t\"flags\": 9,\n\t\t\"value\": \"PG9uZT4=\"\n\t}\n]\n");
    assert_eq!(cluster.output(&["kv", "export", "none"]), "[]\n");
    let ran = cluster.run_with_input(&["kv", "import", "-prefix=copy", "-"], &exported);
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, "Imported: copy/e/1\n"));
    assert_eq!(cluster.output(&["kv", "get", "copy/e/1"]), "<one>\n");
}

#[test]
fn a_lock_is_held_while_its_program_runs_and_gone_after() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("told");
    let script = |text: &str| format!("{text} > {}", told.display());
    let read = |path: &Path| std::fs::read_to_string(path).expect("what the program wrote");
    for args in [&["lock", "l/a"][..], &["lock", "-n=2", "l/b"]] {
        let echo = script("echo held=$CONSUL_LOCK_HELD");
        assert_eq!(cluster.output(&[args, &[echo.as_str()]].concat()), "", "{args:?}");
        assert_eq!(read(&told), "held=true\n", "{args:?}");
        assert_eq!(cluster.output(&["kv", "get", "-keys", "l/"]), "", "{args:?}");
    }
    cluster.fails(&["lock", "-child-exit-code", "l/a", "exit 3"], 2, "Error running handler: exit status 3");
    let ran = cluster.run(&["lock", "l/a", "exit 3"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, "Error running handler: exit status 3\n"));
    let verbose = cluster.output(&["lock", "-verbose", "-shell=false", "l/a", "true"]);
    let steps = "Setting up lock at path: l/a/.lock\nAttempting lock acquisition\nStarting handler\nChild \
                 terminated, releasing lock\nCleanup succeeded\n";
    assert_eq!(verbose, steps);
}

#[test]
fn a_key_that_is_no_lock_is_not_taken() {
    let cluster = Cluster::start();
    cluster.output(&["kv", "put", "-flags=5", "taken/.lock", "x"]);
    let lock = "Lock acquisition failed: Existing key does not match lock use";
    cluster.fails(&["lock", "-timeout=1s", "taken", "true"], 1, lock);
    let semaphore = "Lock acquisition failed: Existing key does not match semaphore use";
    cluster.fails(&["lock", "-n=2", "-timeout=1s", "taken", "true"], 1, semaphore);
}

#[test]
fn a_watch_prints_once_or_runs_its_program_at_each_change() {
    let cluster = Cluster::start();
    assert_eq!(cluster.output(&["watch", "-type=key", "-key=none"]), "null\n");
    assert_eq!(cluster.output(&["watch", "-type=keyprefix", "-prefix=none"]), "null\n");
    cluster.output(&["kv", "put", "w/a", "<one>"]);
    let printed = cluster.output(&["watch", "-type=key", "-key=w/a"]);
    assert!(printed.starts_with("{\n    \"Key\": \"w/a\",\n    \"CreateIndex\": "), "{printed}");
    assert!(printed.ends_with("    \"Value\": \"PG9uZT4=\",\n    \"Session\": \"\"\n}\n"), "{printed}");

    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("seen").display().to_string();
    let script = format!("cat >> {seen}; test -n \"$CONSUL_INDEX\" && exit 4");
    cluster.fails(&["watch", "-type=key", "-key=w/a", &script], 1, "Error executing handler: exit status 4");
    let line = std::fs::read_to_string(seen).expect("what the program read");
    assert!(line.starts_with("{\"Key\":\"w/a\",") && line.ends_with("}\n"), "{line}");
    cluster.fails(
        &["watch", "-type=key", "-key=w/a", "-shell=false", "/no/such/program"],
        1,
        "Error starting handler: fork/exec /no/such/program: no such file or directory",
    );
}

#[test]
fn an_interrupt_ends_a_watch_that_was_started_with_interrupts_ignored() {
    let cluster = Cluster::start();
    let consul = program().expect("the program");
    let status = cluster.runtime.block_on(async {
        // As a shell starts what it runs in the background.
        let mut watch = Command::new("/bin/sh")
            .args(["-c", "trap '' INT; exec \"$0\" watch -type=key -key=none cat"])
            .arg(consul)
            .env("CONSUL_HTTP_ADDR", cluster.agent.http_addr())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a shell");
        let mut lines = BufReader::new(watch.stdout.take().expect("its output")).lines();
        assert_eq!(lines.next_line().await.expect("a line").as_deref(), Some("null"));
        let pid = watch.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("a process");
        kill_process(pid, Signal::INT).expect("a signal");
        timeout(END_DEADLINE, watch.wait()).await.expect("an end in time").expect("a status")
    });
    assert!(status.success(), "{status}");
}

#[test]
fn the_catalog_is_listed_and_narrowed() {
    let cluster = Cluster::start();
    let client = cluster.agent.client().expect("a client");
    let registration = CatalogRegistration {
        id: "40e4a748-2192-161a-0510-9bf59fe950b5".to_string(),
        node: "db-1".to_string(),
        address: "10.40.0.10".to_string(),
        node_meta: [("rack".to_string(), "r1".to_string()), ("env".to_string(), "prod".to_string())].into(),
        tagged_addresses: [("wan".to_string(), "203.0.113.1".to_string())].into(),
        service: Some(AgentService {
            service: "pg".to_string(),
            tags: vec!["replica".to_string(), "a".to_string()],
            port: 5432,
            ..AgentService::default()
        }),
        ..CatalogRegistration::default()
    };
    cluster.runtime.block_on(client.catalog().register(&registration, &WriteOptions::new())).expect("a registration");

    assert_eq!(cluster.output(&["catalog", "datacenters"]), "dc1\n");
    let row = "Node  ID        Address     DC\ndb-1  40e4a748  10.40.0.10  dc1\n";
    assert_eq!(cluster.output(&["catalog", "nodes", "-service=pg"]), row);
    assert_eq!(cluster.output(&["catalog", "nodes", "-node-meta=rack=r1", "-near=_agent"]), row);
    let filter = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(filter.path(), "Node == \"db-1\"").expect("a filter");
    let at_file = format!("-filter=@{}", filter.path().display());
    assert_eq!(cluster.output(&["catalog", "nodes", &at_file]), row);
    let ran = cluster.run_with_input(&["catalog", "nodes", "-filter", "-"], "Node matches `^db`");
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, row));
    let detailed = cluster.output(&["catalog", "nodes", "-detailed", "-service=pg"]);
    assert!(detailed.ends_with("  dc1  wan=203.0.113.1  env=prod, rack=r1\n"), "{detailed}");
    let none = "No nodes match the given query - try expanding your search.";
    cluster.finds_nothing(&["catalog", "nodes", "-service=none"], none);
    cluster.finds_nothing(&["catalog", "nodes", "-node-meta=rack=r1", "-node-meta=env=dev"], none);
    cluster.fails(
        &["catalog", "nodes", "-datacenter=dc9"],
        1,
        "Error listing nodes: Unexpected response code: 500 (No path to datacenter)",
    );

    assert_eq!(cluster.output(&["catalog", "services", "-node-meta=rack=r1"]), "pg\n");
    assert_eq!(cluster.output(&["catalog", "services", "-node=db-1", "-tags"]), "pg      a,replica\n");
    let none = "No services match the given query - try expanding your search.";
    cluster.finds_nothing(&["catalog", "services", "-node=none"], none);
    cluster.finds_nothing(&["catalog", "services", "-node-meta=rack=zzz"], none);
}

#[test]
fn services_of_files_are_registered_with_their_checks_and_seen_by_watches() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    // The node is named so that no warning depends on where the test runs.
    let web = write(
        "web.hcl",
        r#"
            node_name = "n"
            service {
              id = "web1"
              name = "web"
              tags = ["v1"]
              check {
                id = "alive"
                ttl = "1h"
                status = "passing"
              }
            }
        "#,
    );
    let two = write("two.json", r#"{"node_name": "n", "services": [{"name": "a"}, {"name": "b", "port": 7}]}"#);
    assert_eq!(cluster.output(&["services", "register", &web]), "Registered service: web\n");
    assert_eq!(cluster.output(&["services", "register", &two]), "Registered service: a\nRegistered service: b\n");
    let checks = cluster.output(&["watch", "-type=checks", "-service=web"]);
    let checks: serde_json::Value = serde_json::from_str(&checks).expect("JSON");
    let seen = (&checks[0]["CheckID"], &checks[0]["Status"], &checks[0]["Type"], &checks[0]["ServiceTags"][0]);
    assert_eq!(seen, (&"alive".into(), &"passing".into(), &"ttl".into(), &"v1".into()));
    let instances = cluster.output(&["watch", "-type=service", "-service=web", "-tag=v1", "-passingonly=true"]);
    let instances: serde_json::Value = serde_json::from_str(&instances).expect("JSON");
    assert_eq!(instances[0]["Service"]["ID"], "web1");
    assert_eq!(cluster.output(&["watch", "-type=service", "-service=none"]), "[]\n");

    let unknown = "Unknown service ID \"none\". Ensure that the service ID is passed, not the service name.";
    let none = format!("Error deregistering service \"\": Unexpected response code: 404 ({unknown})");
    cluster.fails(&["services", "deregister", "-id=none"], 1, &none);
    assert_eq!(cluster.output(&["services", "deregister", &web]), "Deregistered service: web1\n");
    assert_eq!(cluster.output(&["services", "deregister", &two]), "Deregistered service: a\nDeregistered service: b\n");
    assert_eq!(cluster.output(&["watch", "-type=checks", "-service=web"]), "[]\n");
    let notes = write("notes.txt", "of no use");
    let ran = cluster.run(&["services", "deregister", &notes]);
    assert_eq!((ran.exit, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("notes.txt, extension must be .hcl or .json"), "{}", ran.stderr);
}

#[test]
fn maintenance_is_turned_on_listed_and_turned_off() {
    let cluster = Cluster::start();
    cluster.output(&["services", "register", "-name=web", "-id=web1"]);
    assert_eq!(cluster.output(&["maint"]), "");
    assert_eq!(cluster.output(&["maint", "-enable", "-reason=new disk"]), "Node maintenance is now enabled\n");
    let node = cluster.output(&["maint"]);
    assert!(node.starts_with("Node:\n  Name:   ") && node.ends_with("\n  Reason: new disk\n\n"), "{node}");
    assert_eq!(cluster.output(&["maint", "-disable"]), "Node maintenance is now disabled\n");
    let enabled = "Service maintenance is now enabled for \"web1\"\n";
    assert_eq!(cluster.output(&["maint", "-enable", "-service=web1", "-reason=upgrade"]), enabled);
    assert_eq!(cluster.output(&["maint"]), "Service:\n  ID:     web1\n  Reason: upgrade\n\n");
    let disabled = "Service maintenance is now disabled for \"web1\"\n";
    assert_eq!(cluster.output(&["maint", "-disable", "-service=web1"]), disabled);
    assert_eq!(cluster.output(&["maint"]), "");
    let unknown = "Unknown service ID \"web\". Ensure that the service ID is passed, not the service name.";
    let none = format!("Error enabling service maintenance: Unexpected response code: 404 ({unknown})");
    cluster.fails(&["maint", "-enable", "-service=web"], 1, &none);
}

#[test]
fn an_event_gets_an_id_and_reaches_a_watch() {
    let cluster = Cluster::start();
    let fired = cluster.output(&["event", "-name=deploy", "v1"]);
    let id = fired.strip_prefix("Event ID: ").expect("an ID").trim_end();
    let script = format!("grep -q {id} && exit 6 || true");
    cluster.fails(&["watch", "-type=event", "-name=deploy", &script], 1, "Error executing handler: exit status 6");
}

#[test]
fn the_agent_tells_of_itself() {
    let cluster = Cluster::start();
    let members = cluster.output(&["members"]);
    let lines: Vec<&str> = members.lines().collect();
    assert!(lines[0].starts_with("Node") && lines[0].ends_with("Partition  Segment"), "{members}");
    assert!(lines[1].contains("  alive   server  ") && lines[1].ends_with("<all>"), "{members}");
    assert_eq!(cluster.run(&["members", "-status=failed"]).exit, 2);
    assert!(cluster.output(&["info"]).starts_with("agent:\n\t"), "parts and their values");
    assert_eq!(cluster.output(&["reload"]), "Configuration reload triggered\n");
    let level = "Error starting monitor: Unexpected response code: 400 (Unknown log level: nosuch)";
    cluster.fails(&["monitor", "-log-level=nosuch"], 1, level);
}

#[test]
fn a_snapshot_is_saved_inspected_and_restored() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.snap").display().to_string();
    cluster.output(&["kv", "put", "app/db/url", "pg"]);
    let saved = cluster.output(&["snapshot", "save", &file]);
    assert!(saved.starts_with("Saved and verified snapshot to index "), "{saved}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing but the snapshot is left");

    let inspected = cluster.output(&["snapshot", "inspect", "-format=json", "-kvdetails", &file]);
    let report: serde_json::Value = serde_json::from_str(&inspected).expect("JSON");
    assert_eq!((&report["StatsKV"][0]["Name"], &report["StatsKV"][0]["Count"]), (&"app/db".into(), &1.into()));

    cluster.output(&["kv", "delete", "app/db/url"]);
    assert_eq!(cluster.output(&["snapshot", "restore", &file]), "Restored snapshot\n");
    assert_eq!(cluster.output(&["kv", "get", "app/db/url"]), "pg\n");
}

#[test]
fn leaving_ends_the_agent() {
    let cluster = Cluster::start();
    assert_eq!(cluster.output(&["leave"]), "Graceful leave complete\n");
}
