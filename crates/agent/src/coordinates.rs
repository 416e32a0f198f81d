//! Tells the servers where this node is in the network's latency space (`docs/spec/gossip.md` §17.3).

use std::sync::Arc;
use std::time::Duration;

use gossip::{Member, Status};
use types::CoordinateUpdate;
use types::method::CoordinateUpdateOne;
use types::server_info::ServerInfo;

use crate::Agent;

/// Updates all agents of a datacenter may send in a second, together.
const TARGET_RATE: f64 = 64.0;
/// Between two updates of an agent, at least.
const INTERVAL_MIN: Duration = Duration::from_secs(15);
/// Version of the agents' protocol from which servers take coordinates.
const PROTOCOL: i64 = 3;

/// Sends until the agent stops.
pub(crate) async fn send(agent: Arc<Agent>) {
    loop {
        let members = agent.pools().lan.members();
        let interval = interval(members.len());
        tokio::select! {
            () = agent.stopping().cancelled() => return,
            () = tokio::time::sleep(interval + interval.mul_f64(fraction())) => {}
        }
        if !servers_take_them(&agent.pools().lan.members()) {
            continue;
        }
        let request = CoordinateUpdate {
            datacenter: agent.identity().datacenter.clone(),
            node: agent.identity().node_name.clone(),
            coord: Some(agent.pools().lan.coordinate()),
            ..CoordinateUpdate::default()
        };
        if let Err(error) = agent.call::<CoordinateUpdateOne>(request).await {
            tracing::error!(target: "agent", error = %error, "Coordinate update error");
        }
    }
}

/// The more agents there are, the less often each of them tells.
fn interval(members: usize) -> Duration {
    Duration::from_secs_f64(members as f64 / TARGET_RATE).max(INTERVAL_MIN)
}

fn servers_take_them(members: &[Arc<Member>]) -> bool {
    let takes = |member: &Member| {
        let version = |tag: &str| member.tags.get(tag).and_then(|text| text.parse::<i64>().ok());
        let (Some(min), Some(max)) = (version("vsn_min"), version("vsn_max")) else { return false };
        (min..=max).contains(&PROTOCOL)
    };
    let mut servers = members
        .iter()
        .filter(|member| member.status == Status::Alive)
        .filter(|member| ServerInfo::from_tags(&member.name, member.address, &member.tags).is_some())
        .peekable();
    servers.peek().is_some() && servers.all(|member| takes(member))
}

/// A random number in `[0, 1)`.
fn fraction() -> f64 {
    uuid::Uuid::new_v4().as_u64_pair().0 as f64 / 2_f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_clusters_tell_less_often() {
        assert_eq!(interval(3), Duration::from_secs(15));
        assert_eq!(interval(960), Duration::from_secs(15));
        assert_eq!(interval(6400), Duration::from_secs(100));
    }
}
