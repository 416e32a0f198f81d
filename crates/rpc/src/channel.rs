//! What calls travel on: a stream of a session, or a whole connection.

use std::future::{pending, poll_fn};
use std::io;

use bytes::{Bytes, BytesMut};
use net::BoxConn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::yamux;

/// Bytes read at a time from a whole connection.
const READ_BYTES: usize = 8 * 1024;
/// Bodies up to this size go out together with their header.
const JOIN_BYTES: usize = 16 * 1024;

/// A byte stream in both directions.
pub(crate) enum Channel {
    /// One of many over a connection.
    Stream(yamux::Stream),
    /// A connection of its own.
    Conn(BoxConn),
}

impl Channel {
    /// Waits for bytes and appends them; 0 at the end.
    pub(crate) async fn fill(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Channel::Stream(stream) => poll_fn(|cx| stream.poll_fill(cx, buffer)).await,
            Channel::Conn(conn) => {
                buffer.reserve(READ_BYTES);
                conn.read_buf(buffer).await
            }
        }
    }

    /// Sends `head` and then `body`.
    pub(crate) async fn send(&mut self, head: &[u8], body: Bytes) -> io::Result<()> {
        match self {
            Channel::Stream(stream) => stream.send(head, body).await,
            Channel::Conn(conn) => {
                if body.len() <= JOIN_BYTES {
                    conn.write_all(&[head, &body].concat()).await?;
                } else {
                    conn.write_all(head).await?;
                    conn.write_all(&body).await?;
                }
                conn.flush().await
            }
        }
    }

    /// Resolves when the peer has closed its side and left nothing to be read; on a whole connection never.
    pub(crate) async fn gone(&mut self) {
        match self {
            Channel::Stream(stream) => stream.gone().await,
            Channel::Conn(_) => pending().await,
        }
    }

    /// Whether the channel can serve another call.
    pub(crate) fn is_quiet(&self) -> bool {
        match self {
            Channel::Stream(stream) => stream.is_quiet(),
            Channel::Conn(_) => false,
        }
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Channel::Stream(_) => "Channel::Stream",
            Channel::Conn(_) => "Channel::Conn",
        })
    }
}
