//! Service instances of the catalog (`docs/spec/rpc-and-state.md` §7.4, §7.5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use types::{CheckServiceNode, Node, NodeService, NodeServices, ServiceNode, Weights};

use crate::key::{self, RowKey, peer_part};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::check::CHECKS;
use crate::table::index;
use crate::table::node::{NODES, NodeLookup, cas_matches, has_meta};
use crate::watch::Topic;

pub(crate) const SERVICES: &str = "services";
pub(crate) const CONNECT_PROXY: &str = "connect-proxy";
const LAST_EXTINCTION: &str = "service_last_extinction";

/// A row: an instance and the key of its node.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) node: RowKey,
    pub(crate) service: Arc<NodeService>,
}

type Index = Map<RowKey, Instance>;

#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceTable {
    /// (peer, node, service ID).
    rows: Index,
    /// (peer, service name, node, service ID).
    by_name: Index,
    /// (peer, name of the service it serves in the mesh, node, service ID).
    by_connect: Index,
    /// (peer, kind, service name, node, service ID) of all but plain services: those are most, and are found in `by_name`.
    by_kind: Index,
}

impl ServiceTable {
    pub(crate) fn get(&self, peer: &str, node: &str, id: &str) -> Option<&Arc<NodeService>> {
        self.rows.get::<[u8]>(&key::row(&[peer_part(peer), node, id])).map(|instance| &instance.service)
    }

    pub(crate) fn on_node(&self, peer: &str, node: &str) -> Vec<Arc<NodeService>> {
        let prefix = key::row(&[peer_part(peer), node]);
        under(&self.rows, &prefix).map(|(_, instance)| Arc::clone(&instance.service)).collect()
    }

    /// Every instance, by node and ID.
    fn all(&self, peer: &str) -> Vec<&Instance> {
        under(&self.rows, &key::row(&[peer_part(peer)])).map(|(_, instance)| instance).collect()
    }

    pub(crate) fn ids_on_node(&self, peer: &str, node: &str) -> Vec<String> {
        self.on_node(peer, node).iter().map(|service| service.id.clone()).collect()
    }

    pub(crate) fn has_name(&self, peer: &str, name: &str) -> bool {
        under(&self.by_name, &key::row(&[peer_part(peer), name])).next().is_some()
    }

    pub(crate) fn has_kind(&self, peer: &str, kind: &str, name: &str) -> bool {
        if kind.is_empty() {
            let prefix = key::row(&[peer_part(peer), name]);
            return under(&self.by_name, &prefix).any(|(_, instance)| instance.service.kind.is_empty());
        }
        under(&self.by_kind, &key::row(&[peer_part(peer), kind, name])).next().is_some()
    }

    /// Whether any instance serves this service in the mesh.
    pub(crate) fn has_connect(&self, peer: &str, name: &str) -> bool {
        self.has_serving(&key::row(&[peer_part(peer), name]))
    }

    /// The same for a row key of a peer and a name.
    pub(crate) fn has_serving(&self, row: &[u8]) -> bool {
        under(&self.by_connect, row).next().is_some()
    }

    /// The instances of a service, by node and ID.
    pub(crate) fn named(&self, peer: &str, name: &str) -> Vec<&Instance> {
        under(&self.by_name, &key::row(&[peer_part(peer), name])).map(|(_, instance)| instance).collect()
    }

    /// The proxies and native instances of a service, by node and ID.
    pub(crate) fn serving(&self, peer: &str, name: &str) -> Vec<&Instance> {
        under(&self.by_connect, &key::row(&[peer_part(peer), name])).map(|(_, instance)| instance).collect()
    }

    /// The instances of a kind, by service name.
    pub(crate) fn of_kind(&self, peer: &str, kind: &str) -> Vec<&Arc<NodeService>> {
        if kind.is_empty() {
            let prefix = key::row(&[peer_part(peer)]);
            let all = under(&self.by_name, &prefix).map(|(_, instance)| &instance.service);
            return all.filter(|service| service.kind.is_empty()).collect();
        }
        let prefix = key::row(&[peer_part(peer), kind]);
        under(&self.by_kind, &prefix).map(|(_, instance)| &instance.service).collect()
    }

    /// The proxies and native instances, by the service they serve.
    pub(crate) fn connect_capable(&self, peer: &str) -> Vec<&Arc<NodeService>> {
        let prefix = key::row(&[peer_part(peer)]);
        under(&self.by_connect, &prefix).map(|(_, instance)| &instance.service).collect()
    }

