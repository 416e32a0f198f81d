//! The index table: the index of the last write to each table, service, node, … (`docs/spec/rpc-and-state.md` §7.1).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::key::peer_part;
use crate::map::Map;
use crate::root::Tx;

/// Rows of this name exist for every table that has one; their maximum is `LastIndex` of a snapshot's header.
const TABLES: [&str; 29] = [
    "acl-auth-methods",
    "acl-binding-rules",
    "acl-policies",
    "acl-roles",
    "acl-tokens",
    "autopilot-config",
    "checks",
    "config-entries",
    "connect-ca-builtin",
    "connect-ca-config",
    "connect-ca-leaf-certs",
    "connect-ca-roots",
    "connect-intentions",
    "coordinates",
    "federation-states",
    "gateway-services",
    "kvs",
    "mesh-topology",
    "nodes",
    "peering",
    "peering-secrets",
    "peering-trust-bundles",
    "prepared-queries",
    "service-virtual-ips",
    "services",
    "sessions",
    "system-metadata",
    "tombstones",
    "usage",
];

/// Record 16.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct IndexRow {
    pub(crate) key: String,
    pub(crate) value: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct IndexTable {
    rows: Map<Arc<str>, u64>,
}

impl IndexTable {
    /// A row's value, 0 if there is none.
    pub(crate) fn get(&self, key: &str) -> u64 {
        self.rows.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn find(&self, key: &str) -> Option<u64> {
        self.rows.get(key).copied()
    }

    pub(crate) fn max(&self, keys: &[&str]) -> u64 {
        keys.iter().map(|key| self.get(key)).max().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, key: &str, index: u64) {
        match self.rows.get_mut(key) {
            Some(value) => *value = index,
            None => drop(self.rows.insert(key.into(), index)),
        }
    }

    /// Sets a row unless it is higher already.
    pub(crate) fn raise(&mut self, key: &str, index: u64) {
        if self.find(key).is_none_or(|value| value < index) {
            self.set(key, index);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.rows.remove(key);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.rows.iter().map(|(key, value)| (&**key, *value))
    }

    /// The highest index of any table.
    pub(crate) fn last(&self) -> u64 {
        self.max(&TABLES)
    }
}

/// Name of a catalog table's row for one peering.
pub(crate) fn of_peer(peer: &str, name: &str) -> String {
    format!("peer.{}:{}", peer_part(peer), name).to_lowercase()
}

/// Name of a service's row.
pub(crate) fn of_service(peer: &str, service: &str) -> String {
    format!("peer.{}:service.{}", peer_part(peer), service).to_lowercase()
}

/// Name of a node's row.
pub(crate) fn of_node(peer: &str, node: &str) -> String {
    format!("peer.{}:node.{}", peer_part(peer), node).to_lowercase()
}

/// Name of a service kind's row, without the peering.
pub(crate) fn of_kind(kind: &str) -> String {
    format!("service_kind.{}", kind_label(kind))
}

/// A kind as index names spell it.
pub(crate) fn kind_label(kind: &str) -> &str {
    if kind.is_empty() { "typical" } else { kind }
}

impl Tx<'_> {
    /// Notes a write to a row that only grows.
    pub(crate) fn raise(&mut self, key: &str, index: u64) {
        self.root.indexes.raise(key, index);
    }
}
