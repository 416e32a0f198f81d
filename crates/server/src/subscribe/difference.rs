//! What happened between two looks at the instances of a service.

use std::collections::HashMap;
use std::sync::Arc;

use streaming::proto::Event;
use types::CheckServiceNode;

/// The events that lead from `before` to `now`: what is gone first, then what is new or differs.
///
/// Rows are shared between versions of the state, so what did not change is the same pointer.
pub(super) fn between(index: u64, before: &[CheckServiceNode], now: &[CheckServiceNode]) -> Vec<Event> {
    let (before, now) = without_common_ends(before, now);
    let mut gone: HashMap<_, _> = before.iter().map(|instance| (identity(instance), instance)).collect();
    let mut registered = Vec::new();
    for instance in now {
        let known = gone.remove(&identity(instance));
        if !known.is_some_and(|known| is_same(known, instance)) {
            registered.push(Event::register(index, instance));
        }
    }
    let left = before.iter().filter(|instance| gone.contains_key(&identity(instance)));
    left.map(|instance| Event::deregister(index, instance)).chain(registered).collect()
}

/// Lists are sorted alike: usually all but a few instances are the same at both ends.
fn without_common_ends<'a>(
    mut before: &'a [CheckServiceNode],
    mut now: &'a [CheckServiceNode],
) -> (&'a [CheckServiceNode], &'a [CheckServiceNode]) {
    while let ([a, before_rest @ ..], [b, now_rest @ ..]) = (before, now)
        && is_same(a, b)
    {
        (before, now) = (before_rest, now_rest);
    }
    while let ([before_rest @ .., a], [now_rest @ .., b]) = (before, now)
        && is_same(a, b)
    {
        (before, now) = (before_rest, now_rest);
    }
    (before, now)
}

/// What subscribers know an instance by.
fn identity(instance: &CheckServiceNode) -> (&str, &str) {
    (&instance.node.node, &instance.service.id)
}

fn is_same(a: &CheckServiceNode, b: &CheckServiceNode) -> bool {
    Arc::ptr_eq(&a.node, &b.node)
        && Arc::ptr_eq(&a.service, &b.service)
        && a.checks.len() == b.checks.len()
        && a.checks.iter().zip(&b.checks).all(|(a, b)| Arc::ptr_eq(a, b))
}
