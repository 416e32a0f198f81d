//! Service definitions in the data directory, in the reference's layout (`docs/spec/config.md` §7.1).

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use types::NodeService;
use wire::json::{Unknown, from_slice};

const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Where a definition came from when it was registered over the API.
const SOURCE_API: &str = "remote";
/// Sources this version knows; a file of another one is not ours to read.
const SOURCES: [&str; 3] = ["", "local", SOURCE_API];

/// The folder of definitions.
#[derive(Debug)]
pub(super) struct Files(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Definition<S> {
    token: String,
    service: S,
    source: String,
}

impl<S: Default> Default for Definition<S> {
    fn default() -> Self {
        Definition { token: String::new(), service: S::default(), source: String::new() }
    }
}

impl Files {
    pub(super) fn new(data_dir: &Path) -> Files {
        Files(data_dir.join("services"))
    }

    /// Every definition that can be read.
    pub(super) fn load(&self) -> Vec<NodeService> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                skip(&self.0, &error);
                return Vec::new();
            }
        };
        entries.filter_map(|entry| self.read(&entry.ok()?.path())).collect()
    }

    fn read(&self, path: &Path) -> Option<NodeService> {
        if path.is_dir() {
            return None;
        }
        if path.to_string_lossy().ends_with("tmp") {
            skip(path, &"left by an interrupted write");
            return None;
        }
        let definition: Definition<NodeService> = match fs::read(path).map(|bytes| from_slice(&bytes, Unknown::Ignore))
        {
            Ok(Ok(definition)) => definition,
            Ok(Err(error)) => {
                skip(path, &error);
                return None;
            }
            Err(error) => {
                skip(path, &error);
                return None;
            }
        };
        if !SOURCES.contains(&definition.source.as_str()) {
            skip(path, &format!("unknown source {:?}", definition.source));
            return None;
        }
        Some(definition.service)
    }

    /// Writes a definition so that after a crash the old or the new one is there, whole.
    pub(super) fn write(&self, service: &NodeService) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.0)?;
        let definition = Definition { token: String::new(), service, source: SOURCE_API.to_owned() };
        let path = self.path(&service.id);
        let fresh = path.with_file_name(format!("{}-{}.tmp", file_name(&service.id), uuid::Uuid::new_v4()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&fresh)?;
        file.write_all(&serde_json::to_vec(&definition)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(&self.0)?.sync_all()
    }

    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(file_name(id))
    }
}

/// An ID may hold any characters; its file name is its SHA-256 in hexadecimal.
fn file_name(id: &str) -> String {
    Sha256::digest(id.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn skip(path: &Path, why: &dyn std::fmt::Display) {
    let path = path.display().to_string();
    tracing::warn!(target: "agent", file = path.as_str(), error = %why, "Ignoring service definition");
}
