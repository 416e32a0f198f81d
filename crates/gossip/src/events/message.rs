//! Messages of the event layer (`docs/spec/gossip.md` §11). Structs declare their fields in the order of the wire.

mod bounded;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::Coordinate;
use wire::msgpack;

use crate::member::Member;

/// First byte of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Leave = 0,
    Join = 1,
    PushPull = 2,
    UserEvent = 3,
    Query = 4,
    QueryResponse = 5,
    ConflictResponse = 6,
    KeyRequest = 7,
    KeyResponse = 8,
    Relay = 9,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        Some(match byte {
            0 => Kind::Leave,
            1 => Kind::Join,
            2 => Kind::PushPull,
            3 => Kind::UserEvent,
            4 => Kind::Query,
            5 => Kind::QueryResponse,
            6 => Kind::ConflictResponse,
            7 => Kind::KeyRequest,
            8 => Kind::KeyResponse,
            9 => Kind::Relay,
            _ => return None,
        })
    }
}

/// This query or response is about acknowledging.
pub(super) const FLAG_ACK: u32 = 1;
/// This query is not to be passed on.
pub(super) const FLAG_NO_BROADCAST: u32 = 2;
/// Version of the payload of acknowledgements.
const PING_VERSION: u8 = 1;
/// First byte of a filter by node names, and of one by tag.
const FILTER_NODES: u8 = 0;
const FILTER_TAG: u8 = 1;

/// Bytes, which msgpack writes as one raw value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Raw(#[serde(with = "wire::msgpack::bytes")] pub(super) Vec<u8>);

impl Raw {
    /// An address as the wire has it: 4 or 16 bytes.
    pub(super) fn from_ip(address: IpAddr) -> Raw {
        match address {
            IpAddr::V4(address) => Raw(address.octets().to_vec()),
            IpAddr::V6(address) => Raw(address.octets().to_vec()),
        }
    }

    /// Reads an address; `None` if it has neither 4 nor 16 bytes.
    pub(super) fn to_ip(&self) -> Option<IpAddr> {
        if let Ok(octets) = <[u8; 4]>::try_from(self.0.as_slice()) {
            return Some(IpAddr::from(octets));
        }
        <[u8; 16]>::try_from(self.0.as_slice()).ok().map(|octets| IpAddr::from(octets).to_canonical())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Leave {
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
    pub(super) node: String,
    pub(super) prune: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Join {
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
    pub(super) node: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct UserEvent {
    #[serde(rename = "CC")]
    pub(super) coalesce: bool,
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
    pub(super) name: String,
    pub(super) payload: Raw,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Query {
    pub(super) addr: Raw,
    #[serde(deserialize_with = "bounded::some_list::<_, _, 64>")]
    pub(super) filters: Option<Vec<Raw>>,
    pub(super) flags: u32,
    #[serde(rename = "ID")]
    pub(super) id: u32,
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
    pub(super) name: String,
    pub(super) payload: Raw,
    pub(super) port: u16,
    pub(super) relay_factor: u8,
    pub(super) source_node: String,
    /// Nanoseconds.
    pub(super) timeout: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct QueryResponse {
    pub(super) flags: u32,
    pub(super) from: String,
    #[serde(rename = "ID")]
    pub(super) id: u32,
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
    pub(super) payload: Raw,
}

/// State that is exchanged along with the membership's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PushPull {
    #[serde(rename = "EventLTime")]
    pub(super) event_ltime: u64,
    #[serde(deserialize_with = "bounded::list::<_, _, 512>")]
    pub(super) events: Vec<Option<EventsAt>>,
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
    #[serde(deserialize_with = "bounded::list::<_, _, 262144>")]
    pub(super) left_members: Vec<Arc<str>>,
    #[serde(rename = "QueryLTime")]
    pub(super) query_ltime: u64,
    #[serde(rename = "StatusLTimes")]
    #[serde(deserialize_with = "bounded::map::<_, _, _, 262144>")]
    pub(super) status_ltimes: BTreeMap<Arc<str>, u64>,
}

/// User events of one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct EventsAt {
    #[serde(deserialize_with = "bounded::list::<_, _, 1024>")]
    pub(super) events: Vec<BareEvent>,
    #[serde(rename = "LTime")]
    pub(super) ltime: u64,
}

/// A user event without its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct BareEvent {
    pub(super) name: String,
    pub(super) payload: Raw,
}

/// A member as the answer to a name conflict describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ConflictMember {
    pub(super) addr: Raw,
    pub(super) delegate_cur: u8,
    pub(super) delegate_max: u8,
    pub(super) delegate_min: u8,
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) protocol_cur: u8,
    pub(super) protocol_max: u8,
    pub(super) protocol_min: u8,
    pub(super) status: i64,
    pub(super) tags: BTreeMap<String, String>,
}

impl From<&Member> for ConflictMember {
    fn from(member: &Member) -> ConflictMember {
        let [protocol_min, protocol_max, protocol_cur, delegate_min, delegate_max, delegate_cur] = member.vsn;
        ConflictMember {
            addr: Raw::from_ip(member.address),
            delegate_cur,
            delegate_max,
            delegate_min,
            name: member.name.clone(),
            port: member.port,
            protocol_cur,
            protocol_max,
            protocol_min,
            status: member.status as i64,
            tags: member.tags.clone(),
        }
    }
}

/// What a key-management query asks for; the key is empty when keys are listed. Debug prints no key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct KeyRequest {
    pub(super) key: Raw,
}

