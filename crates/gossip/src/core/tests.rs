//! What several cores do together.

use std::time::Duration;

use bytes::Bytes;

use super::harness::{Pool, address, settings};
use super::*;
use crate::member::MemberEvent::{Failed, Joined, Left, Reaped, Updated};
use crate::member::Status;
use crate::snapshot::SnapshotRecord;

const SECOND: Duration = Duration::from_secs(1);

fn force_leave(node: &str, prune: bool) -> Command {
    Command::ForceLeave { node: node.to_owned(), prune }
}

fn fire(name: &str) -> Command {
    Command::UserEvent { name: name.to_owned(), payload: Bytes::from_static(b"payload"), coalesce: false }
}

fn keys(operation: KeyOperation) -> Command {
    Command::Keys { operation, relay_factor: 0 }
}

fn key_reply(outcome: Outcome) -> KeyReply {
    match outcome {
        Outcome::Keys(reply) => reply,
        other => panic!("{other:?}"),
    }
}

/// A pool whose members encrypt with this key.
fn encrypted(count: u8, key: &[u8]) -> Pool {
    let mut pool = Pool::default();
    for number in 1..=count {
        let keyring = Some(Keyring::new(&[key.to_vec()]).unwrap());
        pool.add(CoreSettings { keyring, ..settings(&format!("n{number}"), number) });
    }
    for peer in 1..usize::from(count) {
        assert_eq!(pool.join(peer, &[address(1)]), Outcome::Joined(Ok(1)));
    }
    pool.run(5 * SECOND);
    pool
}

#[test]
fn those_who_join_know_each_other() {
    let pool = Pool::joined(3);
    for peer in 0..3 {
        let members = pool.peers[peer].core.members();
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(members.iter().all(|member| member.status == Status::Alive));
        assert_eq!(members[2].tags["role"], "role-c");
        assert_eq!((members[2].address, members[2].port), (address(3).ip(), 8301));
        for name in names {
            assert_eq!(pool.heard(peer, name), [Joined]);
        }
    }
    let stats = pool.peers[0].core.stats();
    assert_eq!((stats["members"].as_str(), stats["failed"].as_str(), stats["encrypted"].as_str()), ("3", "0", "false"));
    assert_eq!(stats["health_score"], "0");
}

#[test]
fn a_join_counts_who_answered_and_lists_who_did_not() {
    let mut pool = Pool::joined(2);
    let third = pool.add(settings("c", 3));
    let failed = "\t* Failed to join 10.0.0.9:8301: dial tcp 10.0.0.9:8301: connect: connection refused";
    let Outcome::Joined(Err(text)) = pool.join(third, &[address(9), address(9)]) else { panic!("joined") };
    assert!(text.starts_with("2 errors occurred:\n"), "{text}");
    assert_eq!(text.matches(failed).count(), 2, "{text}");
    assert_eq!(pool.join(third, &[address(9), address(1), address(2)]), Outcome::Joined(Ok(2)));
    assert_eq!(pool.join(third, &[]), Outcome::Joined(Ok(0)));
    let target = |number| Ok(JoinTarget { entry: "x".to_owned(), node: None, address: address(number) });
    let no_place = || Err("Failed to resolve x: no".to_owned());
    let command = |targets| Command::Join { targets, ignore_old: true };
    let Outcome::Joined(Err(text)) = pool.command(third, command(vec![target(9), no_place(), target(9)])) else {
        panic!("joined");
    };
    let lines = format!("3 errors occurred:\n{failed}\n\t* Failed to resolve x: no\n{failed}\n\n");
    assert_eq!(text, lines, "in the order of the entries");
    let Outcome::Joined(Err(text)) = pool.command(third, command(vec![no_place()])) else { panic!("joined") };
    assert_eq!(text, "1 error occurred:\n\t* Failed to resolve x: no\n\n");
    assert_eq!(pool.command(third, command(vec![no_place(), target(1)])), Outcome::Joined(Ok(1)));
}

#[test]
fn a_member_that_leaves_is_left_everywhere() {
    let mut pool = Pool::joined(3);
    let leaving = pool.begin(2, Command::Leave);
    let again = pool.command(2, Command::Leave);
    assert_eq!(again, Outcome::Left(Err("Leave already in progress".to_owned())));
    assert_eq!(pool.join(2, &[address(1)]), Outcome::Joined(Err(joining::NOT_ALIVE.to_owned())));
    assert_eq!(pool.finish(2, leaving), Outcome::Left(Ok(())));
    for peer in 0..3 {
        assert_eq!(pool.status(peer, "c"), Status::Left);
        assert_eq!(pool.heard(peer, "c"), [Joined, Left]);
    }
    assert_eq!(pool.command(2, Command::Leave), Outcome::Left(Ok(())));
    assert!(pool.recorded(2, &SnapshotRecord::Leave));
    assert!(pool.recovered(2).nodes.is_empty());
    assert!(pool.recorded(0, &SnapshotRecord::NotAlive { name: "c".to_owned() }));
}

