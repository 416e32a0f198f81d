//! Keys, values and tombstones (`docs/spec/rpc-and-state.md` §7.2).

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use types::{DirEntry, Key};

use crate::apply::Effect;
use crate::key::{self, RowKey};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::watch::Topic;

/// Longest time a key stays unlockable after its session ended.
pub const LOCK_DELAY_LIMIT: Duration = Duration::from_secs(60);

const KVS: &str = "kvs";
const TOMBSTONES: &str = "tombstones";

#[derive(Clone, Debug, Default)]
pub(crate) struct KvTable {
    entries: Map<Key, Arc<DirEntry>>,
    /// Held keys: (session, key).
    by_session: Map<RowKey, Key>,
    /// Deleted keys and prefixes, with the index of the delete.
    tombstones: Map<Key, u64>,
}

impl KvTable {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Arc<DirEntry>> {
        self.entries.get(key)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<DirEntry>> {
        self.entries.values()
    }

    pub(crate) fn under<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a Arc<DirEntry>> + 'a {
        under(&self.entries, prefix).map(|(_, entry)| entry)
    }

    /// What `prefix` shares with the key that shares most with it.
    fn shared<'p>(&self, prefix: &'p [u8]) -> &'p [u8] {
        let before = self.entries.range::<_, [u8]>((Bound::Unbounded, Bound::Excluded(prefix))).next_back();
        let after = self.entries.range::<_, [u8]>((Bound::Included(prefix), Bound::Unbounded)).next();
        let shares = |(key, _): (&Key, _)| prefix.iter().zip(key.as_bytes()).take_while(|(a, b)| a == b).count();
        let longest = before.map(shares).max(after.map(shares)).unwrap_or(0);
        prefix.get(..longest).unwrap_or_default()
    }

    pub(crate) fn tombstones(&self) -> impl Iterator<Item = (&Key, u64)> {
        self.tombstones.iter().map(|(key, index)| (key, *index))
    }

    pub(crate) fn held_by(&self, session: &str) -> Vec<Key> {
        under(&self.by_session, &key::row(&[session])).map(|(_, key)| key.clone()).collect()
    }

    fn insert(&mut self, entry: Arc<DirEntry>) {
        let key = entry.key.clone();
        let before = self.entries.insert(key.clone(), Arc::clone(&entry));
        let held_before = before.as_ref().map_or("", |e| e.session.as_str());
        if held_before == entry.session {
            return;
        }
        self.forget_holder(held_before, &key);
        if !entry.session.is_empty() {
            self.by_session.insert(holder_key(&entry.session, &key).into(), key);
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove::<[u8]>(key.as_bytes()) {
            self.forget_holder(&entry.session, key);
        }
    }

    fn forget_holder(&mut self, session: &str, key: &Key) {
        if !session.is_empty() {
            self.by_session.remove::<[u8]>(&holder_key(session, key));
        }
    }
}

fn holder_key(session: &str, key: &Key) -> Vec<u8> {
    let mut holder = key::row(&[session]);
    holder.extend_from_slice(key.as_bytes());
    holder
}

/// Why a lock or unlock did not take place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KvRefusal {
    /// The request names no session.
    MissingSession,
    /// There is no such session.
    InvalidSession(String),
    /// Lock: held by another session. Unlock: not held by this one.
    NotHeld,
}

impl fmt::Display for KvRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvRefusal::MissingSession => f.write_str("missing session"),
            KvRefusal::InvalidSession(id) => write!(f, "invalid session {}", wire::quote::go_quote(id)),
            KvRefusal::NotHeld => f.write_str("lock is not available"),
        }
    }
}

