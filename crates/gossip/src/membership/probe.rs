//! The failure detector (`docs/spec/gossip.md` §6): one node is probed at a time, directly, then through
//! others and over a stream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::exchange::Exchange;
use super::roster::{OWN, Slot, Turn};
use super::{ExchangeId, Membership, NodeState, Time, Upper};
use crate::measures::millis;
use crate::wire::{Ack, IndirectPing, Kind, Ping, Suspect, encode, write_compound};

/// Nodes that understand this protocol version answer a ping over a stream.
const STREAM_PING_PROTOCOL: u8 = 3;
/// Nodes that understand this protocol version say when a ping they made for us was not answered.
const NACK_PROTOCOL: u8 = 4;

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    name: Arc<str>,
    address: SocketAddr,
    incarnation: u32,
    newest_protocol: u8,
    sequence: u32,
    sent: Time,
    /// Until when the direct ping should be answered.
    patience: Time,
    /// When the probe ends.
    end: Time,
    /// Whether others were asked to ping it too.
    indirect: bool,
    expected_nacks: u32,
    nacks: u32,
    stream: Option<ExchangeId>,
    /// Whether it answered over the stream.
    contacted: bool,
    /// Whether we stood still meanwhile: then the time until its answer says nothing.
    interrupted: bool,
}

impl Probe {
    /// When it goes on without an answer.
    pub(super) fn due(&self) -> Time {
        if self.indirect { self.end } else { self.patience.min(self.end) }
    }

    /// We stood still for so long up to now: its time goes on as if that had not been.
    pub(super) fn resume(&mut self, pause: Duration, now: Time) {
        let pause = pause.min(now.saturating_sub(self.sent));
        self.patience += pause;
        self.end += pause;
        self.interrupted = true;
    }
}

impl Membership {
    /// Probes the next node in the order that is not gone.
    pub(super) fn start_probe(&mut self, now: Time, up: &mut dyn Upper) {
        let memory = self.settings.profile.gossip_to_the_dead;
        let mut looked_at = 0;
        while looked_at < self.roster.len() {
            looked_at += 1;
            match self.roster.next_turn() {
                Turn::Over => self.roster.new_round(memory, now, &mut self.rng),
                Turn::Of(OWN) => {}
                Turn::Of(slot) if self.roster.node(slot).is_none_or(|node| node.state.is_gone()) => {}
                Turn::Of(slot) => {
                    self.probe(slot, now, up);
                    return;
                }
            }
        }
    }

    fn probe(&mut self, slot: Slot, now: Time, up: &mut dyn Upper) {
        let sequence = self.next_sequence();
        let Some(node) = self.roster.node(slot) else {
            return;
        };
        let own = self.own();
        let ping = self.ping_to(&node.name, sequence);
        // A suspect hears of the suspicion with the ping, and first of all can refute it.
        let accusation = (node.state == NodeState::Suspect).then(|| {
            let suspect =
                Suspect { from: (&*own.name).into(), incarnation: node.incarnation, node: (&*node.name).into() };
            encode(Kind::Suspect, &suspect)
        });
        let probe = Probe {
            name: node.name.clone(),
            address: node.address,
            incarnation: node.incarnation,
            newest_protocol: node.newest_protocol(),
            sequence,
            sent: now,
            patience: now + self.settings.profile.probe_timeout,
            end: now + self.health.scale(self.settings.profile.probe_interval),
            indirect: false,
            expected_nacks: 0,
            nacks: 0,
            stream: None,
            contacted: false,
            interrupted: false,
        };
        self.measures.degraded_probes += u64::from(self.health.score() > 0);
        let (address, newest) = (probe.address, probe.newest_protocol);
        self.probing = Some(probe);
        match accusation {
            None => self.send(address, ping, up),
            Some(accusation) => {
                let both = write_compound(&[Bytes::from(ping), Bytes::from(accusation)]);
                self.transmit(address, both.into(), Some(newest));
            }
        }
    }

    /// Takes the probe under way further when it was not answered.
    pub(super) fn advance_probe(&mut self, now: Time, up: &mut dyn Upper) {
        if let Some(probe) = self.probing.take_if(|probe| !probe.indirect && probe.due() <= now) {
            let probe = self.ask_others(probe, now, up);
            self.probing = Some(probe);
        }
        if let Some(probe) = self.probing.take_if(|probe| probe.indirect && probe.end <= now) {
            self.end_unanswered(&probe, now);
        }
    }

