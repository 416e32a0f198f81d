//! The pid file: decimal, without a newline, gone again when the agent stops (`docs/spec/config.md` §3).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A pid file that exists as long as this value.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes this process's id.
    ///
    /// # Errors
    /// The path's folder does not exist or may not be written.
    pub(super) fn write(path: &Path) -> io::Result<PidFile> {
        fs::write(path, std::process::id().to_string())?;
        Ok(PidFile(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            let path = self.0.display().to_string();
            tracing::warn!(target: "agent", path = path.as_str(), error = %error, "could not delete pid file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_pid_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
    }
}
