//! Times to live of services (`docs/spec/dns.md` §13).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Whole seconds, as records carry them.
pub(crate) fn seconds(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX)
}

/// Times to live by service name: exact names before prefixes, longer prefixes before shorter ones.
#[derive(Debug, Default)]
pub(crate) struct TtlTable {
    exact: HashMap<String, u32>,
    /// The longest first.
    prefixes: Vec<(String, u32)>,
}

impl TtlTable {
    /// Keys that end in `*` are prefixes.
    pub(crate) fn new(ttls: &BTreeMap<String, Duration>) -> TtlTable {
        let mut table = TtlTable::default();
        for (key, &ttl) in ttls {
            match key.strip_suffix('*') {
                Some(prefix) => table.prefixes.push((prefix.to_owned(), seconds(ttl))),
                None => {
                    table.exact.insert(key.clone(), seconds(ttl));
                }
            }
        }
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        table
    }

    /// The time to live of a service, compared with case; 0 when none is set.
    pub(crate) fn of(&self, service: &str) -> u32 {
        if let Some(&ttl) = self.exact.get(service) {
            return ttl;
        }
        self.prefixes.iter().find(|(prefix, _)| service.starts_with(prefix)).map_or(0, |(_, ttl)| *ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_then_the_longest_prefix() {
        let ttls = [("d*", 42), ("db", 10), ("db*", 66), ("*", 5), ("Mixed", 77)];
        let ttls = ttls.map(|(key, ttl)| (key.to_owned(), Duration::from_secs(ttl))).into();
        let table = TtlTable::new(&ttls);
        for (service, want) in
            [("db", 10), ("dblb", 66), ("dk", 42), ("d", 42), ("api", 5), ("mixed", 5), ("Mixed", 77)]
        {
            assert_eq!(table.of(service), want, "{service}");
        }
        assert_eq!(TtlTable::default().of("db"), 0);
    }

    #[test]
    fn fractions_are_cut() {
        assert_eq!(seconds(Duration::from_millis(1999)), 1);
        assert_eq!(seconds(Duration::MAX), u32::MAX);
    }
}
