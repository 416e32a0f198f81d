//! The rules of a session, without I/O: what is received, what is due, what is to be sent.

mod streams;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::task::{Context, Waker};

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

use super::error::{SessionEnd, Violation};
use super::frame::{
    ACK, FIN, FrameType, GO_AWAY_INTERNAL, GO_AWAY_NORMAL, GO_AWAY_PROTOCOL, HEADER_BYTES, Header, RST, SYN,
};
use super::outgoing::Outgoing;
use super::{BACKLOG, KEEP_ALIVE, STREAMS_MAX, Side, WINDOW_BYTES, WRITE_TIMEOUT};

/// Most payload of one frame, so that a long answer does not keep short ones waiting.
const FRAME_BYTES: usize = 64 * 1024;
/// Bytes waiting to be sent at which streams have to wait before they add more.
const OUT_BYTES: usize = 256 * 1024;
/// Bytes waiting to be sent at which nothing more is read: the peer makes us answer and does not take the answers.
const OUT_PAUSE_BYTES: usize = 1024 * 1024;
/// Waiting writers woken at a time.
const WAKE_BATCH: usize = 64;

/// One stream.
#[derive(Debug)]
struct Slot {
    /// Received, not yet read.
    received: BytesMut,
    /// Bytes the peer may still send.
    may_receive: u32,
    /// Bytes read since the peer was last allowed to send more.
    taken: u32,
    /// Bytes that may still be sent to the peer.
    may_send: u32,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The peer accepted it, or opened it itself.
    confirmed: bool,
    sent_fin: bool,
    got_fin: bool,
    reset: bool,
    /// Nobody here uses it any more; it stays until the peer is done with it too.
    dropped: bool,
    /// Stands in the line of writers.
    blocked: bool,
}

impl Slot {
    fn new(confirmed: bool) -> Slot {
        Slot {
            received: BytesMut::new(),
            may_receive: WINDOW_BYTES,
            taken: 0,
            may_send: WINDOW_BYTES,
            reader: None,
            writer: None,
            confirmed,
            sent_fin: false,
            got_fin: false,
            reset: false,
            dropped: false,
            blocked: false,
        }
    }
}

/// A data frame whose payload has not come whole.
#[derive(Clone, Copy, Debug)]
struct Partial {
    stream: u32,
    left: usize,
    /// The peer sends nothing after it.
    fin: bool,
}

/// What the driver may do when it found nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Park {
    /// Sleep: it will be woken.
    Sleep,
    /// Look again.
    Again,
    /// End: the session was closed here.
    Close,
}

#[derive(Debug)]
pub(super) struct Machine {
    side: Side,
    streams: HashMap<u32, Slot>,
    /// Id of the next stream opened here; none when all have been used.
    next_id: Option<u32>,
    accepted: VecDeque<u32>,
    acceptor: Option<Waker>,
    partial: Option<Partial>,
    out: Outgoing,
    /// Streams that wait for room to write.
    blocked: VecDeque<u32>,
    /// Until when streams opened here must be accepted, in order.
    opens: VecDeque<(Instant, u32)>,
    /// Until when the peer must be done with streams that are given up here, in order.
    closes: VecDeque<(Instant, u32)>,
    /// Streams opened here that stopped waiting for their acceptance since this was last asked.
    freed_opens: usize,
    /// The ping that waits for its answer, and until when.
    ping: Option<(u32, Instant)>,
    ping_number: u32,
    next_ping: Instant,
    remote_gone_away: bool,
    close_requested: bool,
    ended: bool,
    driver: Option<Waker>,
    /// The driver waits for the connection to take what it has; more to send is no reason to wake it.
    congested: bool,
}

impl Machine {
    pub(super) fn new(side: Side, now: Instant) -> Machine {
        Machine {
            side,
            streams: HashMap::new(),
            next_id: Some(side.first_id()),
            accepted: VecDeque::new(),
            acceptor: None,
            partial: None,
            out: Outgoing::default(),
            blocked: VecDeque::new(),
            opens: VecDeque::new(),
            closes: VecDeque::new(),
            freed_opens: 0,
            ping: None,
            ping_number: 0,
            next_ping: now + KEEP_ALIVE,
            remote_gone_away: false,
            close_requested: false,
            ended: false,
            driver: None,
            congested: false,
        }
    }

    /// Takes in what has been received. What stays in `input` is the beginning of a header.
    pub(super) fn receive(&mut self, input: &mut BytesMut, wakes: &mut Vec<Waker>) -> Result<(), SessionEnd> {
        loop {
            if let Some(partial) = self.partial {
                if input.is_empty() {
                    return Ok(());
                }
                self.payload(partial, input, wakes);
                continue;
            }
            let Some(header) = input.first_chunk::<HEADER_BYTES>() else {
                return Ok(());
            };
            let header = Header::decode(header)?;
            input.advance(HEADER_BYTES);
            match header.kind {
                FrameType::Data => self.data(header, wakes)?,
                FrameType::WindowUpdate => self.window_update(header, wakes)?,
                FrameType::Ping => self.pinged(header),
                FrameType::GoAway => self.go_away(header)?,
            }
        }
    }

