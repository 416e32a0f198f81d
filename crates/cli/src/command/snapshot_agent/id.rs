//! Snapshots' names, and which of them are too old to be kept.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names of all snapshots begin with.
pub(super) const NAME_START: &str = "consul-";
const NAME_END: &str = ".snap";

/// When a snapshot was taken: nanoseconds since 1970. It names the snapshot and orders it among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SnapshotId(u64);

impl SnapshotId {
    /// The ID of a snapshot taken now.
    pub(super) fn now() -> SnapshotId {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        SnapshotId(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// `consul-NANOSECONDS.snap`.
    pub(super) fn file_name(self) -> String {
        format!("{NAME_START}{}{NAME_END}", self.0)
    }

    /// The ID in a name spelled exactly as [`SnapshotId::file_name`] spells it: other files are not ours to remove.
    pub(super) fn from_file_name(name: &str) -> Option<SnapshotId> {
        let id = SnapshotId(name.strip_prefix(NAME_START)?.strip_suffix(NAME_END)?.parse().ok()?);
        (id.file_name() == name).then_some(id)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Those of `names` to be removed so that `retain` snapshots stay, oldest first. Names of other files do not count. The
/// snapshot just saved stays whatever the clock said when the others were taken. A `retain` of 0 keeps everything.
pub(super) fn expired<'n>(
    names: impl IntoIterator<Item = &'n str>,
    saved: SnapshotId,
    retain: usize,
) -> Vec<SnapshotId> {
    let Some(others) = retain.checked_sub(1) else { return Vec::new() };
    let ids = names.into_iter().filter_map(SnapshotId::from_file_name);
    let mut ids: Vec<SnapshotId> = ids.filter(|id| *id != saved).collect();
    ids.sort_unstable();
    ids.truncate(ids.len().saturating_sub(others));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_we_would_give_are_snapshots() {
        let table = [
            ("consul-17.snap", Some(SnapshotId(17))),
            ("consul-18446744073709551615.snap", Some(SnapshotId(u64::MAX))),
            ("consul-18446744073709551616.snap", None),
            ("consul-017.snap", None),
            ("consul-+17.snap", None),
            ("consul-.snap", None),
            ("consul-17.snap.unverified", None),
            ("my-consul-17.snap", None),
            ("backup.snap", None),
        ];
        for (name, id) in table {
            assert_eq!(SnapshotId::from_file_name(name), id, "{name}");
        }
    }

    #[test]
    fn names_grow_with_time() {
        let (first, second) = (SnapshotId::now(), SnapshotId::now());
        assert!(first <= second && SnapshotId::from_file_name(&first.file_name()) == Some(first));
    }

    #[test]
    fn the_oldest_are_removed_and_the_one_just_saved_never_is() {
        let all = ["consul-30.snap", "consul-4.snap", "notes.txt", "consul-9.snap", "consul-100.snap"];
        let table: [(u64, usize, &[u64]); 7] = [
            (100, 0, &[]),
            (100, 1, &[4, 9, 30]),
            (100, 2, &[4, 9]),
            (100, 4, &[]),
            (100, usize::MAX, &[]),
            // The clock was set back.
            (4, 1, &[9, 30, 100]),
            (4, 2, &[9, 30]),
        ];
        for (saved, retain, removed) in table {
            let removed: Vec<SnapshotId> = removed.iter().copied().map(SnapshotId).collect();
            assert_eq!(expired(all, SnapshotId(saved), retain), removed, "{saved} {retain}");
        }
    }
}
