//! The log file: dated names, rotation by size and age, pruning (`docs/spec/config.md` §3.1).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::LogError;
use crate::error::io_text;
use crate::notes::Notes;
use crate::output::{LineWriter, Output};
use crate::subscriber::Clock;

/// Used when the configured path names a folder.
const DEFAULT_NAME: &[u8] = b"consul.log";
/// Used when the configured name has no extension.
const DEFAULT_EXTENSION: &[u8] = b".log";
/// Used when no age is configured.
const DEFAULT_ROTATE_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
const FILE_MODE: u32 = 0o640;

/// Where the log file goes and when it is rotated.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Folder and name. With a final `/` the name is `consul.log`; a name without extension gets `.log`. The file
    /// written is always `NAME-UNIXNANOSECONDS.EXTENSION`.
    pub path: PathBuf,
    /// Bytes after which a new file is begun; 0 sets no limit.
    pub rotate_bytes: u64,
    /// Age at which a new file is begun; zero stands for 24 hours.
    pub rotate_duration: Duration,
    /// How many finished files are kept: 0 keeps all, a negative number none.
    pub max_files: i64,
}

/// The log file being written, and its finished predecessors.
pub(crate) struct FileLog {
    directory: PathBuf,
    stem: Vec<u8>,
    extension: Vec<u8>,
    rotate_bytes: u64,
    rotate_duration: Duration,
    max_files: i64,
    current: Option<Current>,
}

struct Current {
    file: File,
    path: PathBuf,
    written_bytes: u64,
    opened: SystemTime,
}

impl FileLog {
    /// Prunes old files and begins a new one.
    pub(crate) fn open(settings: &FileSettings, now: SystemTime) -> Result<Self, LogError> {
        let (directory, name) = split_path(&settings.path);
        let (stem, extension) = split_name(name);
        let rotate_duration =
            if settings.rotate_duration.is_zero() { DEFAULT_ROTATE_DURATION } else { settings.rotate_duration };
        let mut log = Self {
            directory,
            stem,
            extension,
            rotate_bytes: settings.rotate_bytes,
            rotate_duration,
            max_files: settings.max_files,
            current: None,
        };
        log.prune().map_err(LogError::Prune)?;
        let current = log.create(now).map_err(LogError::OpenFile)?;
        log.current = Some(current);
        Ok(log)
    }

    /// Appends a line, in a new file when the present one is full or old. After an error the next line tries again.
    pub(crate) fn write(&mut self, now: SystemTime, line: &str) -> Result<(), String> {
        let mut trouble = Ok(());
        if self.current.as_ref().is_some_and(|current| self.is_due(current, now)) {
            self.current = None;
            trouble = self.prune();
        }
        let current = match self.current.take() {
            Some(current) => current,
            None => self.create(now)?,
        };
        let current = self.current.insert(current);
        current.file.write_all(line.as_bytes()).map_err(|error| io_text("write", &current.path, &error))?;
        current.written_bytes += line.len() as u64;
        trouble
    }

    fn is_due(&self, current: &Current, now: SystemTime) -> bool {
        let full = self.rotate_bytes > 0 && current.written_bytes >= self.rotate_bytes;
        // A clock that was set back makes the file look young, not old.
        let age = now.duration_since(current.opened).unwrap_or_default();
        full || age >= self.rotate_duration
    }

    fn create(&self, now: SystemTime) -> Result<Current, String> {
        let unix_nanoseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut name = self.stem.clone();
        name.extend_from_slice(format!("-{unix_nanoseconds}").as_bytes());
        name.extend_from_slice(&self.extension);
        let path = self.directory.join(OsString::from_vec(name));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|error| io_text("open", &path, &error))?;
        Ok(Current { file, path, written_bytes: 0, opened: now })
    }

    fn prune(&self) -> Result<(), String> {
        let keep = match usize::try_from(self.max_files) {
            Ok(0) => return Ok(()),
            Ok(keep) => keep,
            Err(_) => 0,
        };
        let mut finished = self.finished_files();
        finished.sort();
        let surplus = finished.len().saturating_sub(keep);
        for (_, path) in &finished[..surplus] {
            fs::remove_file(path).map_err(|error| io_text("remove", path, &error))?;
        }
        Ok(())
    }

    /// Finished files by age. A folder that cannot be read has none; the failure to write there says why.
    fn finished_files(&self) -> Vec<(u128, PathBuf)> {
        let directory = if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory };
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name();
                let stamp = name.as_bytes().strip_prefix(self.stem.as_slice())?.strip_prefix(b"-")?;
                let stamp = stamp.strip_suffix(self.extension.as_slice())?;
                let unix_nanoseconds = std::str::from_utf8(stamp).ok()?.parse().ok()?;
                Some((unix_nanoseconds, self.directory.join(name)))
            })
            .collect()
    }
}

fn split_path(path: &Path) -> (PathBuf, &[u8]) {
    let bytes = path.as_os_str().as_bytes();
    let name_start = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (directory, name) = bytes.split_at(name_start);
    (PathBuf::from(OsStr::from_bytes(directory)), if name.is_empty() { DEFAULT_NAME } else { name })
}

fn split_name(name: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) => (name[..dot].to_vec(), name[dot..].to_vec()),
        None => (name.to_vec(), DEFAULT_EXTENSION.to_vec()),
    }
}

