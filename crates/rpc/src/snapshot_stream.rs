//! Snapshots over a connection of their own, both sides (`docs/spec/rpc-and-state.md` §6.7).
//!
//! The client writes what it wants, for a restore followed by the archive, and half-closes. The server answers with a
//! header, for a save followed by the archive, and closes.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use net::BoxConn;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ReadBuf};
use tokio::time;
use types::method::SnapshotRequest;
use types::{Backend, QueryMeta, RpcError};
use wire::GoDuration;
use wire::msgpack::{self, Scanner};

use crate::codec::{ReadError, take_value};

/// Longest request or answer, archive aside.
const HEADER_MAX_BYTES: usize = 1024 * 1024;
/// Bytes copied at a time.
const COPY_BYTES: usize = 64 * 1024;
/// How long a client may take to say what it wants.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What is still taken of an archive nobody wants: closing at once could destroy the answer on its way.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The server sends an archive.
    Save,
    /// The server takes one.
    Restore,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RequestBody<'a> {
    allow_stale: bool,
    #[serde(borrow)]
    datacenter: Cow<'a, str>,
    op: i64,
    #[serde(borrow)]
    token: Cow<'a, str>,
}

const OP_SAVE: i64 = 0;
const OP_RESTORE: i64 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ResponseBody<'a> {
    backend: i64,
    #[serde(borrow)]
    consistency_level: Cow<'a, str>,
    #[serde(borrow)]
    error: Cow<'a, str>,
    index: u64,
    known_leader: bool,
    last_contact: GoDuration,
    not_modified: bool,
    #[serde(rename = "ResultsFilteredByACLs")]
    results_filtered_by_acls: bool,
}

const BACKEND_STREAMING: i64 = 1;

impl ResponseBody<'_> {
    fn of(meta: &QueryMeta) -> ResponseBody<'static> {
        ResponseBody {
            backend: if meta.backend == Backend::Streaming { BACKEND_STREAMING } else { 0 },
            index: meta.index,
            known_leader: meta.known_leader,
            last_contact: meta.last_contact.into(),
            results_filtered_by_acls: meta.filtered_by_acls,
            ..ResponseBody::default()
        }
    }

    fn meta(&self) -> QueryMeta {
        QueryMeta {
            index: self.index,
            last_contact: self.last_contact.as_std(),
            known_leader: self.known_leader,
            backend: if self.backend == BACKEND_STREAMING { Backend::Streaming } else { Backend::BlockingQuery },
            filtered_by_acls: self.results_filtered_by_acls,
            ..QueryMeta::default()
        }
    }
}

/// A connection being read: first what was read of it too early, then the rest.
pub struct Archive {
    early: BytesMut,
    conn: BoxConn,
}

impl Archive {
    fn new(conn: BoxConn) -> Archive {
        Archive { early: BytesMut::new(), conn }
    }

    /// The next msgpack value.
    async fn value(&mut self) -> Result<Bytes, ReadError> {
        let mut scanner = Scanner::default();
        loop {
            if let Some(value) = take_value(&mut self.early, &mut scanner, HEADER_MAX_BYTES)? {
                return Ok(value);
            }
            self.early.reserve(COPY_BYTES);
            if self.conn.read_buf(&mut self.early).await? == 0 {
                return Err(ReadError::Eof);
            }
        }
    }
}

impl AsyncRead for Archive {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.conn).poll_read(cx, buf);
        }
        let fits = self.early.len().min(buf.remaining());
        buf.put_slice(self.early.get(..fits).unwrap_or_default());
        self.early.advance(fits);
        Poll::Ready(Ok(()))
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").finish_non_exhaustive()
    }
}

/// What a server answered to a save.
#[derive(Debug)]
pub struct Saved {
    /// What the snapshot tells about itself; its index.
    pub meta: QueryMeta,
    /// The archive, to its end.
    pub archive: Archive,
}

/// Asks for a snapshot over a fresh connection ([`Kind::Snapshot`](crate::Kind)).
///
/// # Errors
/// The server's error, or what went wrong on the way.
pub async fn save(mut conn: BoxConn, request: &SnapshotRequest) -> Result<Saved, RpcError> {
    send_request(&mut conn, request, OP_SAVE).await?;
    half_close(&mut conn).await?;
    let mut archive = Archive::new(conn);
    let meta = read_response(&mut archive).await?;
    Ok(Saved { meta, archive })
}

