//! Root certificates of the built-in authority (`docs/spec/connect.md` §1.3).

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, KeyIdMethod, KeyUsagePurpose,
    SanType, SerialNumber,
};
use time::OffsetDateTime;
use wire::GoTime;

use crate::error::PkiError;
use crate::identity::{root_common_name, signing_uri};
use crate::key::{PrivateKey, encode_pem};

/// What a new root says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRequest<'a> {
    /// UUID of the cluster.
    pub cluster_id: &'a str,
    /// Serial number.
    pub serial_number: u64,
    /// Any number; it makes the common name unique.
    pub random: i64,
    /// Start of its validity; parts of a second are cut off.
    pub not_before: GoTime,
    /// Length of its validity.
    pub ttl: Duration,
}

impl RootRequest<'_> {
    /// The certificate, signed with its own key, as PEM.
    ///
    /// # Errors
    /// A name or a time that a certificate cannot hold.
    pub fn sign(&self, key: &PrivateKey) -> Result<String, PkiError> {
        let certificate = self.params(key)?.self_signed(key.signer()).map_err(cannot_sign)?;
        Ok(encode_pem("CERTIFICATE", certificate.der().to_vec()))
    }

    fn params(&self, key: &PrivateKey) -> Result<CertificateParams, PkiError> {
        let common_name = root_common_name(self.cluster_id, self.random);
        let uri = signing_uri(self.cluster_id);
        let mut name = DistinguishedName::new();
        let common_name = common_name.try_into().map_err(cannot_sign)?;
        name.push(DnType::CommonName, DnValue::PrintableString(common_name));

        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(self.serial_number));
        params.distinguished_name = name;
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(cannot_sign)?)];
        params.not_before = instant(self.not_before.unix_seconds())?;
        params.not_after = instant(self.not_before.unix_seconds().saturating_add_unsigned(self.ttl.as_secs()))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.key_identifier_method = KeyIdMethod::PreSpecified(key.key_id());
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

fn instant(unix_seconds: i64) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(unix_seconds).map_err(cannot_sign)
}

fn cannot_sign(error: impl std::fmt::Display) -> PkiError {
    PkiError::CannotSign(error.to_string())
}
