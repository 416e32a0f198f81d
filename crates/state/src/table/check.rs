//! Health checks of the catalog (`docs/spec/rpc-and-state.md` §7.4, §7.5).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use types::{CheckStatus, HealthCheck};

use crate::key::{self, RowKey, peer_part};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::index;
use crate::table::node::{cas_matches, has_meta, same_name};
use crate::watch::Topic;

pub(crate) const CHECKS: &str = "checks";

/// Stands for checks of every status in [`Snapshot::checks_in_state`].
pub const ANY_STATE: &str = "any";

type Index = Map<RowKey, Arc<HealthCheck>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct CheckTable {
    /// (peer, node, check ID).
    rows: Index,
    /// (peer, node, service ID or nothing, check ID).
    by_instance: Index,
    /// (peer, service name, node, check ID), service checks only.
    by_service: Index,
    /// (peer, status, node, check ID) of checks that do not pass: those that do are most, and are found in `rows`.
    troubled: Index,
}

impl CheckTable {
    pub(crate) fn get(&self, peer: &str, node: &str, id: &str) -> Option<&Arc<HealthCheck>> {
        self.rows.get::<[u8]>(&key::row(&[peer_part(peer), node, id]))
    }

    pub(crate) fn on_node(&self, peer: &str, node: &str) -> Vec<Arc<HealthCheck>> {
        under(&self.rows, &key::row(&[peer_part(peer), node])).map(|(_, check)| Arc::clone(check)).collect()
    }

    pub(crate) fn ids_on_node(&self, peer: &str, node: &str) -> Vec<String> {
        self.on_node(peer, node).iter().map(|check| check.check_id.clone()).collect()
    }

    /// The checks of an instance, or of the node itself for an empty service ID.
    pub(crate) fn of_instance(&self, peer: &str, node: &str, service_id: &str) -> Vec<Arc<HealthCheck>> {
        let prefix = key::row(&[peer_part(peer), node, service_id]);
        under(&self.by_instance, &prefix).map(|(_, check)| Arc::clone(check)).collect()
    }

    pub(crate) fn ids_of_instance(&self, peer: &str, node: &str, service_id: &str) -> Vec<String> {
        self.of_instance(peer, node, service_id).iter().map(|check| check.check_id.clone()).collect()
    }

    fn insert(&mut self, check: Arc<HealthCheck>) {
        let peer = peer_part(&check.peer_name);
        let row = key::row(&[peer, &check.node, &check.check_id]);
        if let Some(before) = self.rows.insert(row.into(), Arc::clone(&check)) {
            self.forget(&before);
        }
        let instance = key::row(&[peer, &check.node, &check.service_id, &check.check_id]);
        self.by_instance.insert(instance.into(), Arc::clone(&check));
        if !check.service_id.is_empty() {
            let service = key::row(&[peer, &check.service_name, &check.node, &check.check_id]);
            self.by_service.insert(service.into(), Arc::clone(&check));
        }
        if !passes(&check.status) {
            self.troubled.insert(key::row(&[peer, &check.status, &check.node, &check.check_id]).into(), check);
        }
    }

    fn remove(&mut self, check: &HealthCheck) {
        self.rows.remove::<[u8]>(&key::row(&[peer_part(&check.peer_name), &check.node, &check.check_id]));
        self.forget(check);
    }

    fn forget(&mut self, check: &HealthCheck) {
        let (peer, node, id) = (peer_part(&check.peer_name), check.node.as_str(), check.check_id.as_str());
        self.by_instance.remove::<[u8]>(&key::row(&[peer, node, &check.service_id, id]));
        self.by_service.remove::<[u8]>(&key::row(&[peer, &check.service_name, node, id]));
        self.troubled.remove::<[u8]>(&key::row(&[peer, &check.status, node, id]));
    }

    /// The checks in a status, or all for [`ANY_STATE`], by node and ID.
    fn in_state<'a>(&'a self, peer: &str, state: &str) -> Box<dyn Iterator<Item = &'a Arc<HealthCheck>> + 'a> {
        let values = |map: &'a Index, prefix: Vec<u8>| {
            map.range::<_, [u8]>((Bound::Included(prefix.as_slice()), Bound::Unbounded))
                .take_while(move |(key, _)| key.starts_with(&prefix))
                .map(|(_, check)| check)
        };
        let all = key::row(&[peer_part(peer)]);
        if state == ANY_STATE {
            return Box::new(values(&self.rows, all));
        }
        if passes(state) {
            return Box::new(values(&self.rows, all).filter(|check| passes(&check.status)));
        }
        Box::new(values(&self.troubled, key::row(&[peer_part(peer), state])))
    }
}

