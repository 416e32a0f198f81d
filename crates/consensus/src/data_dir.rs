//! The Raft directory: one process at a time, one disk layout.
//!
//! ```text
//! lock         held while a process uses the directory; contains its process id
//! layout       version of this layout
//! log/         entries, vote (fjall)
//! log.synced   highest index known to be synced
//! snapshots/   <term>-<index>-<unix ms>/{meta.json,state.bin}
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::Error;

const LOCK_FILE: &str = "lock";
const LAYOUT_FILE: &str = "layout";
const LAYOUT_VERSION: u32 = 1;

/// The locked directory; dropping it lets another process in.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory when absent, locks it and checks its layout.
    pub(crate) fn open(path: &Path) -> Result<DataDir, Error> {
        let failed = || Error::storage(format!("failed to open raft directory {}", path.display()));
        fs::create_dir_all(path).map_err(failed())?;
        let lock = lock(path)?;
        check_layout(path)?;
        sync_directory(path).map_err(failed())?;
        Ok(DataDir { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK_FILE);
    let failed = || Error::storage(format!("failed to lock {}", path.display()));
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed())?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // The holder may be between locking and writing; its id is a courtesy.
            let known = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if known { holder.trim().to_owned() } else { "unknown".to_owned() };
            return Err(Error::Locked { directory: directory.to_owned(), lock: path, holder });
        }
        Err(errno) => return Err(failed()(errno.into())),
    }
    file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(failed())?;
    writeln!(file, "{}", std::process::id()).map_err(failed())?;
    Ok(file)
}

fn check_layout(directory: &Path) -> Result<(), Error> {
    let path = directory.join(LAYOUT_FILE);
    let failed = || Error::storage(format!("failed to read {}", path.display()));
    match fs::read_to_string(&path) {
        Ok(found) if found.trim().parse() == Ok(LAYOUT_VERSION) => Ok(()),
        Ok(found) => Err(Error::Layout {
            directory: directory.to_owned(),
            found: found.trim().to_owned(),
            supported: LAYOUT_VERSION,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_durably(&path, format!("{LAYOUT_VERSION}\n").as_bytes()).map_err(failed())
        }
        Err(error) => Err(failed()(error)),
    }
}

/// Writes a file so that a power cut leaves either all of it or none.
fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

/// Makes the creation, renaming or removal of entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_user_is_told_who_holds_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("raft");
        let held = DataDir::open(&path).unwrap();
        let error = DataDir::open(&path).unwrap_err();
        let (pid, path_text) = (std::process::id(), path.display());
        let expected =
            format!("raft directory {path_text} is in use by process {pid} (lock file {path_text}/{LOCK_FILE})");
        assert_eq!(error.to_string(), expected);
        drop(held);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn another_layout_is_refused() {
        let path = tempfile::tempdir().unwrap();
        drop(DataDir::open(path.path()).unwrap());
        fs::write(path.path().join(LAYOUT_FILE), "2\n").unwrap();
        let error = DataDir::open(path.path()).unwrap_err();
        assert!(error.to_string().ends_with("has disk layout 2, this version reads layout 1"), "{error}");
    }
}
