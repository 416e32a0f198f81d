use std::time::Duration;

use config::CheckSpec;
use tokio::time::Instant;
use types::{CheckStatus, ServiceAddress};

use super::*;
use crate::local::convert::NewCheck;
use crate::local::registry::OutputRules;

const NODE: &str = "one";
const ROOM: usize = 100;

/// A catalog that does what it is told.
#[derive(Default)]
struct Catalog(Remote);

impl Catalog {
    fn with_node(registry: &Registry) -> Catalog {
        let own = &registry.node;
        let node = Node { node: own.name.clone(), id: own.id.clone(), meta: own.meta.clone(), ..Node::default() };
        Catalog(Remote { node: Some(Arc::new(node)), ..Remote::default() })
    }

    fn take(&mut self, change: &Change) {
        let remote = &mut self.0;
        match change {
            Change::Node(sent) => {
                let meta = sent.value.meta.clone();
                remote.node = Some(Arc::new(Node { node: sent.value.name.clone(), meta, ..Node::default() }));
            }
            Change::RegisterService { service, checks, .. } => {
                remote.services.retain(|s| s.id != service.value.id);
                let stored = NodeService { create_index: 7, modify_index: 9, ..NodeService::clone(&service.value) };
                remote.services.push(Arc::new(stored));
                checks.iter().for_each(|check| store(remote, &check.value));
            }
            Change::RegisterCheck { check, .. } => store(remote, &check.value),
            Change::DeregisterService { id, .. } => {
                remote.services.retain(|s| s.id != id.value);
                remote.checks.retain(|c| c.service_id != id.value);
            }
            Change::DeregisterCheck { id, .. } => remote.checks.retain(|c| c.check_id != id.value),
        }
    }
}

fn store(remote: &mut Remote, check: &Arc<HealthCheck>) {
    remote.checks.retain(|c| c.check_id != check.check_id);
    remote.checks.push(Arc::new(HealthCheck { modify_index: 9, ..HealthCheck::clone(check) }));
}

fn registry() -> Registry {
    let node = NodeInfo { name: NODE.to_owned(), ..NodeInfo::default() };
    Registry::new(node, OutputRules { discard: false, update_interval: Duration::from_secs(300) }, 7)
}

fn service(id: &str, tags: &[&str]) -> NodeService {
    let tags = tags.iter().map(|t| (*t).to_owned()).collect();
    NodeService { id: id.to_owned(), service: id.to_owned(), tags, ..NodeService::default() }
}

fn token(text: &str) -> Secret {
    Secret(text.to_owned())
}

fn put(registry: &mut Registry, service: NodeService) {
    registry.put_service(Arc::new(service), token(""), Source::Api, Instant::now());
}

fn put_check(registry: &mut Registry, id: &str, service_id: &str, secret: &str) {
    let check = HealthCheck {
        node: NODE.to_owned(),
        check_id: id.to_owned(),
        status: "critical".to_owned(),
        service_id: service_id.to_owned(),
        ..HealthCheck::default()
    };
    let spec = Arc::new(CheckSpec { ttl: Duration::from_secs(60), ..CheckSpec::default() });
    registry.put_check(NewCheck { check, spec, token: token(secret) }, Source::Api, Instant::now()).unwrap();
}

/// Compares, writes until nothing is left; answers what was written.
fn settle(registry: &mut Registry, catalog: &mut Catalog) -> Vec<String> {
    let read_at = registry.now();
    registry.compare(&catalog.0.clone(), read_at, &BTreeSet::new());
    push(registry, catalog)
}

fn push(registry: &mut Registry, catalog: &mut Catalog) -> Vec<String> {
    let mut written = Vec::new();
    loop {
        let changes = registry.next_changes(&BTreeSet::new(), ROOM);
        if changes.is_empty() {
            return written;
        }
        for change in changes {
            catalog.take(&change);
            registry.landed(&change, Landing::Done, None);
            written.push(name(&change));
        }
    }
}

fn name(change: &Change) -> String {
    match change {
        Change::Node(_) => "node".to_owned(),
        Change::RegisterService { service, checks, .. } => format!("+{}({})", service.value.id, checks.len()),
        Change::DeregisterService { id, .. } => format!("-{}", id.value),
        Change::RegisterCheck { check, .. } => format!("+check {}", check.value.check_id),
        Change::DeregisterCheck { id, .. } => format!("-check {}", id.value),
    }
}