fn passes(status: &str) -> bool {
    status.eq_ignore_ascii_case(CheckStatus::Passing.as_str())
}

/// Whether writing `a` over `b` would be a change; how a check is shown but not run does not count.
fn same_check(a: &HealthCheck, b: &HealthCheck) -> bool {
    same_name(&a.node, &b.node)
        && a.check_id == b.check_id
        && a.name == b.name
        && a.status == b.status
        && a.notes == b.notes
        && a.output == b.output
        && a.service_id == b.service_id
        && a.service_name == b.service_name
        && a.service_tags == b.service_tags
        && a.definition == b.definition
        && a.peer_name == b.peer_name
}

impl Tx<'_> {
    /// Adds or changes a check, and ends the sessions that depend on it if it is critical, changed or not.
    pub(crate) fn set_check(&mut self, mut check: HealthCheck) -> Result<(), String> {
        if check.node.is_empty() || check.check_id.is_empty() {
            return Err("failed health check lookup: index error: object is missing a value for this index".to_owned());
        }
        if check.status.is_empty() {
            check.status = CheckStatus::Critical.as_str().to_owned();
        }
        let peer = check.peer_name.clone();
        let before = self.root.checks.get(&peer, &check.node, &check.check_id).cloned();
        match &before {
            Some(before) if !self.restoring => check.create_index = before.create_index,
            None if !self.restoring || check.create_index == 0 => check.create_index = self.index,
            _ => {}
        }
        if !self.restoring || check.modify_index == 0 {
            check.modify_index = self.index;
        }
        if self.root.nodes.get(&peer, &check.node).is_none() {
            return Err("Missing node registration".to_owned());
        }
        let service = match check.service_id.as_str() {
            "" => None,
            id => match self.root.services.get(&peer, &check.node, id).cloned() {
                None => return Err("Missing service registration".to_owned()),
                service => service,
            },
        };
        let keep_copies = self.restoring && !check.service_name.is_empty();
        if let Some(service) = service.as_ref().filter(|_| !keep_copies) {
            check.service_name = service.service.clone();
            check.service_tags = service.tags.clone();
        }
        if check.status == CheckStatus::Critical.as_str() && peer.is_empty() && !self.restoring {
            self.destroy_sessions_of_check(&check.node, &check.check_id);
        }
        if let Some(before) = before {
            if same_check(&before, &check) {
                return Ok(());
            }
            self.leave_instance(&before, &check);
        }
        match &service {
            Some(service) => self.bump_service_and_kind(service, check.modify_index),
            None => self.bump_services_of_node(&peer, &check.node, check.modify_index),
        }
        self.note_check(&check, check.modify_index);
        self.root.checks.insert(Arc::new(check));
        Ok(())
    }

    /// A check that is re-registered for another instance is gone from the old one, whose watchers must see that; the
    /// reference tells only those of the new one.
    fn leave_instance(&mut self, before: &HealthCheck, now: &HealthCheck) {
        if before.service_id == now.service_id {
            return;
        }
        let (peer, node) = (before.peer_name.as_str(), before.node.as_str());
        if before.service_id.is_empty() {
            self.bump_services_of_node(peer, node, now.modify_index);
        } else if let Some(service) = self.root.services.get(peer, node, &before.service_id).cloned() {
            self.bump_service_and_kind(&service, now.modify_index);
            self.touch(Topic::service_checks(peer, &before.service_name));
        }
    }

    /// As [`Self::set_check`] if the stored check has the request's modify index, or with 0 if there is none.
    pub(crate) fn cas_check(&mut self, check: HealthCheck) -> Result<bool, String> {
        let stored = self.root.checks.get(&check.peer_name, &check.node, &check.check_id).map(|c| c.modify_index);
        if !cas_matches(stored, check.modify_index) {
            return Ok(false);
        }
        self.set_check(check)?;
        Ok(true)
    }

    /// Removes a check and ends the sessions that depend on it. Unknown: no-op.
    pub(crate) fn delete_check(&mut self, peer: &str, node: &str, id: &str) {
        let Some(check) = self.root.checks.get(peer, node, id).cloned() else { return };
        if check.service_id.is_empty() {
            self.bump_services_of_node(peer, node, self.index);
        } else if let Some(service) = self.root.services.get(peer, node, &check.service_id).cloned() {
            self.bump_service_and_kind(&service, self.index);
        }
        self.root.checks.remove(&check);
        self.note_check(&check, self.index);
        if peer.is_empty() {
            self.destroy_sessions_of_check(node, id);
        }
    }

    /// Removes a check if it has this modify index; an absent one counts as stale.
    pub(crate) fn delete_check_cas(&mut self, peer: &str, node: &str, id: &str, modify_index: u64) -> bool {
        let matches = self.root.checks.get(peer, node, id).is_some_and(|c| c.modify_index == modify_index);
        if matches {
            self.delete_check(peer, node, id);
        }
        matches
    }

    fn note_check(&mut self, check: &HealthCheck, at: u64) {
        let peer = check.peer_name.as_str();
        self.raise(CHECKS, at);
        self.raise(&index::of_peer(peer, CHECKS), at);
        self.touch(Topic::checks(peer));
        self.touch(Topic::node_checks(peer, &check.node));
        if !check.service_id.is_empty() {
            self.touch(Topic::service_checks(peer, &check.service_name));
        }
    }
}

