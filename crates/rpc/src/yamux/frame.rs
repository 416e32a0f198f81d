//! Frame headers: version, type, flags, stream id, length; all big-endian.

use super::error::Violation;

pub(super) const HEADER_BYTES: usize = 12;
const VERSION: u8 = 0;

/// The stream is new.
pub(super) const SYN: u16 = 1;
/// The stream is accepted, or the ping answered.
pub(super) const ACK: u16 = 2;
/// The sender will send no more on the stream.
pub(super) const FIN: u16 = 4;
/// The stream is given up in both directions.
pub(super) const RST: u16 = 8;

/// Codes of a go-away frame.
pub(super) const GO_AWAY_NORMAL: u32 = 0;
pub(super) const GO_AWAY_PROTOCOL: u32 = 1;
pub(super) const GO_AWAY_INTERNAL: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameType {
    /// `length` bytes of payload follow.
    Data,
    /// `length` more bytes may be sent.
    WindowUpdate,
    /// `length` is a number to be sent back.
    Ping,
    /// `length` says why.
    GoAway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: FrameType,
    pub(super) flags: u16,
    pub(super) stream: u32,
    pub(super) length: u32,
}

impl Header {
    pub(super) fn new(kind: FrameType, flags: u16, stream: u32, length: u32) -> Header {
        Header { kind, flags, stream, length }
    }

    pub(super) fn encode(self) -> [u8; HEADER_BYTES] {
        let kind = match self.kind {
            FrameType::Data => 0,
            FrameType::WindowUpdate => 1,
            FrameType::Ping => 2,
            FrameType::GoAway => 3,
        };
        let [f0, f1] = self.flags.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [VERSION, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, Violation> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = *bytes;
        if version != VERSION {
            return Err(Violation::Version(version));
        }
        let kind = match kind {
            0 => FrameType::Data,
            1 => FrameType::WindowUpdate,
            2 => FrameType::Ping,
            3 => FrameType::GoAway,
            other => return Err(Violation::Type(other)),
        };
        let flags = u16::from_be_bytes([f0, f1]);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        Ok(Header { kind, flags, stream, length: u32::from_be_bytes([l0, l1, l2, l3]) })
    }

    pub(super) fn has(self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}
