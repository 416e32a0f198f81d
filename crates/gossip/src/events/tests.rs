//! One event layer by itself, with a membership layer played by hand.

use super::message::{ConflictMember, Join, KeyRequest, KeyResponse, Leave, PushPull, Query, QueryResponse, Raw};
use super::*;
use crate::core::harness::{Everyone, address, settings};
use crate::core::{CommandId, KeyOperation, Outcome, QueryParams};
use crate::keyring::Keyring;
use crate::log::Logs;
use crate::membership::NodeState;
use crate::snapshot::{Recovered, SnapshotRecord};

const START: Time = Time::ZERO;

fn layer(settings: &CoreSettings, keyring: Keyring) -> Events {
    let mut events = Events::new(settings, Arc::new(keyring), Arc::new(Everyone), Logs::default().serf, START);
    events.joined(&node("a", 1), START);
    events
}

/// The layer of `a`, which is `10.0.0.1`.
fn alone() -> Events {
    let mut events = layer(&settings("a", 1), Keyring::default());
    outbox(&mut events);
    events
}

/// The same in a pool of this many.
fn among(count: u8) -> Events {
    let mut events = alone();
    for number in 2..=count {
        events.joined(&node(&char::from(b'a' + number - 1).to_string(), number), START);
    }
    outbox(&mut events);
    events
}

fn node(name: &str, number: u8) -> Node {
    Node {
        name: name.into(),
        address: address(number),
        meta: tags::encode(&BTreeMap::from([("role".to_owned(), "web".to_owned())])).unwrap(),
        vsn: [1, 5, 2, 2, 5, 4],
        state: NodeState::Alive,
        incarnation: 1,
        changed: START,
    }
}

/// What the layer wanted done since it was last asked.
#[derive(Default)]
struct Outbox {
    events: Vec<Event>,
    records: Vec<SnapshotRecord>,
    sent: Vec<(SocketAddr, Option<String>, Vec<u8>)>,
    done: Vec<Outcome>,
    saves: Vec<SaveId>,
    reconnects: Vec<String>,
    stopped: bool,
}

fn outbox(events: &mut Events) -> Outbox {
    let mut out = Outbox::default();
    while let Some(wish) = events.next_wish() {
        match wish {
            Wish::Effect(Effect::Event(event)) => out.events.push(event),
            Wish::Effect(Effect::Record(record)) => out.records.push(record),
            Wish::Effect(Effect::Done { outcome, .. }) => out.done.push(outcome),
            Wish::Effect(Effect::SaveKeyring { id, .. }) => out.saves.push(id),
            Wish::Effect(Effect::Stopped { .. }) => out.stopped = true,
            Wish::Effect(_) => panic!("an effect of the layer below"),
            Wish::Send { to, node, message } => out.sent.push((to, node, message)),
            Wish::Reconnect { name, .. } => out.reconnects.push(name),
        }
    }
    out
}

fn queued(events: &mut Events) -> Vec<Bytes> {
    events.broadcasts(3, 60_000, 1)
}

fn receive<T: serde::Serialize>(events: &mut Events, kind: Kind, body: &T) {
    events.user_message(&message::encode(kind, body), START);
}

fn user_event(name: &str, ltime: u64) -> message::UserEvent {
    message::UserEvent { coalesce: true, ltime, name: name.to_owned(), payload: Raw::default() }
}

/// A query of `b`, which is `10.0.0.2`.
fn query(name: &str, payload: Vec<u8>) -> Query {
    Query {
        addr: Raw::from_ip(address(2).ip()),
        id: 7,
        ltime: 3,
        name: name.to_owned(),
        payload: Raw(payload),
        port: address(2).port(),
        source_node: "b".to_owned(),
        timeout: 3_000_000_000,
        ..Query::default()
    }
}

fn response(sent: &[u8]) -> QueryResponse {
    let (kind, body) = message::split(sent).unwrap();
    assert_eq!(kind, Kind::QueryResponse);
    message::decode(body).unwrap()
}

fn key_response(sent: &[u8]) -> KeyResponse {
    let payload = response(sent).payload.0;
    let (kind, body) = message::split(&payload).unwrap();
    assert_eq!(kind, Kind::KeyResponse);
    message::decode(body).unwrap()
}

