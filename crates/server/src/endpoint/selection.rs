//! Which instances a request for a service is about, and what is counted of it.

use std::collections::BTreeMap;

use state::{Snapshot, Topic};
use telemetry::metrics;
use types::method::ServiceRequest;
use types::query::Want;
use types::{Node, NodeService};

/// The choice between the lookups (`docs/spec/rpc-and-state.md` §4.1): mesh before tags before ingress before plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// Instances of the name, with the tags asked for.
    Named,
    /// Proxies for the name, its native instances, terminating gateways before it. Tags do not count.
    Mesh,
    /// Ingress gateways that expose the name.
    Ingress,
}

impl Selection {
    pub(super) fn of(request: &ServiceRequest) -> Selection {
        if request.connect {
            return Selection::Mesh;
        }
        if request.ingress && request.tags.is_empty() { Selection::Ingress } else { Selection::Named }
    }

    /// What a wait for the answer watches.
    pub(super) fn topics(self, snapshot: &Snapshot, request: &ServiceRequest) -> Vec<Topic> {
        let (peer, service) = (request.peer_name.as_str(), request.service.as_str());
        match self {
            Selection::Named => vec![Topic::service(peer, service)],
            Selection::Mesh => vec![Topic::connect(peer, service)],
            Selection::Ingress => {
                let gateways = snapshot.ingress_gateways(service);
                let of_gateways = gateways.iter().map(|gateway| Topic::service("", gateway));
                [Topic::connect("", service)].into_iter().chain(of_gateways).collect()
            }
        }
    }

    /// Whether an instance with this node is asked for.
    pub(super) fn keeps(self, request: &ServiceRequest, node: &Node, service: &NodeService) -> bool {
        (self != Selection::Named || has_tags(service, &request.tags)) && has_meta(node, &request.node_meta)
    }

    fn finds_nothing(self, snapshot: &Snapshot, request: &ServiceRequest) -> bool {
        let (peer, service) = (request.peer_name.as_str(), request.service.as_str());
        match self {
            Selection::Named => !snapshot.has_service_nodes(peer, service),
            Selection::Mesh => !snapshot.has_connect_service_nodes(peer, service),
            Selection::Ingress => snapshot.ingress_gateways(service).is_empty(),
        }
    }

    /// Counts a request, once whatever parts it is answered in.
    pub(super) fn count(self, family: Family, snapshot: &Snapshot, request: &ServiceRequest) {
        if request.options.want == Want::Value {
            return;
        }
        let names = self.metric_names(family);
        let service = [("service", request.service.as_str())];
        metrics::counter_with(names.query, &service).one();
        if !request.tags.is_empty() {
            let tags = request.tags.iter().map(|tag| ("tag", tag.as_str()));
            let labels: Vec<(&'static str, &str)> = service.into_iter().chain(tags).collect();
            metrics::counter_with(names.query_tags, &labels).one();
        }
        if self.finds_nothing(snapshot, request) {
            metrics::counter_with(names.not_found, &service).one();
        }
    }

    fn metric_names(self, family: Family) -> MetricNames {
        let names = |query, query_tags, not_found| MetricNames { query, query_tags, not_found };
        match (family, self) {
            (Family::Catalog, Selection::Mesh) => {
                names("catalog.connect.query", "catalog.connect.query-tags", "catalog.connect.not-found")
            }
            (Family::Catalog, Selection::Named | Selection::Ingress) => {
                names("catalog.service.query", "catalog.service.query-tags", "catalog.service.not-found")
            }
            (Family::Health, Selection::Mesh) => {
                names("health.connect.query", "health.connect.query-tags", "health.connect.not-found")
            }
            (Family::Health, Selection::Ingress) => {
                names("health.ingress.query", "health.ingress.query-tags", "health.ingress.not-found")
            }
            (Family::Health, Selection::Named) => {
                names("health.service.query", "health.service.query-tags", "health.service.not-found")
            }
        }
    }
}

/// Which endpoint a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Catalog,
    Health,
}

/// Names of the counters of one lookup (`docs/spec/server-operations.md` §17.4).
struct MetricNames {
    query: &'static str,
    query_tags: &'static str,
    not_found: &'static str,
}

/// True for an instance with all of `wanted` among its tags, compared without case.
fn has_tags(service: &NodeService, wanted: &[String]) -> bool {
    wanted.iter().all(|tag| service.tags.iter().any(|t| t.to_lowercase() == tag.to_lowercase()))
}

/// True for a node that has all of `wanted` in its metadata.
fn has_meta(node: &Node, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| node.meta.get(key) == Some(value))
}