impl Tx<'_> {
    /// Writes an entry; its holder stays as it is, its lock index becomes the request's. Returns what is stored.
    pub(crate) fn kv_set(&mut self, mut entry: DirEntry) -> Arc<DirEntry> {
        entry.session = self.root.kv.get(entry.key.as_bytes()).map(|e| e.session.clone()).unwrap_or_default();
        self.kv_write(entry)
    }

    /// Writes an entry as it is, but for its indexes. Does nothing if that would change nothing.
    fn kv_write(&mut self, mut entry: DirEntry) -> Arc<DirEntry> {
        entry.create_index = self.index;
        if let Some(stored) = self.root.kv.get(entry.key.as_bytes()) {
            entry.create_index = stored.create_index;
            entry.modify_index = stored.modify_index;
            if **stored == entry {
                return Arc::clone(stored);
            }
        }
        entry.modify_index = self.index;
        let entry = Arc::new(entry);
        self.root.kv.insert(Arc::clone(&entry));
        self.root.indexes.set(KVS, self.index);
        self.touch(Topic::key(entry.key.as_bytes()));
        entry
    }

    /// Writes an entry if the stored one has the request's modify index, or with index 0 if there is none.
    pub(crate) fn kv_cas(&mut self, entry: DirEntry) -> Option<Arc<DirEntry>> {
        let matches = match self.root.kv.get(entry.key.as_bytes()) {
            Some(stored) => entry.modify_index != 0 && stored.modify_index == entry.modify_index,
            None => entry.modify_index == 0,
        };
        matches.then(|| self.kv_set(entry))
    }

    /// Writes an entry and gives it to the request's session, if no other has it.
    pub(crate) fn kv_lock(&mut self, mut entry: DirEntry) -> Result<Arc<DirEntry>, KvRefusal> {
        if entry.session.is_empty() {
            return Err(KvRefusal::MissingSession);
        }
        if self.root.sessions.get(&entry.session).is_none() {
            return Err(KvRefusal::InvalidSession(entry.session));
        }
        entry.lock_index = match self.root.kv.get(entry.key.as_bytes()) {
            None => 1,
            Some(stored) if stored.session == entry.session => stored.lock_index,
            Some(stored) if stored.session.is_empty() => stored.lock_index + 1,
            Some(_) => return Err(KvRefusal::NotHeld),
        };
        Ok(self.kv_write(entry))
    }

    /// Writes an entry and frees it, if the request's session has it.
    pub(crate) fn kv_unlock(&mut self, mut entry: DirEntry) -> Result<Arc<DirEntry>, KvRefusal> {
        if entry.session.is_empty() {
            return Err(KvRefusal::MissingSession);
        }
        match self.root.kv.get(entry.key.as_bytes()) {
            Some(stored) if stored.session == entry.session => entry.lock_index = stored.lock_index,
            _ => return Err(KvRefusal::NotHeld),
        }
        entry.session.clear();
        Ok(self.kv_write(entry))
    }

    pub(crate) fn kv_delete(&mut self, key: &Key) {
        if self.root.kv.get(key.as_bytes()).is_none() {
            return;
        }
        self.bury(key);
        self.root.kv.remove(key);
        self.root.indexes.set(KVS, self.index);
        self.touch(Topic::key(key.as_bytes()));
    }

    /// Deletes an entry if it has this modify index. An absent one counts as deleted.
    pub(crate) fn kv_delete_cas(&mut self, key: &Key, modify_index: u64) -> bool {
        match self.root.kv.get(key.as_bytes()) {
            None => true,
            Some(stored) if stored.modify_index != modify_index => false,
            Some(_) => {
                self.kv_delete(key);
                true
            }
        }
    }

    /// Deletes every entry under a prefix, with one tombstone for the prefix (none for the empty one).
    pub(crate) fn kv_delete_tree(&mut self, prefix: &Key) {
        let doomed: Vec<Key> = self.root.kv.under(prefix.as_bytes()).map(|entry| entry.key.clone()).collect();
        if doomed.is_empty() {
            return;
        }
        for key in doomed {
            self.root.kv.remove(&key);
            self.touch(Topic::key(key.as_bytes()));
        }
        if !prefix.is_empty() {
            self.bury(prefix);
        }
        self.root.indexes.set(KVS, self.index);
    }

    fn bury(&mut self, key: &Key) {
        self.root.kv.tombstones.insert(key.clone(), self.index);
        self.root.indexes.set(TOMBSTONES, self.index);
        self.effects.push(Effect::Tombstoned { index: self.index });
    }

    /// Forgets tombstones with an index up to this one. No index moves, but a prefix's reply index may go down.
    /// Looks at every tombstone, which the leader asks for once per 30 s at most.
    pub(crate) fn reap_tombstones(&mut self, up_to: u64) {
        let reaped: Vec<Key> =
            self.root.kv.tombstones().filter(|(_, index)| *index <= up_to).map(|(key, _)| key.clone()).collect();
        for key in reaped {
            self.root.kv.tombstones.remove(&key);
        }
    }

    /// Frees the keys a session holds, or deletes them, and bars them for its lock-delay.
    pub(crate) fn release_keys(&mut self, session: &str, delete: bool, delay: Duration) {
        for key in self.root.kv.held_by(session) {
            if delete {
                self.kv_delete(&key);
            } else if let Some(stored) = self.root.kv.get(key.as_bytes()) {
                let freed = DirEntry { session: String::new(), ..DirEntry::clone(stored) };
                self.kv_write(freed);
            }
            if !delay.is_zero() {
                self.effects.push(Effect::LockDelay { key, delay: delay.min(LOCK_DELAY_LIMIT) });
            }
        }
    }

    pub(crate) fn restore_entry(&mut self, entry: DirEntry) {
        self.raise(KVS, entry.modify_index);
        self.root.kv.insert(Arc::new(entry));
    }

    pub(crate) fn restore_tombstone(&mut self, tombstone: DirEntry) {
        self.raise(TOMBSTONES, tombstone.modify_index);
        self.root.kv.tombstones.insert(tombstone.key, tombstone.modify_index);
    }
}

