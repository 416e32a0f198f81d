//! Saving the whole state as an archive, and replacing it by one (`docs/spec/server-operations.md` §9).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use state::Outcome;
use tokio::sync::watch;
use types::command::RestoreChunk;
use types::method::SnapshotRequest;
use types::query::Consistency;
use types::{MessageType, QueryMeta, RpcError};

use crate::server::{Server, Shared};

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
        shared.check_datacenter(&request.datacenter)?;
        if request.allow_stale {
            return Err(RpcError::other("stale not allowed for restore"));
        }
        shared.await_leader().await?;
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

fn write_archive(version: &state::Snapshot, status: &consensus::Status) -> io::Result<File> {
    let mut state = anonymous_file()?;
    let mut out = BufWriter::new(&mut state);
    version.write_to(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let meta = archive_meta(version, status, state.stream_position()?)?;
    state.seek(SeekFrom::Start(0))?;
    let mut archive = anonymous_file()?;
    snapshot::write_archive(BufWriter::new(&mut archive), &meta, BufReader::new(state)).map_err(io::Error::other)?;
    archive.seek(SeekFrom::Start(0))?;
    Ok(archive)
}

fn archive_meta(version: &state::Snapshot, status: &consensus::Status, size: u64) -> io::Result<snapshot::Meta> {
    let servers = status.members.iter().map(|member| snapshot::Server {
        suffrage: if member.voter { snapshot::Suffrage::Voter } else { snapshot::Suffrage::Nonvoter },
        id: member.id.to_string(),
        address: member.address.clone(),
    });
    let configuration = snapshot::Configuration { servers: servers.collect() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (index, term) = (version.last_index(), status.term);
    snapshot::Meta::new(index, term, configuration, status.configuration_index, size, now).map_err(io::Error::other)
}

fn read_archive(mut archive: File) -> io::Result<(File, u64)> {
    archive.seek(SeekFrom::Start(0))?;
    let mut state = anonymous_file()?;
    snapshot::read_archive(BufReader::new(archive), BufWriter::new(&mut state)).map_err(io::Error::other)?;
    let size = state.stream_position()?;
    state.seek(SeekFrom::Start(0))?;
    Ok((state, size))
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

fn read_part(mut state: File) -> io::Result<(File, Bytes)> {
    let mut data = Vec::with_capacity(RESTORE_CHUNK_BYTES);
    (&mut state).take(RESTORE_CHUNK_BYTES as u64).read_to_end(&mut data)?;
    Ok((state, data.into()))
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

/// A file without a name in the temporary directory.
fn anonymous_file() -> io::Result<File> {
    tempfile::tempfile()
}

/// Runs file work where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, RpcError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|e| RpcError::other(e.to_string())),
        Err(_) => Err(RpcError::Shutdown),
    }
}
