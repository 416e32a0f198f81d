//! The persistent map every table is made of: clones share structure, so a version of the whole state is free.
//!
//! `imbl::OrdMap` is a B+tree of 16-entry leaves: a lookup is O(log n), a write copies the path it changes (a few
//! leaves and branches), a scan walks leaves in key order.

use std::borrow::Borrow;
use std::ops::Bound;

/// Persistent ordered map.
pub(crate) type Map<K, V> = imbl::OrdMap<K, V>;

/// The entries whose key starts with `prefix`, in key order; costs one lookup and one step per entry.
pub(crate) fn under<'a, 'p, K, V>(map: &'a Map<K, V>, prefix: &'p [u8]) -> impl Iterator<Item = (&'a K, &'a V)> + 'p
where
    'a: 'p,
    K: Ord + Borrow<[u8]>,
{
    map.range::<_, [u8]>((Bound::Included(prefix), Bound::Unbounded))
        .take_while(move |(key, _)| (*key).borrow().starts_with(prefix))
}
