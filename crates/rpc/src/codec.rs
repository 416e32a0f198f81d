//! Headers of calls and answers, and values read one by one (`docs/spec/rpc-and-state.md` §2.1).

use std::borrow::Cow;
use std::io;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use wire::msgpack::{self, Scan, Scanner};

use crate::channel::Channel;

/// Longest single value of a request.
pub(crate) const REQUEST_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest single value of an answer.
pub(crate) const REPLY_MAX_BYTES: usize = 512 * 1024 * 1024;
/// An empty map: the body of errors, and of answers that say nothing.
pub(crate) const EMPTY_BODY: &[u8] = &[0x80];

/// What precedes a request's body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct RequestHeader<'a> {
    /// Chosen by the client, sent back to it.
    pub(crate) seq: u64,
    /// `Service.Method`.
    #[serde(borrow)]
    pub(crate) service_method: Cow<'a, str>,
}

/// What precedes an answer's body.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ResponseHeader<'a> {
    /// Why the call failed; empty if it did not.
    #[serde(borrow)]
    pub(crate) error: Cow<'a, str>,
}

/// Encodes the header of a request.
pub(crate) fn request_header(seq: u64, method: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + method.len());
    out.push(0x82);
    put_raw(&mut out, b"Seq");
    put_unsigned(&mut out, seq);
    put_raw(&mut out, b"ServiceMethod");
    put_raw(&mut out, method.as_bytes());
    out
}

/// Encodes the header of an answer.
pub(crate) fn response_header(seq: u64, method: &str, error: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + method.len() + error.len());
    out.push(0x83);
    put_raw(&mut out, b"Error");
    put_raw(&mut out, error.as_bytes());
    put_raw(&mut out, b"Seq");
    put_unsigned(&mut out, seq);
    put_raw(&mut out, b"ServiceMethod");
    put_raw(&mut out, method.as_bytes());
    out
}

/// Two headers a call are worth writing without the serialiser's detours.
fn put_raw(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        length @ 0..0x20 => out.push(0xa0 | length as u8),
        length @ 0x20..=0xffff => {
            out.push(0xda);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xdb);
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, value as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Why no value could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The stream ended, or its connection did.
    #[error("EOF")]
    Eof,
    /// The connection failed.
    #[error(transparent)]
    Io(io::Error),
    /// What came is no value, or too long a one.
    #[error(transparent)]
    Msgpack(#[from] msgpack::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::Eof,
            _ => ReadError::Io(error),
        }
    }
}

/// Takes the value at the start of `buffer` if it is there whole. `scanner` has seen what was there before.
pub(crate) fn take_value(
    buffer: &mut BytesMut,
    scanner: &mut Scanner,
    max_bytes: usize,
) -> Result<Option<Bytes>, ReadError> {
    if buffer.is_empty() {
        return Ok(None);
    }
    let length = match scanner.scan(buffer)? {
        Scan::Complete(length) if length <= max_bytes => return Ok(Some(buffer.split_to(length).freeze())),
        Scan::Complete(length) => length as u64,
        Scan::Incomplete(missing) => missing.saturating_add(buffer.len() as u64),
    };
    if length > max_bytes as u64 {
        return Err(msgpack::Error::TooLarge(max_bytes).into());
    }
    Ok(None)
}

/// A channel that calls travel on, and what was read of it too early.
#[derive(Debug)]
pub(crate) struct CallStream {
    channel: Channel,
    buffer: BytesMut,
}

impl CallStream {
    pub(crate) fn new(channel: Channel) -> CallStream {
        CallStream { channel, buffer: BytesMut::new() }
    }

    /// The bytes of the next value; none at the end of the stream. An end inside a value is [`ReadError::Eof`].
    pub(crate) async fn value(&mut self, max_bytes: usize) -> Result<Option<Bytes>, ReadError> {
        let mut scanner = Scanner::default();
        loop {
            if let Some(value) = take_value(&mut self.buffer, &mut scanner, max_bytes)? {
                return Ok(Some(value));
            }
            if self.channel.fill(&mut self.buffer).await? > 0 {
                continue;
            }
            return if self.buffer.is_empty() { Ok(None) } else { Err(ReadError::Eof) };
        }
    }

    /// Sends a header and its body.
    pub(crate) async fn send(&mut self, header: &[u8], body: Bytes) -> io::Result<()> {
        self.channel.send(header, body).await
    }

    /// Resolves when the peer has left. On a plain connection that cannot be told from a pause.
    pub(crate) async fn gone(&mut self) {
        if !self.buffer.is_empty() {
            return std::future::pending().await;
        }
        self.channel.gone().await;
    }

