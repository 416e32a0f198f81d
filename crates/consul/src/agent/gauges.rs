//! Figures that are read at intervals instead of counted: the process, the state's size, Raft's indexes
//! (`docs/spec/server-operations.md` §17.4).

use std::sync::Arc;
use std::time::Duration;

use agent::Agent;
use agent::server::Server;
use agent::server::consensus::State;
use telemetry::metrics::{self, gauge, gauge_with};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two readings of the process' own figures.
const RUNTIME_INTERVAL: Duration = Duration::from_secs(1);
/// Readings of the process for one of the state.
const RUNTIME_READINGS_A_STATE_READING: u32 = 9;

/// Starts the readings; they end with `stopping`.
pub(super) fn start(agent: Arc<Agent>, stopping: CancellationToken) -> JoinHandle<()> {
    gauge_with("version", &[("version", types::COMPATIBLE_VERSION), ("pre_release", "")]).set(1.0);
    tokio::spawn(async move {
        let mut ticks = interval(RUNTIME_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut readings = 0;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            metrics::collect_runtime(tokio::runtime::Handle::current().metrics().num_alive_tasks());
            if readings % RUNTIME_READINGS_A_STATE_READING == 0
                && let Some(server) = agent.server()
            {
                read_raft(server);
                read_state(&agent, server);
            }
            readings = readings.wrapping_add(1);
        }
    })
}

fn read_raft(server: &Server) {
    let status = server.consensus_status();
    let leads = status.state == State::Leader;
    gauge("server.isLeader").set(if leads { 1.0 } else { 0.0 });
    gauge("raft.applied_index").set(status.applied_index as f64);
    gauge("raft.last_index").set(status.last_log_index as f64);
    gauge("raft.peers").set(status.members.len() as f64);
}

fn read_state(agent: &Agent, server: &Server) {
    let (_, usage) = server.store().snapshot().usage();
    let datacenter = [("datacenter", agent.identity().datacenter.as_str())];
    let plain = [
        ("state.nodes", usage.nodes),
        ("state.services", usage.service_names),
        ("state.service_instances", usage.services),
        ("state.kv_entries", usage.kv_entries),
    ];
    for (name, count) in plain {
        gauge_with(name, &datacenter).set(count as f64);
    }
    let kinds = [
        ("connect-proxy", usage.connect_proxies),
        ("ingress-gateway", usage.ingress_gateways),
        ("mesh-gateway", usage.mesh_gateways),
        ("terminating-gateway", usage.terminating_gateways),
        ("connect-native", usage.connect_native),
    ];
    for (kind, count) in kinds {
        gauge_with("state.connect_instances", &[datacenter[0], ("kind", kind)]).set(count as f64);
    }
}
