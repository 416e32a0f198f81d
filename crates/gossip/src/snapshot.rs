//! The snapshot file of a pool: who was alive and how far the clocks were, one record a line, so that a restarted agent
//! finds its pool again and does not act on old events (`docs/spec/gossip.md` §16). Text only; files are the driver's.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::SocketAddr;

/// A file shorter than this is never compacted, bytes.
const COMPACT_MIN_BYTES: u64 = 128 * 1024;
/// What one node that is alive may take of the file, bytes; the file is compacted at twice that.
const BYTES_PER_NODE: u64 = 128;

/// One line. Its `Display` is the line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotRecord {
    /// A node is alive.
    Alive {
        /// Its name.
        name: String,
        /// Where its gossip is.
        address: SocketAddr,
    },
    /// A node is not alive any more.
    NotAlive {
        /// Its name.
        name: String,
    },
    /// Last time seen on the members' clock.
    Clock(u64),
    /// Time of the last user event.
    EventClock(u64),
    /// Time of the last query.
    QueryClock(u64),
    /// This node left the pool.
    Leave,
}

impl fmt::Display for SnapshotRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotRecord::Alive { name, address } => write!(formatter, "alive: {name} {address}"),
            SnapshotRecord::NotAlive { name } => write!(formatter, "not-alive: {name}"),
            SnapshotRecord::Clock(time) => write!(formatter, "clock: {time}"),
            SnapshotRecord::EventClock(time) => write!(formatter, "event-clock: {time}"),
            SnapshotRecord::QueryClock(time) => write!(formatter, "query-clock: {time}"),
            SnapshotRecord::Leave => formatter.write_str("leave"),
        }
    }
}

impl SnapshotRecord {
    /// Reads a line. `None`: it says nothing (a comment, or what only old versions wrote).
    fn parse(line: &str) -> Result<Option<SnapshotRecord>, UnknownLine> {
        if line == "leave" {
            return Ok(Some(SnapshotRecord::Leave));
        }
        if line.starts_with('#') || line.starts_with("coordinate: ") {
            return Ok(None);
        }
        let (kind, rest) = line.split_once(": ").ok_or(UnknownLine)?;
        let time = || rest.parse::<u64>().map_err(|_| UnknownLine);
        let record = match kind {
            "alive" => {
                // Names may hold spaces.
                let (name, address) = rest.rsplit_once(' ').ok_or(UnknownLine)?;
                let address = address.parse().map_err(|_| UnknownLine)?;
                SnapshotRecord::Alive { name: name.to_owned(), address }
            }
            "not-alive" => SnapshotRecord::NotAlive { name: rest.to_owned() },
            "clock" => SnapshotRecord::Clock(time()?),
            "event-clock" => SnapshotRecord::EventClock(time()?),
            "query-clock" => SnapshotRecord::QueryClock(time()?),
            _ => return Err(UnknownLine),
        };
        Ok(Some(record))
    }
}

struct UnknownLine;

/// What a snapshot file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Nodes that were alive, by name.
    pub nodes: BTreeMap<String, SocketAddr>,
    /// The members' clock; 0 if the file says nothing.
    pub clock: u64,
    /// The clock of user events.
    pub event_clock: u64,
    /// The clock of queries.
    pub query_clock: u64,
}

impl Recovered {
    /// Replays the text of a file. Lines nobody understands are told in the log and skipped; a last line without its
    /// end was cut off and does not count. A node that left forgets what came before, unless it is to rejoin.
    pub fn parse(text: &str, rejoin_after_leave: bool) -> Recovered {
        let mut recovered = Recovered::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match SnapshotRecord::parse(line) {
                Ok(Some(SnapshotRecord::Leave)) if rejoin_after_leave => {}
                Ok(Some(SnapshotRecord::Leave)) => recovered = Recovered::default(),
                Ok(Some(record)) => recovered.apply(&record),
                Ok(None) => {}
                Err(UnknownLine) => {
                    tracing::warn!(target: "agent", line, "serf: Unrecognized snapshot line");
                }
            }
        }
        recovered
    }

    fn apply(&mut self, record: &SnapshotRecord) {
        match record {
            SnapshotRecord::Alive { name, address } => {
                self.nodes.insert(name.clone(), *address);
            }
            SnapshotRecord::NotAlive { name } => {
                self.nodes.remove(name);
            }
            SnapshotRecord::Clock(time) => self.clock = *time,
            SnapshotRecord::EventClock(time) => self.event_clock = *time,
            SnapshotRecord::QueryClock(time) => self.query_clock = *time,
            SnapshotRecord::Leave => {}
        }
    }

    /// The text of a file that says the same in the fewest lines.
    pub(crate) fn compacted(&self) -> String {
        let mut text = String::new();
        let alive = self.nodes.iter().map(|(name, &address)| SnapshotRecord::Alive { name: name.clone(), address });
        let clocks = [
            SnapshotRecord::Clock(self.clock),
            SnapshotRecord::EventClock(self.event_clock),
            SnapshotRecord::QueryClock(self.query_clock),
        ];
        for record in alive.chain(clocks) {
            // Writing to a string does not fail.
            let _ok = writeln!(text, "{record}");
        }
        text
    }
}