    /// Whether the stream can serve another call.
    pub(crate) fn is_quiet(&self) -> bool {
        self.buffer.is_empty() && self.channel.is_quiet()
    }
}

/// One call over a stream: sends it and reads its answer.
///
/// # Errors
/// The text of the failure: the server's, or of what happened on the way.
pub(crate) async fn round_trip(stream: &mut CallStream, seq: u64, method: &str, body: Bytes) -> Result<Bytes, String> {
    if let Err(error) = stream.send(&request_header(seq, method), body).await {
        return Err(ReadError::from(error).to_string());
    }
    let header = reply_value(stream).await?;
    let body = reply_value(stream).await?;
    let header: ResponseHeader<'_> = msgpack::from_slice(&header).map_err(|error| error.to_string())?;
    if header.error.is_empty() { Ok(body) } else { Err(header.error.into_owned()) }
}

async fn reply_value(stream: &mut CallStream) -> Result<Bytes, String> {
    match stream.value(REPLY_MAX_BYTES).await {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(ReadError::Eof.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use net::BoxConn;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// Vectors of §2.1.
    const PING: &[u8] = b"\x82\xa3Seq\x01\xadServiceMethod\xabStatus.Ping\x80";
    const PONG: &[u8] = b"\x83\xa5Error\xa0\xa3Seq\x01\xadServiceMethod\xabStatus.Ping\x80";

    fn pair() -> (tokio::io::DuplexStream, CallStream) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        (near, CallStream::new(Channel::Conn(Box::new(far) as BoxConn)))
    }

    #[test]
    fn headers_are_the_reference_s_bytes() {
        assert_eq!([request_header(1, "Status.Ping").as_slice(), EMPTY_BODY].concat(), PING);
        assert_eq!([response_header(1, "Status.Ping", "").as_slice(), EMPTY_BODY].concat(), PONG);
    }

    #[test]
    fn headers_of_any_length_decode_to_what_was_written() {
        for length in [0, 31, 32, 255, 256, 65_535, 65_536] {
            for seq in [0, 127, 128, 255, 256, 65_535, 65_536, u64::from(u32::MAX), u64::MAX] {
                let text = "m".repeat(length);
                let request = request_header(seq, &text);
                let header: RequestHeader<'_> = msgpack::from_slice(&request).unwrap();
                assert_eq!((header.seq, &*header.service_method), (seq, text.as_str()));
                let response = response_header(seq, "S.M", &text);
                let header: ResponseHeader<'_> = msgpack::from_slice(&response).unwrap();
                assert_eq!(header.error, text.as_str());
            }
        }
    }

    #[tokio::test]
    async fn values_come_one_by_one_however_the_bytes_are_cut() {
        let (mut near, mut stream) = pair();
        let bytes = [PING, PING].concat();
        let writer = async {
            for byte in bytes {
                near.write_all(&[byte]).await.unwrap();
            }
            drop(near);
        };
        let reader = async {
            let mut values = Vec::new();
            while let Some(value) = stream.value(1000).await.unwrap() {
                values.push(value);
            }
            values
        };
        let ((), values) = tokio::join!(writer, reader);
        let header = PING.strip_suffix(EMPTY_BODY).unwrap();
        assert_eq!(values, [header, EMPTY_BODY, header, EMPTY_BODY]);
    }

    #[tokio::test]
    async fn values_sent_together_are_not_lost() {
        let (mut near, mut stream) = pair();
        near.write_all(&[PING, PONG].concat()).await.unwrap();
        for _ in 0..4 {
            assert!(stream.value(1000).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn an_end_inside_a_value_is_told_from_an_end_before_it() {
        let (mut near, mut stream) = pair();
        near.write_all(b"\x82\xa3Se").await.unwrap();
        drop(near);
        assert!(matches!(stream.value(1000).await, Err(ReadError::Eof)));
        let (near, mut stream) = pair();
        drop(near);
        assert!(matches!(stream.value(1000).await, Ok(None)));
    }

    #[tokio::test]
    async fn a_value_that_announces_too_much_is_refused_before_it_comes() {
        let (mut near, mut stream) = pair();
        near.write_all(b"\xdb\xff\xff\xff\xff").await.unwrap();
        let error = stream.value(1000).await.unwrap_err();
        assert!(matches!(error, ReadError::Msgpack(msgpack::Error::TooLarge(1000))), "{error}");
    }

    #[tokio::test]
    async fn a_reserved_byte_is_no_value() {
        let (mut near, mut stream) = pair();
        near.write_all(b"\xc1").await.unwrap();
        assert!(matches!(stream.value(1000).await, Err(ReadError::Msgpack(_))));
    }
}
