//! The environment variables a run may read, taken once at its start.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// Environment variables by name. Variables that are not UTF-8 are left out: none that we read can be.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Environment {
        let text = |s: OsString| s.into_string().ok();
        Environment(std::env::vars_os().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect())
    }

    /// The value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Environment {
        Environment(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}
