//! Autopilot's configuration (`docs/spec/rpc-and-state.md` §7.7).

use std::sync::Arc;

use types::AutopilotConfig;
use types::autopilot::AutopilotSetConfigRequest;

use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::watch::Topic;

impl Tx<'_> {
    /// Stores the configuration. A conditional write needs a stored one with the request's modify index.
    pub(crate) fn set_autopilot(&mut self, request: AutopilotSetConfigRequest) -> bool {
        let stored = self.root.autopilot.as_ref();
        if request.cas && stored.is_none_or(|s| s.modify_index != request.config.modify_index) {
            return false;
        }
        let create_index = stored.map_or(self.index, |s| s.create_index);
        let config = AutopilotConfig { create_index, modify_index: self.index, ..request.config };
        self.root.autopilot = Some(Arc::new(config));
        self.touch(Topic::autopilot());
        true
    }
}

/// Reads of autopilot's configuration.
impl Snapshot {
    /// The stored configuration. Index: the object's, 0 if nothing is stored.
    pub fn autopilot_config(&self) -> (u64, Option<Arc<AutopilotConfig>>) {
        let config = self.root.autopilot.clone();
        (config.as_ref().map_or(0, |c| c.modify_index), config)
    }
}
