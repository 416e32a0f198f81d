//! Where snapshots are kept: a folder or a bucket.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;

use super::id::{self, SnapshotId};
use super::s3::S3;
use super::settings::Target;
use super::take::Taken;
use crate::error::Error;
use crate::source::system_text;

pub(super) enum Store {
    Folder(PathBuf),
    Bucket(Box<S3>),
}

impl Store {
    pub(super) fn new(target: Target) -> Result<Store, Error> {
        match target {
            Target::Folder(path) if path.is_dir() => Ok(Store::Folder(path)),
            Target::Folder(path) => Err(Error::failed(format!("{} is not a directory", path.display()))),
            Target::Bucket(bucket) => Ok(Store::Bucket(Box::new(S3::new(*bucket)?))),
        }
    }

    /// Keeps a verified snapshot.
    pub(super) async fn keep(&self, id: SnapshotId, taken: Taken) -> Result<(), Error> {
        match self {
            Store::Folder(folder) => rename(taken.path(), folder, &id.file_name()).await,
            Store::Bucket(s3) => s3.put(id, taken.path()).await,
        }
    }

    /// Removes old snapshots so that `retain` stay, `saved` among them. Answers how many were removed.
    pub(super) async fn rotate(&self, saved: SnapshotId, retain: usize) -> Result<usize, Error> {
        match self {
            Store::Folder(folder) => rotate(folder, saved, retain).await,
            Store::Bucket(s3) => s3.rotate(saved, retain).await,
        }
    }
}

/// Gives a file its lasting name, so that a crash leaves the whole of it or nothing.
async fn rename(from: &Path, folder: &Path, name: &str) -> Result<(), Error> {
    let to = folder.join(name);
    let failed = |e: io::Error| {
        Error::failed(format!("Error renaming {} to {}: {}", from.display(), to.display(), system_text(&e)))
    };
    fs::rename(from, &to).await.map_err(failed)?;
    let folder = fs::File::open(folder).await.map_err(failed)?;
    folder.sync_all().await.map_err(failed)
}

async fn rotate(folder: &Path, saved: SnapshotId, retain: usize) -> Result<usize, Error> {
    let failed = |operation: &str, path: &Path, e: io::Error| {
        Error::failed(format!("Error rotating snapshots: {operation} {}: {}", path.display(), system_text(&e)))
    };
    let mut names = Vec::new();
    let mut entries = fs::read_dir(folder).await.map_err(|e| failed("open", folder, e))?;
    while let Some(entry) = entries.next_entry().await.map_err(|e| failed("read", folder, e))? {
        names.extend(entry.file_name().into_string().ok());
    }
    let expired = id::expired(names.iter().map(String::as_str), saved, retain);
    for id in &expired {
        let path = folder.join(id.file_name());
        fs::remove_file(&path).await.map_err(|e| failed("remove", &path, e))?;
    }
    Ok(expired.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_the_newest_and_whatever_is_not_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["consul-1.snap", "consul-2.snap", "consul-3.snap", "consul-1.snap.old", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).expect("a file");
        }
        let saved = SnapshotId::from_file_name("consul-3.snap").expect("an ID");
        let store = Store::new(Target::Folder(folder.path().to_owned())).expect("a store");
        assert_eq!(store.rotate(saved, 0).await.expect("nothing removed"), 0);
        assert_eq!(store.rotate(saved, 2).await.expect("one removed"), 1);
        let names = std::fs::read_dir(folder.path()).expect("the folder");
        let mut names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["consul-1.snap.old", "consul-2.snap", "consul-3.snap", "notes.txt"]);
    }

    #[test]
    fn a_folder_has_to_exist() {
        let error = Store::new(Target::Folder("/no/such".into())).err().expect("an error");
        assert_eq!(error.to_string(), "/no/such is not a directory");
    }
}
