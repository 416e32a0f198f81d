//! Small predicates and adapters shared by the serde shapes of this crate.

use serde::{Serialize, Serializer};

/// True for a value equal to its type's default: such a field may be left out.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes an empty collection as null, as the reference does for lists and maps that were never set.
pub(crate) fn null_if_empty<S, C>(value: &C, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    C: Serialize + Default + PartialEq,
{
    if is_zero(value) { serializer.serialize_none() } else { value.serialize(serializer) }
}
