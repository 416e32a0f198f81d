//! User events.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

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

    /// The event of such an encoding, from whoever made it: text may also come as binary data. It has no Lamport time.
    ///
    /// # Errors
    /// What the bytes hold instead of an event.
    pub fn from_broadcast(encoded: &[u8]) -> Result<UserEvent, wire::msgpack::Error> {
        let read: Received = wire::msgpack::from_slice(encoded)?;
        Ok(UserEvent {
            id: read.id,
            name: read.n,
            payload: read.p,
            node_filter: read.nf,
            service_filter: read.sf,
            tag_filter: read.tf,
            version: read.v,
            ltime: 0,
        })
    }
}

/// [`Broadcast`] as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Received {
    #[serde(rename = "ID", deserialize_with = "text")]
    id: String,
    #[serde(deserialize_with = "text")]
    n: String,
    #[serde(deserialize_with = "wire::msgpack::bytes::deserialize")]
    p: Bytes,
    #[serde(deserialize_with = "text")]
    nf: String,
    #[serde(deserialize_with = "text")]
    sf: String,
    #[serde(deserialize_with = "text")]
    tf: String,
    v: u32,
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let bytes: Vec<u8> = wire::msgpack::bytes::deserialize(deserializer)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> UserEvent {
        UserEvent {
            id: "b54fe110-7af5-cafc-d1fb-afc8ba432b1c".into(),
            name: "deploy".into(),
            payload: Bytes::from_static(b"\x00\xff v2"),
            node_filter: "web.*".into(),
            service_filter: "web".into(),
            tag_filter: "v2".into(),
            version: EVENT_VERSION,
            ltime: 0,
        }
    }

    #[test]
    fn an_event_comes_back_from_its_broadcast() {
        let bare = UserEvent { id: "x".into(), name: "n".into(), version: 1, ..UserEvent::default() };
        for event in [event(), bare, UserEvent::default()] {
            assert_eq!(UserEvent::from_broadcast(&event.to_broadcast().unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn newer_string_and_binary_forms_are_read() {
        // {"ID": str8 "a", "n": bin8 "b", "p": bin16 ff, "nf": nil, "later": 1, "v": 1}
        let encoded = b"\x86\xa2ID\xd9\x01a\xa1n\xc4\x01b\xa1p\xc5\x00\x01\xff\xa2nf\xc0\xa5later\x01\xa1v\x01";
        let want = UserEvent {
            id: "a".into(),
            name: "b".into(),
            payload: Bytes::from_static(b"\xff"),
            version: 1,
            ..UserEvent::default()
        };
        assert_eq!(UserEvent::from_broadcast(encoded).unwrap(), want);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for encoded in [&b""[..], b"\xa1x", b"\x81\xa1n\x01", b"\x81\xa1n", b"\x80\x80", b"\x81\xa1v\xff"] {
            assert!(UserEvent::from_broadcast(encoded).is_err(), "{encoded:02x?}");
        }
    }
}
