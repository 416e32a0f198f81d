//! What a reload applies and what it cannot (`docs/spec/config.md` §13).

use crate::capability::Capability;
use crate::load::Loaded;
use crate::place::Place;
use crate::table::{AGENT_KEYS, Key};

/// One key whose value changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Dotted path of the key.
    pub key: &'static str,
    /// The capability it belongs to.
    pub capability: Capability,
    /// Where the new value stands; `None` when the key went back to its default.
    pub place: Option<Place>,
}

/// The difference between the running and a new configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReloadPlan {
    /// Changes a reload applies.
    pub applied: Vec<Change>,
    /// Changes that need a restart; the agent keeps the values it started with.
    pub needs_restart: Vec<Change>,
}

impl ReloadPlan {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.needs_restart.is_empty()
    }

    /// Whether a key is among the changes a reload applies.
    pub fn applies(&self, key: &str) -> bool {
        self.applied.iter().any(|change| change.key == key)
    }
}

/// Compares two configurations key by key, in the order of the table.
pub fn reload_diff(old: &Loaded, new: &Loaded) -> ReloadPlan {
    let mut plan = ReloadPlan::default();
    for key in AGENT_KEYS {
        if old.settings.value(key.path) == new.settings.value(key.path) {
            continue;
        }
        let change = Change { key: key.path, capability: key.capability, place: place_of(key, new) };
        if key.reloadable {
            plan.applied.push(change);
        } else {
            plan.needs_restart.push(change);
        }
    }
    plan
}

fn place_of(key: &Key, config: &Loaded) -> Option<Place> {
    config.settings.user_setting(key).map(|setting| setting.place.clone())
}
