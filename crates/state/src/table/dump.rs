//! Whole parts of the catalog in one answer, for the UI and its kind (`docs/spec/rpc-and-state.md` §4.1, §7.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{CheckServiceNode, HealthCheck, Node, NodeService};

use crate::snapshot::Snapshot;
use crate::table::check::CHECKS;
use crate::table::index;
use crate::table::node::NODES;
use crate::table::service::SERVICES;

/// A node with everything registered on it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The node.
    pub node: Arc<Node>,
    /// Its services, by ID.
    pub services: Vec<Arc<NodeService>>,
    /// Its checks and those of its services, by ID.
    pub checks: Vec<Arc<HealthCheck>>,
}

/// Reads of whole parts of the catalog. Index: the highest of nodes, services and checks.
impl Snapshot {
    /// One node with its services and checks.
    pub fn node_info(&self, peer: &str, name: &str) -> (u64, Option<NodeInfo>) {
        let node = self.root.nodes.get(peer, name).cloned();
        (self.catalog_index(peer), node.map(|node| self.info_of(peer, node)))
    }

    /// Every node with its services and checks, by name.
    pub fn node_dump(&self, peer: &str) -> (u64, Vec<NodeInfo>) {
        let (_, nodes) = self.nodes(peer, &BTreeMap::new());
        (self.catalog_index(peer), nodes.into_iter().map(|node| self.info_of(peer, node)).collect())
    }

    /// Every service instance with its node and the checks of both, by node and ID.
    pub fn service_dump(&self, peer: &str) -> (u64, Vec<CheckServiceNode>) {
        (self.catalog_index(peer), self.all_check_service_nodes(peer))
    }

    fn info_of(&self, peer: &str, node: Arc<Node>) -> NodeInfo {
        let services = self.root.services.on_node(peer, &node.node);
        let checks = self.root.checks.on_node(peer, &node.node);
        NodeInfo { node, services, checks }
    }

    fn catalog_index(&self, peer: &str) -> u64 {
        let of = |table| index::of_peer(peer, table);
        self.root.indexes.max(&[&of(NODES), &of(SERVICES), &of(CHECKS)])
    }
}