#[test]
fn events_have_limits() {
    let mut events = alone();
    let before = Err("user event exceeds configured limit of 512 bytes before encoding".to_owned());
    assert_eq!(events.user_event("n".repeat(13), vec![0; 500].into(), false), before);
    let after = Err("encoded user event exceeds configured limit of 512 bytes after encoding".to_owned());
    assert_eq!(events.user_event("n".repeat(12), vec![0; 500].into(), false), after);
    assert_eq!(events.user_event("n".repeat(12), vec![0; 460].into(), false), Ok(1));
    assert_eq!(outbox(&mut events).events.len(), 1);
}

#[test]
fn an_event_of_others_is_delivered_and_passed_on_once() {
    let mut events = alone();
    let message = message::encode(Kind::UserEvent, &user_event("deploy", 9));
    for expected in [1, 0] {
        events.user_message(&message, START);
        assert_eq!(outbox(&mut events).events.len(), expected);
        assert_eq!(queued(&mut events), std::slice::from_ref(&message));
    }
    assert_eq!(events.stats()["event_time"], "10");
    receive(&mut events, Kind::UserEvent, &user_event("later", 600));
    receive(&mut events, Kind::UserEvent, &user_event("old", 88));
    receive(&mut events, Kind::UserEvent, &user_event("not so old", 89));
    let names: Vec<String> = outbox(&mut events).events.iter().map(|event| format!("{event:?}")).collect();
    assert!(names.len() == 2 && names[0].contains("later") && names[1].contains("not so old"), "{names:?}");
    let huge = message::UserEvent { payload: Raw(vec![0; 10_000]), ..user_event("huge", 601) };
    receive(&mut events, Kind::UserEvent, &huge);
    assert!(outbox(&mut events).events.is_empty());
}

#[test]
fn intents_are_passed_on_as_they_came() {
    let mut events = among(2);
    let leave = message::encode(Kind::Leave, &Leave { ltime: 8, node: "b".to_owned(), prune: false });
    events.user_message(&leave, START);
    events.user_message(&leave, START);
    assert_eq!(queued(&mut events), [leave]);
    assert_eq!(events.member("b").unwrap().status, Status::Leaving);
    assert!(events.take_altered());
    assert_eq!(events.stats()["member_time"], "9");
}

#[test]
fn what_nobody_can_read_does_no_harm() {
    let mut events = among(3);
    for kind in 0..=20_u8 {
        for body in [&b""[..], b"\xc1", b"\x81", b"\xa1x", b"\x80", b"\xdf\xff\xff\xff\xff", b"\x90"] {
            let message = [&[kind][..], body].concat();
            events.user_message(&message, START);
            events.merge_remote_state(&message, true, START);
        }
    }
    events.user_message(b"", START);
    events.merge_remote_state(b"", false, START);
    assert!(outbox(&mut events).records.iter().all(|record| matches!(record, SnapshotRecord::QueryClock(_))));
}

#[test]
fn a_word_about_us_that_is_wrong_is_refuted() {
    let mut events = among(2);
    receive(&mut events, Kind::Leave, &Leave { ltime: 30, node: "a".to_owned(), prune: false });
    let join = message::encode(Kind::Join, &Join { ltime: 31, node: "a".to_owned() });
    assert_eq!(queued(&mut events), [join]);
    assert_eq!(events.member("a").unwrap().status, Status::Alive);
}

