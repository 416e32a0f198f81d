//! Archives of the whole state, from the server in this process or over the network (`docs/spec/rpc-and-state.md` §6.7).

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use rpc::{Kind, snapshot_stream};
use server::SavedSnapshot;
use tokio::io::AsyncRead;
use types::RpcError;
use types::method::SnapshotRequest;

use crate::Agent;
use crate::servers::Servers;

impl Agent {
    /// The whole state as an archive.
    ///
    /// # Errors
    /// `No cluster leader`, or what kept the archive from being written.
    pub async fn snapshot_save(&self, request: SnapshotRequest) -> Result<SavedSnapshot, RpcError> {
        if let Servers::Here(server) = self.servers() {
            return server.snapshot_save(&request).await;
        }
        let conn = self.servers().open(Kind::Snapshot).await.map_err(unreachable)?;
        let saved = snapshot_stream::save(conn, &self.in_own_datacenter(request)).await?;
        let archive = spool(saved.archive).await.map_err(|error| RpcError::other(error.to_string()))?;
        Ok(SavedSnapshot { meta: saved.meta, archive })
    }

    /// Replaces the whole state by an archive's.
    ///
    /// # Errors
    /// `No cluster leader`, or what is wrong with the archive; the state is untouched then.
    pub async fn snapshot_restore(&self, request: SnapshotRequest, archive: File) -> Result<(), RpcError> {
        if let Servers::Here(server) = self.servers() {
            return server.snapshot_restore(&request, archive).await;
        }
        let conn = self.servers().open(Kind::Snapshot).await.map_err(unreachable)?;
        let archive = tokio::fs::File::from_std(archive);
        snapshot_stream::restore(conn, &self.in_own_datacenter(request), archive).await.map(drop)
    }

    /// The request for the own datacenter unless it names another: servers take no empty name here.
    fn in_own_datacenter(&self, request: SnapshotRequest) -> SnapshotRequest {
        match request.datacenter.is_empty() {
            true => SnapshotRequest { datacenter: self.identity().datacenter.clone(), ..request },
            false => request,
        }
    }
}

fn unreachable(error: io::Error) -> RpcError {
    RpcError::other(error.to_string())
}

/// The bytes in a file without a name, rewound.
async fn spool(mut from: impl AsyncRead + Unpin) -> io::Result<File> {
    let mut file = tokio::fs::File::from_std(tempfile::tempfile()?);
    tokio::io::copy(&mut from, &mut file).await?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
