//! Docker checks: a program run in a container. The engine's HTTP API creates an exec, starts it, tells its exit code.

use std::env;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::time::timeout_at;
use types::CheckStatus;
use wire::quote::go_quote;

use super::escape::query_escape;
use super::link::{self, Ends, Link};
use super::{Outcome, Run, cause};
use crate::output::Tail;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const DEFAULT_SHELL: &str = "/bin/sh";
/// Kept of answers that are not a program's output.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Of a response's head, and of what is read ahead of its body.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// Where the engine listens.
#[derive(Debug)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
    /// Fails every check, with this text.
    Unusable(String),
}

impl Endpoint {
    /// `DOCKER_HOST`, or the usual socket.
    pub(super) fn from_environment() -> Endpoint {
        match env::var("DOCKER_HOST") {
            Ok(host) if !host.is_empty() => Endpoint::parse(&host),
            _ => Endpoint::parse(DEFAULT_HOST),
        }
    }

    pub(super) fn parse(host: &str) -> Endpoint {
        match host.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Endpoint::Unix(PathBuf::from(path)),
            Some(("tcp" | "http", address)) if !address.is_empty() => {
                Endpoint::Tcp(address.trim_end_matches('/').to_owned())
            }
            _ => Endpoint::Unusable(format!("unable to parse docker host {}", go_quote(host))),
        }
    }

    /// The endpoint as it stands in URLs.
    fn authority(&self) -> String {
        match self {
            Endpoint::Unix(path) => query_escape(&path.to_string_lossy()),
            Endpoint::Tcp(address) => address.clone(),
            Endpoint::Unusable(_) => String::new(),
        }
    }

    async fn connect(&self, run: &Run<'_>) -> Result<Link, String> {
        match self {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|error| {
                    format!("dial unix {}: connect: {}", path.display(), cause::system_text(&error))
                })?;
                Ok(Link { stream: Box::new(stream), ends: Ends::Unix { path: path.clone() } })
            }
            Endpoint::Tcp(address) => link::plain(run, address).await.map_err(link::Failure::into_text),
            Endpoint::Unusable(problem) => Err(problem.clone()),
        }
    }
}

pub(super) async fn run(run: &Run<'_>, container: &str, shell: &str, args: &[String]) -> Outcome {
    let mut tail = Tail::new(run.output_max_bytes);
    let executed = match timeout_at(run.deadline, execute(run, container, shell, args, &mut tail)).await {
        Ok(executed) => executed,
        Err(_) => Err(format!("exec for container {container}: context deadline exceeded")),
    };
    match executed {
        Ok(0) => Outcome::passing(tail.into_captured()),
        Ok(1) => Outcome::new(CheckStatus::Warning, tail.into_captured()),
        Ok(_) => Outcome::critical(tail.into_captured()),
        Err(error) => {
            tracing::debug!(target: "agent", check = run.check, error = error.as_str(), "Check failed");
            Outcome::critical(error)
        }
    }
}

/// Runs the program and returns its exit code. The error is the whole text.
async fn execute(
    run: &Run<'_>,
    container: &str,
    shell: &str,
    args: &[String],
    output: &mut Tail,
) -> Result<i64, String> {
    let exec = create(run, container, &program(shell, args)).await?;
    start(run, container, &exec, output).await?;
    inspect(run, container, &exec).await
}

/// What is run: the arguments, or a shell where there are none.
fn program(shell: &str, args: &[String]) -> Vec<String> {
    if !args.is_empty() {
        return args.to_vec();
    }
    let from_environment = || env::var("SHELL").ok().filter(|shell| !shell.is_empty());
    let shell = Some(shell.to_owned()).filter(|shell| !shell.is_empty()).or_else(from_environment);
    vec![shell.unwrap_or_else(|| DEFAULT_SHELL.to_owned())]
}

