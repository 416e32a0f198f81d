use super::Error;

/// What one header announces. Lengths of `Raw`, `Bin` and `Ext` are payload bytes that follow the header (`Ext`
/// includes its type byte); of `Array` elements; of `Map` pairs. Lengths are not yet known to be truthful.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Head {
    Nil,
    Bool(bool),
    FixInt(i8),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Raw(usize),
    Bin(usize),
    Ext(usize),
    Array(usize),
    Map(usize),
}

impl Head {
    /// Reads the header at `position`: the head and its length in bytes, or `None` when the input ends inside it.
    #[inline]
    pub(super) fn read(input: &[u8], position: usize) -> Result<Option<(Self, usize)>, Error> {
        let Some((&byte, rest)) = input.get(position..).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        let plain = |head| Ok(Some((head, 1)));
        match byte {
            0x00..=0x7f | 0xe0..=0xff => plain(Self::FixInt(byte.cast_signed())),
            0x80..=0x8f => plain(Self::Map(usize::from(byte & 0x0f))),
            0x90..=0x9f => plain(Self::Array(usize::from(byte & 0x0f))),
            0xa0..=0xbf => plain(Self::Raw(usize::from(byte & 0x1f))),
            0xc0 => plain(Self::Nil),
            0xc1 => Err(Error::Unexpected { position, byte, found: "the reserved header", wanted: "any value" }),
            0xc2 | 0xc3 => plain(Self::Bool(byte == 0xc3)),
            0xc4 => Ok(size(rest, 1, Self::Bin)),
            0xc5 => Ok(size(rest, 2, Self::Bin)),
            0xc6 => Ok(size(rest, 4, Self::Bin)),
            0xc7 => Ok(size(rest, 1, |n| Self::Ext(n.saturating_add(1)))),
            0xc8 => Ok(size(rest, 2, |n| Self::Ext(n.saturating_add(1)))),
            0xc9 => Ok(size(rest, 4, |n| Self::Ext(n.saturating_add(1)))),
            0xca => Ok(fixed(rest, |b: [u8; 4]| Self::F32(f32::from_be_bytes(b)))),
            0xcb => Ok(fixed(rest, |b: [u8; 8]| Self::F64(f64::from_be_bytes(b)))),
            0xcc => Ok(fixed(rest, |b: [u8; 1]| Self::Unsigned(b[0].into()))),
            0xcd => Ok(fixed(rest, |b| Self::Unsigned(u16::from_be_bytes(b).into()))),
            0xce => Ok(fixed(rest, |b| Self::Unsigned(u32::from_be_bytes(b).into()))),
            0xcf => Ok(fixed(rest, |b| Self::Unsigned(u64::from_be_bytes(b)))),
            0xd0 => Ok(fixed(rest, |b| Self::Signed(i8::from_be_bytes(b).into()))),
            0xd1 => Ok(fixed(rest, |b| Self::Signed(i16::from_be_bytes(b).into()))),
            0xd2 => Ok(fixed(rest, |b| Self::Signed(i32::from_be_bytes(b).into()))),
            0xd3 => Ok(fixed(rest, |b| Self::Signed(i64::from_be_bytes(b)))),
            0xd4..=0xd8 => plain(Self::Ext(1 + (1 << (byte - 0xd4)))),
            0xd9 => Ok(size(rest, 1, Self::Raw)),
            0xda => Ok(size(rest, 2, Self::Raw)),
            0xdb => Ok(size(rest, 4, Self::Raw)),
            0xdc => Ok(size(rest, 2, Self::Array)),
            0xdd => Ok(size(rest, 4, Self::Array)),
            0xde => Ok(size(rest, 2, Self::Map)),
            0xdf => Ok(size(rest, 4, Self::Map)),
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a bool",
            Self::FixInt(_) | Self::Unsigned(_) | Self::Signed(_) => "an integer",
            Self::F32(_) | Self::F64(_) => "a float",
            Self::Raw(_) => "a string",
            Self::Bin(_) => "binary data",
            Self::Ext(_) => "an extension",
            Self::Array(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

#[inline]
fn fixed<const N: usize>(rest: &[u8], make: impl FnOnce([u8; N]) -> Head) -> Option<(Head, usize)> {
    rest.first_chunk::<N>().map(|bytes| (make(*bytes), 1 + N))
}

#[inline]
fn size(rest: &[u8], width: usize, make: impl FnOnce(usize) -> Head) -> Option<(Head, usize)> {
    let bytes = rest.get(..width)?;
    let length = bytes.iter().fold(0_usize, |length, &byte| (length << 8) | usize::from(byte));
    Some((make(length), 1 + width))
}
