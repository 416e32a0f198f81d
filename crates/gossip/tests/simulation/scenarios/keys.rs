use std::time::Duration;

use gossip::{Command, KeyOperation, KeyReply, Outcome, Profile};

use crate::seeds;
use crate::world::World;

const NODES: usize = 10;
/// An operator repeats a step until every node has reported success.
const TRIES: u32 = 30;

fn everywhere(world: &mut World, operation: &KeyOperation) -> KeyReply {
    for _ in 0..TRIES {
        let command = Command::Keys { operation: operation.clone(), relay_factor: 3 };
        let outcome = world.execute(0, command, Duration::from_secs(30));
        let Outcome::Keys(reply) = outcome else { panic!("{outcome:?}") };
        if reply.error.is_none() && reply.responses == NODES {
            return reply;
        }
    }
    panic!("{operation:?} did not succeed everywhere");
}

#[test]
fn keys_are_rotated_while_packets_are_lost() {
    seeds::each(2, |seed| {
        let (old, new) = (vec![1; 16], vec![2; 32]);
        let mut world = World::new(seed, Profile::lan());
        world.encrypt(std::slice::from_ref(&old));
        world.pool(NODES, Duration::from_secs(60));
        world.links.loss = 0.1;
        let since = world.now();
        everywhere(&mut world, &KeyOperation::Install(new.clone()));
        everywhere(&mut world, &KeyOperation::Use(new.clone()));
        everywhere(&mut world, &KeyOperation::Remove(old));
        let reply = everywhere(&mut world, &KeyOperation::List);
        assert_eq!(reply.keys.values().copied().collect::<Vec<_>>(), [NODES], "one key is left, everywhere");
        assert_eq!(reply.primary_keys, reply.keys);

        world.run_for(Duration::from_secs(30));
        for node in world.nodes() {
            assert_eq!(node.failures(since).count(), 0, "{} lost someone", node.name);
        }
        // Who comes with the new key is let in.
        world.links.loss = 0.0;
        world.encrypt(&[new]);
        let late = world.start(1.0);
        world.join(late, 0);
        world.run_until(Duration::from_secs(30), "the new node is known", |world| world.all_know(NODES + 1));
    });
}

#[test]
fn who_has_another_key_stays_outside() {
    seeds::each(1, |seed| {
        let mut world = World::new(seed, Profile::lan());
        world.encrypt(&[vec![1; 16]]);
        world.pool(3, Duration::from_secs(30));
        world.encrypt(&[vec![2; 16]]);
        let stranger = world.start(1.0);
        let id = world.join(stranger, 0);
        world.run_for(Duration::from_secs(30));
        assert!(matches!(world.outcome(stranger, id), Some(Outcome::Joined(Err(_)))));
        assert!(world.nodes()[..3].iter().all(|node| node.alive.len() == 3));
        assert_eq!(world.node(stranger).alive.len(), 1);
    });
}
