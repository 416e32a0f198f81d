//! Rules of the catalog (`docs/spec/rpc-and-state.md` §7.4, §7.5).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use common::{Log, check, command, node, register, service};
use types::{Coordinate, CoordinateEntry, MessageType};

const ID1: &str = "aaaa1111-2222-3333-4444-555555555551";
const ID2: &str = "aaab1111-2222-3333-4444-555555555552";

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn names(log: &Log) -> Vec<String> {
    log.store.snapshot().nodes("", &none()).1.iter().map(|n| n.node.clone()).collect()
}

#[test]
fn an_unchanged_registration_moves_no_index() {
    let mut log = Log::new();
    let all = || register(node("n1").id(ID1).service(service("web")).check(check("up", "passing").of("web")));
    log.ok(&all());
    let before = log.bytes();
    log.ok(&all());
    assert_eq!(log.bytes(), before);
}

#[test]
fn names_match_whatever_their_case_and_keep_the_spelling_of_the_last_change() {
    let mut log = Log::new();
    log.ok(&register(node("Node-A").service(service("Web"))));
    log.ok(&register(node("node-a")));
    assert_eq!(names(&log), ["Node-A"], "nothing but the case differs");
    log.ok(&register(node("node-a").address("10.9.9.9")));
    assert_eq!(names(&log), ["node-a"]);
    assert_eq!(log.store.snapshot().service_nodes("", "wEB").1.len(), 1);
    log.deregister("NODE-A", "WEB", "");
    assert_eq!(log.store.snapshot().service_nodes("", "web").1.len(), 0);
}

#[test]
fn a_known_id_under_a_new_name_renames_the_node_and_drops_what_was_on_it() {
    let mut log = Log::new();
    log.ok(&register(node("old").id(ID1).service(service("web")).check(check("up", "passing"))));
    let created = log.store.snapshot().node("", "old").1.unwrap().create_index;
    log.ok(&register(node("new").id(ID1)));
    let snapshot = log.store.snapshot();
    assert_eq!(names(&log), ["new"]);
    assert_eq!(snapshot.node("", "new").1.unwrap().create_index, created);
    assert_eq!(snapshot.service_nodes("", "web").1.len(), 0);
    assert_eq!(snapshot.node_checks("", "old").1.len(), 0);
}

#[test]
fn a_healthy_holder_keeps_its_name() {
    let mut log = Log::new();
    log.ok(&register(node("n1").id(ID1).check(check("serfHealth", "passing"))));
    log.ok(&register(node("n2").id(ID2)));
    assert_eq!(
        log.refused(&register(node("N1").id(ID2).address("10.0.0.7"))),
        format!(
            "failed inserting node: Error while renaming Node ID: \"{ID2}\" (10.0.0.7): Node name N1 is reserved by \
             node {ID1} with name n1 (10.0.0.1)"
        )
    );
    let unknown = "cccc1111-2222-3333-4444-555555555553";
    assert_eq!(
        log.refused(&register(node("n1").id(unknown))),
        format!(
            "failed inserting node: Error while renaming Node ID: \"{unknown}\": Node name n1 is reserved by node \
             {ID1} with name n1 (10.0.0.1)"
        )
    );
    assert_eq!(names(&log), ["n1", "n2"], "a refused rename removes nothing");
}

#[test]
fn the_name_of_a_failed_or_unidentified_node_can_be_taken() {
    for holder in [
        node("n1").id(ID1).check(check("serfHealth", "critical")),
        node("n1").id(ID1),
        node("n1").check(check("serfHealth", "passing")),
    ] {
        let mut log = Log::new();
        log.ok(&register(holder));
        log.ok(&register(node("n1").id(ID2)));
        assert_eq!(log.store.snapshot().node_by_id("", ID2).1.unwrap().node, "n1");
        assert!(log.store.snapshot().node_by_id("", ID1).1.is_none());
    }
}

#[test]
fn a_registration_without_an_id_clears_the_stored_one() {
    let mut log = Log::new();
    log.ok(&register(node("n1").id(ID1)));
    log.ok(&register(node("n1")));
    assert_eq!(log.store.snapshot().node("", "n1").1.unwrap().id, "");
    assert!(log.store.snapshot().node_by_id("", ID1).1.is_none());
}

#[test]
fn skip_node_update_leaves_a_known_node_alone() {
    let mut log = Log::new();
    log.ok(&register(node("n1").address("10.1.1.1")));
    let mut request = node("n1").address("10.2.2.2").service(service("web"));
    request.0.skip_node_update = true;
    log.ok(&register(request));
    assert_eq!(log.store.snapshot().node("", "n1").1.unwrap().address, "10.1.1.1");
}

