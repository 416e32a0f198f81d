use std::net::SocketAddr;

use bytes::Bytes;

use super::*;
use crate::log::Logs;
use crate::membership::NodeState;

const NOTHING: [MemberEvent; 0] = [];

fn at(seconds: u64) -> Time {
    Duration::from_secs(seconds)
}

fn node(name: &str, tags: &[(&str, &str)]) -> Node {
    let tags = tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    Node {
        name: name.into(),
        address: SocketAddr::from(([10, 0, 0, 1], 8301)),
        meta: tags::encode(&tags).unwrap(),
        vsn: [1, 5, 2, 2, 5, 4],
        state: NodeState::Alive,
        incarnation: 1,
        changed: Time::ZERO,
    }
}

fn members() -> Members {
    Members::new(&Profile::lan(), Logs::default().serf)
}

fn leave(node: &str, ltime: u64) -> LeaveIntent<'_> {
    LeaveIntent { node, ltime, prune: false, wrong: false }
}

fn prune(node: &str, ltime: u64) -> LeaveIntent<'_> {
    LeaveIntent { prune: true, ..leave(node, ltime) }
}

fn status(members: &Members, name: &str) -> Status {
    members.get(name).map_or(Status::None, |member| member.status)
}

fn kinds(changes: &[Change]) -> Vec<MemberEvent> {
    changes.iter().map(|(kind, _)| *kind).collect()
}

fn join(members: &mut Members, node: &Node, now: Time) -> Arc<Member> {
    let (kind, member) = members.joined(node, now).unwrap();
    assert_eq!(kind, MemberEvent::Joined);
    member
}

/// Members of which `a` is in this state.
fn with(status: Status) -> Members {
    let mut members = members();
    members.joined(&node("a", &[]), at(0));
    match status {
        Status::Alive => {}
        Status::Leaving => assert!(members.leave_intent(leave("a", 5), at(0)).altered),
        Status::Failed => assert!(members.left(&node("a", &[]), at(0)).is_some()),
        Status::Left => {
            members.leave_intent(leave("a", 5), at(0));
            members.left(&node("a", &[]), at(0));
        }
        Status::None => members = self::members(),
    }
    assert_eq!(self::status(&members, "a"), status);
    members
}

#[test]
fn what_the_membership_layer_says_moves_members_along() {
    use MemberEvent::{Failed, Left};
    let cases = [
        (Status::None, None, Status::None),
        (Status::Alive, Some(Failed), Status::Failed),
        (Status::Leaving, Some(Left), Status::Left),
        (Status::Left, None, Status::Left),
        (Status::Failed, None, Status::Failed),
    ];
    for (before, event, after) in cases {
        let mut members = with(before);
        let change = members.left(&node("a", &[]), at(1));
        assert_eq!(change.map(|(kind, _)| kind), event, "{before:?}");
        assert_eq!(status(&members, "a"), after, "{before:?}");
        join(&mut members, &node("a", &[]), at(2));
        assert_eq!(status(&members, "a"), Status::Alive);
    }
}

#[test]
fn leave_intents_move_members_along() {
    let cases = [
        (Status::Alive, 6, Status::Leaving, true, vec![]),
        (Status::Failed, 6, Status::Left, true, vec![MemberEvent::Left]),
        (Status::Leaving, 6, Status::Leaving, true, vec![]),
        (Status::Left, 6, Status::Left, true, vec![]),
        (Status::Leaving, 5, Status::Leaving, false, vec![]),
        (Status::Alive, 0, Status::Alive, false, vec![]),
    ];
    for (before, ltime, after, rebroadcast, events) in cases {
        let mut members = with(before);
        let verdict = members.leave_intent(leave("a", ltime), at(1));
        assert_eq!(verdict.rebroadcast, rebroadcast, "{before:?}");
        assert_eq!(kinds(&verdict.changes), events, "{before:?}");
        assert_eq!(status(&members, "a"), after, "{before:?}");
        assert!(!members.leave_intent(leave("a", ltime), at(1)).rebroadcast, "passed on twice from {before:?}");
    }
}

#[test]
fn a_wrong_leave_intent_is_refuted_and_changes_nothing() {
    let mut members = with(Status::Alive);
    let verdict = members.leave_intent(LeaveIntent { wrong: true, ..leave("a", 3) }, at(1));
    assert_eq!(verdict, Verdict { refute: true, ..Verdict::default() });
    assert_eq!(status(&members, "a"), Status::Alive);
    assert!(members.join_intent("a", 3, at(1)).rebroadcast);
}

#[test]
fn join_intents_take_back_leaves_only() {
    for (before, after) in [
        (Status::Alive, Status::Alive),
        (Status::Leaving, Status::Alive),
        (Status::Left, Status::Left),
        (Status::Failed, Status::Failed),
    ] {
        let mut members = with(before);
        assert!(members.join_intent("a", 9, at(1)).rebroadcast);
        assert_eq!(status(&members, "a"), after);
        assert!(!members.join_intent("a", 9, at(1)).rebroadcast);
    }
}

