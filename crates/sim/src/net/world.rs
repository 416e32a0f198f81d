//! The state of the whole network: hosts, the links between them, and what is on its way.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use net::BoxConn;
use tokio::io::ReadBuf;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::pipe::{CAPACITY_BYTES, Piece, Pipe, Step, broken};
use super::{Conditions, Crash};
use crate::chance::Chance;

/// Ports that are given out lie above.
const LAST_FIXED_PORT: u16 = 32768;
/// Datagrams that wait at a socket; more are lost.
const INBOX_DATAGRAMS: usize = 4096;

/// A life of a host: from one start to the next crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) host: IpAddr,
    pub(super) life: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// Off, and says so to who asks.
    Refuses,
    /// Off without a word.
    Silent,
}

struct HostState {
    power: Power,
    life: u64,
    frozen_until: Option<Instant>,
    last_port: u16,
}

/// One direction between two hosts.
struct Link {
    chance: Chance,
    is_blocked: bool,
}

pub(super) struct Listening {
    pub(super) at: Seat,
    pub(super) queue: mpsc::UnboundedSender<(BoxConn, SocketAddr)>,
}

pub(super) struct Socket {
    pub(super) at: Seat,
    /// What is to be received, by arrival; the number keeps those of the same moment apart.
    inbox: BTreeMap<(Instant, u64), (SocketAddr, Bytes)>,
    pub(super) arrived: Arc<Notify>,
}

/// What a connection attempt meets.
pub(super) enum Knock {
    /// No answer as things are.
    Unanswered,
    /// The answer comes then.
    Answered(Instant),
}

pub(super) struct World {
    chance: Chance,
    conditions: Conditions,
    hosts: BTreeMap<IpAddr, HostState>,
    links: BTreeMap<(IpAddr, IpAddr), Link>,
    pub(super) listeners: BTreeMap<SocketAddr, Listening>,
    pub(super) sockets: BTreeMap<SocketAddr, Socket>,
    pipes: BTreeMap<u64, Pipe>,
    last_number: u64,
}

