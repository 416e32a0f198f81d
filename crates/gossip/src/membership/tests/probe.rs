use super::*;
use crate::wire::{Ack, IndirectPing, Nack, Ping, decode};

/// A pool of these nodes in which the first of them that is probed was just sent its ping.
struct Probed {
    pool: Pool,
    name: String,
    address: SocketAddr,
    sequence: u32,
}

fn probed(names: &[&str]) -> Probed {
    let mut pool = Pool::of(names);
    pool.membership.broadcasts.prune(0);
    let now = pool.now;
    pool.membership.start_probe(now, &mut pool.up);
    let sent = pool.sent();
    let (address, message) = sent.first().unwrap();
    let ping: Ping<'_> = decode(&message[1..]).unwrap();
    assert_eq!((&*ping.source_node, ping.source_port), ("own", 8301));
    Probed { name: ping.node.to_string(), address: *address, sequence: ping.seq_no, pool }
}

impl Probed {
    fn ack(&mut self) {
        let ack = Ack { payload: b"there".as_slice().into(), seq_no: self.sequence };
        self.pool.packet(encode(Kind::Ack, &ack));
    }

    fn advance(&mut self, time: Duration) {
        self.pool.now += time;
        self.pool.membership.advance_probe(self.pool.now, &mut self.pool.up);
    }

    fn state(&self) -> NodeState {
        self.pool.state(&self.name).unwrap().0
    }
}

#[test]
fn a_direct_answer_in_time_gives_a_round_trip() {
    let mut probed = probed(&["a", "b"]);
    probed.pool.now += ms(20);
    probed.ack();
    assert_eq!(probed.pool.heard(), [format!("rtt {} 20 there", probed.name)]);
    probed.ack();
    assert!(probed.pool.heard().is_empty(), "only the first answer counts");
    probed.advance(ms(5_000));
    assert_eq!(probed.state(), NodeState::Alive);
}

