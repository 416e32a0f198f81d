//! What must be written so that the catalog says what this agent says (`docs/spec/server-operations.md` §12.3, §12.4).
//!
//! Pure. [`Registry::compare`] marks what differs, [`Registry::next_changes`] turns marks into writes, and
//! [`Registry::landed`] takes note of how they ended. No difference, no write; one change, one write.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use config::Secret;
use types::{CONSUL_SERVICE, HealthCheck, Node, NodeService, SERF_HEALTH};

use super::Source;
use super::registry::{CheckRecord, Item, NodeInfo, Progress, Registry, ServiceRecord, same_check};

/// Addresses of a service whose tag starts so are assigned by the servers.
const ASSIGNED_PREFIX: &str = "consul-";

/// True for a tagged address that the servers assign.
pub(super) fn is_assigned(tag: &str) -> bool {
    tag.starts_with(ASSIGNED_PREFIX)
}

/// What the catalog says about this node.
#[derive(Clone, Debug, Default)]
pub(super) struct Remote {
    /// Nothing if it is not registered.
    pub(super) node: Option<Arc<Node>>,
    pub(super) services: Vec<Arc<NodeService>>,
    pub(super) checks: Vec<Arc<HealthCheck>>,
}

/// A value as it is written, with the version that stands for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent<T> {
    pub(super) value: T,
    pub(super) version: u64,
}

/// One write to the catalog.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Register the node as it is.
    Node(Sent<Arc<NodeInfo>>),
    /// Register a service with those of its checks that may ride along.
    RegisterService { service: Sent<Arc<NodeService>>, checks: Vec<Sent<Arc<HealthCheck>>>, token: Secret },
    /// Remove a service of this ID; its checks go with it.
    DeregisterService { id: Sent<String>, checks: Vec<Sent<String>>, token: Secret },
    /// Register one check.
    RegisterCheck { check: Sent<Arc<HealthCheck>>, token: Secret },
    /// Remove a check of this ID.
    DeregisterCheck { id: Sent<String>, token: Secret },
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    Done,
    /// The token may not: not tried again before the next comparison.
    Denied,
    Failed,
}

impl Change {
    /// What the write is about: nothing else may be written about these meanwhile.
    pub(super) fn items(&self) -> Vec<Item> {
        match self {
            Change::Node(_) => vec![Item::Node],
            Change::RegisterService { service, checks, .. } => {
                let checks = checks.iter().map(|c| Item::Check(c.value.check_id.clone()));
                [Item::Service(service.value.id.clone())].into_iter().chain(checks).collect()
            }
            Change::DeregisterService { id, checks, .. } => {
                let checks = checks.iter().map(|c| Item::Check(c.value.clone()));
                [Item::Service(id.value.clone())].into_iter().chain(checks).collect()
            }
            Change::RegisterCheck { check, .. } => vec![Item::Check(check.value.check_id.clone())],
            Change::DeregisterCheck { id, .. } => vec![Item::Check(id.value.clone())],
        }
    }
}

impl Registry {
    /// Marks what differs from the catalog. `read_at`: the registry's clock when the read of `remote` began; what has
    /// changed since, and what is `busy` being written, is left to the next comparison.
    pub(super) fn compare(&mut self, remote: &Remote, read_at: u64, busy: &BTreeSet<Item>) {
        self.compare_node(remote, read_at);
        self.compare_services(&remote.services, read_at, busy);
        self.compare_checks(&remote.checks, read_at, busy);
    }

    fn compare_node(&mut self, remote: &Remote, read_at: u64) {
        if self.node_progress.touched > read_at {
            return;
        }
        let own = &self.node;
        self.node_progress.in_sync = remote.node.as_ref().is_some_and(|found| {
            found.id == own.id && found.tagged_addresses == own.tagged_addresses && found.meta == own.meta
        });
        if self.node_progress.in_sync {
            tracing::debug!(target: "agent", "Node info in sync");
        } else {
            self.dirty.insert(Item::Node);
        }
    }

