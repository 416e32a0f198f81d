//! What goes over the wire, seen by a small server that answers the same to everything.

#![allow(clippy::unwrap_used, reason = "everything here is test code, functions shared by tests included")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use api::{Client, Config, Error, KvPair, QueryOptions, Result, WriteOptions};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[derive(Clone, Debug)]
struct Seen {
    connection: usize,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

struct Recorder {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Recorder {
    /// Answers every request with `status`, `headers` and `body`.
    async fn start(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let record = record.clone();
                let answer = service_fn(move |request: Request<Incoming>| {
                    let record = record.clone();
                    async move {
                        let (parts, content) = request.into_parts();
                        let content = content.collect().await.unwrap().to_bytes();
                        record.lock().unwrap().push(Seen {
                            connection,
                            method: parts.method,
                            target: parts.uri.to_string(),
                            headers: parts.headers,
                            body: content,
                        });
                        let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        for (name, value) in headers {
                            response.headers_mut().insert(*name, value.parse().unwrap());
                        }
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
            }
        });
        Recorder { address, seen }
    }

    fn config(&self) -> Config {
        Config::default().address(&self.address)
    }

    fn client(&self) -> Client {
        Client::new(self.config()).unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }
}

#[tokio::test]
async fn the_token_is_a_header_and_calls_may_bring_their_own() -> Result<()> {
    let server = Recorder::start(200, &[], "\"\"").await;
    let client = Client::new(server.config().token("mine"))?;
    client.status().leader(&QueryOptions::new()).await?;
    assert_eq!(server.last().header("x-consul-token"), Some("mine"));
    client.status().leader(&QueryOptions::new().token("other")).await?;
    assert_eq!(server.last().header("x-consul-token"), Some("other"));
    server.client().status().leader(&QueryOptions::new()).await?;
    assert_eq!(server.last().header("x-consul-token"), None);
    assert!(server.seen().iter().all(|seen| !seen.target.contains("token")));
    Ok(())
}

#[tokio::test]
async fn an_impossible_token_is_reported_before_sending() {
    let server = Recorder::start(200, &[], "\"\"").await;
    let client = Client::new(server.config().token("a\nb")).unwrap();
    let error = client.status().leader(&QueryOptions::new()).await.unwrap_err();
    let expected = format!(
        "Get \"http://{}/v1/status/leader\": net/http: invalid header field value for \"X-Consul-Token\"",
        server.address
    );
    assert_eq!(error.to_string(), expected);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn basic_auth_is_sent() -> Result<()> {
    let server = Recorder::start(200, &[], "\"\"").await;
    Client::new(server.config().basic_auth("user", "pass"))?.status().leader(&QueryOptions::new()).await?;
    assert_eq!(server.last().header("authorization"), Some("Basic dXNlcjpwYXNz"));
    Ok(())
}

#[tokio::test]
async fn defaults_of_the_client_give_way_to_options_of_the_call() -> Result<()> {
    let server = Recorder::start(200, &[], "[]").await;
    let config = server.config().datacenter("dc1").namespace("ns1").partition("p1").wait_time(Duration::from_secs(9));
    let client = Client::new(config)?;
    client.catalog().nodes(&QueryOptions::new()).await?;
    assert_eq!(server.last().target, "/v1/catalog/nodes?dc=dc1&ns=ns1&partition=p1&wait=9000ms");
    client.catalog().nodes(&QueryOptions::new().dc("dc2").wait(Duration::from_secs(1)).stale()).await?;
    assert_eq!(server.last().target, "/v1/catalog/nodes?dc=dc2&ns=ns1&partition=p1&stale=&wait=1000ms");
    Ok(())
}

#[tokio::test]
async fn bodies_say_what_they_are() -> Result<()> {
    let server = Recorder::start(200, &[], "true").await;
    let client = server.client();
    client.kv().put(&KvPair { flags: 7, ..KvPair::new("a/b c", "v") }, &WriteOptions::new()).await?;
    let seen = server.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PUT", "/v1/kv/a/b%20c?flags=7"));
    assert_eq!(
        (seen.header("content-type"), seen.header("content-length")),
        (Some("application/octet-stream"), Some("1"))
    );
    assert_eq!(seen.body, "v");

    client.kv().put(&KvPair::new("k", ""), &WriteOptions::new()).await?;
    assert_eq!(server.last().header("content-length"), Some("0"));

    client.operator().keyring_remove("abc", &WriteOptions::new()).await?;
    let seen = server.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("DELETE", "/v1/operator/keyring"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.body, r#"{"Key":"abc"}"#);

    client.snapshot().restore(&b"archive"[..], &WriteOptions::new()).await?;
    let seen = server.last();
    assert_eq!((seen.header("transfer-encoding"), &seen.body[..]), (Some("chunked"), b"archive".as_slice()));
    Ok(())
}

#[tokio::test]
async fn a_path_prefix_comes_first() -> Result<()> {
    let server = Recorder::start(200, &[], "\"\"").await;
    let config = Config::default().address(format!("http://{}/proxy", server.address));
    Client::new(config)?.status().leader(&QueryOptions::new()).await?;
    let seen = server.last();
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/proxy/v1/status/leader", Some(server.address.as_str())));
    Ok(())
}

#[tokio::test]
async fn an_address_with_a_bare_trailing_slash_asks_for_nothing_known() -> Result<()> {
    let server = Recorder::start(200, &[], "\"\"").await;
    Client::new(Config::default().address(format!("http://{}/", server.address)))?
        .status()
        .leader(&QueryOptions::new())
        .await?;
    assert_eq!(server.last().target, "/status/leader");
    Ok(())
}

#[tokio::test]
async fn cache_bounds_are_a_header() -> Result<()> {
    let server = Recorder::start(200, &[("x-cache", "HIT"), ("age", "3")], "[]").await;
    let options = QueryOptions::new().cached().max_age(Duration::from_secs(5));
    let (_, meta) = server.client().catalog().nodes(&options).await?;
    assert_eq!(server.last().header("cache-control"), Some("max-age=5"));
    assert_eq!((meta.cache_hit, meta.cache_age), (true, Duration::from_secs(3)));
    Ok(())
}

#[tokio::test]
async fn calls_share_a_connection() -> Result<()> {
    let server = Recorder::start(200, &[], "\"\"").await;
    let client = server.client();
    for _ in 0..3 {
        client.clone().status().leader(&QueryOptions::new()).await?;
    }
    assert_eq!(server.seen().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 0]);
    Ok(())
}

#[tokio::test]
async fn an_unread_answer_is_not_mixed_up_with_the_next() -> Result<()> {
    let server = Recorder::start(200, &[], "\"leader\"").await;
    let client = server.client();
    drop(client.request(Method::GET, "/v1/status/leader").send().await?);
    assert_eq!(client.status().leader(&QueryOptions::new()).await?, "leader");
    Ok(())
}

#[tokio::test]
async fn unexpected_answers_carry_their_trimmed_text() {
    let server = Recorder::start(403, &[], " Permission denied \n").await;
    let error = server.client().status().leader(&QueryOptions::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "Unexpected response code: 403 (Permission denied)");
    assert_eq!((error.status(), error.is_retryable()), (Some(403), false));
}

#[tokio::test]
async fn an_answer_of_the_wrong_shape_is_named() {
    let server = Recorder::start(200, &[], "[1]").await;
    let error = server.client().status().leader(&QueryOptions::new()).await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
}

#[tokio::test]
async fn endless_redirects_end() {
    let server = Recorder::start(301, &[("location", "/v1/again")], "").await;
    let error = server.client().status().leader(&QueryOptions::new()).await.unwrap_err();
    assert!(error.to_string().ends_with("/v1/status/leader\": stopped after 10 redirects"), "{error}");
    assert_eq!(server.seen().len(), 11);
}

/// Accepts connections; each answers the requests of its list in turn and is then closed.
async fn scripted(connections: Vec<Vec<&'static str>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for answers in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in answers {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    address
}

const LEADER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\"x\"";
const CUT_OFF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n\"x\"";

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() -> Result<()> {
    let address = scripted(vec![vec![LEADER], vec![LEADER]]).await;
    let client = Client::new(Config::default().address(address))?;
    for _ in 0..2 {
        assert_eq!(client.status().leader(&QueryOptions::new()).await?, "x");
    }
    Ok(())
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(Config::default().address(listener.local_addr().unwrap().to_string())).unwrap();
    let status = client.status();
    let options = QueryOptions::new();
    let mut call = Box::pin(status.leader(&options));
    let mut request = [0; 4096];
    let mut stream = tokio::select! {
        _ = &mut call => panic!("nobody answered"),
        stream = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream
        } => stream,
    };
    drop(call);
    assert_eq!(stream.read(&mut request).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_an_eof() -> Result<()> {
    let address = scripted(vec![vec![""]]).await;
    let client = Client::new(Config::default().address(&address))?;
    let error = client.status().leader(&QueryOptions::new()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("Get \"http://{address}/v1/status/leader\": EOF"));
    assert!(error.is_retryable());
    Ok(())
}

#[tokio::test]
async fn a_body_cut_off_is_an_error() -> Result<()> {
    let address = scripted(vec![vec![CUT_OFF]]).await;
    let client = Client::new(Config::default().address(&address))?;
    let error = client.status().leader(&QueryOptions::new()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("Get \"http://{address}/v1/status/leader\": unexpected EOF"));
    Ok(())
}

#[tokio::test]
async fn places_nobody_is_at_are_worded_as_by_the_reference() {
    let table = [
        ("", "Get \"http:///v1/status/leader\": http: no Host in request URL"),
        (
            "nosuch.sock",
            "Get \"http://nosuch.sock/v1/status/leader\": dial unix nosuch.sock: connect: no such file or directory",
        ),
        (
            "/no/such",
            "Get \"http://%2Fno%2Fsuch/v1/status/leader\": dial unix /no/such: connect: no such file or directory",
        ),
    ];
    for (path, text) in table {
        let client = Client::new(Config::default().address(format!("unix://{path}"))).unwrap();
        assert_eq!(client.status().leader(&QueryOptions::new()).await.unwrap_err().to_string(), text);
    }
    let table = [
        ("host:8500/p", "Get \"http://host:8500%2Fp/v1/status/leader\": dial tcp: lookup host:8500/p: no such host"),
        (
            "127.0.0.1:1",
            "Get \"http://127.0.0.1:1/v1/status/leader\": dial tcp 127.0.0.1:1: connect: connection refused",
        ),
    ];
    for (address, text) in table {
        let client = Client::new(Config::default().address(address)).unwrap();
        assert_eq!(client.status().leader(&QueryOptions::new()).await.unwrap_err().to_string(), text);
    }
}
