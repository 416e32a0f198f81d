use super::*;
use crate::wire::{Ack, Failure, Ping, decode, read_state};

/// Two pools of one node each; the second one's own state.
fn two() -> (Pool, Pool) {
    let other = Pool::with(|settings| {
        settings.name = "other".to_owned();
        settings.advertise = at(1);
    });
    (Pool::new(), other)
}

/// Carries the exchange `a` began to `b` and its answer back.
fn carry(a: &mut Pool, b: &mut Pool) {
    let exchange = a.effects().into_iter().find_map(|effect| match effect {
        MembershipEffect::Exchange { id, to, frame, wants_reply: true, .. } => Some((id, to, frame)),
        _ => None,
    });
    let (id, to, frame) = exchange.unwrap();
    assert_eq!(to, b.membership.own().address);
    let reply = serve(b, &frame);
    a.membership.exchange_reply(id, Ok(reply.unwrap()), a.now, &mut a.up);
}

fn serve(pool: &mut Pool, frame: &[u8]) -> Option<Bytes> {
    pool.membership.stream_request(StreamId(3), at(200), frame, pool.now, &mut pool.up);
    pool.effects()
        .into_iter()
        .find_map(|effect| match effect {
            MembershipEffect::StreamReply { id: StreamId(3), frame } => Some(frame),
            _ => None,
        })
        .unwrap()
}

fn joined(pool: &mut Pool) -> Option<Result<(), String>> {
    pool.effects().into_iter().find_map(|effect| match effect {
        MembershipEffect::Joined { id: JoinId(5), result } => Some(result),
        _ => None,
    })
}

fn join(pool: &mut Pool) {
    pool.membership.join(JoinId(5), Some("other"), at(1), pool.now, &mut pool.up);
}

#[test]
fn a_join_tells_both_sides_of_each_other() {
    let (mut a, mut b) = two();
    join(&mut a);
    carry(&mut a, &mut b);
    assert_eq!(joined(&mut a), Some(Ok(())));
    assert_eq!(a.heard(), ["admit 1", "joined other", "merge upper true"]);
    assert_eq!(b.heard(), ["admit 1", "joined own", "merge upper true"]);
    // The periodic exchange admits nobody as a whole.
    a.membership.start_push_pull(a.now, &mut a.up);
    carry(&mut a, &mut b);
    assert_eq!(a.heard(), ["merge upper false"]);
    assert_eq!(b.heard(), ["merge upper false"]);
}

