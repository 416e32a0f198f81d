//! Nodes of the catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::shape::{is_zero, null_if_empty};

/// A node as the catalog knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// UUID, or empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// The node's name.
    #[serde(rename = "Node")]
    pub node: String,
    /// Address, usually an IP.
    #[serde(rename = "Address")]
    pub address: String,
    /// Datacenter, as stored.
    #[serde(rename = "Datacenter")]
    pub datacenter: String,
    /// Name of the peering the node was imported from; empty for a local one.
    #[serde(rename = "PeerName", skip_serializing_if = "is_zero")]
    pub peer_name: String,
    /// Addresses by tag (`lan`, `wan`, …).
    #[serde(rename = "TaggedAddresses", serialize_with = "null_if_empty")]
    pub tagged_addresses: BTreeMap<String, String>,
    /// Free metadata.
    #[serde(rename = "Meta", serialize_with = "null_if_empty")]
    pub meta: BTreeMap<String, String>,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}
