//! A node that stood still, and its suspicions of others.

use super::*;

const PAUSE: Duration = ms(10_000);

/// A pool in which `a` is suspected, after one second. Without others to confirm it, that takes four.
fn suspecting(threshold: Duration) -> Pool {
    let mut pool = Pool::of(&["a"]);
    pool.membership.settings.profile.pause_threshold = threshold;
    pool.suspect("a", 1, "b");
    pool.pass(ms(1_000));
    pool
}

fn state(pool: &Pool) -> NodeState {
    pool.state("a").unwrap().0
}

fn tick(pool: &mut Pool) {
    pool.membership.tick(pool.now, &mut pool.up);
}

#[test]
fn nobody_is_declared_dead_for_the_time_we_stood_still() {
    for (threshold, expected) in
        [(Profile::lan().pause_threshold, NodeState::Suspect), (Duration::MAX, NodeState::Dead)]
    {
        let mut pool = suspecting(threshold);
        pool.now += PAUSE;
        tick(&mut pool);
        assert_eq!(state(&pool), expected, "{threshold:?}");
    }
}

#[test]
fn what_was_left_of_a_suspicion_is_left_after_it() {
    // Whatever comes first when we wake.
    for packet_first in [false, true] {
        let mut pool = suspecting(Profile::lan().pause_threshold);
        pool.now += PAUSE;
        if packet_first {
            pool.alive("c", 3, 1);
            pool.alive("d", 4, 1);
        }
        tick(&mut pool);
        // Of the pause, up to one interval of gossip belongs to the time before it.
        pool.pass(ms(2_700));
        assert_eq!(state(&pool), NodeState::Suspect);
        pool.pass(ms(300));
        assert_eq!(state(&pool), NodeState::Dead);
    }
}

#[test]
fn a_little_late_is_no_pause() {
    let mut pool = suspecting(Profile::lan().pause_threshold);
    pool.pass(ms(2_600));
    pool.now += ms(450);
    tick(&mut pool);
    assert_eq!(state(&pool), NodeState::Dead);
}

#[test]
fn a_refutation_that_waited_is_heard_in_time() {
    let mut pool = suspecting(Profile::lan().pause_threshold);
    pool.now += PAUSE;
    tick(&mut pool);
    pool.alive("a", 1, 2);
    assert_eq!(pool.state("a"), Some((NodeState::Alive, 2)));
    assert!(!pool.heard().iter().any(|heard| heard.starts_with("left")));
}
