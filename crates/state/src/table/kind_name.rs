//! Which service names exist of each kind: a view of the services, with an index of its own
//! (`docs/spec/rpc-and-state.md` §7.4).

use types::NodeService;

use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::index::kind_label;
use crate::table::node::same_name;
use crate::table::service::connect_name;

/// Stands for services that can be reached in the mesh, by a proxy or natively.
const CONNECT_ENABLED: &str = "connect-enabled";

fn index_row(kind: &str) -> String {
    format!("kind_service_names.{}", kind_label(kind))
}

impl Tx<'_> {
    /// Moves the indexes of the kinds for which this instance's names exist in no instance: call it before the first
    /// one comes and after the last one has gone or changed. The reference keeps some names of changed instances until
    /// its next restore, after which its servers may differ.
    pub(crate) fn note_kind_names(&mut self, service: &NodeService, at: u64) {
        if !service.peer_name.is_empty() {
            return;
        }
        if !self.root.services.has_kind("", &service.kind, &service.service) {
            self.raise(&index_row(&service.kind), at);
        }
        if connect_name(service).is_some_and(|name| !self.root.services.has_connect("", name)) {
            self.raise(&index_row(CONNECT_ENABLED), at);
        }
    }
}

/// Reads of service names by kind.
impl Snapshot {
    /// The names of this cluster's services of a kind (`""`, `connect-proxy`, …; `connect-enabled` for those with a
    /// proxy or native instance), in order. Index: the kind's names'. One step per instance.
    pub fn service_names_of_kind(&self, kind: &str) -> (u64, Vec<String>) {
        let services = &self.root.services;
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if names.last().is_none_or(|last| !same_name(last, name)) {
                names.push(name.to_owned());
            }
        };
        if kind == CONNECT_ENABLED {
            services.connect_capable("").into_iter().filter_map(|service| connect_name(service)).for_each(&mut add);
        } else {
            services.of_kind("", kind).into_iter().for_each(|service| add(&service.service));
        }
        (self.root.indexes.get(&index_row(kind)), names)
    }
}
