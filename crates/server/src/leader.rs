//! What only the leader does: it looks after sessions, tombstones, coordinates, its own registration and the mesh's
//! certificate authority.
//!
//! One task owns all duties. It wakes for effects of applied commands, for timers and for changes of leadership.

mod ca;
mod registration;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use state::{Effect, Outcome};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use types::autopilot::AutopilotSetConfigRequest;
use types::command::{SystemMetadataEntry, SystemMetadataRequest, TombstoneRequest};
use types::{CoordinateEntry, GoDuration, MessageType, RpcError, Session, SessionOp, SessionRequest};

use crate::server::Shared;
use crate::tombstone_gc::TombstoneGc;

/// Between two repairs of what the leader looks after.
const RECONCILE_INTERVAL: Duration = Duration::from_secs(60);
/// Pause after duties could not be taken up.
const ESTABLISH_RETRY: Duration = Duration::from_secs(5);
/// Coordinates written by one command.
const COORDINATE_BATCH: usize = 128;
/// Commands of coordinates in one flush; what is beyond is dropped.
const COORDINATE_BATCHES: usize = 5;
/// How often ending a session is tried again, and the first pause; it doubles each time.
const SESSION_END_RETRIES: u32 = 6;
const SESSION_END_PAUSE: Duration = Duration::from_secs(10);
/// Sessions ended together.
const SESSION_END_BATCH: usize = 128;
/// Switches every server of this version understands (`docs/spec/server-operations.md` §2.8).
const SYSTEM_METADATA: [(&str, &str); 3] =
    [("intention-format", "config-entry"), ("virtual-ips", "true"), ("virtual-ips-term-gateway", "true")];

/// The task of the leader's duties.
pub(crate) struct Leader {
    shared: Arc<Shared>,
    effects: mpsc::UnboundedReceiver<Effect>,
    tombstones: TombstoneGc,
    /// Zero point of the tombstones' clock.
    epoch: Instant,
    leading: bool,
    failed_ends: HashMap<String, u32>,
    ca_retry: ca::Retry,
}

impl Leader {
    pub(crate) fn new(shared: Arc<Shared>, effects: mpsc::UnboundedReceiver<Effect>) -> Leader {
        Leader {
            shared,
            effects,
            tombstones: TombstoneGc::default(),
            epoch: Instant::now(),
            leading: false,
            failed_ends: HashMap::new(),
            ca_retry: ca::Retry::default(),
        }
    }

    /// Runs until the server stops.
    pub(crate) async fn run(mut self) {
        let shared = self.shared.clone();
        let mut leadership = shared.consensus.leadership();
        let mut reconcile = ticker(RECONCILE_INTERVAL);
        let mut coordinates = ticker(shared.config.coordinate_flush);
        loop {
            self.follow_leadership().await;
            let reap = self.tombstones.next().map(|end| self.epoch + end);
            tokio::select! {
                () = shared.stopping.cancelled() => return self.revoke(),
                changed = leadership.changed() => if changed.is_err() { return self.revoke() },
                Some(effect) = self.effects.recv() => self.heed(effect).await,
                id = shared.sessions.expired(), if self.leading => self.end_sessions(id).await,
                () = sleep_until(reap), if self.leading => self.reap_tombstones().await,
                () = sleep_until(self.ca_retry.at()), if self.leading => self.initialize_ca().await,
                _ = coordinates.tick(), if self.leading => self.flush_coordinates().await,
                _ = reconcile.tick(), if self.leading => self.reconcile().await,
                () = shared.reconcile.notified(), if self.leading => self.reconcile().await,
            }
        }
    }

    async fn follow_leadership(&mut self) {
        if self.shared.consensus.status().leader.is_some() {
            self.shared.heard_leader.store(true, Ordering::Release);
        }
        let leads = self.shared.consensus.is_leader();
        if leads == self.leading {
            return;
        }
        if !leads {
            tracing::info!(target: "agent.server", "cluster leadership lost");
            return self.revoke();
        }
        tracing::info!(target: "agent.server", "cluster leadership acquired");
        tracing::info!(target: "agent.server", payload = self.shared.config.node_name.as_str(), "New leader elected");
        self.leading = true;
        while self.leading {
            let Err(error) = self.establish().await else { return };
            if self.shared.stopping.is_cancelled() {
                return;
            }
            tracing::error!(target: "agent.server", error = %error, "failed to establish leadership");
            tokio::select! {
                () = self.shared.stopping.cancelled() => return,
                () = tokio::time::sleep(ESTABLISH_RETRY) => {}
            }
            self.leading = self.shared.consensus.is_leader();
        }
        self.revoke();
    }

