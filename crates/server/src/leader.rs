//! What only the leader does: it looks after sessions, tombstones, coordinates, the members' registrations, the other
//! servers and the mesh's certificate authority.
//!
//! One task owns all duties. It wakes for effects of applied commands, for timers, for changes of members and for
//! changes of leadership. Everything it holds is taken up anew in each term (`docs/spec/server-operations.md` §2).

mod ca;
mod peers;
mod reconcile;
mod upkeep;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use consensus::State;
use state::{Effect, Outcome};
use telemetry::metrics::{self, Sample};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use types::autopilot::AutopilotSetConfigRequest;
use types::command::{SystemMetadataEntry, SystemMetadataRequest};
use types::{MessageType, RpcError};

use crate::members::Change;
use crate::server::Shared;
use crate::standing::Standing;
use crate::tombstone_gc::TombstoneGc;

/// Between two repairs of what the leader looks after.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(60);
/// How long everything that was acknowledged before may take to be applied.
const BARRIER_TIMEOUT: Duration = Duration::from_secs(120);
/// Pause after duties could not be taken up.
const ESTABLISH_RETRY: Duration = Duration::from_secs(5);
/// How often a leader that cannot take up its duties tries to hand the leadership on.
const TRANSFER_TRIES: u32 = 3;
/// Every agent takes it as a sign that the cluster works again.
const NEW_LEADER_EVENT: &str = "consul:new-leader";
/// Switches every server of this version understands (`docs/spec/server-operations.md` §2.8).
const SYSTEM_METADATA: [(&str, &str); 3] =
    [("intention-format", "config-entry"), ("virtual-ips", "true"), ("virtual-ips-term-gateway", "true")];

static BARRIER_TIME: LazyLock<Sample> = LazyLock::new(|| metrics::sample("leader.barrier"));

/// The task of the leader's duties.
pub(crate) struct Leader {
    shared: Arc<Shared>,
    effects: mpsc::UnboundedReceiver<Effect>,
    changes: mpsc::Receiver<Change>,
    tombstones: TombstoneGc,
    /// Zero point of the tombstones' clock.
    epoch: Instant,
    /// The term this server leads in.
    leading: Option<u64>,
    reconcile: Interval,
    failed_ends: HashMap<String, u32>,
    ca_retry: ca::Retry,
}

impl Leader {
    /// Must be called in the runtime.
    pub(crate) fn new(
        shared: Arc<Shared>,
        effects: mpsc::UnboundedReceiver<Effect>,
        changes: mpsc::Receiver<Change>,
    ) -> Leader {
        Leader {
            shared,
            effects,
            changes,
            tombstones: TombstoneGc::default(),
            epoch: Instant::now(),
            leading: None,
            reconcile: ticker(RECONCILE_INTERVAL),
            failed_ends: HashMap::new(),
            ca_retry: ca::Retry::default(),
        }
    }

    /// Runs until the server stops.
    pub(crate) async fn run(mut self) {
        let shared = self.shared.clone();
        let mut leadership = shared.consensus.leadership();
        let mut coordinates = ticker(shared.config.coordinate_flush);
        loop {
            leadership.borrow_and_update();
            self.follow_leadership().await;
            let leads = self.leading.is_some();
            let reap = self.tombstones.next().map(|end| self.epoch + end);
            tokio::select! {
                () = shared.stopping.cancelled() => return self.revoke(),
                changed = leadership.changed() => if changed.is_err() { return self.revoke() },
                Some(effect) = self.effects.recv() => self.heed(effect).await,
                id = shared.sessions.expired(), if leads => self.end_sessions(id).await,
                () = sleep_until(reap), if leads => self.reap_tombstones().await,
                () = sleep_until(self.ca_retry.at()), if leads => self.initialize_ca().await,
                _ = coordinates.tick(), if leads => self.flush_coordinates().await,
                _ = self.reconcile.tick(), if leads => reconcile::all(&shared).await,
                Some(change) = self.changes.recv(), if leads => reconcile::change(&shared, &change).await,
            }
        }
    }

    /// The term in which Raft has this server as its leader.
    fn term(&self) -> Option<u64> {
        let leadership = self.shared.consensus.leadership();
        let now = leadership.borrow();
        if now.leader.is_some() {
            self.shared.heard_leader.store(true, Ordering::Release);
        }
        (now.state == State::Leader).then_some(now.term)
    }

    async fn follow_leadership(&mut self) {
        let term = self.term();
        if term == self.leading {
            return;
        }
        if self.leading.is_some() {
            self.revoke();
            tracing::info!(target: "agent.server", "cluster leadership lost");
        }
        let Some(term) = term else { return };
        tracing::info!(target: "agent.server", "cluster leadership acquired");
        self.leading = Some(term);
        self.announce().await;
        self.take_up(term).await;
    }

    /// Tells every agent who leads from now on.
    async fn announce(&self) {
        let name = Bytes::from(self.shared.config.node_name.clone().into_bytes());
        if let Err(error) = self.shared.members.lan().user_event(NEW_LEADER_EVENT, name, false).await {
            tracing::warn!(target: "agent.server", error, "failed to broadcast new leader event");
        }
    }

    /// Takes up the duties of this term, however often that takes, while this server leads in it.
    async fn take_up(&mut self, term: u64) {
        loop {
            let Err(error) = self.establish(term).await else {
                // What the members have to do with it can wait: reads need not.
                return self.reconcile.reset_immediately();
            };
            // Given up whole: the same term may come back, when a lease that had run out is renewed.
            if self.shared.stopping.is_cancelled() || self.term() != Some(term) {
                return self.revoke();
            }
            tracing::error!(target: "agent.server", error = %error, "failed to establish leadership");
            self.drop_duties();
            if self.hand_on().await {
                return self.revoke();
            }
            tokio::select! {
                () = self.shared.stopping.cancelled() => return self.revoke(),
                () = tokio::time::sleep(ESTABLISH_RETRY) => {}
            }
            if self.term() != Some(term) {
                return self.revoke();
            }
        }
    }

