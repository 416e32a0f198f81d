//! What runs out or is gathered: sessions, tombstones, coordinates (`docs/spec/server-operations.md` §2.9-§2.11).

use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use telemetry::metrics::{self, Sample};
use types::command::TombstoneRequest;
use types::{CoordinateEntry, GoDuration, MessageType, RpcError, Session, SessionOp, SessionRequest};

use super::Leader;

/// Coordinates written by one command.
const COORDINATE_BATCH: usize = 128;
/// Commands of coordinates in one flush; what is beyond is dropped.
const COORDINATE_BATCHES: usize = 5;
/// How often ending a session is tried again, and the first pause; it doubles each time.
const SESSION_END_RETRIES: u32 = 6;
const SESSION_END_PAUSE: Duration = Duration::from_secs(10);
/// Sessions ended together.
const SESSION_END_BATCH: usize = 128;

static REAP_TIME: LazyLock<Sample> = LazyLock::new(|| metrics::sample("leader.reapTombstones"));

impl Leader {
    pub(super) fn start_timer(&self, id: &str, ttl: &str) {
        // The TTL was checked when the session was made; one restored from elsewhere that does not parse has no timer.
        let ttl = GoDuration::parse(ttl).map(|d| d.as_std()).unwrap_or_default();
        if !ttl.is_zero() {
            self.shared.sessions.renew(id, ttl);
        }
    }

    pub(super) async fn end_sessions(&mut self, first: String) {
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

    pub(super) async fn reap_tombstones(&mut self) {
        let Some(reap_index) = self.tombstones.due(self.now()) else { return };
        let _timing = REAP_TIME.timing();
        let request = TombstoneRequest { op: "reap".to_owned(), reap_index, ..TombstoneRequest::default() };
        if let Err(error) = self.shared.propose(MessageType::Tombstone, &request).await {
            tracing::error!(target: "agent.server", index = reap_index, error = %error, "failed to reap tombstones");
        }
    }

    pub(super) async fn flush_coordinates(&self) {
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

    /// Time on the tombstones' clock.
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}