    fn compare_services(&mut self, remote: &[Arc<NodeService>], read_at: u64, busy: &BTreeSet<Item>) {
        let found: BTreeMap<&str, &Arc<NodeService>> = remote.iter().map(|s| (s.id.as_str(), s)).collect();
        let mut forgotten = Vec::new();
        let mut shown_changed = false;
        for (id, record) in &mut self.services {
            let item = Item::Service(id.clone());
            if record.progress.touched > read_at || busy.contains(&item) {
                continue;
            }
            let found = found.get(id.as_str());
            if record.progress.deleted && found.is_none() {
                forgotten.push(id.clone());
                continue;
            }
            record.progress.in_sync = match found {
                Some(found) if !record.progress.deleted => {
                    shown_changed |= take_remote_parts(&mut record.service, found);
                    same_service(&record.service, found)
                }
                _ => false,
            };
            if record.progress.in_sync {
                tracing::debug!(target: "agent", service = id.as_str(), "Service in sync");
            } else {
                self.dirty.insert(item);
            }
        }
        for id in forgotten {
            self.drop_service(&id);
        }
        if shown_changed {
            self.services_changed();
        }
        // A server's own service is its leader's to register and remove.
        let strangers = found.into_iter().filter(|(id, _)| *id != CONSUL_SERVICE);
        for (id, service) in strangers {
            if !self.services.contains_key(id) {
                let record = ServiceRecord {
                    service: service.clone(),
                    token: Secret::default(),
                    source: Source::Api,
                    progress: self.removal(),
                };
                self.services.insert(id.to_owned(), record);
                self.dirty.insert(Item::Service(id.to_owned()));
            }
        }
    }

    fn compare_checks(&mut self, remote: &[Arc<HealthCheck>], read_at: u64, busy: &BTreeSet<Item>) {
        let found: BTreeMap<&str, &Arc<HealthCheck>> = remote.iter().map(|c| (c.check_id.as_str(), c)).collect();
        let mut forgotten = Vec::new();
        for (id, record) in &mut self.checks {
            let item = Item::Check(id.clone());
            if record.progress.touched > read_at || busy.contains(&item) {
                continue;
            }
            let found = found.get(id.as_str());
            if record.progress.deleted && found.is_none() {
                forgotten.push(id.clone());
                continue;
            }
            let service = self.services.get(&record.check.service_id).map(|s| s.service.as_ref());
            let output_counts = !self.deferred.contains(id);
            record.progress.in_sync = !record.progress.deleted
                && found.is_some_and(|found| says_the_same(&record.check, found, service, output_counts));
            if record.progress.in_sync {
                tracing::debug!(target: "agent", check = id.as_str(), "Check in sync");
            } else {
                self.dirty.insert(item);
            }
        }
        for id in forgotten {
            self.drop_check(&id);
        }
        for (id, check) in found.into_iter().filter(|(id, _)| *id != SERF_HEALTH) {
            if !self.checks.contains_key(id) {
                let progress = self.removal();
                self.checks_of.entry(check.service_id.clone()).or_default().insert(id.to_owned());
                self.checks.insert(id.to_owned(), CheckRecord::stranger(check.clone(), progress));
                self.dirty.insert(Item::Check(id.to_owned()));
            }
        }
    }

    /// The progress of a record that is only there to be removed from the catalog.
    fn removal(&mut self) -> Progress {
        let version = self.tick();
        Progress { in_sync: false, deleted: true, version, touched: version }
    }

