//! Requests as clients send them, well-formed, odd and hostile. What comes of each was asked of the reference.

use super::*;
use crate::message::{Cut, Reply};
use crate::testing::show;

fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn head(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let words = [7, flags, counts[0], counts[1], counts[2], counts[3]];
    words.into_iter().flat_map(u16::to_be_bytes).collect()
}

fn asked() -> Vec<u8> {
    [wire_name("consul.service.consul"), vec![0, 1, 0, 1]].concat()
}

fn opt(options: &[u8], udp_size: u16) -> Vec<u8> {
    let length = (options.len() as u16).to_be_bytes();
    [&[0, 0, 41][..], &udp_size.to_be_bytes(), &[0; 4], &length, options].concat()
}

fn rejected(packet: &[u8]) -> Option<(u16, bool)> {
    match request(packet) {
        Err(Refusal::Rejected { id: 7, flags, question }) => Some((flags, question.is_some())),
        _ => None,
    }
}

#[test]
fn an_ordinary_request() {
    let packet = [head(0x0100, [1, 0, 0, 1]), asked(), opt(&[], 1232), b"trailing".to_vec()].concat();
    let request = request(&packet).expect("request");
    let question = request.question.expect("question");
    assert_eq!((question.name.as_str(), question.kind, question.class), ("consul.service.consul.", Kind::A, 1));
    assert_eq!(request.edns, Some(Edns { udp_size: 1232, subnet: None }));
    assert_eq!(request.end, packet.len() - "trailing".len());
    assert_eq!((request.id, request.opcode, request.flags), (7, Opcode::Query, 0x0100));
}

#[test]
fn silence() {
    assert_eq!(request(&[]), Err(Refusal::Silence));
    assert_eq!(request(&[0; 11]), Err(Refusal::Silence));
    assert_eq!(request(&[head(0x8100, [1, 0, 0, 0]), asked()].concat()), Err(Refusal::Silence));
}

#[test]
fn rejections_keep_some_bits_and_the_question_when_it_was_read() {
    let all = 0x07f0;
    for (what, packet, want) in [
        ("another opcode", [head(0x0800 | all, [1, 0, 0, 0]), asked()].concat(), (0x8bb4, false)),
        ("two questions", [head(all, [2, 0, 0, 0]), asked(), asked()].concat(), (0x83b1, false)),
        ("no question", head(0x0100, [0, 0, 0, 0]), (0x8101, false)),
        ("two answers", [head(0x0100, [1, 2, 0, 0]), asked()].concat(), (0x8101, false)),
        ("two authorities", [head(0x0100, [1, 0, 2, 0]), asked()].concat(), (0x8101, false)),
        ("three additionals", [head(0x0100, [1, 0, 0, 3]), asked()].concat(), (0x8101, false)),
        (
            "a pointer to itself",
            [head(0x0100, [1, 0, 0, 0]), b"\xc0\x0c\0\x01\0\x01".to_vec()].concat(),
            (0x8101, false),
        ),
        (
            "an unknown label type",
            [head(0x0100, [1, 0, 0, 0]), b"\x41a\0\0\x01\0\x01".to_vec()].concat(),
            (0x8101, false),
        ),
        ("half a type", [head(0x0100, [1, 0, 0, 0]), b"\x01a\0\0".to_vec()].concat(), (0x8101, false)),
        ("half a record", [head(0x0100, [1, 1, 0, 0]), asked(), vec![0]].concat(), (0x8101, true)),
        ("a bad option", [head(0x0130, [1, 0, 0, 1]), asked(), opt(&[0, 8, 0, 32, 0], 512)].concat(), (0x8131, true)),
        (
            "a short subnet",
            [head(0x0100, [1, 0, 0, 1]), asked(), opt(&[0, 8, 0, 2, 0, 1], 512)].concat(),
            (0x8101, true),
        ),
        (
            "family 3",
            [head(0x0100, [1, 0, 0, 1]), asked(), opt(&[0, 8, 0, 4, 0, 3, 0, 0], 512)].concat(),
            (0x8101, true),
        ),
        (
            "a prefix of none",
            [head(0x0100, [1, 0, 0, 1]), asked(), opt(&[0, 8, 0, 4, 0, 0, 8, 0], 512)].concat(),
            (0x8101, true),
        ),
        (
            "33 bits",
            [head(0x0100, [1, 0, 0, 1]), asked(), opt(&[0, 8, 0, 4, 0, 1, 33, 0], 512)].concat(),
            (0x8101, true),
        ),
        (
            "A of three bytes",
            [head(0x0100, [1, 0, 0, 1]), asked(), b"\0\0\x01\0\x01\0\0\0\0\0\x03abc".to_vec()].concat(),
            (0x8101, true),
        ),
    ] {
        assert_eq!(rejected(&packet), Some(want), "{what}");
    }
}