    async fn establish(&mut self) -> Result<(), RpcError> {
        let began = Instant::now();
        self.shared.consensus.read_barrier().await.map_err(|e| RpcError::other(e.to_string()))?;
        self.shared.caught_up.send_replace(true);
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
        self.reconcile().await;
        self.initialize_ca().await;
        self.shared.ready.store(true, Ordering::Release);
        self.shared.established.send_modify(|n| *n += 1);
        tracing::debug!(target: "agent.server", duration = ?began.elapsed(), "successfully established leadership");
        Ok(())
    }

    fn revoke(&mut self) {
        self.leading = false;
        self.shared.caught_up.send_replace(false);
        self.tombstones.clear();
        self.shared.sessions.clear();
        self.shared.coordinates.lock().clear();
        self.shared.ready.store(false, Ordering::Release);
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
                tracing::error!(target: "agent.connect.ca", error = %error, retry_in = ?pause, "failed to initialize CA");
            }
        }
    }

    async fn heed(&mut self, effect: Effect) {
        match effect {
            Effect::LockDelay { key, delay } => self.shared.lock_delays.start(key, delay),
            Effect::SessionCreated { id, ttl } if self.leading => self.start_timer(&id, &ttl),
            Effect::SessionDestroyed { id } => {
                self.shared.sessions.stop(&id);
                self.failed_ends.remove(&id);
            }
            Effect::Tombstoned { index } if self.leading => self.tombstones.hint(self.now(), index),
            Effect::Restored => self.start_over().await,
            _ => {}
        }
    }

    /// The whole state has been replaced: everything derived from it is taken up again.
    async fn start_over(&mut self) {
        self.shared.lock_delays.clear();
        if !self.leading {
            return;
        }
        self.revoke();
        self.follow_leadership().await;
    }

    fn start_timer(&self, id: &str, ttl: &str) {
        // The TTL was checked when the session was made; one restored from elsewhere that does not parse has no timer.
        let ttl = GoDuration::parse(ttl).map(|d| d.as_std()).unwrap_or_default();
        if !ttl.is_zero() {
            self.shared.sessions.renew(id, ttl);
        }
    }

    async fn end_sessions(&mut self, first: String) {
        let more = std::iter::from_fn(|| self.shared.sessions.pop_expired()).take(SESSION_END_BATCH - 1);
        let ids: Vec<String> = std::iter::once(first).chain(more).collect();
        let shared = &self.shared;
        let outcomes = join_all(ids.into_iter().map(|id| async move {
            let session = Session { id: id.clone(), ..Session::default() };
            let request = SessionRequest { op: SessionOp::Destroy, session, ..SessionRequest::default() };
            (id, shared.propose(MessageType::Session, &request).await)
        }))
        .await;
        for (id, outcome) in outcomes {
            match outcome {
                Ok(_) => tracing::debug!(target: "agent.server", session = id.as_str(), "Session TTL expired"),
                Err(error) => self.retry_end(id, &error),
            }
        }
    }

    fn retry_end(&mut self, id: String, error: &RpcError) {
        tracing::error!(target: "agent.server", session = id.as_str(), error = %error, "Session destroy failed");
        let tries = self.failed_ends.entry(id.clone()).or_default();
        if *tries < SESSION_END_RETRIES {
            self.shared.sessions.set(&id, SESSION_END_PAUSE * 2u32.pow(*tries));
            *tries += 1;
        } else {
            self.failed_ends.remove(&id);
        }
    }

    async fn reap_tombstones(&mut self) {
        let Some(reap_index) = self.tombstones.due(self.now()) else { return };
        let request = TombstoneRequest { op: "reap".to_owned(), reap_index, ..TombstoneRequest::default() };
        if let Err(error) = self.shared.propose(MessageType::Tombstone, &request).await {
            tracing::error!(target: "agent.server", index = reap_index, error = %error, "failed to reap tombstones");
        }
    }

    async fn flush_coordinates(&self) {
        let updates = std::mem::take(&mut *self.shared.coordinates.lock());
        let discarded = updates.len().saturating_sub(COORDINATE_BATCH * COORDINATE_BATCHES);
        if discarded > 0 {
            tracing::warn!(target: "agent.server", number_discarded = discarded, "Discarded coordinate updates");
        }
        let entries: Vec<CoordinateEntry> = updates
            .into_values()
            .take(COORDINATE_BATCH * COORDINATE_BATCHES)
            .map(|u| CoordinateEntry { node: u.node, segment: u.segment, coord: u.coord })
            .collect();
        for batch in entries.chunks(COORDINATE_BATCH) {
            if let Err(error) = self.shared.propose(MessageType::CoordinateBatchUpdate, &batch).await {
                tracing::error!(target: "agent.server", error = %error, "Batch update failed");
            }
        }
    }

    async fn reconcile(&self) {
        if let Err(error) = registration::register_self(&self.shared).await {
            tracing::error!(target: "agent.server", error = %error, "failed to reconcile");
        }
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

    /// Time on the tombstones' clock.
    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

fn ticker(period: Duration) -> tokio::time::Interval {
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
