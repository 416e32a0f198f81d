//! Watches over the servers: how healthy they are, who may vote, and who is gone for good
//! (`docs/spec/server-operations.md` §5).
//!
//! Every server computes the state; only the leader acts on it. Each step is decided by a pure function of what is
//! known (`compute.rs`, `promotion.rs`, `pruning.rs`); `facts.rs` gathers it.

mod compute;
mod facts;
mod promotion;
mod pruning;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use consensus::ServerId;
use facts::Facts;
pub(crate) use facts::own_stats;
use futures_util::future::join_all;
use parking_lot::Mutex;
use telemetry::metrics::{self, Gauge};
use tokio::sync::Notify;
use tokio::time::Instant;
use types::AutopilotConfig;
use types::autopilot::AutopilotState;
use wire::GoTime;

use crate::leader::ticker;
use crate::server::Shared;

/// Between two computations of the state.
const UPDATE_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks for servers to promote or to remove.
const ACT_INTERVAL: Duration = Duration::from_secs(10);

static FAILURE_TOLERANCE: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge("autopilot.failure_tolerance"));
static HEALTHY: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge("autopilot.healthy"));

/// Where the state is to be found, and how autopilot is woken.
#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<Option<Arc<AutopilotState>>>,
    prune: Notify,
}

impl Board {
    /// The state as computed last; nothing right after the start.
    pub(crate) fn state(&self) -> Option<Arc<AutopilotState>> {
        self.state.lock().clone()
    }

    /// Looks for servers to remove as soon as possible: another one has come.
    pub(crate) fn prune_soon(&self) {
        self.prune.notify_one();
    }
}

/// Runs until the server stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.stopping.cancelled() => {}
        () = watch_over(&shared) => {}
    }
}

async fn watch_over(shared: &Shared) {
    let began = Instant::now();
    let (mut update, mut act) = (ticker(UPDATE_INTERVAL), ticker(ACT_INTERVAL));
    loop {
        tokio::select! {
            biased;
            _ = update.tick() => refresh(shared).await,
            _ = act.tick() => {
                if acts(shared) && !promote(shared, began.elapsed()).await {
                    prune(shared, began.elapsed()).await;
                }
            }
            () = shared.autopilot.prune.notified() => {
                if acts(shared) {
                    prune(shared, began.elapsed()).await;
                }
            }
        }
    }
}

/// Only the leader acts, once it has taken up its duties.
fn acts(shared: &Shared) -> bool {
    shared.leading().is_some_and(|term| shared.standing.borrow().ready == term)
}

fn configuration(shared: &Shared) -> AutopilotConfig {
    let stored = shared.store.snapshot().autopilot_config().1;
    stored.map_or_else(|| shared.config.autopilot.clone(), Arc::unwrap_or_clone)
}

/// Computes the state anew.
async fn refresh(shared: &Shared) {
    let status = shared.consensus.status();
    let log_end = compute::LogEnd { term: status.last_log_term, index: status.last_log_index };
    let leader = status.leader.as_ref().map(|(id, _)| id.to_string());
    let mut facts = Facts::gather(shared, &status);
    facts::ask(shared, &mut facts).await;
    let before = shared.autopilot.state();
    let config = configuration(shared);
    let state = compute::state(before.as_deref(), &facts, log_end, leader.as_deref(), &config, now());
    FAILURE_TOLERANCE.set(state.failure_tolerance as f64);
    HEALTHY.set(if state.healthy { 1.0 } else { 0.0 });
    *shared.autopilot.state.lock() = Some(Arc::new(state));
}

/// Gives votes to those who have earned them, and takes them from those whom others stand in for; whether it did.
async fn promote(shared: &Shared, running: Duration) -> bool {
    let Some(state) = shared.autopilot.state() else { return false };
    let round = promotion::plan(&state, &configuration(shared), running, now());
    for id in &round.promote {
        tracing::info!(target: "agent.server.autopilot", id = id.as_str(), "Promoting server");
        let Ok(id) = id.parse::<ServerId>() else { continue };
        if let Err(error) = shared.change_raft(|| shared.consensus.promote(id)).await {
            tracing::error!(target: "agent.server.autopilot", id = %id, error = %error, "failed to promote server");
        }
    }
    for id in &round.demote {
        tracing::info!(target: "agent.server.autopilot", id = id.as_str(), "Demoting server");
        let Ok(id) = id.parse::<ServerId>() else { continue };
        if let Err(error) = shared.change_raft(|| shared.consensus.demote(id)).await {
            tracing::error!(target: "agent.server.autopilot", id = %id, error = %error, "failed to demote server");
        }
    }
    !round.promote.is_empty() || !round.demote.is_empty()
}

/// Removes servers that are gone.
async fn prune(shared: &Shared, running: Duration) {
    let facts = Facts::gather(shared, &shared.consensus.status());
    let own = shared.config.node_id.to_string();
    let pruning = pruning::plan(&facts, &configuration(shared), &own, running);
    for id in &pruning.remove {
        tracing::info!(target: "agent.server.autopilot", id = id.as_str(), "removing stale server");
        let Ok(id) = id.parse::<ServerId>() else { continue };
        if let Err(error) = shared.change_raft(|| shared.consensus.remove(id)).await {
            tracing::error!(target: "agent.server.autopilot", id = %id, error = %error, "failed to remove server");
        }
    }
    join_all(pruning.force_leave.iter().map(|name| force_leave(shared, name))).await;
}

/// Declares a server gone, in both pools.
async fn force_leave(shared: &Shared, name: &str) {
    tracing::info!(target: "agent.server.autopilot", name, "Attempting removal of failed server node");
    if let Err(error) = shared.members.lan().force_leave(name, false).await {
        tracing::error!(target: "agent.server.autopilot", name, error, "failed to remove server");
    }
    let Some(wan) = shared.members.wan() else { return };
    let name = format!("{name}.{}", shared.config.datacenter);
    if wan.members().iter().any(|member| member.name == name)
        && let Err(error) = wan.force_leave(&name, false).await
    {
        tracing::error!(target: "agent.server.autopilot", name, error, "failed to remove server");
    }
}

fn now() -> GoTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    GoTime::from_unix(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX), since_1970.subsec_nanos())
}

/// How long ago something was; zero if it lies ahead.
fn age(now: GoTime, since: GoTime) -> Duration {
    let nanos = |time: GoTime| i128::from(time.unix_seconds()) * 1_000_000_000 + i128::from(time.nanos());
    u64::try_from(nanos(now) - nanos(since)).map_or(Duration::ZERO, Duration::from_nanos)
}