#[test]
fn state_is_exchanged_without_passing_it_on() {
    let mut there = among(3);
    there.user_event("deploy".to_owned(), Bytes::new(), false).unwrap();
    receive(&mut there, Kind::Leave, &Leave { ltime: 12, node: "c".to_owned(), prune: false });
    there.left(&node("c", 3), START);
    let state = there.local_state(false);
    let (_, body) = message::split(&state).unwrap();
    let sent: PushPull = message::decode(body).unwrap();
    assert_eq!((sent.ltime, sent.event_ltime, sent.query_ltime), (13, 2, 1));
    assert_eq!((sent.events.len(), sent.left_members.len()), (window::SLOTS, 1));
    assert_eq!((&*sent.left_members[0], sent.status_ltimes["c"]), ("c", 12));

    let mut here = among(3);
    here.left(&node("c", 3), START);
    outbox(&mut here);
    here.merge_remote_state(&state, false, START);
    assert_eq!(here.member("c").unwrap().status, Status::Left);
    let heard = outbox(&mut here).events;
    assert!(matches!(&heard[0], Event::Member { kind: MemberEvent::Left, .. }));
    assert!(matches!(&heard[1], Event::User { name, coalesce: false, ltime: 1, .. } if name == "deploy"));
    assert!(queued(&mut here).is_empty());
    assert_eq!(here.stats()["member_time"], "14");
    assert_eq!(here.stats()["event_time"], "2");
}

#[test]
fn a_query_is_answered_once_and_passed_on_even_if_it_is_not_for_us() {
    let mut events = among(3);
    let asked = Query { flags: message::FLAG_ACK, ..query("_serf_ping", Vec::new()) };
    receive(&mut events, Kind::Query, &asked);
    receive(&mut events, Kind::Query, &asked);
    let sent = outbox(&mut events).sent;
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].1.as_deref()), (address(2), Some("b")));
    let ack = QueryResponse { flags: 1, from: "a".to_owned(), id: 7, ltime: 3, payload: Raw::default() };
    assert_eq!(response(&sent[0].2), ack);
    assert_eq!(queued(&mut events).len(), 1);

    let mut other = among(3);
    let filters = Some(vec![message::QueryFilter::Nodes(vec!["x".to_owned()]).encode()]);
    receive(&mut other, Kind::Query, &Query { filters, ..asked.clone() });
    assert!(outbox(&mut other).sent.is_empty());
    assert_eq!(queued(&mut other).len(), 1);

    let mut quiet = among(3);
    receive(&mut quiet, Kind::Query, &Query { flags: message::FLAG_ACK | message::FLAG_NO_BROADCAST, ..asked });
    assert_eq!(outbox(&mut quiet).sent.len(), 1);
    assert!(queued(&mut quiet).is_empty());
}

#[test]
fn answers_are_relayed_by_others() {
    let mut events = among(4);
    let asked = Query { flags: message::FLAG_ACK, relay_factor: 2, ..query("_serf_ping", Vec::new()) };
    receive(&mut events, Kind::Query, &asked);
    let sent = outbox(&mut events).sent;
    assert_eq!(sent.len(), 3);
    let direct = sent.iter().find(|(_, _, message)| message[0] == Kind::QueryResponse as u8).unwrap();
    for (helper, _, relayed) in sent.iter().filter(|(_, _, message)| message[0] == Kind::Relay as u8) {
        assert_ne!(*helper, address(1));
        let mut passing = among(2);
        passing.user_message(relayed, START);
        assert_eq!(outbox(&mut passing).sent, std::slice::from_ref(direct));
    }
    // Too few others: nobody relays.
    let mut few = among(2);
    receive(&mut few, Kind::Query, &asked);
    assert_eq!(outbox(&mut few).sent.len(), 1);
}

#[test]
fn whose_name_it_is_the_others_tell() {
    let mut events = among(3);
    receive(&mut events, Kind::Query, &query("_serf_conflict", b"c".to_vec()));
    let sent = outbox(&mut events).sent;
    let payload = response(&sent[0].2).payload.0;
    let (kind, body) = message::split(&payload).unwrap();
    assert_eq!(kind, Kind::ConflictResponse);
    let member: ConflictMember = message::decode(body).unwrap();
    assert_eq!((member.name.as_str(), member.addr.to_ip(), member.status), ("c", Some(address(3).ip()), 1));
    receive(&mut events, Kind::Query, &Query { id: 8, ..query("_serf_conflict", b"nobody".to_vec()) });
    assert_eq!(response(&outbox(&mut events).sent[0].2).payload.0, b"\x06\xc0");
    receive(&mut events, Kind::Query, &Query { id: 9, ..query("_serf_conflict", b"a".to_vec()) });
    assert!(outbox(&mut events).sent.is_empty());
}

