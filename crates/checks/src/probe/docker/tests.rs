use std::sync::Arc;
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use tokio::net::UnixListener;
use tokio::sync::Mutex;

use super::*;
use crate::Probe;
use crate::probe::test_support::{OUTPUT_MAX_BYTES, SHORT, passed, plan};
use crate::probe::{self, Net};

const LONG: Duration = Duration::from_secs(60);

/// Answers by the container's name, which it also gives its exec.
fn answer(path: &str) -> (u16, String) {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["containers", "missing", "exec"] => (404, String::new()),
        ["containers", "stopped", "exec"] => (409, String::new()),
        ["containers", "broken", "exec"] => (500, "oops".to_owned()),
        ["containers", "junk", "exec"] => (201, "xx".to_owned()),
        ["containers", name, "exec"] => (201, json!({"Id": name}).to_string()),
        ["exec", "forgotten", "start"] => (404, String::new()),
        ["exec", "paused", "start"] => (409, String::new()),
        ["exec", "long", "start"] => (200, "0123456789".repeat(1000)),
        ["exec", _, "start"] => (200, "docker out\r\n".to_owned()),
        ["exec", "lost", "json"] => (404, String::new()),
        ["exec", "unclear", "json"] => (500, "boom".to_owned()),
        ["exec", "running", "json"] => (200, json!({"ExitCode": null}).to_string()),
        ["exec", name, "json"] => {
            let code = ["passing", "warning", "critical"].iter().position(|status| status == name).unwrap_or_default();
            (200, json!({"ExitCode": code}).to_string())
        }
        _ => (400, String::new()),
    }
}

/// Runs a check against a fake engine; also what the engine was asked.
async fn run_in(container: &str, args: &[&str]) -> (Outcome, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let asked = asked.clone();
        move |request: Request<Incoming>| {
            let asked = asked.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let line = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
                asked.lock().await.push(line);
                let (code, body) = answer(head.uri.path());
                let response = Response::builder().status(code).body(Full::new(Bytes::from(body)));
                Ok::<_, hyper::Error>(response.unwrap())
            }
        }
    };
    let engine = async {
        while let Ok((stream, _)) = listener.accept().await {
            // The client hangs up when it has its answer.
            let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service_fn(&service)).await;
        }
    };
    let net = Net { docker: Endpoint::Unix(socket), ..Net::plain() };
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let docker = Probe::Docker { container: container.to_owned(), shell: "/bin/ash".to_owned(), args };
    let plan = plan(docker, LONG);
    let outcome = tokio::select! {
        outcome = probe::run(&plan, &net) => outcome,
        () = engine => unreachable!(),
    };
    let asked = asked.lock().await.clone();
    (outcome, asked)
}

#[tokio::test]
async fn the_exit_code_decides() {
    let output = "docker out\r\n".to_owned();
    let table = [
        ("passing", CheckStatus::Passing),
        ("warning", CheckStatus::Warning),
        ("critical", CheckStatus::Critical),
        ("running", CheckStatus::Passing),
    ];
    for (container, status) in table {
        assert_eq!(run_in(container, &["/bin/x"]).await.0, Outcome::new(status, output.clone()), "{container}");
    }
}

#[tokio::test]
async fn the_engine_is_asked_to_run_the_arguments() {
    let (outcome, asked) = run_in("passing", &["/bin/x", "a b"]).await;
    assert_eq!(outcome, passed("docker out\r\n"));
    let create = "POST /containers/passing/exec {\"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":true,\
                  \"Tty\":false,\"Cmd\":[\"/bin/x\",\"a b\"]}";
    let start = "POST /exec/passing/start {\"Detach\":false,\"Tty\":true}";
    assert_eq!(asked, [create, start, "GET /exec/passing/json "]);

    let (_, asked) = run_in("passing", &[]).await;
    assert!(asked[0].ends_with("\"Cmd\":[\"/bin/ash\"]}"), "{asked:?}");
}

#[tokio::test]
async fn the_end_of_a_long_output_is_kept() {
    let (outcome, _) = run_in("long", &["x"]).await;
    let body = outcome.output.strip_prefix("Captured 4096 of 10000 bytes\n...\n").unwrap();
    assert_eq!(body.len(), OUTPUT_MAX_BYTES);
}

#[tokio::test]
async fn what_the_engine_refuses_is_critical() {
    let table = [
        ("missing", "create exec failed for unknown container missing"),
        ("stopped", "create exec failed since container stopped is paused or stopped"),
        ("broken", "create exec failed for container broken with status 500: oops"),
        ("forgotten", "start exec failed for container forgotten: invalid exec id forgotten"),
        ("paused", "start exec failed since container paused is paused or stopped"),
        ("lost", "inspect exec failed for container lost: invalid exec id lost"),
        ("unclear", "inspect exec failed for container unclear with status 500: boom"),
    ];
    for (container, text) in table {
        assert_eq!(run_in(container, &["x"]).await.0, Outcome::critical(text.to_owned()));
    }
    let (junk, _) = run_in("junk", &["x"]).await;
    assert!(junk.output.starts_with("create exec response for container junk cannot be parsed: "), "{}", junk.output);
}

#[tokio::test]
async fn no_engine_is_critical() {
    let net = Net { docker: Endpoint::parse("unix:///nonexistent/docker.sock"), ..Net::plain() };
    let docker = Probe::Docker { container: "x y".to_owned(), shell: String::new(), args: vec!["x".to_owned()] };
    let outcome = probe::run(&plan(docker, SHORT), &net).await;
    let expected = "create exec failed for container x y: \
                    Post \"http://%2Fnonexistent%2Fdocker.sock/containers/x+y/exec\": \
                    dial unix /nonexistent/docker.sock: connect: no such file or directory";
    assert_eq!(outcome, Outcome::critical(expected.to_owned()));
}

#[test]
fn hosts_are_read() {
    let table = [
        ("unix:///run/d.sock", "Unix(\"/run/d.sock\")"),
        ("tcp://127.0.0.1:2375", "Tcp(\"127.0.0.1:2375\")"),
        ("http://h:1/", "Tcp(\"h:1\")"),
        ("npipe:////./pipe/x", "Unusable(\"unable to parse docker host \\\"npipe:////./pipe/x\\\"\")"),
        ("h:1", "Unusable(\"unable to parse docker host \\\"h:1\\\"\")"),
    ];
    for (host, expected) in table {
        assert_eq!(format!("{:?}", Endpoint::parse(host)), expected);
    }
}
