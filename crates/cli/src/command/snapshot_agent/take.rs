//! Taking one snapshot: into a file of its own that is verified before it counts.

use std::path::{Path, PathBuf};

use api::{Client, QueryOptions};
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::id::SnapshotId;
use crate::command::snapshot::{FILE_MODE, verified_index};
use crate::error::Error;
use crate::source::system_text;

/// A verified snapshot under a temporary name; removed when dropped, unless it was given another name before.
pub(super) struct Taken(PathBuf);

impl Taken {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // It may have been renamed, or never made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Takes a snapshot into `folder` and verifies it. Dropping the future leaves no file behind.
pub(super) async fn take(client: &Client, stale: bool, folder: &Path, id: SnapshotId) -> Result<Taken, Error> {
    let saving = |e: api::Error| Error::failed(format!("Error saving snapshot: {e}"));
    let options = if stale { QueryOptions::new().stale() } else { QueryOptions::new() };
    let (mut archive, _) = client.snapshot().save(&options).await.map_err(saving)?;

    let path = folder.join(format!("{}.unverified", id.file_name()));
    let writing = |operation: &str, error: std::io::Error| {
        let cause = system_text(&error);
        Error::failed(format!("Error writing unverified snapshot file: {operation} {}: {cause}", path.display()))
    };
    let mut options = File::options();
    options.write(true).create_new(true).mode(FILE_MODE);
    let mut file = options.open(&path).await.map_err(|e| writing("open", e))?;
    let taken = Taken(path.clone());
    while let Some(chunk) = archive.next().await {
        file.write_all(&chunk.map_err(saving)?).await.map_err(|e| writing("write", e))?;
    }
    file.flush().await.map_err(|e| writing("write", e))?;
    file.sync_all().await.map_err(|e| writing("sync", e))?;
    drop(file);

    // On a thread of its own, because the session has to be renewed meanwhile.
    let name = path.display().to_string();
    let verified = tokio::task::spawn_blocking(move || verified_index(&name)).await;
    verified.unwrap_or_else(|e| Err(Error::failed(format!("Error verifying snapshot file: {e}"))))?;
    Ok(taken)
}
