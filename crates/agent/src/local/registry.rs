//! What is registered with this agent, and how far the catalog knows it (`docs/spec/server-operations.md` §12.2).
//!
//! Pure: no file, no network, no clock. [`super::plan`] compares it with the catalog and says what is to be written;
//! this file holds the records and the rules of their changes.

mod results;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use config::{CheckSpec, Secret};
use tokio::time::Instant;
use types::{HealthCheck, NodeService};

use super::convert::{NewCheck, NewService};
use super::deadlines::Deadlines;
use super::expose::Exposures;
use super::kind::{self, Kind};
use super::{Counts, LocalError, Source};

/// This node, as it is registered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeInfo {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) tagged_addresses: BTreeMap<String, String>,
    pub(crate) meta: BTreeMap<String, String>,
}

/// What may be out of step with the catalog. Ordered as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Node,
    Service(String),
    Check(String),
}

/// How far the catalog knows a record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// The catalog says the same, as far as we know.
    pub(super) in_sync: bool,
    /// Gone here; kept until the catalog has forgotten it too.
    pub(super) deleted: bool,
    /// Changes with everything that has to be written: tells whether a write that returns wrote what is here now.
    pub(super) version: u64,
    /// When the record or our knowledge of the catalog's changed last, on the registry's own clock.
    pub(super) touched: u64,
}

/// A service with what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct ServiceRecord {
    pub(super) service: Arc<NodeService>,
    pub(super) token: Secret,
    pub(super) source: Source,
    pub(super) progress: Progress,
}

/// A check with what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct CheckRecord {
    pub(super) check: Arc<HealthCheck>,
    pub(super) spec: Arc<CheckSpec>,
    pub(super) token: Secret,
    pub(super) source: Source,
    pub(super) progress: Progress,
    /// Since when updates have said critical; a check that was only registered so has no such moment.
    pub(super) critical_since: Option<Instant>,
    /// Output of the last result that was sent in.
    ttl_output: String,
}

impl CheckRecord {
    /// A check of the catalog that is not ours, to be removed there.
    pub(super) fn stranger(check: Arc<HealthCheck>, progress: Progress) -> CheckRecord {
        CheckRecord {
            check,
            spec: Arc::default(),
            token: Secret::default(),
            source: Source::Api,
            progress,
            critical_since: None,
            ttl_output: String::new(),
        }
    }
}

/// How outputs are treated.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputRules {
    /// Outputs are not kept.
    pub(super) discard: bool,
    /// Changes of output alone are written this late; zero for at once.
    pub(super) update_interval: Duration,
}

/// Everything registered with this agent.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) node: Arc<NodeInfo>,
    pub(super) node_progress: Progress,
    pub(super) services: BTreeMap<String, ServiceRecord>,
    pub(super) checks: BTreeMap<String, CheckRecord>,
    /// IDs of checks by the ID of their service, empty for the node's; deleted ones included.
    pub(super) checks_of: BTreeMap<String, BTreeSet<String>>,
    /// IDs of alias checks that are judged here, by the service they follow.
    pub(super) aliases: BTreeMap<String, BTreeSet<String>>,
    pub(super) exposures: Exposures,
    /// To be looked at and, unless in sync by then, written. What was tried and failed is not among it until a comparison
    /// puts it back.
    pub(super) dirty: BTreeSet<Item>,
    pub(super) ttls: Deadlines,
    /// Checks whose output changed and is to be written later.
    pub(super) deferred: Deadlines,
    pub(super) rules: OutputRules,
    /// Checks whose definition came, changed or went since somebody asked.
    moved: BTreeSet<String>,
    services_generation: u64,
    clock: u64,
    random: u64,
}

impl Registry {
    /// An empty one. `seed`: of the spread of deferred writes; not zero.
    pub(super) fn new(node: NodeInfo, rules: OutputRules, seed: u64) -> Registry {
        Registry {
            node: Arc::new(node),
            node_progress: Progress::default(),
            services: BTreeMap::new(),
            checks: BTreeMap::new(),
            checks_of: BTreeMap::new(),
            aliases: BTreeMap::new(),
            exposures: Exposures::default(),
            dirty: BTreeSet::new(),
            ttls: Deadlines::default(),
            deferred: Deadlines::default(),
            rules,
            moved: BTreeSet::new(),
            services_generation: 0,
            clock: 0,
            random: seed.max(1),
        }
    }

    /// A service that is registered here.
    pub(super) fn service(&self, id: &str) -> Option<&ServiceRecord> {
        self.services.get(id).filter(|record| !record.progress.deleted)
    }

    /// A check that is registered here.
    pub(super) fn check(&self, id: &str) -> Option<&CheckRecord> {
        self.checks.get(id).filter(|record| !record.progress.deleted)
    }

    pub(super) fn live_services(&self) -> impl Iterator<Item = (&String, &ServiceRecord)> {
        self.services.iter().filter(|(_, record)| !record.progress.deleted)
    }

