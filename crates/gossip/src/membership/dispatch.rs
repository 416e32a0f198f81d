//! Packets in (`docs/spec/gossip.md` §3.2, §4).

use std::net::SocketAddr;

use super::relay::Relay;
use super::{Membership, Time, Upper};
use crate::log::Log;
use crate::wire::{
    Ack, Address, Alive, Dead, IndirectPing, Kind, Nack, Ping, Suspect, WireError, decode, decompress, encode, parts,
};

/// Compound and compress messages may hold each other so deep.
const MAX_NESTING: usize = 16;
/// What all compressed messages of one packet may decompress to. An honest packet stays far below one datagram.
const MAX_INFLATED_BYTES: usize = 1 << 20;

/// What is to be known of a packet besides its content.
struct Origin {
    from: SocketAddr,
    now: Time,
    /// How much its compressed messages may still decompress to.
    inflated_bytes_left: usize,
    /// How many messages may still be read from it.
    messages_left: usize,
}

/// Messages in one packet, those inside compounds and compressed ones included: an honest packet holds 255 and a few.
const MAX_MESSAGES: usize = 1024;

/// Messages of a packet that wait until it is read to its end: aliveness first, then the newest first. So a leave
/// intent that its sender put behind the death it explains comes before it.
struct Handoff<'a> {
    log: Log,
    capacity: usize,
    high: Vec<&'a [u8]>,
    low: Vec<(Kind, &'a [u8])>,
}

impl<'a> Handoff<'a> {
    fn push(&mut self, kind: Kind, body: &'a [u8]) {
        let waiting = if kind == Kind::Alive { self.high.len() } else { self.low.len() };
        if waiting >= self.capacity {
            self.log.warn(format_args!("memberlist: handler queue full, dropping message ({})", kind as u8));
            return;
        }
        match kind {
            Kind::Alive => self.high.push(body),
            _ => self.low.push((kind, body)),
        }
    }
}

impl Membership {
    /// Takes in one datagram.
    pub(crate) fn packet(&mut self, from: SocketAddr, data: &[u8], now: Time, up: &mut dyn Upper) {
        if self.schedule.is_none() || data.is_empty() {
            return;
        }
        self.wake_up(now);
        let message = match self.pipeline.open_packet(data) {
            Ok(message) => message,
            Err(error) => return self.refuse(&error, from),
        };
        let mut origin = Origin { from, now, inflated_bytes_left: MAX_INFLATED_BYTES, messages_left: MAX_MESSAGES };
        self.receive(&message, &mut origin, 0, up);
        self.settle_tickets();
    }

    /// Handles all messages of one buffer.
    fn receive(&mut self, buffer: &[u8], origin: &mut Origin, depth: usize, up: &mut dyn Upper) {
        let capacity = self.settings.profile.handoff_depth;
        let mut handoff = Handoff { log: self.log, capacity, high: Vec::new(), low: Vec::new() };
        if let Err(error) = self.dispatch(buffer, origin, depth, &mut handoff, up) {
            self.refuse(&error, origin.from);
        }
        for body in handoff.high.into_iter().rev() {
            self.receive_alive(body, origin, up);
        }
        for (kind, body) in handoff.low.into_iter().rev() {
            self.receive_low(kind, body, origin, up);
        }
    }

