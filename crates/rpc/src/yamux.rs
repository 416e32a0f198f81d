//! Many byte streams over one connection: yamux, both sides (`docs/spec/rpc-and-state.md` §1.2).
//!
//! `machine` holds the rules and no I/O: bytes received go in, frames to be sent come out, and it is told what time it
//! is. One task a session, the driver, moves them between the machine and the connection; it gathers the frames of all
//! streams that wrote meanwhile into one call of the system. A [`Stream`] that nobody writes to costs its entry in the
//! machine's table and nothing else.

mod driver;
mod error;
mod frame;
mod machine;
mod outgoing;
mod session;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use session::{Session, drive};
pub(crate) use stream::Stream;

/// Bytes a peer may send on a stream before the reader has taken some: the protocol's initial and greatest window.
const WINDOW_BYTES: u32 = 256 * 1024;
/// Streams that wait to be accepted here, and streams opened here whose acceptance is still to come.
const BACKLOG: usize = 256;
/// Streams of one session; more are reset.
const STREAMS_MAX: usize = 64 * 1024;
/// How often the peer is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long it may take to answer that, and how long a write may make no progress.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the peer may take to accept a stream before the session is given up.
const OPEN_TIMEOUT: Duration = Duration::from_secs(75);
/// How long the peer may keep its half of a stream open that was given up here.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Who opened the connection: the two sides number their streams apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Dialled: odd stream ids.
    Client,
    /// Accepted: even stream ids.
    Server,
}

impl Side {
    fn first_id(self) -> u32 {
        match self {
            Side::Client => 1,
            Side::Server => 2,
        }
    }

    /// Whether this id is one the peer gives.
    fn is_remote(self, id: u32) -> bool {
        let odd = id % 2 == 1;
        id != 0 && (self == Side::Server) == odd
    }
}
