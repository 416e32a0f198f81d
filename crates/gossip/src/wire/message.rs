//! The messages of `docs/spec/gossip.md` §4. Fields stand in the order of their keys on the wire, which is sorted.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::WireError;

/// The first byte of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Ping = 0,
    IndirectPing = 1,
    Ack = 2,
    Suspect = 3,
    Alive = 4,
    Dead = 5,
    PushPull = 6,
    Compound = 7,
    User = 8,
    Compress = 9,
    Encrypt = 10,
    Nack = 11,
    Crc = 12,
    Failure = 13,
    Label = 244,
}

impl Kind {
    /// The kind with this number.
    pub(crate) fn of(byte: u8) -> Option<Kind> {
        Some(match byte {
            0 => Kind::Ping,
            1 => Kind::IndirectPing,
            2 => Kind::Ack,
            3 => Kind::Suspect,
            4 => Kind::Alive,
            5 => Kind::Dead,
            6 => Kind::PushPull,
            7 => Kind::Compound,
            8 => Kind::User,
            9 => Kind::Compress,
            10 => Kind::Encrypt,
            11 => Kind::Nack,
            12 => Kind::Crc,
            13 => Kind::Failure,
            244 => Kind::Label,
            _ => return None,
        })
    }
}

/// A message: its type byte and its body.
pub(crate) fn encode<T: Serialize>(kind: Kind, body: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(kind as u8);
    append(&mut out, body);
    out
}

/// Appends a body. Our messages have no lengths the format cannot express, so this does not fail; if one had, it would
/// go out without its body and be dropped by whoever gets it.
pub(super) fn append<T: Serialize>(out: &mut Vec<u8>, body: &T) {
    if let Err(error) = ::wire::msgpack::to_writer(out, body) {
        tracing::error!(target: "agent", %error, "memberlist: a message cannot be encoded");
    }
}

/// The body of a message, without its type byte. Bytes behind it are ignored.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, WireError> {
    Ok(::wire::msgpack::from_slice_prefix(body)?.0)
}

/// Asks a node whether it is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Ping<'a> {
    /// Whom it is meant for; empty: whoever gets it.
    #[serde(borrow)]
    pub(crate) node: Cow<'a, str>,
    pub(crate) seq_no: u32,
    #[serde(skip_serializing_if = "Address::is_none")]
    pub(crate) source_addr: Address,
    #[serde(borrow, skip_serializing_if = "is_empty")]
    pub(crate) source_node: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) source_port: u16,
}

/// Asks a node to ping another one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct IndirectPing<'a> {
    /// Whether to say so when the other does not answer.
    pub(crate) nack: bool,
    #[serde(borrow)]
    pub(crate) node: Cow<'a, str>,
    pub(crate) port: u16,
    pub(crate) seq_no: u32,
    #[serde(skip_serializing_if = "Address::is_none")]
    pub(crate) source_addr: Address,
    #[serde(borrow, skip_serializing_if = "is_empty")]
    pub(crate) source_node: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) source_port: u16,
    pub(crate) target: Address,
}

/// Answers a ping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Ack<'a> {
    /// The upper layer's; empty is nil on the wire.
    #[serde(borrow, serialize_with = "bytes_or_nil")]
    pub(crate) payload: Cow<'a, [u8]>,
    pub(crate) seq_no: u32,
}

/// Says that a node asked to be pinged did not answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Nack {
    pub(crate) seq_no: u32,
}

/// Answers a stream request that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Failure<'a> {
    #[serde(borrow)]
    pub(crate) error: Cow<'a, str>,
}

/// Says that a node did not answer someone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Suspect<'a> {
    #[serde(borrow)]
    pub(crate) from: Cow<'a, str>,
    pub(crate) incarnation: u32,
    #[serde(borrow)]
    pub(crate) node: Cow<'a, str>,
}

/// Says that a node is dead, or, said by itself, that it leaves.
pub(crate) type Dead<'a> = Suspect<'a>;

/// Says that a node is alive, where and what it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Alive<'a> {
    pub(crate) addr: Address,
    pub(crate) incarnation: u32,
    #[serde(borrow, serialize_with = "::wire::msgpack::bytes::serialize")]
    pub(crate) meta: Cow<'a, [u8]>,
    #[serde(borrow)]
    pub(crate) node: Cow<'a, str>,
    pub(crate) port: u16,
    pub(crate) vsn: Versions,
}

