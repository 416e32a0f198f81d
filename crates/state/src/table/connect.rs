//! Lookups for the mesh: who speaks it for a service, and which gateways give access (`docs/spec/rpc-and-state.md` §7.5).

use std::collections::BTreeSet;
use std::sync::Arc;

use types::{CheckServiceNode, GatewayService, NodeService, ServiceNode};

use crate::key::{self, RowKey, peer_part};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::service::{Instance, connect_name};

/// Row of the index table that moves when a gateway's services change.
const GATEWAY_SERVICES: &str = "gateway-services";
const TERMINATING_GATEWAY: &str = "terminating-gateway";
const INGRESS_GATEWAY: &str = "ingress-gateway";

/// Which services are behind which gateways. Configuration entries bind them; while there are none it is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct GatewayTable {
    /// (gateway, service, port).
    by_gateway: Map<RowKey, Arc<GatewayService>>,
    /// (service, gateway, port).
    by_service: Map<RowKey, Arc<GatewayService>>,
}

impl GatewayTable {
    fn behind(&self, gateway: &str) -> Vec<Arc<GatewayService>> {
        under(&self.by_gateway, &key::row(&[gateway])).map(|(_, bound)| Arc::clone(bound)).collect()
    }

    /// Names of the gateways of a kind that a service is behind.
    fn of(&self, service: &str, kind: &str) -> BTreeSet<&str> {
        let prefix = key::row(&[service]);
        let bound = under(&self.by_service, &prefix).map(|(_, bound)| &**bound);
        bound.filter(|bound| bound.gateway_kind == kind).map(|bound| bound.gateway.name.as_str()).collect()
    }
}

/// When instances stopped serving a service, as far as the indexes of services do not tell. Not part of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departures {
    /// (peer, service) for services that are still served: index of the last departure since the last arrival, whose
    /// own index is higher.
    latest: Map<RowKey, u64>,
    /// Index at which any service was last left by all.
    vacated: u64,
}

impl Tx<'_> {
    /// Notes that an instance that was `before` is `now` something else: whom it serves in the mesh may have changed.
    pub(crate) fn note_serving(&mut self, before: Option<&NodeService>, now: Option<&NodeService>, at: u64) {
        let serves = |service: &NodeService| Some(key::row(&[peer_part(&service.peer_name), connect_name(service)?]));
        let (left, serves_now) = (before.and_then(serves), now.and_then(serves));
        if let Some(row) = &serves_now {
            self.root.departures.latest.remove::<[u8]>(row);
        }
        let Some(row) = left.filter(|row| serves_now.as_ref() != Some(row)) else { return };
        if self.root.services.has_serving(&row) {
            self.root.departures.latest.insert(row.into(), at);
        } else {
            self.root.departures.latest.remove::<[u8]>(&row);
            self.root.departures.vacated = self.root.departures.vacated.max(at);
        }
    }
}

/// Reads for the mesh. `peer` is the peering the rows were imported from, empty for this cluster's own.
impl Snapshot {
    /// The instances that serve a service in the mesh, with their nodes: its proxies and native instances by node and ID,
    /// then the terminating gateways it is behind.
    pub fn connect_service_nodes(&self, peer: &str, service: &str) -> (u64, Vec<ServiceNode>) {
        let instances = self.connect_instances(peer, service);
        (self.connect_index(peer, service, &instances, false), self.join(instances))
    }

    /// The same with the checks of both.
    pub fn connect_check_service_nodes(&self, peer: &str, service: &str) -> (u64, Vec<CheckServiceNode>) {
        let instances = self.connect_instances(peer, service);
        let index = self.connect_index(peer, service, &instances, true);
        (index, self.with_checks(peer, self.join(instances)))
    }

    /// Index of [`Self::connect_service_nodes`].
    pub fn connect_service_nodes_index(&self, peer: &str, service: &str) -> u64 {
        self.connect_index(peer, service, &self.connect_instances(peer, service), false)
    }

    /// Index of [`Self::connect_check_service_nodes`].
    pub fn connect_check_service_nodes_index(&self, peer: &str, service: &str) -> u64 {
        self.connect_index(peer, service, &self.connect_instances(peer, service), true)
    }

    /// Whether anything serves a service in the mesh.
    pub fn has_connect_service_nodes(&self, peer: &str, service: &str) -> bool {
        !self.connect_instances(peer, service).is_empty()
    }

    /// The ingress gateways that expose a service of this cluster, with their nodes and the checks of both.
    pub fn ingress_check_service_nodes(&self, service: &str) -> (u64, Vec<CheckServiceNode>) {
        let gateways = self.root.gateways.of(service, INGRESS_GATEWAY);
        let instances = gateways.iter().flat_map(|gateway| self.gateway_instances(gateway, INGRESS_GATEWAY)).collect();
        (self.ingress_check_service_nodes_index(service), self.with_checks("", self.join(instances)))
    }

    /// Index of [`Self::ingress_check_service_nodes`]: of the bindings, and of the gateways they name.
    pub fn ingress_check_service_nodes_index(&self, service: &str) -> u64 {
        let gateways = self.root.gateways.of(service, INGRESS_GATEWAY);
        let indexes = gateways.iter().map(|gateway| self.check_service_nodes_index("", gateway));
        indexes.max().unwrap_or(0).max(self.root.indexes.get(GATEWAY_SERVICES))
    }

    /// Names of the ingress gateways that expose a service: what a wait for them has to watch.
    pub fn ingress_gateways(&self, service: &str) -> Vec<String> {
        self.root.gateways.of(service, INGRESS_GATEWAY).into_iter().map(str::to_owned).collect()
    }

    /// The services behind a gateway, by name and port.
    pub fn gateway_services(&self, gateway: &str) -> (u64, Vec<Arc<GatewayService>>) {
        (self.root.indexes.get(GATEWAY_SERVICES), self.root.gateways.behind(gateway))
    }

    fn connect_instances(&self, peer: &str, service: &str) -> Vec<&Instance> {
        let mut found = self.root.services.serving(peer, service);
        if peer.is_empty() {
            let gateways = self.root.gateways.of(service, TERMINATING_GATEWAY);
            found.extend(gateways.iter().flat_map(|gateway| self.gateway_instances(gateway, TERMINATING_GATEWAY)));
        }
        found
    }

    fn gateway_instances(&self, gateway: &str, kind: &'static str) -> impl Iterator<Item = &Instance> {
        self.root.services.named("", gateway).into_iter().filter(move |instance| instance.service.kind == kind)
    }

    /// The newest of the services that were found and of the last departure, so that an instance that leaves is seen:
    /// the reference forgets the index of one that is gone, and its waiters sleep on.
    fn connect_index(&self, peer: &str, service: &str, found: &[&Instance], with_checks: bool) -> u64 {
        let departures = &self.root.departures;
        if found.is_empty() {
            return self.service_index(peer, service, false, with_checks).max(departures.vacated);
        }
        let departed = departures.latest.get::<[u8]>(&key::row(&[peer_part(peer), service])).copied().unwrap_or(0);
        let names: BTreeSet<&str> = found.iter().map(|instance| instance.service.service.as_str()).collect();
        let newest = names.into_iter().map(|name| self.service_index(peer, name, true, with_checks)).max();
        let through_gateways = found.iter().any(|instance| instance.service.kind == TERMINATING_GATEWAY);
        let bindings = if through_gateways { self.root.indexes.get(GATEWAY_SERVICES) } else { 0 };
        newest.unwrap_or(0).max(bindings).max(departed)
    }
}