    /// `at` is the key of the node's row, shared with it.
    fn insert(&mut self, node: &str, at: RowKey, service: Arc<NodeService>) -> Option<Arc<NodeService>> {
        let peer = peer_part(&service.peer_name);
        let instance = Instance { node: at, service: Arc::clone(&service) };
        let before = self.rows.insert(key::row(&[peer, node, &service.id]).into(), instance.clone());
        if let Some(before) = &before {
            self.forget(node, &before.service);
        }
        self.by_name.insert(key::row(&[peer, &service.service, node, &service.id]).into(), instance.clone());
        if let Some(name) = connect_name(&service) {
            self.by_connect.insert(key::row(&[peer, name, node, &service.id]).into(), instance.clone());
        }
        if !service.kind.is_empty() {
            self.by_kind.insert(kind_key(peer, node, &service).into(), instance);
        }
        before.map(|instance| instance.service)
    }

    fn remove(&mut self, node: &str, service: &NodeService) {
        self.rows.remove::<[u8]>(&key::row(&[peer_part(&service.peer_name), node, &service.id]));
        self.forget(node, service);
    }

    fn forget(&mut self, node: &str, service: &NodeService) {
        let peer = peer_part(&service.peer_name);
        self.by_name.remove::<[u8]>(&key::row(&[peer, &service.service, node, &service.id]));
        if let Some(name) = connect_name(service) {
            self.by_connect.remove::<[u8]>(&key::row(&[peer, name, node, &service.id]));
        }
        self.by_kind.remove::<[u8]>(&kind_key(peer, node, service));
    }
}

fn kind_key(peer: &str, node: &str, service: &NodeService) -> Vec<u8> {
    key::row(&[peer, &service.kind, &service.service, node, &service.id])
}

/// The service an instance serves in the mesh: a proxy's destination, or its own name if it is native.
pub(crate) fn connect_name(service: &NodeService) -> Option<&str> {
    if service.kind == CONNECT_PROXY {
        return Some(&service.proxy.destination_service_name);
    }
    service.connect.native.then_some(service.service.as_str())
}

