//! Packets out: piggybacked broadcasts and rounds of gossip (`docs/spec/gossip.md` §7.2, §7.3).

use std::net::SocketAddr;

use bytes::Bytes;

use super::roster::OWN;
use super::{Membership, MembershipEffect, Node, NodeState, Time, Upper};
use crate::wire::{COMPOUND_HEADER_BYTES, COMPOUND_ITEM_BYTES, Kind, MAX_PARTS, write_compound};

/// The type byte in front of a message of the upper layer.
const USER_HEADER_BYTES: usize = 1;
/// Nodes that understand this protocol version understand a checksum.
const CRC_PROTOCOL: u8 = 5;

impl Membership {
    /// Sends a message, and with it what else there is to say.
    pub(super) fn send(&mut self, to: SocketAddr, message: Vec<u8>, up: &mut dyn Upper) {
        let taken = COMPOUND_HEADER_BYTES + self.pipeline.packet_overhead() + message.len();
        let room = self.settings.profile.udp_buffer.saturating_sub(taken);
        let more = self.batch(room, up);
        let message = Bytes::from(message);
        if more.is_empty() {
            self.transmit(to, message, None);
            return;
        }
        let mut parts = Vec::with_capacity(1 + more.len());
        parts.push(message);
        parts.extend(more);
        self.send_all(to, &parts, None);
    }

    /// Sends a message of the upper layer and nothing with it. `node` is whom it is meant for, if that is known.
    pub(crate) fn send_user(&mut self, to: SocketAddr, node: Option<&str>, message: &[u8]) {
        if self.schedule.is_none() {
            return;
        }
        let newest = node.and_then(|name| self.node(name)).map(Node::newest_protocol);
        self.transmit(to, user(message), newest);
    }

    /// One round of gossip: what there is to say, to some nodes.
    pub(super) fn gossip(&mut self, now: Time, up: &mut dyn Upper) {
        self.measures.gossip_rounds += 1;
        let profile = &self.settings.profile;
        let memory = profile.gossip_to_the_dead;
        let taken = COMPOUND_HEADER_BYTES + self.pipeline.gossip_overhead();
        let room = profile.udp_buffer.saturating_sub(taken);
        let roster = &self.roster;
        let chosen = roster.pick(profile.gossip_nodes, &mut self.rng, |slot, node| match node.state {
            _ if slot == OWN => false,
            NodeState::Alive | NodeState::Suspect => true,
            NodeState::Dead => roster.unchanged_for(slot, now) <= memory,
            NodeState::Left => false,
        });
        for slot in chosen {
            let Some(node) = self.roster.node(slot) else {
                continue;
            };
            let (to, newest) = (node.address, node.newest_protocol());
            let batch = self.batch(room, up);
            if batch.is_empty() {
                return;
            }
            self.send_all(to, &batch, Some(newest));
        }
    }

    /// Sends parts that are messages of their own: one alone as it is, several as compound messages.
    pub(super) fn send_all(&mut self, to: SocketAddr, parts: &[Bytes], newest: Option<u8>) {
        for chunk in parts.chunks(MAX_PARTS) {
            let message = match chunk {
                [only] => only.clone(),
                several => write_compound(several).into(),
            };
            self.transmit(to, message, newest);
        }
    }

    /// What there is to say in this much room: ours first, then the upper layer's.
    fn batch(&mut self, room: usize, up: &mut dyn Upper) -> Vec<Bytes> {
        let nodes = self.roster.len();
        let mut batch = self.broadcasts.take(COMPOUND_ITEM_BYTES, room, nodes);
        let used: usize = batch.iter().map(|message| COMPOUND_ITEM_BYTES + message.len()).sum();
        let left = room.saturating_sub(used);
        let overhead = COMPOUND_ITEM_BYTES + USER_HEADER_BYTES;
        if left > overhead {
            batch.extend(up.broadcasts(overhead, left, nodes).iter().map(|message| user(message)));
        }
        batch
    }

    /// Sends one packet; `newest` is the receiver's newest protocol, when we know whom we send to.
    pub(super) fn transmit(&mut self, to: SocketAddr, message: Bytes, newest: Option<u8>) {
        let newest = newest.or_else(|| self.roster.named(to.ip()).map(Node::newest_protocol));
        let crc = newest.is_some_and(|newest| newest >= CRC_PROTOCOL);
        match self.pipeline.seal_packet(message, crc) {
            Ok(packet) => self.effects.push_back(MembershipEffect::Send { to, packet }),
            Err(error) => self.log.error(format_args!("memberlist: Encryption of message failed: {error}")),
        }
    }
}

fn user(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(USER_HEADER_BYTES + message.len());
    out.push(Kind::User as u8);
    out.extend_from_slice(message);
    out.into()
}
