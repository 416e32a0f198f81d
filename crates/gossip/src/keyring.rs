//! The keys of a pool and what they encrypt (`docs/spec/gossip.md` §9.1, §9.2): AES-GCM over packets and streams. The
//! first key encrypts, every key decrypts.

mod cipher;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use ring::rand::{SecureRandom, SystemRandom};

use cipher::{Key, NONCE_BYTES, TAG_BYTES};

/// The payload format we write: no padding.
const FORMAT: u8 = 1;
/// The older format: the plaintext is padded to whole blocks.
const PADDED_FORMAT: u8 = 0;
/// Length of a block of the padded format.
const BLOCK_BYTES: usize = 16;
/// What encryption adds to a payload: version, nonce and tag.
pub(crate) const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// A keyring several parts of a pool share.
pub type SharedKeyring = Arc<Keyring>;

/// Why the ring does not do what was asked. The texts are the reference's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No key has this length.
    #[error("key size must be 16, 24 or 32 bytes")]
    KeySize,
    /// A key must be installed before it is used.
    #[error("Requested key is not in the keyring")]
    NotInstalled,
    /// The key that encrypts cannot go.
    #[error("Removing the primary key is not allowed")]
    RemovingPrimary,
    /// A payload format from the future.
    #[error("Unsupported encryption version {0}")]
    UnsupportedVersion(u8),
    /// No payload is this short; the number is its length.
    #[error("Payload is too small to decrypt: {0}")]
    TooSmall(usize),
    /// A key is missing here, or the payload is damaged or forged.
    #[error("No installed keys could decrypt the message")]
    NoKeyFits,
    /// Nothing to encrypt with, or the system gives no random numbers.
    #[error("cannot encrypt: no key, or no random numbers from the operating system")]
    CannotEncrypt,
}

/// Keys in ring order, the one that encrypts first. Without keys the pool is not encrypted.
#[derive(Default)]
pub struct Keyring {
    keys: RwLock<Vec<Arc<Key>>>,
}

impl Keyring {
    /// A ring of these keys, the first of which encrypts.
    ///
    /// # Errors
    /// [`KeyringError::KeySize`].
    pub fn new(keys: &[Vec<u8>]) -> Result<Keyring, KeyringError> {
        let ring = Keyring::default();
        for key in keys {
            ring.install(key)?;
        }
        Ok(ring)
    }

    /// Adds a key at the end; one it has already stays where it is.
    ///
    /// # Errors
    /// [`KeyringError::KeySize`].
    pub fn install(&self, key: &[u8]) -> Result<(), KeyringError> {
        let new = Key::new(key)?;
        let mut keys = self.keys.write();
        if !keys.iter().any(|known| known.is(key)) {
            keys.push(Arc::new(new));
        }
        Ok(())
    }

    /// Encrypts with this key from now on; the order of the others stays.
    ///
    /// # Errors
    /// [`KeyringError::NotInstalled`].
    pub fn use_key(&self, key: &[u8]) -> Result<(), KeyringError> {
        let mut keys = self.keys.write();
        let Some(position) = keys.iter().position(|known| known.is(key)) else {
            return Err(KeyringError::NotInstalled);
        };
        let chosen = keys.remove(position);
        keys.insert(0, chosen);
        Ok(())
    }

    /// Forgets a key; one it does not have is forgotten already.
    ///
    /// # Errors
    /// [`KeyringError::RemovingPrimary`].
    pub fn remove(&self, key: &[u8]) -> Result<(), KeyringError> {
        let mut keys = self.keys.write();
        if keys.first().is_some_and(|primary| primary.is(key)) {
            return Err(KeyringError::RemovingPrimary);
        }
        keys.retain(|known| !known.is(key));
        Ok(())
    }

    /// The keys in ring order.
    pub fn list(&self) -> Vec<Vec<u8>> {
        self.keys.read().iter().map(|key| key.bytes().to_vec()).collect()
    }

    /// The key that encrypts.
    pub fn primary(&self) -> Option<Vec<u8>> {
        self.keys.read().first().map(|key| key.bytes().to_vec())
    }

    /// Whether it has no key, so that the pool is not encrypted.
    pub fn is_empty(&self) -> bool {
        self.keys.read().is_empty()
    }

    /// Appends to `out` the encrypted payload of the concatenated `parts`; `OVERHEAD_BYTES` longer than they are.
    pub(crate) fn encrypt(&self, parts: &[&[u8]], aad: &[u8], out: &mut Vec<u8>) -> Result<(), KeyringError> {
        let mut nonce = [0; NONCE_BYTES];
        SystemRandom::new().fill(&mut nonce).map_err(|_| KeyringError::CannotEncrypt)?;
        self.encrypt_with(nonce, parts, aad, out)
    }

    fn encrypt_with(
        &self,
        nonce: [u8; NONCE_BYTES],
        parts: &[&[u8]],
        aad: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), KeyringError> {
        let key = self.keys.read().first().cloned().ok_or(KeyringError::CannotEncrypt)?;
        out.push(FORMAT);
        out.extend_from_slice(&nonce);
        let start = out.len();
        for part in parts {
            out.extend_from_slice(part);
        }
        let plaintext = out.get_mut(start..).unwrap_or_default();
        let tag = key.seal(nonce, aad, plaintext).ok_or(KeyringError::CannotEncrypt)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The plaintext of an encrypted payload.
    pub(crate) fn decrypt(&self, payload: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let too_small = KeyringError::TooSmall(payload.len());
        let Some((&version, rest)) = payload.split_first() else {
            return Err(too_small);
        };
        let smallest = match version {
            FORMAT => OVERHEAD_BYTES,
            PADDED_FORMAT => OVERHEAD_BYTES + BLOCK_BYTES,
            version => return Err(KeyringError::UnsupportedVersion(version)),
        };
        if payload.len() < smallest {
            return Err(too_small);
        }
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_BYTES>() else {
            return Err(too_small);
        };
        let open = |key: &Arc<Key>| key.open(*nonce, aad, sealed);
        let mut plaintext = self.keys.read().iter().find_map(open).ok_or(KeyringError::NoKeyFits)?;
        if version == PADDED_FORMAT {
            // Only the last byte is looked at, as the reference does.
            let padding = plaintext.last().copied().unwrap_or_default();
            plaintext.truncate(plaintext.len().saturating_sub(usize::from(padding)));
        }
        Ok(plaintext)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keyring").field("keys", &self.keys.read().len()).finish()
    }
}