/// Writes the agent's lines to a [`FileLog`]; the first failure of a row is reported on the terminal.
pub(crate) struct FileWriter {
    pub(crate) log: FileLog,
    pub(crate) now: Clock,
    pub(crate) notes: Notes,
    pub(crate) terminal: Option<Arc<Output>>,
    pub(crate) failing: bool,
}

impl LineWriter for FileWriter {
    fn write_lines(&mut self, lines: &VecDeque<Arc<str>>) {
        for line in lines {
            let outcome = self.log.write((self.now)(), line);
            let failed_before = std::mem::replace(&mut self.failing, outcome.is_err());
            if let (Err(error), false, Some(terminal)) = (outcome, failed_before, &self.terminal) {
                terminal.push(self.notes.file_failed(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(nanoseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }

    fn settings(folder: &Path, name: &str) -> FileSettings {
        let path = PathBuf::from(format!("{}/{name}", folder.display()));
        FileSettings { path, rotate_bytes: 0, rotate_duration: Duration::ZERO, max_files: 0 }
    }

    /// Names and contents of a folder, sorted by name.
    fn listing(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    fn names(folder: &Path) -> Vec<String> {
        listing(folder).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn names_follow_the_configured_path() {
        let cases =
            [("", "consul-7.log"), ("a", "a-7.log"), ("a.txt", "a-7.txt"), ("a.b.c", "a.b-7.c"), (".log", "-7.log")];
        for (name, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            FileLog::open(&settings(folder.path(), name), at(7)).unwrap();
            assert_eq!(names(folder.path()), [expected], "{name}");
        }
    }

    #[test]
    fn others_may_not_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        FileLog::open(&settings(folder.path(), "a"), at(7)).unwrap();
        let mode = fs::metadata(folder.path().join("a-7.log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "{mode:o}");
    }

    #[test]
    fn a_full_file_is_followed_by_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = FileLog::open(&FileSettings { rotate_bytes: 4, ..settings(folder.path(), "a") }, at(1)).unwrap();
        for (now, line) in [(2, "ab\n"), (3, "c\n"), (4, "d\n"), (5, "efgh\n"), (6, "i\n")] {
            log.write(at(now), line).unwrap();
        }
        let expected = [("a-1.log", "ab\nc\n"), ("a-4.log", "d\nefgh\n"), ("a-6.log", "i\n")];
        assert_eq!(listing(folder.path()), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn an_old_file_is_followed_by_a_new_one() {
        let cases = [(Duration::from_nanos(10), 11), (Duration::ZERO, 86_400_000_000_001)];
        for (rotate_duration, due) in cases {
            let folder = tempfile::tempdir().unwrap();
            let mut log =
                FileLog::open(&FileSettings { rotate_duration, ..settings(folder.path(), "a") }, at(1)).unwrap();
            log.write(at(due - 1), "young\n").unwrap();
            log.write(at(0), "clock set back\n").unwrap();
            assert_eq!(names(folder.path()).len(), 1, "{rotate_duration:?}");
            log.write(at(due), "old\n").unwrap();
            assert_eq!(names(folder.path()), ["a-1.log".to_owned(), format!("a-{due}.log")]);
        }
    }

    #[test]
    fn finished_files_are_kept_as_configured() {
        let cases: [(i64, &[&str]); 4] = [
            (0, &["a-1.log", "a-10.log", "a-11.log", "a-2.log", "a-9.log"]),
            (1, &["a-10.log", "a-11.log"]),
            (2, &["a-10.log", "a-11.log", "a-9.log"]),
            (-1, &["a-11.log"]),
        ];
        for (max_files, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            for number in [1, 2, 9] {
                fs::write(folder.path().join(format!("a-{number}.log")), "").unwrap();
            }
            let settings = FileSettings { rotate_bytes: 1, max_files, ..settings(folder.path(), "a") };
            let mut log = FileLog::open(&settings, at(10)).unwrap();
            log.write(at(10), "x\n").unwrap();
            log.write(at(11), "y\n").unwrap();
            assert_eq!(names(folder.path()), expected, "max_files {max_files}");
        }
    }

    #[test]
    fn other_files_are_never_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let others = ["a-1.txt", "a-b-1.log", "a-.log", "a.log", "b-1.log"];
        for name in others {
            fs::write(folder.path().join(name), "").unwrap();
        }
        FileLog::open(&FileSettings { max_files: -1, ..settings(folder.path(), "a") }, at(5)).unwrap();
        for name in others {
            assert!(folder.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn a_missing_folder_is_named_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no");
        let error = FileLog::open(&settings(&missing, "a"), at(5)).err().unwrap().to_string();
        let expected =
            format!("Failed to setup logging: open {}/a-5.log: no such file or directory", missing.display());
        assert_eq!(error, expected);
        assert!(!missing.exists());
    }

    #[test]
    fn a_folder_that_vanishes_costs_lines_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let mut log = FileLog::open(&FileSettings { rotate_bytes: 1, ..settings(&inner, "a") }, at(1)).unwrap();
        log.write(at(2), "one\n").unwrap();
        fs::remove_dir_all(&inner).unwrap();
        assert!(log.write(at(3), "lost\n").unwrap_err().contains("no such file or directory"));
        fs::create_dir(&inner).unwrap();
        log.write(at(4), "two\n").unwrap();
        assert_eq!(listing(&inner), [("a-4.log".to_owned(), "two\n".to_owned())]);
    }
}
