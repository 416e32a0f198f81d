use std::time::Duration;

/// How well this node itself does (Lifeguard; `docs/spec/gossip.md` §6.3): an unwell node gives the others more time.
#[derive(Debug)]
pub(super) struct Health {
    score: u32,
    worst: u32,
}

impl Health {
    /// Well; the score stays below `limit`.
    pub(super) fn new(limit: u32) -> Health {
        Health { score: 0, worst: limit.saturating_sub(1) }
    }

    /// Something spoke for us.
    pub(super) fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// This much spoke against us.
    pub(super) fn worse(&mut self, by: u32) {
        self.score = self.score.saturating_add(by).min(self.worst);
    }

    pub(super) fn score(&self) -> u32 {
        self.score
    }

    /// The interval, stretched by the score.
    pub(super) fn scale(&self, interval: Duration) -> Duration {
        interval.saturating_mul(self.score + 1)
    }
}