    fn data(&mut self, header: Header, wakes: &mut Vec<Waker>) -> Result<(), Violation> {
        if header.length == 0 {
            return self.flags(header, wakes);
        }
        // The end of the stream is behind the payload.
        self.flags(Header { flags: header.flags & !FIN, ..header }, wakes)?;
        self.partial = Some(Partial { stream: header.stream, left: header.length as usize, fin: header.has(FIN) });
        let Some(slot) = self.streams.get_mut(&header.stream) else {
            return Ok(());
        };
        let Some(left) = slot.may_receive.checked_sub(header.length) else {
            return Err(Violation::ReceiveWindow(header.stream));
        };
        slot.may_receive = left;
        if slot.dropped && left < WINDOW_BYTES / 2 {
            // Nobody will read it: without this the peer would stand before a closed window for minutes.
            self.give_up(header.stream);
        }
        Ok(())
    }

    fn payload(&mut self, partial: Partial, input: &mut BytesMut, wakes: &mut Vec<Waker>) {
        let here = partial.left.min(input.len());
        let left = partial.left - here;
        self.partial = (left > 0).then_some(Partial { left, ..partial });
        let payload = input.get(..here).unwrap_or_default();
        if let Some(slot) = self.streams.get_mut(&partial.stream)
            && !(slot.dropped || slot.got_fin || slot.reset)
        {
            slot.received.extend_from_slice(payload);
            wakes.extend(slot.reader.take());
        }
        input.advance(here);
        if left == 0 && partial.fin {
            self.finished(partial.stream, wakes);
        }
    }

    fn window_update(&mut self, header: Header, wakes: &mut Vec<Waker>) -> Result<(), Violation> {
        self.flags(header, wakes)?;
        let Some(slot) = self.streams.get_mut(&header.stream) else {
            return Ok(());
        };
        if header.length > 0 {
            let grown = slot.may_send.checked_add(header.length);
            slot.may_send = grown.ok_or(Violation::SendWindow(header.stream))?;
            wakes.extend(slot.writer.take());
        }
        Ok(())
    }

    fn flags(&mut self, header: Header, wakes: &mut Vec<Waker>) -> Result<(), Violation> {
        if header.flags == 0 {
            return Ok(());
        }
        let id = header.stream;
        if header.has(SYN) {
            self.incoming(id, wakes)?;
        }
        if header.has(ACK)
            && let Some(slot) = self.streams.get_mut(&id)
        {
            self.freed_opens += usize::from(!mem::replace(&mut slot.confirmed, true));
        }
        if header.has(FIN) {
            self.finished(id, wakes);
        }
        if header.has(RST) {
            self.was_reset(id, wakes);
        }
        Ok(())
    }

    fn incoming(&mut self, id: u32, wakes: &mut Vec<Waker>) -> Result<(), Violation> {
        if !self.side.is_remote(id) {
            return Err(Violation::StreamId(id));
        }
        if self.streams.contains_key(&id) {
            return Err(Violation::Duplicate(id));
        }
        if self.close_requested || self.accepted.len() >= BACKLOG || self.streams.len() >= STREAMS_MAX {
            self.out.frame(Header::new(FrameType::WindowUpdate, RST, id, 0));
            return Ok(());
        }
        self.streams.insert(id, Slot::new(true));
        self.accepted.push_back(id);
        wakes.extend(self.acceptor.take());
        Ok(())
    }

    /// The peer will send no more.
    fn finished(&mut self, id: u32, wakes: &mut Vec<Waker>) {
        let Some(slot) = self.streams.get_mut(&id) else {
            return;
        };
        slot.got_fin = true;
        wakes.extend(slot.reader.take());
        if slot.dropped {
            self.remove(id);
        }
    }

    /// The peer gave the stream up.
    fn was_reset(&mut self, id: u32, wakes: &mut Vec<Waker>) {
        let Some(slot) = self.streams.get_mut(&id) else {
            return;
        };
        slot.reset = true;
        self.freed_opens += usize::from(!mem::replace(&mut slot.confirmed, true));
        wakes.extend(slot.reader.take());
        wakes.extend(slot.writer.take());
        if slot.dropped {
            self.remove(id);
        }
    }

    fn pinged(&mut self, header: Header) {
        if header.has(SYN) {
            self.out.frame(Header::new(FrameType::Ping, ACK, 0, header.length));
        } else if self.ping.is_some_and(|(number, _)| number == header.length) {
            self.ping = None;
        }
    }

    fn go_away(&mut self, header: Header) -> Result<(), SessionEnd> {
        match header.length {
            GO_AWAY_NORMAL => {
                self.remote_gone_away = true;
                Ok(())
            }
            code @ (GO_AWAY_PROTOCOL | GO_AWAY_INTERNAL) => Err(SessionEnd::GivenUp(code)),
            other => Err(Violation::GoAway(other).into()),
        }
    }

