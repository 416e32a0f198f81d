//! Nodes of the catalog (`docs/spec/rpc-and-state.md` §7.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{CheckStatus, Node, SERF_HEALTH};

use crate::key::{self, RowKey, peer_part};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::index;
use crate::watch::Topic;

pub(crate) const NODES: &str = "nodes";
const LAST_EXTINCTION: &str = "node_last_extinction";
/// Shortest node-ID prefix that is looked up.
const MIN_ID_PREFIX: usize = 2;

#[derive(Clone, Debug, Default)]
pub(crate) struct NodeTable {
    /// (peer, name).
    rows: Map<RowKey, Arc<Node>>,
    /// (peer, ID without dashes) to the row.
    by_id: Map<RowKey, Arc<Node>>,
}

impl NodeTable {
    pub(crate) fn get(&self, peer: &str, name: &str) -> Option<&Arc<Node>> {
        self.rows.get::<[u8]>(&key::row(&[peer_part(peer), name]))
    }

    /// The key of a node's row: the row's own where there is one, so that it is shared.
    pub(crate) fn row_key(&self, peer: &str, name: &str) -> RowKey {
        let key = key::row(&[peer_part(peer), name]);
        match self.rows.get_key_value::<[u8]>(&key) {
            Some((own, _)) => RowKey::clone(own),
            None => key.into(),
        }
    }

    /// The node of a row key made of a peer and a name.
    pub(crate) fn at(&self, row: &[u8]) -> Option<&Arc<Node>> {
        self.rows.get(row)
    }

    pub(crate) fn by_id(&self, peer: &str, id: &str) -> Option<&Arc<Node>> {
        if id.is_empty() {
            return None;
        }
        self.by_id.get::<[u8]>(&id_key(peer, id))
    }

    /// Every node, by peer and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.rows.values()
    }

    fn of_peer(&self, peer: &str) -> Vec<&Arc<Node>> {
        under(&self.rows, &key::row(&[peer_part(peer)])).map(|(_, node)| node).collect()
    }

    /// The node of this name, else the only one whose ID starts with these characters (an odd last one is ignored).
    pub(crate) fn by_name_or_id_prefix(&self, peer: &str, name_or_id: &str) -> NodeLookup<'_> {
        if let Some(node) = self.get(peer, name_or_id) {
            return NodeLookup::Found(node);
        }
        if name_or_id.len() < MIN_ID_PREFIX {
            return NodeLookup::Unusable;
        }
        let digits = plain_id(name_or_id);
        let even = &digits[..digits.len() & !1];
        if even.is_empty() || !even.bytes().all(|b| b.is_ascii_hexdigit()) {
            return NodeLookup::Missing;
        }
        let mut prefix = key::row(&[peer_part(peer)]);
        prefix.extend_from_slice(even.as_bytes());
        let mut matches = under(&self.by_id, &prefix).map(|(_, node)| node);
        match (matches.next(), matches.next()) {
            (None, _) => NodeLookup::Missing,
            (Some(node), None) => NodeLookup::Found(node),
            (Some(_), Some(_)) => NodeLookup::Unusable,
        }
    }

    fn insert(&mut self, node: Arc<Node>) -> Option<Arc<Node>> {
        let row = key::row(&[peer_part(&node.peer_name), &node.node]);
        let before = self.rows.insert(row.into(), Arc::clone(&node));
        if let Some(before) = &before {
            self.forget_id(before);
        }
        if !node.id.is_empty() {
            self.by_id.insert(id_key(&node.peer_name, &node.id).into(), node);
        }
        before
    }

    fn remove(&mut self, node: &Node) {
        self.rows.remove::<[u8]>(&key::row(&[peer_part(&node.peer_name), &node.node]));
        self.forget_id(node);
    }

    fn forget_id(&mut self, node: &Node) {
        let id = id_key(&node.peer_name, &node.id);
        if self.by_id.get::<[u8]>(&id).is_some_and(|holder| same_name(&holder.node, &node.node)) {
            self.by_id.remove::<[u8]>(&id);
        }
    }
}

