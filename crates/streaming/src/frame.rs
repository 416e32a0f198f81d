//! Messages in a stream: a flag for compression, four bytes of length, the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

use crate::proto::Event;
use crate::status::{Code, Status};

const PREFIX_BYTES: usize = 5;

/// Messages as they travel, one after the other. Made once, shared by all who send them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded(Bytes);

impl Encoded {
    /// These messages in this order.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Encoded {
        let mut frames = BytesMut::new();
        for event in events {
            put(&mut frames, &event);
        }
        Encoded(frames.freeze())
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// One message as it travels.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    put(&mut frame, message);
    frame.freeze()
}

fn put(frames: &mut BytesMut, message: &impl Message) {
    let body = message.encode_to_vec();
    frames.reserve(PREFIX_BYTES + body.len());
    frames.put_u8(0);
    frames.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    frames.put_slice(&body);
}

/// Takes a stream apart into messages.
#[derive(Debug)]
pub(crate) struct Frames {
    received: BytesMut,
    limit: usize,
}

impl Frames {
    /// Messages of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Frames {
        Frames { received: BytesMut::new(), limit }
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.received.extend_from_slice(data);
    }

    /// Whether everything that came was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The next message, if it has come whole.
    ///
    /// # Errors
    /// It is compressed, or too large.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(mut prefix) = self.received.get(..PREFIX_BYTES) else { return Ok(None) };
        let flag = prefix.get_u8();
        let len = usize::try_from(prefix.get_u32()).unwrap_or(usize::MAX);
        if flag != 0 {
            return Err(Status::new(Code::Internal, "grpc: compressed flag set with identity or empty encoding"));
        }
        if len > self.limit {
            let text = format!("grpc: received message larger than max ({len} vs. {})", self.limit);
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        if self.received.len() - PREFIX_BYTES < len {
            return Ok(None);
        }
        self.received.advance(PREFIX_BYTES);
        Ok(Some(self.received.split_to(len).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_however_they_are_cut() {
        let events = [Event::end_of_snapshot(7), Event::new_snapshot_to_follow(), Event::default()];
        let bytes = Encoded::of(events.clone()).into_bytes();
        for piece in 1..=bytes.len() {
            let mut frames = Frames::new(64);
            let mut found = Vec::new();
            for data in bytes.chunks(piece) {
                frames.push(data);
                while let Some(message) = frames.next().unwrap() {
                    found.push(Event::decode(message).unwrap());
                }
            }
            assert_eq!(found, events);
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn too_large_and_compressed_messages_are_refused_by_their_prefix() {
        for (prefix, code) in [([0, 0, 0, 0, 65], Code::ResourceExhausted), ([1, 0, 0, 0, 1], Code::Internal)] {
            let mut frames = Frames::new(64);
            frames.push(&prefix);
            assert_eq!(frames.next().unwrap_err().code, code);
        }
    }
}
