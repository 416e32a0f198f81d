use super::*;
use crate::codec::{Name, Opcode, Question, Rcode};
use crate::message::{Record, ReplyEdns};
use crate::testing::address_record;

const UDP: Limits = Limits { transport: Transport::Udp, udp_size: None, udp_answer_limit: 3, compress: true };

fn with_edns(size: u16) -> Limits {
    Limits { udp_size: Some(size), ..UDP }
}

fn reply(name: &str, kind: Kind, answer: Vec<Record>, additional: Vec<Record>, edns: Option<u16>) -> Reply {
    Reply {
        id: 7,
        opcode: Opcode::Query,
        flags: 0x0500,
        rcode: Rcode::NoError,
        question: Some(Question { name: Name::new(name), kind, class: 1 }),
        answer,
        authority: Vec::new(),
        additional,
        edns: edns.map(|udp_size| ReplyEdns { udp_size, options: Vec::new() }),
    }
}

/// `count` instances of `name` that share an address, as in `dns-udp-truncation-srv.json`.
fn swarm(name: &str, count: usize, edns: Option<u16>) -> Reply {
    let target = Name::new("c6121401.addr.dc1.consul.");
    let data = Data::Srv { priority: 1, weight: 1, port: 8080, target: target.clone() };
    let answer = vec![Record { owner: Name::new(name), ttl: 0, data }; count];
    let additional = vec![address_record(target.as_str(), 0, "198.18.20.1"); count];
    reply(name, Kind::SRV, answer, additional, edns)
}

fn addresses(name: &str, count: u8, v6: bool) -> Reply {
    let address = |last| if v6 { format!("2001:db8::{last:x}") } else { format!("198.18.0.{last}") };
    let answer = (0..count).map(|last| address_record(name, 0, &address(last))).collect();
    reply(name, if v6 { Kind::AAAA } else { Kind::A }, answer, Vec::new(), None)
}

fn size(reply: &Reply, cut: &Cut) -> usize {
    let mut out = Vec::new();
    reply.write(cut, true, &mut out).expect("written");
    out.len()
}

#[test]
fn the_example_numbers() {
    for (edns, want) in [(513, 10), (600, 12), (935, 19), (940, 20), (941, 20), (1232, 26), (1400, 30), (2200, 48)] {
        let reply = swarm("big.service.consul.", 60, Some(edns));
        let cut = trim(&reply, &with_edns(edns)).expect("cut");
        assert_eq!(cut.answers, want, "{edns}");
        assert_eq!(cut.additional, Some(vec![0]), "{edns}");
        assert!(cut.truncated);
        assert_eq!(size(&reply, &cut), 36 + 44 * want + 16, "{edns}");
    }
}

#[test]
fn what_fits_is_left_alone() {
    for edns in [4096, 65_535] {
        let reply = swarm("big.service.consul.", 60, Some(edns));
        assert_eq!(trim(&reply, &with_edns(edns)).expect("cut"), Cut::nothing(&reply));
    }
    let tcp = Limits { transport: Transport::Tcp, ..UDP };
    let reply = swarm("big.service.consul.", 60, None);
    assert_eq!(trim(&reply, &tcp).expect("cut"), Cut::nothing(&reply));
}

#[test]
fn small_sizes_count_as_none() {
    for limits in [UDP, with_edns(512), with_edns(0)] {
        let cut = trim(&swarm("big.service.consul.", 60, limits.udp_size), &limits).expect("cut");
        assert_eq!((cut.answers, cut.additional), (3, Some(vec![0])));
    }
}

#[test]
fn tcp_cuts_answers_silently_and_keeps_all_of_additional() {
    let limits = Limits { transport: Transport::Tcp, ..UDP };
    let reply = swarm("swarm.service.consul.", 1040, None);
    let cut = trim(&reply, &limits).expect("cut");
    assert_eq!(cut, Cut { answers: 1024, ..Cut::nothing(&reply) });
    assert!(size(&reply, &cut) <= TCP_BYTES);
    // Without compression they do not fit: then it is truncation, and Additional is cut too.
    let cut = trim(&reply, &Limits { compress: false, ..limits }).expect("cut");
    assert!(cut.truncated && cut.answers < 1024);
    assert_eq!(cut.additional, Some(vec![0]));
}

