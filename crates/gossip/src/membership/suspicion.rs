use std::time::Duration;

use super::Time;

/// A running suspicion (`docs/spec/gossip.md` §6.4): it ends early when others share it.
#[derive(Debug)]
pub(super) struct Suspicion {
    wanted: u32,
    shortest: Duration,
    longest: Duration,
    started: Time,
    /// Who suspects: the first, and those that confirmed it.
    suspectors: Vec<Box<str>>,
}

impl Suspicion {
    /// One that `from` began and `wanted` others should confirm; with none wanted it takes the shortest time.
    pub(super) fn new(from: &str, wanted: u32, shortest: Duration, longest: Duration, now: Time) -> Suspicion {
        Suspicion { wanted, shortest, longest, started: now, suspectors: vec![Box::from(from)] }
    }

    /// Notes that `from` suspects too; whether that is news.
    pub(super) fn confirm(&mut self, from: &str) -> bool {
        if self.confirmations() >= self.wanted || self.suspectors.iter().any(|known| **known == *from) {
            return false;
        }
        self.suspectors.push(Box::from(from));
        true
    }

    /// How many confirmed it.
    pub(super) fn confirmations(&self) -> u32 {
        self.suspectors.len().saturating_sub(1) as u32
    }

    /// We stood still for so long up to now, and could not hear it refuted: its time goes on as if that had not been.
    pub(super) fn resume(&mut self, pause: Duration, now: Time) {
        self.started += pause.min(now.saturating_sub(self.started));
    }

    /// Whether fewer confirmed it than should have.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.confirmations() < self.wanted
    }

    /// When it becomes certain.
    pub(super) fn deadline(&self) -> Time {
        self.started + timeout(self.confirmations(), self.wanted, self.shortest, self.longest)
    }
}

/// The shortest suspicion in a pool of `nodes`.
pub(super) fn shortest(mult: u32, nodes: usize, probe_interval: Duration) -> Duration {
    let scale = (nodes.max(1) as f64).log10().max(1.0);
    probe_interval.saturating_mul(mult).saturating_mul((scale * 1000.0) as u32) / 1000
}

/// How many confirmations to expect in a pool of `nodes`: two less than the multiplier, none if there are too few.
pub(super) fn wanted(mult: u32, nodes: usize) -> u32 {
    let wanted = mult.saturating_sub(2);
    if nodes.saturating_sub(2) < wanted as usize { 0 } else { wanted }
}

fn timeout(confirmations: u32, wanted: u32, shortest: Duration, longest: Duration) -> Duration {
    if wanted == 0 {
        return shortest;
    }
    let share = f64::from(confirmations + 1).ln() / f64::from(wanted + 1).ln();
    let seconds = longest.as_secs_f64() - share * (longest.as_secs_f64() - shortest.as_secs_f64());
    Duration::from_millis((seconds * 1000.0).floor() as u64).max(shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_shortest_time_grows_with_the_pool() {
        // Nodes, LAN, WAN: the table of docs/spec/gossip.md §6.4.
        let rows = [
            (0, 4_000, 30_000),
            (1, 4_000, 30_000),
            (10, 4_000, 30_000),
            (50, 6_792, 50_940),
            (100, 8_000, 60_000),
            (10_000, 16_000, 120_000),
        ];
        for (nodes, lan, wan) in rows {
            assert_eq!(shortest(4, nodes, ms(1_000)), ms(lan), "{nodes} nodes");
            assert_eq!(shortest(6, nodes, ms(5_000)), ms(wan), "{nodes} nodes");
        }
    }

    #[test]
    fn each_confirmation_shortens_it() {
        // Confirmations, wanted, shortest, longest, timeout: the examples of §6.4.
        let rows = [
            (0, 2, 4_000, 24_000, 24_000),
            (1, 2, 4_000, 24_000, 11_381),
            (2, 2, 4_000, 24_000, 4_000),
            (0, 4, 30_000, 180_000, 180_000),
            (1, 4, 30_000, 180_000, 115_398),
            (2, 4, 30_000, 180_000, 77_609),
            (3, 4, 30_000, 180_000, 50_797),
            (4, 4, 30_000, 180_000, 30_000),
            (1, 3, 2_000, 30_000, 16_000),
            (2, 3, 2_000, 30_000, 7_810),
            (0, 0, 4_000, 24_000, 4_000),
        ];
        for (confirmations, wanted, min, max, expected) in rows {
            assert_eq!(timeout(confirmations, wanted, ms(min), ms(max)), ms(expected), "{confirmations} of {wanted}");
        }
    }

    #[test]
    fn small_pools_wait_for_nobody() {
        for (nodes, expected) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 2), (5, 2), (1_000, 2)] {
            assert_eq!(wanted(4, nodes), expected, "{nodes} nodes");
        }
        assert_eq!(wanted(6, 5), 0);
        assert_eq!(wanted(6, 6), 4);
        assert_eq!(wanted(1, 100), 0);
    }

    #[test]
    fn a_suspector_counts_once_and_only_so_many_count() {
        let mut suspicion = Suspicion::new("a", 2, ms(4_000), ms(24_000), ms(500));
        assert_eq!(suspicion.deadline(), ms(24_500));
        assert!(!suspicion.confirm("a"), "the first suspector confirms nothing");
        assert!(suspicion.confirm("b"));
        assert!(!suspicion.confirm("b"));
        assert_eq!(suspicion.deadline(), ms(11_881));
        assert!(suspicion.confirm("c"));
        assert!(!suspicion.confirm("d"), "two were wanted");
        assert_eq!(suspicion.confirmations(), 2);
        assert_eq!(suspicion.deadline(), ms(4_500));
    }
}
