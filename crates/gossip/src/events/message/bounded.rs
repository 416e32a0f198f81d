//! Lists and maps of at most so many elements: a small message of empty ones must not fill the memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A list of at most `MAX` elements; nil is an empty one.
pub(in crate::events) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// The same where nil is not an empty list.
pub(in crate::events) fn some_list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Bounded<T, const MAX: usize>(Vec<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            list::<D, T, MAX>(deserializer).map(Bounded)
        }
    }

    let found: Option<Bounded<T, MAX>> = Option::deserialize(deserializer)?;
    Ok(found.map(|found| found.0))
}

/// A map of at most `MAX` pairs; nil is an empty one.
pub(in crate::events) fn map<'de, D, K, V, const MAX: usize>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    deserializer.deserialize_map(Map::<K, V, MAX>(PhantomData))
}

struct List<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} elements")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_none<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut found = Vec::new();
        while let Some(element) = elements.next_element()? {
            if found.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            found.push(element);
        }
        Ok(found)
    }
}

struct Map<K, V, const MAX: usize>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Map<K, V, MAX> {
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of at most {MAX} pairs")
    }

    fn visit_unit<E: Error>(self) -> Result<BTreeMap<K, V>, E> {
        Ok(BTreeMap::new())
    }

    fn visit_none<E: Error>(self) -> Result<BTreeMap<K, V>, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<BTreeMap<K, V>, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((key, value)) = pairs.next_entry()? {
            if found.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            found.insert(key, value);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use wire::msgpack::{from_slice, to_vec};

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Held {
        #[serde(deserialize_with = "list::<_, _, 2>")]
        list: Vec<u8>,
        #[serde(deserialize_with = "some_list::<_, _, 2>")]
        some: Option<Vec<u8>>,
        #[serde(deserialize_with = "map::<_, _, _, 1>")]
        map: BTreeMap<String, u8>,
    }

    fn held(list: &[u8], some: Option<&[u8]>, map: &[(&str, u8)]) -> Held {
        let map = map.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        Held { list: list.to_vec(), some: some.map(<[u8]>::to_vec), map }
    }

    #[test]
    fn what_fits_comes_back_and_more_is_refused() {
        for fits in [held(&[], None, &[]), held(&[1, 2], Some(&[]), &[("a", 1)]), held(&[], Some(&[1, 2]), &[])] {
            assert_eq!(from_slice::<Held>(&to_vec(&fits).unwrap()).unwrap(), fits);
        }
        let too_much =
            [held(&[1, 2, 3], None, &[]), held(&[], Some(&[1, 2, 3]), &[]), held(&[], None, &[("a", 1), ("b", 2)])];
        for refused in too_much {
            assert!(from_slice::<Held>(&to_vec(&refused).unwrap()).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn nil_is_nothing() {
        let nil = b"\x83\xa4list\xc0\xa3map\xc0\xa4some\xc0";
        assert_eq!(from_slice::<Held>(nil).unwrap(), Held::default());
    }
}
