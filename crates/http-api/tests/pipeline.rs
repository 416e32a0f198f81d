//! What every request goes through, seen from a socket (`docs/spec/http-api.md` §1).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::io::Read;

use common::{Running, exchange, listener, logs, start};
use flate2::read::GzDecoder;
use http_api::{Listener, Settings, Socket, UnixSocket};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UnixStream};

#[tokio::test]
async fn paths_are_cleaned_and_subtrees_completed_by_redirects() {
    let running = start(Settings::default()).await;
    let cases = [
        ("/v1/kv/a//b?x=1&y", "/v1/kv/a/b?x=1&y"),
        ("/v1/kv/a%2F%2Fb", "/v1/kv/a/b"),
        ("/v1/kv/./a", "/v1/kv/a"),
        ("/v1/kv?recurse", "/v1/kv/?recurse"),
        ("/v1/kv/a/../../kv", "/v1/kv/"),
        ("//v1/kv/a", "/v1/kv/a"),
        ("/v1/peering", "/v1/peering/"),
        ("/v1/kv/a%20%22//b", "/v1/kv/a%20%22/b"),
    ];
    for (path, location) in cases {
        let got = running.get(path).await;
        assert_eq!((got.status, got.header("location")), (301, Some(location)), "{path}");
        let shown = location.replace('&', "&amp;");
        assert_eq!(got.text(), format!("<a href=\"{shown}\">Moved Permanently</a>.\n\n"), "{path}");
        assert_eq!(got.header("vary"), None, "{path}: a redirect has none of the common headers");
        assert!(running.put(path, "x").await.body.is_empty(), "{path}: only GET has a body");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_before_anything_else() {
    let running = start(Settings::default()).await;
    let cases = [
        ("/v1/kv/%zz", 400, "400 Bad Request"),
        ("/v1/kv/%09", 400, ""),
        ("/v1/kv/%C2%A0", 400, ""),
        ("/v1/kv/%E2%80%8B", 400, ""),
        ("/v1/kv/x?a=%zz", 500, ""),
        ("/v1/kv/x?a;b", 500, ""),
        ("/v1/nope", 404, "Invalid URL path: not a recognized HTTP API endpoint\n"),
        ("/nope?a;b", 404, "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"),
        ("/v1/status/leader/", 404, "Invalid URL path: not a recognized HTTP API endpoint\n"),
    ];
    for (path, status, text) in cases {
        let got = running.get(path).await;
        assert_eq!((got.status, got.text().as_str()), (status, text), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn unprintable_paths_pass_when_the_filter_is_off() {
    let running = start(Settings { disable_unprintable_char_filter: true, ..Settings::default() }).await;
    assert_eq!(running.get("/v1/status/leader%09").await.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn a_request_without_a_host_is_refused() {
    let running = start(Settings::default()).await;
    let got = common::parse(&running.raw("GET /v1/status/leader HTTP/1.1\r\n\r\n").await);
    assert_eq!((got.status, got.text().as_str()), (400, "400 Bad Request: missing required Host header"));
    running.stop().await;
}

#[tokio::test]
async fn headers_are_spelt_in_title_case() {
    let running = start(Settings::default()).await;
    let got = running.raw("GET /v1/status/leader HTTP/1.0\r\n\r\n").await;
    let got = String::from_utf8(got).unwrap();
    assert!(got.contains("\r\nX-Consul-Default-Acl-Policy: allow\r\n"), "{got}");
    assert!(got.contains("\r\nVary: Accept-Encoding\r\n"), "{got}");
    running.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_large_are_refused() {
    let running = start(Settings { max_header_bytes: 16 * 1024, ..Settings::default() }).await;
    for (pad_bytes, status) in [(19 * 1024, "200"), (21 * 1024, "431"), (100 * 1024, "431")] {
        let pad = "a".repeat(pad_bytes);
        let got = running.raw(&format!("GET /v1/status/leader HTTP/1.0\r\nX-Pad: {pad}\r\n\r\n")).await;
        let got = String::from_utf8(got).unwrap();
        assert_eq!(got.split(' ').nth(1), Some(status), "{pad_bytes}: {got}");
        let told = got.ends_with("431 Request Header Fields Too Large");
        assert_eq!(told, pad_bytes == 21 * 1024, "{pad_bytes}: {got}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_document_tells_what_the_server_answers() {
    let running = start(Settings { enable_debug: true, ..Settings::default() }).await;
    let document = running.get("/v1/agent/openapi").await.json();
    assert_eq!(document, http_api::openapi::document());
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 120, "{} paths", paths.len());
    for (template, operations) in paths {
        let path = template
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let methods: Vec<String> = operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let allow = format!("OPTIONS,{}", methods.join(","));
        let options = running.send("OPTIONS", &path, "", b"").await;
        assert_eq!((options.status, options.header("allow")), (200, Some(allow.as_str())), "OPTIONS {path}");
        for method in ["PATCH", "HEAD"] {
            let refused = running.send(method, &path, "", b"").await;
            let own = if path.starts_with("/v1/query/") { methods.join(",") } else { allow.clone() };
            assert_eq!((refused.status, refused.header("allow")), (405, Some(own.as_str())), "{method} {path}");
            let text = if method == "HEAD" { String::new() } else { format!("method {method} not allowed") };
            assert_eq!(refused.text(), text, "{path}");
        }
        for (method, operation) in operations.as_object().unwrap() {
            let Some(capability) = operation["x-not-there-yet"].as_str() else { continue };
            let got = running.send(&method.to_uppercase(), &path, "", b"").await;
            let expected = format!("{capability} is not there yet");
            assert_eq!((got.status, got.text()), (501, expected), "{method} {path}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn prepared_queries_answer_options_with_an_object() {
    let running = start(Settings::default()).await;
    let got = running.send("OPTIONS", "/v1/query/x", "", b"").await;
    assert_eq!((got.text().as_str(), got.header("content-type")), ("{}", Some("application/json")));
    running.stop().await;
}

#[tokio::test]
async fn profiles_exist_with_debug_only() {
    let running = start(Settings::default()).await;
    assert_eq!(running.get("/debug/pprof/heap").await.status, 404);
    running.stop().await;
}

#[tokio::test]
async fn blocked_endpoints_are_refused_in_every_method() {
    let settings = Settings { block_endpoints: vec!["/v1/agent/metr".to_owned()], ..Settings::default() };
    let running = start(settings).await;
    for method in ["GET", "OPTIONS", "POST"] {
        let got = running.send(method, "/v1/agent/metrics", "", b"").await;
        assert_eq!((got.status, got.text().as_str()), (403, "Endpoint is blocked by agent configuration"), "{method}");
    }
    assert_eq!(running.get("/v1/status/leader").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn writes_come_from_allowed_networks_only() {
    for (network, expected) in [("127.0.0.0/8", 200), ("10.0.0.0/8", 403)] {
        let allow_write_http_from = vec![network.parse().unwrap()];
        let running = Running::ready(Settings { allow_write_http_from, ..Settings::default() }).await;
        let got = running.put("/v1/kv/a", "x").await;
        assert_eq!(got.status, expected, "{network}: {}", got.text());
        assert_eq!(running.send("POST", "/v1/kv/a", "", b"").await.status, 405, "{network}: 405 comes first");
        running.stop().await;
    }
}

#[tokio::test]
async fn configured_headers_are_on_every_answer_but_redirects() {
    let response_headers = vec![("X-Frame-Options".to_owned(), "DENY".to_owned())];
    let running = start(Settings { response_headers, ..Settings::default() }).await;
    for (path, expected) in
        [("/v1/status/leader", true), ("/nope", true), ("/", true), ("/v1/kv//a", false), ("/%09", false)]
    {
        assert_eq!(running.get(path).await.header("x-frame-options").is_some(), expected, "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn configured_headers_give_way_to_what_a_handler_sets() {
    let response_headers =
        vec![("Content-Type".to_owned(), "text/x-own".to_owned()), ("Location".to_owned(), "nowhere".to_owned())];
    let ui_content_path = Some("/ui/".to_owned());
    let running = start(Settings { response_headers, ui_content_path, ..Settings::default() }).await;
    let cases = [
        ("/v1/status/peers", "application/json", "nowhere", "[\"127.0.0.1:8300\"]"),
        ("/v1/kv/", "text/x-own", "nowhere", "Missing key name"),
        ("/", "text/x-own", "/ui/", ""),
    ];
    for (path, content_type, location, text) in cases {
        let got = running.get(path).await;
        let seen = (got.header("content-type"), got.header("location"), got.text());
        assert_eq!(seen, (Some(content_type), Some(location), text.to_owned()), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_index_tells_about_the_ui() {
    let running = start(Settings::default()).await;
    let got = running.get("/").await;
    assert!(got.status == 200 && got.text().starts_with("Consul Agent: UI disabled."), "{}", got.text());
    running.stop().await;
    let running = start(Settings { ui_content_path: Some("/ui/".to_owned()), ..Settings::default() }).await;
    assert_eq!(running.get("/").await.header("location"), Some("/ui/"));
    running.stop().await;
}

#[tokio::test]
async fn large_answers_are_gzipped_for_who_accepts_it() {
    let running = Running::ready(Settings::default()).await;
    running.put("/v1/kv/big", "a".repeat(2000)).await;
    let plain = running.get("/v1/kv/big").await;
    let zipped = running.send("GET", "/v1/kv/big", "Accept-Encoding: gzip\r\n", b"").await;
    assert_eq!((plain.header("content-encoding"), zipped.header("content-encoding")), (None, Some("gzip")));
    let mut body = Vec::new();
    GzDecoder::new(&zipped.body[..]).read_to_end(&mut body).unwrap();
    assert_eq!(body, plain.body);
    assert_eq!(
        running.send("GET", "/v1/kv/none", "Accept-Encoding: gzip\r\n", b"").await.header("content-encoding"),
        None
    );
    running.stop().await;
}

#[tokio::test]
async fn a_client_with_too_many_connections_is_told() {
    let running = start(Settings { http_max_conns_per_client: 1, ..Settings::default() }).await;
    let mut held = TcpStream::connect(running.address).await.unwrap();
    held.write_all(b"GET /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    held.readable().await.unwrap();
    let refused = running.get("/v1/status/leader").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.text(), "Your IP is issuing too many concurrent connections, please rate limit your calls\n");
    running.http.set_max_conns_per_client(2);
    assert_eq!(running.get("/v1/status/leader").await.status, 200);
    running.stop().await;
}

#[tokio::test]
async fn stopping_ends_requests_that_wait() {
    let running = Running::ready(Settings::default()).await;
    running.put("/v1/kv/a", "x").await;
    let index = running.get("/v1/kv/a").await.index();
    let stream = TcpStream::connect(running.address).await.unwrap();
    let path = format!("/v1/kv/a?index={index}");
    let watchers = running.agent.server().unwrap().store().watchers();
    let parked = tokio::spawn(async move { exchange(stream, "GET", &path, "", b"").await });
    while running.agent.server().unwrap().store().watchers() == watchers {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    assert_eq!(parked.await.unwrap().status, 500);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_waiting_request_along() {
    let running = Running::ready(Settings::default()).await;
    running.put("/v1/kv/a", "x").await;
    let index = running.get("/v1/kv/a").await.index();
    let watchers = running.agent.server().unwrap().store().watchers();
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(format!("GET /v1/kv/a?index={index} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    while running.agent.server().unwrap().store().watchers() == watchers {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while running.agent.server().unwrap().store().watchers() > watchers {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn unix_sockets_are_served_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    std::fs::write(&path, "left behind").unwrap();
    let agent = common::agent().await;
    let socket = Socket::Unix(UnixSocket { path: path.clone(), mode: Some(0o600), ..UnixSocket::default() });
    let settings = Settings { allow_write_http_from: vec!["10.0.0.0/8".parse().unwrap()], ..Settings::default() };
    let listeners = vec![Listener { socket, tls: None }, listener()];
    let http = http_api::start(agent.clone(), logs(), settings, listeners).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let stream = UnixStream::connect(&path).await.unwrap();
    assert_eq!(exchange(stream, "GET", "/v1/status/peers", "", b"").await.status, 200);
    let stream = UnixStream::connect(&path).await.unwrap();
    let refused = exchange(stream, "PUT", "/v1/kv/a", "", b"x").await;
    assert_eq!(
        (refused.status, refused.text()),
        (500, "unable to parse remote addr: address @: missing port in address".to_owned())
    );
    http.stop().await;
    agent.stop().await;
    assert!(!path.exists());
}
