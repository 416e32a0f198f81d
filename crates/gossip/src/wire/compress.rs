use std::borrow::Cow;

use serde::Deserialize;

use super::{WireError, decode, lzw};

/// Type byte and the msgpack before the compressed bytes: a map of `Algo` 0 (LZW) and `Buf`.
const PREFIX: &[u8] = b"\x09\x82\xa4Algo\x00\xa3Buf";
/// Shorter messages cannot become shorter, whatever they hold.
const SHORTEST_WORTH_TRYING_BYTES: usize = 23;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Compressed<'a> {
    algo: u8,
    #[serde(borrow)]
    buf: Cow<'a, [u8]>,
}

/// The message as a compress message, whether that is shorter or not.
pub(super) fn compress(message: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(message.len());
    lzw::compress(message, &mut packed);
    let mut out = Vec::with_capacity(PREFIX.len() + 5 + packed.len());
    out.extend_from_slice(PREFIX);
    match packed.len() {
        length @ 0..0x20 => out.push(0xa0 | length as u8),
        length @ 0x20..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xdb);
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
    }
    out.extend_from_slice(&packed);
    out
}

/// The message as a compress message, if that is shorter.
pub(super) fn compress_if_shorter(message: &[u8]) -> Option<Vec<u8>> {
    if message.len() < SHORTEST_WORTH_TRYING_BYTES {
        return None;
    }
    Some(compress(message)).filter(|compressed| compressed.len() < message.len())
}

/// The message a compress message holds, given without its type byte; at most `limit` bytes.
pub(crate) fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let compressed: Compressed<'_> = decode(body)?;
    if compressed.algo != 0 {
        return Err(WireError::Compression("unknown compression algorithm"));
    }
    lzw::decompress(&compressed.buf, limit)
}