    fn dispatch<'a>(
        &mut self,
        message: &'a [u8],
        origin: &mut Origin,
        depth: usize,
        handoff: &mut Handoff<'a>,
        up: &mut dyn Upper,
    ) -> Result<(), WireError> {
        let (&byte, body) = message.split_first().ok_or(WireError::Truncated)?;
        if depth > MAX_NESTING {
            return Err(WireError::Compound("nested too deeply"));
        }
        origin.messages_left =
            origin.messages_left.checked_sub(1).ok_or(WireError::Compound("too many messages in a packet"))?;
        match Kind::of(byte) {
            Some(Kind::Compound) => {
                for part in parts(body)? {
                    // What is left is not even complained about.
                    if origin.messages_left == 0 {
                        break;
                    }
                    if let Err(error) = self.dispatch(part, origin, depth + 1, handoff, up) {
                        self.refuse(&error, origin.from);
                    }
                }
            }
            Some(Kind::Compress) => {
                let inflated = decompress(body, origin.inflated_bytes_left)?;
                origin.inflated_bytes_left -= inflated.len();
                self.receive(&inflated, origin, depth + 1, up);
            }
            Some(Kind::Ping) => self.receive_ping(&decode(body)?, origin.from, up),
            Some(Kind::IndirectPing) => self.receive_indirect_ping(&decode(body)?, origin, up)?,
            Some(Kind::Ack) => {
                let ack: Ack<'_> = decode(body)?;
                self.handle_ack(&ack, origin.now, up);
            }
            Some(Kind::Nack) => {
                let nack: Nack = decode(body)?;
                self.handle_nack(nack.seq_no);
            }
            Some(kind @ (Kind::Alive | Kind::Suspect | Kind::Dead | Kind::User)) => handoff.push(kind, body),
            _ => return Err(WireError::UnexpectedType(byte)),
        }
        Ok(())
    }

    fn receive_alive(&mut self, body: &[u8], origin: &Origin, up: &mut dyn Upper) {
        if !self.allowed.allows(origin.from.ip()) {
            self.log.debug(format_args!("memberlist: Blocked alive message from {}", origin.from));
            return;
        }
        match decode::<Alive<'_>>(body) {
            Ok(mut alive) => {
                if alive.port == 0 {
                    alive.port = self.settings.advertise.port();
                }
                self.handle_alive(&alive, None, origin.now, up);
            }
            Err(error) => self.refuse(&error, origin.from),
        }
    }

    fn receive_low(&mut self, kind: Kind, body: &[u8], origin: &Origin, up: &mut dyn Upper) {
        let result = match kind {
            Kind::Suspect => decode::<Suspect<'_>>(body).map(|suspect| self.handle_suspect(&suspect, origin.now)),
            Kind::Dead => decode::<Dead<'_>>(body).map(|dead| self.handle_dead(&dead, origin.now, up)),
            _ => {
                up.user_message(body, origin.now);
                Ok(())
            }
        };
        if let Err(error) = result {
            self.refuse(&error, origin.from);
        }
    }

    fn receive_ping(&mut self, ping: &Ping<'_>, from: SocketAddr, up: &mut dyn Upper) {
        if !self.is_for_us(ping) {
            self.log.warn(format_args!("memberlist: Got ping for unexpected node '{}' from={from}", ping.node));
            return;
        }
        let to = reply_address(ping.source_addr, ping.source_port, from);
        let ack = encode(Kind::Ack, &Ack { payload: up.ack_payload().into(), seq_no: ping.seq_no });
        self.send(to, ack, up);
    }

    /// Whether a ping is meant for this node: for whoever gets it, or for our very name.
    pub(super) fn is_for_us(&self, ping: &Ping<'_>) -> bool {
        ping.node.is_empty() || *ping.node == *self.own().name
    }

    fn receive_indirect_ping(
        &mut self,
        request: &IndirectPing<'_>,
        origin: &Origin,
        up: &mut dyn Upper,
    ) -> Result<(), WireError> {
        let port = if request.port == 0 { self.settings.advertise.port() } else { request.port };
        let target = SocketAddr::new(request.target.ip()?, port);
        let sequence = self.next_sequence();
        let relay = Relay {
            sequence: request.seq_no,
            to: reply_address(request.source_addr, request.source_port, origin.from),
            nack: request.nack,
        };
        if !self.relays.insert(sequence, relay, origin.now + self.settings.profile.probe_timeout) {
            self.log.warn(format_args!("memberlist: too many indirect pings, ignoring one from={}", origin.from));
            return Ok(());
        }
        let ping = self.ping_to(&request.node, sequence);
        self.send(target, ping, up);
        Ok(())
    }

    fn refuse(&self, error: &WireError, from: SocketAddr) {
        self.log.warn(format_args!("memberlist: {error} from={from}"));
    }

    /// Tells those who asked that the pings made for them were not answered.
    pub(super) fn expire_relays(&mut self, now: Time, up: &mut dyn Upper) {
        while let Some(relay) = self.relays.expired(now) {
            if relay.nack {
                let nack = encode(Kind::Nack, &Nack { seq_no: relay.sequence });
                self.send(relay.to, nack, up);
            }
        }
    }
}

/// Where an answer goes: to where the asker says it is, or to where the packet came from.
fn reply_address(address: Address, port: u16, from: SocketAddr) -> SocketAddr {
    match address {
        Address::Ip(ip) if port > 0 => SocketAddr::new(ip, port),
        _ => from,
    }
}
