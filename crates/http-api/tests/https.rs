//! HTTPS: protocols on offer, and clients that do not speak (`docs/spec/http-api.md` §1.1).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use agent::Agent;
use bytes::Bytes;
use common::{DEADLINE, exchange, listener, logs};
use http_api::{HttpServer, Listener, Settings};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Https {
    agent: Arc<Agent>,
    http: HttpServer,
    address: SocketAddr,
    roots: RootCertStore,
}

async fn start(settings: Settings) -> Https {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let agent = common::agent().await;
    let listener = Listener { tls: Some(Arc::new(tls)), ..listener() };
    let http = http_api::start(agent.clone(), logs(), settings, vec![listener]).unwrap();
    let address = http.addresses()[0];
    Https { agent, http, address, roots }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Https {
    async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    async fn stop(self) {
        tokio::time::timeout(DEADLINE, self.http.stop()).await.unwrap();
        self.agent.stop().await;
    }
}

#[tokio::test]
async fn http1_is_spoken_without_a_choice() {
    let https = start(Settings::default()).await;
    let got = exchange(https.connect(&[]).await, "GET", "/v1/status/peers", "", b"").await;
    assert_eq!((got.status, got.text().as_str()), (200, "[\"127.0.0.1:8300\"]"));
    https.stop().await;
}

#[tokio::test]
async fn http2_is_spoken_by_choice() {
    let https = start(Settings::default()).await;
    let stream = https.connect(&[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    for path in ["/v1/status/peers", "/v1/kv/a//b"] {
        let request = http::Request::get(format!("https://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
        let got = sender.send_request(request).await.unwrap();
        let expected = if path.contains("//") { 301 } else { 200 };
        assert_eq!(got.status().as_u16(), expected, "{path}");
        got.into_body().collect().await.unwrap();
    }
    https.stop().await;
    drop(sender);
    driver.await.unwrap().unwrap_or_default();
}

#[tokio::test]
async fn a_client_that_never_speaks_is_let_go() {
    let settings = Settings { https_handshake_timeout: Duration::from_millis(1), ..Settings::default() };
    let https = start(settings).await;
    let mut silent = TcpStream::connect(https.address).await.unwrap();
    let ended = tokio::time::timeout(DEADLINE, silent.read(&mut [0])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    https.stop().await;
}
