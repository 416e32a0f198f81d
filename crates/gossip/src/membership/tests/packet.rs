use proptest::prelude::*;

use super::*;
use crate::wire::{Ack, IndirectPing, Nack, Ping, decode, write_compound};

fn ping(node: &str) -> Ping<'_> {
    Ping { node: node.into(), seq_no: 7, ..Ping::default() }
}

fn compound(messages: &[Vec<u8>]) -> Vec<u8> {
    write_compound(&messages.iter().map(|message| Bytes::copy_from_slice(message)).collect::<Vec<_>>())
}

fn user(text: &str) -> Vec<u8> {
    [&[Kind::User as u8][..], text.as_bytes()].concat()
}

#[test]
fn a_ping_is_answered_where_the_asker_says_it_is() {
    // docs/spec/gossip.md §20 cases 11 and 12.
    for (ping, to) in [
        (ping("own"), Some(at(200))),
        (ping(""), Some(at(200))),
        (Ping { source_addr: at(5).ip().into(), source_port: 9, ..ping("own") }, Some(SocketAddr::new(at(5).ip(), 9))),
        (Ping { source_addr: at(5).ip().into(), ..ping("own") }, Some(at(200))),
        (ping("OWN"), None),
        (ping("other"), None),
    ] {
        let mut pool = Pool::new();
        pool.packet(encode(Kind::Ping, &ping));
        let sent = pool.sent();
        assert_eq!(sent.first().map(|(to, _)| *to), to, "{ping:?}");
        if let Some((_, message)) = sent.first() {
            let ack = encode(Kind::Ack, &Ack { payload: b"payload".as_slice().into(), seq_no: 7 });
            assert_eq!(*message, ack);
        }
    }
}

#[test]
fn aliveness_is_handled_first_then_the_newest() {
    let mut pool = Pool::of(&["a"]);
    let dead = encode(Kind::Dead, &accused("a", 1, "b"));
    let born = encode(Kind::Alive, &alive("b", 2, 1));
    pool.packet(compound(&[dead, user("first"), user("second"), born]));
    assert_eq!(pool.heard(), ["joined b", "message second", "message first", "left a Dead"]);
}

#[test]
fn what_overflows_the_queue_is_dropped() {
    let mut pool = Pool::with(|settings| settings.profile.handoff_depth = 2);
    pool.packet(compound(&[user("1"), user("2"), user("3"), encode(Kind::Alive, &alive("a", 1, 1))]));
    assert_eq!(pool.heard(), ["joined a", "message 2", "message 1"]);
}

#[test]
fn compound_and_compressed_messages_hold_each_other() {
    let mut pool = Pool::new();
    let inner = compound(&[user(&"x".repeat(100)), user("y")]);
    let packed = pool.membership.pipeline.seal_packet(inner.into(), false).unwrap();
    assert_eq!(packed[0], Kind::Compress as u8);
    pool.packet(compound(&[packed.to_vec(), user("z")]));
    let heard = pool.heard();
    assert_eq!(heard[0], "message y");
    assert_eq!(heard[2], "message z");
}

#[test]
fn nesting_ends_somewhere() {
    let mut message = user("deep");
    for _ in 0..1000 {
        message = compound(&[message]);
    }
    let mut pool = Pool::new();
    pool.packet(message);
    assert!(pool.heard().is_empty());
}

#[test]
fn a_checksum_counts_only_around_the_whole_packet() {
    let mut pool = Pool::new();
    let summed = pool.membership.pipeline.seal_packet(user("x").into(), true).unwrap().to_vec();
    pool.packet(summed.clone());
    assert_eq!(pool.heard(), ["message x"]);
    pool.packet(compound(&[summed, user("y")]));
    assert_eq!(pool.heard(), ["message y"]);
}

#[test]
fn a_port_left_out_is_our_own() {
    let mut pool = Pool::new();
    pool.packet(encode(Kind::Alive, &Alive { port: 0, ..alive("a", 1, 1) }));
    assert_eq!(pool.membership.node("a").unwrap().address, at(1));
}

fn request(nack: bool) -> Vec<u8> {
    let request = IndirectPing {
        nack,
        node: "a".into(),
        port: 8301,
        seq_no: 77,
        source_addr: at(5).ip().into(),
        source_node: "asker".into(),
        source_port: 8301,
        target: at(1).ip().into(),
    };
    encode(Kind::IndirectPing, &request)
}

