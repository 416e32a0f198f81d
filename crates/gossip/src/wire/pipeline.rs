use std::borrow::Cow;

use bytes::Bytes;

use super::compress::{compress, compress_if_shorter, decompress};
use super::crc::crc32;
use super::{Kind, MAX_ENCRYPTED_STREAM_BYTES, MAX_INFLATED_STREAM_BYTES, WireError};
use crate::keyring::{KeyringError, OVERHEAD_BYTES, SharedKeyring};

/// Type byte and checksum.
const CRC_HEADER_BYTES: usize = 5;
/// Type byte and length of an encrypted stream.
const ENCRYPTED_HEADER_BYTES: usize = 5;
/// Longest label its header can hold.
const MAX_LABEL_BYTES: usize = 255;

/// The layers around packets and streams (`docs/spec/gossip.md` §3.2-§3.4): compression, checksum, encryption, label.
#[derive(Debug)]
pub(crate) struct Pipeline {
    keyring: SharedKeyring,
    label: Vec<u8>,
    verify_incoming: bool,
    verify_outgoing: bool,
}

impl Pipeline {
    /// For a pool of this label (empty: none; at most 255 bytes count) with these keys.
    pub(crate) fn new(keyring: SharedKeyring, label: &str, verify_incoming: bool, verify_outgoing: bool) -> Pipeline {
        let label = label.as_bytes();
        let label = label.get(..MAX_LABEL_BYTES).unwrap_or(label).to_vec();
        Pipeline { keyring, label, verify_incoming, verify_outgoing }
    }

    /// What encryption takes of a packet of gossip: it is counted even when we send plaintext.
    pub(crate) fn gossip_overhead(&self) -> usize {
        let encryption = if self.keyring.is_empty() { 0 } else { OVERHEAD_BYTES };
        encryption + self.label_overhead()
    }

    /// What encryption and label take of any other packet.
    pub(crate) fn packet_overhead(&self) -> usize {
        let encryption = if self.encrypts() { OVERHEAD_BYTES } else { 0 };
        encryption + self.label_overhead()
    }

    fn label_overhead(&self) -> usize {
        if self.label.is_empty() { 0 } else { 2 + self.label.len() }
    }