/// The ID of a new exec.
async fn create(run: &Run<'_>, container: &str, program: &[String]) -> Result<String, String> {
    let path = format!("/containers/{}/exec", query_escape(container));
    let exec = json!({"AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false, "Cmd": program});
    let mut answer = Tail::new(MAX_ANSWER_BYTES);
    let code = ask(run, Method::POST, &path, Some(&exec), &mut answer)
        .await
        .map_err(|error| format!("create exec failed for container {container}: {error}"))?;
    let answer = answer.into_text();
    match code {
        StatusCode::CREATED => {}
        StatusCode::NOT_FOUND => return Err(format!("create exec failed for unknown container {container}")),
        StatusCode::CONFLICT => {
            return Err(format!("create exec failed since container {container} is paused or stopped"));
        }
        code => return Err(with_status("create", container, code, &answer)),
    }
    let unreadable = |error| format!("create exec response for container {container} cannot be parsed: {error}");
    let created: Value = serde_json::from_str(&answer).map_err(unreadable)?;
    Ok(created.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Starts an exec and collects its output until it ends.
async fn start(run: &Run<'_>, container: &str, exec: &str, output: &mut Tail) -> Result<(), String> {
    let path = format!("/exec/{}/start", query_escape(exec));
    // With a terminal, output comes as it is and not in frames.
    let how = json!({"Detach": false, "Tty": true});
    let mut answer = Tail::new(MAX_ANSWER_BYTES);
    let code = send(run, Method::POST, &path, Some(&how), |code, data| {
        if code == StatusCode::OK { output.push(data) } else { answer.push(data) }
    })
    .await
    .map_err(|error| format!("start exec failed for container {container}: {error}"))?;
    match code {
        StatusCode::OK => Ok(()),
        StatusCode::NOT_FOUND => Err(format!("start exec failed for container {container}: invalid exec id {exec}")),
        StatusCode::CONFLICT => Err(format!("start exec failed since container {container} is paused or stopped")),
        code => Err(with_status("start", container, code, &answer.into_text())),
    }
}

/// The exit code of an exec that ended.
async fn inspect(run: &Run<'_>, container: &str, exec: &str) -> Result<i64, String> {
    let path = format!("/exec/{}/json", query_escape(exec));
    let mut answer = Tail::new(MAX_ANSWER_BYTES);
    let code = ask(run, Method::GET, &path, None, &mut answer)
        .await
        .map_err(|error| format!("inspect exec failed for container {container}: {error}"))?;
    let answer = answer.into_text();
    match code {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            return Err(format!("inspect exec failed for container {container}: invalid exec id {exec}"));
        }
        code => return Err(with_status("inspect", container, code, &answer)),
    }
    let unreadable = |error| format!("inspect exec response for container {container} cannot be parsed: {error}");
    let inspected: Value = serde_json::from_str(&answer).map_err(unreadable)?;
    Ok(inspected.get("ExitCode").and_then(Value::as_i64).unwrap_or_default())
}

fn with_status(step: &str, container: &str, code: StatusCode, answer: &str) -> String {
    format!("{step} exec failed for container {container} with status {}: {answer}", code.as_u16())
}

/// A request whose whole answer is wanted.
async fn ask(
    run: &Run<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
    answer: &mut Tail,
) -> Result<StatusCode, String> {
    send(run, method, path, body, |_, data| answer.push(data)).await
}

/// One request on a connection of its own; its answer's body is handed over as it comes.
async fn send(
    run: &Run<'_>,
    method: Method,
    path: &str,
    body: Option<&Value>,
    take: impl FnMut(StatusCode, &[u8]),
) -> Result<StatusCode, String> {
    let engine = &run.net.docker;
    let verb = if method == Method::POST { "Post" } else { "Get" };
    let url = format!("http://{}{path}", engine.authority());
    let sent = try_send(run, engine, method, path, body, take).await;
    sent.map_err(|error| format!("{verb} {}: {error}", go_quote(&url)))
}

async fn try_send(
    run: &Run<'_>,
    engine: &Endpoint,
    method: Method,
    path: &str,
    body: Option<&Value>,
    mut take: impl FnMut(StatusCode, &[u8]),
) -> Result<StatusCode, String> {
    let Link { stream, ends } = engine.connect(run).await?;
    let host = match engine {
        Endpoint::Tcp(address) => address.as_str(),
        Endpoint::Unix(_) | Endpoint::Unusable(_) => "docker",
    };
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let (mut requests, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_BUFFER_BYTES)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| cause::http_text(&error, &ends))?;
    let exchanged = async {
        let response = requests.send_request(request).await?;
        let code = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                take(code, data);
            }
        }
        Ok::<_, hyper::Error>(code)
    };
    link::drive(connection, exchanged).await.map_err(|error| cause::http_text(&error, &ends))
}

#[cfg(test)]
mod tests;