/// Reads of checks. `peer` is the peering the rows were imported from, empty for this cluster's own.
impl Snapshot {
    /// One check of a node. Index: of all checks.
    pub fn node_check(&self, peer: &str, node: &str, id: &str) -> (u64, Option<Arc<HealthCheck>>) {
        (self.checks_index(peer), self.root.checks.get(peer, node, id).cloned())
    }

    /// The checks on a node, those of its services included, by ID. Index: of all checks.
    pub fn node_checks(&self, peer: &str, node: &str) -> (u64, Vec<Arc<HealthCheck>>) {
        (self.checks_index(peer), self.root.checks.on_node(peer, node))
    }

    /// The checks of a service's instances on nodes with this metadata. Index: of all checks; with metadata the
    /// service's.
    pub fn service_checks(
        &self,
        peer: &str,
        service: &str,
        meta: &BTreeMap<String, String>,
    ) -> (u64, Vec<Arc<HealthCheck>>) {
        let prefix = key::row(&[peer_part(peer), service]);
        let found = under(&self.root.checks.by_service, &prefix).map(|(_, check)| check);
        let checks = self.on_nodes_with(found, meta);
        (self.service_checks_index(peer, service, meta), checks)
    }

    /// Index of [`Self::service_checks`].
    pub fn service_checks_index(&self, peer: &str, service: &str, meta: &BTreeMap<String, String>) -> u64 {
        if meta.is_empty() { self.checks_index(peer) } else { self.check_service_nodes_index(peer, service) }
    }

    /// The checks in a status, compared case-insensitively, or all for [`ANY_STATE`], on nodes with this metadata.
    /// Index: of all checks.
    pub fn checks_in_state(
        &self,
        peer: &str,
        state: &str,
        meta: &BTreeMap<String, String>,
    ) -> (u64, Vec<Arc<HealthCheck>>) {
        let checks = self.on_nodes_with(self.root.checks.in_state(peer, state), meta);
        (self.checks_index(peer), checks)
    }

    fn on_nodes_with<'a>(
        &self,
        checks: impl Iterator<Item = &'a Arc<HealthCheck>>,
        meta: &BTreeMap<String, String>,
    ) -> Vec<Arc<HealthCheck>> {
        let wanted = checks.filter(|check| {
            let node = self.root.nodes.get(&check.peer_name, &check.node);
            meta.is_empty() || node.is_some_and(|node| has_meta(&node.meta, meta))
        });
        wanted.cloned().collect()
    }

    /// Index of reads of checks: of all of them.
    pub fn checks_index(&self, peer: &str) -> u64 {
        self.root.indexes.get(&index::of_peer(peer, CHECKS))
    }
}
