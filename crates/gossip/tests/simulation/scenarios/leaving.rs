use std::time::Duration;

use gossip::{Command, MemberEvent, Outcome, Profile, Status};

use crate::seeds;
use crate::world::World;

fn a_leave_reaches_everyone(count: usize, seed: u64) {
    let mut world = World::new(seed, Profile::lan());
    world.pool(count, Duration::from_secs(60));
    let leaver = 1;
    let name = world.node(leaver).name.clone();
    let since = world.now();
    // Two broadcasts of at most 5 s, then 3 s for them to spread (`docs/spec/gossip.md` §12).
    let outcome = world.execute(leaver, Command::Leave, Duration::from_secs(14));
    assert_eq!(outcome, Outcome::Left(Ok(())));
    for (index, node) in world.nodes().iter().enumerate() {
        if index == leaver {
            continue;
        }
        assert_eq!(world.status(index, &name), Some(Status::Left), "{} does not know", node.name);
        assert!(node.told(MemberEvent::Left, &name, since).is_some(), "{} was not told", node.name);
        assert_eq!(node.failures(since).count(), 0, "{} takes it for a failure", node.name);
    }
    // It is over for good.
    world.crash(leaver);
    world.run_for(Duration::from_secs(40));
    for node in world.running() {
        assert_eq!(node.failures(since).count(), 0, "{} takes it for a failure", node.name);
    }
}

#[test]
fn a_leave_reaches_everyone_before_it_is_over() {
    seeds::each(3, |seed| a_leave_reaches_everyone(5, seed));
    seeds::each(1, |seed| a_leave_reaches_everyone(50, seed));
}

#[test]
fn the_last_one_leaves_at_once() {
    seeds::each(1, |seed| {
        let mut world = World::new(seed, Profile::lan());
        let node = world.start(1.0);
        assert_eq!(world.execute(node, Command::Leave, Duration::from_secs(4)), Outcome::Left(Ok(())));
        assert_eq!(world.execute(node, Command::Leave, Duration::from_secs(1)), Outcome::Left(Ok(())));
    });
}

#[test]
fn a_failed_node_is_declared_gone() {
    seeds::each(2, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(6, Duration::from_secs(30));
        let name = world.node(5).name.clone();
        world.crash(5);
        world.run_until(Duration::from_secs(60), "everyone sees it fail", |world| world.all_know(5));
        let command = Command::ForceLeave { node: name.clone(), prune: false };
        assert_eq!(world.execute(0, command, Duration::from_secs(6)), Outcome::Removed(Ok(())));
        world.run_until(Duration::from_secs(40), "it is gone for everyone", |world| {
            (0..5).all(|index| world.status(index, &name) == Some(Status::Left))
        });
    });
}