/// One node's answer to a key-management query.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct KeyResponse {
    /// Keys in base64, the primary one first.
    pub(super) keys: Option<Vec<String>>,
    pub(super) message: String,
    pub(super) primary_key: String,
    pub(super) result: bool,
}

/// Whom the rest of a message is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RelayHeader {
    dest_addr: RelayAddress,
    dest_name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RelayAddress {
    #[serde(rename = "IP")]
    ip: Raw,
    port: u16,
    zone: String,
}

/// A filter by tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TagFilter {
    expr: String,
    tag: String,
}

/// Where a node is, as acknowledgements carry it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct PingCoordinate {
    adjustment: f64,
    error: f64,
    height: f64,
    vec: Vec<f64>,
}

/// A message that is passed on unread.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relayed<'a> {
    pub(super) to: SocketAddr,
    pub(super) node: String,
    pub(super) message: &'a [u8],
}

/// A condition on who answers a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum QueryFilter {
    /// Nodes of these names.
    Nodes(Vec<String>),
    /// Nodes whose tag matches.
    Tag { tag: String, expression: String },
}

/// A message with its type byte.
pub(super) fn encode<T: Serialize>(kind: Kind, body: &T) -> Vec<u8> {
    let mut message = vec![kind as u8];
    if let Err(error) = msgpack::to_writer(&mut message, body) {
        // Only lengths beyond 4 GiB cannot be written; what is left is a message nobody reads.
        tracing::error!(target: "agent", %error, "serf: Failed to encode message");
    }
    message
}

/// Splits a message into its kind and its body. `None`: an empty one, or a kind nobody knows.
pub(super) fn split(message: &[u8]) -> Option<(Kind, &[u8])> {
    let (&kind, body) = message.split_first()?;
    Some((Kind::from_byte(kind)?, body))
}

/// Reads a body; what follows it is ignored.
pub(super) fn decode<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, msgpack::Error> {
    msgpack::from_slice_prefix(body).map(|(value, _)| value)
}

/// `message`, to be passed on to `to` by another node.
pub(super) fn relay(to: SocketAddr, node: &str, message: &[u8]) -> Vec<u8> {
    let dest_addr = RelayAddress { ip: Raw::from_ip(to.ip()), port: to.port(), zone: String::new() };
    let mut relayed = encode(Kind::Relay, &RelayHeader { dest_addr, dest_name: node.to_owned() });
    relayed.extend_from_slice(message);
    relayed
}

