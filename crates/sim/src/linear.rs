//! Whether a key's history is linearizable: whether there is an order of its requests, each at a moment between
//! question and answer, in which one key that nobody shares would have answered the same.
//!
//! The search is Wing and Gong's, with Lowe's memory of where it has been: it takes the next request in an order that
//! real time allows, goes on from there, and takes it back where that leads nowhere. Two observations keep it short,
//! both from no two writes having the same value. A write without an answer whose value somebody saw was done before
//! that answer. One whose value nobody saw can be left out together with all refused `cas`, which are all that could
//! tell; what is found impossible without them is impossible with them. So this smaller history is looked at first.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::history::{Action, Op, Outcome};

/// Places a search may visit before it gives up.
const STEPS_MAX: usize = 200_000;

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none.
    Broken,
    /// Not found out in the steps allowed, but nothing speaks against it once refused `cas` are left out.
    Undecided,
}

/// Looks at one key's requests, which nobody else made; it is absent at first.
pub fn check(ops: &[Op]) -> Verdict {
    let (sure, mut doubtful) = sort_out(ops);
    match search(&sure) {
        Verdict::Linearizable if doubtful.is_empty() => return Verdict::Linearizable,
        Verdict::Linearizable => {}
        verdict => return verdict,
    }
    doubtful.extend(sure);
    search(&doubtful)
}

/// The requests that decide, and those that only matter to each other: unseen writes without an answer, and refused
/// `cas`.
fn sort_out(ops: &[Op]) -> (Vec<Op>, Vec<Op>) {
    let ops = settled(ops);
    ops.into_iter().partition(|op| match (op.outcome, written(op)) {
        (Outcome::Unknown | Outcome::Wrote(false), written) => written.is_none(),
        _ => true,
    })
}

/// The same requests, where every write whose value somebody saw is done. A `cas` that is known to be done has itself
/// seen a value, so it goes on until nothing more is found.
fn settled(ops: &[Op]) -> Vec<Op> {
    let mut ops = ops.to_vec();
    loop {
        let seen = |op: &Op| {
            let value = written(op).filter(|_| op.outcome == Outcome::Unknown)?;
            first_seen(&ops, value)
        };
        let found: Vec<(usize, u64)> = ops.iter().enumerate().filter_map(|(n, op)| Some((n, seen(op)?))).collect();
        if found.is_empty() {
            return ops;
        }
        for (n, answered) in found {
            ops[n].outcome = Outcome::Wrote(true);
            ops[n].answered = answered;
        }
    }
}

fn written(op: &Op) -> Option<u64> {
    match op.action {
        Action::Set(value) | Action::Cas { new: value, .. } => Some(value),
        Action::Read | Action::Delete => None,
    }
}

/// When somebody first had an answer that tells of this value.
fn first_seen(ops: &[Op], value: u64) -> Option<u64> {
    let saw = |op: &&Op| match (op.action, op.outcome) {
        (_, Outcome::Saw(seen)) => seen == Some(value),
        (Action::Cas { expected, .. }, Outcome::Wrote(true)) => expected == Some(value),
        _ => false,
    };
    ops.iter().filter(saw).map(|op| op.answered).min()
}

/// The value after the request, if the key would have answered so.
fn apply(value: Option<u64>, op: &Op) -> Option<Option<u64>> {
    match (op.action, op.outcome) {
        (Action::Read, Outcome::Saw(seen)) => (seen == value).then_some(value),
        (Action::Read, _) => Some(value),
        (Action::Set(new), _) => Some(Some(new)),
        (Action::Delete, _) => Some(None),
        (Action::Cas { expected, new }, Outcome::Wrote(true)) => (expected == value).then_some(Some(new)),
        (Action::Cas { expected, .. }, Outcome::Wrote(false)) => (expected != value).then_some(value),
        (Action::Cas { expected, new }, _) => Some(if expected == value { Some(new) } else { value }),
    }
}

/// Questions and answers in a list from which requests are taken out and put back.
struct Timeline {
    /// For each event the one after it and the one before it; the last one is the list's head.
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Request of each event, and whether it is the question.
    events: Vec<(usize, bool)>,
    /// Event of each request's answer.
    answers: Vec<usize>,
}