/// Sends an archive to be restored over a fresh connection ([`Kind::Snapshot`](crate::Kind)).
///
/// # Errors
/// The server's error, or what went wrong on the way.
pub async fn restore<R: AsyncRead + Unpin>(
    mut conn: BoxConn,
    request: &SnapshotRequest,
    archive: R,
) -> Result<QueryMeta, RpcError> {
    send_request(&mut conn, request, OP_RESTORE).await?;
    let sent = match copy(archive, &mut conn).await {
        Ok(()) => half_close(&mut conn).await,
        Err(error) => Err(RpcError::Other(format!("failed to copy snapshot in: {error}"))),
    };
    // A server that refuses need not have read it all: its answer says more than the broken connection.
    let answered = read_response(&mut Archive::new(conn)).await;
    match (answered, sent) {
        (Err(_), Err(unsent)) => Err(unsent),
        (answered, _) => answered,
    }
}

async fn send_request(conn: &mut BoxConn, request: &SnapshotRequest, op: i64) -> Result<(), RpcError> {
    let body = RequestBody {
        allow_stale: request.allow_stale,
        datacenter: Cow::Borrowed(&request.datacenter),
        op,
        token: Cow::Borrowed(&request.token),
    };
    let body = msgpack::to_vec(&body).map_err(|error| RpcError::Other(error.to_string()))?;
    conn.write_all(&body).await.map_err(|error| RpcError::Other(format!("failed to encode request: {error}")))
}

async fn half_close(conn: &mut BoxConn) -> Result<(), RpcError> {
    let closed = conn.shutdown().await;
    closed.map_err(|error| RpcError::Other(format!("failed to half close snapshot connection: {error}")))
}

async fn read_response(from: &mut Archive) -> Result<QueryMeta, RpcError> {
    let undecodable = |error: &dyn std::fmt::Display| RpcError::Other(format!("failed to decode response: {error}"));
    let value = from.value().await.map_err(|error| undecodable(&error))?;
    let response: ResponseBody<'_> = msgpack::from_slice(&value).map_err(|error| undecodable(&error))?;
    if response.error.is_empty() { Ok(response.meta()) } else { Err(RpcError::Other(response.error.into_owned())) }
}

async fn copy<R: AsyncRead + Unpin>(from: R, to: &mut BoxConn) -> io::Result<()> {
    tokio::io::copy_buf(&mut BufReader::with_capacity(COPY_BYTES, from), to).await.map(drop)
}

/// A request as the server received it, to be answered.
pub struct Incoming {
    /// What is to be done.
    pub operation: Operation,
    /// For whom, and where.
    pub request: SnapshotRequest,
    archive: Archive,
}

