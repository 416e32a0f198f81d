//! What every request needs.

use std::sync::Arc;

use agent::Agent;
use arc_swap::ArcSwap;
use telemetry::metrics::{self, Counter, Sample};

use crate::settings::Live;
use crate::views::Views;

/// The door's share in the agent.
pub(crate) struct Context {
    pub(crate) agent: Arc<Agent>,
    /// The settings of new requests; a request keeps those it started with.
    pub(crate) live: ArcSwap<Live>,
    /// Instances of services read last.
    pub(crate) views: Views,
    pub(crate) metrics: Metrics,
}

/// What is counted (`docs/spec/dns.md` §21).
pub(crate) struct Metrics {
    pub(crate) domain_query: Sample,
    pub(crate) ptr_query: Sample,
    pub(crate) stale_queries: Counter,
}

impl Metrics {
    pub(crate) fn new(node_name: &str) -> Metrics {
        let labels = [("node", node_name)];
        Metrics {
            domain_query: metrics::sample_with("dns.domain_query", &labels),
            ptr_query: metrics::sample_with("dns.ptr_query", &labels),
            stale_queries: metrics::counter("dns.stale_queries"),
        }
    }
}
