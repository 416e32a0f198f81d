use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::net::TcpListener;

use super::*;
use crate::Probe;
use crate::probe::test_support::{SHORT, TlsServer, passed, probe, shut_port};

fn plan(target: &str) -> Probe {
    Probe::Grpc { target: target.to_owned(), tls: None }
}

/// How the test's server answers: an HTTP status, a message, and what stands in the trailers; without a message, in the
/// headers.
struct Answer {
    http: u16,
    message: Option<&'static [u8]>,
    trailers: &'static [(&'static str, &'static str)],
}

const SERVING: Answer = Answer { http: 200, message: Some(&[0, 0, 0, 0, 2, 8, 1]), trailers: &[("grpc-status", "0")] };

/// Answers one call and returns its path and message.
async fn serve<S: link::Stream>(stream: S, answer: Answer) -> (String, Vec<u8>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let (request, mut respond) = connection.accept().await.unwrap().unwrap();
    let path = request.uri().path().to_owned();
    let mut trailers = HeaderMap::new();
    for (name, value) in answer.trailers {
        trailers.insert(*name, value.parse().unwrap());
    }
    let asked = async move {
        let asked = body(&mut request.into_body()).await.unwrap();
        let mut head = Response::builder().status(answer.http).body(()).unwrap();
        if let Some(message) = answer.message {
            let mut sending = respond.send_response(head, false).unwrap();
            sending.send_data(Bytes::from_static(message), false).unwrap();
            sending.send_trailers(trailers).unwrap();
        } else {
            *head.headers_mut() = trailers;
            respond.send_response(head, true).unwrap();
        }
        asked
    };
    let driven = async move { while connection.accept().await.is_some_and(|request| request.is_ok()) {} };
    let (asked, ()) = tokio::join!(asked, driven);
    (path, asked)
}

async fn outcome_of(service: &str, answer: Answer) -> (Outcome, String, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("{}{service}", listener.local_addr().unwrap());
    let server = async { serve(listener.accept().await.unwrap().0, answer).await };
    let (outcome, (path, asked)) = tokio::join!(probe(plan(&target), Duration::from_secs(30)), server);
    (outcome, target, [path.as_bytes(), b" ", &asked].concat())
}

#[tokio::test]
async fn a_serving_server_passes() {
    let (outcome, target, asked) = outcome_of("", SERVING).await;
    assert_eq!(outcome, passed(&format!("gRPC check {target}: success")));
    assert_eq!(asked, b"/grpc.health.v1.Health/Check \0\0\0\0\0");
}

#[tokio::test]
async fn the_service_stands_after_the_first_slash() {
    let (outcome, target, asked) = outcome_of("/a/b", SERVING).await;
    assert_eq!(outcome, passed(&format!("gRPC check {target}: success")));
    assert!(asked.ends_with(b"\x0a\x03a/b"), "{asked:?}");
}

#[tokio::test]
async fn other_answers_are_critical() {
    let not_serving = Answer { message: Some(&[0, 0, 0, 0, 2, 8, 2]), ..SERVING };
    let (outcome, target, _) = outcome_of("/bad", not_serving).await;
    assert_eq!(outcome, Outcome::critical(format!("gRPC {target} serving status: NOT_SERVING")));

    let table = [
        (
            Answer {
                message: None,
                trailers: &[("grpc-status", "5"), ("grpc-message", "unknown%20service")],
                ..SERVING
            },
            "rpc error: code = NotFound desc = unknown service",
        ),
        (Answer { trailers: &[("grpc-status", "12")], ..SERVING }, "rpc error: code = Unimplemented desc = "),
        (
            Answer { http: 503, ..SERVING },
            "rpc error: code = Unavailable desc = unexpected HTTP status code received from server: \
             503 (Service Unavailable)",
        ),
        (
            Answer { message: None, trailers: &[], ..SERVING },
            "rpc error: code = Internal desc = server closed the stream without sending trailers",
        ),
    ];
    for (answer, text) in table {
        let (outcome, _, _) = outcome_of("", answer).await;
        assert_eq!(outcome, Outcome::critical(text.to_owned()));
    }
}

#[tokio::test]
async fn failures_to_connect_are_worded_like_the_reference() {
    let shut = format!("127.0.0.1:{}", shut_port());
    let refused = format!(
        "rpc error: code = Unavailable desc = connection error: desc = \
         \"transport: Error while dialing dial tcp {shut}: connect: connection refused\""
    );
    assert_eq!(probe(plan(&shut), Duration::from_secs(30)).await, Outcome::critical(refused));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = silent.local_addr().unwrap().to_string();
    let late = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
    assert_eq!(probe(plan(&target), SHORT).await, Outcome::critical(late.to_owned()));
}

#[tokio::test]
async fn certificates_are_verified_unless_told_otherwise() {
    let ask = async |tls: ProbeTls| {
        let server = TlsServer::start(&[b"h2"]).await;
        let plan = Probe::Grpc { target: server.address.clone(), tls: Some(tls) };
        let answer = async {
            if let Some(stream) = server.accept().await {
                serve(stream, SERVING).await;
            }
        };
        let (outcome, ()) = tokio::join!(probe(plan, Duration::from_secs(30)), answer);
        (outcome, server.address)
    };
    let (outcome, target) = ask(ProbeTls { skip_verify: true, ..ProbeTls::default() }).await;
    assert_eq!(outcome, passed(&format!("gRPC check {target}: success")));
    let (outcome, _) = ask(ProbeTls::default()).await;
    let start = "rpc error: code = Unavailable desc = connection error: desc = \
                 \"transport: authentication handshake failed: tls: failed to verify certificate: x509: ";
    assert!(outcome.output.starts_with(start), "{}", outcome.output);
}
