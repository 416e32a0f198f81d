//! The mesh's certificate authority: roots, configuration, the built-in provider's state
//! (`docs/spec/rpc-and-state.md` §7.1, §7.7).

use std::sync::Arc;

use types::{CaConfiguration, CaProviderState, CaRoot};

use crate::key::{self, RowKey};
use crate::map::Map;
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::watch::Topic;

const ROOTS: &str = "connect-ca-roots";
const BUILTIN: &str = "connect-ca-builtin";
/// A counter among the rows of indexes: the last serial number given out.
pub(crate) const BUILTIN_SERIAL: &str = "connect-ca-builtin-serial";

#[derive(Clone, Debug, Default)]
pub(crate) struct CaTable {
    roots: Map<RowKey, Arc<CaRoot>>,
    provider_states: Map<RowKey, Arc<CaProviderState>>,
    pub(crate) config: Option<Arc<CaConfiguration>>,
}

impl CaTable {
    pub(crate) fn roots(&self) -> impl Iterator<Item = &Arc<CaRoot>> {
        self.roots.values()
    }

    pub(crate) fn provider_states(&self) -> impl Iterator<Item = &Arc<CaProviderState>> {
        self.provider_states.values()
    }

    fn provider_state(&self, id: &str) -> Option<&Arc<CaProviderState>> {
        self.provider_states.get::<[u8]>(&key::row(&[id]))
    }

    fn insert_root(&mut self, root: CaRoot) {
        self.roots.insert(key::row(&[&root.id]).into(), Arc::new(root));
    }

    fn insert_provider_state(&mut self, state: CaProviderState) {
        self.provider_states.insert(key::row(&[&state.id]).into(), Arc::new(state));
    }
}

impl Tx<'_> {
    /// Stores the configuration. One with a modify index must replace one with the same.
    pub(crate) fn set_ca_config(&mut self, config: CaConfiguration) -> Result<(), String> {
        if config.modify_index != 0 {
            self.check_ca_config(config.modify_index)?;
        }
        self.put_ca_config(config);
        Ok(())
    }

    fn check_ca_config(&self, modify_index: u64) -> Result<(), String> {
        let stored = self.root.ca.config.as_ref().map_or(0, |config| config.modify_index);
        if stored == modify_index { Ok(()) } else { Err("ModifyIndex did not match existing".to_owned()) }
    }

    fn put_ca_config(&mut self, mut config: CaConfiguration) {
        let stored = self.root.ca.config.as_ref();
        if let Some(stored) = stored
            && config.cluster_id.is_empty()
        {
            config.cluster_id.clone_from(&stored.cluster_id);
        }
        config.create_index = stored.map_or(self.index, |stored| stored.create_index);
        config.modify_index = self.index;
        self.root.ca.config = Some(Arc::new(config));
        self.touch(Topic::ca_config());
    }

    /// Replaces all roots, and answers whether it did: not unless their table's index is still `index`.
    pub(crate) fn set_ca_roots(&mut self, index: u64, roots: Vec<CaRoot>) -> Result<bool, String> {
        check_roots(&roots)?;
        if self.root.indexes.get(ROOTS) != index {
            return Ok(false);
        }
        self.put_ca_roots(roots);
        Ok(true)
    }

    fn put_ca_roots(&mut self, roots: Vec<CaRoot>) {
        let before = std::mem::take(&mut self.root.ca.roots);
        for mut root in roots {
            let stored = before.get::<[u8]>(&key::row(&[&root.id]));
            root.create_index = stored.map_or(self.index, |stored| stored.create_index);
            root.modify_index = self.index;
            self.root.ca.insert_root(root);
        }
        self.root.indexes.set(ROOTS, self.index);
        self.touch(Topic::ca_roots());
    }

    /// Replaces all roots and the configuration, both or neither. The configuration must be the one with its modify
    /// index, 0 for none; the answer is [`Self::set_ca_roots`]'s.
    pub(crate) fn set_ca_roots_and_config(
        &mut self,
        index: u64,
        roots: Vec<CaRoot>,
        config: CaConfiguration,
    ) -> Result<bool, String> {
        self.check_ca_config(config.modify_index)?;
        let replaced = self.set_ca_roots(index, roots)?;
        if replaced {
            self.put_ca_config(config);
        }
        Ok(replaced)
    }

    pub(crate) fn set_ca_provider_state(&mut self, mut state: CaProviderState) {
        let stored = self.root.ca.provider_state(&state.id);
        state.create_index = stored.map_or(self.index, |stored| stored.create_index);
        state.modify_index = self.index;
        self.root.ca.insert_provider_state(state);
        self.root.indexes.set(BUILTIN, self.index);
    }

    pub(crate) fn delete_ca_provider_state(&mut self, id: &str) {
        if self.root.ca.provider_states.remove::<[u8]>(&key::row(&[id])).is_some() {
            self.root.indexes.set(BUILTIN, self.index);
        }
    }

    /// The next serial number. The first follows the provider table's index: serial numbers were once taken from there.
    pub(crate) fn next_ca_serial(&mut self) -> u64 {
        let last = self.root.indexes.find(BUILTIN_SERIAL).unwrap_or_else(|| self.root.indexes.get(BUILTIN));
        let next = last.saturating_add(1);
        self.root.indexes.set(BUILTIN_SERIAL, next);
        next
    }

    pub(crate) fn restore_ca_root(&mut self, root: CaRoot) {
        self.raise(ROOTS, root.modify_index);
        self.root.ca.insert_root(root);
    }

    pub(crate) fn restore_ca_provider_state(&mut self, state: CaProviderState) {
        self.raise(BUILTIN, state.modify_index);
        self.root.ca.insert_provider_state(state);
    }

    /// A configuration without a provider is left out, as the reference does (`docs/spec/rpc-and-state.md` §6.5).
    pub(crate) fn restore_ca_config(&mut self, config: CaConfiguration) {
        self.root.ca.config = (!config.provider.is_empty()).then(|| Arc::new(config));
    }
}

fn check_roots(roots: &[CaRoot]) -> Result<(), String> {
    if roots.iter().filter(|root| root.active).count() != 1 {
        return Err("there must be exactly one active CA".to_owned());
    }
    if roots.iter().any(|root| root.id.is_empty()) {
        return Err("Missing CA root ID".to_owned());
    }
    Ok(())
}

/// Reads of the certificate authority.
impl Snapshot {
    /// Every root, by ID. Index: the table's.
    pub fn ca_roots(&self) -> (u64, Vec<Arc<CaRoot>>) {
        (self.root.indexes.get(ROOTS), self.root.ca.roots().cloned().collect())
    }

    /// The configuration. Index: the object's, 0 if nothing is stored.
    pub fn ca_config(&self) -> (u64, Option<Arc<CaConfiguration>>) {
        let config = self.root.ca.config.clone();
        (config.as_ref().map_or(0, |c| c.modify_index), config)
    }

    /// What the built-in provider remembers under this ID: a secret. Index: the table's.
    pub fn ca_provider_state(&self, id: &str) -> (u64, Option<Arc<CaProviderState>>) {
        (self.root.indexes.get(BUILTIN), self.root.ca.provider_state(id).cloned())
    }
}