#[test]
fn a_refused_part_drops_the_whole_registration() {
    let mut log = Log::new();
    let before = log.bytes();
    let cases = [
        (
            register(node("n1").check(check("up", "passing").of("none"))),
            "failed inserting check on node \"n1\": Missing service registration",
        ),
        (
            register(node("n1").check(check("", ""))),
            "failed inserting check on node \"n1\": failed health check lookup: index error: object is missing a \
             value for this index",
        ),
        (
            {
                let mut request = node("n1").check(check("up", ""));
                request.0.checks[0].node = "n2".into();
                register(request)
            },
            "check node \"n2\" does not match node \"n1\"",
        ),
        (
            {
                let mut web = service("web");
                web.0.meta.insert("consul-x".into(), "1".into());
                register(node("n1").service(web))
            },
            "failed inserting service: Invalid Service Meta for node n1 and serviceID web: Couldn't load metadata \
             pair ('consul-x', '1'): Key prefix 'consul-' is reserved for internal use",
        ),
    ];
    for (command, text) in cases {
        assert_eq!(log.refused(&command), text);
    }
    assert_eq!(log.bytes(), before);
}

#[test]
fn a_check_without_a_status_is_critical_and_copies_its_service() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web").id("w1").tags(&["a"])).check(check("up", "").of("w1"))));
    let stored = log.store.snapshot().node_check("", "n1", "up").1.unwrap();
    assert_eq!((stored.status.as_str(), stored.service_name.as_str()), ("critical", "web"));
    assert_eq!(stored.service_tags, ["a"]);
    log.ok(&register(node("n1").service(service("web").id("w1").tags(&["b"]))));
    let stored = log.store.snapshot().node_check("", "n1", "up").1.unwrap();
    assert_eq!(stored.service_tags, ["a"], "only a write of the check copies again");
}

#[test]
fn a_service_s_index_moves_with_its_instances_nodes_and_checks_only() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    log.ok(&register(node("n2").service(service("db"))));
    let web = |log: &Log| log.store.snapshot().check_service_nodes("", "web").0;
    assert_eq!(web(&log), 1);
    log.ok(&register(node("n2").check(check("disk", "passing"))));
    log.ok(&register(node("n2").check(check("up", "passing").of("db"))));
    assert_eq!(web(&log), 1);
    log.ok(&register(node("n1").check(check("disk", "passing"))));
    assert_eq!(web(&log), 5);
    log.ok(&register(node("n1").address("10.3.3.3")));
    assert_eq!(web(&log), 6);
}

#[test]
fn an_absent_service_has_the_index_of_the_last_extinction() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    let absent = |log: &Log| log.store.snapshot().service_nodes("", "none").0;
    assert_eq!(absent(&log), 1, "no extinction yet: nodes and services");
    log.ok(&register(node("n1").check(check("disk", "passing"))));
    assert_eq!(log.store.snapshot().check_service_nodes("", "none").0, 2, "and checks");
    log.deregister("n1", "web", "");
    log.ok(&register(node("n2")));
    assert_eq!(absent(&log), 3);
    assert_eq!(log.store.snapshot().service_nodes("", "web").0, 3);
    assert_eq!(log.index("peer.~:service.web"), 0);
}

#[test]
fn an_instance_that_changes_its_name_moves_the_old_name_too() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("old").id("x"))));
    log.ok(&register(node("n1").service(service("new").id("x"))));
    let snapshot = log.store.snapshot();
    assert_eq!(snapshot.service_nodes("", "old").0, 2);
    assert_eq!(snapshot.service_nodes("", "new").0, 2);
    assert_eq!(snapshot.usage().1.service_names, 1);
}

#[test]
fn connect_lookups_find_proxies_and_native_instances() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    log.ok(&register(node("n1").service(service("web-proxy").proxy_for("web"))));
    log.ok(&register(node("n2").service(service("web").id("native").native())));
    let (index, found) = log.store.snapshot().connect_check_service_nodes("", "Web");
    let ids: Vec<_> = found.iter().map(|f| f.service.id.as_str()).collect();
    assert_eq!((index, ids), (3, vec!["web-proxy", "native"]));
    log.deregister("n1", "web-proxy", "");
    assert_eq!(log.store.snapshot().connect_service_nodes("", "web").1.len(), 1);
}

