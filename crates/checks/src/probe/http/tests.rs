use std::time::Duration;

use http::Request;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::Probe;
use crate::probe::test_support::{OUTPUT_MAX_BYTES, SHORT, TlsServer, passed, probe, shut_port};

const LONG: Duration = Duration::from_secs(30);

fn get(url: &str) -> Probe {
    Probe::Http {
        url: url.to_owned(),
        method: String::new(),
        header: BTreeMap::new(),
        body: String::new(),
        disable_redirects: false,
        tls: ProbeTls::default(),
    }
}

/// The same with everything configurable.
fn call(url: &str, method: &str, header: &[(&str, &str)], body: &str, disable_redirects: bool) -> Probe {
    let header = header.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
    let (method, body) = (method.to_owned(), body.to_owned());
    Probe::Http { url: url.to_owned(), method, header, body, disable_redirects, tls: ProbeTls::default() }
}

/// Answers by the path, and echoes at `/echo` what was asked.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let (code, location, body) = match path.as_str() {
        "/limited" => (429, "", "slow down".to_owned()),
        "/missing" => (404, "", String::new()),
        "/big" => (200, "", (0..2000).map(|n| format!("{n:05} ")).collect()),
        "/moved" => (302, "/echo", "moved".to_owned()),
        "/repeat" => (307, "/echo", String::new()),
        "/loop" => (302, "/loop", String::new()),
        "/nowhere" => (302, "", "lost".to_owned()),
        _ => {
            let (head, body) = request.into_parts();
            let mut lines = vec![format!("{} {}", head.method, head.uri)];
            lines.extend(head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
            lines.push(String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap());
            (200, "", lines.join("\n"))
        }
    };
    let mut response = Response::builder().status(code);
    if !location.is_empty() {
        response = response.header("location", location);
    }
    Ok(response.body(Full::new(Bytes::from(body))).unwrap())
}

async fn serve<S: link::Stream>(stream: S) {
    // The client hangs up where it likes.
    let _ = server::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

/// Runs a check against the server above; URLs start with `http://HOST`.
async fn against_server(make: impl FnOnce(&str) -> Probe, timeout: Duration) -> (Outcome, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = async {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    };
    let outcome = tokio::select! {
        outcome = probe(make(&base), timeout) => outcome,
        () = server => unreachable!(),
    };
    (outcome, base)
}

#[tokio::test]
async fn the_status_code_decides() {
    let table = [
        ("/limited", CheckStatus::Warning, "429 Too Many Requests Output: slow down"),
        ("/missing", CheckStatus::Critical, "404 Not Found Output: "),
        // A redirect without a target is an answer.
        ("/nowhere", CheckStatus::Critical, "302 Found Output: lost"),
    ];
    for (path, status, text) in table {
        let (outcome, base) = against_server(|base| get(&format!("{base}{path}")), LONG).await;
        assert_eq!(outcome, Outcome::new(status, format!("HTTP GET {base}{path}: {text}")));
    }
}

#[tokio::test]
async fn requests_carry_what_is_configured_and_the_defaults() {
    let (outcome, base) = against_server(|base| get(&format!("{base}/a b?q#f")), LONG).await;
    let host = base.trim_start_matches("http://");
    let expected = format!(
        "HTTP GET {base}/a b?q#f: 200 OK Output: GET /a%20b?q\nuser-agent: Consul Health Check\n\
         accept: text/plain, text/*, */*\nhost: {host}\nconnection: close\n"
    );
    assert_eq!(outcome, passed(&expected));

    let header = [("Host", "h.example"), ("User-Agent", "me"), ("X-One", "1"), ("Accept", ""), ("Content-Length", "9")];
    let (outcome, base) = against_server(|base| call(&format!("{base}/e"), "PUT", &header, "hello", false), LONG).await;
    let start = format!("HTTP PUT {base}/e: 200 OK Output: PUT /e\n");
    let lines: Vec<&str> = outcome.output.strip_prefix(&start).unwrap().lines().collect();
    let expected =
        ["host: h.example", "user-agent: me", "x-one: 1", "accept: text/plain, text/*, */*", "content-length: 5"];
    for line in expected {
        assert!(lines.contains(&line), "{line} {lines:?}");
    }
    assert_eq!(lines.last(), Some(&"hello"));
}

#[tokio::test]
async fn credentials_of_the_url_are_sent() {
    let with_user = |base: &str| get(&base.replace("http://", "http://us%40er:pw@"));
    let (outcome, _) = against_server(with_user, LONG).await;
    assert!(outcome.output.contains("\nauthorization: Basic dXNAZXI6cHc=\n"), "{}", outcome.output);
}

#[tokio::test]
async fn redirects_are_followed_unless_disabled() {
    let header = [("Host", "h.example"), ("X-One", "1")];
    let asked = async |path: &str, method: &str, body: &str, disabled: bool| {
        let make = |base: &str| call(&format!("{base}{path}"), method, &header, body, disabled);
        let (outcome, base) = against_server(make, LONG).await;
        (outcome.status, outcome.output.replace(&base, ""))
    };
    let (status, output) = asked("/moved", "POST", "bb", false).await;
    assert_eq!(status, CheckStatus::Passing);
    assert!(output.starts_with("HTTP POST /moved: 200 OK Output: GET /echo\n"), "{output}");
    assert!(output.contains("host: h.example\n") && !output.ends_with("bb"), "{output}");

    let (_, output) = asked("/repeat", "POST", "bb", false).await;
    assert!(output.starts_with("HTTP POST /repeat: 200 OK Output: POST /echo\n"), "{output}");
    assert!(output.ends_with("\nbb"), "{output}");

    let disabled = asked("/moved", "", "", true).await;
    assert_eq!(disabled, (CheckStatus::Critical, "HTTP GET /moved: 302 Found Output: moved".to_owned()));

    let endless = asked("/loop", "", "", false).await;
    assert_eq!(endless, (CheckStatus::Critical, "Get \"/loop\": stopped after 10 redirects".to_owned()));
}

#[tokio::test]
async fn the_end_of_a_long_body_is_kept() {
    let (outcome, base) = against_server(|base| get(&format!("{base}/big")), LONG).await;
    let body = outcome.output.strip_prefix(&format!("HTTP GET {base}/big: 200 OK Output: ")).unwrap();
    assert_eq!(body.len(), OUTPUT_MAX_BYTES);
    assert!(body.ends_with("01998 01999 "), "{body}");
}

/// Runs a check against a server that takes the request, sends `head` and then does as it likes.
async fn against_raw<F: Future<Output = ()>>(
    head: &str,
    timeout: Duration,
    then: impl FnOnce(TcpStream) -> F,
) -> (Outcome, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(head.as_bytes()).await.unwrap();
        then(stream).await;
    };
    let (outcome, ()) = tokio::join!(probe(get(&url), timeout), server);
    (outcome, url)
}

