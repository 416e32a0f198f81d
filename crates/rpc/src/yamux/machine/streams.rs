//! What the streams of a session and its owner do with it.

use std::io;
use std::mem;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{FRAME_BYTES, Machine, OUT_BYTES, Slot, register};
use crate::yamux::error::{OpenError, closed_for_writing, reset, session_gone};
use crate::yamux::frame::{ACK, FIN, FrameType, Header, SYN};
use crate::yamux::{CLOSE_TIMEOUT, OPEN_TIMEOUT, WINDOW_BYTES};

impl Machine {
    /// Asks the driver to end the session.
    pub(in crate::yamux) fn request_close(&mut self) {
        self.close_requested = true;
    }

    pub(in crate::yamux) fn is_closed(&self) -> bool {
        self.ended || self.close_requested
    }

    /// Whether a stream can be opened, as far as is known.
    pub(in crate::yamux) fn is_open(&self) -> bool {
        !self.is_closed() && !self.remote_gone_away && self.next_id.is_some()
    }

    /// How many streams stopped waiting for their acceptance since this was last asked.
    pub(in crate::yamux) fn take_freed_opens(&mut self) -> usize {
        mem::take(&mut self.freed_opens)
    }

    pub(in crate::yamux) fn open(&mut self, now: Instant) -> Result<u32, OpenError> {
        if self.is_closed() {
            return Err(OpenError::Shutdown);
        }
        if self.remote_gone_away {
            return Err(OpenError::RemoteGoAway);
        }
        let id = self.next_id.ok_or(OpenError::Exhausted)?;
        self.next_id = id.checked_add(2);
        self.streams.insert(id, Slot::new(false));
        self.forget_settled();
        self.opens.push_back((now + OPEN_TIMEOUT, id));
        self.out.frame(Header::new(FrameType::WindowUpdate, SYN, id, 0));
        Ok(id)
    }

    pub(in crate::yamux) fn poll_accept(&mut self, cx: &Context<'_>) -> Poll<Option<u32>> {
        while let Some(id) = self.accepted.pop_front() {
            match self.streams.get(&id) {
                Some(slot) if !slot.reset => {
                    // At once: a peer gives the whole session up when this takes too long.
                    self.out.frame(Header::new(FrameType::WindowUpdate, ACK, id, 0));
                    return Poll::Ready(Some(id));
                }
                _ => self.remove(id),
            }
        }
        if self.is_closed() {
            return Poll::Ready(None);
        }
        register(&mut self.acceptor, cx);
        Poll::Pending
    }

    /// Lets `take` have what was received. At the end of the stream it is not called.
    pub(in crate::yamux) fn poll_read(
        &mut self,
        id: u32,
        cx: &Context<'_>,
        take: impl FnOnce(&mut BytesMut),
    ) -> Poll<io::Result<()>> {
        let Some(slot) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(reset()));
        };
        let present = slot.received.len();
        if present == 0 {
            if slot.got_fin {
                return Poll::Ready(Ok(()));
            }
            if slot.reset {
                return Poll::Ready(Err(reset()));
            }
            if self.ended {
                return Poll::Ready(Err(session_gone()));
            }
            register(&mut slot.reader, cx);
            return Poll::Pending;
        }
        take(&mut slot.received);
        let left = slot.received.len();
        if left == 0 {
            // A stream that waits keeps no buffer.
            slot.received = BytesMut::new();
        }
        slot.taken = slot.taken.saturating_add(u32::try_from(present - left).unwrap_or(u32::MAX));
        if slot.taken >= WINDOW_BYTES / 2 && !(slot.got_fin || slot.reset) {
            let grant = mem::take(&mut slot.taken);
            slot.may_receive = slot.may_receive.saturating_add(grant);
            self.out.frame(Header::new(FrameType::WindowUpdate, 0, id, grant));
        }
        Poll::Ready(Ok(()))
    }

    /// Ready once the peer closed or reset the stream and nothing it sent is left to be read.
    pub(in crate::yamux) fn poll_gone(&mut self, id: u32, cx: &Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Ready(());
        }
        let Some(slot) = self.streams.get_mut(&id) else {
            return Poll::Ready(());
        };
        if slot.reset || (slot.got_fin && slot.received.is_empty()) {
            return Poll::Ready(());
        }
        register(&mut slot.reader, cx);
        Poll::Pending
    }

    /// Whether the stream is open both ways with nothing to be read.
    pub(in crate::yamux) fn is_quiet(&self, id: u32) -> bool {
        !self.is_closed()
            && self
                .streams
                .get(&id)
                .is_some_and(|slot| !(slot.got_fin || slot.sent_fin || slot.reset) && slot.received.is_empty())
    }

    /// Takes as much of `head` and then `body` as may be sent now; at least one byte unless both are empty.
    pub(in crate::yamux) fn poll_send(
        &mut self,
        id: u32,
        cx: &Context<'_>,
        head: &mut &[u8],
        body: &mut Bytes,
    ) -> Poll<io::Result<usize>> {
        if self.is_closed() {
            return Poll::Ready(Err(session_gone()));
        }
        let Some(slot) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(reset()));
        };
        if slot.reset {
            return Poll::Ready(Err(reset()));
        }
        if slot.sent_fin {
            return Poll::Ready(Err(closed_for_writing()));
        }
        let wanted = head.len().saturating_add(body.len()).min(FRAME_BYTES);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        if slot.may_send == 0 {
            register(&mut slot.writer, cx);
            return Poll::Pending;
        }
        if self.out.len() >= OUT_BYTES {
            register(&mut slot.writer, cx);
            if !mem::replace(&mut slot.blocked, true) {
                self.blocked.push_back(id);
            }
            return Poll::Pending;
        }
        let granted = u32::try_from(wanted).unwrap_or(u32::MAX).min(slot.may_send);
        slot.may_send -= granted;
        let bytes = granted as usize;
        let from_head = bytes.min(head.len());
        let whole = *head;
        let (first, rest) = whole.split_at(from_head);
        *head = rest;
        self.out.data(id, first, body.split_to(bytes - from_head));
        Poll::Ready(Ok(bytes))
    }

    /// Closes the stream for writing.
    pub(in crate::yamux) fn finish(&mut self, id: u32) {
        if self.is_closed() {
            return;
        }
        if let Some(slot) = self.streams.get_mut(&id)
            && !slot.reset
            && !mem::replace(&mut slot.sent_fin, true)
        {
            self.out.frame(Header::new(FrameType::WindowUpdate, FIN, id, 0));
        }
    }

    /// Nobody uses the stream any more. The peer is told that it is closed, not that it is broken: an idle stream that
    /// is let go of is nothing to complain about.
    pub(in crate::yamux) fn drop_stream(&mut self, id: u32, now: Instant) {
        self.finish(id);
        let done = self.ended || self.streams.get(&id).is_some_and(|slot| slot.reset || slot.got_fin);
        if done {
            self.remove(id);
            return;
        }
        if let Some(slot) = self.streams.get_mut(&id) {
            slot.dropped = true;
            slot.received = BytesMut::new();
            slot.reader = None;
            slot.writer = None;
            self.forget_settled();
            self.closes.push_back((now + CLOSE_TIMEOUT, id));
        }
    }

    #[cfg(test)]
    pub(in crate::yamux) fn stream_count(&self) -> usize {
        self.streams.len()
    }
}
