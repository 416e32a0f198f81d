//! Values that must never be printed.

use std::fmt;

/// A token, key or password. `Debug` prints `hidden`, whether it is set or not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

/// A free-form map that may hold secrets. `Debug` prints `hidden`.
#[derive(Clone, Default, PartialEq)]
pub struct SecretMap(pub serde_json::Map<String, serde_json::Value>);

impl fmt::Debug for SecretMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl Secret {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}
