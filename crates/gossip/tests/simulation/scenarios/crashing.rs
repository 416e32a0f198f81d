use std::time::Duration;

use gossip::{MemberEvent, Profile};

use crate::seeds;
use crate::world::World;

/// Within this time at least three of several members have probed any other: each probes one a second, in turns of its
/// own, so that the first probe comes after 1.58 s on average (`docs/spec/gossip.md` §19.1) whatever their number.
const PROBED: Duration = Duration::from_secs(20);
/// From the first that knows to the last: gossip goes to three others every 200 ms, so a few rounds for any number.
const SPREAD: Duration = Duration::from_secs(5);

/// The shortest suspicion (`docs/spec/gossip.md` §6.4).
fn shortest_suspicion(profile: &Profile, nodes: usize) -> Duration {
    let scale = (nodes as f64).log10().max(1.0);
    profile.probe_interval.mul_f64(f64::from(profile.suspicion_mult) * (scale * 1000.0).trunc() / 1000.0)
}

fn a_crash_is_found_out(count: usize, seed: u64) {
    let profile = Profile::lan();
    let suspicion = shortest_suspicion(&profile, count);
    let failing_probe = profile.probe_interval;
    let mut world = World::new(seed, profile);
    world.pool(count, Duration::from_secs(120));
    world.run_for(Duration::from_secs(5));
    let victim = count / 2;
    let name = world.node(victim).name.clone();
    let crashed = world.now();
    world.crash(victim);

    let first_limit = PROBED + failing_probe + suspicion;
    world.run_until(first_limit, "someone finds out", |world| {
        world.running().any(|node| node.told(MemberEvent::Failed, &name, crashed).is_some())
    });
    world.run_until(SPREAD, "everyone knows", |world| {
        world.running().all(|node| node.told(MemberEvent::Failed, &name, crashed).is_some())
    });
    for node in world.running() {
        let told = node.told(MemberEvent::Failed, &name, crashed).expect("everyone knows");
        assert!(told - crashed >= suspicion, "{} was told after {:?}", node.name, told - crashed);
        let failures: Vec<&str> = node.failures(crashed).collect();
        assert_eq!(failures, [&name], "{} thinks that others failed", node.name);
    }
}

#[test]
fn a_crash_among_5_is_found_out() {
    seeds::each(10, |seed| a_crash_is_found_out(5, seed));
}

#[test]
fn a_crash_among_50_is_found_out() {
    seeds::each(2, |seed| a_crash_is_found_out(50, seed));
}

/// Some minutes in a debug build; `cargo test --release -p gossip --test simulation -- --ignored a_crash_among_1000`.
#[test]
#[ignore = "large"]
fn a_crash_among_1000_is_found_out() {
    seeds::each(1, |seed| a_crash_is_found_out(1000, seed));
}

/// With fewer than four nodes nobody can confirm: it takes the shortest time (`docs/spec/gossip.md` §19.3).
#[test]
fn a_crash_of_one_of_two_is_found_out() {
    seeds::each(5, |seed| {
        let profile = Profile::lan();
        let (interval, suspicion) = (profile.probe_interval, shortest_suspicion(&profile, 2));
        let mut world = World::new(seed, profile);
        world.pool(2, Duration::from_secs(30));
        world.crash(1);
        let took = world.run_until(Duration::from_secs(60), "the other finds out", |world| world.all_know(1));
        // Its probes come every second; one that is under way while the other crashes may already fail.
        assert!(took >= suspicion, "after {took:?}");
        assert!(took <= 2 * interval + suspicion + Duration::from_millis(500), "after {took:?}");
    });
}

/// More than a quarter of the direct probes fail, and others help to find out that nobody did.
#[test]
fn losses_alone_kill_nobody() {
    seeds::each(2, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(12, Duration::from_secs(30));
        world.links.loss = 0.15;
        let since = world.now();
        world.run_for(Duration::from_secs(120));
        for node in world.nodes() {
            assert_eq!(node.failures(since).count(), 0, "{} thinks that someone failed", node.name);
        }
    });
}
