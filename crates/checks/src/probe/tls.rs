//! TLS of probes: what they present, whom they trust.

use std::sync::Arc;

use outgoing::tls::AnyServer;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use wire::quote::go_quote;

use super::cause;
use super::link::{Ends, Stream};
use crate::ProbeTls;

/// What probes over TLS present and trust.
#[derive(Clone, Default)]
pub struct TlsSettings {
    /// The agent's own certificate and CAs (`enable_agent_tls_for_checks`); `None`: no certificate, the system's CAs.
    pub config: Option<Arc<ClientConfig>>,
    /// Name expected in certificates when a check names none; empty means the host of the address.
    pub server_name: String,
}

/// The protocol offered in the handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alpn {
    Http1,
    Http2,
}

impl Alpn {
    fn name(self) -> &'static [u8] {
        match self {
            Alpn::Http1 => b"http/1.1",
            Alpn::Http2 => b"h2",
        }
    }
}

/// The client side of TLS. Configurations are built on first need and shared by all probes.
pub(crate) struct Tls {
    settings: TlsSettings,
    http1: Slot,
    http1_unverified: Slot,
    http2: Slot,
    http2_unverified: Slot,
}

type Slot = OnceCell<Arc<ClientConfig>>;

impl Tls {
    pub(super) fn new(settings: TlsSettings) -> Tls {
        Tls {
            settings,
            http1: Slot::new(),
            http1_unverified: Slot::new(),
            http2: Slot::new(),
            http2_unverified: Slot::new(),
        }
    }

    /// The handshake. The error is the cause alone.
    pub(super) async fn connect(
        &self,
        stream: Box<dyn Stream>,
        ends: &Ends,
        host: &str,
        tls: &ProbeTls,
        alpn: Alpn,
    ) -> Result<Box<dyn Stream>, String> {
        let config = self.config(tls.skip_verify, alpn).await?;
        let names = [tls.server_name.as_str(), self.settings.server_name.as_str()];
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or(host);
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("tls: invalid server name {}", go_quote(name)))?;
        match TlsConnector::from(config).connect(server, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(cause::io_text(&error, ends)),
        }
    }

    async fn config(&self, skip_verify: bool, alpn: Alpn) -> Result<Arc<ClientConfig>, String> {
        let slot = match (alpn, skip_verify) {
            (Alpn::Http1, false) => &self.http1,
            (Alpn::Http1, true) => &self.http1_unverified,
            (Alpn::Http2, false) => &self.http2,
            (Alpn::Http2, true) => &self.http2_unverified,
        };
        slot.get_or_try_init(|| self.build(skip_verify, alpn)).await.cloned()
    }

    async fn build(&self, skip_verify: bool, alpn: Alpn) -> Result<Arc<ClientConfig>, String> {
        let mut config = match &self.settings.config {
            Some(config) => ClientConfig::clone(config),
            None => anonymous(if skip_verify { RootCertStore::empty() } else { system_roots().await? })?,
        };
        if skip_verify {
            let verifier = Arc::new(AnyServer::new(config.crypto_provider().clone()));
            config.dangerous().set_certificate_verifier(verifier);
        }
        config.alpn_protocols = vec![alpn.name().to_vec()];
        // A resumed session would not show that the server's certificate expired or changed.
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn anonymous(roots: RootCertStore) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| cause::tls_text(&error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The system's CAs, read away from the runtime's threads.
async fn system_roots() -> Result<RootCertStore, String> {
    let load = || {
        let found = outgoing::tls::system_roots();
        for error in &found.errors {
            tracing::warn!(target: "agent", error = %error, "could not load a system CA certificate");
        }
        found.store
    };
    tokio::task::spawn_blocking(load).await.map_err(|error| format!("reading the system's CA certificates: {error}"))
}
