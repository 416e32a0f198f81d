//! What goes wrong, one thing at a time, each for a while.

use std::time::Duration;

use crate::chance::Chance;
use crate::cluster::Cluster;
use crate::net::{Conditions, Crash};

/// Longest halt of a host: long enough to lose an election, to be suspected, and to be declared dead.
const PAUSE_MAX: Duration = Duration::from_secs(12);
const PAUSE_MIN: Duration = Duration::from_millis(300);
/// A bad network.
const LOSS: f64 = 0.2;
const LATENCY_MAX: Duration = Duration::from_millis(150);

/// Does something to the cluster; answers what, for who reads the log.
pub(crate) async fn strike(cluster: &mut Cluster, chance: &mut Chance) -> String {
    let servers = cluster.servers();
    let hosts = cluster.hosts();
    // Every other time the leader is the one.
    let leader = cluster.leader();
    let victim = leader.filter(|_| chance.hits(0.5)).unwrap_or_else(|| chance.index(servers));
    let how = if chance.hits(0.5) { Crash::Killed } else { Crash::PowerCut };
    match chance.below(13) {
        0 => isolate(cluster, victim, true, true),
        1 => isolate(cluster, victim, true, false),
        2 => isolate(cluster, victim, false, true),
        3 => {
            let sides: Vec<bool> = (0..hosts).map(|_| chance.hits(0.5)).collect();
            split(cluster, &sides)
        }
        4 | 5 => {
            cluster.crash(victim, how);
            format!("{} is down ({how:?})", cluster.name(victim))
        }
        6 => {
            // A quorum less one.
            let first = chance.index(servers);
            let gone: Vec<usize> = (0..servers / 2 + 1).map(|n| (first + n) % servers).collect();
            gone.iter().for_each(|place| cluster.crash(*place, how));
            format!("servers {gone:?} are down ({how:?})")
        }
        7 => {
            (0..servers).for_each(|place| cluster.crash(place, Crash::PowerCut));
            "the power of all servers is cut".to_owned()
        }
        8 => {
            let client = servers + chance.index(hosts - servers);
            if client == hosts {
                return "nothing".to_owned();
            }
            cluster.crash(client, how);
            format!("{} is down ({how:?})", cluster.name(client))
        }
        9 => {
            let host = chance.index(hosts);
            let length = chance.time(&(PAUSE_MIN..PAUSE_MAX));
            cluster.net().pause(cluster.address(host), length);
            format!("{} halts for {length:?}", cluster.name(host))
        }
        10 => {
            let host = chance.index(hosts);
            cluster.net().reset(cluster.address(host));
            format!("all connections of {} break", cluster.name(host))
        }
        11 => {
            let latency = Duration::from_millis(1)..LATENCY_MAX;
            cluster.net().set_conditions(Conditions { latency, loss: LOSS });
            "the network is bad".to_owned()
        }
        _ => {
            // Down and up again at once: what it had not synced is gone, and nobody may have noticed.
            cluster.crash(victim, how);
            cluster.boot(victim).await;
            format!("{} restarted ({how:?})", cluster.name(victim))
        }
    }
}

fn isolate(cluster: &Cluster, place: usize, out: bool, back: bool) -> String {
    let ours = cluster.address(place);
    for other in (0..cluster.hosts()).filter(|other| *other != place) {
        let theirs = cluster.address(other);
        if out {
            cluster.net().block(ours, theirs);
        }
        if back {
            cluster.net().block(theirs, ours);
        }
    }
    let direction = match (out, back) {
        (true, false) => "is not heard",
        (false, true) => "hears nothing",
        _ => "is cut off",
    };
    format!("{} {direction}", cluster.name(place))
}

fn split(cluster: &Cluster, sides: &[bool]) -> String {
    let pairs = (0..sides.len()).flat_map(|a| (0..sides.len()).map(move |b| (a, b)));
    for (a, b) in pairs.filter(|(a, b)| sides[*a] != sides[*b]) {
        cluster.net().block(cluster.address(a), cluster.address(b));
    }
    let side: Vec<&str> = (0..sides.len()).filter(|place| sides[*place]).map(|place| cluster.name(place)).collect();
    format!("{side:?} are cut off from the others")
}

/// Undoes all of it.
pub(crate) async fn mend(cluster: &mut Cluster) {
    cluster.net().heal();
    cluster.net().set_conditions(Conditions::calm());
    cluster.boot_all().await;
}