#[test]
fn one_that_is_alone_leaves_without_waiting_for_anyone() {
    let mut pool = Pool::joined(1);
    let before = pool.now;
    assert_eq!(pool.command(0, Command::Leave), Outcome::Left(Ok(())));
    assert_eq!(pool.now - before, Profile::lan().leave_propagate_delay);
}

#[test]
fn a_member_that_crashes_fails_and_comes_back() {
    let mut pool = Pool::joined(3);
    pool.kill(2);
    pool.wait("c to fail", |pool| pool.status(0, "c") == Status::Failed && pool.status(1, "c") == Status::Failed);
    assert_eq!(pool.heard(0, "c"), [Joined, Failed]);
    let again = pool.add(settings("c", 3));
    assert_eq!(pool.join(again, &[address(1)]), Outcome::Joined(Ok(1)));
    pool.wait("c to be back", |pool| pool.status(0, "c") == Status::Alive && pool.status(1, "c") == Status::Alive);
    assert_eq!(pool.heard(0, "c"), [Joined, Failed, Joined]);
}

#[test]
fn a_failed_member_is_reached_again_without_its_doing() {
    let mut pool = Pool::joined(3);
    pool.kill(2);
    pool.wait("c to fail", |pool| pool.status(0, "c") == Status::Failed && pool.status(1, "c") == Status::Failed);
    // The same node, started anew without anyone to join.
    pool.add(settings("c", 3));
    pool.wait("c to be reached", |pool| pool.status(0, "c") == Status::Alive && pool.status(1, "c") == Status::Alive);
}

#[test]
fn a_failed_member_can_be_declared_gone() {
    let mut pool = Pool::joined(3);
    pool.kill(2);
    pool.wait("c to fail", |pool| pool.status(0, "c") == Status::Failed && pool.status(1, "c") == Status::Failed);
    assert_eq!(pool.command(0, force_leave("c", false)), Outcome::Removed(Ok(())));
    pool.run(5 * SECOND);
    for peer in 0..2 {
        assert_eq!(pool.status(peer, "c"), Status::Left);
        assert_eq!(pool.heard(peer, "c"), [Joined, Failed, Left]);
    }
    assert_eq!(pool.command(0, force_leave("c", true)), Outcome::Removed(Ok(())));
    pool.run(5 * SECOND);
    for peer in 0..2 {
        assert_eq!(pool.heard(peer, "c"), [Joined, Failed, Left, Reaped]);
        assert_eq!(pool.peers[peer].core.members().len(), 2);
    }
}

#[test]
fn a_member_that_is_alive_refutes_that_it_is_gone() {
    let mut pool = Pool::joined(3);
    assert_eq!(pool.command(0, force_leave("c", false)), Outcome::Removed(Ok(())));
    pool.wait("c to refute", |pool| (0..3).all(|peer| pool.status(peer, "c") == Status::Alive));
    pool.run(5 * SECOND);
    for peer in 0..3 {
        assert_eq!(pool.status(peer, "c"), Status::Alive);
        assert_eq!(pool.heard(peer, "c"), [Joined]);
    }
    assert_eq!(pool.command(0, force_leave("nobody", false)), Outcome::Removed(Ok(())));
}

#[test]
fn pruning_a_member_that_is_alive_answers_at_once_and_forgets_it_later() {
    let mut pool = Pool::joined(3);
    let before = pool.now;
    assert_eq!(pool.command(0, force_leave("c", true)), Outcome::Removed(Ok(())));
    assert!(pool.now - before < 5 * SECOND);
    pool.run(10 * SECOND);
    assert_eq!(pool.heard(0, "c"), [Joined, Reaped]);
    assert_eq!(pool.heard(2, "c"), [Joined]);
}

#[test]
fn everyone_hears_of_an_event_once() {
    let mut pool = Pool::joined(3);
    assert_eq!(pool.command(1, fire("deploy")), Outcome::Fired(Ok(1)));
    assert_eq!(pool.command(1, fire("deploy")), Outcome::Fired(Ok(2)));
    pool.run(40 * SECOND);
    let twice = vec![("deploy".to_owned(), Bytes::from_static(b"payload")); 2];
    for peer in 0..3 {
        assert_eq!(pool.fired(peer), twice);
        assert!(pool.recorded(peer, &SnapshotRecord::EventClock(2)));
    }
}

