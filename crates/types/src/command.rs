//! The replicated log's commands: a type byte, then one msgpack value (`docs/spec/rpc-and-state.md` §5).

use serde::{Deserialize, Serialize};

/// Bit of the type byte: a server that does not know the type may skip the command.
pub const IGNORE_UNKNOWN: u8 = 0x80;

macro_rules! message_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $label:literal;)*) => {
        /// Type of a command or of a snapshot record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum MessageType { $($(#[$doc])* $name = $number,)* }

        impl MessageType {
            /// The type with this number (without [`IGNORE_UNKNOWN`]), if there is one.
            pub const fn from_number(number: u8) -> Option<MessageType> {
                match number { $($number => Some(MessageType::$name),)* _ => None }
            }

            /// The name people see in `snapshot inspect`.
            pub const fn label(self) -> &'static str {
                match self { $(MessageType::$name => $label,)* }
            }
        }
    };
}

message_types! {
    /// [`crate::RegisterRequest`].
    Register = 0, "Register";
    /// [`crate::DeregisterRequest`].
    Deregister = 1, "Deregister";
    /// [`crate::KvRequest`]; a bare [`crate::DirEntry`] in a snapshot.
    Kvs = 2, "KVS";
    /// [`crate::SessionRequest`]; a bare [`crate::Session`] in a snapshot.
    Session = 3, "Session";
    /// Access control before 1.4; refused.
    LegacyAcl = 4, "ACL";
    /// [`TombstoneRequest`]; a [`crate::DirEntry`] in a snapshot.
    Tombstone = 5, "Tombstone";
    /// A list of [`crate::CoordinateEntry`].
    CoordinateBatchUpdate = 6, "CoordinateBatchUpdate";
    /// [`crate::PreparedQueryRequest`]; a bare [`crate::PreparedQuery`] in a snapshot.
    PreparedQuery = 7, "PreparedQuery";
    /// [`crate::TxnRequest`].
    Txn = 8, "Txn";
    /// [`crate::autopilot::AutopilotSetConfigRequest`]; a bare configuration in a snapshot.
    Autopilot = 9, "Autopilot";
    /// Enterprise only.
    Area = 10, "Area";
    /// First token.
    AclBootstrap = 11, "ACLBootstrap";
    /// Legacy intentions.
    Intention = 12, "Intention";
    /// [`crate::CaRequest`]; a bare [`crate::CaRoot`] in a snapshot.
    ConnectCa = 13, "ConnectCA";
    /// Snapshot only: [`crate::CaProviderState`].
    ConnectCaProviderState = 14, "ConnectCAProviderState";
    /// Snapshot only: [`crate::CaConfiguration`].
    ConnectCaConfig = 15, "ConnectCAConfig";
    /// Snapshot only: one row of the index table.
    Index = 16, "Index";
    /// Tokens.
    AclToken = 17, "ACLToken";
    /// Tokens to delete.
    AclTokenDelete = 18, "ACLTokenDelete";
    /// Policies.
    AclPolicy = 19, "ACLPolicy";
    /// Policies to delete.
    AclPolicyDelete = 20, "ACLPolicyDelete";
    /// Leaf certificate index.
    ConnectCaLeaf = 21, "ConnectCALeaf";
    /// Config entries.
    ConfigEntry = 22, "ConfigEntry";
    /// Roles.
    AclRole = 23, "ACLRole";
    /// Roles to delete.
    AclRoleDelete = 24, "ACLRoleDelete";
    /// Binding rules.
    AclBindingRule = 25, "ACLBindingRule";
    /// Binding rules to delete.
    AclBindingRuleDelete = 26, "ACLBindingRuleDelete";
    /// Auth methods.
    AclAuthMethod = 27, "ACLAuthMethod";
    /// Auth methods to delete.
    AclAuthMethodDelete = 28, "ACLAuthMethodDelete";
    /// Snapshot only: parts of writes that are not complete yet.
    ChunkingState = 29, "ChunkingState";
    /// Federation states.
    FederationState = 30, "FederationState";
    /// [`SystemMetadataRequest`]; a bare [`SystemMetadataEntry`] in a snapshot.
    SystemMetadata = 31, "SystemMetadata";
    /// Snapshot only.
    ServiceVirtualIp = 32, "ServiceVirtualIP";
    /// Snapshot only.
    FreeVirtualIp = 33, "FreeVirtualIP";
    /// Reserved.
    KindServiceName = 34, "KindServiceName";
    /// Peerings.
    Peering = 35, "Peering";
    /// Peerings to delete.
    PeeringDelete = 36, "PeeringDelete";
    /// Peering to end.
    PeeringTerminate = 37, "Unknown(37)";
    /// Trust bundles.
    PeeringTrustBundle = 38, "PeeringTrustBundle";
    /// Trust bundles to delete.
    PeeringTrustBundleDelete = 39, "PeeringTrustBundleDelete";
    /// Peering secrets.
    PeeringSecret = 40, "PeeringSecret";
    /// Ours, never in an archive: [`RestoreChunk`], part of a state that replaces the whole one.
    Restore = 120, "Restore";
}

/// Command 5: forget tombstones up to an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TombstoneRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// `reap`.
    pub op: String,
    /// Tombstones with an index up to this one go.
    pub reap_index: u64,
    /// Secret of the caller's token.
    pub token: String,
}

/// Command 31: a switch of the whole cluster's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemMetadataRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// `upsert` or `delete`.
    pub op: String,
    /// The entry.
    pub entry: Option<SystemMetadataEntry>,
    /// Secret of the caller's token.
    pub token: String,
}

/// A switch and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct SystemMetadataEntry {
    pub key: String,
    pub value: String,
    pub create_index: u64,
    pub modify_index: u64,
}

/// Command 120: part of a snapshot that replaces the whole state once its last part is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreChunk {
    /// Random number that the parts of one restore share.
    #[serde(rename = "ID")]
    pub id: u64,
    /// Position of this part, from 0.
    #[serde(rename = "Sequence")]
    pub sequence: u32,
    /// How many parts there are.
    #[serde(rename = "Chunks")]
    pub chunks: u32,
    /// The bytes.
    #[serde(rename = "Data", with = "wire::json::base64_bytes")]
    pub data: bytes::Bytes,
}

/// A command could not be encoded.
#[derive(Debug)]
pub struct CommandError(wire::msgpack::Error);

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed to encode command: {}", self.0)
    }
}

impl std::error::Error for CommandError {}

/// A command's bytes in the log.
pub fn encode<T: Serialize>(kind: MessageType, payload: &T) -> Result<Vec<u8>, CommandError> {
    let flag = if kind == MessageType::CoordinateBatchUpdate { IGNORE_UNKNOWN } else { 0 };
    let mut bytes = vec![kind as u8 | flag];
    wire::msgpack::to_writer(&mut bytes, payload).map_err(CommandError)?;
    Ok(bytes)
}