#[test]
fn a_name_nobody_confirms_is_lost() {
    let mut silent = among(3);
    silent.conflict(&node("b", 2), address(9), START);
    assert!(queued(&mut silent).is_empty());
    silent.conflict(&node("a", 1), address(9), START);
    silent.conflict(&node("a", 1), address(9), START);
    assert_eq!(queued(&mut silent).len(), 1);
    silent.tick(silent.deadline().unwrap());
    assert!(outbox(&mut silent).stopped);
    assert_eq!((silent.phase(), silent.deadline()), (Phase::Shutdown, None));

    let mut server = layer(&CoreSettings { resolve_conflicts: false, ..settings("a", 1) }, Keyring::default());
    server.conflict(&node("a", 1), address(9), START);
    assert!(queued(&mut server).is_empty());
}

#[test]
fn queries_end_when_their_time_is_over_and_count_each_node_once() {
    let mut events = among(3);
    let params = QueryParams { name: "q".to_owned(), request_ack: true, ..QueryParams::default() };
    events.query(&params, Owner::Command(CommandId(1)), START).unwrap();
    let asked: Query = message::decode(&queued(&mut events)[0][1..]).unwrap();
    assert_eq!(asked.timeout, 3_200_000_000);
    let answer = |from: &str, flags| QueryResponse {
        flags,
        from: from.to_owned(),
        id: asked.id,
        ltime: asked.ltime,
        payload: Raw(b"yes".to_vec()),
    };
    for answer in [answer("b", 0), answer("b", 0), answer("b", 1), answer("c", 0), answer("d", 0), answer("e", 0)] {
        receive(&mut events, Kind::QueryResponse, &answer);
    }
    receive(&mut events, Kind::QueryResponse, &QueryResponse { id: !asked.id, ..answer("f", 0) });
    let counted = events.take_measures();
    assert_eq!((counted.acks, counted.duplicate_acks), (2, 0));
    assert_eq!((counted.responses, counted.duplicate_responses), (3, 1));
    events.tick(Time::from_millis(3199));
    assert!(outbox(&mut events).done.is_empty());
    events.tick(Time::from_millis(3200));
    let done = outbox(&mut events).done;
    let Outcome::Queried(Ok(result)) = &done[0] else { panic!("{done:?}") };
    assert_eq!(result.acks, ["a", "b"]);
    let from: Vec<&str> = result.responses.iter().map(|(from, _)| from.as_str()).collect();
    // There are three members, so there are three answers at most.
    assert_eq!(from, ["b", "c", "d"]);
    receive(&mut events, Kind::QueryResponse, &answer("c", 1));
    assert!(outbox(&mut events).done.is_empty());
}

#[test]
fn keys_are_changed_saved_and_then_reported() {
    let ring = Keyring::new(&[vec![1; 16]]).unwrap();
    let mut events = layer(&settings("a", 1), ring);
    outbox(&mut events);
    let ask = |id, name: &str, key: Vec<u8>| {
        let payload = message::encode(Kind::KeyRequest, &KeyRequest { key: Raw(key) });
        Query { id, ..query(name, payload) }
    };
    receive(&mut events, Kind::Query, &ask(1, "_serf_install-key", vec![2; 16]));
    let out = outbox(&mut events);
    assert!(out.sent.is_empty());
    events.keyring_saved(out.saves[0], Ok(()), START);
    let sent = outbox(&mut events).sent;
    let reply = key_response(&sent[0].2);
    assert!(reply.result && reply.message.is_empty());
    assert_eq!(events.keyring.list().len(), 2);

    receive(&mut events, Kind::Query, &ask(2, "_serf_install-key", vec![2; 5]));
    let refused = key_response(&outbox(&mut events).sent[0].2);
    assert_eq!((refused.result, refused.message.as_str()), (false, "key size must be 16, 24 or 32 bytes"));
    receive(&mut events, Kind::Query, &Query { id: 3, ..query("_serf_use-key", b"nonsense".to_vec()) });
    assert!(!key_response(&outbox(&mut events).sent[0].2).result);
    // What is saved after the deadline is told to nobody.
    receive(&mut events, Kind::Query, &ask(4, "_serf_use-key", vec![2; 16]));
    let late = outbox(&mut events).saves[0];
    events.keyring_saved(late, Ok(()), Time::from_secs(4));
    events.keyring_saved(late, Ok(()), START);
    assert!(outbox(&mut events).sent.is_empty());
}