    pub(super) fn live_checks(&self) -> impl Iterator<Item = (&String, &CheckRecord)> {
        self.checks.iter().filter(|(_, record)| !record.progress.deleted)
    }

    /// Checks of a service, or of the node for an empty ID.
    pub(super) fn live_checks_of(&self, service_id: &str) -> impl Iterator<Item = (&String, &CheckRecord)> {
        let ids = self.checks_of.get(service_id).into_iter().flatten();
        ids.filter_map(move |id| self.checks.get_key_value(id)).filter(|(_, record)| !record.progress.deleted)
    }

    /// How many there are of what.
    pub(super) fn counts(&self) -> Counts {
        let of_kind = |kind| self.live_checks().filter(|(_, r)| Kind::that_runs(&r.spec) == Some(kind)).count();
        Counts {
            services: self.live_services().count(),
            checks: self.live_checks().count(),
            check_ttls: of_kind(Kind::Ttl),
            check_monitors: of_kind(Kind::Script),
        }
    }

    /// Grows whenever the services that are shown change.
    pub(super) fn services_generation(&self) -> u64 {
        self.services_generation
    }

    /// Counts a change of services.
    pub(super) fn services_changed(&mut self) {
        self.services_generation += 1;
    }

    /// Takes the IDs of checks whose run must follow their definition.
    pub(super) fn take_moved(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.moved)
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn now(&self) -> u64 {
        self.clock
    }

    /// Replaces what is said about the node.
    pub(super) fn set_node_meta(&mut self, meta: BTreeMap<String, String>) {
        if self.node.meta != meta {
            self.node = Arc::new(NodeInfo { meta, ..NodeInfo::clone(&self.node) });
            self.node_progress.version = self.tick();
            self.node_progress.touched = self.node_progress.version;
            self.node_progress.in_sync = false;
            self.dirty.insert(Item::Node);
        }
    }

    /// Adds or replaces a service. The same again changes nothing that would have to be written.
    pub(super) fn put_service(&mut self, service: Arc<NodeService>, token: Secret, source: Source, now: Instant) {
        let id = service.id.clone();
        if let Some(record) = self.services.get_mut(&id).filter(|record| !record.progress.deleted)
            && is_same_again(&service, &record.service)
        {
            (record.token, record.source) = (token, source);
            if !record.progress.in_sync {
                self.dirty.insert(Item::Service(id));
            }
            return;
        }
        let version = self.tick();
        self.exposures.set_proxy(&service);
        let progress = Progress { version, touched: version, ..Progress::default() };
        self.services.insert(id.clone(), ServiceRecord { service, token, source, progress });
        self.dirty.insert(Item::Service(id.clone()));
        self.services_changed();
        self.refresh_exposed();
        self.refresh_aliases(&id, now);
    }

    /// Adds or replaces a service with the checks of its definition. Checks it had besides stay.
    pub(super) fn put_with_checks(&mut self, new: NewService, source: Source, now: Instant) {
        self.put_service(new.service, new.token, source, now);
        for check in new.checks {
            // Their service is there: that is all that could be wrong with them.
            let put = self.put_check(check, source, now);
            debug_assert!(put.is_ok(), "{put:?}");
        }
    }

    /// Adds or replaces a check. One of this ID keeps its status and output (`docs/spec/http-api.md` §3.6).
    ///
    /// # Errors
    /// [`LocalError::NoSuchServiceForCheck`].
    pub(super) fn put_check(&mut self, new: NewCheck, source: Source, now: Instant) -> Result<(), LocalError> {
        let NewCheck { mut check, spec, token } = new;
        let id = check.check_id.clone();
        if !check.service_id.is_empty() {
            let Some(service) = self.service(&check.service_id) else {
                return Err(LocalError::NoSuchServiceForCheck(check.service_id));
            };
            check.service_name.clone_from(&service.service.service);
            check.service_tags.clone_from(&service.service.tags);
        }
        let before = self.checks.get(&id).cloned();
        let live = before.as_ref().filter(|record| !record.progress.deleted);
        if let Some(live) = live {
            check.status.clone_from(&live.check.status);
            check.output.clone_from(&live.check.output);
        }
        let critical_since = live.and_then(|live| live.critical_since);
        let version = self.tick();
        let mut progress = Progress { version, touched: version, ..Progress::default() };
        let same = live.filter(|live| same_check(&check, &live.check));
        if let Some(live) = same {
            progress = live.progress;
        }
        let is_same = same.is_some();
        let moved_from = live.map(|live| live.check.service_id.clone()).filter(|from| *from != check.service_id);
        if let Some(before) = before {
            self.forget_indexes(&before);
        }
        self.checks_of.entry(check.service_id.clone()).or_default().insert(id.clone());
        match kind::ttl(&spec) {
            Some(ttl) => self.ttls.set(&id, now + ttl),
            None => self.ttls.remove(&id),
        }
        if let Some(target) = local_alias_target(&spec) {
            self.aliases.entry(target.to_owned()).or_default().insert(id.clone());
        }
        let service_id = check.service_id.clone();
        let record = CheckRecord {
            check: Arc::new(check),
            spec,
            token,
            source,
            progress,
            critical_since,
            ttl_output: String::new(),
        };
        self.checks.insert(id.clone(), record);
        if !is_same {
            self.deferred.remove(&id);
        }
        if !progress.in_sync {
            self.dirty.insert(Item::Check(id.clone()));
        }
        self.moved.insert(id.clone());
        self.refresh_exposed();
        self.judge_alias(&id, now);
        for service_id in moved_from.iter().chain([&service_id]) {
            self.refresh_aliases(service_id, now);
        }
        Ok(())
    }