/// Reads of keys and values.
impl Snapshot {
    /// One entry. Index: the entry's, or the whole store's if there is no such entry.
    pub fn kv_get(&self, key: &[u8]) -> (u64, Option<Arc<DirEntry>>) {
        match self.root.kv.get(key) {
            Some(entry) => (entry.modify_index, Some(Arc::clone(entry))),
            None => (self.kv_index(), None),
        }
    }

    /// The entries whose key starts with `prefix`, in key order. Index: the highest under the prefix, deletions
    /// included; the whole store's for the empty prefix or if there is nothing. One step per entry and tombstone.
    pub fn kv_list(&self, prefix: &[u8]) -> (u64, Vec<Arc<DirEntry>>) {
        let entries: Vec<_> = self.root.kv.under(prefix).map(Arc::clone).collect();
        let highest = entries.iter().map(|entry| entry.modify_index).max().unwrap_or(0);
        (self.kv_prefix_index(prefix, highest), entries)
    }

    /// What a reader of the entries under `prefix` waits for. Where there is nothing, and never was, the index is the
    /// whole store's, which moves with other keys: as in the reference, those under the longest prefix that it shares
    /// with any key wake the reader. Clients that wait for several prefixes in turn rely on it.
    pub fn kv_list_topic(&self, prefix: &[u8]) -> Topic {
        let is_there =
            self.root.kv.under(prefix).next().is_some() || under(&self.root.kv.tombstones, prefix).next().is_some();
        Topic::key_prefix(if is_there { prefix } else { self.root.kv.shared(prefix) })
    }

    /// The keys that start with `prefix`, in order, each cut after the first `separator` behind the prefix and listed
    /// once; an empty separator cuts nothing. Index as [`Self::kv_list`]. One step per entry under the prefix, also
    /// for those cut away, because each may have the highest index.
    pub fn kv_keys(&self, prefix: &[u8], separator: &[u8]) -> (u64, Vec<Key>) {
        let mut keys: Vec<Key> = Vec::new();
        let mut highest = 0;
        let mut folder: &[u8] = &[];
        for entry in self.root.kv.under(prefix) {
            highest = highest.max(entry.modify_index);
            let key = entry.key.as_bytes();
            if !folder.is_empty() && key.starts_with(folder) {
                continue;
            }
            let Some(cut) = find(&key[prefix.len()..], separator) else {
                keys.push(entry.key.clone());
                continue;
            };
            folder = &key[..prefix.len() + cut + separator.len()];
            keys.push(Key::from(folder));
        }
        (self.kv_prefix_index(prefix, highest), keys)
    }

    fn kv_prefix_index(&self, prefix: &[u8], highest: u64) -> u64 {
        if prefix.is_empty() {
            return self.kv_index();
        }
        let deleted = under(&self.root.kv.tombstones, prefix).map(|(_, index)| *index).max().unwrap_or(0);
        match highest.max(deleted) {
            0 => self.kv_index(),
            index => index,
        }
    }

    fn kv_index(&self) -> u64 {
        self.root.indexes.max(&[KVS, TOMBSTONES])
    }
}

/// Position of the first `needle`, which is none for an empty one.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    haystack.windows(needle.len()).position(|window| window == needle)
}
