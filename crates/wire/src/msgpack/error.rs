use std::fmt::Display;

/// Why a value could not be encoded or decoded. Positions are byte offsets from the start of the value given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input ends inside a value.
    #[error("msgpack decode error [pos {0}]: unexpected EOF")]
    Truncated(usize),
    /// A complete value is followed by further bytes.
    #[error("msgpack decode error [pos {0}]: unexpected data after the value")]
    Trailing(usize),
    /// The header byte does not start a value of the wanted type.
    #[error("msgpack decode error [pos {position}]: cannot decode {found} (byte 0x{byte:02x}) into {wanted}")]
    Unexpected {
        /// Offset of the header byte.
        position: usize,
        /// The header byte.
        byte: u8,
        /// The kind of value the header announces.
        found: &'static str,
        /// The kind of value the target needs.
        wanted: &'static str,
    },
    /// The value does not fit the target's range.
    #[error("msgpack decode error [pos {position}]: overflow: value does not fit {wanted}")]
    Overflow {
        /// Offset just past the value's header.
        position: usize,
        /// The target's type.
        wanted: &'static str,
    },
    /// Values nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("msgpack decode error [pos {0}]: nested too deeply")]
    TooDeep(usize),
    /// One value of a stream is longer than the reader accepts.
    #[error("msgpack decode error: a value is longer than the limit of {0} bytes")]
    TooLarge(usize),
    /// A string, list or map is longer than 4 GiB, or an integer wider than 64 bits: the format cannot express it.
    #[error("msgpack encode error: {0} too large for the format")]
    Inexpressible(&'static str),
    /// The underlying reader or writer failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The target type refused the value.
    #[error("{0}")]
    Message(String),
}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}