    /// Takes at most `room` writes out of what is marked. What is `busy` waits, and so does what must come after it: a
    /// service's checks after the service, everything after the node.
    pub(super) fn next_changes(&mut self, busy: &BTreeSet<Item>, room: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        if busy.contains(&Item::Node) {
            return changes;
        }
        if self.dirty.remove(&Item::Node) {
            changes.push(Change::Node(Sent { value: self.node.clone(), version: self.node_progress.version }));
            return changes;
        }
        let mut last = Item::Node;
        // What these changes are about is busy for those that follow.
        let mut busy = busy.clone();
        while changes.len() < room {
            let mut rest = self.dirty.range((Bound::Excluded(&last), Bound::Unbounded));
            let Some(item) = rest.find(|item| !busy.contains(*item)).cloned() else { break };
            let change = match &item {
                Item::Node => None,
                Item::Service(id) => self.service_change(id, &busy),
                Item::Check(id) => self.check_change(id, &busy),
            };
            if let Some(change) = change {
                busy.extend(change.items());
                changes.push(change);
            }
            last = item;
        }
        changes
    }

    fn service_change(&mut self, id: &str, busy: &BTreeSet<Item>) -> Option<Change> {
        self.dirty.remove(&Item::Service(id.to_owned()));
        let record = self.services.get(id).filter(|record| !record.progress.in_sync)?.clone();
        let version = record.progress.version;
        let riders = self.riders(id, &record, busy);
        for (rider, _) in &riders {
            self.dirty.remove(&Item::Check(rider.clone()));
        }
        let token = record.token.clone();
        if record.progress.deleted {
            let checks = riders.into_iter().map(|(id, r)| Sent { value: id, version: r.progress.version }).collect();
            return Some(Change::DeregisterService { id: Sent { value: id.to_owned(), version }, checks, token });
        }
        let checks = riders.into_iter().map(|(_, r)| Sent { value: r.check, version: r.progress.version }).collect();
        Some(Change::RegisterService { service: Sent { value: record.service, version }, checks, token })
    }

    /// Checks that go with a write of their service: to register it, those with its token; to remove it, all.
    fn riders(&self, id: &str, service: &ServiceRecord, busy: &BTreeSet<Item>) -> Vec<(String, CheckRecord)> {
        let goes = |check_id: &String| {
            let record = self.checks.get(check_id)?;
            let item = Item::Check(check_id.clone());
            let rides = match service.progress.deleted {
                true => record.progress.deleted,
                false => !record.progress.in_sync && record.token == service.token && self.dirty.contains(&item),
            };
            (rides && !busy.contains(&item)).then(|| (check_id.clone(), record.clone()))
        };
        self.checks_of.get(id).into_iter().flatten().filter_map(goes).collect()
    }

    fn check_change(&mut self, id: &str, busy: &BTreeSet<Item>) -> Option<Change> {
        let item = Item::Check(id.to_owned());
        let Some(record) = self.checks.get(id).filter(|record| !record.progress.in_sync).cloned() else {
            self.dirty.remove(&item);
            return None;
        };
        let deleted = record.progress.deleted;
        if let Some(service) = self.services.get(&record.check.service_id) {
            let service_item = Item::Service(record.check.service_id.clone());
            let waits = busy.contains(&service_item) || self.dirty.contains(&service_item);
            let follows = if deleted { service.progress.deleted } else { !service.progress.in_sync };
            if waits && (follows || busy.contains(&service_item)) {
                return None;
            }
            if follows {
                // The service could not be written, so the check cannot either; the next comparison brings both back.
                self.dirty.remove(&item);
                return None;
            }
        }
        self.dirty.remove(&item);
        let (version, token) = (record.progress.version, record.token);
        Some(match deleted {
            true => Change::DeregisterCheck { id: Sent { value: id.to_owned(), version }, token },
            false => Change::RegisterCheck { check: Sent { value: record.check, version }, token },
        })
    }

