//! A real agent behind a real socket, and a client that sees every byte.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::server::{Server, ServerConfig, test_support};
use agent::{Agent, CheckSettings, Identity, KeptSettings, LocalSettings, Pools, Servers};
use http_api::{HttpServer, Listener, Settings, Socket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Nothing here takes longer, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

const NODE_ID: &str = "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e";

/// A running agent with its HTTP API.
pub(crate) struct Running {
    pub(crate) agent: Arc<Agent>,
    pub(crate) http: HttpServer,
    pub(crate) address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn index(&self) -> u64 {
        self.header("x-consul-index").unwrap().parse().unwrap()
    }
}

fn identity() -> Identity {
    Identity {
        node_name: "one".to_owned(),
        node_id: NODE_ID.to_owned(),
        datacenter: "dc1".to_owned(),
        node_meta: Default::default(),
        advertise: [127, 0, 0, 1].into(),
        server: true,
        bootstrap: true,
        disable_remote_exec: true,
        disable_coordinates: true,
    }
}

fn server_config() -> ServerConfig {
    ServerConfig {
        node_id: NODE_ID.parse().unwrap(),
        session_ttl_min: Duration::from_secs(10),
        ..test_support::config()
    }
}

fn local_settings() -> LocalSettings {
    LocalSettings {
        data_dir: None,
        checks: CheckSettings {
            output_max_bytes: 4096,
            update_interval: Duration::from_secs(300),
            discard_output: false,
            remote_scripts: false,
            local_scripts: false,
        },
        tls: Default::default(),
        advertise: [127, 0, 0, 1].into(),
        node_tagged_addresses: Default::default(),
        expose_ports: 21500..21755,
        services: Vec::new(),
        check_definitions: Vec::new(),
    }
}

pub(crate) fn logs() -> telemetry::Logs {
    let settings = telemetry::LogSettings { level: telemetry::Level::INFO, json: false, file: None, stdout: false };
    telemetry::build(settings, telemetry::Seams::default()).unwrap().0
}

/// An agent without doors.
pub(crate) async fn agent() -> Arc<Agent> {
    let stopping = CancellationToken::new();
    let config = server_config();
    let fabric = test_support::fabric(&config, &stopping).await;
    let pools = Pools { lan: fabric.lan.clone(), wan: None };
    let server = Server::start(config, fabric, stopping.clone()).await.unwrap();
    Agent::start(identity(), Servers::Here(server), pools, local_settings(), KeptSettings::default(), stopping).unwrap()
}

/// A listener on a port of the system's choice.
pub(crate) fn listener() -> Listener {
    Listener { socket: Socket::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap()), tls: None }
}

/// An agent with the API on one port.
pub(crate) async fn start(settings: Settings) -> Running {
    let agent = agent().await;
    let http = http_api::start(agent.clone(), logs(), settings, vec![listener()]).unwrap();
    let address = http.addresses()[0];
    Running { agent, http, address }
}

impl Running {
    /// An agent that has a leader and has registered itself.
    pub(crate) async fn ready(settings: Settings) -> Running {
        let running = start(settings).await;
        while running.get("/v1/catalog/services").await.text() != r#"{"consul":[]}"# {
            tokio::task::yield_now().await;
        }
        running
    }

    pub(crate) async fn stop(self) {
        tokio::time::timeout(DEADLINE, self.http.stop()).await.unwrap();
        self.agent.stop().await;
    }

    /// One request with a body and extra header lines.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Response {
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, method, path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send("GET", path, "", b"").await
    }

    pub(crate) async fn put(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.send("PUT", path, "", body.as_ref()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, "", b"").await
    }

    /// Whatever bytes come back for whatever bytes go out.
    pub(crate) async fn raw(&self, request: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }
}

/// One request over a stream that is then closed.
pub(crate) async fn exchange<S>(mut stream: S, method: &str, path: &str, headers: &str, body: &[u8]) -> Response
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    parse(&read_all(&mut stream).await)
}

async fn read_all<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut all = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    all
}

/// Splits an answer whose body ends with the connection.
pub(crate) fn parse(bytes: &[u8]) -> Response {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a complete head");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    Response { status, headers, body: bytes[end + 4..].to_vec() }
}
