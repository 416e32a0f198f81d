//! Registrations in the data directory, in the reference's layout (`docs/spec/config.md` §7.1).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use types::HealthCheck;
use wire::json::{Unknown, from_slice};

use super::persisted::{self, PersistedCheck, PersistedService, PersistedState};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Whether a write has to survive a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    Synced,
    Cached,
}

/// The folders of registrations.
#[derive(Debug)]
pub(super) struct Files {
    services: PathBuf,
    checks: PathBuf,
    states: PathBuf,
}

impl Files {
    pub(super) fn new(data_dir: &Path) -> Files {
        let checks = data_dir.join("checks");
        Files { services: data_dir.join("services"), states: checks.join("state"), checks }
    }

    /// Every service that can be read; those of unknown sources are removed.
    pub(super) fn services(&self) -> Vec<PersistedService> {
        load(&self.services, |kept: &PersistedService| kept.source.as_str())
    }

    /// Every check that can be read; those of unknown sources are removed.
    pub(super) fn checks(&self) -> Vec<PersistedCheck> {
        load(&self.checks, |kept: &PersistedCheck| kept.source.as_str())
    }

    pub(super) fn write_service(&self, kept: &PersistedService) -> io::Result<()> {
        write(&self.services, &kept.service.id, kept, Durability::Synced)
    }

    pub(super) fn write_check(&self, kept: &PersistedCheck) -> io::Result<()> {
        write(&self.checks, &kept.check.check_id, kept, Durability::Synced)
    }

    /// Writes what was last sent in for a check. It is worth little after a power cut, and written often.
    pub(super) fn write_state(&self, state: &PersistedState) -> io::Result<()> {
        write(&self.states, &state.check_id, state, Durability::Cached)
    }

    /// Gives a check back what was last sent in for it, unless its time is over. `now`: seconds since 1970.
    pub(super) fn restore_state(&self, check: &mut HealthCheck, now: i64) {
        let path = self.states.join(file_name(&check.check_id));
        let Ok(bytes) = fs::read(&path) else { return };
        match from_slice::<PersistedState>(&bytes, Unknown::Ignore) {
            Ok(state) if state.expires > now => {
                check.status = state.status;
                check.output = state.output;
            }
            Ok(_) => discard(&path),
            Err(error) => {
                skip(&path, &error);
                discard(&path);
            }
        }
    }

    pub(super) fn remove_service(&self, id: &str) -> io::Result<()> {
        remove(&self.services.join(file_name(id)))?;
        remove(&self.services.join("configs").join(file_name(id)))
    }

    /// Removes a check with its state.
    pub(super) fn remove_check(&self, id: &str) -> io::Result<()> {
        remove(&self.checks.join(file_name(id)))?;
        remove(&self.states.join(file_name(id)))
    }

    /// Removes the definition of a check and leaves its state.
    pub(super) fn remove_check_definition(&self, id: &str) -> io::Result<()> {
        remove(&self.checks.join(file_name(id)))
    }
}

fn load<T: DeserializeOwned>(folder: &Path, source: impl Fn(&T) -> &str) -> Vec<T> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            skip(folder, &error);
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().filter_map(|path| read(path, &source)).collect()
}

fn read<T: DeserializeOwned>(path: &Path, source: impl Fn(&T) -> &str) -> Option<T> {
    if path.is_dir() {
        return None;
    }
    if path.to_string_lossy().ends_with("tmp") {
        skip(path, &"left by an interrupted write");
        return None;
    }
    let kept: T = match fs::read(path).map(|bytes| from_slice(&bytes, Unknown::Ignore)) {
        Ok(Ok(kept)) => kept,
        Ok(Err(error)) => {
            skip(path, &error);
            return None;
        }
        Err(error) => {
            skip(path, &error);
            return None;
        }
    };
    if persisted::source(source(&kept)).is_none() {
        skip(path, &format!("unknown source {:?}", source(&kept)));
        discard(path);
        return None;
    }
    Some(kept)
}

