//! The task of a session: between the connection and the [`Machine`](super::machine::Machine).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use net::BoxConn;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{self, Instant, Sleep};

use super::WRITE_TIMEOUT;
use super::error::SessionEnd;
use super::machine::Park;
use super::session::Shared;

/// Bytes read at a time from a quiet connection, and from one that filled the buffer before.
const READ_MIN_BYTES: usize = 4 * 1024;
const READ_MAX_BYTES: usize = 64 * 1024;
/// Pieces written in one call of the system.
const SLICES: usize = 64;
/// Reads before what was read is answered.
const READS: usize = 8;
/// Rounds before other tasks get their turn.
const ROUNDS: usize = 32;
/// How long a session that ends waits for what was already to be sent.
const FAREWELL: Duration = Duration::from_secs(1);

/// Does a session's I/O. The session lives as long as [`run`](Driver::run); dropping it ends the session too.
pub(crate) struct Driver {
    conn: BoxConn,
    shared: Arc<Shared>,
    input: BytesMut,
    read_bytes: usize,
    /// Whether the buffer was filled since the last look.
    busy: bool,
    may_read: bool,
    writing: VecDeque<Bytes>,
    unflushed: bool,
    /// Since when the connection takes nothing.
    stalled_since: Option<Instant>,
    /// When the machine has something to do.
    deadline: Instant,
    /// To be woken when the lock is free again; empty between calls.
    wakes: Vec<Waker>,
}

impl Driver {
    pub(super) fn new(conn: BoxConn, shared: Arc<Shared>, deadline: Instant) -> Driver {
        Driver {
            conn,
            shared,
            input: BytesMut::new(),
            read_bytes: READ_MIN_BYTES,
            busy: false,
            may_read: true,
            writing: VecDeque::new(),
            unflushed: false,
            stalled_since: None,
            deadline,
            wakes: Vec::new(),
        }
    }

    /// Runs the session until it ends, and says why it did. The connection is closed then.
    pub(crate) async fn run(mut self) -> SessionEnd {
        let end = {
            let mut sleep = pin!(time::sleep_until(self.deadline));
            poll_fn(|cx| self.poll(cx, sleep.as_mut())).await
        };
        self.shared.end(&end);
        if matches!(end, SessionEnd::Local | SessionEnd::Violation(_) | SessionEnd::OpenTimeout) {
            // The connection closes whether the peer takes the rest or not.
            let _ = time::timeout(FAREWELL, self.farewell()).await;
        }
        end
    }

    /// Sends what is still to be sent, the reason why we go last.
    async fn farewell(&mut self) -> io::Result<()> {
        self.shared.drive(|machine| machine.take_output(&mut self.writing, &mut self.wakes));
        while let Some(piece) = self.writing.pop_front() {
            self.conn.write_all(&piece).await?;
        }
        self.conn.shutdown().await
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut sleep: Pin<&mut Sleep>) -> Poll<SessionEnd> {
        for _ in 0..ROUNDS {
            match self.round(cx, sleep.as_mut()) {
                Ok(Park::Again) => {}
                Ok(Park::Sleep) => return Poll::Pending,
                Ok(Park::Close) => return Poll::Ready(SessionEnd::Local),
                Err(end) => return Poll::Ready(end),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn round(&mut self, cx: &mut Context<'_>, sleep: Pin<&mut Sleep>) -> Result<Park, SessionEnd> {
        // Before all else: a peer that never stops sending must not keep the session open.
        if self.shared.drive(|machine| machine.close_requested()) {
            return Ok(Park::Close);
        }
        let wrote = self.write(cx)?;
        let read = self.read(cx)?;
        let ticked = self.tick(cx, sleep)?;
        if wrote || read || ticked {
            return Ok(Park::Again);
        }
        let congested = !self.writing.is_empty();
        let park = self.shared.drive(|machine| machine.park(congested, cx, &mut self.wakes));
        self.wake();
        Ok(park)
    }

    /// Writes what there is, once around; true if the connection took any of it.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionEnd> {
        if self.writing.is_empty() {
            self.may_read = self.shared.drive(|machine| {
                machine.take_output(&mut self.writing, &mut self.wakes);
                machine.may_read()
            });
            self.wake();
        }
        let mut progress = false;
        while !self.writing.is_empty() {
            match self.write_some(cx) {
                Poll::Ready(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Poll::Ready(Ok(written)) => {
                    self.written(written);
                    self.stalled_since = None;
                    self.unflushed = true;
                    progress = true;
                }
                Poll::Ready(Err(error)) => return Err(error.into()),
                Poll::Pending => {
                    self.stalled_since.get_or_insert_with(Instant::now);
                    return Ok(progress);
                }
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.conn).poll_flush(cx) {
                Poll::Ready(result) => {
                    result?;
                    self.unflushed = false;
                    self.stalled_since = None;
                }
                Poll::Pending => {
                    self.stalled_since.get_or_insert_with(Instant::now);
                }
            }
        }
        Ok(progress)
    }

    fn write_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.writing) {
            *slice = IoSlice::new(piece);
            used += 1;
        }
        Pin::new(&mut self.conn).poll_write_vectored(cx, slices.get(..used).unwrap_or_default())
    }

    fn written(&mut self, mut bytes: usize) {
        while let Some(piece) = self.writing.front_mut() {
            if bytes < piece.len() {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            self.writing.pop_front();
        }
    }

    /// Reads what has come; true if there was any.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, SessionEnd> {
        let mut progress = false;
        for _ in 0..READS {
            if !self.may_read {
                break;
            }
            self.input.reserve(self.read_bytes.saturating_sub(self.input.len()));
            let room = self.input.capacity() - self.input.len();
            let Poll::Ready(received) = pin!(self.conn.read_buf(&mut self.input)).poll(cx) else {
                break;
            };
            let received = received?;
            if received == 0 {
                return Err(SessionEnd::Remote);
            }
            progress = true;
            if received >= room {
                self.busy = true;
                self.read_bytes = (self.read_bytes * 4).min(READ_MAX_BYTES);
            }
            let result = self.shared.drive(|machine| {
                let result = machine.receive(&mut self.input, &mut self.wakes);
                self.may_read = machine.may_read();
                result
            });
            self.wake();
            result?;
        }
        Ok(progress)
    }

    /// Does what is due; true if anything was.
    fn tick(&mut self, cx: &mut Context<'_>, mut sleep: Pin<&mut Sleep>) -> Result<bool, SessionEnd> {
        let stall_ends = self.stalled_since.map(|since| since + WRITE_TIMEOUT);
        let due = stall_ends.map_or(self.deadline, |end| end.min(self.deadline));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Ok(false);
        }
        let now = Instant::now();
        if stall_ends.is_some_and(|end| now >= end) {
            return Err(SessionEnd::WriteTimeout);
        }
        self.deadline = self.shared.drive(|machine| machine.tick(now).map(|()| machine.deadline()))?;
        if !std::mem::take(&mut self.busy) && self.input.is_empty() {
            self.input = BytesMut::new();
            self.read_bytes = READ_MIN_BYTES;
        }
        Ok(true)
    }

    fn wake(&mut self) {
        for waker in self.wakes.drain(..) {
            waker.wake();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end(&SessionEnd::Local);
    }
}
