//! Private keys and their kinds (`docs/spec/connect.md` §1.2, §1.4).

use std::fmt;

use pem::{EncodeConfig, LineEnding, Pem};
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::der::{BIT_STRING, CONTEXT_0, CONTEXT_1, Elements, INTEGER, OCTET_STRING, SEQUENCE, element};
use crate::error::PkiError;
use crate::fingerprint::sha256;

const EC_LABEL: &str = "EC PRIVATE KEY";
const RSA_LABEL: &str = "RSA PRIVATE KEY";
const PKCS8_LABEL: &str = "PRIVATE KEY";

/// Object identifiers with their tag and length: the algorithms of keys (RFC 5480 §2.1.1, RFC 8017 appendix C).
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_ENCRYPTION: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const NULL: &[u8] = &[0x05, 0x00];

/// Curves by length in bits, with the object identifier that names each (RFC 5480 §2.1.1.1).
const CURVES: [(u32, &[u8], &str); 4] = [
    (224, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21], "1.3.132.0.33"),
    (256, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "1.2.840.10045.3.1.7"),
    (384, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22], "1.3.132.0.34"),
    (521, &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23], "1.3.132.0.35"),
];

/// Algorithm and length of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// An elliptic curve of the NIST's with this many bits.
    Ec(u32),
    /// RSA with a modulus of this many bits.
    Rsa(u32),
}

impl KeyKind {
    /// What the built-in authority uses unless configured otherwise.
    pub const DEFAULT: KeyKind = KeyKind::Ec(256);

    /// A kind as it is configured.
    ///
    /// # Errors
    /// A type or length that is not offered.
    pub fn configured(name: &str, bits: i64) -> Result<KeyKind, PkiError> {
        let bits = u32::try_from(bits).unwrap_or(0);
        match name {
            "ec" if CURVES.iter().any(|(length, ..)| *length == bits) => Ok(KeyKind::Ec(bits)),
            "ec" => Err(PkiError::EcBits),
            "rsa" if [2048, 4096].contains(&bits) => Ok(KeyKind::Rsa(bits)),
            "rsa" => Err(PkiError::RsaBits),
            _ => Err(PkiError::KeyType),
        }
    }

    /// `ec` or `rsa`.
    pub fn name(self) -> &'static str {
        match self {
            KeyKind::Ec(_) => "ec",
            KeyKind::Rsa(_) => "rsa",
        }
    }

    /// Length in bits.
    pub fn bits(self) -> u32 {
        match self {
            KeyKind::Ec(bits) | KeyKind::Rsa(bits) => bits,
        }
    }

    /// The kind of a public key.
    pub(crate) fn of(key: &SubjectPublicKeyInfo<'_>) -> Result<KeyKind, PkiError> {
        let foreign = || PkiError::ForeignKey(key.algorithm.algorithm.to_id_string());
        match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => Ok(KeyKind::Rsa(u32::try_from(rsa.key_size()).map_err(|_| foreign())?)),
            Ok(PublicKey::EC(_)) => {
                let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
                let curve = curve.ok_or_else(foreign)?.to_id_string();
                let known = CURVES.iter().find(|(_, _, name)| *name == curve);
                known.map(|(bits, ..)| KeyKind::Ec(*bits)).ok_or_else(foreign)
            }
            _ => Err(foreign()),
        }
    }
}

/// A key that signs certificates. `Debug` does not show it.
pub struct PrivateKey {
    pair: KeyPair,
    kind: KeyKind,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// A new key.
    ///
    /// # Errors
    /// A kind that the cryptography underneath cannot make: RSA, and curves other than P-256 and P-384.
    pub fn generate(kind: KeyKind) -> Result<PrivateKey, PkiError> {
        let algorithm = match kind {
            KeyKind::Ec(256) => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::Ec(384) => &rcgen::PKCS_ECDSA_P384_SHA384,
            other => return Err(PkiError::CannotGenerate { name: other.name(), bits: other.bits() }),
        };
        let pair = KeyPair::generate_for(algorithm).map_err(|e| PkiError::CannotSign(e.to_string()))?;
        Ok(PrivateKey { pair, kind })
    }

    /// Reads the first PEM block: SEC 1, PKCS #1 or PKCS #8, not encrypted.
    ///
    /// # Errors
    /// No PEM block, another kind of block, a key that is broken or of an algorithm that cannot sign here.
    pub fn from_pem(text: &str) -> Result<PrivateKey, PkiError> {
        let block = pem::parse(text).map_err(|_| PkiError::NoPem)?;
        let wrapped = match block.tag() {
            PKCS8_LABEL => block.contents().to_vec(),
            EC_LABEL => wrap_sec1(block.contents())?,
            RSA_LABEL => pkcs8(&[RSA_ENCRYPTION, NULL], block.contents()),
            other => return Err(PkiError::KeyLabel(other.to_owned())),
        };
        let pair = KeyPair::try_from(wrapped).map_err(|_| PkiError::BadKey("not a key this version can sign with"))?;
        let public = pair.subject_public_key_info();
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&public).map_err(|_| PkiError::BadKey("no public key"))?;
        let kind = KeyKind::of(&parsed)?;
        Ok(PrivateKey { pair, kind })
    }

    /// The key as PEM: SEC 1 for elliptic curves, PKCS #1 for RSA. A secret.
    ///
    /// # Errors
    /// None for a key that could be made or read.
    pub fn to_pem(&self) -> Result<String, PkiError> {
        let inner = unwrap_pkcs8(self.pair.serialized_der()).ok_or(PkiError::BadKey("not a PKCS #8 key"))?;
        let (label, contents) = match self.kind {
            KeyKind::Ec(bits) => {
                (EC_LABEL, name_curve(inner, bits).ok_or(PkiError::BadKey("not a key of an elliptic curve"))?)
            }
            KeyKind::Rsa(_) => (RSA_LABEL, inner.to_vec()),
        };
        Ok(encode_pem(label, contents))
    }

    /// Algorithm and length.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Name of the public key in certificates: SHA-256 of its PKIX form.
    pub fn key_id(&self) -> Vec<u8> {
        sha256(&self.pair.subject_public_key_info())
    }

    pub(crate) fn signer(&self) -> &impl SigningKey {
        &self.pair
    }
}