    /// Hands over all that is to be sent, and lets writers that waited for room go on.
    pub(super) fn take_output(&mut self, into: &mut VecDeque<Bytes>, wakes: &mut Vec<Waker>) {
        // It is awake: nobody needs to wake it.
        self.driver = None;
        self.out.take(into);
        self.wake_blocked(wakes);
    }

    fn wake_blocked(&mut self, wakes: &mut Vec<Waker>) {
        for _ in 0..WAKE_BATCH {
            let Some(id) = self.blocked.pop_front() else {
                return;
            };
            if let Some(slot) = self.streams.get_mut(&id) {
                slot.blocked = false;
                wakes.extend(slot.writer.take());
            }
        }
    }

    /// Whether more may be read from the connection.
    pub(super) fn may_read(&self) -> bool {
        self.out.len() < OUT_PAUSE_BYTES
    }

    /// Whether we are to end the session.
    pub(super) fn close_requested(&self) -> bool {
        self.close_requested
    }

    /// The driver found nothing to do; `congested` says that the connection takes no more bytes for now.
    pub(super) fn park(&mut self, congested: bool, cx: &Context<'_>, wakes: &mut Vec<Waker>) -> Park {
        if self.close_requested {
            return Park::Close;
        }
        if !congested && !self.out.is_empty() {
            return Park::Again;
        }
        if !congested && !self.blocked.is_empty() {
            // Those that were woken before did not write after all: the next ones may.
            self.wake_blocked(wakes);
            return Park::Again;
        }
        self.congested = congested;
        register(&mut self.driver, cx);
        Park::Sleep
    }

    /// Who is to be woken because there is something for the driver to do.
    pub(super) fn call_driver(&mut self) -> Option<Waker> {
        let wanted = self.close_requested || (!self.congested && !self.out.is_empty());
        if wanted { self.driver.take() } else { None }
    }

    /// When [`tick`](Machine::tick) has something to do.
    pub(super) fn deadline(&self) -> Instant {
        let mut deadline = self.next_ping;
        for due in [self.ping.map(|(_, due)| due), front(&self.opens), front(&self.closes)].into_iter().flatten() {
            deadline = deadline.min(due);
        }
        deadline
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), SessionEnd> {
        if self.ping.is_some_and(|(_, due)| now >= due) {
            return Err(SessionEnd::KeepAlive);
        }
        if now >= self.next_ping {
            self.ping_number = self.ping_number.wrapping_add(1);
            self.out.shrink();
            self.out.frame(Header::new(FrameType::Ping, SYN, 0, self.ping_number));
            self.ping = Some((self.ping_number, now + WRITE_TIMEOUT));
            self.next_ping = now + KEEP_ALIVE;
        }
        self.forget_settled();
        if front(&self.opens).is_some_and(|due| now >= due) {
            return Err(SessionEnd::OpenTimeout);
        }
        while let Some(&(due, id)) = self.closes.front()
            && now >= due
        {
            self.closes.pop_front();
            if self.streams.contains_key(&id) {
                self.give_up(id);
            }
        }
        Ok(())
    }

    /// Drops deadlines in front whose streams need them no more.
    fn forget_settled(&mut self) {
        while let Some((_, id)) = self.opens.front()
            && self.streams.get(id).is_none_or(|slot| slot.confirmed)
        {
            self.opens.pop_front();
        }
        while let Some((_, id)) = self.closes.front()
            && !self.streams.contains_key(id)
        {
            self.closes.pop_front();
        }
    }

    /// The session is over: everybody who waits learns it. Says so to the peer if it broke the protocol.
    pub(super) fn end(&mut self, end: &SessionEnd, wakes: &mut Vec<Waker>) {
        if mem::replace(&mut self.ended, true) {
            return;
        }
        let code = match end {
            SessionEnd::Violation(_) => GO_AWAY_PROTOCOL,
            _ => GO_AWAY_NORMAL,
        };
        self.out.frame(Header::new(FrameType::GoAway, 0, 0, code));
        self.accepted.clear();
        self.blocked.clear();
        wakes.extend(self.acceptor.take());
        for slot in self.streams.values_mut() {
            wakes.extend(slot.reader.take());
            wakes.extend(slot.writer.take());
        }
    }

    /// Resets a stream nobody uses here.
    fn give_up(&mut self, id: u32) {
        self.out.frame(Header::new(FrameType::WindowUpdate, RST, id, 0));
        self.remove(id);
    }

    fn remove(&mut self, id: u32) {
        if let Some(slot) = self.streams.remove(&id)
            && !slot.confirmed
        {
            self.freed_opens += 1;
        }
    }
}

fn front(deadlines: &VecDeque<(Instant, u32)>) -> Option<Instant> {
    deadlines.front().map(|(due, _)| *due)
}

fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}
