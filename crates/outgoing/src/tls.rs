//! Whom the client side of TLS trusts: the system's CAs, or anyone.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The CAs the system trusts.
#[derive(Debug)]
pub struct SystemRoots {
    /// Those that can be used; possibly none.
    pub store: RootCertStore,
    /// What kept certificates or their files from being read.
    pub errors: Vec<rustls_native_certs::Error>,
}

/// Reads the system's CAs from their files, so it blocks. Certificates that TLS cannot use as CAs are left out.
pub fn system_roots() -> SystemRoots {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    SystemRoots { store, errors: found.errors }
}

/// Accepts every certificate, still checking that the server holds its key.
#[derive(Debug)]
pub struct AnyServer(Arc<CryptoProvider>);

impl AnyServer {
    /// A verifier checking signatures with the algorithms of `provider`, which is to be the configuration's own.
    pub fn new(provider: Arc<CryptoProvider>) -> AnyServer {
        AnyServer(provider)
    }
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_server_takes_any_certificate() {
        let verifier = AnyServer::new(Arc::new(rustls::crypto::ring::default_provider()));
        let certificate = CertificateDer::from(b"junk".as_slice());
        let name = ServerName::try_from("web").unwrap();
        assert!(verifier.verify_server_cert(&certificate, &[], &name, &[], UnixTime::now()).is_ok());
        assert!(!verifier.supported_verify_schemes().is_empty());
    }
}
