use bytes::Bytes;

use super::{Kind, WireError};

/// What a compound message costs before its parts: type and count.
pub(crate) const COMPOUND_HEADER_BYTES: usize = 2;
/// What each part costs beyond itself: its length.
pub(crate) const COMPOUND_ITEM_BYTES: usize = 2;
/// The count is one byte.
pub(crate) const MAX_PARTS: usize = 255;

/// One message of several. There may be at most [`MAX_PARTS`], each shorter than 64 KiB; those beyond are left out.
pub(crate) fn write_compound(parts: &[Bytes]) -> Vec<u8> {
    let parts = parts.get(..MAX_PARTS).unwrap_or(parts);
    let fits = |part: &&Bytes| part.len() <= usize::from(u16::MAX);
    let length: usize = parts.iter().map(|part| COMPOUND_ITEM_BYTES + part.len()).sum();
    let mut out = Vec::with_capacity(COMPOUND_HEADER_BYTES + length);
    out.push(Kind::Compound as u8);
    out.push(parts.iter().filter(fits).count() as u8);
    for part in parts.iter().filter(fits) {
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
    }
    for part in parts.iter().filter(fits) {
        out.extend_from_slice(part);
    }
    out
}

/// The parts of a compound message, without its type byte. When the last ones are cut off, those before still count.
pub(crate) fn parts(body: &[u8]) -> Result<impl Iterator<Item = &[u8]>, WireError> {
    let Some((&count, rest)) = body.split_first() else {
        return Err(WireError::Compound("missing compound length byte"));
    };
    let Some((lengths, mut bodies)) = rest.split_at_checked(usize::from(count) * COMPOUND_ITEM_BYTES) else {
        return Err(WireError::Compound("truncated len slice"));
    };
    let (lengths, _) = lengths.as_chunks::<COMPOUND_ITEM_BYTES>();
    Ok(lengths.iter().map_while(move |&length| {
        let (part, rest) = bodies.split_at_checked(u16::from_be_bytes(length).into())?;
        bodies = rest;
        Some(part)
    }))
}
