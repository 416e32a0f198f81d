//! Lamport clocks (`docs/spec/gossip.md` §11.2).

/// A logical clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LamportClock(u64);

impl LamportClock {
    /// A clock as it stands once a pool runs.
    pub(super) fn started() -> LamportClock {
        LamportClock(1)
    }

    /// What it shows.
    pub(super) fn time(self) -> u64 {
        self.0
    }

    /// Moves on by one.
    pub(super) fn increment(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// Moves past a time someone else has seen.
    pub(super) fn witness(&mut self, seen: u64) {
        if seen >= self.0 {
            self.0 = seen.saturating_add(1);
        }
    }
}

/// The clocks of one pool.
#[derive(Debug)]
pub(super) struct Clocks {
    pub(super) member: LamportClock,
    pub(super) event: LamportClock,
    pub(super) query: LamportClock,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn witnessing_moves_past_what_was_seen_and_never_back() {
        let mut clock = LamportClock::started();
        for (seen, shows) in [(0, 1), (1, 2), (41, 42), (3, 42), (42, 43), (u64::MAX, u64::MAX)] {
            clock.witness(seen);
            assert_eq!(clock.time(), shows, "after {seen}");
        }
        clock.increment();
        assert_eq!(clock.time(), u64::MAX);
    }
}
