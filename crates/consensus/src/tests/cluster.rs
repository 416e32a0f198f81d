//! Several servers: elections, replication, changes of the configuration, snapshots, partitions, crashes.

mod crashes;
mod fabric;
mod harness;
mod membership;

use std::time::Duration;

use fabric::Cut;
use harness::{Cluster, address_of, command, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::log::backend::LogBackend;
use crate::{Error, ProposeError, State};

/// Whether commands are these numbers. One whose first try was not acknowledged may be there twice.
fn are(numbers: std::ops::Range<u64>) -> impl Fn(&[Vec<u8>]) -> bool {
    let expected: Vec<_> = numbers.map(|number| command(number).to_vec()).collect();
    move |commands| {
        let mut distinct = commands.to_vec();
        distinct.dedup();
        distinct == expected
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_replicate_and_outlive_their_leader() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.propose(0..20).await;
    cluster.agree(&[0, 1, 2], are(0..20)).await;
    let known = Some((cluster.places[leader].id, address_of(leader)));
    assert_eq!(cluster.server(leader).status().last_contact, Some(Duration::ZERO));
    for follower in cluster.followers(leader) {
        let leadership = cluster.server(follower).leadership();
        until("a follower knows its leader", || leadership.borrow().leader == known).await;
        let status = cluster.server(follower).status();
        assert_eq!((status.state, status.members.len()), (State::Follower, 3));
        assert!(status.last_contact.is_some());
        let refused = cluster.server(follower).propose(command(99)).await;
        assert_eq!(refused, Err(ProposeError::NotLeader { leader: known.clone() }));
    }
    cluster.server(leader).read_barrier().await.unwrap();
    cluster.server(leader).barrier().await.unwrap();

    cluster.crash(leader, 0, false).await;
    cluster.propose(20..40).await;
    cluster.start(leader).await;
    cluster.propose(40..50).await;
    cluster.agree(&[0, 1, 2], are(0..50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_stopped_as_a_whole_goes_on() {
    let mut cluster = Cluster::formed(3).await;
    cluster.propose(0..10).await;
    cluster.agree(&[0, 1, 2], are(0..10)).await;
    for place in 0..3 {
        cluster.stop(place).await;
    }
    for place in 0..3 {
        cluster.start(place).await;
    }
    cluster.propose(10..20).await;
    cluster.agree(&[0, 1, 2], are(0..20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stretch_of_entries_reaches_a_follower_that_was_away() {
    let mut cluster = Cluster::formed(3).await;
    let leader = cluster.propose(0..1).await;
    let away = cluster.followers(leader)[0];
    cluster.stop(away).await;
    cluster.propose(1..600).await;
    cluster.start(away).await;
    cluster.agree(&[0, 1, 2], are(0..600)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_whose_entries_are_gone_from_the_log_gets_a_snapshot() {
    let mut cluster = Cluster::new(3);
    cluster.trailing_logs = 0;
    let mut cluster = formed_from(cluster).await;
    let leader = cluster.propose(0..5).await;
    let away = cluster.followers(leader)[0];
    cluster.stop(away).await;
    let leader = cluster.propose(5..100).await;
    let taken = cluster.server(leader).take_snapshot().await.unwrap();
    let disk = cluster.places[leader].disk.clone();
    until("the entries are gone", || disk.bounds().unwrap().is_none_or(|(first, _)| first > taken.index)).await;

    cluster.start(away).await;
    cluster.propose(100..120).await;
    cluster.agree(&[0, 1, 2], are(0..120)).await;
    assert!(cluster.server(away).status().last_snapshot_index >= taken.index);

    cluster.crash(away, 0, false).await;
    cluster.start(away).await;
    cluster.propose(120..130).await;
    cluster.agree(&[0, 1, 2], are(0..130)).await;
}

async fn formed_from(mut cluster: Cluster) -> Cluster {
    let servers: Vec<_> = (0..3).map(|place| (cluster.places[place].id, address_of(place), true)).collect();
    for place in 0..3 {
        cluster.start(place).await;
    }
    // One is told, the others hear of it from that one.
    cluster.server(0).bootstrap(&servers).await.unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_stops_leading_and_answers_what_is_under_way() {
    for cut in [Cut::Broken, Cut::Silent] {
        let cluster = Cluster::formed(3).await;
        let old = cluster.propose(0..10).await;
        cluster.fabric.isolate(cluster.places[old].id, cut);
        // Perhaps still taken as leader, but never acknowledged.
        let lost = cluster.server(old).propose(command(1000)).await;
        assert!(matches!(lost, Err(ProposeError::LeadershipLost | ProposeError::NotLeader { .. })), "{lost:?}");
        assert!(cluster.server(old).read_barrier().await.is_err());
        let mut leadership = cluster.server(old).leadership();
        let now = leadership.wait_for(|now| now.state != State::Leader).await.unwrap().clone();
        assert_eq!((now.leader, cluster.server(old).is_leader()), (None, false), "{cut:?}");

        let new = cluster.leader_but(Some(old)).await;
        cluster.server(new).propose(command(10)).await.unwrap();
        cluster.fabric.heal();
        cluster.propose(11..20).await;
        cluster.agree(&[0, 1, 2], are(0..20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_cut_off_for_long_does_not_disturb_the_others_when_it_is_back() {
    let cluster = Cluster::formed(3).await;
    let leader = cluster.propose(0..10).await;
    let away = cluster.followers(leader)[0];
    let term = cluster.server(leader).status().term;
    cluster.fabric.isolate(cluster.places[away].id, Cut::Broken);
    until("the leader is given up", || cluster.server(away).status().leader.is_none()).await;
    cluster.propose(10..15).await;
    assert_eq!(cluster.server(away).status().term, term, "it asks before it raises the term");
    cluster.fabric.heal();
    cluster.propose(15..20).await;
    cluster.agree(&[0, 1, 2], are(0..20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leadership_is_handed_over() {
    let cluster = Cluster::formed(3).await;
    let old = cluster.propose(0..10).await;
    cluster.server(old).transfer_leadership().await.unwrap();
    assert!(!cluster.server(old).is_leader());
    let new = cluster.propose(10..20).await;
    assert_ne!(new, old);
    cluster.agree(&[0, 1, 2], are(0..20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_survivor_is_recovered_with_all_it_has() {
    let mut cluster = Cluster::formed(3).await;
    cluster.propose(0..30).await;
    cluster.agree(&[0, 1, 2], are(0..30)).await;
    for place in 0..3 {
        cluster.stop(place).await;
    }
    let alone = vec![(cluster.places[0].id, address_of(0), true)];
    cluster.start_with(0, Some(alone.clone())).await.unwrap();
    assert_eq!(cluster.propose(30..40).await, 0);
    assert!(are(0..40)(&cluster.places[0].ledger.commands()));
    let status = cluster.server(0).status();
    assert_eq!((status.members.len(), status.configuration_index), (1, 1));

    // The file that asks for it may still be there at the next start.
    cluster.stop(0).await;
    cluster.start_with(0, Some(alone)).await.unwrap();
    cluster.stop(0).await;
    cluster.start(0).await;
    cluster.propose(40..50).await;
    assert!(are(0..50)(&cluster.places[0].ledger.commands()));
}

#[tokio::test]
async fn a_server_that_has_nothing_is_not_recovered() {
    let mut cluster = Cluster::new(1);
    let servers = vec![(cluster.places[0].id, address_of(0), true)];
    let refused = cluster.start_with(0, Some(servers)).await;
    assert!(matches!(refused, Err(Error::NothingToRecover)), "{refused:?}");
}

#[tokio::test]
async fn what_does_not_speak_our_protocol_is_hung_up_on() {
    let mut cluster = Cluster::new(1);
    cluster.start(0).await;
    let (mut here, there) = tokio::io::duplex(1024);
    let serving = tokio::spawn(cluster.server(0).serve(Box::new(there)));
    here.write_all(b"\x00\x87\xa4Addr\xa1x and more").await.unwrap();
    let mut answer = Vec::new();
    here.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"");
    serving.await.unwrap();
    assert!(cluster.server(0).pristine());
}
