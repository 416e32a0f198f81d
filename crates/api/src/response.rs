//! The answer of a call: status, headers, and its body at once, as chunks or as lines.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode};
use hyper::body::{Body, Incoming};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, ReadBuf};

use crate::{
    Error, QueryMeta, Result,
    cause::{self, Ends},
    transport::{Connection, Transport},
};

/// Whose answer is being read, for error messages.
pub(crate) struct Origin {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) ends: Ends,
}

impl Origin {
    fn failed(&self, cause: String) -> Error {
        Error::Transport { method: self.method.clone(), url: self.url.clone(), cause }
    }
}

/// An answer whose body has not been read yet. Dropping it unread closes its connection.
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    meta: QueryMeta,
    body: ByteStream,
}

impl Response {
    pub(crate) fn new(
        head: http::response::Parts,
        meta: QueryMeta,
        body: Incoming,
        lease: (Arc<Transport>, Connection),
        origin: Origin,
    ) -> Self {
        let body = ByteStream { body, lease: Some(lease), origin, unread: Bytes::new() };
        Response { status: head.status, headers: head.headers, meta, body }
    }

    /// HTTP status code.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// All response headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The metadata headers.
    pub fn meta(&self) -> &QueryMeta {
        &self.meta
    }

    /// The answer itself if its status is 200.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] with the body's text for any other status.
    pub async fn ok(self) -> Result<Response> {
        self.expect(&[200]).await
    }

    /// The answer itself if its status is one of `statuses`.
    ///
    /// # Errors
    /// [`Error::UnexpectedResponse`] with the body's text for any other status.
    pub async fn expect(self, statuses: &[u16]) -> Result<Response> {
        let status = self.status();
        if statuses.contains(&status) {
            return Ok(self);
        }
        let body = self.text().await?.trim().to_owned();
        Err(Error::UnexpectedResponse { status, body })
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`Error::Transport`] when the connection ends before the body does.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let Some(first) = self.body.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.body.next().await.transpose()? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(chunk) = self.body.next().await.transpose()? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The whole body as text; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// As [`Response::bytes`].
    pub async fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes().await?).into_owned())
    }

    /// The body decoded from JSON.
    ///
    /// # Errors
    /// As [`Response::bytes`]; [`Error::Decode`] when the JSON is not a `T`.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        let (method, url) = (self.body.origin.method.clone(), self.body.origin.url.clone());
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Decode { method, url, source })
    }

    /// As [`Response::json`], with the metadata.
    ///
    /// # Errors
    /// As [`Response::json`].
    pub async fn json_with_meta<T: DeserializeOwned>(self) -> Result<(T, QueryMeta)> {
        let meta = self.meta.clone();
        Ok((self.json().await?, meta))
    }

    /// The body as it arrives.
    pub fn into_stream(self) -> ByteStream {
        self.body
    }

    /// The body as lines of text, as they arrive.
    pub fn into_lines(self) -> LineStream {
        LineStream { body: self.body, partial: Vec::new() }
    }
}

/// A response body as it arrives: a [`Stream`] of chunks, or an [`AsyncRead`].
pub struct ByteStream {
    body: Incoming,
    /// Goes back to the pool once the body has been read to its end.
    lease: Option<(Arc<Transport>, Connection)>,
    origin: Origin,
    unread: Bytes,
}

impl ByteStream {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => {
                    if let Some((transport, connection)) = self.lease.take() {
                        transport.put_idle(connection);
                    }
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    self.lease = None;
                    let cause = cause::exchange(&error, &self.origin.ends);
                    let cause = if cause == "EOF" { "unexpected EOF".to_owned() } else { cause };
                    return Poll::Ready(Some(Err(self.origin.failed(cause))));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.unread.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.unread))));
        }
        self.poll_chunk(cx)
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.poll_chunk(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Ok(chunk)) => self.unread = chunk,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(length));
        Poll::Ready(Ok(()))
    }
}

/// A response body as lines of text, as they arrive, without their line ends.
pub struct LineStream {
    body: ByteStream,
    partial: Vec<u8>,
}

impl LineStream {
    /// The next line; `None` when the agent ended the stream.
    ///
    /// # Errors
    /// [`Error::Transport`] when the connection broke.
    pub async fn next_line(&mut self) -> Result<Option<String>> {
        self.next().await.transpose()
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.partial.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.partial.drain(..=end).collect();
        line.pop();
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

impl Stream for LineStream {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(line) = self.take_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            match ready!(Pin::new(&mut self.body).poll_next(cx)).transpose() {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Some(chunk)) => self.partial.extend_from_slice(&chunk),
                Ok(None) if self.partial.is_empty() => return Poll::Ready(None),
                Ok(None) => {
                    let rest = std::mem::take(&mut self.partial);
                    return Poll::Ready(Some(Ok(String::from_utf8_lossy(&rest).into_owned())));
                }
            }
        }
    }
}
