//! TLS of the HTTPS listeners, and of checks that present the agent's certificate (`docs/spec/config.md` §8.2).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use checks::TlsSettings;
use config::{ProtocolTls, RuntimeConfig, TlsVersion};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider, sign};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};

/// Directories below a CA directory that are searched.
const CA_PATH_DEPTH: usize = 16;

/// The TLS files of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum TlsError {
    #[error("Error loading from {}: {}", .0.display(), .1)]
    Read(PathBuf, std::io::Error),
    #[error("Error loading from {}: no certificate in it", .0.display())]
    NoCertificate(PathBuf),
    #[error("Error loading from CAPath: no CAs found")]
    NoAuthorities,
    #[error("Failed to load cert/key pair: {0}")]
    Pair(String),
    #[error("VerifyIncoming set but no CA certificates were provided")]
    VerifyWithoutAuthorities,
    #[error(
        "VerifyIncoming requires either a Cert and Key pair in the configuration file, or auto_encrypt/auto_config be enabled"
    )]
    VerifyWithoutCertificate,
    #[error(
        "tls.https.tls_cipher_suites: {0} is not offered: only suites with forward secrecy and AEAD are (docs/differences.md)"
    )]
    CipherSuite(&'static str),
    #[error("tls.https: {0}")]
    Settings(String),
}

/// The TLS side of HTTPS listeners. Without a certificate every handshake fails, as with the reference.
pub(super) fn server_config(tls: &ProtocolTls) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(provider(tls)?);
    let pair = certified_key(tls)?.map(Arc::new);
    let roots = authorities(tls)?;
    let settings = |error: rustls::Error| TlsError::Settings(error.to_string());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(tls.min_version))
        .map_err(settings)?;
    let builder = if tls.verify_incoming {
        let roots = roots.ok_or(TlsError::VerifyWithoutAuthorities)?;
        if pair.is_none() {
            return Err(TlsError::VerifyWithoutCertificate);
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    Ok(Arc::new(builder.with_cert_resolver(Arc::new(Certificate(pair)))))
}

/// What checks present and trust: with `enable_agent_tls_for_checks` the agent's own, else what the system trusts.
pub(super) fn for_checks(config: &RuntimeConfig) -> Result<TlsSettings, TlsError> {
    if !config.check.use_agent_tls {
        return Ok(TlsSettings::default());
    }
    let tls = &config.tls.https;
    let settings = |error: rustls::Error| TlsError::Settings(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(provider(tls)?))
        .with_protocol_versions(versions(tls.min_version))
        .map_err(settings)?
        .with_root_certificates(authorities(tls)?.unwrap_or_else(RootCertStore::empty));
    let client = match certified_key(tls)? {
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))),
        None => builder.with_no_client_auth(),
    };
    let server_name = match config.server.tls_name.as_str() {
        "" => config.node.name.clone(),
        name => name.to_owned(),
    };
    Ok(TlsSettings { config: Some(Arc::new(client)), server_name })
}

/// The agent's certificate, if it has one.
#[derive(Debug)]
struct Certificate(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
static TLS12_AND_TLS13: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

/// TLS 1.0 and 1.1 are not offered: they are broken, and asking for them as the lowest version still allows 1.2.
fn versions(min: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match min {
        TlsVersion::Tls13 => ONLY_TLS13,
        _ => TLS12_AND_TLS13,
    }
}

fn provider(tls: &ProtocolTls) -> Result<CryptoProvider, TlsError> {
    let mut provider = default_provider();
    if tls.cipher_suites.is_empty() {
        return Ok(provider);
    }
    let wanted: Result<Vec<SupportedCipherSuite>, TlsError> = tls
        .cipher_suites
        .iter()
        .map(|suite| supported(suite.as_str()).ok_or(TlsError::CipherSuite(suite.as_str())))
        .collect();
    let wanted = wanted?;
    // Suites of TLS 1.3 cannot be chosen.
    provider.cipher_suites.retain(|suite| suite.tls13().is_some() || wanted.contains(suite));
    Ok(provider)
}

fn supported(name: &str) -> Option<SupportedCipherSuite> {
    let suites = [
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ];
    suites.into_iter().find(|(known, _)| *known == name).map(|(_, suite)| suite)
}

/// The own certificate with its key; none unless both are configured.
fn certified_key(tls: &ProtocolTls) -> Result<Option<CertifiedKey>, TlsError> {
    let (Some(cert_file), Some(key_file)) = (&tls.cert_file, &tls.key_file) else { return Ok(None) };
    let pair_error = |error: &dyn std::fmt::Display| TlsError::Pair(error.to_string());
    let certificates = read(cert_file).map_err(|e| pair_error(&e)).and_then(|pem| certificates(&pem, cert_file))?;
    let key_pem = read(key_file).map_err(|e| pair_error(&e))?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|e| TlsError::Pair(format!("private key in {}: {e}", key_file.display())))?;
    let key = sign::any_supported_type(&key).map_err(|e| pair_error(&e))?;
    let certified = CertifiedKey::new(certificates, key);
    certified.keys_match().map_err(|e| pair_error(&e))?;
    Ok(Some(certified))
}

/// The certificate authorities; none when neither a file nor a directory is configured. The file wins.
fn authorities(tls: &ProtocolTls) -> Result<Option<RootCertStore>, TlsError> {
    let files = match (&tls.ca_file, &tls.ca_path) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(path)) => files_below(path, CA_PATH_DEPTH)?,
        (None, None) => return Ok(None),
    };
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in certificates(&read(&file)?, &file)? {
            roots.add(certificate).map_err(|e| TlsError::Settings(format!("{}: {e}", file.display())))?;
        }
    }
    if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(Some(roots)) }
}

fn files_below(path: &Path, depth: usize) -> Result<Vec<PathBuf>, TlsError> {
    let error = |e| TlsError::Read(path.to_owned(), e);
    if !fs::metadata(path).map_err(error)?.is_dir() || depth == 0 {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(path).map_err(error)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        files.extend(files_below(&entry, depth - 1)?);
    }
    Ok(files)
}

fn certificates(pem: &[u8], file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|e| TlsError::Settings(format!("{}: {e}", file.display())))?;
    if found.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(found) }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError::Read(file.to_owned(), error))
}
