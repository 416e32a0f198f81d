//! User events.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Version of the event's encoding.
pub const EVENT_VERSION: u32 = 1;
/// Gossip's limit on an event: name and encoded payload together.
pub const EVENT_SIZE_LIMIT_BYTES: usize = 512;

/// A user event as it is fired, stored and listed (`docs/spec/http-api.md` §9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct UserEvent {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "Name")]
    pub name: String,
    #[serde(rename = "Payload", with = "wire::json::base64_bytes")]
    pub payload: Bytes,
    #[serde(rename = "NodeFilter")]
    pub node_filter: String,
    #[serde(rename = "ServiceFilter")]
    pub service_filter: String,
    #[serde(rename = "TagFilter")]
    pub tag_filter: String,
    #[serde(rename = "Version")]
    pub version: u32,
    /// Lamport time; 0 in the reply to a fire.
    #[serde(rename = "LTime")]
    pub ltime: u64,
}

/// What travels in gossip: short names keep it small (`docs/spec/server-operations.md` §15.1).
#[derive(Serialize)]
struct Broadcast<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    n: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_bytes")]
    p: Option<&'a Bytes>,
    #[serde(skip_serializing_if = "str::is_empty")]
    nf: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sf: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tf: &'a str,
    v: u32,
}

mod optional_bytes {
    use bytes::Bytes;
    use serde::Serializer;

    pub(super) fn serialize<S: Serializer>(value: &Option<&Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => serializer.serialize_bytes(bytes),
            None => serializer.serialize_none(),
        }
    }
}

impl UserEvent {
    /// The event's encoding in gossip.
    pub fn to_broadcast(&self) -> Result<Vec<u8>, wire::msgpack::Error> {
        wire::msgpack::to_vec(&Broadcast {
            id: &self.id,
            n: &self.name,
            p: (!self.payload.is_empty()).then_some(&self.payload),
            nf: &self.node_filter,
            sf: &self.service_filter,
            tf: &self.tag_filter,
            v: self.version,
        })
    }
}