impl Tx<'_> {
    /// Adds or changes an instance. Does nothing if nothing differs.
    pub(crate) fn set_service(&mut self, node: &str, mut service: NodeService) -> Result<(), String> {
        check_meta(node, &service)?;
        service.weights = Some(usable_weights(service.weights));
        let peer = service.peer_name.clone();
        if self.root.nodes.get(&peer, node).is_none() {
            return Err("Missing node registration".to_owned());
        }
        if !self.restoring {
            self.assign_virtual_ip(&mut service)?;
        }
        let before = self.root.services.get(&peer, node, &service.id).cloned();
        let (create_index, modify_index) = (service.create_index, service.modify_index);
        if let Some(before) = &before {
            service.create_index = before.create_index;
            service.modify_index = before.modify_index;
            if **before == service {
                return Ok(());
            }
            service.modify_index = self.index;
        } else {
            service.create_index = self.index;
            service.modify_index = self.index;
        }
        if self.restoring && modify_index != 0 {
            (service.create_index, service.modify_index) = (create_index, modify_index);
        }
        self.put_service(node, service);
        if let Some(before) = before {
            self.after_rename(node, &before);
        }
        Ok(())
    }

    fn put_service(&mut self, node: &str, service: NodeService) {
        let service = Arc::new(service);
        let (peer, at) = (service.peer_name.as_str(), service.modify_index);
        let new_name = !self.root.services.has_name(peer, &service.service);
        self.note_kind_names(&service, at);
        let row = self.root.nodes.row_key(peer, node);
        let before = self.root.services.insert(node, row, Arc::clone(&service));
        self.note_serving(before.as_deref(), Some(&service), at);
        self.count_service(&service, 1);
        if let Some(before) = &before {
            self.note_kind_names(before, at);
            self.count_service(before, -1);
            self.touch_connect(before);
            if before.kind != service.kind {
                self.bump_kind(before, at);
            }
        }
        if new_name && peer.is_empty() {
            self.root.usage.service_names += 1;
        }
        self.bump_service_tables(&service, at);
        self.bump_service(&service, at);
        self.bump_node_of_service(peer, node, at);
    }

    /// A registration that keeps its ID but changes its name takes an instance from the old name. The reference does
    /// not tell those who watch the old name; we do.
    fn after_rename(&mut self, node: &str, before: &NodeService) {
        let renamed = self
            .root
            .services
            .get(&before.peer_name, node, &before.id)
            .is_some_and(|now| !super::node::same_name(&now.service, &before.service));
        if renamed {
            self.after_instance_left(before);
        }
    }

    /// As [`Self::set_service`] if the stored instance has the request's modify index, or with 0 if there is none.
    pub(crate) fn cas_service(&mut self, node: &str, service: NodeService) -> Result<bool, String> {
        let stored = self.root.services.get(&service.peer_name, node, &service.id).map(|s| s.modify_index);
        if !cas_matches(stored, service.modify_index) {
            return Ok(false);
        }
        self.set_service(node, service)?;
        Ok(true)
    }

    /// Removes an instance and its checks. Unknown: no-op.
    pub(crate) fn delete_service(&mut self, peer: &str, node: &str, id: &str) {
        let Some(service) = self.root.services.get(peer, node, id).cloned() else { return };
        for check in self.root.checks.ids_of_instance(peer, node, id) {
            self.delete_check(peer, node, &check);
        }
        self.raise(CHECKS, self.index);
        self.raise(&index::of_peer(peer, CHECKS), self.index);
        self.root.services.remove(node, &service);
        self.note_serving(Some(&service), None, self.index);
        self.note_kind_names(&service, self.index);
        self.count_service(&service, -1);
        self.bump_service_tables(&service, self.index);
        self.bump_node_of_service(peer, node, self.index);
        self.after_instance_left(&service);
    }

    /// Removes an instance if it has this modify index; an absent one counts as stale.
    pub(crate) fn delete_service_cas(&mut self, peer: &str, node: &str, id: &str, modify_index: u64) -> bool {
        let matches = self.root.services.get(peer, node, id).is_some_and(|s| s.modify_index == modify_index);
        if matches {
            self.delete_service(peer, node, id);
        }
        matches
    }

    /// Moves the index of a name that lost an instance; the last one takes the name's index and address.
    fn after_instance_left(&mut self, gone: &NodeService) {
        let peer = gone.peer_name.as_str();
        if self.root.services.has_name(peer, &gone.service) {
            self.bump_service(gone, self.index);
            return;
        }
        self.touch_service(gone);
        self.root.indexes.remove(&index::of_service(peer, &gone.service));
        self.raise(&index::of_peer(peer, LAST_EXTINCTION), self.index);
        self.free_virtual_ip(peer, &gone.service);
        if peer.is_empty() {
            self.root.usage.service_names = self.root.usage.service_names.saturating_sub(1);
        }
    }

    fn bump_service_tables(&mut self, service: &NodeService, at: u64) {
        let peer = service.peer_name.as_str();
        self.raise(SERVICES, at);
        self.raise(&index::of_peer(peer, SERVICES), at);
        self.touch(Topic::services(peer));
        self.bump_kind(service, at);
    }

    /// Moves a service's own index.
    fn bump_service(&mut self, service: &NodeService, at: u64) {
        self.raise(&index::of_service(&service.peer_name, &service.service), at);
        self.touch_service(service);
    }

    /// Moves the index of an instance's service and kind: its node or a check has changed.
    pub(crate) fn bump_service_and_kind(&mut self, service: &NodeService, at: u64) {
        self.bump_kind(service, at);
        self.bump_service(service, at);
    }

    fn bump_kind(&mut self, service: &NodeService, at: u64) {
        let (peer, kind) = (service.peer_name.as_str(), index::of_kind(&service.kind));
        self.raise(&kind, at);
        self.raise(&index::of_peer(peer, &kind), at);
        self.touch(Topic::service_kind(peer, &service.kind));
    }

    pub(crate) fn bump_services_of_node(&mut self, peer: &str, node: &str, at: u64) {
        for service in self.root.services.on_node(peer, node) {
            self.bump_service_and_kind(&service, at);
        }
    }

    fn touch_service(&mut self, service: &NodeService) {
        self.touch(Topic::service(&service.peer_name, &service.service));
        self.touch_connect(service);
    }

    fn touch_connect(&mut self, service: &NodeService) {
        if let Some(name) = connect_name(service) {
            self.touch(Topic::connect(&service.peer_name, name));
        }
    }
}