impl World {
    pub(super) fn new(chance: Chance, conditions: Conditions) -> World {
        World {
            chance,
            conditions,
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
            listeners: BTreeMap::new(),
            sockets: BTreeMap::new(),
            pipes: BTreeMap::new(),
            last_number: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn boot(&mut self, ip: IpAddr) -> u64 {
        self.close(ip);
        // Whoever still holds a connection with the last life learns that it is gone.
        self.abort(ip);
        let before = self.hosts.get(&ip).map_or(0, |host| host.life);
        let host = HostState { power: Power::On, life: before + 1, frozen_until: None, last_port: LAST_FIXED_PORT };
        self.hosts.insert(ip, host);
        before + 1
    }

    pub(super) fn crash(&mut self, ip: IpAddr, how: Crash) {
        let Some(host) = self.hosts.get_mut(&ip) else { return };
        host.life += 1;
        host.frozen_until = None;
        host.power = match how {
            Crash::Killed => Power::Refuses,
            Crash::PowerCut => Power::Silent,
        };
        self.close(ip);
        if how == Crash::Killed {
            self.abort(ip);
        }
    }

    fn close(&mut self, ip: IpAddr) {
        self.listeners.retain(|at, _| at.ip() != ip);
        self.sockets.retain(|at, _| at.ip() != ip);
    }

    /// The host tells the others that its connections are no more.
    fn abort(&mut self, ip: IpAddr) {
        let numbers: Vec<u64> =
            self.pipes.iter().filter(|(_, p)| p.from == ip || p.to == ip).map(|(n, _)| *n).collect();
        for number in numbers {
            let Some((from, to)) = self.pipes.get(&number).map(|pipe| (pipe.from, pipe.to)) else { continue };
            let due = if from == ip { self.arrival(from, to) } else { self.arrival(to, from) };
            if let Some(pipe) = self.pipes.get_mut(&number) {
                if from == ip {
                    pipe.end(due, Piece::Reset);
                } else {
                    pipe.refuse(due);
                }
                pipe.wake();
            }
        }
    }

    pub(super) fn reset(&mut self, ip: IpAddr) {
        let ours = self.pipes.values_mut().filter(|pipe| (pipe.from == ip) != (pipe.to == ip));
        ours.for_each(Pipe::tear);
    }

    pub(super) fn pause(&mut self, ip: IpAddr, until: Instant) {
        if let Some(host) = self.hosts.get_mut(&ip) {
            host.frozen_until = Some(until);
        }
    }

    pub(super) fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    pub(super) fn set_blocked(&mut self, from: IpAddr, to: IpAddr, is_blocked: bool) {
        if from != to {
            self.link(from, to).is_blocked = is_blocked;
        }
    }

    pub(super) fn heal(&mut self) {
        self.links.values_mut().for_each(|link| link.is_blocked = false);
    }

    /// Has everybody look again.
    pub(super) fn wake_all(&mut self) {
        self.pipes.values_mut().for_each(Pipe::wake);
    }

    fn link(&mut self, from: IpAddr, to: IpAddr) -> &mut Link {
        let chance = &self.chance;
        self.links
            .entry((from, to))
            .or_insert_with(|| Link { chance: chance.fork(purpose(from, to)), is_blocked: false })
    }

    pub(super) fn is_blocked(&self, from: IpAddr, to: IpAddr) -> bool {
        self.links.get(&(from, to)).is_some_and(|link| link.is_blocked)
    }

    pub(super) fn frozen_until(&self, ip: IpAddr) -> Option<Instant> {
        self.hosts.get(&ip).and_then(|host| host.frozen_until)
    }

    /// Whether this life is over.
    pub(super) fn is_stale(&self, seat: Seat) -> bool {
        self.hosts.get(&seat.host).is_none_or(|host| host.life != seat.life)
    }

    fn is_silent(&self, ip: IpAddr) -> bool {
        self.hosts.get(&ip).is_none_or(|host| host.power == Power::Silent)
    }

    /// When something arrives that is sent now.
    fn arrival(&mut self, from: IpAddr, to: IpAddr) -> Instant {
        let latency = self.latency(from, to);
        let sent = self.not_before_thaw(from, Instant::now());
        self.not_before_thaw(to, sent + latency)
    }

    fn latency(&mut self, from: IpAddr, to: IpAddr) -> Duration {
        let range: Range<Duration> = self.conditions.latency.clone();
        // Drawn always, so that one host's messages to itself shift nobody's luck.
        let drawn = self.link(from, to).chance.time(&range);
        if from == to { Duration::ZERO } else { drawn }
    }

    fn not_before_thaw(&self, ip: IpAddr, at: Instant) -> Instant {
        self.frozen_until(ip).map_or(at, |until| at.max(until))
    }

    /// A free port of the host, or the one asked for if it is free.
    pub(super) fn port(&mut self, ip: IpAddr, asked: u16, is_taken: impl Fn(&World, u16) -> bool) -> io::Result<u16> {
        if asked != 0 {
            return if is_taken(&*self, asked) { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(asked) };
        }
        loop {
            let port = self.next_port(ip)?;
            if !is_taken(&*self, port) {
                return Ok(port);
            }
        }
    }

    fn next_port(&mut self, ip: IpAddr) -> io::Result<u16> {
        let host = self.hosts.get_mut(&ip).ok_or(io::ErrorKind::AddrNotAvailable)?;
        host.last_port = host.last_port.checked_add(1).unwrap_or(LAST_FIXED_PORT + 1);
        Ok(host.last_port)
    }

    pub(super) fn knock(&mut self, from: IpAddr, to: IpAddr) -> Knock {
        if self.is_silent(to) || self.is_blocked(from, to) || self.is_blocked(to, from) {
            return Knock::Unanswered;
        }
        let there = self.latency(from, to);
        let back = self.latency(to, from);
        let sent = self.not_before_thaw(from, Instant::now());
        Knock::Answered(self.not_before_thaw(to, sent + there) + back)
    }

    /// Makes both directions of a stream and answers them: the one to the other side first.
    pub(super) fn lay_pipes(&mut self, near: IpAddr, far: IpAddr) -> (u64, u64) {
        let (there, back) = (self.number(), self.number());
        self.pipes.insert(there, Pipe::new(near, far));
        self.pipes.insert(back, Pipe::new(far, near));
        (there, back)
    }

    pub(super) fn source(&mut self, ip: IpAddr) -> io::Result<SocketAddr> {
        Ok(SocketAddr::new(ip, self.next_port(ip)?))
    }

    pub(super) fn read(&mut self, seat: Seat, number: u64, waker: &Waker, buffer: &mut ReadBuf<'_>) -> Step<()> {
        if self.is_stale(seat) {
            return Step::Done(Err(broken()));
        }
        let Some((from, to)) = self.pipes.get(&number).map(|pipe| (pipe.from, pipe.to)) else {
            return Step::Done(Err(broken()));
        };
        let (blocked, frozen) = (self.is_blocked(from, to), self.frozen_until(to));
        let Some(pipe) = self.pipes.get_mut(&number) else { return Step::Done(Err(broken())) };
        pipe.reader = Some(waker.clone());
        let Some((due, piece)) = pipe.queue.front_mut() else { return Step::Wait };
        if blocked {
            return Step::Wait;
        }
        let due = frozen.map_or(*due, |until| until.max(*due));
        if due > Instant::now() {
            return Step::Until(due);
        }
        let Piece::Bytes(bytes) = piece else {
            // It stays: whoever reads on meets the same end again.
            return Step::Done(if matches!(piece, Piece::End) { Ok(()) } else { Err(broken()) });
        };
        let taken = bytes.split_to(bytes.len().min(buffer.remaining()));
        if bytes.is_empty() {
            pipe.queue.pop_front();
        }
        buffer.put_slice(&taken);
        pipe.queued_bytes -= taken.len();
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Step::Done(Ok(()))
    }

    pub(super) fn write(&mut self, seat: Seat, number: u64, waker: &Waker, data: &[u8]) -> Step<usize> {
        if self.is_stale(seat) {
            return Step::Done(Err(broken()));
        }
        let Some((from, to)) = self.pipes.get(&number).map(|pipe| (pipe.from, pipe.to)) else {
            return Step::Done(Err(broken()));
        };
        let can_be_told = !self.is_blocked(to, from);
        let due = self.arrival(from, to);
        let Some(pipe) = self.pipes.get_mut(&number) else { return Step::Done(Err(broken())) };
        if pipe.is_ended {
            return Step::Done(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let refused_at = pipe.refused_at.filter(|_| can_be_told);
        if refused_at.is_some_and(|at| at <= Instant::now()) {
            return Step::Done(Err(broken()));
        }
        if data.is_empty() {
            return Step::Done(Ok(0));
        }
        let length = data.len().min(CAPACITY_BYTES - pipe.queued_bytes);
        if length == 0 {
            pipe.writer = Some(waker.clone());
            return refused_at.map_or(Step::Wait, Step::Until);
        }
        pipe.push(due, Piece::Bytes(Bytes::copy_from_slice(&data[..length])));
        Step::Done(Ok(length))
    }

    /// Ends a direction in good order.
    pub(super) fn finish(&mut self, seat: Seat, number: u64) {
        if self.is_stale(seat) {
            return;
        }
        let Some((from, to)) = self.pipes.get(&number).map(|pipe| (pipe.from, pipe.to)) else { return };
        let due = self.arrival(from, to);
        if let Some(pipe) = self.pipes.get_mut(&number) {
            pipe.end(due, Piece::End);
        }
    }

    /// The connection's owner let go of it.
    pub(super) fn release(&mut self, seat: Seat, incoming: u64, outgoing: u64) {
        self.finish(seat, outgoing);
        let told_at = match self.pipes.get(&incoming).map(|pipe| (pipe.from, pipe.to)) {
            Some((from, to)) if !self.is_stale(seat) => Some(self.arrival(to, from)),
            _ => None,
        };
        if let Some(pipe) = self.pipes.get_mut(&incoming) {
            pipe.reader_dropped = true;
            pipe.reader = None;
            if let Some(at) = told_at {
                pipe.refuse(at);
            }
        }
        if let Some(pipe) = self.pipes.get_mut(&outgoing) {
            pipe.writer_dropped = true;
            pipe.writer = None;
        }
        for number in [incoming, outgoing] {
            if self.pipes.get(&number).is_some_and(|pipe| pipe.reader_dropped && pipe.writer_dropped) {
                self.pipes.remove(&number);
            }
        }
    }

    pub(super) fn open_socket(&mut self, seat: Seat, at: SocketAddr) -> Arc<Notify> {
        let arrived = Arc::new(Notify::new());
        self.sockets.insert(at, Socket { at: seat, inbox: BTreeMap::new(), arrived: arrived.clone() });
        arrived
    }

    pub(super) fn send(&mut self, seat: Seat, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        if self.is_stale(seat) {
            return;
        }
        let due = self.arrival(from.ip(), to.ip());
        let loss = self.conditions.loss;
        let link = self.link(from.ip(), to.ip());
        let is_lost = link.chance.hits(loss) || link.is_blocked;
        if is_lost && from.ip() != to.ip() {
            return;
        }
        let number = self.number();
        if let Some(socket) = self.sockets.get_mut(&to).filter(|socket| socket.inbox.len() < INBOX_DATAGRAMS) {
            socket.inbox.insert((due, number), (from, Bytes::copy_from_slice(data)));
            socket.arrived.notify_one();
        }
    }

    /// The datagram that is there, or when the next one will be.
    pub(super) fn receive(&mut self, seat: Seat, at: SocketAddr) -> Result<(SocketAddr, Bytes), Option<Instant>> {
        if self.is_stale(seat) {
            return Err(None);
        }
        let frozen = self.frozen_until(at.ip());
        let Some(socket) = self.sockets.get_mut(&at) else { return Err(None) };
        let due = socket.inbox.first_key_value().map(|((due, _), _)| frozen.map_or(*due, |until| until.max(*due)));
        match due {
            Some(due) if due <= Instant::now() => socket.inbox.pop_first().map(|(_, datagram)| datagram).ok_or(None),
            due => Err(due),
        }
    }
}

/// Names a link for its generator.
fn purpose(from: IpAddr, to: IpAddr) -> u64 {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() as u64,
    };
    (number(from) << 32) ^ number(to)
}