/// What the file holds while it is written: the driver asks it for each line, and when to write the file anew.
#[derive(Clone, Debug)]
pub struct Ledger {
    state: Recovered,
    rejoin_after_leave: bool,
    bytes: u64,
}

impl Ledger {
    /// A file that says `recovered` in `bytes` bytes.
    pub fn new(recovered: Recovered, bytes: u64, rejoin_after_leave: bool) -> Ledger {
        Ledger { state: recovered, rejoin_after_leave, bytes }
    }

    /// Takes in a record and answers the line to append, its end included.
    pub fn append(&mut self, record: &SnapshotRecord) -> String {
        if *record == SnapshotRecord::Leave && !self.rejoin_after_leave {
            self.state.nodes.clear();
        }
        self.state.apply(record);
        let line = format!("{record}\n");
        self.bytes += line.len() as u64;
        line
    }

    /// Whether the file has grown enough to be written anew.
    pub fn compaction_is_due(&self) -> bool {
        self.bytes > COMPACT_MIN_BYTES.max(2 * BYTES_PER_NODE * self.state.nodes.len() as u64)
    }

    /// The text to write anew; to be followed by [`Ledger::compacted`] once it stands in the file.
    pub fn compact(&self) -> String {
        self.state.compacted()
    }

    /// The file was written anew and is this long.
    pub fn compacted(&mut self, bytes: u64) {
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nodes(pairs: &[(&str, &str)]) -> BTreeMap<String, SocketAddr> {
        pairs.iter().map(|&(name, at)| (name.to_owned(), address(at))).collect()
    }

    #[test]
    fn records_are_read_as_they_are_written() {
        let records = [
            SnapshotRecord::Alive { name: "a b".into(), address: address("10.0.0.1:8301") },
            SnapshotRecord::Alive { name: "six".into(), address: address("[::1]:8301") },
            SnapshotRecord::NotAlive { name: "a b".into() },
            SnapshotRecord::Clock(7),
            SnapshotRecord::EventClock(8),
            SnapshotRecord::QueryClock(9),
        ];
        let lines = ["alive: a b 10.0.0.1:8301", "alive: six [::1]:8301", "not-alive: a b", "clock: 7"];
        let written: Vec<String> = records.iter().map(ToString::to_string).collect();
        assert_eq!(written[..4], lines);
        let text: String = written.iter().map(|line| format!("{line}\n")).collect();
        let recovered = Recovered::parse(&text, false);
        let nodes = nodes(&[("six", "[::1]:8301")]);
        assert_eq!(recovered, Recovered { nodes, clock: 7, event_clock: 8, query_clock: 9 });
        assert_eq!(Recovered::parse(&recovered.compacted(), false), recovered);
    }

    #[test]
    fn leaving_forgets_nodes_and_clocks_unless_the_node_rejoins() {
        let text = "alive: a 10.0.0.1:1\nclock: 5\nevent-clock: 6\nleave\nquery-clock: 3\n";
        assert_eq!(Recovered::parse(text, false), Recovered { query_clock: 3, ..Recovered::default() });
        let nodes = nodes(&[("a", "10.0.0.1:1")]);
        assert_eq!(Recovered::parse(text, true), Recovered { nodes, clock: 5, event_clock: 6, query_clock: 3 });
    }

    #[test]
    fn odd_lines_do_no_harm() {
        let text = "# comment\ncoordinate: {}\nnonsense\nalive: x\nalive: y nowhere\nclock: many\n\nclock: 4\nclock: 9";
        assert_eq!(Recovered::parse(text, false), Recovered { clock: 4, ..Recovered::default() });
    }

    #[test]
    fn a_file_is_compacted_once_it_is_much_longer_than_it_needs_to_be() {
        let mut ledger = Ledger::new(Recovered::default(), COMPACT_MIN_BYTES, false);
        assert!(!ledger.compaction_is_due());
        assert_eq!(ledger.append(&SnapshotRecord::Clock(1)), "clock: 1\n");
        assert!(ledger.compaction_is_due());
        let text = ledger.compact();
        assert_eq!(text, "clock: 1\nevent-clock: 0\nquery-clock: 0\n");
        ledger.compacted(text.len() as u64);
        assert!(!ledger.compaction_is_due());
    }

    #[test]
    fn a_ledger_forgets_nodes_when_the_node_leaves() {
        let alive = SnapshotRecord::Alive { name: "a".into(), address: address("10.0.0.1:1") };
        for (rejoin, kept) in [(false, 0), (true, 1)] {
            let mut ledger = Ledger::new(Recovered::default(), 0, rejoin);
            ledger.append(&alive);
            ledger.append(&SnapshotRecord::Leave);
            assert_eq!(ledger.state.nodes.len(), kept);
        }
    }
}
