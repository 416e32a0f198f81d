//! Reading a `state.bin` back (`docs/spec/rpc-and-state.md` §6.4, §6.5).

use std::io::Read;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use types::command::SystemMetadataEntry;
use types::{
    CaConfiguration, CaProviderState, CaRoot, CoordinateEntry, DirEntry, MessageType, PreparedQuery, RegisterRequest,
    Session,
};
use wire::msgpack::Reader;

use crate::chunks::{ChunkState, Chunks};
use crate::error::RestoreError;
use crate::root::{Root, Tx};
use crate::table::connect_ca::BUILTIN_SERIAL;
use crate::table::index::IndexRow;
use crate::table::opaque;
use crate::watch::Touched;

/// Number of the first record type that belongs to the Enterprise edition.
const FIRST_ENTERPRISE_TYPE: u8 = 64;
/// Row that tells whether the first ACL token has been made.
const ACL_BOOTSTRAP: &str = "acl-token-bootstrap";

/// The value before the first record. `IndexOffset` is ours; the reference skips it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Header {
    pub(crate) last_index: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) index_offset: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// The state of a Raft snapshot of this log.
pub(crate) fn raft_snapshot(source: &mut dyn Read) -> Result<Root, RestoreError> {
    let restored = read(source)?;
    Ok(Root { offset: restored.header.index_offset, ..restored.root })
}

/// The state of somebody's archive and the highest index in it. It starts without an offset and without parts of
/// commands: both belong to the log it was taken from.
pub(crate) fn archive(source: &mut dyn Read) -> Result<(Root, u64), RestoreError> {
    let restored = read(source)?;
    let highest = restored.highest_index();
    Ok((Root { offset: 0, chunks: Chunks::default(), ..restored.root }, highest))
}

struct Restored {
    header: Header,
    root: Root,
    /// Highest index seen so far that the index table may not hold any more.
    highest: u64,
}

impl Restored {
    fn highest_index(&self) -> u64 {
        let rows = self.root.indexes.iter().filter(|(key, _)| *key != BUILTIN_SERIAL).map(|(_, value)| value);
        let autopilot = self.root.autopilot.as_ref().map_or(0, |config| config.modify_index);
        let ca = self.root.ca.config.as_ref().map_or(0, |config| config.modify_index);
        rows.max().unwrap_or(0).max(autopilot).max(ca).max(self.highest).max(self.header.last_index)
    }
}

fn read(source: &mut dyn Read) -> Result<Restored, RestoreError> {
    let mut reader = Reader::new(source);
    let header: Header = value(&mut reader, "header")?;
    let mut restored = Restored { header, root: Root::default(), highest: 0 };
    while let Some(number) = reader.read_byte().map_err(|e| decode_error("record type", e))? {
        let kind = record_type(number)?;
        restored.record(kind, number, &mut reader)?;
    }
    Ok(restored)
}

fn record_type(number: u8) -> Result<MessageType, RestoreError> {
    if number >= FIRST_ENTERPRISE_TYPE {
        return Err(RestoreError::Enterprise(number));
    }
    MessageType::from_number(number).ok_or(RestoreError::UnknownType(number))
}

impl Restored {
    fn record<R: Read>(&mut self, kind: MessageType, number: u8, reader: &mut Reader<R>) -> Result<(), RestoreError> {
        let (mut touched, mut effects) = (Touched::everything(), Vec::new());
        let mut tx = Tx {
            root: &mut self.root,
            index: self.header.last_index,
            restoring: true,
            touched: &mut touched,
            effects: &mut effects,
        };
        let label = kind.label();
        match kind {
            MessageType::ServiceVirtualIp => tx.restore_virtual_ip(value(reader, label)?),
            MessageType::FreeVirtualIp => tx.restore_free_virtual_ip(value(reader, label)?),
            MessageType::Register => {
                let request: RegisterRequest = value(reader, label)?;
                tx.register(request).map_err(|cause| RestoreError::Refused { record: label, cause })?;
            }
            MessageType::CoordinateBatchUpdate => {
                tx.update_coordinates(value::<Vec<CoordinateEntry>, _>(reader, label)?);
            }
            MessageType::Session => tx.restore_session(value::<Session, _>(reader, label)?),
            MessageType::Kvs => tx.restore_entry(value::<DirEntry, _>(reader, label)?),
            MessageType::Tombstone => tx.restore_tombstone(value::<DirEntry, _>(reader, label)?),
            MessageType::PreparedQuery => tx.restore_query(value::<PreparedQuery, _>(reader, label)?),
            MessageType::Autopilot => tx.root.autopilot = Some(value(reader, label)?),
            MessageType::ConnectCa => tx.restore_ca_root(value::<CaRoot, _>(reader, label)?),
            MessageType::ConnectCaProviderState => {
                tx.restore_ca_provider_state(value::<CaProviderState, _>(reader, label)?);
            }
            MessageType::ConnectCaConfig => tx.restore_ca_config(value::<CaConfiguration, _>(reader, label)?),
            MessageType::SystemMetadata => tx.restore_metadata(value::<SystemMetadataEntry, _>(reader, label)?),
            MessageType::AclBootstrap => {
                let bootstrap: AclBootstrap = value(reader, label)?;
                tx.root.indexes.set(ACL_BOOTSTRAP, bootstrap.modify_index);
            }
            MessageType::Index => {
                let row: IndexRow = value(reader, label)?;
                self.highest = self.highest.max(tx.root.indexes.get(&row.key));
                tx.root.indexes.set(&row.key, row.value);
            }
            MessageType::ChunkingState => tx.root.chunks = value::<ChunkState, _>(reader, label)?.into(),
            kept if opaque::KEPT.contains(&kept) => {
                let raw = reader.read_raw().map_err(|e| decode_error(label, e))?;
                tx.root.opaque.push(kept, raw.ok_or_else(|| missing(label))?);
            }
            _ => return Err(RestoreError::UnknownType(number)),
        }
        Ok(())
    }
}

/// Record 11 of snapshots before 1.4: whether a first token may still be made.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct AclBootstrap {
    modify_index: u64,
}

fn value<T: DeserializeOwned, R: Read>(reader: &mut Reader<R>, record: &str) -> Result<T, RestoreError> {
    let value = reader.read_value().map_err(|e| decode_error(record, e))?;
    value.ok_or_else(|| missing(record))
}

fn missing(record: &str) -> RestoreError {
    RestoreError::Decode { record: record.to_owned(), cause: "unexpected EOF".to_owned() }
}

fn decode_error(record: &str, error: wire::msgpack::Error) -> RestoreError {
    match error {
        wire::msgpack::Error::Io(e) => RestoreError::Read(e),
        other => RestoreError::Decode { record: record.to_owned(), cause: other.to_string() },
    }
}
