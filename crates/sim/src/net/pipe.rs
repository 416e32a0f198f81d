//! One direction of a stream.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

/// Bytes that may be on their way in one direction, as much as two socket buffers hold.
pub(super) const CAPACITY_BYTES: usize = 256 * 1024;

/// What travels.
pub(super) enum Piece {
    Bytes(Bytes),
    End,
    Reset,
}

pub(super) struct Pipe {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    /// Each with the moment it arrives.
    pub(super) queue: VecDeque<(Instant, Piece)>,
    pub(super) queued_bytes: usize,
    /// Nothing overtakes.
    pub(super) last_due: Instant,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// When the writer gets to know that nobody reads any more.
    pub(super) refused_at: Option<Instant>,
    /// An end is on its way already.
    pub(super) is_ended: bool,
    pub(super) reader_dropped: bool,
    pub(super) writer_dropped: bool,
}

/// What an attempt to read or write comes to.
pub(super) enum Step<T> {
    Done(io::Result<T>),
    /// To be tried again then.
    Until(Instant),
    /// To be tried again when woken.
    Wait,
}

impl Pipe {
    pub(super) fn new(from: IpAddr, to: IpAddr) -> Pipe {
        Pipe {
            from,
            to,
            queue: VecDeque::new(),
            queued_bytes: 0,
            last_due: Instant::now(),
            reader: None,
            writer: None,
            refused_at: None,
            is_ended: false,
            reader_dropped: false,
            writer_dropped: false,
        }
    }

    pub(super) fn push(&mut self, due: Instant, piece: Piece) {
        self.last_due = self.last_due.max(due);
        if let Piece::Bytes(bytes) = &piece {
            self.queued_bytes += bytes.len();
        }
        self.queue.push_back((self.last_due, piece));
        wake(&mut self.reader);
    }

    /// Ends the direction, once.
    pub(super) fn end(&mut self, due: Instant, piece: Piece) {
        if !std::mem::replace(&mut self.is_ended, true) {
            self.push(due, piece);
        }
    }

    /// Lets the writer know that nobody reads any more, once.
    pub(super) fn refuse(&mut self, at: Instant) {
        self.refused_at.get_or_insert(at);
        wake(&mut self.writer);
    }

    /// Breaks it here and now; what was on its way is lost.
    pub(super) fn tear(&mut self) {
        let now = Instant::now();
        self.queue.clear();
        self.queued_bytes = 0;
        self.last_due = now;
        self.is_ended = true;
        self.push(now, Piece::Reset);
        self.refused_at = Some(now);
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

pub(super) fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}
