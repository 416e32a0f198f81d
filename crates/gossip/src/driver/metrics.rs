//! What the driver counts, and what the core has counted, as metrics (`docs/spec/gossip.md` §18.12).

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::metrics::{self, Counter, Gauge, Sample};

use crate::measures::{Figures, Measures, MemberlistMeasures, SerfMeasures, Series, millis};
use crate::{Event, MemberEvent};

/// Events and queries that are counted by their names too, in the whole process. Names come from anyone in the pool: of
/// further ones, and of longer ones, only the sum is counted.
const NAMES_MAX: usize = 512;
const NAME_MAX_BYTES: usize = 64;

/// Names of metrics that were not known when this was compiled. They live as long as the process.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Handles of one pool's metrics.
pub(super) struct Metrics {
    pub(super) tcp_accept: Counter,
    pub(super) tcp_connect: Counter,
    pub(super) tcp_sent: Counter,
    pub(super) udp_sent: Counter,
    pub(super) udp_received: Counter,
    pub(super) snapshot_append: Sample,
    pub(super) snapshot_compact: Sample,
    memberlist: Memberlist,
    serf: Serf,
}

/// Those of the membership layer.
struct Memberlist {
    alive: Counter,
    suspect: Counter,
    dead: Counter,
    degraded_probes: Counter,
    degraded_timeouts: Counter,
    probes: Sample,
    gossip: Sample,
    push_pulls: Sample,
    local_size: Gauge,
    remote_sizes: Sample,
    health_score: Gauge,
    broadcasts: Sample,
    nodes_alive: Gauge,
    nodes_suspect: Gauge,
    nodes_dead: Gauge,
    nodes_left: Gauge,
}

/// Those of the event layer.
struct Serf {
    joined: Counter,
    left: Counter,
    failed: Counter,
    updated: Counter,
    flaps: Counter,
    events: Named,
    queries: Named,
    acks: Counter,
    duplicate_acks: Counter,
    responses: Counter,
    duplicate_responses: Counter,
    sent: Sample,
    received: Sample,
    adjustments: Sample,
    rejected_coordinates: Counter,
    zero_rtts: Counter,
    intent_queue: Sample,
    event_queue: Sample,
    query_queue: Sample,
}

impl Metrics {
    pub(super) fn new(pool: &'static str) -> Metrics {
        let counter = |name| metrics::counter_with(name, &[("network", pool)]);
        let sample = |name| metrics::sample_with(name, &[("network", pool)]);
        Metrics {
            tcp_accept: counter("memberlist.tcp.accept"),
            tcp_connect: counter("memberlist.tcp.connect"),
            tcp_sent: counter("memberlist.tcp.sent"),
            udp_sent: counter("memberlist.udp.sent"),
            udp_received: counter("memberlist.udp.received"),
            snapshot_append: sample("serf.snapshot.appendLine"),
            snapshot_compact: sample("serf.snapshot.compact"),
            memberlist: Memberlist::new(pool),
            serf: Serf::new(pool),
        }
    }

    /// Counts what is told to those who listen.
    pub(super) fn count(&self, event: &Event) {
        match event {
            Event::Member { kind: MemberEvent::Joined, .. } => self.serf.joined.one(),
            Event::Member { kind: MemberEvent::Left, .. } => self.serf.left.one(),
            Event::Member { kind: MemberEvent::Failed, .. } => self.serf.failed.one(),
            Event::Member { kind: MemberEvent::Updated, .. } => self.serf.updated.one(),
            Event::User { name, .. } => self.serf.events.one(name),
            Event::Member { kind: MemberEvent::Reaped, .. } | Event::Lagged(_) => {}
        }
    }

    /// Adds what the core counted while it handled one input, which took it so long.
    pub(super) fn add(&self, measures: &Measures, took: Duration) {
        self.memberlist.add(&measures.memberlist, took);
        self.serf.add(&measures.serf);
    }

    /// Takes down what is read at intervals.
    pub(super) fn observe(&self, figures: &Figures) {
        let (memberlist, serf) = (&self.memberlist, &self.serf);
        memberlist.health_score.set(f64::from(figures.health_score));
        memberlist.broadcasts.record(figures.broadcasts as f64);
        memberlist.nodes_alive.set(figures.alive as f64);
        memberlist.nodes_suspect.set(figures.suspect as f64);
        memberlist.nodes_dead.set(figures.dead as f64);
        memberlist.nodes_left.set(figures.left as f64);
        serf.intent_queue.record(figures.intents as f64);
        serf.event_queue.record(figures.events as f64);
        serf.query_queue.record(figures.queries as f64);
    }
}

impl Memberlist {
    fn new(pool: &'static str) -> Memberlist {
        let counter = |name| metrics::counter_with(name, &[("network", pool)]);
        let sample = |name| metrics::sample_with(name, &[("network", pool)]);
        let gauge = |name| metrics::gauge_with(name, &[("network", pool)]);
        let nodes =
            |state| metrics::gauge_with("memberlist.node.instances", &[("network", pool), ("node_state", state)]);
        Memberlist {
            alive: counter("memberlist.msg.alive"),
            suspect: counter("memberlist.msg.suspect"),
            dead: counter("memberlist.msg.dead"),
            degraded_probes: counter("memberlist.degraded.probe"),
            degraded_timeouts: counter("memberlist.degraded.timeout"),
            probes: sample("memberlist.probeNode"),
            gossip: sample("memberlist.gossip"),
            push_pulls: sample("memberlist.pushPullNode"),
            local_size: gauge("memberlist.size.local"),
            remote_sizes: sample("memberlist.size.remote"),
            health_score: gauge("memberlist.health.score"),
            broadcasts: sample("memberlist.queue.broadcasts"),
            nodes_alive: nodes("alive"),
            nodes_suspect: nodes("suspect"),
            nodes_dead: nodes("dead"),
            nodes_left: nodes("left"),
        }
    }

