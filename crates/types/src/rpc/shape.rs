//! How values of the model travel: as one struct of the reference's each, or as they are.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::msgpack::{self, Error};

/// A struct of the reference's as which a value travels.
pub(super) trait Shape<T> {
    /// The value's bytes.
    fn encode(value: &T) -> Result<Vec<u8>, Error>;
    /// The value of these bytes. Keys nobody knows are skipped, missing ones and nil mean zero.
    fn decode(body: &[u8]) -> Result<T, Error>;
}

/// As it is: its own serde shape is the reference's.
pub(super) enum Plain {}

impl<T: Serialize + DeserializeOwned> Shape<T> for Plain {
    fn encode(value: &T) -> Result<Vec<u8>, Error> {
        msgpack::to_vec(value)
    }

    fn decode(body: &[u8]) -> Result<T, Error> {
        msgpack::from_slice(body)
    }
}

/// A struct without fields, or one whose fields nobody reads.
pub(super) enum Empty {}

/// A map without entries.
const EMPTY_MAP: u8 = 0x80;

impl Shape<()> for Empty {
    fn encode(_: &()) -> Result<Vec<u8>, Error> {
        Ok(vec![EMPTY_MAP])
    }

    fn decode(body: &[u8]) -> Result<(), Error> {
        msgpack::from_slice(body)
    }
}

/// Something that stands in lists and travels as a struct of its own.
pub(super) trait Element: Sized {
    /// The struct as it is written: it borrows.
    type Written<'a>: Serialize
    where
        Self: 'a;
    /// The struct as it is read.
    type Read: DeserializeOwned;

    fn written(&self) -> Self::Written<'_>;
    fn of(read: Self::Read) -> Self;
}

/// `#[serde(with = "each")]` for a list of [`Element`]s.
pub(super) mod each {
    use std::borrow::Cow;

    use serde::de::{Deserialize, Deserializer};
    use serde::ser::Serializer;

    use super::Element;

    pub(in super::super) fn serialize<T: Element, S: Serializer>(
        items: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(items.iter().map(T::written))
    }

    pub(in super::super) fn deserialize<'de, 'a, T, D>(deserializer: D) -> Result<Cow<'a, [T]>, D::Error>
    where
        T: Element + Clone,
        D: Deserializer<'de>,
    {
        let read = Vec::<T::Read>::deserialize(deserializer)?;
        Ok(Cow::Owned(read.into_iter().map(T::of).collect()))
    }
}
