//! Hashes as names of certificates and keys.

use ring::digest;

/// Lower-case hex bytes joined by colons (`docs/spec/connect.md` §1.2).
pub(crate) fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// SHA-1 as colon-separated hex: the name of a certificate.
pub fn sha1_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
}

/// SHA-256 as colon-separated hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_bytes_are_lower_case_and_joined_by_colons() {
        assert_eq!(hex(&[10, 0, 255]), "0a:00:ff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn a_certificate_is_named_by_20_bytes_and_a_key_by_32() {
        assert_eq!((sha1_hex(b"").len(), sha256_hex(b"").len()), (20 * 3 - 1, 32 * 3 - 1));
    }
}