#[test]
fn no_change_costs_no_write_and_a_change_exactly_one() {
    let mut registry = registry();
    let mut catalog = Catalog::with_node(&registry);
    for id in ["a", "b", "c"] {
        put(&mut registry, service(id, &[]));
        put_check(&mut registry, &format!("of-{id}"), id, "");
    }
    put_check(&mut registry, "node-check", "", "");
    assert_eq!(settle(&mut registry, &mut catalog), ["+a(1)", "+b(1)", "+c(1)", "+check node-check"]);
    assert!(settle(&mut registry, &mut catalog).is_empty());
    put(&mut registry, service("b", &["new"]));
    assert_eq!(push(&mut registry, &mut catalog), ["+b(0)"]);
    registry.set_status("of-a", CheckStatus::Passing, "fine".to_owned(), Instant::now());
    assert_eq!(push(&mut registry, &mut catalog), ["+check of-a"]);
    registry.set_status("of-a", CheckStatus::Passing, "better".to_owned(), Instant::now());
    assert!(settle(&mut registry, &mut catalog).is_empty(), "an output alone waits");
    assert!(settle(&mut registry, &mut catalog).is_empty());
}

#[test]
fn the_node_comes_first_and_alone() {
    let mut registry = registry();
    let mut catalog = Catalog::default();
    put(&mut registry, service("a", &[]));
    assert_eq!(settle(&mut registry, &mut catalog), ["node", "+a(0)"]);
    registry.set_node_meta([("k".to_owned(), "v".to_owned())].into());
    assert_eq!(push(&mut registry, &mut catalog), ["node"]);
    assert!(settle(&mut registry, &mut catalog).is_empty());
}

#[test]
fn edits_behind_the_agents_back_are_repaired() {
    let mut registry = registry();
    let mut catalog = Catalog::with_node(&registry);
    put(&mut registry, service("web", &["a"]));
    put_check(&mut registry, "c", "web", "");
    settle(&mut registry, &mut catalog);
    catalog.0.services = [service("web", &["theirs"]), service("foreign", &[]), service("consul", &[])]
        .into_iter()
        .map(Arc::new)
        .collect();
    let stranger = |id: &str, service_id: &str| {
        let (id, service_id) = (id.to_owned(), service_id.to_owned());
        Arc::new(HealthCheck { check_id: id, service_id, ..HealthCheck::default() })
    };
    catalog.0.checks = vec![stranger("serfHealth", ""), stranger("loose", ""), stranger("of-foreign", "foreign")];
    assert_eq!(settle(&mut registry, &mut catalog), ["-foreign", "+web(1)", "-check loose"]);
    assert!(settle(&mut registry, &mut catalog).is_empty());
    assert_eq!(catalog.0.services.len(), 2);
}

#[test]
fn the_catalog_decides_tags_where_that_is_allowed_and_assigned_addresses() {
    let mut registry = registry();
    let mut catalog = Catalog::with_node(&registry);
    put(&mut registry, NodeService { enable_tag_override: true, ..service("over", &["mine"]) });
    settle(&mut registry, &mut catalog);
    let stored = Arc::make_mut(&mut catalog.0.services[0]);
    stored.tags = vec!["theirs".to_owned()];
    let address = ServiceAddress { address: "240.0.0.1".to_owned(), port: 80 };
    stored.tagged_addresses.insert("consul-virtual".to_owned(), address);
    let before = registry.services_generation();
    assert!(settle(&mut registry, &mut catalog).is_empty());
    let shown = &registry.service("over").unwrap().service;
    assert_eq!(shown.tags, ["theirs"]);
    assert!(shown.tagged_addresses.contains_key("consul-virtual"));
    assert!(registry.services_generation() > before, "who looks at the service sees it");
}

#[test]
fn checks_with_another_token_follow_their_service() {
    let mut registry = registry();
    let catalog = Catalog::with_node(&registry);
    put(&mut registry, service("web", &[]));
    put_check(&mut registry, "own", "web", "other token");
    registry.compare(&catalog.0, registry.now(), &BTreeSet::new());
    let first = registry.next_changes(&BTreeSet::new(), ROOM);
    assert_eq!(first.iter().map(name).collect::<Vec<_>>(), ["+web(0)"]);
    let busy: BTreeSet<Item> = first[0].items().into_iter().collect();
    assert!(registry.next_changes(&busy, ROOM).is_empty());
    registry.landed(&first[0], Landing::Done, None);
    let second = registry.next_changes(&BTreeSet::new(), ROOM);
    assert_eq!(second.iter().map(name).collect::<Vec<_>>(), ["+check own"]);
}

