//! What is believed of each node, and how it changes (`docs/spec/gossip.md` §5).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::roster::{OWN, Slot};
use super::suspicion::{self, Suspicion};
use super::{Candidate, LEAVE_TICKET, META_TICKET, Membership, MembershipEffect, Node, NodeState, Time, Upper};
use crate::wire::{Alive, Dead, Kind, NodeStateRecord, Suspect, Versions, encode};

/// Longest metadata of a node.
pub(super) const MAX_META_BYTES: usize = 512;
/// Longest name: one that still fits a packet.
const MAX_NAME_BYTES: usize = 768;

impl Membership {
    /// Announces ourselves with the next incarnation; the ticket comes back when that was said often enough.
    pub(super) fn announce(&mut self, meta: &[u8], ticket: Option<u64>, now: Time, up: &mut dyn Upper) {
        let own = self.own();
        let (name, address) = (own.name.clone(), own.address);
        let alive = Alive {
            addr: address.ip().into(),
            incarnation: own.incarnation.saturating_add(1),
            meta: Cow::Borrowed(meta),
            node: Cow::Borrowed(&*name),
            port: address.port(),
            vsn: Versions::all(own.vsn),
        };
        self.handle_alive(&alive, Some(ticket), now, up);
    }

    /// Says that we leave.
    pub(super) fn announce_leave(&mut self, now: Time, up: &mut dyn Upper) {
        let own = self.own();
        let (name, incarnation) = (own.name.clone(), own.incarnation);
        self.handle_dead(&Dead { from: (&*name).into(), incarnation, node: (&*name).into() }, now, up);
    }

    /// Somebody says a node is alive. `announcing` when that is us, with the ticket of our broadcast.
    pub(super) fn handle_alive(
        &mut self,
        alive: &Alive<'_>,
        announcing: Option<Option<u64>>,
        now: Time,
        up: &mut dyn Upper,
    ) {
        let known = self.roster.find(&alive.node);
        if self.leaving && known == Some(OWN) {
            return;
        }
        let Some(address) = self.admitted(alive, known, up) else {
            return;
        };
        let Some((slot, moved)) = self.placed(alive, known, address, now, up) else {
            return;
        };
        let Some(node) = self.roster.node(slot) else {
            return;
        };
        let is_own = slot == OWN;
        if !is_own && !moved && alive.incarnation <= node.incarnation {
            return;
        }
        if is_own && alive.incarnation < node.incarnation {
            return;
        }
        let was_gone = node.state.is_gone();
        let new_meta = *node.meta != *alive.meta;
        self.roster.clear(slot);
        if is_own && announcing.is_none() {
            self.hear_of_ourselves(alive);
            return;
        }
        self.measures.alive += 1;
        let name = self.roster.node(slot).map(|node| node.name.clone());
        if was_gone && !is_own && self.broadcasts.len() == 0 {
            self.gossip_soon(now);
        }
        self.broadcasts.push(name, Bytes::from(encode(Kind::Alive, alive)), announcing.flatten());
        if let Some(node) = self.roster.node_mut(slot) {
            node.vsn = alive.vsn.bytes;
            node.incarnation = alive.incarnation;
            node.address = address;
            if new_meta {
                node.meta = Bytes::copy_from_slice(&alive.meta);
            }
        }
        self.roster.set_state(slot, NodeState::Alive, now);
        let Some(node) = self.roster.node(slot) else {
            return;
        };
        if was_gone {
            up.joined(node, now);
        } else if new_meta {
            up.updated(node, now);
        }
    }

    /// The address an alive message gives, unless the message is to be ignored whatever is known of the node.
    fn admitted(&self, alive: &Alive<'_>, known: Option<Slot>, up: &mut dyn Upper) -> Option<SocketAddr> {
        let [lowest, highest, ..] = alive.vsn.bytes;
        if alive.vsn.announced < alive.vsn.bytes.len() || lowest == 0 || highest == 0 || lowest > highest {
            self.log.warn(format_args!(
                "memberlist: Ignoring an alive message for '{}' because of its versions",
                alive.node
            ));
            return None;
        }
        if alive.node.is_empty() || alive.node.len() > MAX_NAME_BYTES {
            self.log
                .warn(format_args!("memberlist: Ignoring an alive message for a name of {} bytes", alive.node.len()));
            return None;
        }
        let address = match alive.addr.ip() {
            Ok(ip) => SocketAddr::new(ip, alive.port),
            Err(error) => {
                self.log.warn(format_args!("memberlist: ignoring alive message for '{}': {error}", alive.node));
                return None;
            }
        };
        let node = known.and_then(|slot| self.roster.node(slot));
        if let Some(node) = node
            && known != Some(OWN)
            && node.address == address
            && alive.incarnation <= node.incarnation
        {
            // Old news, most often: it changes nothing, so nobody need be asked about it.
            return None;
        }
        let candidate = Candidate {
            name: node.map_or_else(|| Arc::from(&*alive.node), |node| node.name.clone()),
            address: address.ip(),
            meta: match node {
                Some(node) if *node.meta == *alive.meta => node.meta.clone(),
                _ => Bytes::copy_from_slice(&alive.meta),
            },
            left: false,
        };
        let admission = fits(&candidate).and_then(|()| up.admit(std::slice::from_ref(&candidate), false));
        if let Err(error) = admission {
            self.log.warn(format_args!("memberlist: ignoring alive message for '{}': {error}", alive.node));
            return None;
        }
        Some(address)
    }

