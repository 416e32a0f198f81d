//! One version of the whole state, and the write access to the next one.

use std::sync::Arc;

use types::AutopilotConfig;

use crate::apply::Effect;
use crate::chunks::Chunks;
use crate::table::check::CheckTable;
use crate::table::connect::{Departures, GatewayTable};
use crate::table::connect_ca::CaTable;
use crate::table::coordinate::CoordinateTable;
use crate::table::index::IndexTable;
use crate::table::kv::KvTable;
use crate::table::node::NodeTable;
use crate::table::opaque::OpaqueRecords;
use crate::table::prepared_query::QueryTable;
use crate::table::service::ServiceTable;
use crate::table::session::SessionTable;
use crate::table::system_metadata::MetadataTable;
use crate::table::usage::Usage;
use crate::table::virtual_ip::VirtualIpTable;
use crate::watch::{Topic, Touched};

/// Every table. Cloning copies one pointer per table; rows are shared until written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Root {
    /// What is added to a Raft log index to get the state's index (see `Writer::apply`).
    pub(crate) offset: u64,
    /// How often this process has replaced the whole state. Not part of a snapshot.
    pub(crate) generation: u64,
    pub(crate) indexes: IndexTable,
    pub(crate) kv: KvTable,
    pub(crate) sessions: SessionTable,
    pub(crate) nodes: NodeTable,
    pub(crate) services: ServiceTable,
    pub(crate) departures: Departures,
    pub(crate) gateways: GatewayTable,
    pub(crate) checks: CheckTable,
    pub(crate) virtual_ips: VirtualIpTable,
    pub(crate) coordinates: CoordinateTable,
    pub(crate) queries: QueryTable,
    pub(crate) autopilot: Option<Arc<AutopilotConfig>>,
    pub(crate) ca: CaTable,
    pub(crate) metadata: MetadataTable,
    pub(crate) usage: Usage,
    pub(crate) opaque: OpaqueRecords,
    pub(crate) chunks: Chunks,
}

/// Write access to a version that nobody can see yet, on behalf of one log entry or one restore.
///
/// The rules of each table are in `table/<name>.rs`, as methods of this type.
pub(crate) struct Tx<'a> {
    pub(crate) root: &'a mut Root,
    /// Index of the log entry; while restoring, the one for objects that carry none.
    pub(crate) index: u64,
    /// Objects keep the indexes they carry, and rules that need rows not yet restored do not apply.
    pub(crate) restoring: bool,
    pub(crate) touched: &'a mut Touched,
    pub(crate) effects: &'a mut Vec<Effect>,
}

impl Tx<'_> {
    pub(crate) fn touch(&mut self, topic: Topic) {
        self.touched.push(topic);
    }
}
