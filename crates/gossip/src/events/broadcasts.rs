//! The event layer's three queues: intents go before queries, and those before events (`docs/spec/gossip.md` §7, §10).

use bytes::Bytes;

use crate::log::Log;
use crate::membership::Profile;
use crate::queue::TransmitQueue;

/// A message that somebody waits for until it was sent often enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticket(u64);

/// Which queue a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Intents,
    Queries,
    Events,
}

impl Lane {
    /// As log lines have it.
    fn name(self) -> &'static str {
        match self {
            Lane::Intents => "Intent",
            Lane::Queries => "Query",
            Lane::Events => "Event",
        }
    }
}

/// Messages to be passed on.
#[derive(Debug)]
pub(super) struct Broadcasts {
    intents: TransmitQueue,
    queries: TransmitQueue,
    events: TransmitQueue,
    min_depth: usize,
    /// Queues longer than this are warned of.
    warning: usize,
    log: Log,
    next_ticket: u64,
}

/// How many messages wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depths {
    pub(crate) intents: usize,
    pub(crate) queries: usize,
    pub(crate) events: usize,
}

impl Broadcasts {
    pub(super) fn new(profile: &Profile, log: Log) -> Broadcasts {
        let queue = || TransmitQueue::new(profile.retransmit_mult);
        let (intents, queries, events) = (queue(), queue(), queue());
        let (min_depth, warning) = (profile.min_queue_depth, profile.queue_warning);
        Broadcasts { intents, queries, events, min_depth, warning, log, next_ticket: 0 }
    }

    /// Adds a message. Between checks a queue may grow to twice its depth, and no further.
    pub(super) fn push(&mut self, lane: Lane, message: Vec<u8>, members: usize) {
        let (max, log) = (self.depth_max(members), self.log);
        let queue = self.lane(lane);
        queue.push(None, message.into(), None);
        if queue.len() > max.saturating_mul(2) {
            prune(lane, queue, max, log);
        }
    }

    /// Adds an intent; [`Broadcasts::finished`] tells when it is out.
    pub(super) fn push_with_ticket(&mut self, message: Vec<u8>) -> Ticket {
        self.next_ticket += 1;
        self.intents.push(None, message.into(), Some(self.next_ticket));
        Ticket(self.next_ticket)
    }

    /// The tickets of messages that are out since the last call.
    pub(super) fn finished(&mut self) -> Vec<Ticket> {
        self.intents.finished().into_iter().map(Ticket).collect()
    }

    /// Messages that fit into `limit` bytes, where each costs its length and `overhead`.
    pub(super) fn take(&mut self, overhead: usize, limit: usize, members: usize) -> Vec<Bytes> {
        let mut left = limit;
        let mut taken = Vec::new();
        for queue in [&mut self.intents, &mut self.queries, &mut self.events] {
            let fitting = queue.take(overhead, left, members);
            let used: usize = fitting.iter().map(|message| message.len() + overhead).sum();
            left = left.saturating_sub(used);
            taken.extend(fitting);
        }
        taken
    }

    /// Warns of long queues, and drops what is more than they may hold.
    pub(super) fn check(&mut self, members: usize) {
        let (max, warning, log) = (self.depth_max(members), self.warning, self.log);
        for lane in [Lane::Intents, Lane::Events, Lane::Queries] {
            let queue = self.lane(lane);
            if queue.len() >= warning {
                log.warn(format_args!("serf: {} queue depth: {}", lane.name(), queue.len()));
            }
            if queue.len() > max {
                prune(lane, queue, max, log);
            }
        }
    }

    pub(super) fn depths(&self) -> Depths {
        Depths { intents: self.intents.len(), queries: self.queries.len(), events: self.events.len() }
    }

    fn depth_max(&self, members: usize) -> usize {
        self.min_depth.max(members.saturating_mul(2))
    }

    fn lane(&mut self, lane: Lane) -> &mut TransmitQueue {
        match lane {
            Lane::Intents => &mut self.intents,
            Lane::Queries => &mut self.queries,
            Lane::Events => &mut self.events,
        }
    }
}

fn prune(lane: Lane, queue: &mut TransmitQueue, max: usize, log: Log) {
    let (name, depth) = (lane.name(), queue.len());
    log.warn(format_args!("serf: {name} queue depth ({depth}) exceeds limit ({max}), dropping messages!"));
    queue.prune(max);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Logs;

    fn broadcasts(min_queue_depth: usize) -> Broadcasts {
        Broadcasts::new(&Profile { min_queue_depth, ..Profile::lan() }, Logs::default().serf)
    }

    #[test]
    fn intents_go_first_then_queries_then_events() {
        let mut broadcasts = broadcasts(10);
        broadcasts.push(Lane::Events, vec![3; 10], 3);
        broadcasts.push(Lane::Queries, vec![4; 10], 3);
        broadcasts.push(Lane::Intents, vec![1; 10], 3);
        let first = |taken: Vec<Bytes>| -> Vec<u8> { taken.iter().map(|message| message[0]).collect() };
        assert_eq!(first(broadcasts.take(3, 39, 3)), [1, 4, 3]);
        assert_eq!(first(broadcasts.take(3, 30, 3)), [1, 4]);
        assert_eq!(first(broadcasts.take(3, 13, 3)), [1]);
        assert!(broadcasts.take(3, 12, 3).is_empty());
    }

    #[test]
    fn a_ticket_comes_back_once_the_message_is_out() {
        let mut broadcasts = broadcasts(10);
        let ticket = broadcasts.push_with_ticket(vec![0; 10]);
        for _ in 0..3 {
            assert_eq!(broadcasts.take(3, 100, 3).len(), 1);
            assert!(broadcasts.finished().is_empty());
        }
        assert_eq!(broadcasts.take(3, 100, 3).len(), 1);
        assert_eq!(broadcasts.finished(), [ticket]);
        assert!(broadcasts.take(3, 100, 3).is_empty());
    }

    #[test]
    fn queues_keep_to_their_depth() {
        let mut broadcasts = broadcasts(4);
        for n in 0..8 {
            broadcasts.push(Lane::Intents, vec![n], 1);
        }
        assert_eq!(broadcasts.depths(), Depths { intents: 8, queries: 0, events: 0 });
        broadcasts.push(Lane::Intents, vec![9], 1);
        assert_eq!(broadcasts.depths().intents, 4);
        for n in 0..6 {
            broadcasts.push(Lane::Events, vec![n], 3);
        }
        broadcasts.check(3);
        assert_eq!(broadcasts.depths().events, 6);
        broadcasts.check(1);
        assert_eq!(broadcasts.depths().events, 4);
    }
}