    /// Takes note of how a write ended. `with_node`: the version of the node's data it carried, if it did.
    pub(super) fn landed(&mut self, change: &Change, landing: Landing, with_node: Option<u64>) {
        if landing == Landing::Done
            && let Some(version) = with_node
        {
            self.node_landed(version);
        }
        if landing == Landing::Failed {
            return;
        }
        match change {
            Change::Node(sent) => self.node_landed(sent.version),
            Change::RegisterService { service, checks, .. } => {
                self.service_landed(&service.value.id, service.version);
                checks.iter().for_each(|check| self.check_landed(check));
            }
            Change::RegisterCheck { check, .. } => self.check_landed(check),
            Change::DeregisterService { id, checks, .. } => {
                checks.iter().for_each(|check| self.check_gone(check, landing));
                self.service_gone(id, landing);
            }
            Change::DeregisterCheck { id, .. } => self.check_gone(id, landing),
        }
    }

    /// Leaves everything that waits to the next comparison: nobody would take it now.
    pub(super) fn give_up(&mut self) {
        self.dirty.clear();
    }

    fn node_landed(&mut self, version: u64) {
        if self.node_progress.version == version {
            self.node_progress.touched = self.tick();
            self.node_progress.in_sync = true;
            self.dirty.remove(&Item::Node);
        }
    }

    fn service_landed(&mut self, id: &str, version: u64) {
        let touched = self.tick();
        if let Some(record) = self.services.get_mut(id).filter(|r| r.progress.version == version) {
            record.progress = Progress { in_sync: true, touched, ..record.progress };
        }
    }

    fn check_landed(&mut self, sent: &Sent<Arc<HealthCheck>>) {
        let touched = self.tick();
        let id = &sent.value.check_id;
        let Some(record) = self.checks.get_mut(id).filter(|r| r.progress.version == sent.version) else { return };
        record.progress = Progress { in_sync: true, touched, ..record.progress };
        if record.check.output == sent.value.output {
            self.deferred.remove(id);
        }
    }

    fn service_gone(&mut self, sent: &Sent<String>, landing: Landing) {
        let Some(record) = self.services.get(&sent.value) else { return };
        if record.progress.version == sent.version && landing == Landing::Done {
            self.drop_service(&sent.value);
        }
    }

    fn check_gone(&mut self, sent: &Sent<String>, landing: Landing) {
        let Some(record) = self.checks.get(&sent.value) else { return };
        if record.progress.version == sent.version && landing == Landing::Done {
            self.drop_check(&sent.value);
        }
    }
}

/// Takes over what the catalog decides: tags under `EnableTagOverride`, addresses the servers assign. True if that
/// changed anything.
fn take_remote_parts(local: &mut Arc<NodeService>, remote: &NodeService) -> bool {
    let takes_tags = local.enable_tag_override && local.tags != remote.tags;
    let assigned = || remote.tagged_addresses.iter().filter(|(tag, _)| is_assigned(tag));
    let takes_addresses = assigned().any(|(tag, address)| local.tagged_addresses.get(tag) != Some(address));
    if !takes_tags && !takes_addresses {
        return false;
    }
    let service = Arc::make_mut(local);
    if takes_tags {
        service.tags.clone_from(&remote.tags);
    }
    service.tagged_addresses.extend(assigned().map(|(tag, address)| (tag.clone(), address.clone())));
    true
}

/// Equal but for what only one side knows.
fn same_service(local: &NodeService, remote: &NodeService) -> bool {
    let bare = |service: &NodeService| NodeService {
        create_index: 0,
        modify_index: 0,
        locally_registered_as_sidecar: false,
        ..service.clone()
    };
    bare(local) == bare(remote)
}

/// Whether the catalog's check says what ours does.
fn says_the_same(own: &HealthCheck, found: &HealthCheck, service: Option<&NodeService>, output_counts: bool) -> bool {
    let mut expected = own.clone();
    // The catalog copies name and tags of the service whenever the check is written: what it has may be as old as our
    // copy or as new as the service.
    if let Some(service) = service {
        if found.service_name == service.service {
            expected.service_name.clone_from(&found.service_name);
        }
        if found.service_tags == service.tags {
            expected.service_tags.clone_from(&found.service_tags);
        }
    }
    if !output_counts {
        expected.output.clone_from(&found.output);
    }
    same_check(&expected, found)
}

#[cfg(test)]
mod tests;