#[test]
fn key_lists_are_cut_to_fit() {
    let many: Vec<Vec<u8>> = (1..=60).map(|number| vec![number; 16]).collect();
    let mut events = layer(&settings("a", 1), Keyring::new(&many).unwrap());
    outbox(&mut events);
    receive(&mut events, Kind::Query, &query("_serf_list-keys", Vec::new()));
    let sent = outbox(&mut events).sent;
    assert!(sent[0].2.len() <= query::RESPONSE_MAX_BYTES);
    let reply = key_response(&sent[0].2);
    let keys = reply.keys.unwrap();
    assert!(keys.len() > 30 && keys.len() <= 40, "{} keys", keys.len());
    assert_eq!(reply.message, format!("truncated key list response, showing first {} of 60 keys", keys.len()));
    assert!(reply.result);
    assert_eq!((reply.primary_key.as_str(), &keys[0]), ("AQEBAQEBAQEBAQEBAQEBAQ==", &reply.primary_key));
}

#[test]
fn answers_to_key_operations_are_added_up() {
    let mut events = among(3);
    events.keys(CommandId(1), KeyOperation::List, 0, 3, START);
    let asked: Query = message::decode(&queued(&mut events)[0][1..]).unwrap();
    assert_eq!(asked.payload.0, b"\x07\x81\xa3Key\xa0");
    let answer = |from: &str, payload: Vec<u8>| {
        let (id, ltime, from) = (asked.id, asked.ltime, from.to_owned());
        QueryResponse { flags: 0, from, id, ltime, payload: Raw(payload) }
    };
    let (keys, primary_key) = (Some(vec!["k".to_owned()]), "k".to_owned());
    let keys = KeyResponse { keys, primary_key, result: true, ..KeyResponse::default() };
    receive(&mut events, Kind::QueryResponse, &answer("b", message::encode(Kind::KeyResponse, &keys)));
    receive(&mut events, Kind::QueryResponse, &answer("c", vec![3, 1, 2]));
    let done = outbox(&mut events).done;
    let [Outcome::Keys(reply)] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!((reply.nodes, reply.responses, reply.errors), (3, 3, 2));
    assert_eq!(reply.error.as_deref(), Some("2/3 nodes reported failure"));
    assert_eq!(reply.keys, BTreeMap::from([("k".to_owned(), 1)]));
    assert_eq!(reply.messages["c"], "Invalid key query response type: [3 1 2]");
    assert_eq!(reply.messages["a"], "Keyring is empty (encryption not enabled)");
    assert!(format!("{reply:?} {:?}", KeyOperation::Install(vec![77; 16])).find("77").is_none());
}

#[test]
fn acknowledgements_teach_where_members_are() {
    let mut events = among(2);
    let place = Coordinate { vec: vec![0.01; 8], ..Coordinate::origin() };
    events.ping_completed(&node("b", 2), Duration::from_millis(20), &message::encode_ping(&place));
    assert_eq!(events.coordinate_of("b"), Some(&place));
    assert_eq!(events.coordinate_of("a"), Some(events.coordinate()));
    let learned = events.coordinate().clone();
    assert_ne!(learned, Coordinate::origin());
    for payload in [&b""[..], b"\x02", b"\x01\x80", b"\x01\xc1"] {
        events.ping_completed(&node("b", 2), Duration::from_millis(20), payload);
    }
    events.ping_completed(&node("stranger", 9), Duration::from_millis(20), &message::encode_ping(&place));
    assert_eq!((events.coordinate(), events.coordinate_of("stranger")), (&learned, None));
    events.left(&node("b", 2), START);
    receive(&mut events, Kind::Leave, &Leave { ltime: 9, node: "b".to_owned(), prune: true });
    assert_eq!(events.coordinate_of("b"), None);
}