#[tokio::test]
async fn an_endless_body_is_read_until_the_timeout() {
    // Until the check is gone.
    let flood = |mut stream: TcpStream| async move { while stream.write_all(&[b'y'; 8192]).await.is_ok() {} };
    let (outcome, url) = against_raw("HTTP/1.1 200 OK\r\n\r\n", Duration::from_secs(2), flood).await;
    let expected = format!("HTTP GET {url}: 200 OK Output: {}", "y".repeat(OUTPUT_MAX_BYTES));
    assert_eq!(outcome, passed(&expected));
}

#[tokio::test]
async fn a_cut_body_does_not_change_the_verdict() {
    let hang_up = |stream: TcpStream| async move { drop(stream) };
    let (outcome, url) = against_raw("HTTP/1.1 599 \r\nContent-Length: 100\r\n\r\npart", LONG, hang_up).await;
    assert_eq!(outcome, Outcome::critical(format!("HTTP GET {url}: 599  Output: part")));
}

#[tokio::test]
async fn servers_that_do_not_answer_are_critical() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    assert_eq!(probe(get(&url), SHORT).await, Outcome::critical(format!("Get \"{url}\": {TIMED_OUT}")));

    let url = format!("http://127.0.0.1:{}/x?a=b", shut_port());
    let address = url.trim_start_matches("http://").trim_end_matches("/x?a=b");
    let refused = format!("\"{url}\": dial tcp {address}: connect: connection refused");
    assert_eq!(probe(get(&url), LONG).await, Outcome::critical(format!("Get {refused}")));
    let put = call(&url, "PUT", &[], "", false);
    assert_eq!(probe(put, LONG).await, Outcome::critical(format!("Put {refused}")));
}

#[tokio::test]
async fn what_cannot_be_requested_is_critical() {
    let table = [
        (get("ftp://127.0.0.1:1/x"), "Get \"ftp://127.0.0.1:1/x\": unsupported protocol scheme \"ftp\""),
        (get("127.0.0.1:80/x"), "parse \"127.0.0.1:80/x\": first path segment in URL cannot contain colon"),
        (get("localhost/x"), "Get \"localhost/x\": unsupported protocol scheme \"\""),
        (get("http:///x"), "Get \"http:///x\": http: no Host in request URL"),
        (call("http://h/", "A B", &[], "", false), "net/http: invalid method \"A B\""),
        (
            call("http://h/", "", &[("A B", "x")], "", false),
            "Get \"http://h/\": net/http: invalid header field name \"A B\"",
        ),
        (
            call("http://h/", "", &[("A", "x\ny")], "", false),
            "Get \"http://h/\": net/http: invalid header field value for \"A\"",
        ),
    ];
    for (plan, text) in table {
        assert_eq!(probe(plan, LONG).await, Outcome::critical(text.to_owned()));
    }
}

#[tokio::test]
async fn certificates_are_verified_unless_told_otherwise() {
    let ask = async |skip_verify: bool| {
        let server = TlsServer::start(&[b"http/1.1"]).await;
        let url = format!("https://{}/limited", server.address);
        let answer = async {
            if let Some(stream) = server.accept().await {
                serve(stream).await;
            }
        };
        let mut plan = get(&url);
        if let Probe::Http { tls, .. } = &mut plan {
            tls.skip_verify = skip_verify;
        }
        let (outcome, ()) = tokio::join!(probe(plan, LONG), answer);
        (outcome.output, url)
    };
    let (output, url) = ask(true).await;
    assert_eq!(output, format!("HTTP GET {url}: 429 Too Many Requests Output: slow down"));
    let (output, url) = ask(false).await;
    assert!(output.starts_with(&format!("Get \"{url}\": tls: failed to verify certificate: x509: ")), "{output}");
}

#[tokio::test]
async fn a_plain_server_is_no_tls_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Until the client has read it and hung up.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    };
    let (outcome, ()) = tokio::join!(probe(get(&url), LONG), server);
    let expected = format!("Get \"{url}\": tls: first record does not look like a TLS handshake");
    assert_eq!(outcome, Outcome::critical(expected));
}