    /// Asks some nodes to ping the probed one, and pings it over a stream.
    fn ask_others(&mut self, mut probe: Probe, now: Time, up: &mut dyn Upper) -> Probe {
        self.log.debug(format_args!("memberlist: Failed ping: {} (timeout reached)", probe.name));
        probe.indirect = true;
        let peers = self.roster.pick(self.settings.profile.indirect_checks, &mut self.rng, |slot, node| {
            slot != OWN && node.state == NodeState::Alive && node.name != probe.name
        });
        for peer in peers {
            let Some(peer) = self.roster.node(peer) else {
                continue;
            };
            let (to, own) = (peer.address, self.own());
            let nack = peer.newest_protocol() >= NACK_PROTOCOL;
            probe.expected_nacks += u32::from(nack);
            let request = encode(
                Kind::IndirectPing,
                &IndirectPing {
                    nack,
                    node: (&*probe.name).into(),
                    port: probe.address.port(),
                    seq_no: probe.sequence,
                    source_addr: own.address.ip().into(),
                    source_node: (&*own.name).into(),
                    source_port: own.address.port(),
                    target: probe.address.ip().into(),
                },
            );
            self.send(to, request, up);
        }
        if self.settings.profile.tcp_pings && probe.newest_protocol >= STREAM_PING_PROTOCOL {
            probe.stream = self.ping_over_stream(&probe, now);
        }
        probe
    }

    fn ping_over_stream(&mut self, probe: &Probe, now: Time) -> Option<ExchangeId> {
        let timeout = probe.end.checked_sub(now).filter(|timeout| !timeout.is_zero())?;
        let ping = self.ping_to(&probe.name, probe.sequence);
        self.start_exchange(Exchange::ping(probe.sequence, now), probe.address, &ping, timeout).ok()
    }

    /// Nobody reached it: that speaks against us as well, and we suspect it.
    fn end_unanswered(&mut self, probe: &Probe, now: Time) {
        self.measures.probes.push(millis(now.saturating_sub(probe.sent)));
        if let Some(stream) = probe.stream {
            self.exchanges.remove(&stream);
        }
        if probe.contacted {
            self.log.warn(format_args!(
                "memberlist: Was able to connect to {} over TCP but UDP probes failed, network may be misconfigured",
                probe.name
            ));
            self.health.better();
            return;
        }
        let worse = if probe.expected_nacks > 0 { probe.expected_nacks.saturating_sub(probe.nacks) } else { 1 };
        self.health.worse(worse);
        self.log.info(format_args!("memberlist: Suspect {} has failed, no acks received", probe.name));
        let own = self.own().name.clone();
        let suspect = Suspect { from: (&*own).into(), incarnation: probe.incarnation, node: (&*probe.name).into() };
        self.handle_suspect(&suspect, now);
    }

    /// A ping of ours was answered.
    pub(super) fn handle_ack(&mut self, ack: &Ack<'_>, now: Time, up: &mut dyn Upper) {
        if let Some(probe) = self.probing.take_if(|probe| probe.sequence == ack.seq_no) {
            self.end_answered(&probe, &ack.payload, now, up);
            return;
        }
        if let Some(relay) = self.relays.answered(ack.seq_no) {
            let forwarded = encode(Kind::Ack, &Ack { seq_no: relay.sequence, ..Ack::default() });
            self.send(relay.to, forwarded, up);
        }
    }

    fn end_answered(&mut self, probe: &Probe, payload: &[u8], now: Time, up: &mut dyn Upper) {
        self.measures.probes.push(millis(now.saturating_sub(probe.sent)));
        self.health.better();
        if let Some(stream) = probe.stream {
            self.exchanges.remove(&stream);
        }
        let direct = !probe.indirect && !probe.interrupted && now <= probe.patience;
        if direct && let Some(node) = self.node(&probe.name) {
            up.ping_completed(node, now.saturating_sub(probe.sent), payload);
        }
    }

    /// A node we asked could not reach the probed one.
    pub(super) fn handle_nack(&mut self, sequence: u32) {
        if let Some(probe) = self.probing.as_mut().filter(|probe| probe.sequence == sequence) {
            probe.nacks = probe.nacks.saturating_add(1);
        }
    }

    /// A ping over a stream was answered.
    pub(super) fn contacted(&mut self, sequence: u32) {
        if let Some(probe) = self.probing.as_mut().filter(|probe| probe.sequence == sequence) {
            probe.contacted = true;
        }
    }

    /// Our ping of this number for a node.
    pub(super) fn ping_to(&self, node: &str, sequence: u32) -> Vec<u8> {
        let own = self.own();
        let ping = Ping {
            node: node.into(),
            seq_no: sequence,
            source_addr: own.address.ip().into(),
            source_node: (&*own.name).into(),
            source_port: own.address.port(),
        };
        encode(Kind::Ping, &ping)
    }

    /// A fresh number for a ping.
    pub(super) fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// How long to wait until the next periodic exchange of full state: longer in large pools (§8).
    pub(super) fn push_pull_interval(&self) -> Duration {
        /// Up to this many nodes the interval is as configured.
        const THRESHOLD: usize = 32;
        let nodes = self.node_count();
        let scale = if nodes <= THRESHOLD { 1 } else { (nodes - 1).ilog2() + 1 - THRESHOLD.ilog2() + 1 };
        self.settings.profile.push_pull_interval.saturating_mul(scale).max(Duration::from_millis(1))
    }
}
