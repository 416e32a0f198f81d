//! Servers come and go.

use super::are;
use super::harness::{Cluster, address_of, until};
use crate::{ChangeError, State};

fn voters(cluster: &Cluster, place: usize) -> usize {
    cluster.server(place).status().members.iter().filter(|member| member.voter).count()
}

/// Makes a change at whoever leads, as often as it takes.
macro_rules! change {
    ($cluster:expr, $leader:ident => $change:expr) => {
        loop {
            let $leader = $cluster.leader().await;
            match $change.await {
                Ok(()) => break,
                Err(ChangeError::InProgress | ChangeError::NotLeader { .. } | ChangeError::LeadershipLost) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_to_five_and_shrinks_to_three() {
    let mut cluster = Cluster::new(5);
    for place in 0..5 {
        cluster.start(place).await;
    }
    let servers: Vec<_> = (0..3).map(|place| (cluster.places[place].id, address_of(place), true)).collect();
    cluster.server(0).bootstrap(&servers).await.unwrap();
    cluster.propose(0..10).await;

    for place in [3, 4] {
        let id = cluster.places[place].id;
        change!(cluster, leader => cluster.server(leader).add_nonvoter(id, &address_of(place)));
        // A second time changes nothing.
        change!(cluster, leader => cluster.server(leader).add_nonvoter(id, &address_of(place)));
    }
    cluster.agree(&[0, 1, 2, 3, 4], are(0..10)).await;
    let leader = cluster.leader().await;
    assert_eq!((cluster.server(leader).status().members.len(), voters(&cluster, leader)), (5, 3));
    until("a non-voter hears its leader", || cluster.server(4).status().leader.is_some()).await;

    for place in [3, 4] {
        let id = cluster.places[place].id;
        change!(cluster, leader => cluster.server(leader).promote(id));
    }
    cluster.propose(10..20).await;
    cluster.agree(&[0, 1, 2, 3, 4], are(0..20)).await;
    until("all know five voters", || (0..5).all(|place| voters(&cluster, place) == 5)).await;

    // Three of five are a quorum.
    let leader = cluster.leader().await;
    let gone: Vec<_> = cluster.followers(leader).into_iter().take(2).collect();
    for place in &gone {
        cluster.crash(*place, 0, false).await;
    }
    cluster.propose(20..30).await;
    for place in &gone {
        let id = cluster.places[*place].id;
        change!(cluster, leader => cluster.server(leader).remove(id));
    }
    cluster.propose(30..40).await;
    let left: Vec<_> = cluster.running().collect();
    cluster.agree(&left, are(0..40)).await;
    until("all know three voters", || left.iter().all(|place| voters(&cluster, *place) == 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_server_that_runs_knows_it_and_stays_quiet() {
    let cluster = Cluster::formed(3).await;
    let leader = cluster.propose(0..10).await;
    cluster.agree(&[0, 1, 2], are(0..10)).await;
    let removed = cluster.followers(leader)[0];
    let id = cluster.places[removed].id;
    change!(cluster, leader => cluster.server(leader).remove(id));
    let term = cluster.server(removed).status().term;
    until("it knows", || {
        let status = cluster.server(removed).status();
        status.members.iter().all(|member| member.id != id) && status.leader.is_none()
    })
    .await;
    cluster.propose(10..30).await;
    let status = cluster.server(removed).status();
    assert_eq!((status.state, status.term), (State::Follower, term));

    // It is taken in again.
    change!(cluster, leader => cluster.server(leader).add_nonvoter(id, &address_of(removed)));
    cluster.agree(&[0, 1, 2], are(0..30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_removes_itself_steps_down() {
    let cluster = Cluster::formed(3).await;
    let old = cluster.propose(0..10).await;
    let id = cluster.places[old].id;
    cluster.server(old).remove(id).await.unwrap();
    let new = cluster.leader_but(Some(old)).await;
    cluster.propose(10..20).await;
    cluster.agree(&cluster.followers(old), are(0..20)).await;
    assert_eq!(cluster.server(new).status().members.len(), 2);
    until("it steps down", || cluster.server(old).status().state == State::Follower).await;
    assert!(cluster.server(old).status().members.iter().all(|member| member.id != id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_two_leads_on_when_the_leader_is_removed() {
    let cluster = Cluster::formed(2).await;
    let old = cluster.propose(0..10).await;
    cluster.server(old).remove(cluster.places[old].id).await.unwrap();
    let new = cluster.leader_but(Some(old)).await;
    cluster.server(new).propose(super::command(10)).await.unwrap();
    assert_eq!(cluster.server(new).status().members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_are_taken_and_addresses_change() {
    let cluster = Cluster::formed(3).await;
    let leader = cluster.propose(0..5).await;
    let other = cluster.followers(leader)[0];
    let id = cluster.places[other].id;
    change!(cluster, leader => cluster.server(leader).demote(id));
    change!(cluster, leader => cluster.server(leader).set_address(id, "10.9.9.9:8300"));
    let leader = cluster.propose(5..10).await;
    cluster.agree(&[0, 1, 2], are(0..10)).await;
    let members = cluster.server(leader).status().members;
    let member = members.iter().find(|member| member.id == id).unwrap();
    assert_eq!((member.voter, member.address.as_str()), (false, "10.9.9.9:8300"));

    let stranger = crate::ServerId::from_bytes([77; 16]);
    let text = format!("id \"{stranger}\" was not found in the Raft configuration");
    for refused in [
        cluster.server(leader).promote(stranger).await,
        cluster.server(leader).demote(stranger).await,
        cluster.server(leader).set_address(stranger, "10.9.9.9:8300").await,
    ] {
        assert_eq!(refused, Err(ChangeError::Refused(text.clone())));
    }
    cluster.server(leader).remove(stranger).await.unwrap();
    let follower = cluster.server(cluster.followers(leader)[0]);
    assert!(matches!(follower.remove(stranger).await, Err(ChangeError::NotLeader { leader: Some(_) })));
}
