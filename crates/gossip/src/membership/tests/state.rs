use super::*;
use crate::wire::{NodeStateRecord, decode};

#[test]
fn the_start_announces_ourselves() {
    let mut pool = Pool::new();
    assert_eq!(pool.state("own"), Some((NodeState::Alive, 1)));
    assert_eq!((pool.membership.node_count(), pool.membership.live_count()), (1, 1));
    pool.membership.start(pool.now, &mut pool.up);
    assert_eq!(pool.queued(), [ALIVE]);
}

#[test]
fn a_new_node_joins_and_is_told_of() {
    let mut pool = Pool::new();
    pool.alive("a", 1, 1);
    assert_eq!(pool.heard(), ["joined a"]);
    assert_eq!(pool.queued(), [ALIVE]);
    assert_eq!(pool.membership.live_count(), 2);
    pool.alive("a", 1, 1);
    assert!(pool.heard().is_empty() && pool.queued().is_empty(), "old news");
}

#[test]
fn a_new_node_at_incarnation_0_stays_dead() {
    let mut pool = Pool::new();
    pool.alive("a", 1, 0);
    assert_eq!(pool.state("a"), Some((NodeState::Dead, 0)));
    assert!(pool.heard().is_empty());
    pool.alive("a", 2, 0);
    assert_eq!(pool.heard(), ["joined a"], "it is dead for longer than anyone remembers, so it may move");
}

#[test]
fn a_newcomer_is_told_of_soon_unless_there_is_more_to_tell() {
    let mut pool = Pool::new();
    pool.alive("a", 1, 1);
    let due = pool.membership.schedule.map(|schedule| schedule.gossip);
    assert!(due.is_some_and(|due| due <= pool.now + crate::membership::NEWS_DELAY), "{due:?}");

    let mut crowd = Pool::new();
    let before = crowd.membership.schedule.map(|schedule| schedule.gossip);
    crowd.membership.broadcasts.push(None, b"x".as_slice().into(), None);
    crowd.alive("a", 1, 1);
    assert_eq!(crowd.membership.schedule.map(|schedule| schedule.gossip), before);
}

#[test]
fn news_must_be_newer() {
    let mut pool = Pool::of(&["a"]);
    let mut changed = alive("a", 1, 1);
    changed.meta = b"other".as_slice().into();
    pool.packet(encode(Kind::Alive, &changed));
    assert!(pool.heard().is_empty());
    changed.incarnation = 2;
    pool.packet(encode(Kind::Alive, &changed));
    assert_eq!(pool.heard(), ["updated a"]);
    pool.packet(encode(Kind::Alive, &Alive { incarnation: 3, ..changed }));
    assert!(pool.heard().is_empty(), "nothing but the incarnation changed");
    assert_eq!(pool.state("a"), Some((NodeState::Alive, 3)));
}

#[test]
fn the_dead_come_back_only_with_a_newer_incarnation() {
    for from in ["a", "b"] {
        let mut pool = Pool::of(&["a"]);
        pool.dead("a", 1, from);
        pool.heard();
        pool.alive("a", 1, 1);
        assert!(pool.heard().is_empty());
        pool.alive("a", 1, 2);
        assert_eq!(pool.heard(), ["joined a"]);
    }
}

