//! How much there is of everything; kept with each write, rows imported from peers excluded
//! (`docs/spec/rpc-and-state.md` §7.8).

use types::NodeService;

use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::service::CONNECT_PROXY;

/// Counts of this cluster's own objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nodes.
    pub nodes: u64,
    /// Service instances.
    pub services: u64,
    /// Distinct service names.
    pub service_names: u64,
    /// Entries of the key/value store.
    pub kv_entries: u64,
    /// Instances of kind `connect-proxy`.
    pub connect_proxies: u64,
    /// Instances of kind `mesh-gateway`.
    pub mesh_gateways: u64,
    /// Instances of kind `ingress-gateway`.
    pub ingress_gateways: u64,
    /// Instances of kind `terminating-gateway`.
    pub terminating_gateways: u64,
    /// Instances that speak the mesh protocol themselves.
    pub connect_native: u64,
}

impl Usage {
    fn of_kind(&mut self, kind: &str) -> Option<&mut u64> {
        match kind {
            CONNECT_PROXY => Some(&mut self.connect_proxies),
            "mesh-gateway" => Some(&mut self.mesh_gateways),
            "ingress-gateway" => Some(&mut self.ingress_gateways),
            "terminating-gateway" => Some(&mut self.terminating_gateways),
            _ => None,
        }
    }
}

impl Tx<'_> {
    /// Counts an instance in (1) or out (-1).
    pub(crate) fn count_service(&mut self, service: &NodeService, step: i64) {
        if !service.peer_name.is_empty() {
            return;
        }
        let usage = &mut self.root.usage;
        usage.services = usage.services.saturating_add_signed(step);
        if let Some(count) = usage.of_kind(&service.kind) {
            *count = count.saturating_add_signed(step);
        }
        if service.connect.native {
            usage.connect_native = usage.connect_native.saturating_add_signed(step);
        }
    }
}

/// Reads of the counts.
impl Snapshot {
    /// The counts. Index: the highest of nodes, services and keys.
    pub fn usage(&self) -> (u64, Usage) {
        let usage = Usage { kv_entries: self.root.kv.len() as u64, ..self.root.usage.clone() };
        (self.root.indexes.max(&["nodes", "services", "kvs"]), usage)
    }
}
