use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// A request that came in on a stream, numbered by the driver; the answer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// A request this node makes on a stream, numbered by the core; the reply names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExchangeId(pub u64);

/// One attempt to join one node, numbered by the event layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct JoinId(pub(crate) u64);

/// What the membership layer wants done.
#[derive(Debug)]
pub(crate) enum MembershipEffect {
    /// Send one datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// All of it.
        packet: Bytes,
    },
    /// Connect, write the frame, and read one frame in reply if one is wanted. Every exchange that wants a reply must
    /// end in [`Membership::exchange_reply`](super::Membership::exchange_reply), with an error after `timeout`.
    Exchange {
        /// Its name.
        id: ExchangeId,
        /// Whom to connect to.
        to: SocketAddr,
        /// What to write.
        frame: Bytes,
        /// Whether a frame comes back.
        wants_reply: bool,
        /// For all of it: connecting, writing, reading.
        timeout: Duration,
    },
    /// Answer a stream request and close; without a frame, just close.
    StreamReply {
        /// Which request.
        id: StreamId,
        /// What to write.
        frame: Option<Bytes>,
    },
    /// An attempt to join ended; the error is the reference's text without `Failed to join <address>: `.
    Joined {
        /// Which attempt.
        id: JoinId,
        /// How it ended.
        result: Result<(), String>,
    },
    /// Our leave was sent as often as it will be, or there is nobody to tell.
    LeaveSent,
    /// Our new metadata was sent as often as it will be, or there is nobody to tell.
    MetaSent,
}