    /// Where the node of an alive message stands, a new one after it was taken in, and whether it moved to a new
    /// address. Nothing when it may not be there.
    fn placed(
        &mut self,
        alive: &Alive<'_>,
        known: Option<Slot>,
        address: SocketAddr,
        now: Time,
        up: &mut dyn Upper,
    ) -> Option<(Slot, bool)> {
        let Some((slot, node)) = known.and_then(|slot| Some((slot, self.roster.node(slot)?))) else {
            if !self.allowed.allows(address.ip()) {
                self.reject(&alive.node, address);
                return None;
            }
            let node = Node {
                name: Arc::from(&*alive.node),
                address,
                meta: Bytes::copy_from_slice(&alive.meta),
                vsn: alive.vsn.bytes,
                state: NodeState::Dead,
                incarnation: 0,
                changed: now,
            };
            let slot = self.roster.insert(node, &mut self.rng);
            if slot.is_none() {
                self.log.warn(format_args!("memberlist: too many nodes, ignoring '{}'", alive.node));
            }
            return Some((slot?, false));
        };
        if node.address == address {
            return Some((slot, false));
        }
        if !self.allowed.allows(address.ip()) {
            self.reject(&alive.node, address);
            return None;
        }
        let reclaim = self.settings.profile.dead_reclaim;
        let long_dead = !reclaim.is_zero() && self.roster.unchanged_for(slot, now) > reclaim;
        let (mine, state) = (node.address, node.state);
        if state == NodeState::Left || (state == NodeState::Dead && long_dead) {
            self.log.info(format_args!(
                "memberlist: Updating address for left or failed node {} from {mine} to {address}",
                alive.node
            ));
            return Some((slot, true));
        }
        self.log.error(format_args!(
            "memberlist: Conflicting address for {}. Mine: {mine} Theirs: {address} Old state: {}",
            alive.node, state as u8
        ));
        up.conflict(node, address, now);
        None
    }

    fn reject(&self, name: &str, address: SocketAddr) {
        self.log.warn(format_args!("memberlist: Rejected node {name} ({}): it is not allowed", address.ip()));
    }

    /// Somebody says we are alive: what differs from what we are is refuted.
    fn hear_of_ourselves(&mut self, alive: &Alive<'_>) {
        let own = self.own();
        let same =
            alive.incarnation == own.incarnation && *alive.meta == *own.meta && alive.vsn == Versions::all(own.vsn);
        if !same {
            self.log.warn(format_args!("memberlist: Refuting an alive message for '{}'", own.name));
            self.refute(alive.incarnation);
        }
    }

    /// Somebody suspects a node.
    pub(super) fn handle_suspect(&mut self, suspect: &Suspect<'_>, now: Time) {
        let Some(slot) = self.roster.find(&suspect.node) else {
            return;
        };
        let Some(node) = self.roster.node(slot) else {
            return;
        };
        if suspect.incarnation < node.incarnation {
            return;
        }
        let name = node.name.clone();
        if self.roster.is_suspected(slot) {
            if self.roster.confirm(slot, &suspect.from) {
                self.broadcasts.push(Some(name), Bytes::from(encode(Kind::Suspect, suspect)), None);
            }
            return;
        }
        if node.state != NodeState::Alive {
            return;
        }
        if slot == OWN {
            self.log.warn(format_args!("memberlist: Refuting a suspect message (from: {})", suspect.from));
            self.refute(suspect.incarnation);
            return;
        }
        self.measures.suspect += 1;
        self.broadcasts.push(Some(name), Bytes::from(encode(Kind::Suspect, suspect)), None);
        if let Some(node) = self.roster.node_mut(slot) {
            node.incarnation = suspect.incarnation;
        }
        self.roster.set_state(slot, NodeState::Suspect, now);
        let profile = &self.settings.profile;
        let nodes = self.roster.len();
        let shortest = suspicion::shortest(profile.suspicion_mult, nodes, profile.probe_interval);
        let longest = shortest.saturating_mul(profile.suspicion_max_timeout_mult);
        let wanted = suspicion::wanted(profile.suspicion_mult, nodes);
        self.roster.suspect(slot, Suspicion::new(&suspect.from, wanted, shortest, longest, now));
    }

