use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::suspicion::Suspicion;
use super::{Node, NodeState, Time};
use crate::random::Rng;

/// Where a node stands in the roster, until it is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// Our own place.
pub(super) const OWN: Slot = Slot(0);

/// More nodes than any pool has. Further ones are refused, so that a stranger cannot fill our memory.
pub(super) const MAX_NODES: usize = 1 << 18;

/// Every node known, the order in which they are probed, and who is suspected until when.
#[derive(Debug)]
pub(super) struct Roster {
    own: Entry,
    /// The others; the slot is the position plus one.
    others: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_name: HashMap<Arc<str>, Slot>,
    order: Vec<Slot>,
    next: usize,
    suspicions: BTreeSet<(Time, Slot)>,
    live: usize,
    /// How many nodes have an IP address for a name.
    named_by_address: usize,
}

#[derive(Debug)]
struct Entry {
    node: Node,
    suspicion: Option<Box<Suspicion>>,
    /// It was never alive here: heard of, but not with an incarnation that counts.
    placeholder: bool,
}

/// What the next look at the probe order found.
pub(super) enum Turn {
    /// This node's turn.
    Of(Slot),
    /// Everyone had its turn.
    Over,
}

impl Roster {
    /// A roster of ourselves.
    pub(super) fn new(own: Node) -> Roster {
        Roster {
            by_name: HashMap::from([(own.name.clone(), OWN)]),
            named_by_address: usize::from(own.name.parse::<IpAddr>().is_ok()),
            own: Entry { node: own, suspicion: None, placeholder: true },
            others: Vec::new(),
            free: Vec::new(),
            order: vec![OWN],
            next: 0,
            suspicions: BTreeSet::new(),
            live: 0,
        }
    }

    pub(super) fn own(&self) -> &Node {
        &self.own.node
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.order.iter().filter_map(move |&slot| self.node(slot))
    }

