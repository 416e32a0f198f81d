//! A map that knows which of its entries was not used for longest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Entries by key, in the order they were last used.
pub(super) struct Lru<V> {
    entries: HashMap<Arc<[u8]>, Entry<V>>,
    by_use: BTreeMap<u64, Arc<[u8]>>,
    uses: u64,
}

struct Entry<V> {
    used: u64,
    value: V,
}

impl<V> Default for Lru<V> {
    fn default() -> Lru<V> {
        Lru { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0 }
    }
}

impl<V> Lru<V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// An entry, which counts as used by this.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        // The entry used last is used again most often: its place is right already.
        if entry.used == self.uses {
            return Some(&mut entry.value);
        }
        self.uses += 1;
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.by_use.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(&mut entry.value)
    }

    /// Adds or replaces an entry; the value that was there.
    pub(super) fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        if let Some(kept) = self.get(key) {
            return Some(std::mem::replace(kept, value));
        }
        self.uses += 1;
        let key: Arc<[u8]> = key.into();
        self.by_use.insert(self.uses, Arc::clone(&key));
        self.entries.insert(key, Entry { used: self.uses, value });
        None
    }

    /// Takes out the entry that was not used for longest.
    pub(super) fn pop_oldest(&mut self) -> Option<V> {
        let (_, key) = self.by_use.pop_first()?;
        self.entries.remove(&key).map(|entry| entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::Lru;

    #[test]
    fn the_entry_not_used_for_longest_goes_first() {
        let mut lru = Lru::default();
        for key in ["a", "b", "c"] {
            assert_eq!(lru.insert(key.as_bytes(), key), None);
        }
        assert_eq!(lru.get(b"a"), Some(&mut "a"));
        assert_eq!(lru.insert(b"b", "B"), Some("b"));
        assert_eq!(lru.get(b"none"), None);
        assert_eq!(lru.len(), 3);
        let order: Vec<_> = std::iter::from_fn(|| lru.pop_oldest()).collect();
        assert_eq!(order, ["c", "a", "B"]);
        assert_eq!(lru.len(), 0);
    }
}