    /// Declares dead whom nobody cleared of suspicion in time.
    pub(super) fn expire_suspicions(&mut self, now: Time, up: &mut dyn Upper) {
        while let Some((slot, suspicion)) = self.roster.expired_suspicion(now) {
            let Some(node) = self.roster.node(slot).filter(|node| node.state == NodeState::Suspect) else {
                continue;
            };
            let (name, incarnation) = (node.name.clone(), node.incarnation);
            self.measures.degraded_timeouts += u64::from(suspicion.is_unconfirmed());
            let confirmations = suspicion.confirmations();
            self.log.info(format_args!(
                "memberlist: Marking {name} as failed, suspect timeout reached ({confirmations} peer confirmations)"
            ));
            let own = self.own().name.clone();
            self.handle_dead(&Dead { from: (&*own).into(), incarnation, node: (&*name).into() }, now, up);
        }
    }

    /// Somebody says a node is dead, or a node says that it leaves.
    pub(super) fn handle_dead(&mut self, dead: &Dead<'_>, now: Time, up: &mut dyn Upper) {
        let Some(slot) = self.roster.find(&dead.node) else {
            return;
        };
        let Some(node) = self.roster.node(slot) else {
            return;
        };
        if dead.incarnation < node.incarnation {
            return;
        }
        let (name, state) = (node.name.clone(), node.state);
        self.roster.clear(slot);
        if state.is_gone() {
            return;
        }
        if slot == OWN && !self.leaving {
            self.log.warn(format_args!("memberlist: Refuting a dead message (from: {})", dead.from));
            self.refute(dead.incarnation);
            return;
        }
        self.measures.dead += 1;
        let ticket = (slot == OWN && self.others_live()).then_some(LEAVE_TICKET);
        self.broadcasts.push(Some(name), Bytes::from(encode(Kind::Dead, dead)), ticket);
        if let Some(node) = self.roster.node_mut(slot) {
            node.incarnation = dead.incarnation;
        }
        let said_itself = dead.node == dead.from;
        self.roster.set_state(slot, if said_itself { NodeState::Left } else { NodeState::Dead }, now);
        if let Some(node) = self.roster.node(slot) {
            up.left(node, now);
        }
    }

    /// Takes in what another node believes, in its order (§5.5). Death by hearsay is only suspicion.
    pub(super) fn merge(&mut self, records: &[NodeStateRecord<'_>], now: Time, up: &mut dyn Upper) {
        let own = self.own().name.clone();
        for record in records {
            match record.state {
                0 => {
                    let alive = Alive {
                        addr: record.addr,
                        incarnation: record.incarnation,
                        meta: Cow::Borrowed(&*record.meta),
                        node: Cow::Borrowed(&*record.name),
                        port: record.port,
                        vsn: record.vsn,
                    };
                    self.handle_alive(&alive, None, now, up);
                }
                1 | 2 => self.handle_suspect(&accusation(&own, record), now),
                3 => self.handle_dead(&accusation(&record.name, record), now, up),
                _ => {}
            }
        }
    }

    /// Announces an incarnation newer than the accused one, with what we are.
    fn refute(&mut self, accused: u32) {
        let incarnation = self.own().incarnation.max(accused).saturating_add(1);
        if let Some(own) = self.roster.node_mut(OWN) {
            own.incarnation = incarnation;
        }
        self.health.worse(1);
        let message = Bytes::from(self.own_alive());
        // By the address, so that it does not push out a message queued under our name.
        let key = Arc::from(self.own().address.ip().to_string());
        self.broadcasts.push(Some(key), message, None);
    }

    fn own_alive(&self) -> Vec<u8> {
        let own = self.own();
        let alive = Alive {
            addr: own.address.ip().into(),
            incarnation: own.incarnation,
            meta: Cow::Borrowed(&*own.meta),
            node: Cow::Borrowed(&*own.name),
            port: own.address.port(),
            vsn: Versions::all(own.vsn),
        };
        encode(Kind::Alive, &alive)
    }

    /// Whether any other node is alive or suspected.
    pub(super) fn others_live(&self) -> bool {
        let own = usize::from(!self.own().state.is_gone());
        self.roster.live() > own
    }

    /// Reports the broadcasts that somebody waits for and that were sent often enough.
    pub(super) fn settle_tickets(&mut self) {
        for ticket in self.broadcasts.finished() {
            self.effects.push_back(match ticket {
                META_TICKET => MembershipEffect::MetaSent,
                _ => MembershipEffect::LeaveSent,
            });
        }
    }
}

/// The message that `from` sends of a node in the state of this record.
fn accusation<'a>(from: &'a str, record: &'a NodeStateRecord<'_>) -> Suspect<'a> {
    Suspect { from: Cow::Borrowed(from), incarnation: record.incarnation, node: Cow::Borrowed(&*record.name) }
}

/// What holds for every member, whatever the pool (§18.4).
pub(super) fn fits(candidate: &Candidate) -> Result<(), String> {
    if candidate.meta.len() > MAX_META_BYTES {
        return Err(format!("Encoded length of tags exceeds limit of {MAX_META_BYTES} bytes"));
    }
    Ok(())
}