#[test]
fn old_events_reach_only_those_who_want_them() {
    let mut pool = Pool::joined(2);
    pool.command(0, fire("old"));
    pool.run(5 * SECOND);
    for (number, ignore_old, heard) in [(3, true, 0), (4, false, 1)] {
        let peer = pool.add(settings(&format!("n{number}"), number));
        let target = JoinTarget { entry: String::new(), node: None, address: address(1) };
        let joined = pool.command(peer, Command::Join { targets: vec![Ok(target)], ignore_old });
        assert_eq!(joined, Outcome::Joined(Ok(1)));
        pool.run(40 * SECOND);
        assert_eq!(pool.fired(peer).len(), heard, "ignore_old {ignore_old}");
    }
}

#[test]
fn a_query_is_acknowledged_by_those_it_is_for() {
    let mut pool = Pool::joined(3);
    let all = QueryParams { name: "q".to_owned(), request_ack: true, ..QueryParams::default() };
    let some = QueryParams { nodes: vec!["b".to_owned(), "c".to_owned()], ..all.clone() };
    let one = QueryParams { tags: BTreeMap::from([("role".to_owned(), "-[bx]$".to_owned())]), ..all.clone() };
    let relayed = QueryParams { relay_factor: 2, ..all.clone() };
    let bad = QueryParams { tags: BTreeMap::from([("role".to_owned(), "(".to_owned())]), ..all.clone() };
    let cases = [(all, "abc"), (some, "bc"), (one, "b"), (relayed, "abc"), (bad, "")];
    for (params, names) in cases {
        let before = pool.now;
        let Outcome::Queried(Ok(result)) = pool.command(0, Command::Query(params)) else { panic!("no answer") };
        let mut acks = result.acks.clone();
        acks.sort();
        assert_eq!(acks.concat(), names);
        assert!(result.responses.is_empty());
        // 200 ms of gossip, 16 rounds, one digit.
        assert_eq!(pool.now - before, Duration::from_millis(3200));
    }
    let large = QueryParams { payload: vec![0; 1024].into(), ..QueryParams::default() };
    let refused = Outcome::Queried(Err("query exceeds limit of 1024 bytes".to_owned()));
    assert_eq!(pool.command(0, Command::Query(large)), refused);
}

#[test]
fn keys_are_rotated_everywhere() {
    let (old, new) = (vec![1; 16], vec![2; 32]);
    let mut pool = encrypted(3, &old);
    assert_eq!(pool.peers[0].core.stats()["encrypted"], "true");
    let install = key_reply(pool.command(0, keys(KeyOperation::Install(new.clone()))));
    assert_eq!((install.nodes, install.responses, install.errors, install.error), (3, 3, 0, None));
    assert_eq!(install.primary_keys, BTreeMap::from([(String::new(), 3)]));
    let used = key_reply(pool.command(1, keys(KeyOperation::Use(new.clone()))));
    assert_eq!(used.error, None);
    let removed = key_reply(pool.command(2, keys(KeyOperation::Remove(old))));
    assert_eq!(removed.error, None);
    for peer in 0..3 {
        assert_eq!(pool.peers[peer].saved_keys, Some(vec![new.clone()]));
    }
    let listed = key_reply(pool.command(0, keys(KeyOperation::List)));
    let new_text = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=".to_owned();
    assert_eq!(listed.keys, BTreeMap::from([(new_text.clone(), 3)]));
    assert_eq!(listed.primary_keys, BTreeMap::from([(new_text, 3)]));
    pool.run(30 * SECOND);
    assert!((0..3).all(|peer| pool.status(peer, "n2") == Status::Alive));
}

#[test]
fn nodes_tell_why_they_did_not_do_what_was_asked_of_their_keys() {
    let mut pool = encrypted(2, &[1; 16]);
    let unknown = key_reply(pool.command(0, keys(KeyOperation::Use(vec![9; 16]))));
    assert_eq!(unknown.error.as_deref(), Some("2/2 nodes reported failure"));
    assert_eq!(unknown.messages["n1"], "Requested key is not in the keyring");
    let primary = key_reply(pool.command(0, keys(KeyOperation::Remove(vec![1; 16]))));
    assert_eq!(primary.messages["n2"], "Removing the primary key is not allowed");
    let absent = key_reply(pool.command(0, keys(KeyOperation::Remove(vec![9; 16]))));
    assert_eq!(absent.error, None);
    pool.peers[1].save_error = Some("no space left".to_owned());
    let unsaved = key_reply(pool.command(0, keys(KeyOperation::Install(vec![9; 16]))));
    assert_eq!(unsaved.error.as_deref(), Some("1/2 nodes reported failure"));
    assert_eq!(unsaved.messages["n2"], "Failed to write keyring file: no space left");

    let mut plain = Pool::joined(2);
    let refused = key_reply(plain.command(0, keys(KeyOperation::Install(vec![9; 16]))));
    assert_eq!(refused.messages["b"], "No keyring to modify (encryption not enabled)");
    let empty = key_reply(plain.command(0, keys(KeyOperation::List)));
    assert_eq!(empty.messages["a"], "Keyring is empty (encryption not enabled)");
}

