//! Makes every server of the datacenter a member of the pool of servers (`docs/spec/gossip.md` §18.6).

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::{Gossip, Status};
use tokio_util::sync::CancellationToken;
use types::server_info::ServerInfo;

/// Between two looks, and after each change of the datacenter's members.
const INTERVAL: Duration = Duration::from_secs(60);

/// Runs until the agent stops.
pub(super) async fn run(lan: Gossip, wan: Gossip, datacenter: String, stopping: CancellationToken) {
    let mut members = lan.watch_members();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = join_missing(&lan, &wan, &datacenter) => {}
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            changed = members.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn join_missing(lan: &Gossip, wan: &Gossip, datacenter: &str) {
    for address in missing(lan, wan, datacenter) {
        match wan.join(std::slice::from_ref(&address), true).await {
            Ok(_) => {
                tracing::debug!(target: "agent.server", server = address, "Successfully performed flood-join for server")
            }
            Err(error) => {
                tracing::debug!(target: "agent.server", server = address, error, "Failed to flood-join server")
            }
        }
    }
}

/// Servers that the pool of servers does not have, as addresses to join: `name/ip:port`.
fn missing(lan: &Gossip, wan: &Gossip, datacenter: &str) -> Vec<String> {
    let there: BTreeSet<String> = wan.members().iter().map(|member| member.name.clone()).collect();
    let members = lan.members();
    let servers = members.iter().filter(|member| member.status == Status::Alive).filter_map(|member| {
        let info = ServerInfo::from_tags(&member.name, member.address, &member.tags)?;
        let name = format!("{}.{datacenter}", member.name);
        let port = info.wan_join_port.filter(|_| info.datacenter == datacenter && !there.contains(&name))?;
        Some(format!("{name}/{}", std::net::SocketAddr::new(member.address, port)))
    });
    servers.collect()
}
