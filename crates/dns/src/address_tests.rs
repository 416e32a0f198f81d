use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::testing::{instance, node, tagged};

const HERE: Translation<'_> = Translation { enabled: true, own_datacenter: "dc1" };

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(tag, address)| ((*tag).to_owned(), (*address).to_owned())).collect()
}

fn service(address: &str) -> NodeService {
    NodeService { service: "db".to_owned(), port: 8080, address: address.to_owned(), ..NodeService::default() }
}

#[test]
fn lan_tags_choose_the_family() {
    let dual = Node {
        tagged_addresses: tags(&[("lan_ipv6", "2001:db8::1"), ("wan", "203.0.113.1"), ("lan", "198.18.0.200")]),
        ..node("dual", "198.18.0.1")
    };
    assert_eq!(of_node(&dual, Accept::V4, HERE), "198.18.0.1");
    assert_eq!(of_node(&dual, Accept::V6, HERE), "2001:db8::1");
    assert_eq!(of_node(&dual, Accept::Any, HERE), "2001:db8::1");
    let six = Node { tagged_addresses: tags(&[("lan_ipv4", "198.18.0.6")]), ..node("six", "2001:db8::6") };
    assert_eq!(of_node(&six, Accept::V4, HERE), "198.18.0.6");
    assert_eq!(of_node(&six, Accept::V6, HERE), "2001:db8::6");
    assert_eq!(of_node(&six, Accept::Any, HERE), "198.18.0.6");
}

#[test]
fn wan_tags_count_elsewhere_only() {
    let tagged_service = NodeService { tagged_addresses: tagged(&[("wan", "198.18.0.1", 80)]), ..service("10.0.1.1") };
    assert_eq!(of_service(&tagged_service, Accept::Any, HERE, "dc1"), "10.0.1.1");
    assert_eq!(port(&tagged_service, HERE, "dc1"), 8080);
    assert_eq!(of_service(&tagged_service, Accept::Any, HERE, "dc2"), "198.18.0.1");
    assert_eq!(port(&tagged_service, HERE, "dc2"), 80);
    let off = Translation { enabled: false, ..HERE };
    assert_eq!(of_service(&tagged_service, Accept::Any, off, "dc2"), "10.0.1.1");
    // The tag an agent sets itself beats the one its user set, for the address.
    let both = NodeService {
        tagged_addresses: tagged(&[("wan", "198.18.0.1", 80), ("wan_ipv4", "198.18.0.9", 8080)]),
        ..service("10.0.1.1")
    };
    assert_eq!(of_service(&both, Accept::Any, HERE, "dc2"), "198.18.0.9");
    assert_eq!(port(&both, HERE, "dc2"), 80);
}

#[test]
fn forms_of_instances() {
    let ip = |text: &str| parse_ip(text).expect("address");
    let question = "db.service.consul.";
    for (node_address, service_address, want) in [
        ("", "", None),
        ("127.0.0.1", "", Some(Form::Node(ip("127.0.0.1")))),
        ("www.google.com", "", Some(Form::Name("www.google.com"))),
        ("127.0.0.1", "127.0.0.2", Some(Form::Address(ip("127.0.0.2")))),
        ("127.0.0.1", "db.service.consul", Some(Form::Node(ip("127.0.0.1")))),
        ("127.0.0.1", "db.service.consul.", Some(Form::Node(ip("127.0.0.1")))),
        ("127.0.0.1", "DB.service.consul", Some(Form::Name("DB.service.consul"))),
        ("web.service.consul.", "db.service.consul", Some(Form::Name("db.service.consul"))),
        ("", "127.0.0.2", Some(Form::Address(ip("127.0.0.2")))),
        ("::ffff:1.2.3.9", "", Some(Form::Node(ip("1.2.3.9")))),
    ] {
        let instance = instance("n", node_address, service(service_address));
        let got = form(&instance, question, Accept::Any, HERE, "dc1");
        assert_eq!(got, want, "{node_address:?} {service_address:?}");
    }
}

#[test]
fn a_tagged_address_of_a_node_is_no_longer_the_node_s() {
    let mut tagged = instance("n", "198.18.0.1", service(""));
    tagged.node = Arc::new(Node { tagged_addresses: tags(&[("lan_ipv6", "::1")]), ..node("n", "198.18.0.1") });
    let v6 = parse_ip("::1").expect("address");
    assert_eq!(form(&tagged, "q.", Accept::Any, HERE, "dc1"), Some(Form::Address(v6)));
}