    /// Gives the leadership to another server that can perhaps do what this one cannot.
    async fn hand_on(&self) -> bool {
        for attempt in 1..=TRANSFER_TRIES {
            match self.shared.consensus.transfer_leadership().await {
                Ok(()) => {
                    tracing::info!(target: "agent.server", attempt, retry_limit = TRANSFER_TRIES,
                        "successfully transferred leadership");
                    return true;
                }
                Err(error) => tracing::error!(target: "agent.server", attempt, retry_limit = TRANSFER_TRIES,
                    error = %error, "failed to transfer leadership attempt, will retry"),
            }
        }
        false
    }

    async fn establish(&mut self, term: u64) -> Result<(), RpcError> {
        let began = Instant::now();
        self.await_barrier().await?;
        self.shared.standing.send_replace(Standing { caught_up: term, ready: 0 });
        let snapshot = self.shared.store.snapshot();
        self.tombstones.clear();
        self.tombstones.hint(self.now(), snapshot.last_index());
        self.shared.sessions.clear();
        for session in snapshot.sessions().1 {
            self.start_timer(&session.id, &session.ttl);
        }
        self.store_autopilot_config().await?;
        self.store_system_metadata().await?;
        // Leadership does not depend on it: after a restore the catalog may hold another node of this name.
        reconcile::own(&self.shared).await;
        self.initialize_ca().await;
        self.shared.standing.send_replace(Standing { caught_up: term, ready: term });
        self.shared.established.send_modify(|n| *n += 1);
        tracing::debug!(target: "agent.server", duration = ?began.elapsed(), "successfully established leadership");
        Ok(())
    }

    /// Waits until all that was acknowledged in earlier terms is applied here.
    async fn await_barrier(&self) -> Result<(), RpcError> {
        let _timing = BARRIER_TIME.timing();
        let barrier = tokio::time::timeout(BARRIER_TIMEOUT, self.shared.consensus.barrier()).await;
        let outcome = match barrier {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("timed out waiting for barrier".to_owned()),
        };
        outcome.map_err(|error| {
            tracing::error!(target: "agent.server", error, "failed to wait for barrier");
            RpcError::Other(error)
        })
    }

    /// Ends all that belongs to leading.
    fn revoke(&mut self) {
        self.leading = None;
        self.shared.standing.send_replace(Standing::default());
        self.drop_duties();
        self.shared.coordinates.lock().clear();
        // Changes of members that came before another leader's time say nothing in the next of ours.
        while self.changes.try_recv().is_ok() {}
    }

    /// Ends the duties of a term, which still stands.
    fn drop_duties(&mut self) {
        self.shared.standing.send_modify(|now| now.ready = 0);
        self.tombstones.clear();
        self.shared.sessions.clear();
        self.failed_ends.clear();
        self.ca_retry.clear();
    }

    /// Brings the certificate authority up. Leadership does not depend on it: a failure is tried again later.
    async fn initialize_ca(&mut self) {
        if !self.shared.config.connect.enabled {
            return;
        }
        match ca::initialize(&self.shared).await {
            Ok(()) => self.ca_retry.clear(),
            Err(error) => {
                let pause = self.ca_retry.failed(Instant::now());
                tracing::error!(target: "agent.connect.ca", error = %error, retry_in = ?pause,
                    "failed to initialize CA");
            }
        }
    }

    async fn heed(&mut self, effect: Effect) {
        let leads = self.leading.is_some();
        match effect {
            Effect::SessionCreated { id, ttl } if leads => self.start_timer(&id, &ttl),
            Effect::SessionDestroyed { id } => {
                self.shared.sessions.stop(&id);
                self.failed_ends.remove(&id);
            }
            Effect::Tombstoned { index } if leads => self.tombstones.hint(self.now(), index),
            Effect::Restored => self.start_over().await,
            _ => {}
        }
    }

    /// The whole state has been replaced: everything derived from it is taken up again. What was acknowledged before
    /// stays applied, so reads need not wait.
    async fn start_over(&mut self) {
        let Some(term) = self.leading else { return };
        self.drop_duties();
        self.take_up(term).await;
    }

    async fn store_autopilot_config(&self) -> Result<(), RpcError> {
        if self.shared.store.snapshot().autopilot_config().1.is_some() {
            return Ok(());
        }
        let config = self.shared.config.autopilot.clone();
        let request = AutopilotSetConfigRequest { config, ..AutopilotSetConfigRequest::default() };
        self.shared.propose(MessageType::Autopilot, &request).await.map(drop)
    }

    async fn store_system_metadata(&self) -> Result<(), RpcError> {
        for (key, value) in SYSTEM_METADATA {
            if self.shared.store.snapshot().system_metadata(key).1.is_some() {
                continue;
            }
            let entry = SystemMetadataEntry { key: key.to_owned(), value: value.to_owned(), ..Default::default() };
            let request = SystemMetadataRequest {
                op: "upsert".to_owned(),
                entry: Some(entry),
                ..SystemMetadataRequest::default()
            };
            if let Outcome::Error(text) = self.shared.propose(MessageType::SystemMetadata, &request).await? {
                return Err(RpcError::other(text));
            }
        }
        Ok(())
    }
}

/// Ticks at once, then at each end of the period; what was missed is not made up for.
pub(crate) fn ticker(period: Duration) -> Interval {
    let mut ticker = tokio::time::interval(period);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
