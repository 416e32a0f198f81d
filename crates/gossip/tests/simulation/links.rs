//! The network between the nodes: how long what is sent takes, and whether it arrives.

use std::collections::HashMap;
use std::time::Duration;

use crate::random::Random;

/// First wait before a lost segment of a stream is sent again; it doubles.
const RESEND_PAUSE: f64 = 0.2;
/// A stream that loses a segment so often is given up.
const RESENDS_MAX: u32 = 6;

pub(crate) struct Links {
    /// Shortest and longest way of a packet, seconds.
    pub(crate) delay: (f64, f64),
    /// Probability that a packet is lost.
    pub(crate) loss: f64,
    /// Probability that a reply on a stream does not arrive.
    pub(crate) broken_replies: f64,
    /// Part of the network each node is in; nodes that are not listed are together.
    parts: HashMap<usize, u32>,
}

impl Links {
    pub(crate) fn new() -> Links {
        Links { delay: (0.000_5, 0.003), loss: 0.0, broken_replies: 0.0, parts: HashMap::new() }
    }

    /// Cuts these nodes off from all others, but not from each other.
    pub(crate) fn cut_off(&mut self, nodes: impl IntoIterator<Item = usize>) {
        let part = self.parts.values().copied().max().unwrap_or(0) + 1;
        self.parts.extend(nodes.into_iter().map(|node| (node, part)));
    }

    /// Makes the network whole.
    pub(crate) fn heal(&mut self) {
        self.parts.clear();
    }

    pub(crate) fn connected(&self, a: usize, b: usize) -> bool {
        self.parts.get(&a) == self.parts.get(&b)
    }

    /// How long a packet takes, if it arrives.
    pub(crate) fn packet(&self, from: usize, to: usize, random: &mut Random) -> Option<Duration> {
        let arrives = self.connected(from, to) && !random.happens(self.loss);
        arrives.then(|| self.way(random))
    }

    /// How long so many ways of a stream take, losses included; none: it never gets through.
    pub(crate) fn stream(&self, ways: u32, random: &mut Random) -> Option<Duration> {
        let mut total = Duration::ZERO;
        for _ in 0..ways {
            let mut losses = 0;
            while random.happens(self.loss) {
                total += Duration::from_secs_f64(RESEND_PAUSE * f64::from(1 << losses));
                losses += 1;
                if losses == RESENDS_MAX {
                    return None;
                }
            }
            total += self.way(random);
        }
        Some(total)
    }

    fn way(&self, random: &mut Random) -> Duration {
        Duration::from_secs_f64(random.between(self.delay.0, self.delay.1))
    }
}
