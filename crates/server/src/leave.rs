//! How a server leaves so that nobody misses it (`docs/spec/server-operations.md` §7.2).

use std::time::Duration;

use crate::server::{Server, Shared};

/// How long a follower waits for the leader to take it out of Raft, and how often it looks.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(5);
const REMOVAL_POLL: Duration = Duration::from_millis(50);

impl Server {
    /// Hands the leadership on, leaves the pools, lets requests under way end, and waits until the others
    /// have taken this server out of Raft. The last voter stays in it, so that it leads again after a restart.
    /// [`Server::stop`] is still to be called.
    pub async fn leave(&self) {
        tokio::select! {
            () = self.shared.stopping.cancelled() => {}
            () = leave(&self.shared) => {}
        }
    }
}

async fn leave(shared: &Shared) {
    tracing::info!(target: "agent.server", "server starting leave");
    hand_on(shared).await;
    if let Some(wan) = shared.members.wan()
        && let Err(error) = wan.leave().await
    {
        tracing::error!(target: "agent.server", error, "failed to leave WAN Serf cluster");
    }
    if let Err(error) = shared.members.lan().leave().await {
        tracing::error!(target: "agent.server", error, "failed to leave LAN Serf cluster");
    }
    // From now on requests that need the leader are refused, so that clients turn to other servers.
    shared.leaving.cancel();
    tracing::info!(target: "agent.server", "Waiting to drain RPC traffic");
    tokio::time::sleep(shared.config.leave_drain_time).await;
    if shared.leads_raft() {
        return;
    }
    if tokio::time::timeout(REMOVAL_TIMEOUT, removal(shared)).await.is_err() {
        tracing::warn!(target: "agent.server", "failed to leave raft configuration gracefully, timeout");
    }
}

/// A leader with other voters behind it gives the leadership to one of them; if that fails it takes itself out.
async fn hand_on(shared: &Shared) {
    let voters = shared.consensus.status().members.iter().filter(|member| member.voter).count();
    if !shared.leads_raft() || voters < 2 {
        return;
    }
    let Err(error) = shared.consensus.transfer_leadership().await else { return };
    tracing::error!(target: "agent.server", error = %error,
        "failed to transfer leadership, removing the server");
    let removed = shared.change_raft(|| shared.consensus.remove(shared.config.node_id)).await;
    if let Err(error) = removed {
        tracing::error!(target: "agent.server", error = %error, "failed to remove ourself as a Raft peer");
    }
}

/// Returns once this server has no part in Raft any more.
async fn removal(shared: &Shared) {
    let mut poll = tokio::time::interval(REMOVAL_POLL);
    let own = shared.config.node_id;
    while shared.consensus.status().members.iter().any(|member| member.id == own) {
        poll.tick().await;
    }
}
