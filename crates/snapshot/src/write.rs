//! Making archives.

use std::io::{self, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::sums::{Hashes, render};
use crate::tar::{BLOCK_BYTES, padding, write_end, write_header};
use crate::{Error, Member, Meta};

const COPY_BYTES: usize = 64 << 10;

/// Writes an archive of a state. The state must be exactly `meta.size` bytes long; it is streamed.
///
/// # Errors
///
/// [`Error::SourceSize`] or [`Error::Source`] when the state is not as announced, [`Error::Write`] when the archive
/// cannot be written. What was written so far is no archive then.
pub fn write_archive(out: impl Write, meta: &Meta, state: impl Read) -> Result<(), Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut out = GzEncoder::new(out, Compression::default());

    let meta_json = meta.to_json()?;
    write_member(&mut out, Member::Meta, &meta_json, now).map_err(Error::Write)?;
    write_header(&mut out, Member::State.name(), meta.size, now).map_err(Error::Write)?;
    let state_hash = copy_state(&mut out, state, meta.size)?;
    let hashes = Hashes { meta: Sha256::digest(&meta_json).into(), state: state_hash };
    write_member(&mut out, Member::Sums, render(&hashes).as_bytes(), now).map_err(Error::Write)?;
    write_end(&mut out).map_err(Error::Write)?;

    let mut out = out.finish().map_err(Error::Write)?;
    out.flush().map_err(Error::Write)
}

fn write_member(out: &mut impl Write, member: Member, content: &[u8], now: u64) -> io::Result<()> {
    let size = content.len() as u64;
    write_header(out, member.name(), size, now)?;
    out.write_all(content)?;
    write_padding(out, size)
}

fn write_padding(out: &mut impl Write, size: u64) -> io::Result<()> {
    out.write_all(&[0; BLOCK_BYTES][..padding(size) as usize])
}

/// Copies the state, up to a block boundary, and returns its hash.
fn copy_state(out: &mut impl Write, mut state: impl Read, declared: u64) -> Result<[u8; 32], Error> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; COPY_BYTES];
    let mut actual = 0_u64;
    loop {
        let count = match state.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::Source(error)),
        };
        actual += count as u64;
        if actual > declared {
            return Err(Error::SourceSize { declared, actual: declared.saturating_add(1) });
        }
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count]).map_err(Error::Write)?;
    }
    if actual != declared {
        return Err(Error::SourceSize { declared, actual });
    }
    write_padding(out, declared).map_err(Error::Write)?;
    Ok(hasher.finalize().into())
}