    fn add(&self, measures: &MemberlistMeasures, took: Duration) {
        add(&self.alive, measures.alive);
        add(&self.suspect, measures.suspect);
        add(&self.dead, measures.dead);
        add(&self.degraded_probes, measures.degraded_probes);
        add(&self.degraded_timeouts, measures.degraded_timeouts);
        record(&self.probes, &measures.probes);
        record(&self.push_pulls, &measures.push_pulls);
        record(&self.remote_sizes, &measures.remote_sizes);
        if let Some(size) = measures.local_size {
            self.local_size.set(size as f64);
        }
        // To the core a round takes no time. It is nearly all there is to the input it belongs to.
        if measures.gossip_rounds > 0 {
            self.gossip.record(millis(took));
        }
    }
}

impl Serf {
    fn new(pool: &'static str) -> Serf {
        let counter = |name| metrics::counter_with(name, &[("network", pool)]);
        let sample = |name| metrics::sample_with(name, &[("network", pool)]);
        Serf {
            joined: counter("serf.member.join"),
            left: counter("serf.member.left"),
            failed: counter("serf.member.failed"),
            updated: counter("serf.member.update"),
            flaps: counter("serf.member.flap"),
            events: Named::new("serf.events", pool),
            queries: Named::new("serf.queries", pool),
            acks: counter("serf.query_acks"),
            duplicate_acks: counter("serf.query_duplicate_acks"),
            responses: counter("serf.query_responses"),
            duplicate_responses: counter("serf.query_duplicate_responses"),
            sent: sample("serf.msgs.sent"),
            received: sample("serf.msgs.received"),
            adjustments: sample("serf.coordinate.adjustment-ms"),
            rejected_coordinates: counter("serf.coordinate.rejected"),
            zero_rtts: counter("serf.coordinate.zero-rtt"),
            intent_queue: sample("serf.queue.Intent"),
            event_queue: sample("serf.queue.Event"),
            query_queue: sample("serf.queue.Query"),
        }
    }

    fn add(&self, measures: &SerfMeasures) {
        record(&self.received, &measures.received);
        record(&self.sent, &measures.sent);
        measures.queries.iter().for_each(|name| self.queries.one(name));
        add(&self.acks, measures.acks);
        add(&self.duplicate_acks, measures.duplicate_acks);
        add(&self.responses, measures.responses);
        add(&self.duplicate_responses, measures.duplicate_responses);
        add(&self.flaps, measures.flaps);
        record(&self.adjustments, &measures.adjustments);
        add(&self.rejected_coordinates, measures.rejected_coordinates);
        add(&self.zero_rtts, measures.zero_rtts);
    }
}

/// Something that is counted as a whole, and by its name.
struct Named {
    prefix: &'static str,
    pool: &'static str,
    all: Counter,
    by_name: Mutex<HashMap<String, Counter>>,
}

impl Named {
    fn new(prefix: &'static str, pool: &'static str) -> Named {
        let all = metrics::counter_with(prefix, &[("network", pool)]);
        Named { prefix, pool, all, by_name: Mutex::default() }
    }

    fn one(&self, name: &str) {
        self.all.one();
        let mut by_name = self.by_name.lock();
        if let Some(counter) = by_name.get(name) {
            return counter.one();
        }
        if let Some(full) = kept(self.prefix, name) {
            let counter = metrics::counter_with(full, &[("network", self.pool)]);
            counter.one();
            by_name.insert(name.to_owned(), counter);
        }
    }
}

/// The name of the metric that counts this name, if there is to be one.
fn kept(prefix: &str, name: &str) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
    if name.len() > NAME_MAX_BYTES || !name.bytes().all(is_plain) {
        return None;
    }
    let full = format!("{prefix}.{name}");
    let mut names = NAMES.lock();
    if let Some(known) = names.get(full.as_str()) {
        return Some(*known);
    }
    if names.len() >= NAMES_MAX {
        return None;
    }
    let full: &'static str = full.leak();
    names.insert(full);
    Some(full)
}

fn add(counter: &Counter, count: u64) {
    if count > 0 {
        counter.add(count as f64);
    }
}

fn record(sample: &Sample, values: &Series) {
    values.iter().for_each(|value| sample.record(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_names_are_counted_apart() {
        assert_eq!(kept("test", "consul:event:a-b"), Some("test.consul:event:a-b"));
        assert_eq!(kept("test", "line\nbreak"), None);
        assert_eq!(kept("test", &"x".repeat(NAME_MAX_BYTES + 1)), None);
        let named = Named::new("test.named", "lan");
        for n in 0..NAMES_MAX + 9 {
            named.one(&n.to_string());
        }
        let before = named.by_name.lock().len();
        assert!(before < NAMES_MAX, "{before}");
        named.one("one more");
        named.one("another");
        assert_eq!(named.by_name.lock().len(), before);
    }
}