#[test]
fn failed_members_are_tried_again() {
    let mut events = among(2);
    events.left(&node("b", 2), START);
    outbox(&mut events);
    // One of one other failed: it is tried each time.
    events.tick(Time::from_secs(30));
    assert_eq!(outbox(&mut events).reconnects, ["b"]);
    events.set_phase(Phase::Leaving);
    events.tick(Time::from_secs(60));
    assert!(outbox(&mut events).reconnects.is_empty());
}

#[test]
fn members_and_clocks_are_recorded_for_a_restart() {
    let recovered = Recovered { clock: 10, event_clock: 20, query_clock: 30, ..Recovered::default() };
    let snapshot = Some(recovered);
    let mut events = layer(&CoreSettings { snapshot, ..settings("a", 1) }, Keyring::default());
    let stats = events.stats();
    let times = ["member_time", "event_time", "query_time"].map(|time| stats[time].clone());
    assert_eq!(times, ["11", "21", "31"]);
    let alive = |name: &str, number| SnapshotRecord::Alive { name: name.to_owned(), address: address(number) };
    assert_eq!(outbox(&mut events).records, [alive("a", 1)]);
    receive(&mut events, Kind::Join, &Join { ltime: 15, node: "b".to_owned() });
    events.joined(&node("b", 2), START);
    assert_eq!(outbox(&mut events).records, [alive("b", 2), SnapshotRecord::Clock(15)]);
    receive(&mut events, Kind::Join, &Join { ltime: 16, node: "b".to_owned() });
    assert_eq!(events.deadline(), Some(Time::from_millis(500)));
    events.tick(Time::from_millis(500));
    assert_eq!(outbox(&mut events).records, [SnapshotRecord::Clock(16)]);
    receive(&mut events, Kind::UserEvent, &user_event("old", 20));
    receive(&mut events, Kind::UserEvent, &user_event("new", 22));
    receive(&mut events, Kind::Query, &query("application", Vec::new()));
    receive(&mut events, Kind::Query, &Query { ltime: 40, ..query("application", Vec::new()) });
    let out = outbox(&mut events);
    assert_eq!(out.events.len(), 1);
    assert_eq!(out.records, [SnapshotRecord::EventClock(22), SnapshotRecord::QueryClock(40)]);
    events.begin_leave(START);
    events.left(&node("a", 1), START);
    assert_eq!(outbox(&mut events).records, [SnapshotRecord::Leave]);
}

#[test]
fn without_a_snapshot_nothing_is_recorded_and_no_event_is_old() {
    let mut events = layer(&CoreSettings { snapshot: None, ..settings("a", 1) }, Keyring::default());
    receive(&mut events, Kind::UserEvent, &user_event("first", 0));
    let out = outbox(&mut events);
    assert!(out.records.is_empty());
    assert_eq!(out.events.len(), 2);
}

#[test]
fn what_comes_and_goes_is_counted() {
    let mut events = among(3);
    events.take_measures();
    receive(&mut events, Kind::Query, &query("_serf_ping", Vec::new()));
    receive(&mut events, Kind::Query, &query("_serf_ping", Vec::new()));
    let sent = queued(&mut events);
    let counted = events.take_measures();
    assert_eq!(counted.queries.iter().collect::<Vec<_>>(), ["_serf_ping"], "once");
    let length = sent[0].len() as f64;
    assert_eq!(counted.received.iter().collect::<Vec<_>>(), [length, length]);
    assert_eq!(counted.sent.iter().collect::<Vec<_>>(), [length]);

    let place = Coordinate { error: 0.5, ..events.coordinate().clone() };
    let mut completed = |rtt: Duration| {
        events.ping_completed(&node("b", 2), rtt, &message::encode_ping(&place));
        let counted = events.take_measures();
        (counted.adjustments.iter().count(), counted.rejected_coordinates, counted.zero_rtts)
    };
    assert_eq!(completed(Duration::from_millis(20)), (1, 0, 0));
    assert_eq!(completed(Duration::ZERO), (1, 0, 1));
    assert_eq!(completed(Duration::from_secs(60)), (0, 1, 0));
}