/// What a node name or a prefix of a node ID stands for.
pub(crate) enum NodeLookup<'a> {
    Found(&'a Arc<Node>),
    Missing,
    /// Too short, or several nodes match.
    Unusable,
}

fn plain_id(id: &str) -> String {
    id.replace('-', "").to_lowercase()
}

fn id_key(peer: &str, id: &str) -> Vec<u8> {
    key::row(&[peer_part(peer), &plain_id(id)])
}

pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

fn same_node(a: &Node, b: &Node) -> bool {
    a.id == b.id
        && same_name(&a.node, &b.node)
        && a.address == b.address
        && a.datacenter == b.datacenter
        && a.tagged_addresses == b.tagged_addresses
        && a.meta == b.meta
        && a.peer_name == b.peer_name
}

pub(crate) fn has_meta(meta: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| meta.get(key) == Some(value))
}

impl Tx<'_> {
    /// Adds or changes a node; a known ID under a new name renames it. Does nothing if nothing differs.
    pub(crate) fn set_node(&mut self, mut node: Node) -> Result<(), String> {
        let known = self.root.nodes.by_id(&node.peer_name, &node.id).cloned();
        let before = match known {
            Some(known) => {
                if !same_name(&known.node, &node.node) {
                    self.check_name_is_free(&node, false).map_err(|taken| {
                        let id = wire::quote::go_quote(&node.id);
                        format!("Error while renaming Node ID: {id} ({}): {taken}", node.address)
                    })?;
                    self.delete_node(&known.peer_name, &known.node);
                }
                Some(known)
            }
            None if node.id.is_empty() => self.root.nodes.get(&node.peer_name, &node.node).cloned(),
            None => {
                self.check_name_is_free(&node, true).map_err(|taken| {
                    format!("Error while renaming Node ID: {}: {taken}", wire::quote::go_quote(&node.id))
                })?;
                self.root.nodes.get(&node.peer_name, &node.node).cloned()
            }
        };
        match before {
            Some(before) if same_node(&before, &node) => return Ok(()),
            Some(before) => {
                node.create_index = before.create_index;
                if !self.restoring {
                    node.modify_index = self.index;
                }
            }
            None if self.restoring && node.create_index != 0 => {}
            None => {
                node.create_index = self.index;
                node.modify_index = self.index;
            }
        }
        self.put_node(node);
        Ok(())
    }

    /// Refuses a name that another healthy node has; with `allow_unidentified` a node without an ID gives its name up.
    fn check_name_is_free(&self, node: &Node, allow_unidentified: bool) -> Result<(), String> {
        let Some(holder) = self.root.nodes.get(&node.peer_name, &node.node) else { return Ok(()) };
        if holder.id == node.id || (holder.id.is_empty() && allow_unidentified) {
            return Ok(());
        }
        let health = self.root.checks.get(&holder.peer_name, &holder.node, SERF_HEALTH);
        if health.is_none_or(|check| check.status == CheckStatus::Critical.as_str()) {
            return Ok(());
        }
        Err(format!(
            "Node name {} is reserved by node {} with name {} ({})",
            node.node, holder.id, holder.node, holder.address
        ))
    }

    fn put_node(&mut self, node: Node) {
        let (peer, name, at) = (node.peer_name.clone(), node.node.clone(), node.modify_index);
        let before = self.root.nodes.insert(Arc::new(node));
        if before.is_none() && peer.is_empty() {
            self.root.usage.nodes += 1;
        }
        self.raise(NODES, at);
        self.raise(&index::of_peer(&peer, NODES), at);
        self.raise(&index::of_node(&peer, &name), at);
        self.bump_services_of_node(&peer, &name, at);
        self.touch(Topic::nodes(&peer));
        self.touch(Topic::node(&peer, &name));
    }

    /// As [`Self::set_node`] if the stored node has the request's modify index, or with index 0 if there is none.
    pub(crate) fn cas_node(&mut self, node: Node) -> Result<bool, String> {
        let stored = self.root.nodes.get(&node.peer_name, &node.node).map(|n| n.modify_index);
        if !cas_matches(stored, node.modify_index) {
            return Ok(false);
        }
        self.set_node(node)?;
        Ok(true)
    }

    /// Removes a node with its services, checks, coordinates and sessions. Unknown: no-op.
    pub(crate) fn delete_node(&mut self, peer: &str, name: &str) {
        let Some(node) = self.root.nodes.get(peer, name).cloned() else { return };
        self.bump_services_of_node(peer, name, self.index);
        for id in self.root.services.ids_on_node(peer, name) {
            self.delete_service(peer, name, &id);
        }
        for id in self.root.checks.ids_on_node(peer, name) {
            self.delete_check(peer, name, &id);
        }
        if peer.is_empty() {
            self.delete_coordinates_of_node(name);
            self.root.usage.nodes = self.root.usage.nodes.saturating_sub(1);
        }
        self.root.nodes.remove(&node);
        self.raise(NODES, self.index);
        self.raise(&index::of_peer(peer, NODES), self.index);
        self.root.indexes.remove(&index::of_node(peer, name));
        self.raise(&index::of_peer(peer, LAST_EXTINCTION), self.index);
        self.touch(Topic::nodes(peer));
        self.touch(Topic::node(peer, name));
        if peer.is_empty() {
            self.destroy_sessions_of_node(name);
        }
    }

    /// Removes a node if it has this modify index; an absent one counts as stale.
    pub(crate) fn delete_node_cas(&mut self, peer: &str, name: &str, modify_index: u64) -> bool {
        let matches = self.root.nodes.get(peer, name).is_some_and(|n| n.modify_index == modify_index);
        if matches {
            self.delete_node(peer, name);
        }
        matches
    }

    /// Notes that the services of a node are part of answers that now move at `at`.
    pub(crate) fn bump_node_of_service(&mut self, peer: &str, node: &str, at: u64) {
        self.raise(NODES, at);
        self.raise(&index::of_peer(peer, NODES), at);
        self.raise(&index::of_node(peer, node), at);
        self.touch(Topic::node(peer, node));
    }
}

