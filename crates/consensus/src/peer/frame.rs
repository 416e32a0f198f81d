//! Frames: `length u32 | kind u8 | number u64 | body`, little-endian; the length counts what follows it. An answer
//! bears the number of its request.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Largest frame that is read. An append carries at most one command of the largest size on top of
/// `engine::log::REPLICATION_BYTES` of others.
const MAX_FRAME_BYTES: usize = 40 * 1024 * 1024;
const LENGTH_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + 8;
/// Room made for reading at a time, and how much more when a large frame is on its way: a length alone must not make
/// us allocate what it claims.
const READ_BYTES: usize = 16 * 1024;
const READ_AHEAD_BYTES: usize = 1024 * 1024;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Append = 1,
    Vote = 2,
    PreVote = 3,
    Transfer = 4,
    /// Begins a snapshot: what it covers.
    Snapshot = 5,
    /// A piece of a snapshot's state.
    Chunk = 6,
    /// All of a snapshot was sent.
    End = 7,
    /// The answer to a request.
    Answer = 8,
    /// A request that cannot be answered; the body says why.
    Refused = 9,
    /// A sign of life while an answer takes its time.
    Working = 10,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        const KINDS: [Kind; 10] = [
            Kind::Append,
            Kind::Vote,
            Kind::PreVote,
            Kind::Transfer,
            Kind::Snapshot,
            Kind::Chunk,
            Kind::End,
            Kind::Answer,
            Kind::Refused,
            Kind::Working,
        ];
        KINDS.into_iter().find(|kind| *kind as u8 == byte)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) body: Bytes,
}

/// Begins a frame with room for a body of `capacity` bytes, which the caller appends.
pub(crate) fn begin(kind: Kind, capacity: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(LENGTH_BYTES + HEAD_BYTES + capacity);
    frame.extend_from_slice(&[0; LENGTH_BYTES]);
    frame.push(kind as u8);
    frame.extend_from_slice(&[0; 8]);
    frame
}

/// Bytes of the body that a frame under construction has.
pub(crate) fn body_len(frame: &[u8]) -> usize {
    frame.len().saturating_sub(LENGTH_BYTES + HEAD_BYTES)
}

/// Completes a frame that [`begin`] began.
pub(crate) fn seal(frame: &mut [u8], number: u64) {
    let length = (frame.len() - LENGTH_BYTES) as u32;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    frame[LENGTH_BYTES + 1..LENGTH_BYTES + HEAD_BYTES].copy_from_slice(&number.to_le_bytes());
}

/// A whole frame at once.
pub(crate) fn sealed(kind: Kind, number: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = begin(kind, body.len());
    frame.extend_from_slice(body);
    seal(&mut frame, number);
    frame
}

pub(crate) struct FrameReader<R> {
    from: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(from: R) -> FrameReader<R> {
        FrameReader { from, buffer: BytesMut::new() }
    }

    /// The next frame, `None` at an orderly end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let missing = match self.take()? {
                Taken::Frame(frame) => return Ok(Some(frame)),
                Taken::Missing(bytes) => bytes,
            };
            self.buffer.reserve(missing.clamp(READ_BYTES, READ_AHEAD_BYTES));
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    fn take(&mut self) -> io::Result<Taken> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(Taken::Missing(LENGTH_BYTES)) };
        let length = u32::from_le_bytes(*length) as usize;
        if !(HEAD_BYTES..=MAX_FRAME_BYTES).contains(&length) {
            return Err(invalid(format!("frame of {length} bytes")));
        }
        if let Some(missing) = (LENGTH_BYTES + length).checked_sub(self.buffer.len()).filter(|missing| *missing > 0) {
            return Ok(Taken::Missing(missing));
        }
        self.buffer.advance(LENGTH_BYTES);
        // Shares the memory it was read into.
        let mut body = self.buffer.split_to(length).freeze();
        let kind = body.get_u8();
        let kind = Kind::from_byte(kind).ok_or_else(|| invalid(format!("unknown kind of frame {kind}")))?;
        let number = body.get_u64_le();
        Ok(Taken::Frame(Frame { kind, number, body }))
    }
}

enum Taken {
    Frame(Frame),
    Missing(usize),
}

pub(crate) fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn frames_arrive_as_they_were_sent_however_they_are_cut() {
        let frames =
            [(Kind::Append, 7, vec![1; 100_000]), (Kind::Answer, u64::MAX, Vec::new()), (Kind::End, 0, vec![2])];
        let bytes: Vec<u8> = frames.iter().flat_map(|(kind, number, body)| sealed(*kind, *number, body)).collect();
        for piece in [1000, 13, bytes.len()] {
            let (mut sender, receiver) = tokio::io::duplex(4096);
            let bytes = bytes.clone();
            let sending = tokio::spawn(async move {
                for piece in bytes.chunks(piece) {
                    sender.write_all(piece).await.unwrap();
                }
            });
            let mut reader = FrameReader::new(receiver);
            for (kind, number, body) in &frames {
                let expected = Frame { kind: *kind, number: *number, body: body.clone().into() };
                assert_eq!(reader.next().await.unwrap(), Some(expected));
            }
            assert_eq!(reader.next().await.unwrap(), None);
            sending.await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused() {
        let too_long = (MAX_FRAME_BYTES as u32 + 1).to_le_bytes();
        let strange = sealed(Kind::Append, 1, b"").iter().map(|byte| if *byte == 1 { 99 } else { *byte }).collect();
        let cut = sealed(Kind::Append, 1, b"body")[..10].to_vec();
        for bytes in [too_long.to_vec(), vec![1, 0, 0, 0, 1], strange, cut] {
            let mut reader = FrameReader::new(&bytes[..]);
            assert!(reader.next().await.is_err(), "{bytes:?}");
        }
    }
}