/// Writes a file so that the old or the new one is there, whole, whatever happens to the process; and to the machine,
/// if `durability` says so.
fn write<T: Serialize>(folder: &Path, id: &str, value: &T, durability: Durability) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let path = folder.join(file_name(id));
    let fresh = folder.join(format!("{}-{}.tmp", file_name(id), uuid::Uuid::new_v4()));
    let written = write_fresh(&fresh, value, durability).and_then(|()| fs::rename(&fresh, &path));
    if let Err(error) = written {
        discard(&fresh);
        return Err(error);
    }
    match durability {
        Durability::Synced => File::open(folder)?.sync_all(),
        Durability::Cached => Ok(()),
    }
}

fn write_fresh<T: Serialize>(fresh: &Path, value: &T, durability: Durability) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(fresh)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    match durability {
        Durability::Synced => file.sync_all(),
        Durability::Cached => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file nobody needs; one that stays is found again at the next start.
fn discard(path: &Path) {
    if let Err(error) = remove(path) {
        skip(path, &error);
    }
}

/// An ID may hold any characters; its file name is its SHA-256 in hexadecimal.
fn file_name(id: &str) -> String {
    Sha256::digest(id.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn skip(path: &Path, why: &dyn std::fmt::Display) {
    let path = path.display().to_string();
    tracing::warn!(target: "agent", file = path.as_str(), error = %why, "Ignoring persisted registration");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use config::Secret;
    use types::NodeService;

    use super::*;

    fn service(id: &str) -> PersistedService {
        let service = NodeService { id: id.to_owned(), service: "web".to_owned(), port: 80, ..NodeService::default() };
        PersistedService::new(Arc::new(service), &Secret("t".to_owned()))
    }

    fn ids(files: &Files) -> Vec<String> {
        files.services().into_iter().map(|kept| kept.service.id.clone()).collect()
    }

    #[test]
    fn what_was_written_is_read_and_nobody_else_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path());
        files.write_service(&service("b/../c")).unwrap();
        assert_eq!(ids(&files), ["b/../c"]);
        assert_eq!(files.services()[0].token, "t");
        let path = dir.path().join("services").join(file_name("b/../c"));
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, FILE_MODE);
        files.remove_service("b/../c").unwrap();
        files.remove_service("b/../c").unwrap();
        assert!(ids(&files).is_empty());
    }

    #[test]
    fn names_are_the_references() {
        assert_eq!(file_name("web"), "4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2");
    }

    #[test]
    fn damaged_files_are_skipped_and_strange_ones_removed() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path());
        files.write_service(&service("a")).unwrap();
        let folder = dir.path().join("services");
        fs::create_dir(folder.join("configs")).unwrap();
        fs::write(folder.join("0000"), b"{not json").unwrap();
        fs::write(folder.join("1111-x.tmp"), b"half").unwrap();
        let strange = folder.join("2222");
        fs::write(&strange, br#"{"Service":{"ID":"x","Service":"x"},"Source":"mars"}"#).unwrap();
        assert_eq!(ids(&files), ["a"]);
        assert!(!strange.exists());
    }

    #[test]
    fn a_state_is_given_back_until_its_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path());
        let state = PersistedState {
            check_id: "t".to_owned(),
            output: "fine".to_owned(),
            status: "passing".to_owned(),
            expires: 100,
        };
        files.write_state(&state).unwrap();
        let restored = |now| {
            let mut check =
                HealthCheck { check_id: "t".to_owned(), status: "critical".to_owned(), ..HealthCheck::default() };
            files.restore_state(&mut check, now);
            (check.status, check.output)
        };
        assert_eq!(restored(99), ("passing".to_owned(), "fine".to_owned()));
        assert_eq!(restored(100), ("critical".to_owned(), String::new()));
        assert_eq!(restored(99).0, "critical", "an expired state is removed");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("services"), b"a file where a folder should be").unwrap();
        assert!(Files::new(dir.path()).write_service(&service("a")).is_err());
    }
}
