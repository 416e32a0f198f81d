//! The transmit-limited queue (`docs/spec/gossip.md` §7.1): every message is sent a number of times that grows with the
//! logarithm of the pool, fresh ones first. The membership layer has one, the event layer three.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

/// Messages waiting to be sent, or sent too rarely yet.
#[derive(Debug)]
pub(crate) struct TransmitQueue {
    retransmit_mult: u32,
    next_id: u64,
    items: BTreeMap<Rank, Item>,
    by_key: HashMap<Arc<str>, Rank>,
    finished: Vec<u64>,
}

/// The order in which messages are sent: fewest transmits, then longest, then newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    transmits: u32,
    length: Reverse<usize>,
    id: Reverse<u64>,
}

#[derive(Debug)]
struct Item {
    message: Bytes,
    key: Option<Arc<str>>,
    ticket: Option<u64>,
}

impl TransmitQueue {
    /// An empty queue whose messages are sent `retransmit_mult` × ⌈log10(nodes + 1)⌉ times.
    pub(crate) fn new(retransmit_mult: u32) -> TransmitQueue {
        TransmitQueue {
            retransmit_mult,
            next_id: 0,
            items: BTreeMap::new(),
            by_key: HashMap::new(),
            finished: Vec::new(),
        }
    }

    /// Adds a message. One with a key takes the place of the one with the same key. Its ticket comes back by
    /// [`Self::finished`] when it was sent often enough, replaced or pruned.
    pub(crate) fn push(&mut self, key: Option<Arc<str>>, message: Bytes, ticket: Option<u64>) {
        if let Some(key) = &key
            && let Some(rank) = self.by_key.get(key).copied()
        {
            self.drop_item(rank);
        }
        self.next_id += 1;
        let rank = Rank { transmits: 0, length: Reverse(message.len()), id: Reverse(self.next_id) };
        self.insert(rank, Item { message, key, ticket });
    }

    /// Takes what to send in one packet with `limit_bytes` of room, where each message costs `overhead_per_item` more
    /// than its length; counts it as sent. `nodes` is the size of the pool.
    pub(crate) fn take(&mut self, overhead_per_item: usize, limit_bytes: usize, nodes: usize) -> Vec<Bytes> {
        let mut taken = Vec::new();
        if self.items.is_empty() {
            return taken;
        }
        let transmit_limit = self.retransmit_mult.saturating_mul(decades(nodes));
        let mut used = 0;
        let mut tier = 0;
        let mut sent_again_later = Vec::new();
        while let Some(free) = limit_bytes.checked_sub(used + overhead_per_item).filter(|&free| free > 0) {
            let from = Rank { transmits: tier, length: Reverse(free), id: Reverse(u64::MAX) };
            let Some((&rank, _)) = self.items.range(from..).next() else {
                break;
            };
            if rank.transmits > tier {
                // Nothing in this tier fits. The next one starts with its longest, which need not fit either.
                tier = rank.transmits;
                continue;
            }
            let Some(item) = self.items.remove(&rank) else {
                break;
            };
            used += overhead_per_item + item.message.len();
            taken.push(item.message.clone());
            if rank.transmits + 1 >= transmit_limit {
                self.finish(item);
            } else {
                sent_again_later.push((Rank { transmits: rank.transmits + 1, ..rank }, item));
            }
        }
        for (rank, item) in sent_again_later {
            self.insert(rank, item);
        }
        taken
    }

    /// The tickets of messages that left the queue since the last call.
    pub(crate) fn finished(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.finished)
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Drops messages until `max` are left: those sent most often first, of those the shortest, of those the oldest.
    pub(crate) fn prune(&mut self, max: usize) {
        while self.items.len() > max
            && let Some((_, item)) = self.items.pop_last()
        {
            self.finish(item);
        }
    }

    fn insert(&mut self, rank: Rank, item: Item) {
        if let Some(key) = &item.key {
            self.by_key.insert(key.clone(), rank);
        }
        self.items.insert(rank, item);
    }

    fn drop_item(&mut self, rank: Rank) {
        if let Some(item) = self.items.remove(&rank) {
            self.finish(item);
        }
    }

