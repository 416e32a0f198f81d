use ::wire::msgpack::{Scan, Scanner, from_slice_prefix};
use bytes::{Bytes, BytesMut};

use super::message::{StateHeader, UserHeader};
use super::state::length;
use super::{Kind, MAX_ENCRYPTED_STREAM_BYTES, WireError};

/// Type byte and length of an encrypted stream.
const ENCRYPTED_HEADER_BYTES: usize = 5;

/// Finds the end of the one frame that comes on a stream, request or reply (`docs/spec/gossip.md` §3.3), without a key:
/// an encrypted frame says its length, a plaintext one is scanned.
#[derive(Debug)]
pub struct StreamDecoder {
    limit: usize,
    buffer: BytesMut,
    stage: Stage,
}

/// What is looked for next; the number is the place in the buffer where it begins.
#[derive(Debug)]
enum Stage {
    Start,
    Header(usize),
    /// The map that is the whole rest.
    Map(usize, Scanner),
    /// The map before the nodes of a state, or before the bytes of a user message.
    Counts(usize, Kind, Scanner),
    /// So many more nodes, then so many bytes.
    Nodes(usize, usize, usize, Scanner),
    /// The frame ends here.
    Ends(usize),
}

/// What one look at the buffer came to.
enum Step {
    Next(Stage),
    /// So many bytes are missing, at least.
    Wait(Stage, u64),
}

impl StreamDecoder {
    /// A decoder that refuses frames longer than `limit` bytes.
    pub fn new(limit: usize) -> StreamDecoder {
        StreamDecoder { limit, buffer: BytesMut::new(), stage: Stage::Start }
    }

    /// Takes in what was read next; the whole frame once it is complete, still encrypted or compressed, as
    /// `StreamRequest` and `ExchangeReply` want it. What comes behind it is dropped.
    ///
    /// # Errors
    /// Why this is no frame, or that it is too long. The stream should be closed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Bytes>, String> {
        if bytes.len() > self.limit.saturating_sub(self.buffer.len()) {
            return Err(self.too_large());
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            let stage = std::mem::replace(&mut self.stage, Stage::Start);
            match self.step(stage).map_err(|error| error.to_string())? {
                Step::Next(Stage::Ends(end)) if end <= self.buffer.len() => {
                    return Ok(Some(self.buffer.split_to(end).freeze()));
                }
                Step::Next(Stage::Ends(end)) if end > self.limit => return Err(self.too_large()),
                Step::Next(stage @ Stage::Ends(_)) => {
                    self.stage = stage;
                    return Ok(None);
                }
                Step::Next(stage) => self.stage = stage,
                Step::Wait(stage, missing) => {
                    self.stage = stage;
                    if missing > (self.limit - self.buffer.len()) as u64 {
                        return Err(self.too_large());
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn too_large(&self) -> String {
        WireError::TooLarge(self.limit).to_string()
    }

    fn step(&self, stage: Stage) -> Result<Step, WireError> {
        let buffer = &*self.buffer;
        Ok(match stage {
            Stage::Start => match (buffer.first(), buffer.get(1)) {
                (None, _) => Step::Wait(Stage::Start, 1),
                (Some(&kind), None) if kind == Kind::Label as u8 => Step::Wait(Stage::Start, 1),
                (Some(&kind), Some(0)) if kind == Kind::Label as u8 => return Err(WireError::MalformedLabel),
                (Some(&kind), Some(&label)) if kind == Kind::Label as u8 => {
                    Step::Next(Stage::Header(2 + usize::from(label)))
                }
                _ => Step::Next(Stage::Header(0)),
            },
            Stage::Header(at) => header(buffer, at)?,
            Stage::Map(at, mut scanner) => match scanner.scan(buffer.get(at..).unwrap_or_default())? {
                Scan::Complete(length) => Step::Next(Stage::Ends(at + length)),
                Scan::Incomplete(missing) => Step::Wait(Stage::Map(at, scanner), missing),
            },
            Stage::Counts(at, kind, mut scanner) => {
                let rest = buffer.get(at..).unwrap_or_default();
                match scanner.scan(rest)? {
                    Scan::Complete(used) => Step::Next(counts(kind, rest, at + used)?),
                    Scan::Incomplete(missing) => Step::Wait(Stage::Counts(at, kind, scanner), missing),
                }
            }
            Stage::Nodes(at, 0, user, _) => Step::Next(Stage::Ends(at.saturating_add(user))),
            Stage::Nodes(at, left, user, mut scanner) => match scanner.scan(buffer.get(at..).unwrap_or_default())? {
                Scan::Complete(length) => Step::Next(Stage::Nodes(at + length, left - 1, user, Scanner::default())),
                Scan::Incomplete(missing) => Step::Wait(Stage::Nodes(at, left, user, scanner), missing),
            },
            Stage::Ends(end) => Step::Next(Stage::Ends(end)),
        })
    }
}

/// Looks at the type byte at this place.
fn header(buffer: &[u8], at: usize) -> Result<Step, WireError> {
    let Some(&byte) = buffer.get(at) else {
        return Ok(Step::Wait(Stage::Header(at), (at + 1 - buffer.len()) as u64));
    };
    let body = at + 1;
    Ok(Step::Next(match Kind::of(byte) {
        Some(Kind::Encrypt) => {
            let Some(length) = buffer.get(body..).and_then(<[u8]>::first_chunk::<4>) else {
                let missing = at + ENCRYPTED_HEADER_BYTES - buffer.len();
                return Ok(Step::Wait(Stage::Header(at), missing as u64));
            };
            let length = u32::from_be_bytes(*length) as usize;
            if length > MAX_ENCRYPTED_STREAM_BYTES {
                return Err(WireError::TooLarge(length));
            }
            Stage::Ends(at + ENCRYPTED_HEADER_BYTES + length)
        }
        Some(Kind::Compress | Kind::Ping | Kind::Ack | Kind::Failure) => Stage::Map(body, Scanner::default()),
        Some(kind @ (Kind::PushPull | Kind::User)) => Stage::Counts(body, kind, Scanner::default()),
        _ => return Err(WireError::UnexpectedType(byte)),
    }))
}

/// What follows the map of counts, which ends at `at`.
fn counts(kind: Kind, map: &[u8], at: usize) -> Result<Stage, WireError> {
    if kind == Kind::User {
        let (header, _) = from_slice_prefix::<UserHeader>(map)?;
        return Ok(Stage::Ends(at.saturating_add(length(header.user_msg_len)?)));
    }
    let (header, _) = from_slice_prefix::<StateHeader>(map)?;
    Ok(Stage::Nodes(at, length(header.nodes)?, length(header.user_state_len)?, Scanner::default()))
}