#[test]
fn node_checks_come_before_service_checks() {
    let mut log = Log::new();
    log.ok(&register(
        node("n1")
            .service(service("web"))
            .check(check("a", "passing").of("web"))
            .check(check("z", "passing"))
            .check(check("b", "passing").of("web")),
    ));
    log.ok(&register(node("n1").service(service("db")).check(check("c", "passing").of("db"))));
    let (_, found) = log.store.snapshot().check_service_nodes("", "web");
    let ids: Vec<_> = found[0].checks.iter().map(|c| c.check_id.as_str()).collect();
    assert_eq!(ids, ["z", "a", "b"]);
}

#[test]
fn nodes_are_found_by_name_or_a_unique_prefix_of_their_id() {
    let mut log = Log::new();
    log.ok(&register(node("n1").id(ID1).service(service("web"))));
    log.ok(&register(node("n2").id(ID2)));
    log.ok(&register(node("gone")));
    log.deregister("gone", "", "");
    let cases = [
        ("N1", Some("n1"), 1),
        (ID1, Some("n1"), 1),
        ("aaaa", Some("n1"), 1),
        ("AAAA1111-2", Some("n1"), 1),
        ("aaab1", Some("n2"), 2),
        ("aaa", None, 0),
        ("aa", None, 0),
        ("a", None, 0),
        ("zz", None, 4),
        ("ffff", None, 4),
    ];
    for (name, found, index) in cases {
        let (reply, services) = log.store.snapshot().node_services("", name);
        assert_eq!((services.map(|s| s.node.node.clone()).as_deref(), reply), (found, index), "{name}");
    }
}

#[test]
fn listings_can_ask_for_node_metadata() {
    let mut log = Log::new();
    log.ok(&register(node("n1").meta("rack", "1").service(service("web").tags(&["b", "a"]))));
    log.ok(&register(node("n2").meta("rack", "2").service(service("web").id("w2").tags(&["c"]))));
    log.ok(&register(node("n2").meta("rack", "2").check(check("up", "Warning").of("w2"))));
    let rack = BTreeMap::from([("rack".to_owned(), "1".to_owned())]);
    let snapshot = log.store.snapshot();
    assert_eq!(snapshot.nodes("", &rack).1.len(), 1);
    let (_, services) = snapshot.services("", &none());
    assert_eq!(services["web"].iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    let (_, services) = snapshot.services("", &rack);
    assert_eq!(services["web"].iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(snapshot.checks_in_state("", "warning", &none()).1.len(), 1);
    assert_eq!(snapshot.checks_in_state("", "any", &none()).1.len(), 1);
    assert_eq!(snapshot.checks_in_state("", "any", &rack).1.len(), 0);
    assert_eq!(snapshot.service_checks("", "web", &none()).1.len(), 1);
    assert_eq!(snapshot.service_checks("", "web", &rack).1.len(), 0);
}

#[test]
fn weights_out_of_range_become_the_default() {
    use types::Weights;
    let cases = [(None, (1, 1)), (Some((3, 0)), (3, 0)), (Some((-1, 5)), (1, 1)), (Some((1, 70_000)), (1, 1))];
    for (given, stored) in cases {
        let mut log = Log::new();
        let mut web = service("web");
        web.0.weights = given.map(|(passing, warning)| Weights { passing, warning });
        log.ok(&register(node("n1").service(web)));
        let weights = log.store.snapshot().node_service("", "n1", "web").1.unwrap().weights.unwrap();
        assert_eq!((weights.passing, weights.warning), stored);
    }
}

#[test]
fn virtual_ips_are_assigned_once_turned_on_and_freed_with_the_name() {
    let mut log = Log::new();
    let ip = |log: &Log, name| log.store.snapshot().virtual_ip("", name).1.map(|ip| ip.to_string());
    log.ok(&register(node("n1").service(service("early").native())));
    assert_eq!(ip(&log, "early"), None);
    log.metadata("virtual-ips", "true");
    log.ok(&register(node("n1").service(service("a").native())));
    log.ok(&register(node("n1").service(service("b-proxy").proxy_for("b"))));
    assert_eq!((ip(&log, "a").as_deref(), ip(&log, "b").as_deref()), (Some("240.0.0.1"), Some("240.0.0.2")));
    let tagged = log.store.snapshot().node_service("", "n1", "a").1.unwrap().tagged_addresses.clone();
    assert_eq!(tagged["consul-virtual"].address, "240.0.0.1");
    log.deregister("n1", "a", "");
    log.deregister("n1", "b-proxy", "");
    assert_eq!((ip(&log, "a"), ip(&log, "b").as_deref()), (None, Some("240.0.0.2")), "a proxy frees its own name only");
    log.ok(&register(node("n1").service(service("c").native())));
    assert_eq!(ip(&log, "c").as_deref(), Some("240.0.0.1"), "a freed address first");
}

#[test]
fn service_names_are_listed_by_kind() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    log.ok(&register(node("n1").service(service("web-proxy").proxy_for("web"))));
    let of_kind = |log: &Log, kind| {
        let (index, names) = log.store.snapshot().service_names_of_kind(kind);
        (index, names)
    };
    assert_eq!(of_kind(&log, ""), (1, vec!["web".to_owned()]));
    assert_eq!(of_kind(&log, "connect-proxy"), (2, vec!["web-proxy".to_owned()]));
    assert_eq!(of_kind(&log, "connect-enabled"), (2, vec!["web".to_owned()]));
    log.deregister("n1", "web-proxy", "");
    assert_eq!(of_kind(&log, "connect-enabled"), (3, vec![]));
    assert_eq!(of_kind(&log, "").0, 1);
}

#[test]
fn usage_counts_what_is_there() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    log.ok(&register(node("n2").service(service("web"))));
    log.ok(&register(node("n2").service(service("proxy").proxy_for("web"))));
    log.ok(&register(node("n2").service(service("native").native())));
    log.set("k", "1");
    let (index, usage) = log.store.snapshot().usage();
    assert_eq!((index, usage.nodes, usage.services, usage.service_names, usage.kv_entries), (5, 2, 4, 3, 1));
    assert_eq!((usage.connect_proxies, usage.connect_native), (1, 1));
    log.deregister("n2", "", "");
    let (_, usage) = log.store.snapshot().usage();
    assert_eq!((usage.nodes, usage.services, usage.service_names), (1, 1, 1));
    assert_eq!((usage.connect_proxies, usage.connect_native), (0, 0));
}

