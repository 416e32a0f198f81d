//! One version of the state, for reading and for writing out. The reads are in `table/<name>.rs` and `txn.rs`.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use types::{DirEntry, HealthCheck, MessageType, Node, NodeService, RegisterRequest};

use crate::chunks::ChunkState;
use crate::restore::Header;
use crate::root::Root;
use crate::table::index::IndexRow;

/// An immutable version of the whole state; cheap to clone, and it keeps what it shows alive.
///
/// Every read returns its reply index first, by the rules of `docs/spec/rpc-and-state.md` §7.2-§7.5. It may be 0,
/// which a server must report as 1.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) root: Arc<Root>,
}

impl Snapshot {
    pub(crate) fn new(root: Arc<Root>) -> Snapshot {
        Snapshot { root }
    }

    /// The highest index of any table, 0 for an empty state.
    pub fn last_index(&self) -> u64 {
        self.root.indexes.last()
    }

    /// How far this state's indexes are ahead of the Raft log's (see [`crate::Writer::apply`]).
    pub fn index_offset(&self) -> u64 {
        self.root.offset
    }

    /// Counts how often this process has replaced the whole state: what an index says holds within one generation.
    pub fn generation(&self) -> u64 {
        self.root.generation
    }

    /// The value of a row of the index table (`docs/spec/rpc-and-state.md` §7.1), 0 if there is none.
    pub fn table_index(&self, row: &str) -> u64 {
        self.root.indexes.get(row)
    }

    /// Writes the state as `state.bin` (`docs/spec/rpc-and-state.md` §6.4). The same state gives the same bytes.
    ///
    /// It writes in small pieces: give it a buffered writer.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let root = &*self.root;
        write_value(out, &Header { last_index: root.indexes.last(), index_offset: root.offset })?;
        for row in root.virtual_ips.iter() {
            write_record(out, MessageType::ServiceVirtualIp, &**row)?;
        }
        for row in root.virtual_ips.free_rows() {
            write_record(out, MessageType::FreeVirtualIp, &row)?;
        }
        for node in root.nodes.iter() {
            self.write_node(out, node)?;
        }
        for coordinate in root.coordinates.iter() {
            write_record(out, MessageType::CoordinateBatchUpdate, &[&**coordinate])?;
        }
        for session in root.sessions.iter() {
            write_record(out, MessageType::Session, &**session)?;
        }
        self.write_kept(
            out,
            &[
                MessageType::LegacyAcl,
                MessageType::AclToken,
                MessageType::AclPolicy,
                MessageType::AclRole,
                MessageType::AclBindingRule,
                MessageType::AclAuthMethod,
            ],
        )?;
        for entry in root.kv.iter() {
            write_record(out, MessageType::Kvs, &**entry)?;
        }
        for (key, index) in root.kv.tombstones() {
            let tombstone = DirEntry { key: key.clone(), modify_index: index, ..DirEntry::default() };
            write_record(out, MessageType::Tombstone, &tombstone)?;
        }
        for query in root.queries.iter() {
            write_record(out, MessageType::PreparedQuery, &**query)?;
        }
        if let Some(config) = &root.autopilot {
            write_record(out, MessageType::Autopilot, &**config)?;
        }
        self.write_kept(out, &[MessageType::Intention])?;
        for ca_root in root.ca.roots() {
            write_record(out, MessageType::ConnectCa, &**ca_root)?;
        }
        for state in root.ca.provider_states() {
            write_record(out, MessageType::ConnectCaProviderState, &**state)?;
        }
        if let Some(config) = &root.ca.config {
            write_record(out, MessageType::ConnectCaConfig, &**config)?;
        }
        self.write_kept(out, &[MessageType::ConfigEntry, MessageType::FederationState])?;
        for entry in root.metadata.iter() {
            write_record(out, MessageType::SystemMetadata, &**entry)?;
        }
        for (key, value) in root.indexes.iter() {
            write_record(out, MessageType::Index, &IndexRow { key: key.to_owned(), value })?;
        }
        self.write_kept(out, &[MessageType::Peering, MessageType::PeeringTrustBundle, MessageType::PeeringSecret])?;
        write_record(out, MessageType::ChunkingState, &ChunkState::from(&root.chunks))
    }

    /// A node, then each service on it, then each check, every one as a registration.
    fn write_node(&self, out: &mut dyn Write, node: &Node) -> io::Result<()> {
        let mut request = RegisterRequest {
            datacenter: node.datacenter.clone(),
            id: node.id.clone(),
            node: node.node.clone(),
            address: node.address.clone(),
            tagged_addresses: node.tagged_addresses.clone(),
            node_meta: node.meta.clone(),
            peer_name: node.peer_name.clone(),
            create_index: node.create_index,
            modify_index: node.modify_index,
            ..RegisterRequest::default()
        };
        write_record(out, MessageType::Register, &request)?;
        for service in self.root.services.on_node(&node.peer_name, &node.node) {
            request.service = Some(NodeService::clone(&service));
            write_record(out, MessageType::Register, &request)?;
        }
        request.service = None;
        for check in self.root.checks.on_node(&node.peer_name, &node.node) {
            request.check = Some(HealthCheck::clone(&check));
            write_record(out, MessageType::Register, &request)?;
        }
        Ok(())
    }

    fn write_kept(&self, out: &mut dyn Write, kinds: &[MessageType]) -> io::Result<()> {
        for &kind in kinds {
            for value in self.root.opaque.of(kind) {
                out.write_all(&[kind as u8])?;
                out.write_all(value)?;
            }
        }
        Ok(())
    }
}

fn write_record<T: Serialize + ?Sized>(out: &mut dyn Write, kind: MessageType, value: &T) -> io::Result<()> {
    out.write_all(&[kind as u8])?;
    write_value(out, value)
}

fn write_value<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    wire::msgpack::to_writer(out, value).map_err(|e| match e {
        wire::msgpack::Error::Io(e) => e,
        other => io::Error::other(other),
    })
}
