//! What can go wrong with keys and certificates.

/// A key or certificate could not be read or made. No variant carries key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// The text holds no PEM block.
    #[error("no PEM-encoded data found")]
    NoPem,
    /// A PEM block that holds no kind of key we know.
    #[error("unknown PEM block type for signing key: {0}")]
    KeyLabel(String),
    /// A PEM block where a certificate was expected.
    #[error("first PEM-block should be CERTIFICATE type, not {0}")]
    CertificateLabel(String),
    /// A key type other than `ec` and `rsa`.
    #[error("private key type must be either 'ec' or 'rsa'")]
    KeyType,
    /// A length no elliptic curve in use has.
    #[error("EC key length must be one of (224, 256, 384, 521) bits")]
    EcBits,
    /// A length outside of what is offered for RSA.
    #[error("RSA key length must be 2048 or 4096 bits")]
    RsaBits,
    /// The cryptography underneath cannot make such a key.
    #[error(
        "this version cannot make {bits} bit {name} keys yet; give one as PrivateKey, or use ec with 256 or 384 bits"
    )]
    CannotGenerate {
        /// `ec` or `rsa`.
        name: &'static str,
        /// Length.
        bits: u32,
    },
    /// Neither an elliptic curve key nor an RSA key.
    #[error("invalid key type: {0}")]
    ForeignKey(String),
    /// The key's bytes make no sense.
    #[error("error parsing private key: {0}")]
    BadKey(&'static str),
    /// The certificate's bytes make no sense.
    #[error("error parsing certificate: {0}")]
    BadCertificate(String),
    /// The certificate could not be written or signed.
    #[error("error generating certificate: {0}")]
    CannotSign(String),
}
