//! Rows of the fact table (`docs/spec/dns.md` §24) that need no agent.

use std::sync::Arc;

use types::{NodeService, Weights};

use super::*;
use crate::testing::{db, instance, node, settings, show, tagged};

fn compose(
    settings: &Settings,
    name: &str,
    domain: &str,
    datacenter: &str,
    instances: &[CheckServiceNode],
) -> Composed {
    let name = Name::new(name);
    let asked = Asked { name: &name, kind: Kind::SRV, domain, most: usize::MAX };
    let instances: Vec<_> = instances.iter().collect();
    records(settings, asked, Origin { datacenter, peer: "" }, 7, &instances)
}

fn here(instances: &[CheckServiceNode]) -> Composed {
    compose(&settings(), "db.service.consul.", "consul.", "dc1", instances)
}

#[track_caller]
fn check(got: &Composed, answer: &[&str], additional: &[&str]) {
    assert_eq!(show(&got.answer), answer);
    assert_eq!(show(&got.additional), additional);
}

#[test]
fn row_33_the_node_s_name() {
    check(
        &here(&[db("foo", "127.0.0.1", "")]),
        &["db.service.consul. 7 SRV 1 1 12345 foo.node.dc1.consul."],
        &["foo.node.dc1.consul. 7 A 127.0.0.1"],
    );
}

#[test]
fn rows_48_to_52_an_address_of_its_own() {
    check(
        &here(&[db("foo", "127.0.0.1", "127.0.0.2")]),
        &["db.service.consul. 7 SRV 1 1 12345 7f000002.addr.dc1.consul."],
        &["7f000002.addr.dc1.consul. 7 A 127.0.0.2"],
    );
    let six = [db("foo", "127.0.0.1", "2607:20:4005:808::200e")];
    check(
        &compose(&settings(), "db.service.Test-Domain.", "Test-Domain.", "dc1", &six),
        &["db.service.Test-Domain. 7 SRV 1 1 12345 2607002040050808000000000000200e.addr.dc1.Test-Domain."],
        &["2607002040050808000000000000200e.addr.dc1.Test-Domain. 7 AAAA 2607:20:4005:808::200e"],
    );
}

#[test]
fn rows_35_40_and_42_names() {
    check(
        &here(&[db("foo", "127.0.0.1", "db.service.consul")]),
        &["db.service.consul. 7 SRV 1 1 12345 foo.node.dc1.consul."],
        &["foo.node.dc1.consul. 7 A 127.0.0.1"],
    );
    let named = here(&[db("foo", "www.google.com", "")]);
    check(&named, &["db.service.consul. 7 SRV 1 1 12345 www.google.com."], &[]);
    assert_eq!(named.follow, [Follow::Additional { at: 0, name: Name::new("www.google.com") }]);
}

#[test]
fn rows_53_to_58_other_datacenters() {
    let here = Settings { translate_wan_addrs: true, ..settings() };
    let there = Settings { datacenter: "dc2".to_owned(), ..here.clone() };
    let instance = |tag: &str, address: &str, wan: &[(&str, &str, i64)]| {
        let service = NodeService {
            service: "db".to_owned(),
            port: 8080,
            address: address.to_owned(),
            tagged_addresses: tagged(wan),
            ..NodeService::default()
        };
        let tags = [("wan".to_owned(), tag.to_owned())].into_iter().filter(|(_, tag)| !tag.is_empty()).collect();
        let node = Node { datacenter: "dc2".to_owned(), tagged_addresses: tags, ..node("foo", "127.0.0.1") };
        CheckServiceNode { node: Arc::new(node), ..instance("foo", "127.0.0.1", service) }
    };
    for (settings, instance, want) in [
        (&here, instance("", "", &[]), "8080 foo.node.dc2.consul."),
        (&here, instance("127.0.0.2", "", &[]), "8080 7f000002.addr.dc2.consul."),
        (&here, instance("127.0.0.2", "10.0.1.1", &[]), "8080 0a000101.addr.dc2.consul."),
        (&here, instance("127.0.0.2", "10.0.1.1", &[("wan", "198.18.0.1", 80)]), "80 c6120001.addr.dc2.consul."),
        (&there, instance("127.0.0.2", "", &[]), "8080 foo.node.dc2.consul."),
        (&there, instance("127.0.0.2", "10.0.1.1", &[("wan", "198.18.0.1", 80)]), "8080 0a000101.addr.dc2.consul."),
    ] {
        let got = compose(settings, "db.service.dc2.consul.", "consul.", "dc2", &[instance]);
        assert_eq!(show(&got.answer), [format!("db.service.dc2.consul. 7 SRV 1 1 {want}")]);
    }
}