/// The weights DNS answers can carry; others silently become the default (`docs/spec/http-api.md` §4).
fn usable_weights(weights: Option<Weights>) -> Weights {
    weights
        .filter(|w| (1..=WEIGHT_LIMIT).contains(&w.passing) && (0..=WEIGHT_LIMIT).contains(&w.warning))
        .unwrap_or_default()
}

const WEIGHT_LIMIT: i64 = 65535;
const META_PAIRS_LIMIT: usize = 64;
const META_KEY_CHARS_LIMIT: usize = 128;
const META_VALUE_CHARS_LIMIT: usize = 512;
const META_RESERVED_PREFIX: &str = "consul-";
const META_WAN_FEDERATION: &str = "consul-wan-federation";

fn check_meta(node: &str, service: &NodeService) -> Result<(), String> {
    let cause = if service.meta.len() > META_PAIRS_LIMIT {
        Some(format!("Node metadata cannot contain more than {META_PAIRS_LIMIT} key/value pairs"))
    } else {
        service.meta.iter().find_map(|(key, value)| {
            let fault = meta_fault(&service.kind, key, value)?;
            Some(format!("Couldn't load metadata pair ('{key}', '{value}'): {fault}"))
        })
    };
    cause.map_or(Ok(()), |cause| {
        Err(format!("Invalid Service Meta for node {node} and serviceID {}: {cause}", service.id))
    })
}

fn meta_fault(kind: &str, key: &str, value: &str) -> Option<String> {
    if key.is_empty() {
        return Some("Key cannot be blank".to_owned());
    }
    if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Some("Key contains invalid characters".to_owned());
    }
    if key.len() > META_KEY_CHARS_LIMIT {
        return Some(format!("Key is too long (limit: {META_KEY_CHARS_LIMIT} characters)"));
    }
    let allowed = kind == "mesh-gateway" && key == META_WAN_FEDERATION;
    if key.starts_with(META_RESERVED_PREFIX) && !allowed {
        return Some(format!("Key prefix '{META_RESERVED_PREFIX}' is reserved for internal use"));
    }
    (value.len() > META_VALUE_CHARS_LIMIT)
        .then(|| format!("Value is too long (limit: {META_VALUE_CHARS_LIMIT} characters)"))
}

/// Reads of services. `peer` is the peering the rows were imported from, empty for this cluster's own.
impl Snapshot {
    /// The instance with this ID on a node. Index: the node's.
    pub fn node_service(&self, peer: &str, node: &str, id: &str) -> (u64, Option<Arc<NodeService>>) {
        let index = self.root.indexes.get(&index::of_node(peer, node));
        (index, self.root.services.get(peer, node, id).cloned())
    }

    /// Every service name with the tags of all its instances that are on a node with this metadata.
    pub fn services(&self, peer: &str, meta: &BTreeMap<String, String>) -> (u64, BTreeMap<String, BTreeSet<String>>) {
        let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (_, instance) in under(&self.root.services.rows, &key::row(&[peer_part(peer)])) {
            if !meta.is_empty() && !self.root.nodes.at(&instance.node).is_some_and(|node| has_meta(&node.meta, meta)) {
                continue;
            }
            let service = &instance.service;
            match services.get_mut(&service.service) {
                Some(tags) => tags.extend(service.tags.iter().cloned()),
                None => drop(services.insert(service.service.clone(), service.tags.iter().cloned().collect())),
            }
        }
        (self.services_index(peer, meta), services)
    }

    /// Index of [`Self::services`], and of what else is made of all instances' names and tags.
    pub fn services_index(&self, peer: &str, meta: &BTreeMap<String, String>) -> u64 {
        let index = self.root.indexes.get(&index::of_peer(peer, SERVICES));
        if meta.is_empty() { index } else { index.max(self.nodes_index(peer)) }
    }

    /// Every instance that is on a node with this metadata, with its node, by node and ID.
    pub fn instances(&self, peer: &str, meta: &BTreeMap<String, String>) -> Vec<ServiceNode> {
        let mut instances = self.join(self.root.services.all(peer));
        instances.retain(|instance| has_meta(&instance.node.meta, meta));
        instances
    }

    /// The instances of a service with their nodes, by node and ID.
    pub fn service_nodes(&self, peer: &str, service: &str) -> (u64, Vec<ServiceNode>) {
        (self.service_nodes_index(peer, service), self.join(self.root.services.named(peer, service)))
    }