    /// Removes a service with its checks; answers the IDs of these, nothing if there is no such service.
    pub(super) fn remove_service(&mut self, id: &str, now: Instant) -> Option<Vec<String>> {
        self.service(id)?;
        let checks: Vec<String> = self.live_checks_of(id).map(|(check, _)| check.clone()).collect();
        for check in &checks {
            self.mark_check_deleted(check);
        }
        let version = self.tick();
        let record = self.services.get_mut(id)?;
        record.progress = Progress { in_sync: false, deleted: true, version, touched: version };
        self.dirty.insert(Item::Service(id.to_owned()));
        self.exposures.remove_proxy(id);
        self.services_changed();
        self.refresh_exposed();
        self.refresh_aliases(id, now);
        Some(checks)
    }

    /// Removes a check; false if there is none.
    pub(super) fn remove_check(&mut self, id: &str, now: Instant) -> bool {
        let Some(record) = self.check(id) else { return false };
        let service_id = record.check.service_id.clone();
        self.mark_check_deleted(id);
        self.refresh_exposed();
        self.refresh_aliases(&service_id, now);
        true
    }

    fn mark_check_deleted(&mut self, id: &str) {
        let version = self.tick();
        let Some(record) = self.checks.get_mut(id) else { return };
        record.progress = Progress { in_sync: false, deleted: true, version, touched: version };
        if let Some(target) = local_alias_target(&record.spec) {
            remove_from(&mut self.aliases, target, id);
        }
        self.ttls.remove(id);
        self.deferred.remove(id);
        self.moved.insert(id.to_owned());
        self.dirty.insert(Item::Check(id.to_owned()));
    }

    /// Forgets a record altogether: the catalog does not have it any more.
    pub(super) fn drop_service(&mut self, id: &str) {
        self.services.remove(id);
        self.dirty.remove(&Item::Service(id.to_owned()));
    }

    /// As [`Registry::drop_service`].
    pub(super) fn drop_check(&mut self, id: &str) {
        if let Some(record) = self.checks.remove(id) {
            self.forget_indexes(&record);
        }
        self.dirty.remove(&Item::Check(id.to_owned()));
    }

    fn forget_indexes(&mut self, record: &CheckRecord) {
        let id = &record.check.check_id;
        remove_from(&mut self.checks_of, &record.check.service_id, id);
        if let Some(target) = local_alias_target(&record.spec) {
            remove_from(&mut self.aliases, target, id);
        }
    }

    /// Marks a check as one whose run must follow its definition.
    pub(super) fn mark_moved(&mut self, id: &str) {
        self.moved.insert(id.to_owned());
    }
}

/// The service an alias follows whose result is found here; nothing for other checks.
pub(super) fn local_alias_target(spec: &CheckSpec) -> Option<&str> {
    let is_local = Kind::that_runs(spec) == Some(Kind::Alias) && spec.alias_node.is_empty();
    is_local.then_some(spec.alias_service.as_str())
}

/// Whether registering `new` over `old` leaves everything as it is. What the servers added to the old one is not for
/// its owner to repeat.
fn is_same_again(new: &NodeService, old: &NodeService) -> bool {
    if !old.tagged_addresses.keys().any(|tag| super::plan::is_assigned(tag)) {
        return new == old;
    }
    let mut bare = old.clone();
    bare.tagged_addresses.retain(|tag, _| !super::plan::is_assigned(tag) || new.tagged_addresses.contains_key(tag));
    *new == bare
}

/// Equal in everything that is written for its own sake: how a check is shown but not run does not count.
pub(super) fn same_check(a: &HealthCheck, b: &HealthCheck) -> bool {
    a.node.eq_ignore_ascii_case(&b.node)
        && a.check_id == b.check_id
        && a.name == b.name
        && a.status == b.status
        && a.notes == b.notes
        && a.output == b.output
        && a.service_id == b.service_id
        && a.service_name == b.service_name
        && a.service_tags == b.service_tags
        && a.definition == b.definition
}

fn remove_from(index: &mut BTreeMap<String, BTreeSet<String>>, key: &str, id: &str) {
    let Some(ids) = index.get_mut(key) else { return };
    ids.remove(id);
    if ids.is_empty() {
        index.remove(key);
    }
}

#[cfg(test)]
mod tests;