#[test]
fn what_failed_waits_for_the_next_comparison_and_takes_its_checks_along() {
    let mut registry = registry();
    let mut catalog = Catalog::with_node(&registry);
    put(&mut registry, service("web", &[]));
    put_check(&mut registry, "own", "web", "other token");
    registry.compare(&catalog.0, registry.now(), &BTreeSet::new());
    let first = registry.next_changes(&BTreeSet::new(), ROOM);
    registry.landed(&first[0], Landing::Failed, None);
    assert!(registry.next_changes(&BTreeSet::new(), ROOM).is_empty());
    assert!(registry.dirty.is_empty());
    assert_eq!(settle(&mut registry, &mut catalog), ["+web(0)", "+check own"]);
}

#[test]
fn what_may_not_be_written_is_left_until_the_next_comparison() {
    let mut registry = registry();
    let catalog = Catalog::with_node(&registry);
    put(&mut registry, service("web", &[]));
    registry.compare(&catalog.0, registry.now(), &BTreeSet::new());
    for _ in 0..2 {
        let changes = registry.next_changes(&BTreeSet::new(), ROOM);
        assert_eq!(changes.len(), 1);
        registry.landed(&changes[0], Landing::Denied, None);
        assert!(registry.next_changes(&BTreeSet::new(), ROOM).is_empty());
        let later = registry.now();
        registry.compare(&catalog.0, later, &BTreeSet::new());
    }
}

#[test]
fn a_change_while_a_write_is_under_way_is_written_after_it() {
    let mut registry = registry();
    let catalog = Catalog::with_node(&registry);
    put(&mut registry, service("web", &[]));
    registry.compare(&catalog.0, registry.now(), &BTreeSet::new());
    let first = registry.next_changes(&BTreeSet::new(), ROOM);
    let busy: BTreeSet<Item> = first[0].items().into_iter().collect();
    put(&mut registry, service("web", &["new"]));
    assert!(registry.next_changes(&busy, ROOM).is_empty(), "one write of an item at a time");
    registry.landed(&first[0], Landing::Done, None);
    let second = registry.next_changes(&BTreeSet::new(), ROOM);
    assert!(matches!(&second[..], [Change::RegisterService { service, .. }] if service.value.tags == ["new"]));
}

#[test]
fn a_comparison_leaves_alone_what_changed_since_it_was_asked() {
    let mut registry = registry();
    let catalog = Catalog::with_node(&registry);
    let read_at = registry.now();
    put(&mut registry, service("web", &[]));
    for change in registry.next_changes(&BTreeSet::new(), ROOM) {
        registry.landed(&change, Landing::Done, None);
    }
    registry.compare(&catalog.0, read_at, &BTreeSet::new());
    assert!(registry.next_changes(&BTreeSet::new(), ROOM).is_empty(), "the answer is older than the write");
}

#[test]
fn only_as_much_goes_out_as_there_is_room_for() {
    let mut registry = registry();
    let catalog = Catalog::with_node(&registry);
    for id in 0..10 {
        put(&mut registry, service(&format!("s{id}"), &[]));
    }
    registry.compare(&catalog.0, registry.now(), &BTreeSet::new());
    assert_eq!(registry.next_changes(&BTreeSet::new(), 4).len(), 4);
    assert_eq!(registry.next_changes(&BTreeSet::new(), 4).len(), 4);
    assert_eq!(registry.next_changes(&BTreeSet::new(), 4).len(), 2);
}

#[test]
fn a_service_that_comes_back_while_it_is_removed_is_registered_again() {
    let mut registry = registry();
    let mut catalog = Catalog::with_node(&registry);
    put(&mut registry, service("web", &[]));
    put_check(&mut registry, "c", "web", "");
    settle(&mut registry, &mut catalog);
    registry.remove_service("web", Instant::now());
    let removal = registry.next_changes(&BTreeSet::new(), ROOM);
    assert_eq!(removal.iter().map(name).collect::<Vec<_>>(), ["-web"]);
    put(&mut registry, service("web", &[]));
    catalog.take(&removal[0]);
    registry.landed(&removal[0], Landing::Done, None);
    assert_eq!(push(&mut registry, &mut catalog), ["+web(0)"]);
    assert!(registry.check("c").is_none());
    assert!(settle(&mut registry, &mut catalog).is_empty());
}