#[test]
fn rows_80_85_and_86_plain_udp() {
    let name = "web.service.consul.";
    for (limit, want) in [(1, 1), (3, 3), (5, 5), (8, 8), (9, 8), (30, 8), (0, 0)] {
        let cut = trim(&addresses(name, 96, false), &Limits { udp_answer_limit: limit, ..UDP }).expect("cut");
        assert_eq!(cut.answers, want, "{limit}");
    }
    let by_id = "0e9e1b2c-7a1d-4a7f-9c53-6c5b9e7a7d11.query.consul.";
    let eight = Limits { udp_answer_limit: 8, ..UDP };
    assert_eq!(trim(&addresses(by_id, 96, false), &eight).expect("cut").answers, 6);
    assert_eq!(trim(&addresses(by_id, 96, true), &eight).expect("cut").answers, 5);
}

#[test]
fn row_82_long_names() {
    let service = "redis-cluster-with-a-name-of-exactly-fifty-eight-bytes-abc";
    assert_eq!(service.len(), 58);
    let name = format!("_{service}._primary.service.consul.");
    let target = |index| Name::new(&format!("7f00000{index}.addr.dc1.consul."));
    let answer = (1..=4).map(|index| {
        let data = Data::Srv { priority: 1, weight: 1, port: 12345, target: target(index) };
        Record { owner: Name::new(&name), ttl: 0, data }
    });
    let additional = (1..=4).map(|index| address_record(target(index).as_str(), 0, &format!("127.0.0.{index}")));
    let reply = reply(&name, Kind::SRV, answer.collect(), additional.collect(), None);
    let cut = trim(&reply, &UDP).expect("cut");
    assert_eq!((cut.answers, cut.additional.clone()), (2, Some(vec![0, 1])));
    assert!(size(&reply, &cut) <= UDP_BYTES);
}

#[test]
fn a_single_answer_stays_whatever_it_takes() {
    let text = Record { owner: Name::new("m.node.consul."), ttl: 0, data: Data::Txt(vec![b'x'; 250].into()) };
    let answer = vec![address_record("m.node.consul.", 0, "198.18.0.1")];
    let reply = reply("m.node.consul.", Kind::A, answer, vec![text; 5], None);
    assert_eq!(trim(&reply, &UDP).expect("cut"), Cut::nothing(&reply));
}

#[test]
fn a_cut_without_additional_keeps_it_so_and_with_opt_loses_it() {
    let cut = trim(&addresses("web.service.consul.", 96, false), &UDP).expect("cut");
    assert_eq!(cut.additional, None);
    let mut with_opt = addresses("web.service.consul.", 96, false);
    with_opt.edns = Some(ReplyEdns { udp_size: 600, options: Vec::new() });
    assert_eq!(trim(&with_opt, &with_edns(600)).expect("cut").additional, Some(vec![]));
}

#[test]
fn aliases_are_kept_with_what_they_stand_for_and_loops_end() {
    let name = "db.service.consul.";
    let alias =
        |owner: &str, target: &str| Record { owner: Name::new(owner), ttl: 0, data: Data::Cname(Name::new(target)) };
    let srv = |target: &str| Record {
        owner: Name::new(name),
        ttl: 0,
        data: Data::Srv { priority: 1, weight: 1, port: 1, target: Name::new(target) },
    };
    let additional = vec![
        address_record("unrelated.", 0, "198.18.0.9"),
        alias("www.ext.test.", "EXT.test."),
        address_record("ext.test.", 0, "10.9.8.1"),
        address_record("ext.test.", 0, "10.9.8.2"),
        alias("round.test.", "about.test."),
        alias("about.test.", "round.test."),
    ];
    let answer = ["www.ext.test.", "round.test.", "www.ext.test.", "missing.test."].map(srv).to_vec();
    let reply = reply(name, Kind::SRV, answer, additional, None);
    let cut = trim(&reply, &UDP).expect("cut");
    assert_eq!((cut.answers, cut.additional), (3, Some(vec![1, 2, 4, 5])));
}

#[test]
fn authority_goes_first_and_with_an_answer() {
    let mut reply = addresses("web.service.consul.", 8, false);
    let text = Data::Txt(vec![b'x'; 200].into());
    reply.authority = vec![Record { owner: Name::new("consul."), ttl: 0, data: text }; 2];
    let cut = trim(&reply, &Limits { udp_answer_limit: 8, ..UDP }).expect("cut");
    assert_eq!((cut.authority, cut.answers), (false, 7));
}
