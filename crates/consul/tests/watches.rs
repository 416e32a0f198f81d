//! Watches of the configuration and their handlers (`docs/spec/server-operations.md` §14).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use api::{FireRequest, KvPair, QueryOptions, WriteOptions};
use common::{Server, Signal, eventually, in_time, run};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

async fn put(server: &Server, key: &str, value: &str) {
    server.client.kv().put(&KvPair::new(key, value), &WriteOptions::new()).await.expect("written");
}

/// A watch whose handler appends what it is given, and its index, as one line.
fn recording(what: &str, out: &Path) -> String {
    let script = format!("printf '%s %s\\\\n' $CONSUL_INDEX \\\"$(cat)\\\" >> {}", out.display());
    format!("watches {{ {what} args = [\"sh\", \"-c\", \"{script}\"] }}")
}

/// Runs recorded so far: the index, and the data.
fn recorded(out: &Path) -> Vec<(u64, serde_json::Value)> {
    let text = fs::read_to_string(out).unwrap_or_default();
    // A line without its end is still being written.
    let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let run = |line: &str| {
        let (index, json) = line.split_once(' ').expect("an index and data");
        (index.parse().expect("a number"), serde_json::from_str(json).expect("JSON"))
    };
    whole.lines().map(run).collect()
}

async fn recorded_times(out: &Path, times: usize) -> Vec<(u64, serde_json::Value)> {
    let what = format!("{times} runs of the handler");
    let runs = eventually(&what, || async { Some(recorded(out)).filter(|runs| runs.len() >= times) }).await;
    assert_eq!(runs.len(), times, "{runs:?}");
    runs
}

/// A server with a configuration file that a reload reads again.
async fn configured(home: &Path, config: &str) -> (Server, PathBuf) {
    let file = home.join("config.hcl");
    fs::write(&file, config).expect("written");
    let server = Server::start_with(&home.join("data"), &[&format!("-config-file={}", file.display())]).await;
    (server, file)
}

#[tokio::test]
async fn a_handler_runs_at_the_start_and_on_each_change_of_what_is_watched() {
    let home = home();
    let out = home.path().join("out");
    let (server, _) = configured(home.path(), &recording("type = \"key\" key = \"a\"", &out)).await;
    let runs = recorded_times(&out, 1).await;
    assert_eq!(runs[0].1, serde_json::Value::Null);

    put(&server, "unrelated", "1").await;
    put(&server, "a", "first").await;
    let runs = recorded_times(&out, 2).await;
    assert_eq!(runs[1].1["Key"], "a");
    assert_eq!(runs[1].1["Value"], "Zmlyc3Q=");
    assert_eq!(Some(runs[1].0), runs[1].1["ModifyIndex"].as_u64());

    put(&server, "ab", "1").await;
    put(&server, "a", "second").await;
    assert_eq!(recorded_times(&out, 3).await[2].1["Value"], "c2Vjb25k");
}

#[tokio::test]
async fn each_kind_of_watch_gives_its_data() {
    let home = home();
    let out = |name: &str| home.path().join(name);
    let watches = [
        recording("type = \"keyprefix\" prefix = \"a/\"", &out("keyprefix")),
        recording("type = \"services\"", &out("services")),
        recording("type = \"nodes\"", &out("nodes")),
        recording("type = \"service\" service = \"consul\"", &out("service")),
        recording("type = \"checks\" state = \"passing\"", &out("checks")),
        recording("type = \"event\" name = \"deploy\"", &out("event")),
    ];
    let (server, _) = configured(home.path(), &watches.join("\n")).await;
    put(&server, "a/b", "1").await;
    // The first answer of an event watch is what the agent knows already.
    eventually("the first run", || async { recorded(&out("event")).first().cloned() }).await;
    server.client.event().fire(&FireRequest::new("deploy"), &WriteOptions::new()).await.expect("fired");
    let last = |name: &str, shows: fn(&serde_json::Value) -> bool| {
        let path = out(name);
        async move {
            let what = format!("the {} watch", path.display());
            eventually(&what, || async { recorded(&path).last().filter(|(_, data)| shows(data)).cloned() }).await;
        }
    };
    last("keyprefix", |data| data[0]["Key"] == "a/b").await;
    last("services", |data| data["consul"].is_array()).await;
    last("nodes", |data| data[0]["Node"] == "tested").await;
    last("service", |data| data[0]["Service"]["Service"] == "consul").await;
    last("checks", |data| data[0]["CheckID"] == "serfHealth").await;
    last("event", |data| data[0]["Name"] == "deploy").await;
}