#[test]
fn the_answer_is_the_state_before_the_merge() {
    let (mut a, mut b) = two();
    join(&mut a);
    let effects = a.effects();
    let Some(MembershipEffect::Exchange { frame, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let reply = serve(&mut b, frame).unwrap();
    let message = a.membership.pipeline.open_reply(&reply).unwrap();
    let state = read_state(&message[1..]).unwrap();
    assert!(state.join);
    assert_eq!(state.nodes.len(), 1);
    assert_eq!(b.membership.node_count(), 2);
}

#[test]
fn refusals_are_told_to_the_side_that_refuses() {
    // docs/spec/gossip.md §20 case 36.
    let (mut a, mut b) = two();
    b.up.refusal = Some("not here".to_owned());
    join(&mut a);
    carry(&mut a, &mut b);
    assert_eq!(joined(&mut a), Some(Ok(())));
    assert_eq!(b.membership.node_count(), 1);
    let (mut a, mut b) = two();
    a.up.refusal = Some("not here".to_owned());
    join(&mut a);
    carry(&mut a, &mut b);
    assert_eq!(joined(&mut a), Some(Err("not here".to_owned())));
    assert_eq!(a.membership.node_count(), 1);
}

#[test]
fn a_restarted_node_learns_its_old_incarnation() {
    let (mut a, mut b) = two();
    b.alive("own", 100, 7);
    b.dead("own", 7, "other");
    join(&mut a);
    carry(&mut a, &mut b);
    assert_eq!(a.state("own"), Some((NodeState::Alive, 8)));
}

#[test]
fn joins_fail_with_the_reason() {
    let failure = encode(Kind::Failure, &Failure { error: "no".into() });
    let plain = |pool: &Pool, message: &[u8]| pool.membership.pipeline.frame_reply(message).map_err(|e| e.to_string());
    let rows = [
        (Err("connection refused".to_owned()), "connection refused"),
        (plain(&Pool::new(), &failure), "remote error: no"),
        (plain(&Pool::new(), b"\x00\x80"), "received invalid msgType (0), expected pushPullMsg (6)"),
        (plain(&Pool::new(), b"\x06\x81\xa5Nodes\x01"), "msgpack decode error [pos 0]: unexpected EOF"),
        (Ok(Bytes::from_static(b"\x0a\x00\x00\x00\x00")), "Remote state is encrypted and encryption is not configured"),
    ];
    for (reply, error) in rows {
        let mut pool = Pool::new();
        join(&mut pool);
        let effects = pool.effects();
        let Some(MembershipEffect::Exchange { id, .. }) = effects.first() else {
            panic!("{effects:?}");
        };
        pool.membership.exchange_reply(*id, reply.clone(), pool.now, &mut pool.up);
        assert_eq!(joined(&mut pool), Some(Err(error.to_owned())));
        pool.membership.exchange_reply(*id, reply, pool.now, &mut pool.up);
        assert_eq!(joined(&mut pool), None, "an exchange ends once");
    }
}

#[test]
fn versions_must_be_understood_by_all() {
    for (known, claimed, error) in [
        (OWN_VERSIONS, OWN_VERSIONS, None),
        ([1, 2, 2, 2, 5, 4], [1, 5, 3, 2, 5, 4], Some("Node 'b' protocol version (3) is incompatible: [1, 2]")),
        (OWN_VERSIONS, [1, 5, 2, 5, 9, 5], Some("Node 'a' delegate protocol version (4) is incompatible: [5, 5]")),
    ] {
        let mut pool = Pool::of(&["a"]);
        pool.packet(encode(Kind::Alive, &Alive { vsn: Versions::all(known), ..alive("a", 1, 2) }));
        pool.heard();
        let record = wire::NodeStateRecord {
            addr: at(2).ip().into(),
            name: "b".into(),
            vsn: Versions::all(claimed),
            ..wire::NodeStateRecord::default()
        };
        let message = wire::write_state(true, [record].into_iter(), 1, b"upper");
        join(&mut pool);
        let effects = pool.effects();
        let Some(MembershipEffect::Exchange { id, .. }) = effects.first() else {
            panic!("{effects:?}");
        };
        let frame = pool.membership.pipeline.frame_reply(&message).unwrap();
        pool.membership.exchange_reply(*id, Ok(frame), pool.now, &mut pool.up);
        assert_eq!(joined(&mut pool), Some(error.map_or(Ok(()), |error| Err(error.to_owned()))));
    }
}

#[test]
fn dead_nodes_without_versions_break_an_exchange() {
    // docs/spec/gossip.md §20 case 4.
    let mut pool = Pool::new();
    let record = wire::NodeStateRecord { name: "b".into(), state: 2, ..wire::NodeStateRecord::default() };
    let message = wire::write_state(false, [record].into_iter(), 1, b"upper");
    let frame = pool.membership.pipeline.frame_request(&message).unwrap();
    assert!(serve(&mut pool, &frame).is_some(), "it is answered all the same");
    assert!(pool.heard().is_empty());
}

#[test]
fn an_address_of_a_wrong_length_aborts_a_join() {
    let mut pool = Pool::new();
    let record = wire::NodeStateRecord {
        name: "b".into(),
        vsn: Versions::all(OWN_VERSIONS),
        ..wire::NodeStateRecord::default()
    };
    let message = wire::write_state(true, [record].into_iter(), 1, b"upper");
    let frame = pool.membership.pipeline.frame_request(&message).unwrap();
    serve(&mut pool, &frame);
    assert!(pool.heard().is_empty());
}

#[test]
fn pings_and_messages_come_on_streams_too() {
    let mut pool = Pool::new();
    let request = |pool: &Pool, message: &[u8]| pool.membership.pipeline.frame_request(message).unwrap();
    let ping = encode(Kind::Ping, &Ping { node: "own".into(), seq_no: 4, ..Ping::default() });
    let frame = request(&pool, &ping);
    let reply = serve(&mut pool, &frame).unwrap();
    let message = pool.membership.pipeline.open_reply(&reply).unwrap();
    assert_eq!(decode::<Ack<'_>>(&message[1..]).unwrap(), Ack { seq_no: 4, ..Ack::default() }, "no coordinate");
    let other = encode(Kind::Ping, &Ping { node: "other".into(), ..Ping::default() });
    for (message, heard) in [
        (other, None),
        (b"\x08\x81\xaaUserMsgLen\x02hi".to_vec(), Some("message hi")),
        (b"\x08\x81\xaaUserMsgLen\x03hi".to_vec(), None),
        (b"\x04\x80".to_vec(), None),
        (Vec::new(), None),
    ] {
        let frame = request(&pool, &message);
        assert_eq!(serve(&mut pool, &frame), None);
        assert_eq!(pool.heard().first().map(String::as_str), heard);
    }
}

#[test]
fn what_cannot_be_read_is_answered_with_the_reason() {
    let mut pool = Pool::new();
    let reply = serve(&mut pool, b"\x0a\x00\x00\x00\x00").unwrap();
    let message = pool.membership.pipeline.open_reply(&reply).unwrap();
    assert_eq!(message[0], Kind::Failure as u8);
    let failure: Failure<'_> = decode(&message[1..]).unwrap();
    assert_eq!(failure.error, "Remote state is encrypted and encryption is not configured");
    assert_eq!(serve(&mut pool, b"\xf4\x04blue\x00\x80"), None, "another pool's");
    assert_eq!(serve(&mut pool, b""), None);
}
