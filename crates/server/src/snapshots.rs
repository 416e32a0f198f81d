//! Saving the whole state as an archive, and replacing it by one (`docs/spec/server-operations.md` §9).
//!
//! Both are the leader's; another server passes the archive on. Only a stale save is answered by any server, from the
//! state it has.

mod archive;
mod stream;

use std::fs::File;
use std::io;
use std::time::Duration;

use rpc::snapshot_stream::{self, Saved};
use rpc::{Kind, Target};
use state::Outcome;
use tokio::sync::watch;
use types::command::RestoreChunk;
use types::method::SnapshotRequest;
use types::query::Consistency;
use types::{MessageType, QueryMeta, RpcError};

use crate::server::{Server, Shared};
use archive::{read_archive, read_part, write_archive};
pub(crate) use stream::SnapshotDoor;

/// Bytes of state that one entry of the log carries during a restore.
const RESTORE_CHUNK_BYTES: usize = 512 * 1024;
/// How long the leader's duties may take to start over after a restore.
const ESTABLISH_TIMEOUT: Duration = Duration::from_secs(60);

/// An archive, ready to be read from its start.
#[derive(Debug)]
pub struct SavedSnapshot {
    /// Index of the snapshot and what the answering server knows of the leader.
    pub meta: QueryMeta,
    /// The archive; the file has no name and vanishes when it is closed.
    pub archive: File,
}

impl Server {
    /// Writes the state as an archive of the reference's format.
    ///
    /// # Errors
    /// `No cluster leader` unless stale is allowed; whatever keeps the archive from being written.
    pub async fn snapshot_save(&self, request: &SnapshotRequest) -> Result<SavedSnapshot, RpcError> {
        let shared = &self.shared;
        shared.check_datacenter(&request.datacenter)?;
        if !request.allow_stale {
            if let Some(leader) = shared.find_leader().await? {
                return save_elsewhere(shared, &leader, request).await;
            }
            shared.check_consistency(Consistency::Consistent).await?;
        }
        let version = shared.store.snapshot();
        let index = version.last_index();
        let status = shared.consensus.status();
        let archive = blocking(move || write_archive(&version, &status)).await?;
        Ok(SavedSnapshot { meta: shared.meta(index), archive })
    }

    /// Replaces the whole state by an archive's. The archive is verified before anything is changed.
    ///
    /// # Errors
    /// Whatever is wrong with the archive; `No cluster leader`.
    pub async fn snapshot_restore(&self, request: &SnapshotRequest, archive: File) -> Result<(), RpcError> {
        let shared = &self.shared;
        check_restore(shared, request)?;
        if let Some(leader) = shared.find_leader().await? {
            return restore_elsewhere(shared, &leader, request, archive).await;
        }
        let (state, size) = blocking(move || read_archive(archive)).await?;
        let established = shared.established.subscribe();
        let before = *established.borrow();
        propose_state(shared, state, size).await?;
        if let Err(error) = shared.consensus.take_snapshot().await {
            tracing::warn!(target: "agent.server", error = %error, "failed to take snapshot after a restore");
        }
        await_established(shared, established, before).await
    }
}

/// Refuses a restore that can never be, before anything of the archive is read.
fn check_restore(shared: &Shared, request: &SnapshotRequest) -> Result<(), RpcError> {
    shared.check_datacenter(&request.datacenter)?;
    if request.allow_stale {
        return Err(RpcError::other("stale not allowed for restore"));
    }
    Ok(())
}

/// The request as other servers want it: they do not fill in their own datacenter.
fn addressed(shared: &Shared, request: &SnapshotRequest) -> SnapshotRequest {
    SnapshotRequest { datacenter: shared.config.datacenter.clone(), ..request.clone() }
}

async fn save_elsewhere(
    shared: &Shared,
    leader: &Target,
    request: &SnapshotRequest,
) -> Result<SavedSnapshot, RpcError> {
    let conn = shared.pool.open(leader, Kind::Snapshot).await.map_err(failed)?;
    let Saved { meta, archive } = snapshot_stream::save(conn, &addressed(shared, request)).await?;
    Ok(SavedSnapshot { meta, archive: stream::spool(archive).await.map_err(failed)? })
}

async fn restore_elsewhere(
    shared: &Shared,
    leader: &Target,
    request: &SnapshotRequest,
    archive: File,
) -> Result<(), RpcError> {
    let archive = stream::from_start(archive).await.map_err(failed)?;
    let conn = shared.pool.open(leader, Kind::Snapshot).await.map_err(failed)?;
    snapshot_stream::restore(conn, &addressed(shared, request), archive).await.map(drop)
}

/// Sends the state through the log in parts; the last one replaces the state everywhere at once.
async fn propose_state(shared: &Shared, mut state: File, size: u64) -> Result<(), RpcError> {
    let (id, _) = uuid::Uuid::new_v4().as_u64_pair();
    let parts = size.div_ceil(RESTORE_CHUNK_BYTES as u64).max(1);
    let chunks = u32::try_from(parts).map_err(|_| RpcError::other(format!("snapshot of {size} bytes is too large")))?;
    for sequence in 0..chunks {
        let (file, data) = blocking(move || read_part(state)).await?;
        state = file;
        let chunk = RestoreChunk { id, sequence, chunks, data };
        if let Outcome::Error(text) = shared.propose(MessageType::Restore, &chunk).await? {
            return Err(RpcError::other(text));
        }
    }
    Ok(())
}

async fn await_established(
    shared: &Shared,
    mut established: watch::Receiver<u64>,
    before: u64,
) -> Result<(), RpcError> {
    tokio::select! {
        () = shared.stopping.cancelled() => Err(RpcError::Shutdown),
        done = tokio::time::timeout(ESTABLISH_TIMEOUT, established.wait_for(|n| *n > before)) => match done {
            Ok(_) => Ok(()),
            Err(_) => Err(RpcError::other("timed out waiting for re-run of leader actions")),
        },
    }
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, RpcError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(RpcError::Shutdown),
    }
}

fn failed(error: io::Error) -> RpcError {
    RpcError::other(error.to_string())
}
