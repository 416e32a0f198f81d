//! Health: checks, and instances with their checks.

use std::sync::Arc;

use state::{Snapshot, Topic};
use types::method::{
    ChecksInStateRequest, HealthChecksInState, HealthNodeChecks, HealthServiceChecks, HealthServiceNodes, Indexed,
    NodeRequest, ServiceRequest,
};
use types::{CheckServiceNode, HealthCheck, RpcError};

use super::selection::{Family, Selection};
use super::{LOCAL, sort};
use crate::read::Parts;
use crate::server::{Handle, Server};

impl Handle<HealthNodeChecks> for Server {
    async fn handle(&self, request: NodeRequest) -> Result<Indexed<Vec<Arc<HealthCheck>>>, RpcError> {
        let node = &request.node;
        self.shared
            .read(&request.options, || vec![Topic::node_checks(LOCAL, node)], |s| s.node_checks(LOCAL, node))
            .await
    }
}

impl Handle<HealthServiceChecks> for Server {
    async fn handle(&self, request: ServiceRequest) -> Result<Indexed<Vec<Arc<HealthCheck>>>, RpcError> {
        if !request.tags.is_empty() {
            return Err(RpcError::other("Tag filtering is not supported"));
        }
        let (config, meta) = (&self.shared.config, &request.node_meta);
        let (peer, service) = (request.peer_name.as_str(), request.service.as_str());
        let parts = Parts {
            index: |s: &Snapshot| s.service_checks_index(peer, service, meta),
            value: |s: &Snapshot| {
                let (_, mut checks) = s.service_checks(peer, service, meta);
                sort::by_distance(config, s, &request.source, &mut checks, |c| &c.node);
                checks
            },
            // A check whose instance has moved to another service leaves this one without moving its index.
            tells_all: meta.is_empty() && request.source.node.is_empty(),
        };
        self.shared.read_parts(&request.options, || vec![Topic::service_checks(peer, service)], parts).await
    }
}

impl Handle<HealthChecksInState> for Server {
    async fn handle(&self, request: ChecksInStateRequest) -> Result<Indexed<Vec<Arc<HealthCheck>>>, RpcError> {
        let (config, meta) = (&self.shared.config, &request.node_meta);
        let parts = Parts {
            index: |s: &Snapshot| s.checks_index(LOCAL),
            value: |s: &Snapshot| {
                let (_, mut checks) = s.checks_in_state(LOCAL, &request.state, meta);
                sort::by_distance(config, s, &request.source, &mut checks, |c| &c.node);
                checks
            },
            // The index does not move with the metadata of nodes.
            tells_all: meta.is_empty() && request.source.node.is_empty(),
        };
        self.shared.read_parts(&request.options, || vec![Topic::checks(LOCAL)], parts).await
    }
}

impl Handle<HealthServiceNodes> for Server {
    async fn handle(&self, request: ServiceRequest) -> Result<Indexed<Vec<CheckServiceNode>>, RpcError> {
        if request.service.is_empty() {
            return Err(RpcError::other("Must provide service name"));
        }
        let selection = Selection::of(&request);
        let (config, store) = (&self.shared.config, &self.shared.store);
        let (peer, service) = (request.peer_name.as_str(), request.service.as_str());
        selection.count(Family::Health, &store.snapshot(), &request);
        let parts = Parts {
            index: |s: &Snapshot| match selection {
                Selection::Named => s.check_service_nodes_index(peer, service),
                Selection::Mesh => s.connect_check_service_nodes_index(peer, service),
                Selection::Ingress => s.ingress_check_service_nodes_index(service),
            },
            value: |s: &Snapshot| {
                let (_, mut nodes) = match selection {
                    Selection::Named => s.check_service_nodes(peer, service),
                    Selection::Mesh => s.connect_check_service_nodes(peer, service),
                    Selection::Ingress => s.ingress_check_service_nodes(service),
                };
                nodes.retain(|n| selection.keeps(&request, &n.node, &n.service));
                sort::by_distance(config, s, &request.source, &mut nodes, |n| &n.node.node);
                nodes
            },
            // A gateway that is bound no more takes its index with it.
            tells_all: request.source.node.is_empty() && selection != Selection::Ingress,
        };
        self.shared.read_parts(&request.options, || selection.topics(&store.snapshot(), &request), parts).await
    }
}
