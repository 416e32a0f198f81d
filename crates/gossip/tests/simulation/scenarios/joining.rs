use std::time::Duration;

use gossip::Profile;

use crate::seeds;
use crate::world::World;

fn everyone_joins_through_one(count: usize, seed: u64, limit: Duration) {
    World::new(seed, Profile::lan()).pool(count, limit);
}

#[test]
fn nodes_that_joined_through_one_know_each_other() {
    seeds::each(2, |seed| everyone_joins_through_one(100, seed, Duration::from_secs(20)));
}

/// Some minutes in a debug build; `cargo test --release -p gossip --test simulation -- --ignored a_thousand`.
#[test]
#[ignore = "large"]
fn a_thousand_nodes_that_joined_through_one_know_each_other() {
    seeds::each(1, |seed| everyone_joins_through_one(1000, seed, Duration::from_secs(120)));
}

#[test]
fn nodes_join_over_a_bad_network() {
    seeds::each(3, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.links.loss = 0.2;
        world.links.broken_replies = 0.1;
        let limit = Duration::from_secs(180);
        let nodes: Vec<usize> = (0..10).map(|_| world.start(1.0)).collect();
        for &node in &nodes[1..] {
            world.join(node, nodes[0]);
        }
        // A join whose reply got lost is given again, as an operator would.
        for &node in &nodes[1..] {
            for _ in 0..5 {
                if world.node(node).alive.len() > 1 {
                    break;
                }
                world.run_for(Profile::lan().tcp_timeout);
                world.join(node, nodes[0]);
            }
        }
        world.run_until(limit, "everyone knows everyone", |world| world.all_know(10));
    });
}

#[test]
fn the_same_seed_is_the_same_world() {
    let run = |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.links.loss = 0.1;
        world.pool(12, Duration::from_secs(120));
        world.crash(3);
        world.run_for(Duration::from_secs(40));
        world.digest()
    };
    seeds::each(1, |seed| {
        let digest = run(seed);
        assert_eq!(digest, run(seed), "two runs of one seed differ");
        assert_ne!(digest, run(seed.wrapping_add(1)), "another seed is another world");
    });
}

#[test]
fn clocks_that_run_apart_do_no_harm() {
    seeds::each(2, |seed| {
        let mut world = World::new(seed, Profile::lan());
        let rates: Vec<f64> = (0..16).map(|node| 0.8 + 0.03 * f64::from(node)).collect();
        world.pool_with_clocks(&rates, Duration::from_secs(30));
        let since = world.now();
        world.run_for(Duration::from_secs(120));
        for node in world.nodes() {
            assert_eq!(node.failures(since).count(), 0, "{} thinks that someone failed", node.name);
        }
    });
}
