//! Requests about the catalog, and the joined views it answers with.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::shape::is_zero;
use crate::{HealthCheck, Node, NodeService};

/// Command 0 of the replicated log: a node, with a service and checks on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct RegisterRequest {
    #[serde(rename = "Datacenter")]
    pub datacenter: String,
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "Node")]
    pub node: String,
    #[serde(rename = "Address")]
    pub address: String,
    #[serde(rename = "TaggedAddresses", skip_serializing_if = "is_zero")]
    pub tagged_addresses: BTreeMap<String, String>,
    #[serde(rename = "NodeMeta", skip_serializing_if = "is_zero")]
    pub node_meta: BTreeMap<String, String>,
    #[serde(rename = "Service", skip_serializing_if = "Option::is_none")]
    pub service: Option<NodeService>,
    #[serde(rename = "Check", skip_serializing_if = "Option::is_none")]
    pub check: Option<HealthCheck>,
    #[serde(rename = "Checks", skip_serializing_if = "is_zero")]
    pub checks: Vec<HealthCheck>,
    /// Leave the node as it is when it exists.
    #[serde(rename = "SkipNodeUpdate", skip_serializing_if = "is_zero")]
    pub skip_node_update: bool,
    #[serde(rename = "PeerName", skip_serializing_if = "is_zero")]
    pub peer_name: String,
    #[serde(rename = "Token", skip_serializing_if = "is_zero")]
    pub token: String,
    #[serde(rename = "CreateIndex", skip_serializing_if = "is_zero")]
    pub create_index: u64,
    #[serde(rename = "ModifyIndex", skip_serializing_if = "is_zero")]
    pub modify_index: u64,
}

/// Command 1 of the replicated log: remove a service, else a check, else the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct DeregisterRequest {
    #[serde(rename = "Datacenter")]
    pub datacenter: String,
    #[serde(rename = "Node")]
    pub node: String,
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    #[serde(rename = "CheckID")]
    pub check_id: String,
    #[serde(rename = "PeerName", skip_serializing_if = "is_zero")]
    pub peer_name: String,
    #[serde(rename = "Token", skip_serializing_if = "is_zero")]
    pub token: String,
}

/// A service instance together with its node.
#[derive(Clone, Debug)]
pub struct ServiceNode {
    /// The node.
    pub node: Arc<Node>,
    /// The instance.
    pub service: Arc<NodeService>,
}

/// A service instance together with its node and the checks of both.
#[derive(Clone, Debug)]
pub struct CheckServiceNode {
    /// The node.
    pub node: Arc<Node>,
    /// The instance.
    pub service: Arc<NodeService>,
    /// Checks of the node and of the instance, by check ID.
    pub checks: Vec<Arc<HealthCheck>>,
}

/// A node with everything registered on it.
#[derive(Clone, Debug)]
pub struct NodeServices {
    /// The node.
    pub node: Arc<Node>,
    /// Its services, by ID.
    pub services: Vec<Arc<NodeService>>,
}
