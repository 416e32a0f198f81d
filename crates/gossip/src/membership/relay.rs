use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::Time;

/// Pings made for others at one time. Further requests are not served, so that nobody can fill our memory with them.
const MAX_RELAYS: usize = 4096;

/// Pings made for others, and until when each waits for its answer.
#[derive(Debug, Default)]
pub(super) struct Relays {
    by_sequence: HashMap<u32, Relay>,
    /// In the order of their ends: all wait equally long. Those that were answered are still in it.
    ends: VecDeque<(Time, u32)>,
}

/// One ping made for another node.
#[derive(Debug)]
pub(super) struct Relay {
    /// The other's number of it.
    pub(super) sequence: u32,
    /// Where to report.
    pub(super) to: SocketAddr,
    /// Whether the other wants to hear when there is no answer.
    pub(super) nack: bool,
}

impl Relays {
    /// Notes a ping, by our number of it, that waits until `end`. False when there are too many.
    pub(super) fn insert(&mut self, own_sequence: u32, relay: Relay, end: Time) -> bool {
        if self.ends.len() >= MAX_RELAYS {
            return false;
        }
        self.by_sequence.insert(own_sequence, relay);
        self.ends.push_back((end, own_sequence));
        true
    }

    /// Takes the ping that was answered.
    pub(super) fn answered(&mut self, own_sequence: u32) -> Option<Relay> {
        self.by_sequence.remove(&own_sequence)
    }

    /// When the next one ends; it may have been answered since.
    pub(super) fn due(&self) -> Option<Time> {
        self.ends.front().map(|&(end, _)| end)
    }

    /// Takes a ping that was not answered in time.
    pub(super) fn expired(&mut self, now: Time) -> Option<Relay> {
        while let Some(&(end, own_sequence)) = self.ends.front()
            && end <= now
        {
            self.ends.pop_front();
            if let Some(relay) = self.by_sequence.remove(&own_sequence) {
                return Some(relay);
            }
        }
        None
    }
}
