//! Health: checks, and instances with their checks.

use std::sync::Arc;

use state::Topic;
use types::method::{
    ChecksInStateRequest, HealthChecksInState, HealthNodeChecks, HealthServiceChecks, HealthServiceNodes, Indexed,
    NodeRequest, ServiceRequest,
};
use types::{CheckServiceNode, HealthCheck, RpcError};

use super::catalog::{has_meta, has_tags};
use super::{LOCAL, sort};
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
        let config = &self.shared.config;
        let query = |s: &state::Snapshot| {
            let (index, mut checks) = s.service_checks(LOCAL, &request.service, &request.node_meta);
            sort::by_distance(config, s, &request.source, &mut checks, |c| &c.node);
            (index, checks)
        };
        self.shared.read(&request.options, || vec![Topic::service_checks(LOCAL, &request.service)], query).await
    }
}

impl Handle<HealthChecksInState> for Server {
    async fn handle(&self, request: ChecksInStateRequest) -> Result<Indexed<Vec<Arc<HealthCheck>>>, RpcError> {
        let config = &self.shared.config;
        let query = |s: &state::Snapshot| {
            let (index, mut checks) = s.checks_in_state(LOCAL, &request.state, &request.node_meta);
            sort::by_distance(config, s, &request.source, &mut checks, |c| &c.node);
            (index, checks)
        };
        self.shared.read(&request.options, || vec![Topic::checks(LOCAL)], query).await
    }
}

impl Handle<HealthServiceNodes> for Server {
    async fn handle(&self, request: ServiceRequest) -> Result<Indexed<Vec<CheckServiceNode>>, RpcError> {
        if request.service.is_empty() {
            return Err(RpcError::other("Must provide service name"));
        }
        let config = &self.shared.config;
        let query = |s: &state::Snapshot| {
            let (index, mut nodes) = s.check_service_nodes(LOCAL, &request.service);
            nodes.retain(|n| has_tags(&n.service, &request.tags) && has_meta(&n.node, &request.node_meta));
            sort::by_distance(config, s, &request.source, &mut nodes, |n| &n.node.node);
            (index, nodes)
        };
        self.shared.read(&request.options, || vec![Topic::service(LOCAL, &request.service)], query).await
    }
}