#[test]
fn a_node_that_is_down_is_missed_by_key_operations() {
    let mut pool = encrypted(2, &[1; 16]);
    pool.kill(1);
    let listed = key_reply(pool.command(0, keys(KeyOperation::List)));
    assert_eq!(listed.error.as_deref(), Some("1/2 nodes reported success"));
}

#[test]
fn a_restarted_node_finds_its_pool_again_and_takes_no_old_events() {
    let mut pool = Pool::joined(3);
    pool.command(0, fire("before"));
    pool.run(5 * SECOND);
    let recovered = pool.recovered(2);
    assert_eq!(recovered.nodes.len(), 3);
    assert_eq!(recovered.event_clock, 1);
    pool.kill(2);
    pool.run(SECOND);
    let again = pool.add(CoreSettings { snapshot: Some(recovered), ..settings("c", 3) });
    pool.wait("c to know the others", |pool| {
        ["a", "b", "c"].iter().all(|name| pool.status(again, name) == Status::Alive)
    });
    pool.command(0, fire("after"));
    pool.run(40 * SECOND);
    assert_eq!(pool.fired(again), [("after".to_owned(), Bytes::from_static(b"payload"))]);
    assert!((0..2).all(|peer| pool.status(peer, "c") == Status::Alive));
}

#[test]
fn new_tags_reach_everyone() {
    let mut pool = Pool::joined(3);
    let tags = BTreeMap::from([("role".to_owned(), "db".to_owned())]);
    assert_eq!(pool.command(2, Command::SetTags(tags)), Outcome::Tagged(Ok(())));
    pool.run(5 * SECOND);
    for peer in 0..3 {
        assert_eq!(pool.heard(peer, "c"), [Joined, Updated]);
        assert_eq!(pool.peers[peer].core.member("c").unwrap().tags["role"], "db");
    }
    let long = BTreeMap::from([("role".to_owned(), "x".repeat(600))]);
    let refused = Outcome::Tagged(Err("Encoded length of tags exceeds limit of 512 bytes".to_owned()));
    assert_eq!(pool.command(2, Command::SetTags(long)), refused);
}

#[test]
fn whoever_takes_a_name_that_is_taken_gives_up() {
    let mut pool = Pool::joined(3);
    let thief = pool.add(settings("c", 9));
    pool.join(thief, &[address(1)]);
    pool.wait("the thief to give up", |pool| pool.peers[thief].stopped.is_some());
    assert!(pool.peers[..3].iter().all(|peer| peer.stopped.is_none()));
    assert_eq!(pool.peers[thief].core.deadline(), None);
    let refused = Outcome::Left(Err("Leave called after Shutdown".to_owned()));
    assert_eq!(pool.command(thief, Command::Leave), refused);
    pool.run(10 * SECOND);
    assert_eq!(pool.peers[0].core.member("c").unwrap().address, address(3).ip());
    assert_eq!(pool.status(0, "c"), Status::Alive);
}

#[test]
fn probes_teach_where_the_others_are() {
    let mut pool = Pool::joined(2);
    pool.run(30 * SECOND);
    let core = &pool.peers[0].core;
    assert_eq!(core.coordinate_of("a"), Some(core.coordinate()));
    assert!(core.coordinate_of("b").is_some());
    assert_ne!(core.coordinate(), Coordinate::origin());
    assert_eq!(core.coordinate_of("nobody"), None);
}

#[test]
fn tags_that_are_too_long_are_refused_at_the_start() {
    let tags = BTreeMap::from([("role".to_owned(), "x".repeat(600))]);
    let refused = Core::new(CoreSettings { tags, ..settings("a", 1) }, Arc::new(harness::Everyone), Time::ZERO);
    assert_eq!(refused.err().as_deref(), Some("Encoded length of tags exceeds limit of 512 bytes"));
}