    fn finish(&mut self, item: Item) {
        if let Some(key) = &item.key {
            self.by_key.remove(key);
        }
        self.finished.extend(item.ticket);
    }
}

/// ⌈log10(nodes + 1)⌉.
fn decades(nodes: usize) -> u32 {
    nodes.checked_ilog10().map_or(0, |digits| digits + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs of a message beyond its length, in these tests.
    const OVERHEAD: usize = 2;
    const ROOM: usize = 1400;

    fn message(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn queue(messages: &[&str]) -> TransmitQueue {
        let mut queue = TransmitQueue::new(4);
        for text in messages {
            queue.push(None, message(text), None);
        }
        queue
    }

    fn key(name: &str) -> Option<Arc<str>> {
        Some(Arc::from(name))
    }

    #[test]
    fn the_number_of_sends_grows_with_the_pool() {
        for (nodes, sends) in [(0, 1), (1, 4), (9, 4), (10, 8), (99, 8), (100, 12), (999, 12), (1000, 16)] {
            let mut queue = queue(&["x"]);
            let sent = (0..100).filter(|_| !queue.take(OVERHEAD, ROOM, nodes).is_empty()).count();
            assert_eq!(sent, sends, "{nodes} nodes");
            assert_eq!(queue.len(), 0);
        }
    }

    #[test]
    fn fresh_messages_go_first_then_long_ones_then_new_ones() {
        let mut queue = queue(&["old"]);
        assert_eq!(queue.take(OVERHEAD, ROOM, 1), ["old"]);
        for text in ["aaa", "longer", "bbb"] {
            queue.push(None, message(text), None);
        }
        assert_eq!(queue.take(OVERHEAD, ROOM, 1), ["longer", "bbb", "aaa", "old"]);
    }

    #[test]
    fn what_does_not_fit_gives_way_to_the_longest_that_does() {
        let mut queue = queue(&["1", "22", "4444", "55555"]);
        // Room for 5 + 2 and 1 + 2 bytes.
        assert_eq!(queue.take(OVERHEAD, 10, 1), ["55555", "1"]);
        assert_eq!(queue.take(OVERHEAD, 2, 1), [""; 0]);
        assert_eq!(queue.take(OVERHEAD, 8, 1), ["4444"]);
        // The fresh one is first though it is short; then the longest that fits of those sent once.
        assert_eq!(queue.take(OVERHEAD, 10, 1), ["22", "4444"]);
    }

    #[test]
    fn a_message_is_not_taken_twice_for_one_packet() {
        let mut queue = queue(&["x"]);
        assert_eq!(queue.take(OVERHEAD, ROOM, 1), ["x"]);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_key_holds_one_message() {
        let mut queue = TransmitQueue::new(4);
        queue.push(key("a"), message("first"), Some(1));
        queue.push(key("b"), message("other"), Some(2));
        queue.take(OVERHEAD, ROOM, 1);
        queue.push(key("a"), message("second"), Some(3));
        assert_eq!(queue.finished(), [1]);
        assert_eq!(queue.finished(), [0; 0]);
        assert_eq!(queue.take(OVERHEAD, ROOM, 1), ["second", "other"]);
        assert_eq!(queue.len(), 2);
        while queue.len() > 0 {
            queue.take(OVERHEAD, ROOM, 1);
        }
        assert_eq!(queue.finished(), [2, 3]);
        queue.push(key("a"), message("third"), None);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn pruning_drops_what_was_sent_most_then_the_shortest_then_the_oldest() {
        let mut queue = TransmitQueue::new(4);
        queue.push(None, message("sent before"), Some(1));
        queue.take(OVERHEAD, ROOM, 1);
        for (ticket, text) in [(2, "aa"), (3, "bb"), (4, "long")] {
            queue.push(None, message(text), Some(ticket));
        }
        queue.prune(4);
        assert_eq!(queue.finished(), [0; 0]);
        queue.prune(2);
        assert_eq!(queue.finished(), [1, 2]);
        queue.prune(0);
        assert_eq!(queue.finished(), [3, 4]);
        assert_eq!(queue.take(OVERHEAD, ROOM, 1).len(), 0);
    }
}
