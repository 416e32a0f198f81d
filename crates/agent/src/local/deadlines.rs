//! Moments by name, the earliest first. No clock: the caller says what time it is.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

/// At most one moment for each name.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    by_name: BTreeMap<String, Instant>,
    by_time: BTreeSet<(Instant, String)>,
}

impl Deadlines {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, name: &str, at: Instant) {
        self.remove(name);
        self.by_name.insert(name.to_owned(), at);
        self.by_time.insert((at, name.to_owned()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some((name, at)) = self.by_name.remove_entry(name) {
            self.by_time.remove(&(at, name));
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The earliest one.
    pub(super) fn first(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out what is due, in order of time.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        while self.first().is_some_and(|at| at <= now)
            && let Some((_, name)) = self.by_time.pop_first()
        {
            self.by_name.remove(&name);
            due.push(name);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_comes_out_once_and_in_order() {
        let now = Instant::now();
        let after = |secs| now + Duration::from_secs(secs);
        let mut deadlines = Deadlines::default();
        for (name, secs) in [("c", 3), ("a", 9), ("b", 2), ("gone", 1)] {
            deadlines.set(name, after(secs));
        }
        deadlines.set("a", after(1));
        deadlines.remove("gone");
        assert_eq!(deadlines.first(), Some(after(1)));
        assert_eq!(deadlines.take_due(after(2)), ["a", "b"]);
        assert!(deadlines.contains("c") && !deadlines.contains("a"));
        assert!(deadlines.take_due(after(2)).is_empty());
    }
}