/// Reads what is to be passed on. `None`: nothing anyone could pass on.
pub(super) fn decode_relay(body: &[u8]) -> Option<Relayed<'_>> {
    let (header, length) = msgpack::from_slice_prefix::<RelayHeader>(body).ok()?;
    let message = body.get(length..).filter(|message| !message.is_empty())?;
    let to = SocketAddr::new(header.dest_addr.ip.to_ip()?, header.dest_addr.port);
    Some(Relayed { to, node: header.dest_name, message })
}

impl QueryFilter {
    /// The filter as a query carries it.
    pub(super) fn encode(&self) -> Raw {
        let (kind, body) = match self {
            QueryFilter::Nodes(names) => (FILTER_NODES, msgpack::to_vec(names)),
            QueryFilter::Tag { tag, expression } => {
                (FILTER_TAG, msgpack::to_vec(&TagFilter { expr: expression.clone(), tag: tag.clone() }))
            }
        };
        let mut filter = vec![kind];
        filter.extend(body.unwrap_or_default());
        Raw(filter)
    }

    /// Reads a filter. `None`: nobody knows what it asks for.
    pub(super) fn decode(filter: &Raw) -> Option<QueryFilter> {
        match filter.0.split_first()? {
            (&FILTER_NODES, body) => decode(body).ok().map(QueryFilter::Nodes),
            (&FILTER_TAG, body) => {
                let TagFilter { expr: expression, tag } = decode(body).ok()?;
                Some(QueryFilter::Tag { tag, expression })
            }
            _ => None,
        }
    }
}

/// What an acknowledgement carries (`docs/spec/gossip.md` §17.1).
pub(super) fn encode_ping(place: &Coordinate) -> Vec<u8> {
    let Coordinate { vec, error, adjustment, height } = place.clone();
    let mut payload = vec![PING_VERSION];
    payload.extend(msgpack::to_vec(&PingCoordinate { adjustment, error, height, vec }).unwrap_or_default());
    payload
}

/// Why an acknowledgement says nothing of where its sender is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PingError {
    /// It carries nothing.
    #[error("empty ping payload")]
    Empty,
    /// It is of a version that is not known here.
    #[error("Unsupported ping version: {0}")]
    Version(u8),
    /// It cannot be read.
    #[error("Failed to decode coordinate from ping")]
    Coordinate,
}

