//! The two messages of the health service, in protobuf, framed for gRPC.
//!
//! `HealthCheckRequest { string service = 1; }`, `HealthCheckResponse { ServingStatus status = 1; }`.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

/// Flag of compression and length before each message.
const PREFIX_BYTES: usize = 5;
/// Field 1, a string.
const SERVICE_TAG: u8 = (1 << 3) | 2;
/// Field 1, a number.
const STATUS_TAG: u64 = 1 << 3;

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
    /// A number without a name.
    Other(u64),
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Unknown => f.write_str("UNKNOWN"),
            Health::Serving => f.write_str("SERVING"),
            Health::NotServing => f.write_str("NOT_SERVING"),
            Health::ServiceUnknown => f.write_str("SERVICE_UNKNOWN"),
            Health::Other(number) => write!(f, "{number}"),
        }
    }
}

/// The request for a service; the empty one is the server as a whole.
pub(super) fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(SERVICE_TAG);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put(message);
    framed.freeze()
}

/// The status in a framed reply; `None` if it is no such reply.
pub(super) fn health(framed: &[u8]) -> Option<Health> {
    let (prefix, rest) = framed.split_first_chunk::<PREFIX_BYTES>()?;
    let [0, length @ ..] = *prefix else {
        return None;
    };
    let mut message = rest.get(..usize::try_from(u32::from_be_bytes(length)).ok()?)?;
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match (tag, tag & 7) {
            (STATUS_TAG, _) => status = varint(&mut message)?,
            (_, 0) => {
                varint(&mut message)?;
            }
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(match status {
        0 => Health::Unknown,
        1 => Health::Serving,
        2 => Health::NotServing,
        3 => Health::ServiceUnknown,
        other => Health::Other(other),
    })
}

fn put_varint(message: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        message.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    message.put_u8(value as u8);
}

/// Takes a number of at most ten bytes.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_framed() {
        assert_eq!(&request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&request("db")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b']);
        let long = request(&"s".repeat(200));
        assert_eq!(&long[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]);
    }

    #[test]
    fn replies_are_read() {
        let table: [(&[u8], Option<Health>); 11] = [
            (&[0, 0, 0, 0, 0], Some(Health::Unknown)),
            (&[0, 0, 0, 0, 2, 0x08, 1], Some(Health::Serving)),
            (&[0, 0, 0, 0, 2, 0x08, 2], Some(Health::NotServing)),
            (&[0, 0, 0, 0, 3, 0x08, 0x80, 1], Some(Health::Other(128))),
            // Unknown fields of every kind are passed over.
            (&[0, 0, 0, 0, 8, 0x12, 1, b'x', 0x18, 9, 0x08, 1, 0x20, 0], None),
            (&[0, 0, 0, 0, 9, 0x12, 1, b'x', 0x18, 9, 0x08, 1, 0x20, 0], Some(Health::Serving)),
            (&[0, 0, 0, 0, 7, 0x08, 1, 0x15, 1, 2, 3, 4], Some(Health::Serving)),
            (&[1, 0, 0, 0, 2, 0x08, 1], None),
            (&[0, 0, 0, 0, 3, 0x08, 1], None),
            (&[0, 0, 0, 0, 2, 0x12, 9], None),
            (&[], None),
        ];
        for (framed, expected) in table {
            assert_eq!(health(framed), expected, "{framed:?}");
        }
    }
}
