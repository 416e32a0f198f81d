//! How an agent starts, tells about itself, reloads and stops (`docs/spec/cli.md` §2).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

mod common;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use api::{KvPair, QueryOptions, WriteOptions};
use common::{Ended, Ports, Process, Server, Signal, consul, eventually, in_time, run};
use regex::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const RUNNING: &str = "agent: Consul agent running!";
const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const LOG_LINE: &str =
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d{4}) \[(TRACE|DEBUG|INFO|WARN|ERROR)\] ? ?agent[a-z_.]*: \S";

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn dev(ports: &Ports) -> Command {
    let mut command = consul();
    command.args(["agent", "-dev", "-node=tested", "-hcl", &ports.hcl()]);
    command
}

/// The lines behind the banner.
fn log_lines(stdout: &str) -> Vec<&str> {
    let (_, log) = stdout.split_once("==> Log data will now stream in as it occurs:\n\n").expect("a banner");
    log.lines().collect()
}

fn assert_says(ended: &Ended, code: i32, lines: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    for line in lines {
        assert!(ended.stdout.contains(line), "{line:?} is not in\n{}", ended.stdout);
    }
    let last = ended.stdout.lines().last().unwrap_or_default();
    assert!(last.ends_with(&format!("[INFO]  agent: Exit code: code={code}")), "the last line is {last:?}");
    assert_eq!(ended.stderr, "");
}

#[tokio::test]
async fn a_banner_tells_what_starts() {
    let ports = Ports::free();
    let agent = Process::spawn(&mut dev(&ports));
    let printed = agent.stdout.says(RUNNING).await;
    let banner = format!(
        "^==> Starting Consul agent...
              Version: '1\\.14\\.2'
           Build Date: '2022-11-30 16:24:29 \\+0000 UTC'
              Node ID: '{UUID}'
            Node name: 'tested'
           Datacenter: 'dc1' \\(Segment: '<all>'\\)
               Server: true \\(Bootstrap: false\\)
          Client Addr: \\[127.0.0.1\\] \\(HTTP: {}, HTTPS: -1, gRPC: 8502, gRPC-TLS: {}, DNS: {}\\)
         Cluster Addr: 127.0.0.1 \\(LAN: {}, WAN: {}\\)
    Gossip Encryption: false
     Auto-Encrypt-TLS: false
            HTTPS TLS: Verify Incoming: false, Verify Outgoing: false, Min Version: TLSv1_2
             gRPC TLS: Verify Incoming: false, Min Version: TLSv1_2
     Internal RPC TLS: Verify Incoming: false, Verify Outgoing: false \\(Verify Hostname: false\\), Min Version: TLSv1_2

==> Log data will now stream in as it occurs:

",
        ports.http, ports.grpc_tls, ports.dns, ports.serf_lan, ports.serf_wan
    );
    assert!(Regex::new(&banner).expect("an expression").is_match(&printed), "{printed}");
}

#[tokio::test]
async fn every_log_line_has_the_reference_shape() {
    let mut agent = Process::spawn(&mut dev(&Ports::free()));
    agent.stdout.says(RUNNING).await;
    agent.signal(Signal::TERM);
    let stdout = agent.ended().await.stdout;
    let shape = Regex::new(LOG_LINE).expect("an expression");
    for line in log_lines(&stdout) {
        assert!(shape.is_match(line), "{line:?}");
    }
}

#[tokio::test]
async fn the_first_write_to_a_development_agent_works() {
    let ports = Ports::free();
    let agent = Process::spawn(&mut dev(&ports));
    agent.stdout.says(RUNNING).await;
    let client = ports.client();
    in_time("the first write", client.kv().put(&KvPair::new("a", "1"), &WriteOptions::new())).await.expect("written");
    let (pair, _) = client.kv().get("a", &QueryOptions::new()).await.expect("an answer");
    assert_eq!(pair.expect("the key").value, b"1");
}