    pub(super) fn find(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// The node whose name is this address, if such names are in use at all.
    pub(super) fn named(&self, address: IpAddr) -> Option<&Node> {
        if self.named_by_address == 0 {
            return None;
        }
        self.node(self.find(&address.to_string())?)
    }

    pub(super) fn node(&self, slot: Slot) -> Option<&Node> {
        self.entry(slot).map(|entry| &entry.node)
    }

    /// For what has no index here: name, state and its time are changed by the roster alone.
    pub(super) fn node_mut(&mut self, slot: Slot) -> Option<&mut Node> {
        self.entry_mut(slot).map(|entry| &mut entry.node)
    }

    /// How long a node is in its state; one that never was alive, forever.
    pub(super) fn unchanged_for(&self, slot: Slot, now: Time) -> Duration {
        match self.entry(slot) {
            Some(entry) if !entry.placeholder => now.saturating_sub(entry.node.changed),
            _ => Duration::MAX,
        }
    }

    /// Adds a node, dead so far, at a random place of the probe order. Nothing when the roster is full.
    pub(super) fn insert(&mut self, node: Node, rng: &mut Rng) -> Option<Slot> {
        if self.len() >= MAX_NODES {
            return None;
        }
        let name = node.name.clone();
        let entry = Entry { node: Node { state: NodeState::Dead, ..node }, suspicion: None, placeholder: true };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.others.push(None);
                Slot(self.others.len() as u32)
            }
        };
        *self.others.get_mut(slot.0 as usize - 1)? = Some(entry);
        self.named_by_address += usize::from(name.parse::<IpAddr>().is_ok());
        self.by_name.insert(name, slot);
        let place = rng.below(self.order.len() as u64) as usize;
        self.order.push(slot);
        let last = self.order.len() - 1;
        self.order.swap(place, last);
        Some(slot)
    }

    /// Puts a node into a state, as of now unless it is in that state already.
    pub(super) fn set_state(&mut self, slot: Slot, state: NodeState, now: Time) {
        let Some(entry) = self.entry_mut(slot) else {
            return;
        };
        let before = entry.node.state;
        if before == state {
            return;
        }
        entry.node.state = state;
        entry.node.changed = now;
        entry.placeholder = false;
        match (before.is_gone(), state.is_gone()) {
            (true, false) => self.live += 1,
            (false, true) => self.live -= 1,
            _ => {}
        }
    }

    /// Whether a suspicion about this node runs.
    pub(super) fn is_suspected(&self, slot: Slot) -> bool {
        self.entry(slot).is_some_and(|entry| entry.suspicion.is_some())
    }

    /// Lets a suspicion about a node run, in place of one that does.
    pub(super) fn suspect(&mut self, slot: Slot, suspicion: Suspicion) {
        self.clear(slot);
        let deadline = suspicion.deadline();
        if let Some(entry) = self.entry_mut(slot) {
            entry.suspicion = Some(Box::new(suspicion));
            self.suspicions.insert((deadline, slot));
        }
    }

    /// Confirms the suspicion about a node; whether that was news.
    pub(super) fn confirm(&mut self, slot: Slot, from: &str) -> bool {
        let Some(suspicion) = self.entry_mut(slot).and_then(|entry| entry.suspicion.as_mut()) else {
            return false;
        };
        let before = suspicion.deadline();
        if !suspicion.confirm(from) {
            return false;
        }
        let after = suspicion.deadline();
        self.suspicions.remove(&(before, slot));
        self.suspicions.insert((after, slot));
        true
    }

    /// Ends the suspicion about a node.
    pub(super) fn clear(&mut self, slot: Slot) {
        if let Some(suspicion) = self.entry_mut(slot).and_then(|entry| entry.suspicion.take()) {
            self.suspicions.remove(&(suspicion.deadline(), slot));
        }
    }

    /// When the next suspicion becomes certain.
    pub(super) fn next_suspicion(&self) -> Option<Time> {
        self.suspicions.first().map(|&(deadline, _)| deadline)
    }

    /// We stood still for so long up to now: no suspicion's time went on.
    pub(super) fn resume_suspicions(&mut self, pause: Duration, now: Time) {
        for (_, slot) in std::mem::take(&mut self.suspicions) {
            let Some(suspicion) = self.entry_mut(slot).and_then(|entry| entry.suspicion.as_mut()) else { continue };
            suspicion.resume(pause, now);
            let deadline = suspicion.deadline();
            self.suspicions.insert((deadline, slot));
        }
    }

    /// Ends a suspicion that became certain; about whom, and the suspicion.
    pub(super) fn expired_suspicion(&mut self, now: Time) -> Option<(Slot, Box<Suspicion>)> {
        let &(deadline, slot) = self.suspicions.first()?;
        if deadline > now {
            return None;
        }
        self.suspicions.remove(&(deadline, slot));
        let suspicion = self.entry_mut(slot).and_then(|entry| entry.suspicion.take())?;
        Some((slot, suspicion))
    }

    /// Whose turn it is to be probed.
    pub(super) fn next_turn(&mut self) -> Turn {
        let Some(&slot) = self.order.get(self.next) else {
            return Turn::Over;
        };
        self.next += 1;
        Turn::Of(slot)
    }

    /// Begins the probe order anew: forgets the nodes gone for longer than `memory`, shuffles the others.
    pub(super) fn new_round(&mut self, memory: Duration, now: Time, rng: &mut Rng) {
        let order = std::mem::take(&mut self.order);
        let (kept, gone): (Vec<Slot>, Vec<Slot>) = order.into_iter().partition(|&slot| {
            let gone = self.node(slot).is_none_or(|node| node.state.is_gone());
            slot == OWN || !gone || self.unchanged_for(slot, now) <= memory
        });
        self.order = kept;
        for slot in gone {
            self.forget(slot);
        }
        rng.shuffle(&mut self.order);
        self.next = 0;
    }

    /// Up to `count` different nodes that `wanted` accepts, by up to three draws for each node known. Small pools are
    /// searched whole that way, almost surely.
    pub(super) fn pick(&self, count: usize, rng: &mut Rng, wanted: impl Fn(Slot, &Node) -> bool) -> Vec<Slot> {
        let mut picked = Vec::with_capacity(count.min(self.order.len()));
        for _ in 0..self.order.len().saturating_mul(3) {
            if picked.len() >= count {
                break;
            }
            let place = rng.below(self.order.len() as u64) as usize;
            if let Some(&slot) = self.order.get(place)
                && let Some(node) = self.node(slot)
                && !picked.contains(&slot)
                && wanted(slot, node)
            {
                picked.push(slot);
            }
        }
        picked
    }

    fn forget(&mut self, slot: Slot) {
        self.clear(slot);
        let Some(place) = (slot.0 as usize).checked_sub(1).and_then(|index| self.others.get_mut(index)) else {
            return;
        };
        if let Some(entry) = place.take() {
            self.named_by_address -= usize::from(entry.node.name.parse::<IpAddr>().is_ok());
            self.by_name.remove(&entry.node.name);
            self.free.push(slot);
        }
    }

    fn entry(&self, slot: Slot) -> Option<&Entry> {
        match slot.0.checked_sub(1) {
            None => Some(&self.own),
            Some(index) => self.others.get(index as usize)?.as_ref(),
        }
    }

    fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        match slot.0.checked_sub(1) {
            None => Some(&mut self.own),
            Some(index) => self.others.get_mut(index as usize)?.as_mut(),
        }
    }
}