#[test]
fn intents_about_unknown_nodes_count_once_they_appear() {
    let mut members = members();
    assert!(members.leave_intent(leave("a", 7), at(0)).rebroadcast);
    assert!(!members.leave_intent(leave("a", 7), at(0)).rebroadcast);
    assert!(members.join_intent("b", 7, at(0)).rebroadcast);
    assert_eq!(join(&mut members, &node("a", &[]), at(1)).status, Status::Leaving);
    assert_eq!(join(&mut members, &node("b", &[]), at(1)).status, Status::Alive);
    assert!(!members.join_intent("a", 7, at(1)).rebroadcast);
    assert!(!members.leave_intent(leave("b", 7), at(1)).rebroadcast);

    members.leave_intent(leave("late", 9), at(0));
    members.reap(at(301));
    assert_eq!(join(&mut members, &node("late", &[]), at(301)).status, Status::Alive);
}

#[test]
fn pruned_members_are_forgotten_and_leaving_ones_later() {
    let mut failed = with(Status::Failed);
    let verdict = failed.leave_intent(prune("a", 6), at(1));
    assert_eq!(kinds(&verdict.changes), [MemberEvent::Left, MemberEvent::Reaped]);
    assert!(failed.get("a").is_none());

    for before in [Status::Alive, Status::Leaving] {
        let mut members = with(before);
        assert_eq!(kinds(&members.leave_intent(prune("a", 6), at(1)).changes), NOTHING);
        assert_eq!(members.next_prune(), Some(at(9)));
        // Not even the node's word that it is alive keeps it (edge case 23).
        members.join_intent("a", 7, at(2));
        assert_eq!(kinds(&members.finish_prunes(at(8))), NOTHING);
        assert_eq!(kinds(&members.finish_prunes(at(9))), [MemberEvent::Reaped]);
        assert_eq!((members.len(), members.next_prune()), (0, None));
    }
}

#[test]
fn a_node_that_comes_back_is_not_pruned() {
    let mut members = with(Status::Leaving);
    members.leave_intent(prune("a", 6), at(1));
    members.left(&node("a", &[]), at(2));
    members.joined(&node("a", &[]), at(3));
    assert_eq!(members.next_prune(), None);
}

#[test]
fn old_members_are_forgotten_and_a_failed_one_keeps_its_time_when_declared_gone() {
    let (hour, day) = (3600, 24 * 3600);
    let mut members = with(Status::Failed);
    assert_eq!(kinds(&members.reap(at(3 * day))), NOTHING);
    assert_eq!(kinds(&members.reap(at(3 * day + 1))), [MemberEvent::Reaped]);

    let mut declared = with(Status::Failed);
    declared.leave_intent(leave("a", 9), at(23 * hour));
    assert_eq!(kinds(&declared.reap(at(day))), NOTHING);
    assert_eq!(kinds(&declared.reap(at(day + 1))), [MemberEvent::Reaped]);
}

#[test]
fn a_member_s_own_timeout_holds_for_failed_and_left() {
    for (text, after) in [("15m0s", 15 * 60), ("0s", 24 * 3600), ("soon", 24 * 3600)] {
        let mut members = members();
        let short_lived = node("a", &[("rc_tm", text)]);
        members.joined(&short_lived, at(0));
        members.leave_intent(leave("a", 5), at(0));
        members.left(&short_lived, at(0));
        assert_eq!(kinds(&members.reap(at(after))), NOTHING, "{text}");
        assert_eq!(kinds(&members.reap(at(after + 1))), [MemberEvent::Reaped], "{text}");
    }
}

#[test]
fn updates_keep_the_status() {
    let mut members = with(Status::Leaving);
    let (kind, member) = members.updated(&node("a", &[("role", "db")])).unwrap();
    assert_eq!((kind, member.status), (MemberEvent::Updated, Status::Leaving));
    assert_eq!(member.tags["role"], "db");
    assert!(members.updated(&node("stranger", &[])).is_none());
    let unreadable = Node { meta: Bytes::from_static(b"web"), ..node("a", &[]) };
    assert_eq!(members.updated(&unreadable).unwrap().1.tags["role"], "web");
}

#[test]
fn who_fails_and_is_back_soon_flaps() {
    let mut members = members();
    let node = node("a", &[]);
    members.joined(&node, at(0));
    // Failed, back, and how many flaps that makes.
    for (failed, back, flaps) in [(10, 69, 1), (100, 160, 0), (200, 200, 1)] {
        assert!(members.left(&node, at(failed)).is_some());
        members.joined(&node, at(back));
        assert_eq!(members.take_flaps(), flaps, "{failed} {back}");
    }
    members.joined(&node, at(300));
    members.leave_intent(leave("a", 5), at(301));
    members.left(&node, at(302));
    members.joined(&node, at(303));
    assert_eq!(members.take_flaps(), 0, "who left and comes back does not");
}
