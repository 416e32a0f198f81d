//! Snapshots on disk: `<term>-<index>-<unix ms>/{meta.json,state.bin}`.
//!
//! A snapshot is written under a name ending in `.tmp`, synced, and only then renamed, so a directory without that
//! ending is complete. The newest two are kept; one that could not be restored stays until the next snapshot is written
//! and is then removed first.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{COPY_BUFFER_BYTES, Data, Header, Sink, Stored, meta};
use crate::data_dir::sync_directory;
use crate::{Error, StateMachine};

const META_FILE: &str = "meta.json";
const STATE_FILE: &str = "state.bin";
const TEMPORARY_ENDING: &str = ".tmp";
const KEPT_SNAPSHOTS: usize = 2;

pub(crate) struct SnapshotDirectory {
    path: PathBuf,
    /// Snapshots that could not be restored.
    damaged: Mutex<Vec<PathBuf>>,
    /// Held while a snapshot gets its name and old ones go: ours and one from the leader may end at the same moment.
    naming: Mutex<()>,
}

/// The state of a snapshot on its way to the disk.
pub(super) type StateFile = BufWriter<File>;

/// A directory's name taken apart, in an order in which newer snapshots are greater.
type Age = (u64, u64, u128);

impl SnapshotDirectory {
    pub(super) fn open(path: PathBuf) -> Result<SnapshotDirectory, Error> {
        let failed = || Error::storage(format!("failed to open snapshot directory {}", path.display()));
        fs::create_dir_all(&path).map_err(failed())?;
        remove_unfinished(&path).map_err(failed())?;
        Ok(SnapshotDirectory { path, damaged: Mutex::default(), naming: Mutex::default() })
    }

    pub(super) fn create(
        &self,
        id: String,
        header: Header,
        state: &dyn crate::Snapshot,
        stop: &CancellationToken,
    ) -> io::Result<Stored> {
        let written = self.write(id.clone(), header, state, stop);
        if written.is_err() {
            self.discard(&id);
        }
        written
    }

    fn write(
        &self,
        id: String,
        header: Header,
        state: &dyn crate::Snapshot,
        stop: &CancellationToken,
    ) -> io::Result<Stored> {
        let mut sink = Sink::new(self.begin(&id)?, stop);
        state.write_to(&mut sink)?;
        let (file, size, crc) = sink.finish()?;
        self.complete(file, id, header, size, crc)
    }

    /// Opens the state of a new snapshot for writing.
    pub(super) fn begin(&self, id: &str) -> io::Result<StateFile> {
        let temporary = self.temporary(id);
        fs::create_dir(&temporary)?;
        Ok(BufWriter::with_capacity(COPY_BUFFER_BYTES, File::create(temporary.join(STATE_FILE))?))
    }

    /// Makes a snapshot whose state is written durable, gives it its name and removes old ones.
    pub(super) fn complete(
        &self,
        mut state: StateFile,
        id: String,
        header: Header,
        size: u64,
        crc: u64,
    ) -> io::Result<Stored> {
        state.flush()?;
        state.get_ref().sync_all()?;
        let (temporary, path) = (self.temporary(&id), self.path.join(&id));
        let stored = Stored::new(id, header, size, crc, Data::File(path.join(STATE_FILE)));
        let mut file = File::create(temporary.join(META_FILE))?;
        file.write_all(&meta::encode(&stored)?)?;
        file.sync_all()?;
        sync_directory(&temporary)?;

        let _naming = self.naming.lock();
        fs::rename(temporary, path)?;
        sync_directory(&self.path)?;
        self.remove_old()?;
        Ok(stored)
    }

    /// Removes a snapshot that will not be completed. What stays behind is removed at the next start.
    pub(super) fn discard(&self, id: &str) {
        let _ = fs::remove_dir_all(self.temporary(id));
    }

    fn temporary(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}{TEMPORARY_ENDING}"))
    }

    pub(super) fn restore_newest<S: StateMachine>(&self, machine: &mut S) -> Result<Option<Stored>, Error> {
        let failed = || Error::storage(format!("failed to read snapshot directory {}", self.path.display()));
        for (_, path) in self.newest_first().map_err(failed())? {
            match restore(&path, machine) {
                Ok(stored) => {
                    tracing::info!(target: "agent.server.raft", id = stored.info.id, "restored from snapshot");
                    return Ok(Some(stored));
                }
                Err(error) => {
                    tracing::error!(target: "agent.server.raft", id = %name(&path), error = %error,
                        "failed to restore snapshot");
                    self.damaged.lock().push(path);
                }
            }
        }
        if self.damaged.lock().is_empty() { Ok(None) } else { Err(Error::NoUsableSnapshot) }
    }

    fn newest_first(&self) -> io::Result<Vec<(Age, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if let Some(age) = parse_name(&name(&path)) {
                found.push((age, path));
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        Ok(found)
    }

    fn remove_old(&self) -> io::Result<()> {
        for path in std::mem::take(&mut *self.damaged.lock()) {
            fs::remove_dir_all(path)?;
        }
        for (_, path) in self.newest_first()?.into_iter().skip(KEPT_SNAPSHOTS) {
            tracing::info!(target: "agent.server.raft", path = %path.display(), "reaping snapshot");
            fs::remove_dir_all(path)?;
        }
        Ok(())
    }
}

fn remove_unfinished(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if name(&path).ends_with(TEMPORARY_ENDING) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn restore<S: StateMachine>(path: &Path, machine: &mut S) -> io::Result<Stored> {
    let json = fs::read(path.join(META_FILE))?;
    let stored = meta::decode(&json, Data::File(path.join(STATE_FILE)))
        .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, format!("{META_FILE}: {reason}")))?;
    stored.restore_into(machine)?;
    Ok(stored)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn parse_name(name: &str) -> Option<Age> {
    let mut parts = name.split('-');
    let age = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_snapshots_have_an_age() {
        assert_eq!(parse_name("2-15-1670000000000"), Some((2, 15, 1_670_000_000_000)));
        for other in ["2-15-1670000000000.tmp", "2-15", "2-15-16-7", "a-b-c", ""] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
