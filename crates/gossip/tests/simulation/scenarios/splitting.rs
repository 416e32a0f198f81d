use std::time::Duration;

use gossip::Profile;

use crate::seeds;
use crate::world::World;

/// Long enough for both sides to see the other fail, slowly where nobody answers (`docs/spec/gossip.md` §6.3), and for
/// the membership layer to forget it (§20, 46).
const SPLIT: Duration = Duration::from_secs(240);
/// A failed member is tried every 30 s; several tries may be needed (`docs/spec/gossip.md` §12).
const HEAL: Duration = Duration::from_secs(180);

fn parts_find_together(count: usize, cut_off: usize, seed: u64) {
    let mut world = World::new(seed, Profile::lan());
    world.pool(count, Duration::from_secs(60));
    world.links.cut_off(0..cut_off);
    world.run_for(SPLIT);
    for (index, node) in world.nodes().iter().enumerate() {
        let expected = if index < cut_off { cut_off } else { count - cut_off };
        assert_eq!(node.alive.len(), expected, "{} sees its own part", node.name);
    }
    world.links.heal();
    world.run_until(HEAL, "everyone knows everyone again", |world| world.all_know(count));
    let since = world.now();
    world.run_for(Duration::from_secs(60));
    for node in world.nodes() {
        assert_eq!(node.failures(since).count(), 0, "{} saw someone fail afterwards", node.name);
    }
}

#[test]
fn halves_find_together() {
    seeds::each(2, |seed| parts_find_together(16, 8, seed));
}

#[test]
fn one_that_was_cut_off_is_found_again() {
    seeds::each(2, |seed| parts_find_together(16, 1, seed));
}