#[tokio::test]
async fn a_reload_runs_every_handler_again_and_takes_over_new_watches() {
    let home = home();
    let (old, new) = (home.path().join("old"), home.path().join("new"));
    let (server, file) = configured(home.path(), &recording("type = \"key\" key = \"a\"", &old)).await;
    put(&server, "a", "1").await;
    eventually("the change", || async { recorded(&old).last().filter(|(_, data)| data["Value"] == "MQ==").cloned() })
        .await;
    let before = recorded(&old).len();
    assert_eq!(server.cli(&["reload"]).await.code, Some(0));
    recorded_times(&old, before + 1).await;

    fs::write(&file, recording("type = \"key\" key = \"b\"", &new)).expect("written");
    assert_eq!(server.cli(&["reload"]).await.code, Some(0));
    recorded_times(&new, 1).await;
    put(&server, "a", "2").await;
    put(&server, "b", "2").await;
    recorded_times(&new, 2).await;
    assert_eq!(recorded(&old).len(), before + 1);
}

#[tokio::test]
async fn a_reload_with_a_bad_watch_keeps_the_running_ones() {
    let home = home();
    let out = home.path().join("out");
    let good = recording("type = \"key\" key = \"a\"", &out);
    let (server, file) = configured(home.path(), &good).await;
    recorded_times(&out, 1).await;
    fs::write(&file, format!("{good}\nwatches {{ type = \"nope\" args = [\"true\"] }}")).expect("written");
    let ended = server.cli(&["reload"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("Unsupported watch type: nope"), "{}", ended.stderr);
    put(&server, "a", "1").await;
    recorded_times(&out, 2).await;
}

#[tokio::test]
async fn a_bad_watch_is_a_start_error() {
    let table = [
        ("type = \"nope\" args = [\"true\"]", "Unsupported watch type: nope"),
        ("args = [\"true\"]", "Watch type must be specified"),
        ("type = \"key\" args = [\"true\"]", "Must specify a single key to watch"),
        ("type = \"nodes\"", "Must define a watch handler"),
        ("type = \"nodes\" args = [\"true\"] x = 1", "Invalid parameters: [x]"),
        ("type = \"connect_roots\" args = [\"true\"]", "Watch type connect_roots is not allowed in agent config"),
    ];
    for (watch, error) in table {
        let home = home();
        let hcl = format!("watches {{ {watch} }}");
        let ended = run(&mut Server::new(&home.path().join("data"), &["-hcl", &hcl]).command()).await;
        assert_eq!(ended.code, Some(1), "{watch}: {}", ended.stdout);
        let line = ended.stdout.lines().find(|line| line.contains("Error starting agent")).unwrap_or_default();
        assert!(line.contains(error), "{watch}: {}{}", ended.stdout, ended.stderr);
    }
}

#[tokio::test]
async fn a_failing_handler_is_logged_and_tried_again_at_the_next_change() {
    let home = home();
    let out = home.path().join("out");
    let script = format!("echo run >> {}; exit 3", out.display());
    let watch = format!("watches {{ type = \"key\" key = \"a\" args = [\"sh\", \"-c\", \"{script}\"] }}");
    let missing = "watches { type = \"key\" key = \"a\" args = [\"/nowhere/at/all\"] }";
    let (mut server, _) = configured(home.path(), &format!("{watch}\n{missing}")).await;
    server.process().stdout.says_times("[ERROR] agent.watch: Failed to run watch handler: ", 2).await;
    put(&server, "a", "1").await;
    server.process().stdout.says_times("[ERROR] agent.watch: Failed to run watch handler: ", 4).await;
    let ended = server.stop().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("exit status: 3") || ended.stdout.contains("exit status 3"), "{}", ended.stdout);
    assert_eq!(fs::read_to_string(&out).expect("the runs"), "run\nrun\n");
}