#[tokio::test]
async fn a_signal_stops_a_server_without_leaving() {
    for (signal, name) in [(Signal::INT, "interrupt"), (Signal::TERM, "terminated")] {
        let home = home();
        let mut server = Server::start(&home.path().join("data")).await;
        server.process().signal(signal);
        let caught = format!("agent: Caught: signal={name}");
        let lines = [
            caught.as_str(),
            "agent: Graceful shutdown disabled. Exiting",
            "agent: Requesting shutdown",
            "agent: consul server down",
            "agent: shutdown complete",
            "agent: Endpoints down",
        ];
        let ended = server.ended().await;
        assert_says(&ended, 1, &lines);
        assert!(!ended.stdout.contains("Graceful exit"), "{}", ended.stdout);
    }
}

#[tokio::test]
async fn a_signal_makes_a_server_leave_when_configured() {
    for (signal, setting, name) in [
        (Signal::INT, "skip_leave_on_interrupt = false", "interrupt"),
        (Signal::TERM, "leave_on_terminate = true", "terminated"),
    ] {
        let home = home();
        let mut server = Server::start_with(&home.path().join("data"), &["-hcl", setting]).await;
        server.process().signal(signal);
        let caught = format!("agent: Caught: signal={name}");
        let lines = [
            caught.as_str(),
            "agent: Gracefully shutting down agent...",
            "agent: Requesting shutdown",
            "agent: consul server down",
            "agent: shutdown complete",
            "agent: Endpoints down",
            "agent: Graceful exit completed",
        ];
        assert_says(&server.ended().await, 0, &lines);
    }
}

#[tokio::test]
async fn the_leave_command_ends_the_agent() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    let left = server.cli(&["leave"]).await;
    assert_eq!((left.code, left.stdout.as_str()), (Some(0), "Graceful leave complete\n"), "{}", left.stderr);
    assert_says(&server.ended().await, 0, &["agent: shutdown complete"]);
}

#[tokio::test]
async fn the_leave_request_is_answered_and_ends_the_agent() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    server.client.agent().leave(&WriteOptions::new()).await.expect("an answer");
    assert_says(&server.ended().await, 0, &["agent: shutdown complete"]);
}

#[tokio::test]
async fn a_server_that_left_starts_again_with_its_data() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    server.client.kv().put(&KvPair::new("a", "1"), &WriteOptions::new()).await.expect("written");
    server.client.agent().leave(&WriteOptions::new()).await.expect("an answer");
    server.ended().await;
    server.spawn().await;
    let (pair, _) = server.client.kv().get("a", &QueryOptions::new()).await.expect("an answer");
    assert_eq!(pair.expect("the key").value, b"1");
}

