//! `#[serde(with = "wire::json::base64_bytes")]` for byte containers (`Vec<u8>`, `Arc<[u8]>`, `bytes::Bytes`): a standard
//! base64 string in human-readable formats with `null` for no bytes, a raw string in msgpack.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::display::Base64Display;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;

/// Padding demanded, stray bits in the last symbol tolerated: what Go's `base64.StdEncoding` reads.
const GO_STANDARD: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// A byte that cannot stand where it does in base64; the message is Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub struct IllegalBase64(pub usize);

/// Standard padded base64.
pub fn encode(bytes: &[u8]) -> String {
    GO_STANDARD.encode(bytes)
}

/// Decodes standard padded base64; line breaks anywhere are skipped.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, IllegalBase64> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let decoded = if text.iter().any(is_break) {
        GO_STANDARD.decode(text.iter().copied().filter(|byte| !is_break(byte)).collect::<Vec<u8>>())
    } else {
        GO_STANDARD.decode(text)
    };
    decoded.map_err(|_| IllegalBase64(first_illegal_byte(text)))
}

/// Where Go's decoder gives up: at a foreign byte, at the start of a group cut short, or behind the padding.
fn first_illegal_byte(text: &[u8]) -> usize {
    let mut symbols_in_group = 0;
    let mut bytes = text.iter().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    while let Some((at, &byte)) = bytes.next() {
        if byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/' {
            symbols_in_group = (symbols_in_group + 1) % 4;
            continue;
        }
        if byte != b'=' || symbols_in_group < 2 {
            return at;
        }
        if symbols_in_group == 2 {
            match bytes.next() {
                None => return text.len(),
                Some((second, byte)) if *byte != b'=' => return second.saturating_sub(1),
                Some(_) => {}
            }
        }
        return bytes.next().map_or(text.len(), |(trailing, _)| trailing);
    }
    text.len() - symbols_in_group
}

/// Writes a base64 string or `null`; in msgpack the bytes.
pub fn serialize<T: AsRef<[u8]> + ?Sized, S: Serializer>(bytes: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes = bytes.as_ref();
    if !serializer.is_human_readable() {
        return serializer.serialize_bytes(bytes);
    }
    if bytes.is_empty() {
        return serializer.serialize_none();
    }
    serializer.collect_str(&Base64Display::new(bytes, &GO_STANDARD))
}

/// Reads a base64 string, a list of numbers or `null`; in msgpack any byte string.
pub fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if deserializer.is_human_readable() {
        return deserializer.deserialize_any(Base64Visitor).map(T::from);
    }
    crate::msgpack::bytes::deserialize(deserializer)
}

struct Base64Visitor;

impl<'de> Visitor<'de> for Base64Visitor {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[]uint8")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        decode(text.as_bytes()).map_err(E::custom)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_unit<E>(self) -> Result<Vec<u8>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Vec<u8>, A::Error> {
        crate::msgpack::bytes::BytesVisitor.visit_seq(elements)
    }
}
