//! gzip of answers (`docs/spec/http-api.md` §1.1).

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue};

use crate::reply::{Body, ByteStream, Reply};

/// Bodies below this size are sent as they are.
pub(crate) const SMALLEST_GZIPPED_BYTES: usize = 1400;
/// Bodies from this size on are compressed on a thread of their own: it takes longer than others should wait.
const BLOCKING_BYTES: usize = 128 * 1024;

/// Whether the request accepts gzip with a weight above zero.
pub(crate) fn accepts(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else { return false };
    value.split(',').any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && weight(parameters) > 0.0
    })
}

fn weight(parameters: &str) -> f32 {
    let weight = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0))
}

/// The answer with its body compressed, if it is worth it. Streams always are.
pub(crate) async fn compress(mut reply: Reply) -> Reply {
    reply.body = match reply.body {
        Body::Full(bytes) if bytes.len() < SMALLEST_GZIPPED_BYTES => {
            reply.body = Body::Full(bytes);
            return reply;
        }
        Body::Full(bytes) => match compress_all(bytes).await {
            Ok(compressed) => Body::Full(compressed),
            Err(original) => {
                reply.body = Body::Full(original);
                return reply;
            }
        },
        Body::Stream(stream, _) => Body::Stream(compress_stream(stream), None),
    };
    reply.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    reply.headers.remove(CONTENT_LENGTH);
    reply
}

/// The compressed bytes, or the original ones if that failed.
async fn compress_all(bytes: Bytes) -> Result<Bytes, Bytes> {
    if bytes.len() < BLOCKING_BYTES {
        return gzip(&bytes).map_err(|_| bytes);
    }
    let original = bytes.clone();
    match tokio::task::spawn_blocking(move || gzip(&bytes)).await {
        Ok(Ok(compressed)) => Ok(compressed),
        _ => Err(original),
    }
}

fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish().map(Bytes::from)
}

/// Compresses piece by piece, so that a reader sees each piece at once.
fn compress_stream(stream: ByteStream) -> ByteStream {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    Box::pin(futures_util::stream::unfold((stream, Some(encoder)), |(mut stream, encoder)| async move {
        let mut encoder = encoder?;
        match stream.next().await {
            Some(Ok(piece)) => {
                let written = encoder.write_all(&piece).and_then(|()| encoder.flush());
                let compressed = written.map(|()| Bytes::from(std::mem::take(encoder.get_mut())));
                Some((compressed, (stream, Some(encoder))))
            }
            Some(Err(error)) => Some((Err(error), (stream, None))),
            None => Some((encoder.finish().map(Bytes::from), (stream, None))),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn acceptance_follows_the_weight() {
        let cases = [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=x", false),
            ("*", false),
            ("", false),
            ("br", false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts(&headers), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn bodies_are_compressed_from_the_threshold_on() {
        for (length, expected) in
            [(SMALLEST_GZIPPED_BYTES - 1, false), (SMALLEST_GZIPPED_BYTES, true), (BLOCKING_BYTES, true)]
        {
            let body = vec![b'a'; length];
            let reply = compress(Reply::written_json(body.clone())).await;
            assert_eq!(reply.headers.contains_key(CONTENT_ENCODING), expected, "{length}");
            let Body::Full(sent) = reply.body else { panic!("a full body") };
            let mut read = Vec::new();
            if expected {
                GzDecoder::new(&sent[..]).read_to_end(&mut read).unwrap();
            } else {
                read.extend_from_slice(&sent);
            }
            assert_eq!(read, body, "{length}");
        }
    }

    #[tokio::test]
    async fn streams_can_be_read_piece_by_piece() {
        let pieces: [&[u8]; 2] = [b"one\n", b"two\n"];
        let stream = futures_util::stream::iter(pieces.map(|piece| Ok(Bytes::from_static(piece))));
        let compressed: Vec<Bytes> = compress_stream(Box::pin(stream)).map(Result::unwrap).collect().await;
        let mut first = [0; 4];
        GzDecoder::new(&compressed[0][..]).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"one\n");
        let mut all = String::new();
        GzDecoder::new(&compressed.concat()[..]).read_to_string(&mut all).unwrap();
        assert_eq!(all, "one\ntwo\n");
    }
}