    /// Whether there are any keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keyring.is_empty()
    }

    fn encrypts(&self) -> bool {
        self.verify_outgoing && !self.keyring.is_empty()
    }

    /// The datagram of a message; `crc` when the receiver is known to understand a checksum.
    pub(crate) fn seal_packet(&self, message: Bytes, crc: bool) -> Result<Bytes, KeyringError> {
        let body = compress_if_shorter(&message).map_or(message, Bytes::from);
        let encrypts = self.encrypts();
        if !encrypts && !crc && self.label.is_empty() {
            return Ok(body);
        }
        let mut checksum = [0; CRC_HEADER_BYTES];
        let mut header: &[u8] = &[];
        if crc {
            let [kind, sum @ ..] = &mut checksum;
            *kind = Kind::Crc as u8;
            *sum = crc32(&body).to_be_bytes();
            header = &checksum;
        }
        let length = self.label_overhead() + OVERHEAD_BYTES + header.len() + body.len();
        let mut out = Vec::with_capacity(length);
        self.write_label(&mut out);
        if encrypts {
            self.keyring.encrypt(&[header, &body], &self.label, &mut out)?;
        } else {
            out.extend_from_slice(header);
            out.extend_from_slice(&body);
        }
        Ok(out.into())
    }

    /// The message of a datagram: its label checked and stripped, decrypted, its checksum checked.
    pub(crate) fn open_packet<'a>(&self, datagram: &'a [u8]) -> Result<Cow<'a, [u8]>, WireError> {
        let sealed = self.strip_label(datagram)?;
        if self.keyring.is_empty() {
            return Ok(Cow::Borrowed(checked(sealed)?));
        }
        match self.keyring.decrypt(sealed, &self.label) {
            Ok(mut plaintext) => {
                let length = checked(&plaintext)?.len();
                plaintext.drain(..plaintext.len() - length);
                Ok(Cow::Owned(plaintext))
            }
            Err(error) if self.verify_incoming => Err(error.into()),
            Err(_) => Ok(Cow::Borrowed(checked(sealed)?)),
        }
    }

    /// The frame of a stream request.
    pub(crate) fn frame_request(&self, message: &[u8]) -> Result<Bytes, KeyringError> {
        let mut out = Vec::new();
        self.write_label(&mut out);
        self.frame(message, out)
    }

    /// The frame of a reply: without the label, though the label is authenticated.
    pub(crate) fn frame_reply(&self, message: &[u8]) -> Result<Bytes, KeyringError> {
        self.frame(message, Vec::new())
    }

    /// The message of a stream request.
    pub(crate) fn open_request(&self, frame: &[u8]) -> Result<Vec<u8>, WireError> {
        self.unframe(self.strip_label(frame)?)
    }

    /// The message of a reply.
    pub(crate) fn open_reply(&self, frame: &[u8]) -> Result<Vec<u8>, WireError> {
        self.unframe(frame)
    }

    fn frame(&self, message: &[u8], mut out: Vec<u8>) -> Result<Bytes, KeyringError> {
        let compressed = compress(message);
        if !self.encrypts() {
            if out.is_empty() {
                return Ok(compressed.into());
            }
            out.extend_from_slice(&compressed);
            return Ok(out.into());
        }
        let start = out.len();
        out.reserve(ENCRYPTED_HEADER_BYTES + OVERHEAD_BYTES + compressed.len());
        out.push(Kind::Encrypt as u8);
        out.extend_from_slice(&((OVERHEAD_BYTES + compressed.len()) as u32).to_be_bytes());
        let authenticated = [out.get(start..).unwrap_or_default(), self.label.as_slice()].concat();
        self.keyring.encrypt(&[&compressed], &authenticated, &mut out)?;
        Ok(out.into())
    }

    fn unframe(&self, frame: &[u8]) -> Result<Vec<u8>, WireError> {
        let kind = *frame.first().ok_or(WireError::Truncated)?;
        if kind != Kind::Encrypt as u8 {
            if self.verify_incoming && !self.keyring.is_empty() {
                return Err(WireError::NotEncrypted);
            }
            return inflated(frame);
        }
        if self.keyring.is_empty() {
            return Err(WireError::NotConfigured);
        }
        let (header, rest) = frame.split_first_chunk::<ENCRYPTED_HEADER_BYTES>().ok_or(WireError::Truncated)?;
        let [_, length @ ..] = *header;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_ENCRYPTED_STREAM_BYTES {
            return Err(WireError::TooLarge(length));
        }
        let payload = rest.get(..length).ok_or(WireError::Truncated)?;
        let plaintext = self.keyring.decrypt(payload, &[header.as_slice(), self.label.as_slice()].concat())?;
        match plaintext.first() {
            Some(&kind) if kind == Kind::Compress as u8 => inflated(&plaintext),
            _ => Ok(plaintext),
        }
    }

    fn write_label(&self, out: &mut Vec<u8>) {
        if !self.label.is_empty() {
            out.extend_from_slice(&[Kind::Label as u8, self.label.len() as u8]);
            out.extend_from_slice(&self.label);
        }
    }

    /// What follows the label header. The label must be the pool's.
    fn strip_label<'a>(&self, data: &'a [u8]) -> Result<&'a [u8], WireError> {
        let (label, rest) = match data.split_first() {
            Some((&kind, rest)) if kind == Kind::Label as u8 => {
                let (&length, rest) = rest.split_first().ok_or(WireError::MalformedLabel)?;
                if length == 0 {
                    return Err(WireError::MalformedLabel);
                }
                rest.split_at_checked(length.into()).ok_or(WireError::MalformedLabel)?
            }
            _ => (<&[u8]>::default(), data),
        };
        if *label != *self.label {
            return Err(WireError::UnexpectedLabel(String::from_utf8_lossy(label).into_owned()));
        }
        Ok(rest)
    }
}

/// The packet without its checksum, if it has one; packets too short for one have none.
fn checked(packet: &[u8]) -> Result<&[u8], WireError> {
    let Some(([kind, expected @ ..], body)) = packet.split_first_chunk::<CRC_HEADER_BYTES>() else {
        return Ok(packet);
    };
    if *kind != Kind::Crc as u8 {
        return Ok(packet);
    }
    let (expected, actual) = (u32::from_be_bytes(*expected), crc32(body));
    if expected != actual {
        return Err(WireError::Checksum { expected, actual });
    }
    Ok(body)
}

fn inflated(message: &[u8]) -> Result<Vec<u8>, WireError> {
    match message.split_first() {
        Some((&kind, body)) if kind == Kind::Compress as u8 => decompress(body, MAX_INFLATED_STREAM_BYTES),
        _ => Ok(message.to_vec()),
    }
}
