//! Rows of the fact table (`docs/spec/dns.md` §24) that need no agent.

use std::sync::Arc;

use types::{Node, NodeService};

use super::*;
use crate::testing::{db, instance, node, settings, show, tagged};

fn compose(settings: &Settings, kind: Kind, instances: &[CheckServiceNode]) -> Composed {
    let name = Name::new("db.service.consul.");
    let asked = Asked { name: &name, kind, domain: "consul.", most: usize::MAX };
    let origin = Origin { datacenter: "dc1", peer: "" };
    let instances: Vec<_> = instances.iter().collect();
    addresses(settings, asked, origin, 7, &instances)
}

fn answers(kind: Kind, instances: &[CheckServiceNode]) -> Vec<String> {
    show(&compose(&settings(), kind, instances).answer)
}

#[test]
fn rows_60_and_61_one_family() {
    let four = [db("foo", "127.0.0.1", "127.0.0.2")];
    assert_eq!(answers(Kind::A, &four), ["db.service.consul. 7 A 127.0.0.2"]);
    assert!(answers(Kind::AAAA, &four).is_empty());
    let six = [db("foo", "::1", "::2")];
    assert_eq!(answers(Kind::AAAA, &six), ["db.service.consul. 7 AAAA ::2"]);
    assert!(answers(Kind::A, &six).is_empty());
}

#[test]
fn rows_62_and_63_both_families() {
    let both = |node_address: &str, address: &str, tag: &str, node_tag: &str, service_tag: &str| {
        let service = NodeService {
            service: "db".to_owned(),
            address: address.to_owned(),
            tagged_addresses: tagged(&[(tag, service_tag, 1)]),
            ..NodeService::default()
        };
        let tags = [(tag.to_owned(), node_tag.to_owned())].into();
        let node = Node { tagged_addresses: tags, ..node("foo", node_address) };
        CheckServiceNode { node: Arc::new(node), ..instance("foo", node_address, service) }
    };
    for instance in [
        both("127.0.0.1", "127.0.0.2", "lan_ipv6", "::1", "::2"),
        both("::1", "::2", "lan_ipv4", "127.0.0.1", "127.0.0.2"),
    ] {
        let instance = [instance];
        assert_eq!(answers(Kind::A, &instance), ["db.service.consul. 7 A 127.0.0.2"]);
        assert_eq!(answers(Kind::AAAA, &instance), ["db.service.consul. 7 AAAA ::2"]);
    }
}

#[test]
fn rows_30_to_32_names_give_way_to_addresses() {
    let named = |node: &str, address: &str| db(node, address, &format!("{node}.node.consul"));
    let composed = compose(&settings(), Kind::ANY, &[named("foo", "198.18.0.1"), named("bar", "198.18.0.2")]);
    assert_eq!(show(&composed.answer), ["db.service.consul. 7 CNAME foo.node.consul."]);
    assert_eq!(composed.follow, [Follow::Answer(Name::new("foo.node.consul"))]);
    let mixed = [db("foo", "198.18.0.1", ""), named("bar", "198.18.0.2"), db("baz", "198.18.0.3", "")];
    let composed = compose(&settings(), Kind::ANY, &mixed);
    let want = ["db.service.consul. 7 A 198.18.0.1", "db.service.consul. 7 A 198.18.0.3"];
    assert_eq!((show(&composed.answer), composed.follow), (want.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn a_question_of_the_other_family_follows_the_name() {
    let mixed = [db("foo", "198.18.0.1", ""), db("bar", "198.18.0.2", "www.ext.test")];
    assert_eq!(answers(Kind::AAAA, &mixed), ["db.service.consul. 7 CNAME www.ext.test."]);
}

#[test]
fn row_69_repeats_are_left_out() {
    let same = [db("foo", "198.18.0.1", ""), db("foo", "198.18.0.1", ""), db("bar", "198.18.0.2", "198.18.0.1")];
    assert_eq!(answers(Kind::ANY, &same).len(), 1);
    let many: Vec<_> = (0..200).map(|index| db("foo", &format!("198.18.0.{}", index % 100), "")).collect();
    assert_eq!(answers(Kind::A, &many).len(), 100);
}

#[test]
fn row_83_so_many_instances_are_enough() {
    let many: Vec<_> = (0..30).map(|index| db("foo", &format!("198.18.0.{index}"), "")).collect();
    for limit in 1..=6 {
        let limited = Settings { a_record_limit: limit, ..settings() };
        assert_eq!(compose(&limited, Kind::A, &many).answer.len(), limit as usize);
    }
    assert_eq!(answers(Kind::A, &many).len(), 30);
}

#[test]
fn types_that_get_addresses() {
    let four = [db("foo", "127.0.0.1", "")];
    for kind in [Kind::A, Kind::ANY, Kind::TXT] {
        assert_eq!(answers(kind, &four), ["db.service.consul. 7 A 127.0.0.1"], "{kind}");
    }
    for kind in [Kind::CNAME, Kind::MX, Kind::PTR, Kind(0)] {
        assert!(answers(kind, &four).is_empty(), "{kind}");
    }
}

#[test]
fn an_empty_answer_carries_the_soa() {
    let answer = Answer::of_instances(Composed::default());
    assert_eq!((answer.rcode, answer.soa), (Rcode::NoError, true));
}
