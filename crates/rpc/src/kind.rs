//! The byte a connection starts with (`docs/spec/rpc-and-state.md` §1.1).

/// What a connection that is not for calls carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Raft's own protocol.
    Raft,
    /// One snapshot, in either direction.
    Snapshot,
    /// gRPC.
    Grpc,
}

impl Kind {
    pub(crate) fn byte(self) -> TypeByte {
        match self {
            Kind::Raft => TypeByte::Raft,
            Kind::Snapshot => TypeByte::Snapshot,
            Kind::Grpc => TypeByte::Grpc,
        }
    }
}

/// First byte of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TypeByte {
    /// Calls, one after the other, on the connection itself.
    Single = 0,
    Raft = 1,
    /// TLS, and then another first byte inside.
    Tls = 3,
    /// yamux; each stream carries calls.
    Multiplex = 4,
    Snapshot = 5,
    /// TLS without a client's certificate, for the methods that get one.
    TlsInsecure = 7,
    Grpc = 8,
}

impl TypeByte {
    pub(crate) fn from_byte(byte: u8) -> Option<TypeByte> {
        Some(match byte {
            0 => TypeByte::Single,
            1 => TypeByte::Raft,
            3 => TypeByte::Tls,
            4 => TypeByte::Multiplex,
            5 => TypeByte::Snapshot,
            7 => TypeByte::TlsInsecure,
            8 => TypeByte::Grpc,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stand_for_what_the_reference_means_by_them() {
        for byte in 0..=u8::MAX {
            let known = TypeByte::from_byte(byte);
            assert_eq!(known.map(|kind| kind as u8), known.map(|_| byte));
            assert_eq!(known.is_some(), [0, 1, 3, 4, 5, 7, 8].contains(&byte), "{byte}");
        }
        assert_eq!([Kind::Raft, Kind::Snapshot, Kind::Grpc].map(|kind| kind.byte() as u8), [1, 5, 8]);
    }
}