#[test]
fn coordinates_of_unknown_nodes_are_skipped_and_the_index_moves_with_every_batch() {
    let mut log = Log::new();
    log.ok(&register(node("n1")));
    let at =
        |node: &str| CoordinateEntry { node: node.into(), segment: String::new(), coord: Some(Coordinate::origin()) };
    let mut invalid = at("n1");
    invalid.segment = "bad".into();
    invalid.coord.as_mut().unwrap().error = f64::NAN;
    log.ok(&command(MessageType::CoordinateBatchUpdate, &[at("N1"), at("n9"), invalid]));
    let (index, all) = log.store.snapshot().coordinates();
    assert_eq!((index, all.len()), (2, 1));
    assert_eq!(log.store.snapshot().node_coordinates("n1").1.len(), 1);
    log.ok(&command(MessageType::CoordinateBatchUpdate, &Vec::<CoordinateEntry>::new()));
    assert_eq!(log.store.snapshot().coordinates().0, 3);
    log.deregister("n1", "", "");
    assert_eq!(log.store.snapshot().coordinates(), (4, vec![]));
}

#[test]
fn dumps_show_everything_at_the_highest_index() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web")).check(check("up", "passing").of("web"))));
    log.ok(&register(node("n2").check(check("disk", "passing"))));
    let snapshot = log.store.snapshot();
    let (index, nodes) = snapshot.node_dump("");
    let shape: Vec<_> = nodes.iter().map(|n| (n.node.node.as_str(), n.services.len(), n.checks.len())).collect();
    assert_eq!((index, shape), (2, vec![("n1", 1, 1), ("n2", 0, 1)]));
    let (index, services) = snapshot.service_dump("");
    assert_eq!((index, services.len(), services[0].checks.len()), (2, 1, 1));
    assert_eq!(snapshot.node_info("", "N2").1.unwrap().checks[0].check_id, "disk");
    assert!(snapshot.node_info("", "n3").1.is_none());
}

#[test]
fn rows_imported_from_a_peer_are_apart() {
    let mut log = Log::new();
    log.ok(&register(node("n1").service(service("web"))));
    let mut request = node("n1").address("10.7.7.7").service(service("web"));
    request.0.peer_name = "east".into();
    log.ok(&register(request));
    let snapshot = log.store.snapshot();
    assert_eq!(snapshot.node("", "n1").1.unwrap().address, "10.0.0.1");
    assert_eq!(snapshot.node("EAST", "n1").1.unwrap().address, "10.7.7.7");
    assert_eq!((snapshot.service_nodes("", "web").0, snapshot.service_nodes("east", "web").0), (1, 2));
    assert_eq!((snapshot.usage().1.nodes, log.index("nodes")), (1, 2));
}
