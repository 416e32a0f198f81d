//! What runs when a watch has seen something: a program, or an HTTP request (`docs/spec/server-operations.md` §14.3).

use std::process::Stdio;

use api::{Client, Config};
use config::{HttpHandler, WatchHandler};
use http::header::{CONTENT_TYPE, HeaderName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// Bytes of a handler's output that are logged, its last ones.
const OUTPUT_LIMIT_BYTES: usize = 4096;
const DEFAULT_SHELL: &str = "/bin/sh";
const INDEX_HEADER: HeaderName = HeaderName::from_static("x-consul-index");

/// Runs a handler on data of this index and waits for its end. Failures are logged, never retried.
pub(super) async fn run(handler: &WatchHandler, data: Vec<u8>, index: u64) {
    let outcome = match handler {
        WatchHandler::Program(args) => match args.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args);
                run_program(command, data, index).await
            }
            None => Err("no program to run".to_owned()),
        },
        WatchHandler::Shell(line) => {
            let shell = std::env::var("SHELL").unwrap_or_else(|_| DEFAULT_SHELL.to_owned());
            let mut command = Command::new(shell);
            command.arg("-c").arg(line);
            run_program(command, data, index).await
        }
        WatchHandler::Http(request) => run_request(request, data, index).await,
    };
    if let Err(error) = outcome {
        tracing::error!(target: "agent.watch", error, "Failed to run watch handler");
    }
}

async fn run_program(mut command: Command, mut data: Vec<u8>, index: u64) -> Result<(), String> {
    command.env("CONSUL_INDEX", index.to_string()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    data.push(b'\n');
    let feed = async {
        if let Some(mut input) = input {
            // A program need not read its input: a closed pipe is not a failure.
            let _ = input.write_all(&data).await;
        }
    };
    let (status, (), out, err) = tokio::join!(child.wait(), feed, tail(stdout), tail(stderr));
    for output in [out, err].iter().filter(|output| !output.is_empty()) {
        tracing::debug!(target: "agent.watch", output = output.as_str(), "watch handler output");
    }
    let status = status.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// The end of what a program writes; all of it is read, however long, and little of it kept.
async fn tail(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let (mut kept, mut total) = (Vec::new(), 0);
    let mut piece = [0; OUTPUT_LIMIT_BYTES];
    while let Ok(count) = pipe.read(&mut piece).await {
        if count == 0 {
            break;
        }
        total += count;
        kept.extend_from_slice(&piece[..count]);
        kept.drain(..kept.len().saturating_sub(OUTPUT_LIMIT_BYTES));
    }
    let text = String::from_utf8_lossy(&kept);
    if total > kept.len() {
        format!("Captured {} of {total} bytes\n...\n{text}", kept.len())
    } else {
        text.into_owned()
    }
}

async fn run_request(handler: &HttpHandler, data: Vec<u8>, index: u64) -> Result<(), String> {
    let (base, path) = split_url(&handler.path);
    let mut config = Config::default().address(base);
    config.tls.skip_verify = handler.tls_skip_verify;
    let client = Client::new(config).map_err(|error| error.to_string())?;
    let method = handler.method.parse().map_err(|_| format!("invalid method {:?}", handler.method))?;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut request = client.request(method, unescaped(path)).bytes(data).header(CONTENT_TYPE, "application/json");
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request = request.param(unescaped(&name.replace('+', " ")), unescaped(&value.replace('+', " ")));
    }
    request = request.header(INDEX_HEADER, &index.to_string());
    for (name, values) in &handler.header {
        let name: HeaderName = name.parse().map_err(|_| format!("invalid header name {name:?}"))?;
        // A request holds one field of a name; its values, put together, mean the same as so many fields.
        request = request.header(name, &values.join(", "));
    }
    let answer = async { request.send().await?.ok().await?.text().await };
    match tokio::time::timeout(handler.timeout, answer).await {
        Ok(Ok(output)) => {
            tracing::trace!(target: "agent.watch", output = output.as_str(), "http watch handler output");
            Ok(())
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {:?}", handler.timeout)),
    }
}

/// A URL's scheme and host, and the rest of it.
fn split_url(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    match url[host..].find('/') {
        Some(at) => url.split_at(host + at),
        None => (url, "/"),
    }
}

/// A part of a URL as the client wants it, which escapes what it is given: `%41` becomes `A`.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let table = [("/a%20b", "/a b"), ("%C3%A4", "ä"), ("50%", "50%"), ("%zz%4", "%zz%4"), ("ä", "ä")];
        for (text, plain) in table {
            assert_eq!(unescaped(text), plain);
        }
    }

    #[test]
    fn urls_split_behind_the_host() {
        assert_eq!(split_url("http://a:1/b/c?d=e"), ("http://a:1", "/b/c?d=e"));
        assert_eq!(split_url("https://a"), ("https://a", "/"));
        assert_eq!(split_url("a/b"), ("a", "/b"));
    }

    #[tokio::test]
    async fn only_the_end_of_long_output_is_kept() {
        let long = vec![b'x'; OUTPUT_LIMIT_BYTES * 3 + 7];
        let text = tail(Some(&long[..])).await;
        assert!(text.starts_with("Captured 4096 of 12295 bytes\n...\nxxx"), "{}", &text[..60]);
        assert_eq!(tail(Some(&b"short"[..])).await, "short");
    }

    #[tokio::test]
    async fn a_program_gets_the_data_and_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let script = format!("cat > {0}; echo $CONSUL_INDEX >> {0}", out.display());
        let handler = WatchHandler::Program(vec!["/bin/sh".to_owned(), "-c".to_owned(), script]);
        run(&handler, b"{\"a\":1}".to_vec(), 42).await;
        assert_eq!(std::fs::read_to_string(out).unwrap(), "{\"a\":1}\n42\n");
    }

    #[tokio::test]
    async fn a_failing_program_is_an_error_not_a_panic() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit 3"]);
        assert_eq!(run_program(command, Vec::new(), 1).await.unwrap_err(), "exit status: 3");
        assert!(run_program(Command::new("/nowhere/at/all"), Vec::new(), 1).await.is_err());
    }
}
