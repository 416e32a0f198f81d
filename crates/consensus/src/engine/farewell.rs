//! The last entries for a server that was removed. The engine stops replicating to it the moment it is no longer part
//! of the configuration, so it would never learn that; it would only see its leader fall silent.

use std::io;
use std::time::Duration;

use openraft::raft::AppendEntriesRequest;

use super::log::{REPLICATION_BYTES, to_entry};
use super::{EngineVote, Types, to_engine_id, wire};
use crate::log::{LogId, LogStore};
use crate::peer::Link;

/// A courtesy, so it must not hold anything up for long.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Sends the server behind `link` the entries from behind `matched`, the last it is known to have, up to `removal`.
/// Does nothing when it lags too far behind: then it is as a server that is down.
pub(crate) async fn tell_removed<R>(link: &Link, log: &LogStore, leader: EngineVote, matched: LogId, removal: LogId)
where
    R: Send + Sync + 'static,
{
    let Ok(records) = log.read(matched.index + 1..removal.index + 1, REPLICATION_BYTES) else { return };
    if records.last().map(|record| record.id) != Some(removal) {
        return;
    }
    let Ok(entries) = records.into_iter().map(to_entry).collect::<io::Result<Vec<_>>>() else { return };
    let request = AppendEntriesRequest::<Types<R>> {
        vote: leader,
        prev_log_id: Some(to_engine_id(matched)),
        entries,
        leader_commit: Some(to_engine_id(removal)),
    };
    let telling = async { link.send(wire::encode_append(&request), true).await.get().await };
    match tokio::time::timeout(TIMEOUT, telling).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::debug!(target: "agent.server.raft", error = %error, "removed server did not hear of it");
        }
        Err(_) => tracing::debug!(target: "agent.server.raft", "removed server did not hear of it in time"),
    }
}
