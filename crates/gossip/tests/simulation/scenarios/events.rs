use std::time::Duration;

use bytes::Bytes;
use gossip::{Command, Event, Outcome, Profile};

use crate::seeds;
use crate::world::World;

#[test]
fn an_event_reaches_everyone_once_although_packets_are_lost() {
    seeds::each(3, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.pool(40, Duration::from_secs(60));
        world.links.loss = 0.2;
        for (node, name) in [(7, "deploy"), (23, "restart")] {
            let payload = Bytes::from_static(b"payload");
            let command = Command::UserEvent { name: name.to_owned(), payload, coalesce: false };
            let outcome = world.execute(node, command, Duration::from_secs(1));
            assert!(matches!(outcome, Outcome::Fired(Ok(_))), "{outcome:?}");
        }
        // Gossip alone needs seconds; whom it misses learns of it from the next exchange of full state.
        world.run_until(Duration::from_secs(75), "everyone was told", |world| {
            world.nodes().iter().all(|node| told(&node.events, "deploy") && told(&node.events, "restart"))
        });
        world.run_for(Duration::from_secs(70));
        for node in world.nodes() {
            let events = node.events.iter().filter(|(_, event)| matches!(event, Event::User { .. })).count();
            assert_eq!(events, 2, "{} was told twice", node.name);
        }
    });
}

fn told(events: &[(gossip::Time, Event)], wanted: &str) -> bool {
    events.iter().any(|(_, event)| matches!(event, Event::User { name, .. } if name == wanted))
}
