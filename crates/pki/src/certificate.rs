//! What can be read from a certificate.

use wire::GoTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::error::PkiError;
use crate::fingerprint::{hex, sha1_hex};
use crate::key::KeyKind;

const LABEL: &str = "CERTIFICATE";

/// The fields of a certificate that the mesh keeps (`docs/spec/connect.md` §1.2, §1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-1 of the certificate, colon-separated hex.
    pub id: String,
    /// Serial number; of a longer one the last 64 bits.
    pub serial_number: u64,
    /// Its own name of its key, colon-separated hex; empty if it has none.
    pub subject_key_id: String,
    /// Start of its validity.
    pub not_before: GoTime,
    /// End of its validity.
    pub not_after: GoTime,
    /// Algorithm and length of its key.
    pub key: KeyKind,
    /// Whether it may sign certificates.
    pub is_authority: bool,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// No PEM block, one of another kind, or one that is no certificate with an elliptic curve or RSA key.
    pub fn from_pem(text: &str) -> Result<Certificate, PkiError> {
        let block = pem::parse(text).map_err(|_| PkiError::NoPem)?;
        if block.tag() != LABEL {
            return Err(PkiError::CertificateLabel(block.tag().to_owned()));
        }
        Certificate::from_der(block.contents())
    }

    fn from_der(der: &[u8]) -> Result<Certificate, PkiError> {
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| PkiError::BadCertificate(error.to_string()))?;
        if !rest.is_empty() {
            return Err(PkiError::BadCertificate("trailing data".to_owned()));
        }
        let subject_key_id = parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(hex(id.0)),
            _ => None,
        });
        Ok(Certificate {
            id: sha1_hex(der),
            serial_number: parsed.raw_serial().iter().fold(0, |serial, byte| serial << 8 | u64::from(*byte)),
            subject_key_id: subject_key_id.unwrap_or_default(),
            not_before: GoTime::from_unix(parsed.validity().not_before.timestamp(), 0),
            not_after: GoTime::from_unix(parsed.validity().not_after.timestamp(), 0),
            key: KeyKind::of(parsed.public_key())?,
            is_authority: parsed.is_ca(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::encode_pem;

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(Certificate::from_pem("none"), Err(PkiError::NoPem));
        let key = encode_pem("PRIVATE KEY", vec![1]);
        assert_eq!(Certificate::from_pem(&key), Err(PkiError::CertificateLabel("PRIVATE KEY".to_owned())));
        let broken = encode_pem(LABEL, vec![0x30, 0x03, 2, 1, 1]);
        assert!(matches!(Certificate::from_pem(&broken), Err(PkiError::BadCertificate(_))));
    }
}