#[test]
fn row_70_one_for_each_port() {
    let on_port = |port| {
        let service = NodeService { service: "db".to_owned(), port, ..NodeService::default() };
        instance("foo", "127.0.0.1", service)
    };
    let got = here(&[on_port(12345), on_port(12345), on_port(12346)]);
    assert_eq!(got.answer.len(), 2);
    // The node's address is repeated with each.
    assert_eq!(show(&got.additional), ["foo.node.dc1.consul. 7 A 127.0.0.1", "foo.node.dc1.consul. 7 A 127.0.0.1"]);
}

#[test]
fn rows_95_and_96_metadata() {
    let with_meta = |address: &str| {
        let meta = [("key".to_owned(), "value".to_owned())].into();
        let node = Node { meta, ..node("bar", "127.0.0.1") };
        CheckServiceNode { node: Arc::new(node), ..db("bar", "127.0.0.1", address) }
    };
    check(
        &here(&[with_meta("")]),
        &["db.service.consul. 7 SRV 1 1 12345 bar.node.dc1.consul."],
        &["bar.node.dc1.consul. 7 A 127.0.0.1", "bar.node.dc1.consul. 7 TXT \"key=value\""],
    );
    // The text belongs to the node, whatever the target is.
    check(
        &here(&[with_meta("127.0.0.2")]),
        &["db.service.consul. 7 SRV 1 1 12345 7f000002.addr.dc1.consul."],
        &["7f000002.addr.dc1.consul. 7 A 127.0.0.2", "bar.node.dc1.consul. 7 TXT \"key=value\""],
    );
    let without = Settings { node_meta_txt: false, ..settings() };
    let got = compose(&without, "db.service.consul.", "consul.", "dc1", &[with_meta("")]);
    assert_eq!(got.additional.len(), 1);
}

#[test]
fn numbers_wrap_like_the_reference_s() {
    let odd = |port| {
        let service = NodeService {
            service: "db".to_owned(),
            port,
            weights: Some(Weights { passing: 10, warning: 3 }),
            ..NodeService::default()
        };
        show(&here(&[instance("foo", "127.0.0.1", service)]).answer)
    };
    assert_eq!(odd(70_000), ["db.service.consul. 7 SRV 1 10 4464 foo.node.dc1.consul."]);
    assert_eq!(odd(-1), ["db.service.consul. 7 SRV 1 10 65535 foo.node.dc1.consul."]);
    assert_eq!(odd(0), ["db.service.consul. 7 SRV 1 10 0 foo.node.dc1.consul."]);
}

#[test]
fn peers_have_names_of_their_own() {
    let name = Name::new("web-proxy.service.peer1.peer.consul.");
    let asked = Asked { name: &name, kind: Kind::SRV, domain: "consul.", most: usize::MAX };
    let origin = Origin { datacenter: "", peer: "peer1" };
    let (by_address, by_node) = (db("peernode1", "198.18.1.1", "199.0.0.1"), db("peernode1", "198.18.1.1", ""));
    let target = |instance: &CheckServiceNode| show(&records(&settings(), asked, origin, 0, &[instance]).additional);
    assert_eq!(target(&by_address), ["c7000001.addr.consul. 0 A 199.0.0.1"]);
    assert_eq!(target(&by_node), ["peernode1.node.peer1.peer.consul. 0 A 198.18.1.1"]);
}
