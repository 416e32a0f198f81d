//! Answers: status, headers, body; and refusals (`docs/spec/http-api.md` §1.8, §1.10).

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;
use types::{Consistency, QueryMeta, RpcError};
use wire::json;

use crate::meta::Metadata;

/// Room for the headers of an ordinary answer without growing.
const HEADERS: usize = 12;

/// Type of a text that has no type of its own.
pub(crate) const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a handler hands back.
pub(crate) type Answer = Result<Reply, Failure>;

/// Bytes as they come, over time.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Body of an answer.
pub(crate) enum Body {
    /// All of it, at once.
    Full(Bytes),
    /// Piece by piece; the length if it is known.
    Stream(ByteStream, Option<u64>),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Body::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(stream, _) => stream.as_mut().poll_next(context).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_, Some(length)) => SizeHint::with_exact(*length),
            Body::Stream(_, None) => SizeHint::default(),
        }
    }
}

/// An answer on its way.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Reply {
    /// 200 without a body.
    pub(crate) fn empty() -> Reply {
        Reply::bytes(StatusCode::OK, None, Bytes::new())
    }

    /// A status without a body.
    pub(crate) fn status(status: StatusCode) -> Reply {
        Reply::bytes(status, None, Bytes::new())
    }

    /// Plain text, as errors are.
    pub(crate) fn text(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Reply {
        let body = match text.into() {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let content_type = (!body.is_empty()).then_some(PLAIN_TEXT);
        Reply::bytes(status, content_type, body)
    }

    /// A body of some type.
    pub(crate) fn bytes(status: StatusCode, content_type: Option<HeaderValue>, body: Bytes) -> Reply {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        Reply { status, headers, body: Body::Full(body) }
    }

    /// JSON that is already written.
    pub(crate) fn written_json(body: impl Into<Bytes>) -> Reply {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        Reply::bytes(StatusCode::OK, Some(JSON), body.into())
    }

    /// A value as JSON: compact, or indented with a line end when `pretty`.
    pub(crate) fn json<T: Serialize + ?Sized>(value: &T, pretty: bool) -> Answer {
        write_json(value, pretty).map(Reply::written_json)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(value: bool, pretty: bool) -> Reply {
        Reply::written_json(Bytes::from_static(match (value, pretty) {
            (true, false) => b"true",
            (false, false) => b"false",
            (true, true) => b"true\n",
            (false, true) => b"false\n",
        }))
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Reply {
        self.status = status;
        self
    }

    /// The same with all metadata headers.
    pub(crate) fn with_metadata(mut self, metadata: &Metadata) -> Reply {
        metadata.write(&mut self.headers);
        self
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The bytes of [`Reply::json`].
pub(crate) fn write_json<T: Serialize + ?Sized>(value: &T, pretty: bool) -> Result<Bytes, Failure> {
    let written = if pretty {
        json::to_vec_pretty(value, json::INDENT_FOUR_SPACES).map(|mut body| {
            body.push(b'\n');
            body
        })
    } else {
        json::to_vec(value)
    };
    written.map(Bytes::from).map_err(|error| Failure::internal(error.to_string()))
}

/// A refusal: a status and its text.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    text: Cow<'static, str>,
    metadata: Option<Box<Metadata>>,
}

impl Failure {
    /// A status with a text.
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Failure {
        Failure { status, text: text.into(), metadata: None }
    }

    /// 400.
    pub(crate) fn bad_request(text: impl Into<Cow<'static, str>>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, text)
    }

    /// The status the text of an error stands for: 403, 429 or 500.
    pub(crate) fn internal(text: impl Into<Cow<'static, str>>) -> Failure {
        let text = text.into();
        if text.contains("Permission denied") || text.contains("ACL not found") {
            return Failure::new(StatusCode::FORBIDDEN, text);
        }
        if text.contains("RPC rate limit exceeded") {
            return Failure::new(StatusCode::TOO_MANY_REQUESTS, "");
        }
        if text == "Rate limit reached, try again later" {
            return Failure::new(StatusCode::TOO_MANY_REQUESTS, text);
        }
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// 501 for a capability that does not exist yet.
    pub(crate) fn not_there_yet(capability: &str) -> Failure {
        Failure::new(StatusCode::NOT_IMPLEMENTED, format!("{capability} is not there yet"))
    }

    /// The same with zero metadata headers, which some endpoints send with errors (`docs/spec/http-api.md` §1.6).
    pub(crate) fn with_zero_metadata(self) -> Failure {
        self.with_metadata(Metadata::default())
    }

    /// The same with metadata headers.
    pub(crate) fn with_metadata(mut self, metadata: Metadata) -> Failure {
        self.metadata = Some(Box::new(metadata));
        self
    }

    /// The text clients see.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_reply(self) -> Reply {
        let mut reply = Reply::text(self.status, self.text);
        if let Some(metadata) = self.metadata {
            metadata.write(&mut reply.headers);
        }
        reply
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Failure {
        Failure::internal(error.to_string())
    }
}

/// Metadata of a read that names its mode.
pub(crate) fn metadata(meta: QueryMeta, consistency: Option<Consistency>, token: &str) -> Metadata {
    Metadata { meta, consistency, has_token: !token.is_empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_decides_its_status() {
        let cases = [
            ("No cluster leader", 500, "No cluster leader"),
            ("rpc error making call: Permission denied", 403, "rpc error making call: Permission denied"),
            ("ACL not found", 403, "ACL not found"),
            ("rpc error making call: RPC rate limit exceeded", 429, ""),
            ("Rate limit reached, try again later", 429, "Rate limit reached, try again later"),
            (
                "rpc error making call: Rate limit reached, try again later",
                500,
                "rpc error making call: Rate limit reached, try again later",
            ),
        ];
        for (text, status, body) in cases {
            let failure = Failure::internal(text);
            assert_eq!((failure.status.as_u16(), failure.text()), (status, body), "{text}");
        }
    }
}