/// PEM as Go writes it: 64 characters a line, a line end after the last.
pub(crate) fn encode_pem(label: &str, contents: Vec<u8>) -> String {
    pem::encode_config(&Pem::new(label, contents), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

fn pkcs8(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    let version = element(INTEGER, &[&[0]]);
    let algorithm = element(SEQUENCE, algorithm);
    element(SEQUENCE, &[&version, &algorithm, &element(OCTET_STRING, &[key])])
}

fn unwrap_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let mut fields = Elements(Elements(der).take(SEQUENCE)?);
    fields.take(INTEGER)?;
    fields.take(SEQUENCE)?;
    fields.take(OCTET_STRING)
}

/// Gives a SEC 1 key, which must name its curve, the form the signer reads.
fn wrap_sec1(der: &[u8]) -> Result<Vec<u8>, PkiError> {
    const BAD: PkiError = PkiError::BadKey("not a key of a named elliptic curve");
    let mut fields = Elements(Elements(der).take(SEQUENCE).ok_or(BAD)?);
    fields.take(INTEGER).ok_or(BAD)?;
    fields.take(OCTET_STRING).ok_or(BAD)?;
    let curve = fields.take(CONTEXT_0).ok_or(BAD)?;
    Ok(pkcs8(&[EC_PUBLIC_KEY, curve], der))
}

/// Writes the curve into a SEC 1 key, whether or not it names it: alone, it is of no use without (RFC 5915 §3).
fn name_curve(sec1: &[u8], bits: u32) -> Option<Vec<u8>> {
    let (_, curve, _) = CURVES.iter().find(|(length, ..)| *length == bits)?;
    let mut fields = Elements(Elements(sec1).take(SEQUENCE)?);
    let version = element(INTEGER, &[fields.take(INTEGER)?]);
    let private = element(OCTET_STRING, &[fields.take(OCTET_STRING)?]);
    let _ = fields.take(CONTEXT_0);
    let mut public = Elements(fields.take(CONTEXT_1)?);
    let public = element(CONTEXT_1, &[&element(BIT_STRING, &[public.take(BIT_STRING)?])]);
    Some(element(SEQUENCE, &[&version, &private, &element(CONTEXT_0, &[*curve]), &public]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem() {
        for bits in [256, 384] {
            let key = PrivateKey::generate(KeyKind::Ec(bits)).unwrap();
            let pem = key.to_pem().unwrap();
            assert!(pem.starts_with("-----BEGIN EC PRIVATE KEY-----\n") && pem.ends_with("-----\n"), "{bits}");
            let read = PrivateKey::from_pem(&pem).unwrap();
            assert_eq!((read.kind(), read.key_id()), (key.kind(), key.key_id()));
            assert_eq!(read.to_pem().unwrap(), pem);
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = PrivateKey::generate(KeyKind::DEFAULT).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey { kind: Ec(256), .. }");
    }

    #[test]
    fn kinds_that_cannot_be_made_are_named() {
        for (kind, text) in [(KeyKind::Rsa(2048), "2048 bit rsa keys"), (KeyKind::Ec(521), "521 bit ec keys")] {
            let error = PrivateKey::generate(kind).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn configured_kinds_are_checked() {
        let cases = [
            ("ec", 256, Ok(KeyKind::Ec(256))),
            ("ec", 521, Ok(KeyKind::Ec(521))),
            ("ec", 2048, Err(PkiError::EcBits)),
            ("rsa", 4096, Ok(KeyKind::Rsa(4096))),
            ("rsa", -1, Err(PkiError::RsaBits)),
            ("dsa", 256, Err(PkiError::KeyType)),
        ];
        for (name, bits, expected) in cases {
            assert_eq!(KeyKind::configured(name, bits), expected, "{name} {bits}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let wrong = encode_pem("CERTIFICATE", vec![1]);
        assert_eq!(PrivateKey::from_pem(&wrong).unwrap_err(), PkiError::KeyLabel("CERTIFICATE".to_owned()));
        assert_eq!(PrivateKey::from_pem("x").unwrap_err(), PkiError::NoPem);
        for label in [EC_LABEL, RSA_LABEL, PKCS8_LABEL] {
            let broken = encode_pem(label, vec![0x30, 0x03, 2, 1, 1]);
            assert!(matches!(PrivateKey::from_pem(&broken), Err(PkiError::BadKey(_))), "{label}");
        }
    }
}
