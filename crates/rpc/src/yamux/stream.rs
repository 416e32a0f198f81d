//! One stream of a session.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::session::Shared;

/// A byte stream in both directions. Shutting down its write side half-closes it; dropping it closes it.
#[derive(Debug)]
pub(crate) struct Stream {
    id: u32,
    shared: Arc<Shared>,
}

impl Stream {
    pub(super) fn new(id: u32, shared: Arc<Shared>) -> Stream {
        Stream { id, shared }
    }

    /// Takes all that has come into `buffer`, without a copy if that is empty. 0 bytes: the stream is at its end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let before = buffer.len();
        let result = self.shared.with(|machine| {
            machine.poll_read(self.id, cx, |received| {
                if before == 0 {
                    *buffer = mem::take(received);
                } else {
                    buffer.extend_from_slice(received);
                    received.clear();
                }
            })
        });
        result.map_ok(|()| buffer.len() - before)
    }

    /// Sends `head` and then `body`; a long body is not copied.
    pub(crate) async fn send(&mut self, mut head: &[u8], mut body: Bytes) -> io::Result<()> {
        while !(head.is_empty() && body.is_empty()) {
            poll_fn(|cx| self.shared.with(|machine| machine.poll_send(self.id, cx, &mut head, &mut body))).await?;
        }
        Ok(())
    }

    /// Resolves once the peer closed or reset the stream and nothing it sent is left to be read.
    pub(crate) async fn gone(&mut self) {
        poll_fn(|cx| self.shared.with(|machine| machine.poll_gone(self.id, cx))).await;
    }

    /// Whether the stream is open in both directions with nothing to be read: fit for another call.
    pub(crate) fn is_quiet(&self) -> bool {
        self.shared.drive(|machine| machine.is_quiet(self.id))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        self.shared.with(|machine| {
            machine.poll_read(self.id, cx, |received| {
                let fits = received.len().min(buf.remaining());
                buf.put_slice(received.get(..fits).unwrap_or_default());
                received.advance(fits);
            })
        })
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let (mut head, mut body) = (buf, Bytes::new());
        self.shared.with(|machine| machine.poll_send(self.id, cx, &mut head, &mut body))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The driver sends without being asked.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.with(|machine| machine.finish(self.id));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.with(|machine| machine.drop_stream(self.id, Instant::now()));
    }
}