    /// Index of [`Self::service_nodes`].
    pub fn service_nodes_index(&self, peer: &str, service: &str) -> u64 {
        self.service_index(peer, service, self.has_service_nodes(peer, service), false)
    }

    /// Whether a service has instances.
    pub fn has_service_nodes(&self, peer: &str, service: &str) -> bool {
        self.root.services.has_name(peer, service)
    }

    /// The instances whose own address, or else whose node's, is this one. Index 0: cannot be waited for.
    pub fn service_nodes_by_address(&self, peer: &str, address: &str) -> (u64, Vec<ServiceNode>) {
        let mut instances = self.join(self.root.services.all(peer));
        instances.retain(|instance| match instance.service.address.as_str() {
            "" => instance.node.address == address,
            own => own == address,
        });
        (0, instances)
    }

    /// The instances of a service with their nodes and the checks of both, by node and ID.
    pub fn check_service_nodes(&self, peer: &str, service: &str) -> (u64, Vec<CheckServiceNode>) {
        let instances = self.join(self.root.services.named(peer, service));
        (self.check_service_nodes_index(peer, service), self.with_checks(peer, instances))
    }

    /// Index of [`Self::check_service_nodes`].
    pub fn check_service_nodes_index(&self, peer: &str, service: &str) -> u64 {
        self.service_index(peer, service, self.has_service_nodes(peer, service), true)
    }

    /// The instances of a kind with their nodes and the checks of both, by service name. Index: the kind's.
    pub fn check_service_nodes_of_kind(&self, peer: &str, kind: &str) -> (u64, Vec<CheckServiceNode>) {
        let prefix = key::row(&[peer_part(peer), kind]);
        let instances = under(&self.root.services.by_kind, &prefix).map(|(_, instance)| instance).collect();
        let instances = self.join(instances);
        let index = self.root.indexes.get(&index::of_peer(peer, &index::of_kind(kind)));
        (index, self.with_checks(peer, instances))
    }

    /// A node with its services, by name or by a unique prefix of its ID. Index 0: the request cannot name a node.
    pub fn node_services(&self, peer: &str, name_or_id: &str) -> (u64, Option<NodeServices>) {
        let lookup = self.root.nodes.by_name_or_id_prefix(peer, name_or_id);
        let found = match &lookup {
            NodeLookup::Found(node) => {
                let services = self.root.services.on_node(peer, &node.node);
                Some(NodeServices { node: Arc::clone(node), services })
            }
            NodeLookup::Missing | NodeLookup::Unusable => None,
        };
        (self.node_lookup_index(peer, &lookup), found)
    }

    pub(crate) fn all_check_service_nodes(&self, peer: &str) -> Vec<CheckServiceNode> {
        self.with_checks(peer, self.join(self.root.services.all(peer)))
    }

    pub(crate) fn join(&self, instances: Vec<&Instance>) -> Vec<ServiceNode> {
        let joined = instances.into_iter().filter_map(|instance| {
            let node: &Arc<Node> = self.root.nodes.at(&instance.node)?;
            Some(ServiceNode { node: Arc::clone(node), service: Arc::clone(&instance.service) })
        });
        joined.collect()
    }

    pub(crate) fn with_checks(&self, peer: &str, instances: Vec<ServiceNode>) -> Vec<CheckServiceNode> {
        let with = instances.into_iter().map(|ServiceNode { node, service }| {
            let mut checks = self.root.checks.of_instance(peer, &node.node, "");
            checks.extend(self.root.checks.of_instance(peer, &node.node, &service.id));
            CheckServiceNode { node, service, checks }
        });
        with.collect()
    }

    /// Reply index of a read about one service name.
    pub(crate) fn service_index(&self, peer: &str, service: &str, exists: bool, with_checks: bool) -> u64 {
        let indexes = &self.root.indexes;
        if !exists && let Some(extinction) = indexes.find(&index::of_peer(peer, LAST_EXTINCTION)) {
            return extinction;
        }
        if let Some(own) = indexes.find(&index::of_service(peer, service)) {
            return own;
        }
        let checks = if with_checks { indexes.get(&index::of_peer(peer, CHECKS)) } else { 0 };
        checks.max(indexes.max(&[&index::of_peer(peer, NODES), &index::of_peer(peer, SERVICES)]))
    }
}
