//! Which service names exist of each kind; derived from registrations, never stored (`docs/spec/rpc-and-state.md` §7.4).

use std::sync::Arc;

use types::NodeService;

use crate::key::{self, RowKey};
use crate::map::{Map, under};
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::index::kind_label;
use crate::table::service::connect_name;

/// Stands for services that can be reached in the mesh, by a proxy or natively.
const CONNECT_ENABLED: &str = "connect-enabled";

#[derive(Clone, Debug, Default)]
pub(crate) struct KindNameTable {
    /// (kind, name) to the name as registered.
    rows: Map<RowKey, Arc<str>>,
}

fn index_row(kind: &str) -> String {
    format!("kind_service_names.{}", kind_label(kind))
}

impl Tx<'_> {
    /// Notes the names an instance of this cluster brings.
    pub(crate) fn add_kind_names(&mut self, service: &NodeService, at: u64) {
        if !service.peer_name.is_empty() {
            return;
        }
        self.add_kind_name(&service.kind, &service.service, at);
        if let Some(name) = connect_name(service) {
            self.add_kind_name(CONNECT_ENABLED, name, at);
        }
    }

    fn add_kind_name(&mut self, kind: &str, name: &str, at: u64) {
        let row = key::row(&[kind, name]);
        if self.root.kind_names.rows.contains_key::<[u8]>(&row) {
            return;
        }
        self.root.kind_names.rows.insert(row.into(), name.into());
        self.raise(&index_row(kind), at);
    }

    /// Forgets the names that no instance has any more now that this one is gone or has changed. The reference keeps
    /// some until its next restore; then servers would differ.
    pub(crate) fn drop_unused_kind_names(&mut self, gone: &NodeService, at: u64) {
        let services = &self.root.services;
        let unused = !services.has_kind(&gone.peer_name, &gone.kind, &gone.service);
        let mesh = connect_name(gone).filter(|name| !services.has_connect(&gone.peer_name, name));
        if unused && gone.peer_name.is_empty() {
            self.remove_kind_name(&gone.kind, &gone.service, at);
        }
        if let Some(name) = mesh.filter(|_| gone.peer_name.is_empty()) {
            self.remove_kind_name(CONNECT_ENABLED, name, at);
        }
    }

    fn remove_kind_name(&mut self, kind: &str, name: &str, at: u64) {
        if self.root.kind_names.rows.remove::<[u8]>(&key::row(&[kind, name])).is_some() {
            self.raise(&index_row(kind), at);
        }
    }
}

/// Reads of service names by kind.
impl Snapshot {
    /// The names of this cluster's services of a kind (`""`, `connect-proxy`, …; `connect-enabled` for
    /// those with a proxy or native instance), in order. Index: the kind's names'.
    pub fn service_names_of_kind(&self, kind: &str) -> (u64, Vec<Arc<str>>) {
        let prefix = key::row(&[kind]);
        let names = under(&self.root.kind_names.rows, &prefix).map(|(_, name)| Arc::clone(name)).collect();
        (self.root.indexes.get(&index_row(kind)), names)
    }
}