impl Timeline {
    fn new(ops: &[Op]) -> Timeline {
        let questions = ops.iter().enumerate().map(|(n, op)| (op.asked, true, n));
        // The question's place is below every answer's that comes with it.
        let answers = ops.iter().enumerate().map(|(n, op)| (op.answered, false, n));
        let mut ordered: Vec<_> = questions.chain(answers).collect();
        ordered.sort_by_key(|(at, is_question, n)| (*at, !is_question, *n));
        let events: Vec<(usize, bool)> = ordered.into_iter().map(|(_, is_question, n)| (n, is_question)).collect();
        let head = events.len();
        let mut answer_of = vec![head; ops.len()];
        for (event, (op, is_question)) in events.iter().enumerate() {
            if !is_question {
                answer_of[*op] = event;
            }
        }
        let next = (0..=head).map(|event| if event == head { 0 } else { event + 1 }).collect();
        let previous = (0..=head).map(|event| if event == 0 { head } else { event - 1 }).collect();
        Timeline { next, previous, events, answers: answer_of }
    }

    fn head(&self) -> usize {
        self.events.len()
    }

    fn first(&self) -> usize {
        self.next[self.head()]
    }

    /// Takes a request out, by its question.
    fn lift(&mut self, question: usize) {
        self.unlink(question);
        self.unlink(self.answers[self.events[question].0]);
    }

    fn unlift(&mut self, question: usize) {
        self.link(self.answers[self.events[question].0]);
        self.link(question);
    }

    fn unlink(&mut self, event: usize) {
        let (before, after) = (self.previous[event], self.next[event]);
        self.next[before] = after;
        self.previous[after] = before;
    }

    fn link(&mut self, event: usize) {
        let (before, after) = (self.previous[event], self.next[event]);
        self.next[before] = event;
        self.previous[after] = event;
    }
}

fn search(ops: &[Op]) -> Verdict {
    let mut timeline = Timeline::new(ops);
    let mut to_place = ops.iter().filter(|op| op.outcome != Outcome::Unknown).count();
    let mut value = None;
    let mut placed = Placed::new(ops.len());
    let mut been: HashSet<(u64, Option<u64>)> = HashSet::new();
    let mut taken: Vec<(usize, Option<u64>)> = Vec::new();
    let mut event = timeline.first();
    while to_place > 0 {
        let (n, is_question) = if event == timeline.head() { (0, false) } else { timeline.events[event] };
        if is_question {
            let op = &ops[n];
            let after = apply(value, op).filter(|after| been.insert((placed.hash_with(n), *after)));
            if let Some(after) = after {
                if been.len() > STEPS_MAX {
                    return Verdict::Undecided;
                }
                taken.push((event, value));
                value = after;
                placed.flip(n);
                to_place -= usize::from(op.outcome != Outcome::Unknown);
                timeline.lift(event);
                event = timeline.first();
            } else {
                event = timeline.next[event];
            }
            continue;
        }
        // An answer whose request has no place yet: the last choice was wrong.
        let Some((question, before)) = taken.pop() else { return Verdict::Broken };
        let n = timeline.events[question].0;
        value = before;
        placed.flip(n);
        to_place += usize::from(ops[n].outcome != Outcome::Unknown);
        timeline.unlift(question);
        event = timeline.next[question];
    }
    Verdict::Linearizable
}

/// Which requests have their place, as a hash that changes with each.
struct Placed {
    keys: Vec<u64>,
    hash: u64,
}

impl Placed {
    fn new(count: usize) -> Placed {
        let key = |n: usize| {
            let mut hasher = DefaultHasher::new();
            n.hash(&mut hasher);
            hasher.finish()
        };
        Placed { keys: (0..count).map(key).collect(), hash: 0 }
    }

    fn hash_with(&self, n: usize) -> u64 {
        self.hash ^ self.keys[n]
    }

