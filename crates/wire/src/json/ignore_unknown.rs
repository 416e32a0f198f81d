//! `#[serde(with = "wire::json::ignore_unknown")]` on a field whose value tolerates unknown keys inside a body that does
//! not (a service's `Connect`, a check's `Definition`). Transparent in every other respect and every other format.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// The newtype name by which [`super::from_slice`] recognises the wish.
pub(super) const MARKER: &str = "$wire::json::ignore_unknown";

/// Writes the value itself.
pub fn serialize<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.serialize(serializer)
}

/// Reads the value, ignoring unknown keys at its every level.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_newtype_struct(MARKER, Transparent(PhantomData))
}

struct Transparent<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Transparent<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(std::any::type_name::<T>())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}
