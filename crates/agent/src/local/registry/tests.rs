use types::CheckStatus;

use super::*;

const NODE: &str = "one";

fn registry(interval_secs: u64) -> Registry {
    let node = NodeInfo { name: NODE.to_owned(), ..NodeInfo::default() };
    Registry::new(node, OutputRules { discard: false, update_interval: secs(interval_secs) }, 7)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn service(id: &str) -> Arc<NodeService> {
    Arc::new(NodeService { id: id.to_owned(), service: id.to_owned(), ..NodeService::default() })
}

fn check(id: &str, service_id: &str, spec: CheckSpec) -> NewCheck {
    NewCheck {
        check: HealthCheck {
            node: NODE.to_owned(),
            check_id: id.to_owned(),
            name: id.to_owned(),
            status: "critical".to_owned(),
            service_id: service_id.to_owned(),
            ..HealthCheck::default()
        },
        spec: Arc::new(spec),
        token: Secret::default(),
    }
}

fn ttl(seconds: u64) -> CheckSpec {
    CheckSpec { ttl: secs(seconds), ..CheckSpec::default() }
}

fn alias_of(service_id: &str) -> CheckSpec {
    CheckSpec { alias_service: service_id.to_owned(), ..CheckSpec::default() }
}

fn put(registry: &mut Registry, new: NewCheck) {
    registry.put_check(new, Source::Api, Instant::now()).unwrap();
}

fn put_service(registry: &mut Registry, id: &str) {
    registry.put_service(service(id), Secret::default(), Source::Api, Instant::now());
}

fn state(registry: &Registry, id: &str) -> (String, String) {
    let check = &registry.check(id).unwrap().check;
    (check.status.clone(), check.output.clone())
}

fn report(registry: &mut Registry, id: &str, status: CheckStatus, output: &str, now: Instant) {
    registry.set_status(id, status, output.to_owned(), now);
}

/// As if everything had been written.
fn settle(registry: &mut Registry) {
    registry.dirty.clear();
    registry.services.values_mut().for_each(|record| record.progress.in_sync = true);
    registry.checks.values_mut().for_each(|record| record.progress.in_sync = true);
}

fn dirty(registry: &Registry) -> Vec<Item> {
    registry.dirty.iter().cloned().collect()
}

#[test]
fn a_check_needs_its_service() {
    let mut registry = registry(0);
    let refused = registry.put_check(check("c", "web", ttl(1)), Source::Api, Instant::now());
    assert_eq!(refused, Err(LocalError::NoSuchServiceForCheck("web".to_owned())));
    put_service(&mut registry, "web");
    put(&mut registry, check("c", "web", ttl(1)));
    assert_eq!(registry.check("c").unwrap().check.service_name, "web");
}

#[test]
fn the_same_again_has_nothing_to_be_written() {
    let mut registry = registry(0);
    put_service(&mut registry, "web");
    put(&mut registry, check("c", "web", ttl(1)));
    settle(&mut registry);
    put_service(&mut registry, "web");
    put(&mut registry, check("c", "web", ttl(1)));
    assert!(dirty(&registry).is_empty());
    // What the servers added is not for the owner to repeat.
    let record = registry.services.get_mut("web").unwrap();
    let assigned = types::ServiceAddress { address: "240.0.0.1".to_owned(), port: 0 };
    Arc::make_mut(&mut record.service).tagged_addresses.insert("consul-virtual".to_owned(), assigned);
    put_service(&mut registry, "web");
    assert!(dirty(&registry).is_empty());
}

#[test]
fn a_check_registered_again_keeps_its_result() {
    let mut registry = registry(0);
    put(&mut registry, check("c", "", ttl(1)));
    report(&mut registry, "c", CheckStatus::Passing, "fine", Instant::now());
    let mut renamed = check("c", "", ttl(2));
    renamed.check.name = "other".to_owned();
    put(&mut registry, renamed);
    assert_eq!(state(&registry, "c"), ("passing".to_owned(), "fine".to_owned()));
    assert_eq!(registry.check("c").unwrap().check.name, "other");
}

#[test]
fn a_service_takes_its_checks_along() {
    let mut registry = registry(0);
    put_service(&mut registry, "web");
    put(&mut registry, check("c", "web", ttl(1)));
    put(&mut registry, check("node", "", ttl(1)));
    assert_eq!(registry.remove_service("web", Instant::now()), Some(vec!["c".to_owned()]));
    assert!(registry.service("web").is_none() && registry.check("c").is_none());
    assert_eq!(registry.counts(), Counts { services: 0, checks: 1, check_ttls: 1, check_monitors: 0 });
    assert_eq!(registry.remove_service("web", Instant::now()), None);
}

#[test]
fn a_status_is_written_at_once_an_output_late() {
    let mut registry = registry(300);
    put(&mut registry, check("c", "", ttl(1)));
    settle(&mut registry);
    let start = Instant::now();
    report(&mut registry, "c", CheckStatus::Critical, "first", start);
    assert!(dirty(&registry).is_empty());
    let late = registry.deferred.first().unwrap();
    assert!(late >= start + secs(150) && late < start + secs(450), "{:?}", late - start);
    report(&mut registry, "c", CheckStatus::Critical, "second", start + secs(100));
    assert_eq!(registry.deferred.first(), Some(late), "a further output does not delay it");
    registry.release_deferred(late);
    assert_eq!(dirty(&registry), [Item::Check("c".to_owned())]);
    settle(&mut registry);
    report(&mut registry, "c", CheckStatus::Critical, "third", late);
    report(&mut registry, "c", CheckStatus::Passing, "fourth", late);
    assert_eq!(dirty(&registry), [Item::Check("c".to_owned())]);
    assert_eq!(registry.deferred.first(), None, "the output went with the status");
}

#[test]
fn outputs_are_written_at_once_or_not_kept_if_so_configured() {
    let mut registry = registry(0);
    put(&mut registry, check("c", "", ttl(1)));
    settle(&mut registry);
    report(&mut registry, "c", CheckStatus::Critical, "new", Instant::now());
    assert_eq!(dirty(&registry), [Item::Check("c".to_owned())]);
    registry.rules.discard = true;
    report(&mut registry, "c", CheckStatus::Passing, "newer", Instant::now());
    assert_eq!(state(&registry, "c"), ("passing".to_owned(), String::new()));
}

#[test]
fn time_runs_out_unless_results_come() {
    let mut registry = registry(0);
    let start = Instant::now();
    registry.put_check(check("c", "", ttl(10)), Source::Api, start).unwrap();
    registry.report_ttl("c", CheckStatus::Passing, "fine", start + secs(5)).unwrap();
    assert!(registry.expire_ttls(start + secs(14)).is_empty());
    assert_eq!(registry.expire_ttls(start + secs(15)), ["c"]);
    let said = "TTL expired (last output before timeout follows): fine";
    assert_eq!(state(&registry, "c"), ("critical".to_owned(), said.to_owned()));
    assert!(registry.expire_ttls(start + secs(100)).is_empty(), "it says so once");
    put(&mut registry, check("run", "", CheckSpec { tcp: "x:1".to_owned(), ..CheckSpec::default() }));
    let refused = |registry: &mut Registry, id| registry.report_ttl(id, CheckStatus::Passing, "", start);
    assert_eq!(refused(&mut registry, "run"), Err(LocalError::NoTtl("run".to_owned())));
    assert_eq!(refused(&mut registry, "nope"), Err(LocalError::UnknownCheck("nope".to_owned())));
}

#[test]
fn an_alias_follows_its_service() {
    let mut registry = registry(0);
    put_service(&mut registry, "front");
    let mut alias = check("al", "front", alias_of("web"));
    alias.check.status = "passing".to_owned();
    put(&mut registry, alias);
    let gone = ("critical".to_owned(), "Service web could not be found on node ".to_owned());
    assert_eq!(state(&registry, "al"), gone);
    put_service(&mut registry, "web");
    assert_eq!(state(&registry, "al"), ("passing".to_owned(), "No checks found.".to_owned()));
    put(&mut registry, check("w", "web", ttl(60)));
    assert_eq!(state(&registry, "al").0, "critical");
    report(&mut registry, "w", CheckStatus::Warning, "hot", Instant::now());
    let hot = ("warning".to_owned(), "Aliased check \"w\" failing: hot".to_owned());
    assert_eq!(state(&registry, "al"), hot);
    report(&mut registry, "w", CheckStatus::Passing, "", Instant::now());
    assert_eq!(state(&registry, "al"), ("passing".to_owned(), "All checks passing.".to_owned()));
    registry.remove_service("web", Instant::now());
    assert_eq!(state(&registry, "al"), gone, "at once");
}

#[test]
fn aliases_of_the_node_do_not_keep_themselves_critical() {
    let mut registry = registry(0);
    put_service(&mut registry, "web");
    put(&mut registry, check("w", "web", ttl(60)));
    put(&mut registry, check("one", "", alias_of("web")));
    put(&mut registry, check("two", "", alias_of("web")));
    assert_eq!(state(&registry, "one").0, "critical");
    report(&mut registry, "w", CheckStatus::Passing, "", Instant::now());
    assert_eq!((state(&registry, "one").0, state(&registry, "two").0), ("passing".to_owned(), "passing".to_owned()));
}

#[test]
fn an_alias_of_an_alias_follows_too_and_circles_end() {
    let mut registry = registry(0);
    for id in ["a", "b"] {
        put_service(&mut registry, id);
    }
    put(&mut registry, check("of-b", "a", alias_of("b")));
    put(&mut registry, check("t", "b", ttl(60)));
    assert_eq!(state(&registry, "of-b").0, "critical");
    put(&mut registry, check("of-a", "b", alias_of("a")));
    report(&mut registry, "t", CheckStatus::Passing, "", Instant::now());
    assert!(state(&registry, "of-b").1.len() <= 8192);
}

#[test]
fn a_service_is_overdue_some_time_after_an_update_said_critical() {
    let mut registry = registry(0);
    let start = Instant::now();
    put_service(&mut registry, "web");
    let spec = || CheckSpec { deregister_critical_service_after: secs(60), ..ttl(600) };
    put(&mut registry, check("c", "web", spec()));
    put(&mut registry, check("node", "", spec()));
    assert!(registry.overdue(start + secs(1000)).is_empty(), "registered critical is not enough");
    report(&mut registry, "c", CheckStatus::Critical, "", start);
    report(&mut registry, "node", CheckStatus::Critical, "", start);
    assert!(registry.overdue(start + secs(60)).is_empty());
    assert_eq!(registry.overdue(start + secs(61)), [("web".to_owned(), "c".to_owned())]);
    report(&mut registry, "c", CheckStatus::Passing, "", start + secs(30));
    report(&mut registry, "c", CheckStatus::Critical, "", start + secs(40));
    assert!(registry.overdue(start + secs(61)).is_empty(), "flapping starts over");
}

#[test]
fn checks_behind_a_proxy_get_ports_while_it_exposes_them() {
    let mut registry = registry(0);
    put_service(&mut registry, "web");
    let http = CheckSpec { http: "http://127.0.0.1:80/h".to_owned(), interval: secs(10), ..CheckSpec::default() };
    put(&mut registry, check("h", "web", http));
    put(&mut registry, check("t", "web", ttl(60)));
    let mut proxy = NodeService { id: "px".to_owned(), service: "px".to_owned(), ..NodeService::default() };
    proxy.proxy.destination_service_id = "web".to_owned();
    proxy.proxy.expose.checks = true;
    registry.put_service(Arc::new(proxy), Secret::default(), Source::Api, Instant::now());
    let port = |registry: &Registry, id: &str| registry.check(id).unwrap().check.exposed_port;
    assert_eq!((port(&registry, "h"), port(&registry, "t")), (21500, 0));
    let spec = registry.check("h").unwrap().spec.clone();
    assert_eq!(registry.exposures.rewritten("h", &spec).http, "http://127.0.0.1:21500/h");
    registry.remove_service("px", Instant::now());
    assert_eq!(port(&registry, "h"), 0);
    assert_eq!(registry.exposures.rewritten("h", &spec).http, "http://127.0.0.1:80/h");
}
