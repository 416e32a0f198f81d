//! The TLS client configuration, and the reference's words for what is wrong with its files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use outgoing::tls::AnyServer;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{Error, Result, TlsConfig, cause};

/// What the files say; loading them is separate from using them because they are checked even for plain addresses.
pub(crate) struct Material {
    roots: Option<RootCertStore>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    skip_verify: bool,
}

/// Reads every file named.
///
/// # Errors
/// [`Error::CaFile`], [`Error::CaPath`], [`Error::TlsFile`], [`Error::IncompleteClientCertificate`].
pub(crate) fn load(config: &TlsConfig) -> Result<Material> {
    let identity = match (&config.client_cert, &config.client_key) {
        (Some(cert), Some(key)) => Some(load_identity(cert, key)?),
        (None, None) => None,
        _ => return Err(Error::IncompleteClientCertificate),
    };
    let roots = match (&config.ca_file, &config.ca_path) {
        (Some(file), _) => Some(load_ca_file(file)?),
        (None, Some(path)) => Some(load_ca_path(path)?),
        (None, None) => None,
    };
    Ok(Material { roots, identity, skip_verify: config.skip_verify })
}

impl Material {
    /// Only a plain client without TLS settings needs no configuration at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.roots.is_none() && self.identity.is_none()
    }

    /// The configuration for connections. Reads the system's CAs when no CA is configured.
    ///
    /// # Errors
    /// [`Error::TlsFile`] when certificate and key do not belong together.
    pub(crate) fn client_config(self) -> Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::TlsFile(cause::tls_text(&error)))?;
        let builder = if self.skip_verify {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer::new(provider)))
        } else {
            builder.with_root_certificates(self.roots.unwrap_or_else(system_roots))
        };
        let Some((chain, key)) = self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        builder.with_client_auth_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                Error::TlsFile("tls: private key does not match public key".to_owned())
            }
            other => Error::TlsFile(cause::tls_text(&other)),
        })
    }
}

fn system_roots() -> RootCertStore {
    let found = outgoing::tls::system_roots();
    for error in &found.errors {
        tracing::warn!("could not load a system CA certificate: {error}");
    }
    found.store
}

fn load_ca_file(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    add_pem(&mut roots, path).map_err(Error::CaFile)?;
    Ok(roots)
}

/// A file, or every file under a directory in name order.
fn load_ca_path(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let mut pending = vec![path.to_owned()];
    while let Some(path) = pending.pop() {
        let lstat =
            |error: std::io::Error| Error::TlsFile(format!("lstat {}: {}", path.display(), cause::system_text(&error)));
        if !fs::symlink_metadata(&path).map_err(lstat)?.is_dir() {
            add_pem(&mut roots, &path).map_err(Error::CaPath)?;
            continue;
        }
        let opened = fs::read_dir(&path).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
        let entries = opened.map_err(|error| Error::TlsFile(cause::open(&path, &error)))?;
        let mut children: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).collect();
        children.sort_by(|a, b| b.cmp(a));
        pending.extend(children);
    }
    Ok(roots)
}

/// Adds the certificates of one file; an unusable one among usable ones is skipped, none at all is an error.
fn add_pem(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let text = fs::read(path).map_err(|error| cause::open(path, &error))?;
    let certificates = CertificateDer::pem_slice_iter(&text).filter_map(|certificate| certificate.ok());
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("Couldn't parse PEM in: {}", path.display()));
    }
    Ok(())
}

fn load_identity(cert: &Path, key: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let read = |path: &Path| fs::read(path).map_err(|error| Error::TlsFile(cause::open(path, &error)));
    let (cert, key) = (read(cert)?, read(key)?);
    let missing = |what: &str| Error::TlsFile(format!("tls: failed to find any PEM data in {what} input"));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert).filter_map(|certificate| certificate.ok()).collect();
    if chain.is_empty() {
        return Err(missing("certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| missing("key"))?;
    Ok((chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(config: TlsConfig) -> String {
        load(&config).err().unwrap().to_string()
    }

    #[test]
    fn missing_files_are_named_as_the_reference_names_them() {
        let path = || Some(PathBuf::from("no/such"));
        let table = [
            (
                TlsConfig { ca_file: path(), ..TlsConfig::default() },
                "Error loading CA File: open no/such: no such file or directory",
            ),
            (TlsConfig { ca_path: path(), ..TlsConfig::default() }, "lstat no/such: no such file or directory"),
            (
                TlsConfig { client_cert: path(), client_key: path(), ..TlsConfig::default() },
                "open no/such: no such file or directory",
            ),
            (
                TlsConfig { client_cert: path(), ..TlsConfig::default() },
                "both client cert and client key must be provided",
            ),
        ];
        for (config, text) in table {
            assert_eq!(failure(config), text);
        }
    }

    #[test]
    fn files_without_certificates_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("junk.pem");
        fs::write(&file, "junk").unwrap();
        let in_file = failure(TlsConfig { ca_file: Some(file.clone()), ..TlsConfig::default() });
        assert_eq!(in_file, format!("Error loading CA File: Couldn't parse PEM in: {}", file.display()));
        let in_path = failure(TlsConfig { ca_path: Some(folder.path().to_owned()), ..TlsConfig::default() });
        assert_eq!(in_path, format!("Error loading CA Path: Couldn't parse PEM in: {}", file.display()));
        let identity =
            failure(TlsConfig { client_cert: Some(file.clone()), client_key: Some(file), ..TlsConfig::default() });
        assert_eq!(identity, "tls: failed to find any PEM data in certificate input");
    }
}
