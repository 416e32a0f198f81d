//! What goes over the network (`docs/spec/gossip.md` §2-§4, §9.1): messages, the layers around packets and streams, and
//! where a stream's frame ends. Everything that reads here takes input from strangers.

mod compound;
mod compress;
mod crc;
mod decoder;
mod lzw;
mod message;
mod pipeline;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use compound::{COMPOUND_HEADER_BYTES, COMPOUND_ITEM_BYTES, MAX_PARTS, parts, write_compound};
pub(crate) use compress::decompress;
pub use decoder::StreamDecoder;
pub(crate) use message::{
    Ack, Address, Alive, Dead, Failure, IndirectPing, Kind, Nack, NodeStateRecord, Ping, Suspect, Versions, decode,
    encode,
};
pub(crate) use pipeline::Pipeline;
pub(crate) use state::{FullState, read_state, read_user_message, write_state};

use crate::keyring::KeyringError;

/// Longest encrypted stream payload (`docs/spec/gossip.md` §3.3).
pub const MAX_ENCRYPTED_STREAM_BYTES: usize = 20 << 20;
/// Longest message a stream may hold once it is decompressed.
const MAX_INFLATED_STREAM_BYTES: usize = 64 << 20;

/// Why something received is not what it should be. The texts of stream errors are the reference's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WireError {
    /// A label header without a label, or cut short.
    #[error("label header is malformed")]
    MalformedLabel,
    /// Meant for another pool.
    #[error("unexpected label: {0:?}")]
    UnexpectedLabel(String),
    /// It could not be decrypted.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A stream is encrypted and we have no keys.
    #[error("Remote state is encrypted and encryption is not configured")]
    NotConfigured,
    /// A stream is plaintext and we insist on encryption.
    #[error("Encryption is configured but remote state is not encrypted")]
    NotEncrypted,
    /// An encrypted stream is too long; the number is its length.
    #[error("Remote node state is larger than limit ({0})")]
    TooLarge(usize),
    /// The checksum of a packet is wrong.
    #[error("got invalid checksum for UDP packet: {expected:x}, {actual:x}")]
    Checksum {
        /// What the packet says.
        expected: u32,
        /// What it should say.
        actual: u32,
    },
    /// A compound message cannot be taken apart.
    #[error("failed to decode compound request: {0}")]
    Compound(&'static str),
    /// A compressed message cannot be decompressed.
    #[error("failed to decompress payload: {0}")]
    Compression(&'static str),
    /// It ends too early.
    #[error("unexpected EOF")]
    Truncated,
    /// A message of this type is not expected there.
    #[error("message type ({0}) not supported")]
    UnexpectedType(u8),
    /// A field holds what cannot be.
    #[error("{0}")]
    Field(String),
    /// It is not msgpack of the right shape.
    #[error(transparent)]
    Msgpack(#[from] ::wire::msgpack::Error),
}
