//! What the driver counts (`docs/spec/gossip.md` §18.12).

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::metrics::{self, Counter, Gauge, Sample};

use crate::{Event, Member, MemberEvent, Status};

/// Handles of one pool's metrics.
pub(super) struct Metrics {
    pub(super) tcp_accept: Counter,
    pub(super) tcp_connect: Counter,
    pub(super) tcp_sent: Counter,
    pub(super) udp_sent: Counter,
    pub(super) udp_received: Counter,
    pub(super) snapshot_append: Sample,
    pub(super) snapshot_compact: Sample,
    events: Counter,
    joined: Counter,
    left: Counter,
    failed: Counter,
    updated: Counter,
    health_score: Gauge,
    nodes: [(Status, Gauge); 3],
    queues: [(&'static str, Sample); 3],
}

impl Metrics {
    pub(super) fn new(pool: &'static str) -> Metrics {
        let counter = |name| metrics::counter_with(name, &[("network", pool)]);
        let sample = |name| metrics::sample_with(name, &[("network", pool)]);
        let nodes =
            |state| metrics::gauge_with("memberlist.node.instances", &[("network", pool), ("node_state", state)]);
        Metrics {
            tcp_accept: counter("memberlist.tcp.accept"),
            tcp_connect: counter("memberlist.tcp.connect"),
            tcp_sent: counter("memberlist.tcp.sent"),
            udp_sent: counter("memberlist.udp.sent"),
            udp_received: counter("memberlist.udp.received"),
            snapshot_append: sample("serf.snapshot.appendLine"),
            snapshot_compact: sample("serf.snapshot.compact"),
            events: counter("serf.events"),
            joined: counter("serf.member.join"),
            left: counter("serf.member.left"),
            failed: counter("serf.member.failed"),
            updated: counter("serf.member.update"),
            health_score: metrics::gauge_with("memberlist.health.score", &[("network", pool)]),
            nodes: [(Status::Alive, nodes("alive")), (Status::Failed, nodes("dead")), (Status::Left, nodes("left"))],
            queues: [
                ("intent_queue", sample("serf.queue.Intent")),
                ("event_queue", sample("serf.queue.Event")),
                ("query_queue", sample("serf.queue.Query")),
            ],
        }
    }

    pub(super) fn count(&self, event: &Event) {
        match event {
            Event::Member { kind: MemberEvent::Joined, .. } => self.joined.one(),
            Event::Member { kind: MemberEvent::Left, .. } => self.left.one(),
            Event::Member { kind: MemberEvent::Failed, .. } => self.failed.one(),
            Event::Member { kind: MemberEvent::Updated, .. } => self.updated.one(),
            Event::User { .. } => self.events.one(),
            Event::Member { kind: MemberEvent::Reaped, .. } | Event::Lagged(_) => {}
        }
    }

    /// Takes down what is read at intervals.
    pub(super) fn observe(&self, stats: &BTreeMap<&'static str, String>, members: &[Arc<Member>]) {
        let number = |name: &str| stats.get(name).and_then(|text| text.parse::<f64>().ok());
        if let Some(score) = number("health_score") {
            self.health_score.set(score);
        }
        for (name, depth) in &self.queues {
            if let Some(value) = number(name) {
                depth.record(value);
            }
        }
        for (status, instances) in &self.nodes {
            instances.set(members.iter().filter(|member| member.status == *status).count() as f64);
        }
    }
}
