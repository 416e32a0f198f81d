//! How sessions end.

use std::io;

/// What a peer did that the protocol does not allow. The session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("invalid protocol version {0}")]
    Version(u8),
    #[error("invalid frame type {0}")]
    Type(u8),
    #[error("stream {0} was not the peer's to open")]
    StreamId(u32),
    #[error("duplicate stream {0} initiated")]
    Duplicate(u32),
    #[error("receive window of stream {0} exceeded")]
    ReceiveWindow(u32),
    #[error("send window of stream {0} overflows")]
    SendWindow(u32),
    #[error("unexpected go away code {0}")]
    GoAway(u32),
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
    /// It was closed here.
    #[error("session shutdown")]
    Local,
    /// The peer closed the connection.
    #[error("EOF")]
    Remote,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The peer says we broke the protocol, or that it failed.
    #[error("the peer gave up the session (code {0})")]
    GivenUp(u32),
    /// The peer does not answer pings.
    #[error("keepalive timeout")]
    KeepAlive,
    /// The peer takes no bytes.
    #[error("connection write timeout")]
    WriteTimeout,
    /// The peer did not accept a stream in time.
    #[error("stream open timeout")]
    OpenTimeout,
}

/// Why no stream could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("session shutdown")]
    Shutdown,
    #[error("remote end is not accepting connections")]
    RemoteGoAway,
    #[error("streams exhausted")]
    Exhausted,
}

/// A stream whose session has ended reads this: to whoever waits for an answer the connection is at its end.
pub(super) fn session_gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "session shutdown")
}

pub(super) fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset")
}

pub(super) fn closed_for_writing() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "stream closed")
}
