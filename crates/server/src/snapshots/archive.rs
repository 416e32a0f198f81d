//! The archive as a file.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::RESTORE_CHUNK_BYTES;

pub(super) fn write_archive(version: &state::Snapshot, status: &consensus::Status) -> io::Result<File> {
    let mut state = anonymous_file()?;
    let mut out = BufWriter::new(&mut state);
    version.write_to(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    let meta = archive_meta(version, status, state.stream_position()?)?;
    state.seek(SeekFrom::Start(0))?;
    let mut archive = anonymous_file()?;
    snapshot::write_archive(BufWriter::new(&mut archive), &meta, BufReader::new(state)).map_err(io::Error::other)?;
    archive.seek(SeekFrom::Start(0))?;
    Ok(archive)
}

fn archive_meta(version: &state::Snapshot, status: &consensus::Status, size: u64) -> io::Result<snapshot::Meta> {
    let servers = status.members.iter().map(|member| snapshot::Server {
        suffrage: if member.voter { snapshot::Suffrage::Voter } else { snapshot::Suffrage::Nonvoter },
        id: member.id.to_string(),
        address: member.address.clone(),
    });
    let configuration = snapshot::Configuration { servers: servers.collect() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (index, term) = (version.last_index(), status.term);
    snapshot::Meta::new(index, term, configuration, status.configuration_index, size, now).map_err(io::Error::other)
}

pub(super) fn read_archive(mut archive: File) -> io::Result<(File, u64)> {
    archive.seek(SeekFrom::Start(0))?;
    let mut state = anonymous_file()?;
    snapshot::read_archive(BufReader::new(archive), BufWriter::new(&mut state)).map_err(io::Error::other)?;
    let size = state.stream_position()?;
    state.seek(SeekFrom::Start(0))?;
    Ok((state, size))
}

/// The next part of a state that goes through the log.
pub(super) fn read_part(mut state: File) -> io::Result<(File, Bytes)> {
    let mut data = Vec::with_capacity(RESTORE_CHUNK_BYTES);
    (&mut state).take(RESTORE_CHUNK_BYTES as u64).read_to_end(&mut data)?;
    Ok((state, data.into()))
}

/// A file without a name in the temporary directory.
pub(super) fn anonymous_file() -> io::Result<File> {
    tempfile::tempfile()
}
