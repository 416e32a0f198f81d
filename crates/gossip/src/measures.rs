//! What the core counts for the pool's metrics (`docs/spec/gossip.md` §18.12): plain numbers, which whoever drives it
//! takes out after each input. One that nobody takes out stays small.

use std::time::Duration;

/// Values of one kind that are kept until they are taken out; further ones are not.
const SERIES_MAX: usize = 512;
/// The same for names of queries.
const NAMES_MAX: usize = 64;

/// What was counted since it was last taken out.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Measures {
    pub(crate) memberlist: MemberlistMeasures,
    pub(crate) serf: SerfMeasures,
}

/// What the membership layer counted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct MemberlistMeasures {
    /// Messages that changed what is believed of a node.
    pub(crate) alive: u64,
    pub(crate) suspect: u64,
    pub(crate) dead: u64,
    /// Probes that took longer because we are unwell.
    pub(crate) degraded_probes: u64,
    /// Suspicions that ran out before enough others confirmed them.
    pub(crate) degraded_timeouts: u64,
    /// Rounds of gossip.
    pub(crate) gossip_rounds: u64,
    /// Bytes of our state as it was last sent, before it was compressed.
    pub(crate) local_size: Option<usize>,
    /// The same of others' states.
    pub(crate) remote_sizes: Series,
    /// Milliseconds each probe took.
    pub(crate) probes: Series,
    /// Milliseconds each exchange of state took that we began.
    pub(crate) push_pulls: Series,
}

/// What the event layer counted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct SerfMeasures {
    /// Bytes of each message that came in, and of each that was passed on.
    pub(crate) received: Series,
    pub(crate) sent: Series,
    /// Names of queries seen for the first time.
    pub(crate) queries: Names,
    /// Acknowledgements and answers to queries of ours, and those that came once more.
    pub(crate) acks: u64,
    pub(crate) duplicate_acks: u64,
    pub(crate) responses: u64,
    pub(crate) duplicate_responses: u64,
    /// Members that failed and were back soon.
    pub(crate) flaps: u64,
    /// Milliseconds by which each round trip moved our coordinate.
    pub(crate) adjustments: Series,
    /// Coordinates and round trips that could not be used.
    pub(crate) rejected_coordinates: u64,
    /// Round trips that took no time at all.
    pub(crate) zero_rtts: u64,
}

/// Values in the order they came.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        if self.0.len() < SERIES_MAX {
            self.0.push(value);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }
}

/// Names in the order they came, the same one more than once.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Names(Vec<String>);

impl Names {
    pub(crate) fn push(&mut self, name: &str) {
        if self.0.len() < NAMES_MAX {
            self.0.push(name.to_owned());
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What a pool is at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) health_score: u32,
    /// Messages of the membership layer that wait to be passed on.
    pub(crate) broadcasts: usize,
    /// The same of the event layer.
    pub(crate) intents: usize,
    pub(crate) events: usize,
    pub(crate) queries: usize,
    /// Nodes the membership layer knows, by what it believes of them.
    pub(crate) alive: usize,
    pub(crate) suspect: usize,
    pub(crate) dead: usize,
    pub(crate) left: usize,
}

/// A time as metrics have it.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_out_stays_small() {
        let (mut series, mut names) = (Series::default(), Names::default());
        for n in 0..10_000 {
            series.push(f64::from(n));
            names.push("n");
        }
        assert_eq!((series.iter().count(), names.iter().count()), (SERIES_MAX, NAMES_MAX));
        assert_eq!(series.iter().next(), Some(0.0));
    }

    #[test]
    fn times_are_milliseconds() {
        assert_eq!(millis(Duration::from_micros(1500)), 1.5);
    }
}
