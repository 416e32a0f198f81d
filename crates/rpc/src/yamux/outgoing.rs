//! Frames on their way to the connection.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::frame::{FrameType, HEADER_BYTES, Header};

/// Payload up to this size is copied behind its header; longer pieces travel as they are.
const COPY_BYTES: usize = 4 * 1024;
/// Buffer kept by a session that has nothing to send.
const IDLE_BYTES: usize = 4 * 1024;

/// What is to be sent, in order: finished pieces, then small frames gathered in one buffer.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
}

impl Outgoing {
    /// Adds a frame without payload.
    pub(super) fn frame(&mut self, header: Header) {
        self.tail.extend_from_slice(&header.encode());
        self.bytes += HEADER_BYTES;
    }

    /// Adds a data frame of `head` followed by `body`. Their lengths together fit a window.
    pub(super) fn data(&mut self, stream: u32, head: &[u8], body: Bytes) {
        let length = head.len() + body.len();
        let header = Header::new(FrameType::Data, 0, stream, u32::try_from(length).unwrap_or(u32::MAX));
        self.frame(header);
        self.bytes += length;
        self.tail.extend_from_slice(head);
        if body.len() <= COPY_BYTES {
            self.tail.extend_from_slice(&body);
            return;
        }
        self.pieces.push_back(self.tail.split().freeze());
        self.pieces.push_back(body);
    }

    /// Hands over everything.
    pub(super) fn take(&mut self, into: &mut VecDeque<Bytes>) {
        into.append(&mut self.pieces);
        if !self.tail.is_empty() {
            into.push_back(self.tail.split().freeze());
        }
        self.bytes = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes waiting.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// Lets go of a buffer that grew in a busy time.
    pub(super) fn shrink(&mut self) {
        if self.tail.is_empty() && self.tail.capacity() > IDLE_BYTES {
            self.tail = BytesMut::new();
        }
    }
}