#[tokio::test]
async fn a_stop_ends_everything_that_is_connected() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    let kv = server.client.kv();
    kv.put(&KvPair::new("a", "1"), &WriteOptions::new()).await.expect("written");
    let (_, meta) = kv.get("a", &QueryOptions::new()).await.expect("an answer");

    let address = server.ports.http_address();
    let blocking = format!("GET /v1/kv/a?index={}&wait=10m HTTP/1.1\r\nHost: a\r\n\r\n", meta.last_index);
    let mut parked = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&address).await.expect("connected");
        stream.write_all(blocking.as_bytes()).await.expect("sent");
        parked.push(stream);
    }
    let silent = TcpStream::connect(&address).await.expect("connected");
    let mut halfway = TcpStream::connect(&address).await.expect("connected");
    halfway.write_all(b"PUT /v1/kv/b HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await.expect("sent");
    let mut monitor = server.client.agent().monitor("TRACE", &QueryOptions::new()).await.expect("a stream");
    let mut idle = TcpStream::connect(&address).await.expect("connected");
    idle.write_all(b"GET /v1/status/leader HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    // Its answer has come: the connection is kept alive and the requests before it are known to the agent.
    assert!(idle.read(&mut [0; 4096]).await.expect("an answer") > 0);

    let ended = server.stop().await;
    assert_says(&ended, 1, &["agent: shutdown complete"]);
    assert!(!ended.stdout.contains("abandoned"), "{}", ended.stdout);
    for mut stream in parked.into_iter().chain([silent, halfway, idle]) {
        // A reset is an end as well.
        let _ = in_time("the end of a connection", stream.read_to_end(&mut Vec::new())).await;
    }
    in_time("the end of the log stream", async { while let Ok(Some(_)) = monitor.next_line().await {} }).await;
}

#[tokio::test]
async fn a_second_interrupt_is_not_needed_while_a_watch_handler_hangs() {
    let home = home();
    let hcl =
        r#"watches { type = "key" key = "a" args = ["sh", "-c", "echo started; exec cat /dev/zero > /dev/null"] }"#;
    let mut server = Server::start_with(&home.path().join("data"), &["-hcl", hcl]).await;
    assert_says(&server.stop().await, 1, &["agent: shutdown complete"]);
}

#[tokio::test]
async fn the_pid_file_exists_while_the_agent_does() {
    let home = home();
    let path = home.path().join("pid");
    let file = format!("-pid-file={}", path.display());
    let mut server = Server::start_with(&home.path().join("data"), &[&file]).await;
    assert_eq!(std::fs::read_to_string(&path).expect("a pid file"), server.process().pid().to_string());
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_pid_file_that_cannot_be_written_is_a_start_error() {
    let home = home();
    let file = format!("-pid-file={}/nowhere/pid", home.path().display());
    let server = Server::new(&home.path().join("data"), &[&file]);
    let ended = run(&mut server.command()).await;
    let expected = format!("Could not write pid file {}/nowhere/pid: ", home.path().display());
    assert_says(&ended, 1, &["[ERROR] agent: Error starting agent: error=", &expected]);
}

#[tokio::test]
async fn a_second_agent_on_the_same_data_is_refused() {
    let home = home();
    let data_dir = home.path().join("data");
    let mut first = Server::start(&data_dir).await;
    let ended = run(&mut Server::new(&data_dir, &[]).command()).await;
    let raft = data_dir.join("raft").display().to_string();
    let error = format!(
        "[ERROR] agent: Error starting agent: error=\"Failed to start Consul server: raft directory {raft} is in use by process {} (lock file {raft}/lock)\"",
        first.process().pid()
    );
    assert_says(&ended, 1, &[&error]);
    first.client.kv().put(&KvPair::new("a", "1"), &WriteOptions::new()).await.expect("the first agent goes on");
}

#[tokio::test]
async fn an_occupied_http_port_is_a_start_error() {
    let home = home();
    let server = Server::new(&home.path().join("data"), &[]);
    let _occupied = TcpListener::bind(server.ports.http_address()).expect("bound");
    let ended = run(&mut server.command()).await;
    let error = format!(
        "[ERROR] agent: Error starting agent: error=\"listen tcp {}: bind: address already in use\"",
        server.ports.http_address()
    );
    assert_says(&ended, 1, &[&error]);
}

#[tokio::test]
async fn a_data_dir_that_is_a_file_is_a_start_error() {
    let home = home();
    let path = home.path().join("data");
    std::fs::write(&path, "").expect("a file");
    let ended = run(&mut Server::new(&path, &[]).command()).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr.trim_end(), format!("==> data_dir {:?} is not a directory", path.display().to_string()));
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_json_log_has_one_object_a_line_and_no_banner() {
    let home = home();
    let mut server = Server::start_with(&home.path().join("data"), &["-log-json"]).await;
    let stdout = server.stop().await.stdout;
    let stamp = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$").expect("an expression");
    let mut messages = Vec::new();
    for line in stdout.lines() {
        let event: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert!(["trace", "debug", "info", "warn", "error"].contains(&event["@level"].as_str().expect("text")));
        assert!(event["@module"].as_str().expect("text").starts_with("agent"), "{line}");
        assert!(stamp.is_match(event["@timestamp"].as_str().expect("text")), "{line}");
        messages.push(event["@message"].as_str().expect("text").to_owned());
    }
    assert!(messages.contains(&"Consul agent running!".to_owned()), "{messages:?}");
    assert_eq!(messages.last().map(String::as_str), Some("Exit code"));
}

#[tokio::test]
async fn the_log_file_repeats_the_log_and_is_rotated() {
    const BYTES: u64 = 400;
    let home = home();
    let (file, bytes) = (format!("-log-file={}/", home.path().display()), format!("-log-rotate-bytes={BYTES}"));
    let mut server = Server::start_with(&home.path().join("data"), &[&file, &bytes]).await;
    let stdout = server.stop().await.stdout;
    let files = log_files(home.path());
    assert!(files.len() > 1, "{files:?}");
    let (mut written, finished) = (String::new(), files.len() - 1);
    for (n, path) in files.values().enumerate() {
        assert_eq!(std::fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o640);
        let text = std::fs::read_to_string(path).expect("text");
        assert!(n == finished || text.len() as u64 >= BYTES, "{path}: {} bytes", text.len());
        written.push_str(&text);
    }
    // Lines of the same moment may come in another order.
    let sorted = |mut lines: Vec<&str>| {
        lines.sort_unstable();
        lines.join("\n")
    };
    assert_eq!(sorted(written.lines().collect()), sorted(log_lines(&stdout)));
}

#[tokio::test]
async fn only_as_many_log_files_are_kept_as_configured() {
    let home = home();
    let file = format!("-log-file={}/", home.path().display());
    let arguments = [&file, "-log-rotate-bytes=400", "-log-rotate-max-files=2"];
    let mut server = Server::start_with(&home.path().join("data"), &arguments).await;
    server.stop().await;
    let files = log_files(home.path());
    assert!(files.len() <= 3, "{files:?}");
}

/// The log files of a folder, oldest first.
fn log_files(folder: &Path) -> BTreeMap<u128, String> {
    let name = Regex::new(r"/consul-(\d+)\.log$").expect("an expression");
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .filter_map(|entry| {
            let path = entry.expect("an entry").path().display().to_string();
            let stamp = name.captures(&path)?[1].parse().expect("nanoseconds");
            Some((stamp, path))
        })
        .collect()
}

#[tokio::test]
async fn the_log_level_comes_from_the_flag() {
    for (level, present, absent) in
        [("trace", "[DEBUG]", "nothing"), ("WARN", "[WARN]", "[INFO]"), ("err", "", "[WARN]")]
    {
        let home = home();
        let mut server = Server::start_with(&home.path().join("data"), &[&format!("-log-level={level}")]).await;
        let stdout = server.stop().await.stdout;
        assert!(stdout.contains(present), "{level}: {stdout}");
        assert!(!stdout.contains(absent), "{level}: {stdout}");
    }
}

#[tokio::test]
async fn an_unknown_log_level_is_a_start_error() {
    let home = home();
    let ended = run(&mut Server::new(&home.path().join("data"), &["-log-level=nosuch"]).command()).await;
    let error = "==> Invalid log level: nosuch. Valid log levels are: [TRACE DEBUG INFO WARN ERR ERROR]\n";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(1), "", error));
}

