use std::time::Duration;

use bytes::Bytes;
use gossip::{Command, Event, Outcome, Profile, Status};

use crate::seeds;
use crate::world::World;

#[test]
fn a_node_that_failed_comes_back_at_another_address() {
    seeds::each(3, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(8, Duration::from_secs(30));
        let name = world.node(3).name.clone();
        world.crash(3);
        world.run_until(Duration::from_secs(60), "everyone sees it fail", |world| world.all_know(7));
        // Then its name may move (`docs/spec/gossip.md` §5.1).
        world.run_for(Profile::lan().dead_reclaim + Duration::from_secs(1));
        world.restart(3, 1, None);
        let id = world.join(3, 0);
        let address = world.node(3).address;
        world.run_until(Duration::from_secs(30), "everyone knows everyone again", |world| world.all_know(8));
        assert_eq!(world.outcome(3, id), Some(&Outcome::Joined(Ok(1))));
        for node in world.nodes() {
            let member = node.core.as_ref().unwrap().member(&name).unwrap();
            assert_eq!((member.address, member.status), (address.ip(), Status::Alive), "as {} sees it", node.name);
        }
    });
}

/// The others remember a higher incarnation than the new process begins with (`docs/spec/gossip.md` §5.4).
#[test]
fn a_node_that_restarts_at_once_is_not_missed() {
    seeds::each(3, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(8, Duration::from_secs(30));
        world.restart(3, 0, None);
        world.join(3, 0);
        world.run_until(Duration::from_secs(30), "everyone knows everyone", |world| world.all_know(8));
        let since = world.now();
        world.run_for(Duration::from_secs(60));
        for node in world.nodes() {
            assert_eq!(node.failures(since).count(), 0, "{} missed someone", node.name);
            assert_eq!(node.alive.len(), 8);
        }
    });
}

#[test]
fn a_node_finds_its_pool_again_and_does_not_act_on_old_events() {
    seeds::each(3, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(6, Duration::from_secs(30));
        let fire = |name: &str| Command::UserEvent { name: name.into(), payload: Bytes::new(), coalesce: false };
        world.execute(0, fire("old"), Duration::from_secs(1));
        world.run_for(Duration::from_secs(10));
        let snapshot = world.node(3).snapshot(world.now());
        world.crash(3);
        // One of those it remembers is gone as well.
        world.crash(0);
        world.run_for(Duration::from_secs(60));

        let restarted = world.now();
        world.restart(3, 0, Some(&snapshot));
        world.run_until(Duration::from_secs(60), "everyone knows everyone", |world| world.all_know(5));
        world.execute(1, fire("new"), Duration::from_secs(1));
        let seen = |world: &World| -> Vec<String> {
            let since = world.node(3).events.iter().filter(|(at, _)| *at >= restarted);
            let names = since.filter_map(|(_, event)| match event {
                Event::User { name, .. } => Some(name.clone()),
                _ => None,
            });
            names.collect()
        };
        world.run_until(Duration::from_secs(30), "the new event is there", |world| !seen(world).is_empty());
        world.run_for(Duration::from_secs(35));
        assert_eq!(seen(&world), ["new"]);
    });
}

/// Two with one name: clients ask the others, and the one they do not know gives up (`docs/spec/gossip.md` §12.1).
#[test]
fn of_two_with_one_name_the_stranger_goes() {
    seeds::each(2, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(5, Duration::from_secs(30));
        let stranger = world.start_named("node-2");
        world.join(stranger, 0);
        world.run_until(Duration::from_secs(60), "the stranger gives up", |world| {
            world.node(stranger).stopped.is_some()
        });
        world.run_for(Duration::from_secs(30));
        assert_eq!(world.node(2).stopped, None);
        assert!(world.all_know(5));
    });
}