#[test]
fn without_an_answer_others_and_a_stream_are_asked() {
    let mut probed = probed(&["a", "b", "c", "d", "e"]);
    probed.advance(ms(499));
    assert!(probed.pool.effects().is_empty());
    probed.advance(ms(1));
    let effects = probed.pool.effects();
    let mut asked = Vec::new();
    let mut streams = 0;
    for effect in effects {
        match effect {
            MembershipEffect::Send { to, packet } => {
                let message = probed.pool.membership.pipeline.open_packet(&packet).unwrap().into_owned();
                let mut messages = Vec::new();
                flatten(to, &message, &mut messages);
                let request: IndirectPing<'_> = decode(&messages[0].1[1..]).unwrap();
                assert_eq!(request.seq_no, probed.sequence);
                assert!(request.nack);
                assert_eq!(request.target.ip().unwrap(), probed.address.ip());
                assert_ne!(to, probed.address);
                asked.push(to);
            }
            MembershipEffect::Exchange { to, timeout, .. } => {
                assert_eq!((to, timeout), (probed.address, ms(500)));
                streams += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!((asked.len(), streams), (3, 1));
    probed.ack();
    assert!(probed.pool.heard().is_empty(), "a late answer says nothing of the round trip");
    probed.advance(ms(5_000));
    assert_eq!((probed.state(), probed.pool.membership.health_score()), (NodeState::Alive, 0));
}

#[test]
fn nobody_answers_and_the_node_is_suspected() {
    // Nacks that came, and what the failure says of ourselves.
    for (nacks, score) in [(0, 3), (1, 2), (3, 0), (9, 0)] {
        let mut probed = probed(&["a", "b", "c", "d", "e"]);
        probed.advance(ms(500));
        for _ in 0..nacks {
            probed.pool.packet(encode(Kind::Nack, &Nack { seq_no: probed.sequence }));
        }
        probed.advance(ms(499));
        assert_eq!(probed.state(), NodeState::Alive);
        probed.advance(ms(1));
        assert_eq!(probed.state(), NodeState::Suspect);
        assert_eq!(probed.pool.membership.health_score(), score, "{nacks} nacks");
    }
}

#[test]
fn without_anyone_to_ask_a_failure_counts_once() {
    let mut probed = probed(&["a"]);
    probed.advance(ms(500));
    probed.advance(ms(500));
    assert_eq!((probed.state(), probed.pool.membership.health_score()), (NodeState::Suspect, 1));
}

#[test]
fn an_answer_over_the_stream_saves_the_node() {
    for (answer, state) in [(0, NodeState::Alive), (1, NodeState::Suspect)] {
        let mut probed = probed(&["a"]);
        probed.advance(ms(500));
        let exchange = probed.pool.effects().into_iter().find_map(|effect| match effect {
            MembershipEffect::Exchange { id, .. } => Some(id),
            _ => None,
        });
        let ack = encode(Kind::Ack, &Ack { seq_no: probed.sequence + answer, ..Ack::default() });
        let frame = probed.pool.membership.pipeline.frame_reply(&ack).unwrap();
        let pool = &mut probed.pool;
        pool.membership.exchange_reply(exchange.unwrap(), Ok(frame), pool.now, &mut pool.up);
        probed.advance(ms(500));
        assert_eq!(probed.state(), state);
    }
}

#[test]
fn an_unwell_node_waits_longer() {
    let mut probed = probed(&["a"]);
    probed.pool.membership.probing = None;
    probed.pool.membership.health.worse(100);
    assert_eq!(probed.pool.membership.health_score(), 7);
    let now = probed.pool.now;
    probed.pool.membership.start_probe(now, &mut probed.pool.up);
    probed.pool.membership.start_probe(now, &mut probed.pool.up);
    probed.advance(ms(500));
    probed.advance(ms(7_499));
    assert_eq!(probed.state(), NodeState::Alive);
    probed.advance(ms(1));
    assert_eq!(probed.state(), NodeState::Suspect);
}

#[test]
fn a_suspect_hears_of_it_with_its_ping_and_of_nothing_else() {
    let mut pool = Pool::of(&["a"]);
    pool.suspect("a", 1, "b");
    pool.membership.start_probe(pool.now, &mut pool.up);
    if pool.membership.probing.is_none() {
        pool.membership.start_probe(pool.now, &mut pool.up);
    }
    let sent = pool.sent();
    let kinds: Vec<u8> = sent.iter().map(|(_, message)| message[0]).collect();
    assert_eq!(kinds, [Kind::Ping as u8, SUSPECT]);
    let suspect: Suspect<'_> = decode(&sent[1].1[1..]).unwrap();
    assert_eq!((&*suspect.from, &*suspect.node, suspect.incarnation), ("own", "a", 1));
}

#[test]
fn every_node_has_its_turn_and_one_at_a_time() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut pool = Pool::of(&names);
    let mut probes = Vec::new();
    for _ in 0..140 {
        pool.pass(ms(100));
        for (to, message) in pool.sent_of(Kind::Ping) {
            let ping: Ping<'_> = decode(&message[1..]).unwrap();
            probes.push(to);
            let ack = encode(Kind::Ack, &Ack { seq_no: ping.seq_no, ..Ack::default() });
            pool.packet(ack);
        }
    }
    assert!((13..=14).contains(&probes.len()), "one a second: {}", probes.len());
    for host in 1..=7 {
        let turns = probes.iter().filter(|to| **to == at(host)).count();
        assert!((1..=3).contains(&turns), "{turns} turns of {host}");
    }
}

#[test]
fn a_ticker_skips_what_it_missed() {
    for (last, now, next) in [(0, 0, 1_000), (0, 999, 1_000), (0, 1_000, 2_000), (500, 3_600, 4_500)] {
        assert_eq!(next_tick(ms(last), ms(1_000), ms(now)), ms(next), "{last} {now}");
    }
}

#[test]
fn those_gone_for_long_are_forgotten_at_the_end_of_a_round() {
    let mut pool = Pool::of(&["a", "b", "c"]);
    pool.dead("a", 1, "b");
    pool.dead("b", 1, "b");
    pool.now += ms(30_000);
    let memory = pool.membership.settings.profile.gossip_to_the_dead;
    pool.membership.roster.new_round(memory, pool.now, &mut pool.membership.rng);
    assert_eq!(pool.membership.node_count(), 4);
    pool.now += ms(1);
    pool.membership.roster.new_round(memory, pool.now, &mut pool.membership.rng);
    assert_eq!(pool.membership.node_count(), 2);
    assert_eq!(pool.state("a"), None);
    pool.heard();
    pool.alive("a", 9, 1);
    assert_eq!(pool.heard(), ["joined a"], "as a new node, from anywhere");
}

#[test]
fn large_pools_exchange_state_less_often() {
    let mut pool = Pool::new();
    let mut seen = Vec::new();
    for host in 1..=129_u32 {
        seen.push((pool.membership.node_count(), pool.membership.push_pull_interval().as_secs()));
        let name = format!("n{host}");
        pool.packet(encode(Kind::Alive, &alive(&name, host as u8, 1)));
    }
    for (nodes, seconds) in [(1, 30), (32, 30), (33, 60), (64, 60), (65, 90), (128, 90), (129, 120)] {
        assert!(seen.contains(&(nodes, seconds)), "{nodes} nodes");
    }
}

#[test]
fn probes_are_counted_with_the_time_they_took() {
    let mut well = probed(&["a"]);
    well.pool.now += ms(20);
    well.ack();
    let measures = well.pool.membership.take_measures();
    assert_eq!((measures.probes.iter().collect::<Vec<_>>(), measures.degraded_probes), (vec![20.0], 0));

    let mut unwell = probed(&["a"]);
    unwell.pool.membership.health.worse(1);
    unwell.advance(ms(500));
    unwell.advance(ms(500));
    assert_eq!(unwell.pool.membership.take_measures().probes.iter().collect::<Vec<_>>(), [1_000.0]);
    unwell.pool.membership.start_probe(unwell.pool.now, &mut unwell.pool.up);
    if unwell.pool.membership.probing.is_none() {
        unwell.pool.membership.start_probe(unwell.pool.now, &mut unwell.pool.up);
    }
    assert_eq!(unwell.pool.membership.take_measures().degraded_probes, 1);
}

#[test]
fn a_probe_gets_back_the_time_we_stood_still() {
    for (threshold, state) in [(Profile::lan().pause_threshold, NodeState::Alive), (Duration::MAX, NodeState::Suspect)]
    {
        let mut probed = probed(&["a"]);
        probed.pool.membership.settings.profile.pause_threshold = threshold;
        probed.pool.now += ms(5_000);
        let now = probed.pool.now;
        probed.pool.membership.tick(now, &mut probed.pool.up);
        assert_eq!(probed.state(), state);
        probed.ack();
        assert!(probed.pool.heard().is_empty(), "a time in which we stood still says nothing of the round trip");
    }
}
