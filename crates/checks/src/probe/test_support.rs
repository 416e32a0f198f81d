//! What tests of several probes need.

use std::sync::Arc;
use std::time::Duration;

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Net, Outcome};
use crate::{CheckPlan, Probe, Thresholds};

/// Timeout of checks whose server never answers.
pub(super) const SHORT: Duration = Duration::from_millis(200);
/// The agent's default.
pub(super) const OUTPUT_MAX_BYTES: usize = 4096;

pub(super) fn plan(probe: Probe, timeout: Duration) -> CheckPlan {
    CheckPlan {
        id: "c".to_owned(),
        probe,
        interval: Duration::from_secs(1),
        timeout,
        thresholds: Thresholds::default(),
        output_max_bytes: OUTPUT_MAX_BYTES,
    }
}

/// Runs a probe once, without proxies.
pub(super) async fn probe(probe: Probe, timeout: Duration) -> Outcome {
    super::run(&plan(probe, timeout), &Net::plain()).await
}

pub(super) fn passed(output: &str) -> Outcome {
    Outcome::passing(output.to_owned())
}

/// A port of the loopback interface nobody listens on.
pub(super) fn shut_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server over TLS with a certificate for `localhost` that nobody trusts.
pub(super) struct TlsServer {
    pub(super) address: String,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsServer {
    pub(super) async fn start(alpn: &[&[u8]]) -> TlsServer {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        TlsServer { address, listener, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// One connection; `None` when its client refused the certificate.
    pub(super) async fn accept(&self) -> Option<TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await.unwrap();
        self.acceptor.accept(stream).await.ok()
    }
}
