use std::time::Duration;

use gossip::Profile;

use crate::node::Sickness;
use crate::seeds;
use crate::world::World;

const NODES: usize = 100;
/// One in twenty stands still for longer than a suspicion takes at the least, and is awake just long enough to ask
/// someone for a sign of life, not to hear it: what overloaded machines do.
const SICK: [usize; 5] = [10, 30, 50, 70, 90];
const PAUSED: (f64, f64) = (9.0, 13.0);
const AWAKE: (f64, f64) = (0.001, 0.003);
const DURATION: Duration = Duration::from_secs(75);
/// How many times fewer there have to be with a remedy, such as Lifeguard; its authors saw 50 (`docs/spec/gossip.md` §19.1).
const FACTOR: usize = 20;

/// How often a healthy node was declared failed, by anyone.
fn false_positives(seed: u64, profile: Profile) -> usize {
    let mut world = World::new(seed, profile);
    // Answers take longer than the sick are awake.
    world.links.delay = (0.004, 0.010);
    world.pool(NODES, Duration::from_secs(30));
    let since = world.now();
    for node in SICK {
        world.sicken(node, Sickness { paused: PAUSED, awake: AWAKE, until: since + DURATION });
    }
    world.run_for(DURATION);
    let sick: Vec<&str> = SICK.iter().map(|&node| world.node(node).name.as_str()).collect();
    let failures = world.nodes().iter().flat_map(|node| node.failures(since));
    failures.filter(|name| !sick.contains(name)).count()
}

#[test]
fn nodes_that_stand_still_do_not_take_the_healthy_for_dead() {
    seeds::each(1, |seed| {
        // As in the reference, timers run on while a node stands still.
        let lifeguard = Profile { pause_threshold: Duration::MAX, ..Profile::lan() };
        let plain = Profile { awareness_max: 1, suspicion_max_timeout_mult: 1, ..lifeguard.clone() };
        // Who wakes up gives the others the time back.
        let patient = Profile { pause_threshold: Profile::lan().pause_threshold, ..plain.clone() };
        let without = false_positives(seed, plain);
        assert!(without > 0, "the scenario provokes nothing");
        for (what, profile) in [("Lifeguard", lifeguard), ("time given back", patient)] {
            let with = false_positives(seed, profile);
            let found = format!("healthy nodes declared failed: {with} with {what}, {without} without");
            eprintln!("{found}");
            assert!(with == 0 || with * FACTOR <= without, "{found}");
        }
    });
}