/// A server with a configuration file, and the file.
async fn configured(home: &Path, config: &str) -> (Server, std::path::PathBuf) {
    let file = home.join("config.hcl");
    std::fs::write(&file, config).expect("written");
    let argument = format!("-config-file={}", file.display());
    (Server::start_with(&home.join("data"), &[&argument]).await, file)
}

#[tokio::test]
async fn sighup_changes_the_log_level() {
    let home = home();
    let (mut server, file) = configured(home.path(), "log_level = \"info\"").await;
    assert!(!server.log().contains("[DEBUG]"));
    std::fs::write(file, "log_level = \"debug\"").expect("written");
    server.process().signal(Signal::HUP);
    server.process().stdout.says("agent: Caught: signal=hangup").await;
    eventually("a debug line", || async {
        server.client.status().leader(&QueryOptions::new()).await.expect("an answer");
        server.log().contains("[DEBUG]").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reload_of_a_bad_file_changes_nothing_and_says_why() {
    let home = home();
    let (mut server, file) = configured(home.path(), "log_level = \"warn\"").await;
    std::fs::write(&file, "log_level = \"trace\"\nnonsense = 1\n").expect("written");
    server.process().signal(Signal::HUP);
    let log = server.process().stdout.says("invalid config key nonsense").await;
    let (_, error) = log.split_once("[ERROR] agent: Reload config failed:").expect("the error");
    assert!(error.contains(&format!("failed to parse {}", file.display())), "{error}");
    server.client.status().leader(&QueryOptions::new()).await.expect("an answer");
    let stdout = server.stop().await.stdout;
    assert!(!stdout.contains("[DEBUG]") && !stdout.contains("[INFO]"), "{stdout}");
}

#[tokio::test]
async fn a_reload_with_an_absent_capability_changes_nothing_and_names_it() {
    let home = home();
    let (server, file) = configured(home.path(), "log_level = \"info\"").await;
    std::fs::write(&file, "log_level = \"debug\"\nenable_syslog = true\n").expect("written");
    let ended = server.cli(&["reload"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("enable_syslog: this version does not have syslog yet"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{}:2:1", file.display())), "{}", ended.stderr);
    assert!(!server.log().contains("[DEBUG]"));
}

#[tokio::test]
async fn a_reload_warns_about_what_needs_a_restart() {
    let home = home();
    let (mut server, file) = configured(home.path(), "datacenter = \"dc1\"").await;
    std::fs::write(&file, "datacenter = \"dc2\"").expect("written");
    server.process().signal(Signal::HUP);
    server.process().stdout.says("[WARN]  agent: this change takes effect only after a restart: key=datacenter").await;
    let described = server.client.agent().self_info(&QueryOptions::new()).await.expect("an answer");
    assert_eq!(described.config_text("Datacenter"), Some("dc1"));
}

#[tokio::test]
async fn a_reload_brings_new_node_meta_to_the_catalog() {
    let home = home();
    let (server, file) = configured(home.path(), "node_meta { a = \"1\" }").await;
    server.await_registered().await;
    std::fs::write(&file, "node_meta { a = \"2\" }").expect("written");
    let ended = server.cli(&["reload"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "Configuration reload triggered\n"), "{}", ended.stderr);
    eventually("the new metadata", || async {
        let (nodes, _) = server.client.catalog().nodes(&QueryOptions::new()).await.ok()?;
        (nodes.first()?.meta.get("a")? == "2").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_reload_command_tells_what_is_wrong() {
    let home = home();
    let (server, file) = configured(home.path(), "").await;
    std::fs::write(&file, "nonsense = 1").expect("written");
    let ended = server.cli(&["reload"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let expected = "Error reloading: Unexpected response code: 500 (";
    assert!(ended.stderr.starts_with(expected) && ended.stderr.contains("nonsense"), "{}", ended.stderr);
}

#[tokio::test]
async fn info_prints_groups_of_numbers() {
    let home = home();
    let server = Server::start(&home.path().join("data")).await;
    let ended = server.cli(&["info"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut group = "";
    for line in ended.stdout.lines() {
        match line.strip_prefix('\t') {
            Some(pair) => groups.entry(group).or_default().push(pair.split_once(" = ").expect(line).0),
            None => group = line.strip_suffix(':').expect(line),
        }
    }
    let expected = [
        ("agent", "check_monitors check_ttls checks services"),
        ("build", "prerelease revision version version_metadata"),
        ("consul", "acl bootstrap known_datacenters leader leader_addr server"),
        (
            "raft",
            "applied_index commit_index fsm_pending last_contact last_log_index last_log_term last_snapshot_index \
             last_snapshot_term latest_configuration latest_configuration_index num_peers protocol_version \
             protocol_version_max protocol_version_min snapshot_version_max snapshot_version_min state term",
        ),
        ("runtime", "arch cpu_count goroutines max_procs os version"),
    ];
    for (group, keys) in expected {
        let printed = groups.get(group).unwrap_or_else(|| panic!("no group {group}:\n{}", ended.stdout));
        assert_eq!(printed.join(" "), keys, "of {group}");
    }
}

/// A `consul monitor` that is known to follow the log of the server.
async fn monitor(server: &Server, arguments: &[&str]) -> Process {
    let arguments: Vec<&str> = ["monitor"].iter().chain(arguments).copied().collect();
    let monitor = Process::spawn(&mut server.cli_command(&arguments));
    eventually("a line of the log", || async {
        server.client.agent().reload(&WriteOptions::new()).await.expect("reloaded");
        monitor.stdout.text().contains("Reloading configuration...").then_some(())
    })
    .await;
    monitor
}

#[tokio::test]
async fn the_monitor_command_follows_the_log_until_the_agent_stops() {
    let home = home();
    let mut server = Server::start(&home.path().join("data")).await;
    let mut monitor = monitor(&server, &[]).await;
    server.stop().await;
    let ended = monitor.ended().await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let message =
        "\n\nRemote side ended the monitor! This usually means that the\nremote side has exited or crashed.\n";
    assert!(ended.stdout.ends_with(message), "{}", ended.stdout);
    let shape = Regex::new(LOG_LINE).expect("an expression");
    for line in ended.stdout.trim_end_matches(message).lines() {
        assert!(shape.is_match(line), "{line:?}");
    }
}

#[tokio::test]
async fn the_monitor_command_ends_well_on_an_interrupt() {
    let home = home();
    let server = Server::start(&home.path().join("data")).await;
    let mut monitor = monitor(&server, &["-log-level=debug", "-log-json"]).await;
    monitor.signal(Signal::INT);
    let ended = monitor.ended().await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for line in ended.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    }
}

#[tokio::test]
async fn the_monitor_command_refuses_an_unknown_level() {
    let home = home();
    let server = Server::start(&home.path().join("data")).await;
    let ended = server.cli(&["monitor", "-log-level=nosuch"]).await;
    let error = "Error starting monitor: Unexpected response code: 400 (Unknown log level: nosuch)\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), error));
}

#[tokio::test]
async fn the_validate_command_tells_good_from_bad() {
    let home = home();
    let file = home.path().join("a.hcl");
    let path = file.display().to_string();
    let good = "data_dir = \"d\" server = true bind_addr = \"127.0.0.1\" bootstrap = true";
    let table = [
        (good, &[][..], Some(0), "Configuration is valid!\n", "bootstrap = true: do not enable unless necessary\n"),
        (good, &["-quiet"], Some(0), "", ""),
        ("server = true", &[], Some(1), "", "Config validation failed: data_dir cannot be empty\n"),
        (good, &["-config-format=yaml"], Some(1), "", "-config-format must be either 'hcl' or 'json\n"),
    ];
    for (text, flags, code, stdout, stderr) in table {
        std::fs::write(&file, text).expect("written");
        let ended = run(consul().arg("validate").args(flags).arg(&path)).await;
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (code, stdout, stderr),
            "{text} {flags:?}"
        );
    }
    let ended = run(consul().arg("validate")).await;
    let error = "Must specify at least one config file or directory\n";
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), error));
}

#[tokio::test]
async fn arguments_without_a_flag_are_refused() {
    let ended = run(consul().args(["agent", "-dev", "a", "b"])).await;
    let error = "==> Unexpected extra arguments: [a b]\n";
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(1), "", error));
}