impl std::fmt::Debug for Incoming {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Incoming {
    /// Reads the request of a connection behind its type byte.
    ///
    /// # Errors
    /// When none comes within 30 seconds, or none that can be understood; such a client gets no answer.
    pub async fn receive(conn: BoxConn) -> io::Result<Incoming> {
        let mut archive = Archive::new(conn);
        let value = match time::timeout(REQUEST_TIMEOUT, archive.value()).await {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => return Err(invalid(&error)),
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")),
        };
        let body: RequestBody<'_> = msgpack::from_slice(&value).map_err(|error| invalid(&error))?;
        let operation = match body.op {
            OP_SAVE => Operation::Save,
            OP_RESTORE => Operation::Restore,
            other => {
                let refused = Incoming { operation: Operation::Save, request: SnapshotRequest::default(), archive };
                let text = format!("unrecognized snapshot op {other}");
                refused.fail(&text).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        };
        let request = SnapshotRequest {
            datacenter: body.datacenter.into_owned(),
            token: body.token.into_owned(),
            allow_stale: body.allow_stale,
        };
        Ok(Incoming { operation, request, archive })
    }

    /// The archive to be restored, to its end.
    pub fn archive(&mut self) -> &mut Archive {
        &mut self.archive
    }

    /// Answers that it failed.
    ///
    /// # Errors
    /// When the answer cannot be sent.
    pub async fn fail(self, error: &str) -> io::Result<()> {
        self.finish(&ResponseBody { error: Cow::Borrowed(error), ..ResponseBody::default() }).await
    }

    /// Answers that the archive is restored.
    ///
    /// # Errors
    /// When the answer cannot be sent.
    pub async fn restored(self, meta: &QueryMeta) -> io::Result<()> {
        self.finish(&ResponseBody::of(meta)).await
    }

    /// Answers with an archive.
    ///
    /// # Errors
    /// When it cannot be read or sent; the client then sees it end early.
    pub async fn saved<R: AsyncRead + Unpin>(mut self, meta: &QueryMeta, archive: R) -> io::Result<()> {
        let conn = &mut self.archive.conn;
        conn.write_all(&encode(&ResponseBody::of(meta))?).await?;
        copy(archive, conn).await?;
        conn.shutdown().await
    }

    async fn finish(mut self, response: &ResponseBody<'_>) -> io::Result<()> {
        let conn = &mut self.archive.conn;
        conn.write_all(&encode(response)?).await?;
        conn.shutdown().await?;
        let mut rest = conn.take(DRAIN_BYTES);
        // Whether it all comes does not matter to anyone.
        let _ = time::timeout(DRAIN_TIMEOUT, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        Ok(())
    }
}

fn encode(response: &ResponseBody<'_>) -> io::Result<Vec<u8>> {
    msgpack::to_vec(response).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn invalid(error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("failed to decode request: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (BoxConn, BoxConn) {
        let (near, far) = tokio::io::duplex(4096);
        (Box::new(near), Box::new(far))
    }

    fn request() -> SnapshotRequest {
        SnapshotRequest { datacenter: "dc1".to_owned(), token: "secret".to_owned(), allow_stale: true }
    }

    fn meta() -> QueryMeta {
        QueryMeta { index: 42, known_leader: true, ..QueryMeta::default() }
    }

    async fn rest(archive: &mut Archive) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_request_is_the_reference_s_bytes() {
        let (mut near, mut far) = pair();
        send_request(&mut near, &request(), OP_RESTORE).await.unwrap();
        drop(near);
        let mut bytes = Vec::new();
        far.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, b"\x84\xaaAllowStale\xc3\xaaDatacenter\xa3dc1\xa2Op\x01\xa5Token\xa6secret");
    }

    #[tokio::test]
    async fn a_snapshot_is_saved() {
        let (near, far) = pair();
        let data = vec![7_u8; 100_000];
        let server = async {
            let incoming = Incoming::receive(far).await.unwrap();
            assert_eq!(incoming.operation, Operation::Save);
            assert_eq!(incoming.request.datacenter, "dc1");
            assert_eq!(incoming.request.token, "secret");
            assert!(incoming.request.allow_stale);
            incoming.saved(&meta(), data.as_slice()).await.unwrap();
        };
        let client = async {
            let mut saved = save(near, &request()).await.unwrap();
            assert_eq!(saved.meta.index, 42);
            assert!(saved.meta.known_leader);
            assert!(rest(&mut saved.archive).await == data);
        };
        tokio::join!(server, client);
    }

    #[tokio::test]
    async fn a_snapshot_is_restored() {
        let (near, far) = pair();
        let data = vec![9_u8; 100_000];
        let server = async {
            let mut incoming = Incoming::receive(far).await.unwrap();
            assert_eq!(incoming.operation, Operation::Restore);
            assert!(rest(incoming.archive()).await == data);
            incoming.restored(&meta()).await.unwrap();
        };
        let client = async { restore(near, &request(), data.as_slice()).await.unwrap() };
        let ((), meta) = tokio::join!(server, client);
        assert_eq!(meta.index, 42);
    }

    #[tokio::test]
    async fn a_refusal_reaches_the_client_although_its_archive_was_not_read() {
        let (near, far) = pair();
        let data = vec![9_u8; 1_000_000];
        let server = async {
            let incoming = Incoming::receive(far).await.unwrap();
            incoming.fail("Permission denied").await.unwrap();
        };
        let client = async { restore(near, &request(), data.as_slice()).await };
        let ((), answer) = tokio::join!(server, client);
        assert_eq!(answer.unwrap_err(), RpcError::other("Permission denied"));
    }

    #[tokio::test]
    async fn unknown_operations_and_garbage_are_refused() {
        let (mut near, far) = pair();
        near.write_all(b"\x81\xa2Op\x07").await.unwrap();
        near.shutdown().await.unwrap();
        assert!(Incoming::receive(far).await.is_err());
        let error = read_response(&mut Archive::new(near)).await.unwrap_err();
        assert_eq!(error, RpcError::other("unrecognized snapshot op 7"));

        let (mut near, far) = pair();
        near.write_all(b"\xc1").await.unwrap();
        assert!(Incoming::receive(far).await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_closes_early_is_an_error() {
        let (near, far) = pair();
        drop(far);
        assert!(save(near, &request()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_let_go() {
        let (_near, far) = pair();
        assert_eq!(Incoming::receive(far).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
