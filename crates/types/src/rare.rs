//! Values that most objects leave at their default, kept outside the object: there are many objects.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type with one default value for the whole process.
pub trait SharedDefault: Default + PartialEq + 'static {
    /// The default value.
    fn shared_default() -> &'static Self;
}

/// A value that takes a pointer while it is the default. Reads as the value itself, and is written as it.
pub struct Rare<T>(Option<Box<T>>);

impl<T> Default for Rare<T> {
    fn default() -> Rare<T> {
        Rare(None)
    }
}

impl<T: SharedDefault> From<T> for Rare<T> {
    fn from(value: T) -> Rare<T> {
        Rare((value != *T::shared_default()).then(|| Box::new(value)))
    }
}

impl<T: SharedDefault> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::shared_default())
    }
}

impl<T: SharedDefault> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: SharedDefault> PartialEq for Rare<T> {
    fn eq(&self, other: &Rare<T>) -> bool {
        **self == **other
    }
}

impl<T: SharedDefault + Eq> Eq for Rare<T> {}

impl<T: Clone> Clone for Rare<T> {
    fn clone(&self) -> Rare<T> {
        Rare(self.0.clone())
    }
}

impl<T: SharedDefault + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: SharedDefault + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: SharedDefault + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rare<T>, D::Error> {
        T::deserialize(deserializer).map(Rare::from)
    }
}

/// Gives types their one default value.
macro_rules! shared_default {
    ($($name:ty),*) => {
        $(impl crate::rare::SharedDefault for $name {
            fn shared_default() -> &'static Self {
                static DEFAULT: std::sync::LazyLock<$name> = std::sync::LazyLock::new(Default::default);
                &DEFAULT
            }
        })*
    };
}
pub(crate) use shared_default;

#[cfg(test)]
mod tests {
    use crate::HealthCheckDefinition;

    use super::*;

    #[test]
    fn a_default_takes_no_room_and_equals_one_that_does() {
        let mut touched = Rare::<HealthCheckDefinition>::default();
        touched.http.clear();
        assert!(touched.0.is_some());
        assert_eq!(touched, Rare::default());
        assert!(Rare::from(HealthCheckDefinition::default()).0.is_none());
    }

    #[test]
    fn it_is_written_and_read_as_the_value() {
        let text = r#"{"HTTP":"http://a"}"#;
        let read: Rare<HealthCheckDefinition> = serde_json::from_str(text).unwrap();
        assert_eq!(read.http, "http://a");
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(serde_json::from_str::<Rare<HealthCheckDefinition>>("{}").unwrap().0.is_none());
    }
}