#[tokio::test]
async fn a_hanging_handler_ends_with_the_agent() {
    let home = home();
    let pid_file = home.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 1000", pid_file.display());
    let watch = format!("watches {{ type = \"key\" key = \"a\" args = [\"sh\", \"-c\", \"{script}\"] }}");
    let (mut server, _) = configured(home.path(), &watch).await;
    let pid =
        eventually("the handler", || async { fs::read_to_string(&pid_file).ok()?.trim().parse::<u32>().ok() }).await;
    let ended = server.stop().await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("agent: shutdown complete"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("abandoned"), "{}", ended.stdout);
    eventually("the handler's end", || async {
        // A process that has ended has no command line, whoever reads its status and when.
        fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_hanging_handler_does_not_hold_up_a_reload() {
    let home = home();
    let started = home.path().join("started");
    let script = format!("echo run >> {}; exec sleep 1000", started.display());
    let watch = format!("watches {{ type = \"key\" key = \"a\" args = [\"sh\", \"-c\", \"{script}\"] }}");
    let (server, _) = configured(home.path(), &watch).await;
    let runs = |times: usize| {
        let started = &started;
        eventually("the handler", move || async move {
            (fs::read_to_string(started).ok()?.lines().count() == times).then_some(())
        })
    };
    runs(1).await;
    assert_eq!(server.cli(&["reload"]).await.code, Some(0));
    runs(2).await;
}

/// A request that a handler sent.
struct Received {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// An HTTP server that takes requests and answers each with this status.
async fn receiver(status: &'static str) -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
    let address = listener.local_addr().expect("bound").to_string();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let request = receive(stream, status).await;
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, received)
}

async fn receive(stream: TcpStream, status: &str) -> Received {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("a request");
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.expect("a header");
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("a body");
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.expect("answered");
    Received { line, headers, body: String::from_utf8(body).expect("text") }
}

async fn next(received: &mut mpsc::UnboundedReceiver<Received>) -> Received {
    in_time("a request", received.recv()).await.expect("the receiver runs")
}

#[tokio::test]
async fn an_http_handler_is_sent_what_changed() {
    let home = home();
    let (address, mut received) = receiver("200 OK").await;
    let watch = format!(
        "watches {{ type = \"key\" key = \"a\" handler_type = \"http\" http_handler_config {{
            path = \"http://{address}/a%20hook?x=1&y=%2F\" method = \"PUT\" header {{ X-Extra = [\"yes\", \"no\"] }} }} }}"
    );
    let (server, _) = configured(home.path(), &watch).await;
    let first = next(&mut received).await;
    assert_eq!(first.line, "PUT /a%20hook?x=1&y=%2F HTTP/1.1\r\n");
    assert_eq!(first.headers["content-type"], "application/json");
    assert_eq!(first.headers["x-extra"], "yes, no");
    assert_eq!(first.body.trim_end(), "null");

    put(&server, "unrelated", "1").await;
    put(&server, "a", "1").await;
    let second = next(&mut received).await;
    let pair: serde_json::Value = serde_json::from_str(&second.body).expect("JSON");
    assert_eq!(pair["Value"], "MQ==");
    assert_eq!(second.headers["x-consul-index"], pair["ModifyIndex"].to_string());
    assert_eq!(server.cli(&["reload"]).await.code, Some(0));
    assert_eq!(next(&mut received).await.body, second.body);
}

#[tokio::test]
async fn an_http_handler_that_refuses_is_logged() {
    let home = home();
    let (address, mut received) = receiver("500 Internal Server Error").await;
    let watch = format!(
        "watches {{ type = \"key\" key = \"a\" handler_type = \"http\" http_handler_config {{ path = \"http://{address}/\" }} }}"
    );
    let (mut server, _) = configured(home.path(), &watch).await;
    assert_eq!(next(&mut received).await.line, "POST / HTTP/1.1\r\n");
    server.process().stdout.says("[ERROR] agent.watch: Failed to run watch handler: ").await;
    put(&server, "a", "1").await;
    next(&mut received).await;
}

#[tokio::test]
async fn a_hanging_http_handler_ends_with_the_agent() {
    let home = home();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bound");
    let watch = format!(
        "watches {{ type = \"key\" key = \"a\" handler_type = \"http\" http_handler_config {{ path = \"http://{}/\" timeout = \"1h\" }} }}",
        listener.local_addr().expect("bound")
    );
    let (mut server, _) = configured(home.path(), &watch).await;
    let (mut asked, _) = in_time("the handler", listener.accept()).await.expect("a connection");
    server.process().signal(Signal::TERM);
    let ended = server.ended().await;
    assert_eq!(ended.code, Some(1));
    assert!(!ended.stdout.contains("abandoned"), "{}", ended.stdout);
    // A reset is an end as well.
    let _ = in_time("the request's end", asked.read_to_end(&mut Vec::new())).await;
    assert!(server.client.status().leader(&QueryOptions::new()).await.is_err());
}