#[test]
fn what_ends_early_is_accepted_when_it_ends_between_parts() {
    let question = |packet: Vec<u8>| request(&packet).expect("request").question;
    assert_eq!(question(head(0x0100, [1, 0, 0, 0])), None);
    let named = |kind, class| Some(Question { name: Name::new("consul.service.consul."), kind: Kind(kind), class });
    let start = [head(0x0100, [1, 0, 0, 0]), wire_name("consul.service.consul")].concat();
    assert_eq!(question(start.clone()), named(0, 0));
    assert_eq!(question([start, vec![0, 1]].concat()), named(1, 0));
    assert_eq!(question([head(0x0100, [1, 1, 1, 2]), asked()].concat()), named(1, 1));
}

#[test]
fn other_records_are_looked_over_and_the_last_opt_counts() {
    let unknown = b"\0\xff\0\0\x01\0\0\0\0\0\x03abc".to_vec();
    assert!(request(&[head(0x0100, [1, 0, 0, 1]), asked(), unknown].concat()).is_ok());
    let two = [head(0x0100, [1, 0, 0, 2]), asked(), opt(&[], 1000), opt(&[], 2000)].concat();
    assert_eq!(request(&two).expect("request").edns.map(|edns| edns.udp_size), Some(2000));
    let cookie = [head(0x0100, [1, 0, 0, 1]), asked(), opt(b"\0\x0a\0\x0812345678", 1232)].concat();
    assert_eq!(request(&cookie).expect("request").edns, Some(Edns { udp_size: 1232, subnet: None }));
}

#[test]
fn subnets() {
    let subnet = |option: &[u8]| {
        let packet = [head(0x0100, [1, 0, 0, 1]), asked(), opt(option, 1232)].concat();
        request(&packet).expect("request").edns.and_then(|edns| edns.subnet)
    };
    let some =
        |address: &str, source_prefix| Some(Subnet { address: Some(address.parse().expect("address")), source_prefix });
    assert_eq!(subnet(&[0, 8, 0, 8, 0, 1, 20, 9, 1, 2, 3, 4]), some("1.2.3.4", 20));
    assert_eq!(subnet(&[0, 8, 0, 6, 0, 1, 20, 0, 1, 2]), some("1.2.0.0", 20));
    assert_eq!(subnet(&[0, 8, 0, 10, 0, 1, 20, 0, 1, 2, 3, 4, 5, 6]), some("1.2.3.4", 20));
    assert_eq!(subnet(&[0, 8, 0, 8, 0, 2, 32, 0, 0x20, 1, 0xd, 0xb8]), some("2001:db8::", 32));
    assert_eq!(subnet(&[0, 8, 0, 4, 0, 0, 0, 0]), Some(Subnet { address: None, source_prefix: 0 }));
}