/// What comes before the node states of a push/pull.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct StateHeader {
    pub(crate) join: bool,
    pub(crate) nodes: i64,
    pub(crate) user_state_len: i64,
}

/// One node in a push/pull.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct NodeStateRecord<'a> {
    pub(crate) addr: Address,
    pub(crate) incarnation: u32,
    #[serde(borrow, serialize_with = "::wire::msgpack::bytes::serialize")]
    pub(crate) meta: Cow<'a, [u8]>,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    pub(crate) port: u16,
    /// 0 alive, 1 suspect, 2 dead, 3 left.
    pub(crate) state: i64,
    pub(crate) vsn: Versions,
}

/// What comes before the bytes of a user message on a stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct UserHeader {
    pub(crate) user_msg_len: i64,
}

/// An IP address as its 4 or 16 bytes. An IPv4 address in 16 bytes is another address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Address {
    /// No bytes.
    #[default]
    None,
    Ip(IpAddr),
    /// A number of bytes no address has.
    Invalid(usize),
}

impl Address {
    /// The address, or the reference's text about it.
    pub(crate) fn ip(self) -> Result<IpAddr, WireError> {
        let length = match self {
            Address::Ip(ip) => return Ok(ip),
            Address::None => 0,
            Address::Invalid(length) => length,
        };
        Err(WireError::Field(format!("IP byte length is invalid: {length} bytes is not either 4 or 16")))
    }

    fn is_none(&self) -> bool {
        *self == Address::None
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Address {
        Address::Ip(ip)
    }
}

impl From<&[u8]> for Address {
    fn from(bytes: &[u8]) -> Address {
        if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
            return Address::Ip(bytes.into());
        }
        if let Ok(bytes) = <[u8; 16]>::try_from(bytes) {
            return Address::Ip(bytes.into());
        }
        if bytes.is_empty() { Address::None } else { Address::Invalid(bytes.len()) }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Address::Ip(IpAddr::V4(ip)) => serializer.serialize_bytes(&ip.octets()),
            Address::Ip(IpAddr::V6(ip)) => serializer.serialize_bytes(&ip.octets()),
            Address::None | Address::Invalid(_) => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        deserializer.deserialize_bytes(Raw(PhantomData))
    }
}

/// The six versions a node announces; missing ones are 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) bytes: [u8; 6],
    /// How many were announced.
    pub(crate) announced: usize,
}

impl Versions {
    /// All six.
    pub(crate) fn all(bytes: [u8; 6]) -> Versions {
        Versions { bytes, announced: bytes.len() }
    }
}

impl From<&[u8]> for Versions {
    fn from(announced: &[u8]) -> Versions {
        let mut bytes = [0; 6];
        for (byte, &version) in bytes.iter_mut().zip(announced) {
            *byte = version;
        }
        Versions { bytes, announced: announced.len() }
    }
}

impl Serialize for Versions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Versions, D::Error> {
        deserializer.deserialize_bytes(Raw(PhantomData))
    }
}

/// Makes a small value of a byte string, without a copy on the heap.
struct Raw<T>(PhantomData<T>);

impl<'de, T: for<'a> From<&'a [u8]>> Visitor<'de> for Raw<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<T, E> {
        Ok(T::from(bytes))
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok(T::from(text.as_bytes()))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::from(<&[u8]>::default()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<T, A::Error> {
        // Nothing longer than an address is of use; what is longer only has to be told apart.
        let mut bytes = Vec::with_capacity(17);
        while let Some(byte) = elements.next_element::<u8>()? {
            if bytes.len() < 17 {
                bytes.push(byte);
            }
        }
        Ok(T::from(bytes.as_slice()))
    }
}

#[allow(clippy::ptr_arg, reason = "serde hands over the field as it is")]
fn bytes_or_nil<S: Serializer>(bytes: &Cow<'_, [u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    if bytes.is_empty() { serializer.serialize_unit() } else { serializer.serialize_bytes(bytes) }
}

fn is_empty(text: &str) -> bool {
    text.is_empty()
}

fn is_zero(number: &u16) -> bool {
    *number == 0
}
