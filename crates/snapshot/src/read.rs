//! Verifying archives and taking the state out of them.

use std::io::{self, Cursor, Read, Write};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::error::stream_text;
use crate::meta::META_LIMIT_BYTES;
use crate::sums::{Hashes, SUMS_LIMIT_BYTES, verify};
use crate::tar::{Entry, next_entry, padding};
use crate::{Error, Member, Meta};

/// Longest `state.bin` that [`read_archive`] takes: 64 GiB, more than a server keeps in memory.
pub const STATE_LIMIT_BYTES: u64 = 64 << 30;
/// How far behind the members the number of unread bytes is counted.
const TAIL_LIMIT_BYTES: u64 = 64 << 20;
const GZIP_HEADER_BYTES: usize = 10;
const COPY_BYTES: usize = 64 << 10;

/// Reads an archive to its end, verifies everything about it, and writes its `state.bin` to `state_out`.
///
/// The state is written before its hash can be known: give a temporary place, and throw its content away on error.
///
/// # Errors
///
/// [`Error`] says what is wrong, in the reference's words. A state longer than [`STATE_LIMIT_BYTES`], or than
/// `meta.json` announces, is refused.
pub fn read_archive(input: impl Read, state_out: impl Write) -> Result<Meta, Error> {
    read_archive_within(input, state_out, STATE_LIMIT_BYTES)
}

/// [`read_archive`] with another bound on the state's length.
///
/// # Errors
///
/// As for [`read_archive`].
pub fn read_archive_within(mut input: impl Read, state_out: impl Write, state_limit_bytes: u64) -> Result<Meta, Error> {
    let start = read_gzip_start(&mut input)?;
    let mut archive = MultiGzDecoder::new(Cursor::new(start).chain(input));
    let meta = read_members(&mut archive, state_out, state_limit_bytes)?;

    // The checksum of the stream stands at its end, and bytes that no member accounts for are somebody's mistake.
    match io::copy(&mut archive.take(TAIL_LIMIT_BYTES), &mut io::sink()) {
        Ok(0) => Ok(meta),
        Ok(unread) => Err(Error::Unread(unread)),
        Err(error) => Err(Error::Tail(stream_text(&error))),
    }
}

/// Reads as much as tells gzip from something else, so that the error can say so.
fn read_gzip_start(input: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut start = Vec::with_capacity(GZIP_HEADER_BYTES);
    input
        .take(GZIP_HEADER_BYTES as u64)
        .read_to_end(&mut start)
        .map_err(|error| Error::Decompress(error.to_string()))?;
    if start.is_empty() {
        return Err(Error::Decompress("EOF".to_owned()));
    }
    if start.len() < GZIP_HEADER_BYTES {
        return Err(Error::Decompress("unexpected EOF".to_owned()));
    }
    if !start.starts_with(b"\x1f\x8b\x08") {
        return Err(Error::Decompress("gzip: invalid header".to_owned()));
    }
    Ok(start)
}

/// What was found of the members so far.
#[derive(Default)]
struct Found {
    meta_json: Option<Vec<u8>>,
    state: Option<(u64, [u8; 32])>,
    sums: Option<Vec<u8>>,
}

fn read_members(archive: &mut impl Read, mut state_out: impl Write, state_limit_bytes: u64) -> Result<Meta, Error> {
    let mut found = Found::default();
    let mut meta = None;
    while let Some(entry) = next_entry(archive)? {
        let Some(member) = Member::from_name(&entry.name) else {
            return Err(Error::UnexpectedFile(String::from_utf8_lossy(&entry.name).into_owned()));
        };
        if !entry.regular {
            return Err(Error::NotRegular(member));
        }
        match member {
            Member::Meta if found.meta_json.is_none() => {
                let bytes = read_small(archive, member, &entry, META_LIMIT_BYTES)?;
                meta = Some(Meta::from_json(&bytes)?);
                found.meta_json = Some(bytes);
            }
            Member::State if found.state.is_none() => {
                check_size(&entry, meta.as_ref(), state_limit_bytes)?;
                found.state = Some((entry.size, copy_state(archive, &entry, &mut state_out)?));
            }
            Member::Sums if found.sums.is_none() => {
                found.sums = Some(read_small(archive, member, &entry, SUMS_LIMIT_BYTES)?);
            }
            _ => return Err(Error::Duplicate(member)),
        }
        skip_padding(archive, member, entry.size)?;
    }
    state_out.flush().map_err(|error| content_error(Member::State, &error))?;

    let empty = Sha256::digest(b"").into();
    let hashes = Hashes {
        meta: found.meta_json.map_or(empty, |bytes| Sha256::digest(bytes).into()),
        state: found.state.map_or(empty, |(_, hash)| hash),
    };
    verify(&found.sums.unwrap_or_default(), &hashes)?;
    // A list that names a missing member with the hash of nothing gets here.
    let meta = meta.ok_or(Error::MissingFile(Member::Meta))?;
    let (actual, _) = found.state.ok_or(Error::MissingFile(Member::State))?;
    if actual != meta.size {
        return Err(Error::StateSize { declared: meta.size, actual });
    }
    Ok(meta)
}

fn check_size(entry: &Entry, meta: Option<&Meta>, limit_bytes: u64) -> Result<(), Error> {
    if entry.size > limit_bytes {
        return Err(Error::TooLarge { what: Member::State.name(), limit_bytes });
    }
    match meta {
        Some(meta) if meta.size != entry.size => Err(Error::StateSize { declared: meta.size, actual: entry.size }),
        _ => Ok(()),
    }
}

fn read_small(archive: &mut impl Read, member: Member, entry: &Entry, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    if entry.size > limit_bytes {
        return Err(Error::TooLarge { what: member.name(), limit_bytes });
    }
    let mut content = Vec::new();
    archive.take(entry.size).read_to_end(&mut content).map_err(|error| content_error(member, &error))?;
    if (content.len() as u64) < entry.size {
        return Err(cut_short(member));
    }
    Ok(content)
}

/// Hands the state on and returns its hash.
fn copy_state(archive: &mut impl Read, entry: &Entry, state_out: &mut impl Write) -> Result<[u8; 32], Error> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut source = archive.take(entry.size);
    let mut copied = 0;
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(content_error(Member::State, &error)),
        };
        copied += count as u64;
        hasher.update(&buffer[..count]);
        state_out.write_all(&buffer[..count]).map_err(|error| content_error(Member::State, &error))?;
    }
    if copied < entry.size { Err(cut_short(Member::State)) } else { Ok(hasher.finalize().into()) }
}

fn skip_padding(archive: &mut impl Read, member: Member, size: u64) -> Result<(), Error> {
    let padding = padding(size);
    match io::copy(&mut archive.take(padding), &mut io::sink()) {
        Ok(skipped) if skipped == padding => Ok(()),
        Ok(_) => Err(Error::Container("unexpected EOF".to_owned())),
        Err(error) => Err(content_error(member, &error)),
    }
}

fn content_error(member: Member, error: &io::Error) -> Error {
    Error::Content { member, cause: stream_text(error) }
}

fn cut_short(member: Member) -> Error {
    Error::Content { member, cause: "unexpected EOF".to_owned() }
}