#[test]
fn replies_of_recursors_are_decompressed() {
    let mut packet = head(0x8180, [1, 4, 0, 1]);
    packet.extend(wire_name("www.ext.test"));
    packet.extend([0, 1, 0, 1]);
    // www.ext.test CNAME ext.test; ext.test A; ext.test MX www.ext.test; ext.test TXT.
    packet.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x4d\0\x02\xc0\x10");
    packet.extend(b"\xc0\x10\0\x01\0\x01\0\0\0\x58\0\x04\x0a\x09\x08\x01");
    packet.extend(b"\xc0\x10\0\x0f\0\x01\0\0\0\x01\0\x04\0\x05\xc0\x0c");
    packet.extend(b"\xc0\x10\0\x10\0\x01\0\0\0\x01\0\x03\x02hi");
    packet.extend(opt(&[], 4096));
    let got = response(&packet).expect("response");
    assert_eq!((got.id, got.rcode), (7, 0));
    assert_eq!(show(&got.answer[..2]), ["www.ext.test. 77 CNAME ext.test.", "ext.test. 88 A 10.9.8.1"]);
    assert_eq!(got.answer[2].data, Data::Mx { preference: 5, exchange: Name::new("www.ext.test") });
    assert_eq!(got.answer[3].data, Data::Opaque { kind: Kind::TXT, rdata: Box::from(&b"\x02hi"[..]) });
    for end in 1..packet.len() {
        // Whatever is cut off, there is an answer or none, never a panic.
        let _ = response(&packet[..end]);
    }
    assert!(response(&[head(0x0100, [1, 0, 0, 0]), asked()].concat()).is_none(), "not a reply");
}

/// A small generator with a fixed start, so that a failure comes again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

#[test]
fn hostile_packets_neither_panic_nor_take_long() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let good = [head(0x0100, [1, 0, 0, 1]), asked(), opt(&[0, 8, 0, 8, 0, 1, 20, 9, 1, 2, 3, 4], 1232)].concat();
    for _ in 0..20_000 {
        let mut packet = good.clone();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(packet.len());
            packet[at] = numbers.next() as u8;
        }
        packet.truncate(numbers.below(packet.len() + 1));
        crate::fuzz(&packet);
    }
    for _ in 0..5_000 {
        let length = numbers.below(200);
        let mut packet = head(numbers.next() as u16 & 0x7fff, [1, 0, 0, numbers.below(3) as u16]);
        packet.extend((0..length).map(|_| match numbers.below(4) {
            0 => 0xc0,
            1 => numbers.below(64) as u8,
            _ => numbers.next() as u8,
        }));
        crate::fuzz(&packet);
    }
}

#[test]
fn a_chain_of_pointers_ends() {
    // Each pointer leads to the one before: more of them than any name needs.
    let mut packet = head(0x0100, [1, 0, 0, 0]);
    packet.extend((0..200_u16).flat_map(|index| (0xc000 | (12 + 2 * (index + 1))).to_be_bytes()));
    packet.extend([0, 0, 1, 0, 1]);
    assert_eq!(rejected(&packet), Some((0x8101, false)));
}

#[test]
fn a_written_reply_is_read_again() {
    let name = Name::new("Db.Service.consul.");
    let record = |owner: &str, data| Record { owner: Name::new(owner), ttl: 5, data };
    let answer = vec![
        record("Db.Service.consul.", Data::A([198, 18, 0, 1].into())),
        record("a.Db.Service.consul.", Data::Cname(Name::new("b.consul."))),
        record("six.consul.", Data::Aaaa(Ipv6Addr::LOCALHOST)),
        record("consul.", Data::Ns(Name::new("n1.node.dc1.consul."))),
        record("1.0.0.127.in-addr.arpa.", Data::Ptr(Name::new("n1.node.dc1.consul."))),
        record("x.consul.", Data::Mx { preference: 3, exchange: Name::new("y.consul.") }),
        record("x.consul.", Data::Srv { priority: 1, weight: 2, port: 3, target: Name::new("y.Consul.") }),
    ];
    for compress in [true, false] {
        let reply = Reply {
            id: 9,
            opcode: Opcode::Query,
            flags: flag::AA,
            rcode: Rcode::NoError,
            question: Some(Question { name: name.clone(), kind: Kind::ANY, class: 1 }),
            answer: answer.clone(),
            authority: Vec::new(),
            additional: Vec::new(),
            edns: None,
        };
        let mut bytes = Vec::new();
        reply.write(&Cut::nothing(&reply), compress, &mut bytes).expect("written");
        assert_eq!(response(&bytes).expect("read").answer, answer, "compressed: {compress}");
    }
}