    fn flip(&mut self, n: usize) {
        self.hash ^= self.keys[n];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chance;

    /// A request from one moment to another; no answer at moment 0.
    fn op(asked: u64, answered: u64, action: Action, outcome: Outcome) -> Op {
        let answered = if answered == 0 { u64::MAX } else { answered };
        Op { client: 0, key: 0, action, outcome, asked, answered }
    }

    fn set(asked: u64, answered: u64, value: u64) -> Op {
        let outcome = if answered == 0 { Outcome::Unknown } else { Outcome::Wrote(true) };
        op(asked, answered, Action::Set(value), outcome)
    }

    fn read(asked: u64, answered: u64, value: u64) -> Op {
        op(asked, answered, Action::Read, Outcome::Saw((value > 0).then_some(value)))
    }

    fn cas(asked: u64, answered: u64, expected: u64, new: u64, done: bool) -> Op {
        let expected = (expected > 0).then_some(expected);
        op(asked, answered, Action::Cas { expected, new }, Outcome::Wrote(done))
    }

    #[test]
    fn histories_are_told_apart() {
        let fine = Verdict::Linearizable;
        let table: Vec<(&str, Vec<Op>, Verdict)> = vec![
            ("nothing", vec![], fine),
            ("a write is read", vec![set(1, 2, 1), read(3, 4, 1)], fine),
            ("a lost write", vec![set(1, 2, 1), read(3, 4, 0)], Verdict::Broken),
            ("at the same time either is right", vec![set(1, 4, 1), read(2, 3, 0)], fine),
            (
                "an old value after a new one",
                vec![set(1, 2, 1), set(3, 8, 2), read(4, 5, 2), read(6, 7, 1)],
                Verdict::Broken,
            ),
            ("two writes in either order", vec![set(1, 4, 1), set(2, 3, 2), read(5, 6, 1)], fine),
            ("no answer, and it happens late", vec![set(1, 0, 1), read(2, 3, 0), read(4, 5, 1)], fine),
            ("no answer, and it never happens", vec![set(1, 0, 1), read(2, 3, 0)], fine),
            ("it happens twice", vec![set(1, 0, 1), read(2, 3, 1), set(4, 5, 2), read(6, 7, 1)], Verdict::Broken),
            ("two of one cas win", vec![set(1, 2, 1), cas(3, 6, 1, 2, true), cas(4, 5, 1, 3, true)], Verdict::Broken),
            ("a cas loses for no reason", vec![set(1, 2, 1), cas(3, 4, 1, 2, false)], Verdict::Broken),
            ("a cas loses to an unseen write", vec![set(1, 2, 1), set(3, 0, 2), cas(4, 5, 1, 3, false)], fine),
            (
                "a cas that won is seen only by who lost",
                vec![
                    set(1, 2, 1),
                    op(3, 0, Action::Cas { expected: Some(1), new: 2 }, Outcome::Unknown),
                    cas(4, 5, 1, 3, false),
                ],
                fine,
            ),
            (
                "a write that is seen only by a cas without an answer",
                vec![
                    set(1, 0, 1),
                    op(2, 0, Action::Cas { expected: Some(1), new: 2 }, Outcome::Unknown),
                    read(3, 4, 2),
                ],
                fine,
            ),
            ("removed", vec![set(1, 2, 1), op(3, 4, Action::Delete, Outcome::Wrote(true)), read(5, 6, 0)], fine),
            (
                "removed and back",
                vec![set(1, 2, 1), op(3, 4, Action::Delete, Outcome::Wrote(true)), read(5, 6, 1)],
                Verdict::Broken,
            ),
        ];
        for (what, ops, expected) in table {
            assert_eq!(check(&ops), expected, "{what}");
        }
    }

    /// Histories of a key that really is one, with many requests at a time and some without an answer.
    fn made_up(seed: u64, count: u64) -> Vec<Op> {
        let mut chance = Chance::new(seed);
        let mut value: Option<u64> = None;
        let mut ops = Vec::new();
        for n in 1..=count {
            let moment = n * 100;
            let (asked, answered) = (moment - chance.below(350).min(moment - 1), moment + chance.below(350));
            let is_lost = chance.hits(0.1);
            let action = match chance.below(5) {
                0 | 1 => Action::Read,
                2 => Action::Set(n),
                3 => Action::Cas { expected: value.filter(|_| chance.hits(0.7)), new: n },
                _ => Action::Delete,
            };
            let done = op(asked, answered, action, Outcome::Unknown);
            let outcome = match action {
                Action::Read => Outcome::Saw(value),
                Action::Cas { expected, .. } => Outcome::Wrote(expected == value),
                _ => Outcome::Wrote(true),
            };
            if !is_lost || chance.hits(0.5) {
                value = apply(value, &done).unwrap_or(value);
            }
            match (is_lost, action) {
                (true, Action::Read) => {}
                (true, _) => ops.push(Op { answered: u64::MAX, ..done }),
                (false, _) => ops.push(Op { outcome, ..done }),
            }
        }
        ops
    }

    #[test]
    fn what_one_key_answered_is_linearizable_and_a_change_of_it_is_found() {
        let mut found = 0;
        for seed in 0..40 {
            let mut ops = made_up(seed, 80);
            assert_ne!(check(&ops), Verdict::Broken, "seed {seed}");
            // The last reader sees the first value that was written.
            let first = ops.iter().find_map(|op| match (op.action, op.outcome) {
                (Action::Set(value), Outcome::Wrote(true)) => Some(value),
                _ => None,
            });
            let last = ops.iter_mut().rev().find(|op| op.action == Action::Read);
            if let (Some(first), Some(last)) = (first, last) {
                last.outcome = Outcome::Saw(Some(first));
                found += u32::from(check(&ops) == Verdict::Broken);
            }
        }
        assert!(found >= 38, "{found}");
    }
}
