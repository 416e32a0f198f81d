use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes192;
use aes_gcm::aes::cipher::consts::{U12, U16};
use aes_gcm::{AesGcm, Nonce as Nonce192, Tag as Tag192};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::KeyringError;

/// Length of a nonce.
pub(super) const NONCE_BYTES: usize = 12;
/// Length of an authentication tag.
pub(super) const TAG_BYTES: usize = 16;

/// One key, ready to use. Its bytes are wiped from memory with it.
pub(super) struct Key {
    bytes: Zeroizing<Vec<u8>>,
    cipher: Cipher,
}

/// AES-GCM by the key's length. `ring` has no AES-192.
enum Cipher {
    Ring(Box<LessSafeKey>),
    Aes192(Box<AesGcm<Aes192, U12>>),
}

impl Key {
    pub(super) fn new(bytes: &[u8]) -> Result<Key, KeyringError> {
        let cipher = match bytes.len() {
            16 => ring_key(&AES_128_GCM, bytes)?,
            24 => Cipher::Aes192(Box::new(AesGcm::new_from_slice(bytes).map_err(|_| KeyringError::KeySize)?)),
            32 => ring_key(&AES_256_GCM, bytes)?,
            _ => return Err(KeyringError::KeySize),
        };
        Ok(Key { bytes: Zeroizing::new(bytes.to_vec()), cipher })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        *self.bytes == *bytes
    }

    /// Encrypts in place; the tag belongs behind it.
    pub(super) fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        match &self.cipher {
            Cipher::Ring(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), text).ok()?;
                tag.as_ref().try_into().ok()
            }
            Cipher::Aes192(key) => {
                let nonce = Nonce192::<U12>::from(nonce);
                let tag = key.encrypt_in_place_detached(&nonce, aad, text).ok()?;
                Some(tag.into())
            }
        }
    }

    /// The plaintext of `sealed`, which ends in the tag; nothing when it is not of this key.
    pub(super) fn open(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match &self.cipher {
            Cipher::Ring(key) => {
                let mut text = sealed.to_vec();
                let nonce = Nonce::assume_unique_for_key(nonce);
                let length = key.open_in_place(nonce, Aad::from(aad), &mut text).ok()?.len();
                text.truncate(length);
                Some(text)
            }
            Cipher::Aes192(key) => {
                let (text, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
                let mut text = text.to_vec();
                let nonce = Nonce192::<U12>::from(nonce);
                key.decrypt_in_place_detached(&nonce, aad, &mut text, &Tag192::<U16>::from(*tag)).ok()?;
                Some(text)
            }
        }
    }
}

fn ring_key(algorithm: &'static Algorithm, bytes: &[u8]) -> Result<Cipher, KeyringError> {
    let key = UnboundKey::new(algorithm, bytes).map_err(|_| KeyringError::KeySize)?;
    Ok(Cipher::Ring(Box::new(LessSafeKey::new(key))))
}