#[test]
fn a_ping_for_another_is_made_and_its_answer_passed_on() {
    let mut pool = Pool::new();
    pool.packet(request(true));
    let sent = pool.sent();
    let ping: Ping<'_> = decode(&sent[0].1[1..]).unwrap();
    assert_eq!(sent[0].0, at(1));
    assert_eq!((&*ping.node, &*ping.source_node, ping.source_port), ("a", "own", 8301));
    assert_ne!(ping.seq_no, 77);
    for answers in [1, 0] {
        // The second answer has nobody to go to.
        pool.packet(encode(Kind::Ack, &Ack { payload: b"x".as_slice().into(), seq_no: ping.seq_no }));
        let expected = vec![(at(5), encode(Kind::Ack, &Ack { seq_no: 77, ..Ack::default() }))];
        assert_eq!(pool.sent(), if answers == 1 { expected } else { Vec::new() });
    }
    pool.now += ms(600);
    pool.membership.expire_relays(pool.now, &mut pool.up);
    assert!(pool.sent().is_empty(), "answered in time");
}

#[test]
fn who_asked_hears_that_there_was_no_answer_if_it_wants_to() {
    for wants in [true, false] {
        let mut pool = Pool::new();
        pool.packet(request(wants));
        pool.sent();
        pool.now += ms(499);
        pool.membership.expire_relays(pool.now, &mut pool.up);
        assert!(pool.sent().is_empty());
        pool.now += ms(1);
        pool.membership.expire_relays(pool.now, &mut pool.up);
        let nack = vec![(at(5), encode(Kind::Nack, &Nack { seq_no: 77 }))];
        assert_eq!(pool.sent(), if wants { nack } else { Vec::new() });
    }
}

#[test]
fn pings_for_others_are_bounded() {
    let mut pool = Pool::new();
    for _ in 0..5_000 {
        pool.packet(request(true));
    }
    assert_eq!(pool.sent().len(), 4096);
}

#[test]
fn broadcasts_ride_along_and_fit_the_packet() {
    let mut pool = Pool::of(&["a"]);
    for host in 2..40 {
        pool.alive(&format!("node-{host}"), host, 1);
    }
    pool.up.broadcasts = vec![Bytes::from_static(b"upper")];
    pool.packet(encode(Kind::Ping, &ping("own")));
    let sent = pool.sent();
    assert_eq!(sent[0].1[0], Kind::Ack as u8);
    assert_eq!(sent.last().unwrap().1, b"\x08upper");
    let total: usize = sent.iter().map(|(_, message)| message.len() + 2).sum();
    assert!(total <= 1400, "{total}");
    assert!(sent.len() > 10);
}

#[test]
fn gossip_goes_to_some_nodes_that_may_hear_it() {
    let mut pool = Pool::of(&["a", "b", "c", "d", "e"]);
    pool.suspect("b", 1, "c");
    pool.dead("c", 1, "b");
    pool.dead("d", 1, "d");
    let mut receivers = std::collections::BTreeSet::new();
    for round in 0..200 {
        pool.membership.broadcasts.push(None, Bytes::from_static(b"\x08x"), None);
        pool.membership.gossip(pool.now, &mut pool.up);
        let sent = pool.sent();
        let to: std::collections::BTreeSet<_> = sent.iter().map(|(to, _)| *to).collect();
        assert!((1..=3).contains(&to.len()), "round {round}: {to:?}");
        receivers.extend(to);
    }
    assert_eq!(receivers.into_iter().collect::<Vec<_>>(), [at(1), at(2), at(3), at(5)], "not to who left");
    pool.membership.broadcasts.prune(0);
    pool.membership.gossip(pool.now, &mut pool.up);
    assert!(pool.effects().is_empty(), "nothing to say");
}

#[test]
fn nothing_happens_after_shutdown() {
    let mut pool = Pool::of(&["a"]);
    pool.membership.shutdown();
    assert_eq!(pool.membership.deadline(), None);
    pool.membership.tick(ms(1_000_000), &mut pool.up);
    pool.packet(encode(Kind::Ping, &ping("own")));
    pool.membership.send_user(at(1), None, b"x");
    assert!(pool.effects().is_empty() && pool.heard().is_empty());
}

proptest! {
    #[test]
    fn no_packet_of_a_stranger_panics(
        kind in 0_u8..16,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut pool = Pool::of(&["a", "b"]);
        pool.packet([&[kind][..], &body[..]].concat());
        pool.pass(ms(3_000));
    }
}