/// Reads what an acknowledgement carries.
pub(super) fn decode_ping(payload: &[u8]) -> Result<Coordinate, PingError> {
    let (&version, body) = payload.split_first().ok_or(PingError::Empty)?;
    if version != PING_VERSION {
        return Err(PingError::Version(version));
    }
    let PingCoordinate { adjustment, error, height, vec } = decode(body).map_err(|_| PingError::Coordinate)?;
    Ok(Coordinate { vec, error, adjustment, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of `docs/spec/gossip.md` §4.1, without the membership layer's byte.
    #[test]
    fn intents_have_the_spec_s_bytes() {
        let leave = Leave { ltime: 5, node: "a".into(), prune: false };
        let leave_bytes = b"\x00\x83\xa5LTime\x05\xa4Node\xa1a\xa5Prune\xc2";
        assert_eq!(encode(Kind::Leave, &leave), leave_bytes);
        let join = Join { ltime: 5, node: "a".into() };
        assert_eq!(encode(Kind::Join, &join), b"\x01\x82\xa5LTime\x05\xa4Node\xa1a");
        let (kind, body) = split(leave_bytes).unwrap();
        assert_eq!((kind, decode::<Leave>(body).unwrap()), (Kind::Leave, leave));
    }

    #[test]
    fn the_coordinate_of_an_acknowledgement_has_the_spec_s_bytes() {
        let payload = encode_ping(&Coordinate::origin());
        let start =
            b"\x01\x84\xaaAdjustment\xcb\0\0\0\0\0\0\0\0\xa5Error\xcb\x3f\xf8\0\0\0\0\0\0\xa6Height\xcb\x3e\xe4\xf8\xb5";
        assert_eq!(payload.len(), 130);
        assert!(payload.starts_with(start));
        assert_eq!(decode_ping(&payload), Ok(Coordinate::origin()));
        assert_eq!(decode_ping(b""), Err(PingError::Empty));
        assert_eq!(decode_ping(b"\x02\x80"), Err(PingError::Version(2)));
        assert_eq!(decode_ping(b"\x01\xc1"), Err(PingError::Coordinate));
    }

    #[test]
    fn fields_stand_in_the_order_of_their_names() {
        let keys = |bytes: &[u8]| -> Vec<String> {
            let map: BTreeMap<String, serde::de::IgnoredAny> = decode(bytes).unwrap();
            map.into_keys().collect()
        };
        let in_order = |message: Vec<u8>| {
            let names = keys(&message[1..]);
            let place = |name: &String| message.windows(name.len()).position(|part| part == name.as_bytes()).unwrap();
            let places: Vec<usize> = names.iter().map(place).collect();
            assert!(places.is_sorted(), "{names:?} at {places:?}");
        };
        in_order(encode(Kind::Query, &Query::default()));
        in_order(encode(Kind::QueryResponse, &QueryResponse::default()));
        in_order(encode(Kind::UserEvent, &UserEvent::default()));
        in_order(encode(Kind::ConflictResponse, &ConflictMember::default()));
        in_order(encode(Kind::KeyResponse, &KeyResponse::default()));
        in_order(encode(Kind::Relay, &RelayHeader::default()));
    }

    #[test]
    fn what_is_to_be_relayed_keeps_its_bytes() {
        let to: SocketAddr = "10.0.0.1:8301".parse().unwrap();
        let relayed = relay(to, "b", b"\x05rest");
        let (kind, body) = split(&relayed).unwrap();
        assert_eq!(kind, Kind::Relay);
        assert_eq!(decode_relay(body), Some(Relayed { to, node: "b".into(), message: b"\x05rest" }));
        assert_eq!(decode_relay(b"\x80"), None);
        assert_eq!(decode_relay(&relay(to, "b", b"")[1..]), None);
    }

    #[test]
    fn filters_come_back_and_unknown_ones_do_not() {
        let nodes = QueryFilter::Nodes(vec!["a".into()]);
        assert_eq!(nodes.encode(), Raw(b"\x00\x91\xa1a".to_vec()));
        let tag = QueryFilter::Tag { tag: "role".into(), expression: "^a".into() };
        assert_eq!(tag.encode(), Raw(b"\x01\x82\xa4Expr\xa2^a\xa3Tag\xa4role".to_vec()));
        for filter in [nodes, tag] {
            assert_eq!(QueryFilter::decode(&filter.encode()), Some(filter));
        }
        assert_eq!(QueryFilter::decode(&Raw(vec![7])), None);
        assert_eq!(QueryFilter::decode(&Raw(vec![])), None);
    }

    #[test]
    fn absent_lists_and_members_are_nil() {
        let query = encode(Kind::Query, &Query::default());
        assert!(query.windows(9).any(|part| part == b"\xa7Filters\xc0"));
        let none: Option<ConflictMember> = decode(b"\xc0").unwrap();
        assert_eq!(none, None);
        let body = b"\x81\xa6Events\x93\xc0\x82\xa6Events\x91\x82\xa4Name\xa1x\xa7Payload\xc0\xa5LTime\x04\xc0";
        let state: PushPull = decode(body).unwrap();
        let at = EventsAt { events: vec![BareEvent { name: "x".into(), payload: Raw::default() }], ltime: 4 };
        assert_eq!(state.events, [None, Some(at), None]);
    }

    #[test]
    fn addresses_have_four_or_sixteen_bytes() {
        for (text, length) in [("10.0.0.1", 4), ("fe80::1", 16)] {
            let address: IpAddr = text.parse().unwrap();
            let raw = Raw::from_ip(address);
            assert_eq!((raw.0.len(), raw.to_ip()), (length, Some(address)));
        }
        assert_eq!(Raw(vec![1, 2]).to_ip(), None);
    }
}