#[test]
fn only_those_left_or_long_dead_may_move() {
    // How it got there, how long ago, and whether it may come from another address at an old incarnation.
    type Rule = (&'static str, fn(&mut Pool), u64, bool);
    let rules: [Rule; 6] = [
        ("alive", |_| {}, 60_000, false),
        ("suspect", |pool| pool.suspect("a", 1, "b"), 1_000, false),
        ("dead", |pool| pool.dead("a", 1, "b"), 29_000, false),
        ("dead", |pool| pool.dead("a", 1, "b"), 31_000, true),
        ("left", |pool| pool.dead("a", 1, "a"), 0, true),
        ("left", |pool| pool.dead("a", 1, "a"), 60_000, true),
    ];
    for (what, bring, age, moves) in rules {
        let mut pool = Pool::of(&["a"]);
        bring(&mut pool);
        pool.now += ms(age);
        pool.heard();
        pool.alive("a", 9, 1);
        let expected = if moves { "joined a" } else { "conflict a 10.0.0.9:8301" };
        assert_eq!(pool.heard(), [expected], "{what} for {age} ms");
        assert_eq!(pool.membership.node("a").unwrap().address, at(if moves { 9 } else { 1 }));
    }
}

#[test]
fn another_address_for_our_name_is_a_conflict() {
    let mut pool = Pool::new();
    pool.alive("own", 9, 7);
    assert_eq!(pool.heard(), ["conflict own 10.0.0.9:8301"]);
}

#[test]
fn what_is_said_of_ourselves_and_is_wrong_is_refuted() {
    // docs/spec/gossip.md §20 case 17.
    let meta = || b"other".as_slice().into();
    let vsn = Versions::all([1, 5, 2, 2, 5, 5]);
    let rows = [
        ("what we said ourselves", alive("own", 100, 1), 1),
        ("older", Alive { meta: meta(), ..alive("own", 100, 0) }, 1),
        ("other tags", Alive { meta: meta(), ..alive("own", 100, 1) }, 2),
        ("other versions", Alive { vsn, ..alive("own", 100, 1) }, 2),
        ("newer", alive("own", 100, 9), 10),
    ];
    for (what, message, incarnation) in rows {
        let mut pool = Pool::new();
        pool.packet(encode(Kind::Alive, &message));
        assert_eq!(pool.state("own"), Some((NodeState::Alive, incarnation)), "{what}");
        let refuted = incarnation > 1;
        assert_eq!(pool.membership.health_score(), u32::from(refuted), "{what}");
        assert_eq!(pool.queued().len(), usize::from(refuted), "{what}");
        assert_eq!(*pool.membership.own().meta, *META, "our data stay: {what}");
    }
}

#[test]
fn accusations_of_ourselves_are_refuted() {
    for (accusation, incarnation) in [(0, 1), (1, 2), (5, 6), (u32::MAX, u32::MAX)] {
        let mut pool = Pool::new();
        pool.suspect("own", accusation, "a");
        assert_eq!(pool.state("own"), Some((NodeState::Alive, incarnation)));
        let mut pool = Pool::new();
        pool.dead("own", accusation, "a");
        assert_eq!(pool.state("own"), Some((NodeState::Alive, incarnation)));
    }
}

#[test]
fn a_refutation_does_not_push_out_what_is_queued_of_us() {
    let mut pool = Pool::of(&["a"]);
    pool.membership.update_meta(Bytes::from_static(b"new"), pool.now, &mut pool.up);
    pool.suspect("own", 2, "a");
    assert_eq!(pool.queued(), [ALIVE, ALIVE]);
}

#[test]
fn nobody_is_a_member_that_is_not_admitted() {
    let mut pool = Pool::new();
    pool.up.refusal = Some("no".to_owned());
    pool.alive("a", 1, 1);
    assert_eq!(pool.state("a"), None);
    let mut pool = Pool::with(|settings| settings.allowed = vec![(at(0).ip(), 25)]);
    for (name, host) in [("a", 1), ("z", 200), ("a", 200)] {
        let message = encode(Kind::Alive, &alive(name, host, 1));
        pool.membership.packet(at(2), &message, pool.now, &mut pool.up);
    }
    assert_eq!(pool.heard(), ["joined a"]);
    assert_eq!(pool.membership.node("a").unwrap().address, at(1), "a move out of the networks is dropped");
    pool.packet(encode(Kind::Alive, &alive("b", 2, 1)));
    assert_eq!(pool.state("b"), None, "the packet comes from outside");
    pool.dead("a", 1, "b");
    assert_eq!(pool.heard(), ["left a Dead"], "other packets may come from anywhere");
}

#[test]
fn malformed_announcements_are_ignored() {
    let good = || alive("a", 1, 1);
    let short = Versions::from(&[1, 5, 2][..]);
    for (what, message) in [
        ("three versions", Alive { vsn: short, ..good() }),
        ("no versions", Alive { vsn: Versions::default(), ..good() }),
        ("lowest 0", Alive { vsn: Versions::all([0, 5, 2, 2, 5, 4]), ..good() }),
        ("highest 0", Alive { vsn: Versions::all([1, 0, 2, 2, 5, 4]), ..good() }),
        ("lowest above highest", Alive { vsn: Versions::all([3, 2, 2, 2, 5, 4]), ..good() }),
        ("no address", Alive { addr: Default::default(), ..good() }),
        ("no name", Alive { node: "".into(), ..good() }),
        ("long name", Alive { node: "a".repeat(2000).into(), ..good() }),
        ("long metadata", Alive { meta: vec![1; 513].into(), ..good() }),
    ] {
        let mut pool = Pool::new();
        let vsn = message.vsn;
        let mut bytes = encode(Kind::Alive, &message);
        // All six versions are written; cut them to those announced.
        if vsn.announced < 6 {
            let end = bytes.len() - 7;
            bytes.truncate(end);
            bytes.push(0xa0 | vsn.announced as u8);
            bytes.extend_from_slice(&vsn.bytes[..vsn.announced]);
        }
        pool.packet(bytes);
        assert_eq!(pool.membership.node_count(), 1, "{what}");
    }
}

#[test]
fn a_suspicion_is_told_on_confirmed_and_ends_in_death() {
    let mut pool = Pool::of(&["a", "b", "c", "d"]);
    pool.suspect("a", 0, "b");
    assert_eq!(pool.state("a"), Some((NodeState::Alive, 1)), "an old accusation");
    pool.suspect("a", 1, "b");
    assert_eq!(pool.state("a"), Some((NodeState::Suspect, 1)));
    assert_eq!(pool.queued(), [SUSPECT]);
    pool.suspect("a", 1, "b");
    assert!(pool.queued().is_empty(), "the same again");
    pool.suspect("a", 1, "c");
    assert_eq!(pool.queued(), [SUSPECT]);
    pool.pass_quietly(ms(11_380));
    assert_eq!(pool.state("a"), Some((NodeState::Suspect, 1)));
    assert!(pool.heard().is_empty());
    pool.pass_quietly(ms(1));
    assert_eq!(pool.heard(), ["left a Dead"]);
    assert_eq!(pool.queued(), [DEAD]);
    assert_eq!(pool.membership.live_count(), 4);
    pool.suspect("a", 1, "d");
    assert_eq!(pool.state("a"), Some((NodeState::Dead, 1)));
}

#[test]
fn two_confirmations_end_a_suspicion_soonest_and_small_pools_need_none() {
    let mut pool = Pool::of(&["a", "b", "c", "d"]);
    for from in ["b", "c", "d"] {
        pool.suspect("a", 1, from);
    }
    pool.pass_quietly(ms(4_000));
    assert_eq!(pool.heard(), ["left a Dead"]);
    let mut pool = Pool::of(&["a", "b"]);
    pool.suspect("a", 1, "b");
    pool.pass_quietly(ms(4_000));
    assert_eq!(pool.heard(), ["left a Dead"]);
}

#[test]
fn who_says_to_be_alive_is_suspected_no_more() {
    let mut pool = Pool::of(&["a", "b"]);
    pool.suspect("a", 1, "b");
    pool.alive("a", 1, 1);
    assert_eq!(pool.state("a"), Some((NodeState::Suspect, 1)), "not by saying it at the same incarnation");
    pool.alive("a", 1, 2);
    assert_eq!(pool.state("a"), Some((NodeState::Alive, 2)));
    pool.pass_quietly(ms(60_000));
    assert!(pool.heard().is_empty());
    assert_eq!(pool.membership.roster.next_suspicion(), None);
}

#[test]
fn the_dead_die_once_and_those_who_say_it_themselves_left() {
    let mut pool = Pool::of(&["a", "b"]);
    pool.dead("a", 0, "b");
    assert!(pool.heard().is_empty(), "an old message");
    pool.dead("a", 1, "b");
    pool.dead("a", 1, "a");
    pool.dead("b", 1, "b");
    assert_eq!(pool.heard(), ["left a Dead", "left b Left"]);
    assert_eq!(pool.queued(), [DEAD, DEAD]);
}

#[test]
fn death_by_hearsay_is_suspicion() {
    // docs/spec/gossip.md §20 case 18.
    let mut pool = Pool::of(&["a", "b", "c"]);
    let record = |name: &'static str, host, state| NodeStateRecord {
        addr: at(host).ip().into(),
        incarnation: 1,
        meta: META.into(),
        name: name.into(),
        port: 8301,
        state,
        vsn: Versions::all(OWN_VERSIONS),
    };
    let records = [record("a", 1, 2), record("b", 2, 1), record("c", 3, 3), record("d", 4, 0), record("e", 5, 9)];
    pool.membership.merge(&records, pool.now, &mut pool.up);
    assert_eq!(pool.state("a"), Some((NodeState::Suspect, 1)));
    assert_eq!(pool.state("b"), Some((NodeState::Suspect, 1)));
    assert_eq!(pool.heard(), ["left c Left", "joined d"]);
    assert_eq!(pool.state("e"), None);
    let waiting = pool.membership.broadcasts.take(2, 10_000, 1);
    let suspect = waiting.iter().find(|message| message.first() == Some(&SUSPECT)).unwrap();
    assert_eq!(decode::<Suspect<'_>>(&suspect[1..]).unwrap().from, "own");
}

#[test]
fn a_leave_is_done_when_it_was_said_often_enough() {
    let mut pool = Pool::of(&["a"]);
    pool.membership.leave(pool.now, &mut pool.up);
    pool.membership.leave(pool.now, &mut pool.up);
    assert_eq!(pool.heard(), ["left own Left"]);
    let gone = |effects: &[MembershipEffect]| effects.iter().any(|e| matches!(e, MembershipEffect::LeaveSent));
    assert!(!gone(&pool.effects()));
    pool.alive("own", 100, 7);
    assert_eq!(pool.state("own"), Some((NodeState::Left, 1)), "not alive again");
    pool.pass(ms(1_000));
    assert!(gone(&pool.effects()));
    let mut alone = Pool::new();
    alone.membership.leave(alone.now, &mut alone.up);
    assert!(gone(&alone.effects()), "nobody to tell");
}

#[test]
fn new_metadata_are_announced() {
    let mut pool = Pool::of(&["a"]);
    pool.membership.update_meta(Bytes::from_static(b"new"), pool.now, &mut pool.up);
    assert_eq!(pool.heard(), ["updated own"]);
    assert_eq!(pool.state("own"), Some((NodeState::Alive, 2)));
    assert!(pool.effects().is_empty());
    pool.pass(ms(1_000));
    assert!(pool.effects().iter().any(|effect| matches!(effect, MembershipEffect::MetaSent)));
}

#[test]
fn a_message_of_a_name_takes_the_place_of_an_older_one() {
    let mut pool = Pool::of(&["a", "b"]);
    pool.suspect("a", 1, "b");
    pool.alive("a", 1, 2);
    pool.dead("a", 2, "b");
    assert_eq!(pool.queued(), [DEAD]);
}

#[test]
fn what_changes_a_belief_is_counted() {
    let mut pool = Pool::of(&["a", "b"]);
    pool.membership.take_measures();
    pool.alive("c", 3, 1);
    pool.alive("c", 3, 1);
    pool.suspect("a", 1, "c");
    pool.suspect("a", 1, "c");
    pool.dead("b", 1, "b");
    pool.dead("b", 1, "b");
    let counted = pool.membership.take_measures();
    assert_eq!((counted.alive, counted.suspect, counted.dead), (1, 1, 1));
    assert_eq!(pool.membership.take_measures(), MemberlistMeasures::default());
}

#[test]
fn a_suspicion_that_too_few_confirmed_is_counted() {
    // Nodes, who confirms, and whether that was too few: two are wanted where there are enough nodes.
    let cases: [(&[&str], &[&str], u64); 3] =
        [(&["a", "b", "c"], &[], 1), (&["a", "b", "c"], &["b", "c"], 0), (&["a"], &[], 0)];
    for (names, confirming, unconfirmed) in cases {
        let mut pool = Pool::of(names);
        pool.suspect("a", 1, "own");
        confirming.iter().for_each(|from| pool.suspect("a", 1, from));
        pool.membership.take_measures();
        pool.pass_quietly(ms(60_000));
        assert_eq!(pool.state("a").map(|(state, _)| state), Some(NodeState::Dead));
        assert_eq!(pool.membership.take_measures().degraded_timeouts, unconfirmed, "{names:?} {confirming:?}");
    }
}