/// Whether a catalog row with this modify index (none: no row) may be written by a conditional write.
pub(crate) fn cas_matches(stored: Option<u64>, wanted: u64) -> bool {
    match stored {
        Some(index) => wanted != 0 && index == wanted,
        None => wanted == 0,
    }
}

/// Reads of nodes. `peer` is the peering the rows were imported from, empty for this cluster's own.
impl Snapshot {
    /// The node of this name.
    pub fn node(&self, peer: &str, name: &str) -> (u64, Option<Arc<Node>>) {
        (self.root.indexes.get(&index::of_peer(peer, NODES)), self.root.nodes.get(peer, name).cloned())
    }

    /// The node with this ID.
    pub fn node_by_id(&self, peer: &str, id: &str) -> (u64, Option<Arc<Node>>) {
        (self.root.indexes.get(&index::of_peer(peer, NODES)), self.root.nodes.by_id(peer, id).cloned())
    }

    /// The nodes that have all of this metadata, by name. Index: of nodes and services together.
    pub fn nodes(&self, peer: &str, meta: &BTreeMap<String, String>) -> (u64, Vec<Arc<Node>>) {
        let nodes = self.root.nodes.of_peer(peer);
        let matching = nodes.into_iter().filter(|node| has_meta(&node.meta, meta)).cloned();
        (self.nodes_index(peer), matching.collect())
    }

    /// Index of [`Self::nodes`].
    pub fn nodes_index(&self, peer: &str) -> u64 {
        self.root.indexes.get(&index::of_peer(peer, NODES))
    }

    /// Reply index of a read about one node that was looked up by name or ID prefix; 0 if the request cannot name one.
    pub(crate) fn node_lookup_index(&self, peer: &str, lookup: &NodeLookup<'_>) -> u64 {
        match lookup {
            NodeLookup::Found(node) => self.root.indexes.get(&index::of_node(peer, &node.node)),
            NodeLookup::Missing => self.root.indexes.get(&index::of_peer(peer, LAST_EXTINCTION)),
            NodeLookup::Unusable => 0,
        }
    }
}
