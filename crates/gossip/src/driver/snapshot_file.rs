//! The snapshot file on the disk (`docs/spec/gossip.md` §16): one task appends what the pool records, in batches.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use telemetry::metrics::Sample;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::metrics::Metrics;
use super::sleep_until;
use crate::log::Log;
use crate::snapshot::{Ledger, Recovered, SnapshotRecord};

/// Longest time a record waits in memory.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);
/// Pause after a file that could not be written was written anew.
const REPAIR_INTERVAL: Duration = Duration::from_secs(30);
/// Records that may wait for the task; more are dropped, so that a slow disk never holds up the pool.
pub(super) const QUEUE_RECORDS: usize = 2048;
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// The open file. Everything it does blocks.
pub(super) struct SnapshotFile {
    path: PathBuf,
    file: File,
    ledger: Ledger,
    repaired: Option<Instant>,
    log: Log,
    append_time: Sample,
    compaction_time: Sample,
}

impl SnapshotFile {
    /// Opens or creates the file and says what it tells.
    pub(super) fn open(
        path: &Path,
        rejoin: bool,
        metrics: &Metrics,
        log: Log,
    ) -> io::Result<(SnapshotFile, Recovered)> {
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
        }
        let file = open_to_append(path)?;
        let text = fs::read(path)?;
        // What was cut off in the middle of a line must not run into the next one.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64)?;
        }
        let recovered = Recovered::parse(&String::from_utf8_lossy(&text), rejoin);
        let ledger = Ledger::new(recovered.clone(), whole as u64, rejoin);
        let snapshot = SnapshotFile {
            path: path.to_owned(),
            file,
            ledger,
            repaired: None,
            log,
            append_time: metrics.snapshot_append.clone(),
            compaction_time: metrics.snapshot_compact.clone(),
        };
        Ok((snapshot, recovered))
    }

    /// Appends records that wait until now, until whoever sends them is gone; then the file is on the disk.
    pub(super) async fn run(self, mut records: mpsc::Receiver<SnapshotRecord>) {
        let mut snapshot = self;
        let mut lines = String::new();
        let mut flush_at = None;
        loop {
            let sync = tokio::select! {
                record = records.recv() => match record {
                    None => break,
                    Some(record) => {
                        let leaves = record == SnapshotRecord::Leave;
                        lines.push_str(&snapshot.ledger.append(&record));
                        if !leaves {
                            flush_at.get_or_insert_with(|| Instant::now() + FLUSH_INTERVAL);
                            continue;
                        }
                        true
                    }
                },
                () = sleep_until(flush_at) => false,
            };
            flush_at = None;
            let Some(flushed) = flush(snapshot, std::mem::take(&mut lines), sync).await else { return };
            snapshot = flushed;
        }
        flush(snapshot, lines, true).await;
    }

    fn write(&mut self, lines: &str, sync: bool) {
        if let Err(error) = self.append(lines, sync) {
            self.fail(&error);
            return self.repair();
        }
        if self.ledger.compaction_is_due() {
            self.compact().unwrap_or_else(|error| self.fail(&error));
        }
    }

    fn append(&mut self, lines: &str, sync: bool) -> io::Result<()> {
        let _timing = self.append_time.timing();
        self.file.write_all(lines.as_bytes())?;
        if sync { self.file.sync_all() } else { Ok(()) }
    }

    /// Writing the file anew also takes in what could not be appended.
    fn repair(&mut self) {
        if self.repaired.is_some_and(|at| at.elapsed() < REPAIR_INTERVAL) {
            return;
        }
        self.repaired = Some(Instant::now());
        self.compact().unwrap_or_else(|error| self.fail(&error));
    }

    fn compact(&mut self) -> io::Result<()> {
        let _timing = self.compaction_time.timing();
        let mut fresh_path = self.path.clone().into_os_string();
        fresh_path.push(".compact");
        let text = self.ledger.compact();
        let mut fresh = OpenOptions::new().create(true).write(true).truncate(true).mode(FILE_MODE).open(&fresh_path)?;
        fresh.write_all(text.as_bytes())?;
        fresh.sync_all()?;
        fs::rename(&fresh_path, &self.path)?;
        self.file = open_to_append(&self.path)?;
        self.ledger.compacted(text.len() as u64);
        Ok(())
    }

    fn fail(&self, error: &io::Error) {
        self.log.error(format_args!("serf: Failed to update snapshot: {}: {error}", self.path.display()));
    }
}

/// Writes on a thread where waiting for the disk holds up nobody. `None`: the thread is gone, the runtime ends.
async fn flush(mut snapshot: SnapshotFile, lines: String, sync: bool) -> Option<SnapshotFile> {
    let writing = tokio::task::spawn_blocking(move || {
        snapshot.write(&lines, sync);
        snapshot
    });
    writing.await.ok()
}

fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::log::Logs;

    fn open(path: &Path) -> (SnapshotFile, Recovered) {
        SnapshotFile::open(path, false, &Metrics::new("lan"), Logs::default().serf).unwrap()
    }

    fn alive(name: &str) -> SnapshotRecord {
        SnapshotRecord::Alive { name: name.into(), address: SocketAddr::from(([10, 0, 0, 1], 8301)) }
    }

    #[tokio::test]
    async fn records_are_there_after_the_writer_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("serf/local.snapshot");
        let (file, recovered) = open(&path);
        assert_eq!(recovered, Recovered::default());
        let (sender, receiver) = mpsc::channel(QUEUE_RECORDS);
        for record in [alive("a b"), SnapshotRecord::Clock(7)] {
            sender.send(record).await.unwrap();
        }
        drop(sender);
        file.run(receiver).await;
        assert_eq!(fs::read_to_string(&path).unwrap(), "alive: a b 10.0.0.1:8301\nclock: 7\n");
        assert_eq!(open(&path).1.clock, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn records_wait_half_a_second_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.snapshot");
        let (sender, receiver) = mpsc::channel(QUEUE_RECORDS);
        let running = tokio::spawn(open(&path).0.run(receiver));
        let started = Instant::now();
        sender.send(SnapshotRecord::Clock(1)).await.unwrap();
        while fs::read(&path).unwrap().is_empty() {
            assert!(started.elapsed() <= 2 * FLUSH_INTERVAL);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(sender);
        running.await.unwrap();
    }

    #[test]
    fn a_line_that_was_cut_off_does_not_spoil_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.snapshot");
        fs::write(&path, "clock: 4\nevent-clo").unwrap();
        let (mut file, recovered) = open(&path);
        assert_eq!(recovered.clock, 4);
        let line = file.ledger.append(&SnapshotRecord::EventClock(5));
        file.write(&line, false);
        assert_eq!(fs::read_to_string(&path).unwrap(), "clock: 4\nevent-clock: 5\n");
    }

    #[test]
    fn a_long_file_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("local.snapshot");
        let (mut file, _) = open(&path);
        let mut lines: String = (0..20_000).map(|time| file.ledger.append(&SnapshotRecord::Clock(time))).collect();
        lines.push_str(&file.ledger.append(&alive("a")));
        file.write(&lines, false);
        let line = file.ledger.append(&SnapshotRecord::QueryClock(3));
        file.write(&line, true);
        let expected = "alive: a 10.0.0.1:8301\nclock: 19999\nevent-clock: 0\nquery-clock: 0\nquery-clock: 3\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}
