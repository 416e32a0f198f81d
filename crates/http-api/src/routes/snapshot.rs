//! `/v1/snapshot` (`docs/spec/http-api.md` §10). Archives are streamed from and to files without a name, never held whole.

use std::io::{self, Seek, SeekFrom, Write};

use bytes::BytesMut;
use http::StatusCode;
use http::header::HeaderValue;
use tokio::io::AsyncReadExt;
use types::Consistency;
use types::method::SnapshotRequest;

use crate::pipeline::Call;
use crate::reply::{Answer, Body, ByteStream, Failure, Reply, metadata};

/// Size of the pieces an archive is sent in.
const PIECE_BYTES: usize = 64 * 1024;

fn request(call: &Call) -> Result<SnapshotRequest, Failure> {
    let options = call.options()?;
    let allow_stale = options.consistency == Consistency::Stale;
    Ok(SnapshotRequest { datacenter: options.datacenter, token: options.token, allow_stale })
}

/// The whole state as an archive.
pub(crate) async fn save(call: &mut Call) -> Answer {
    let request = request(call)?;
    let token = request.token.clone();
    let saved = call.door.agent.snapshot_save(request).await?;
    let length = saved.archive.metadata().map_err(|error| Failure::internal(error.to_string()))?.len();
    let gzip = HeaderValue::from_static("application/x-gzip");
    let mut reply = Reply::bytes(StatusCode::OK, Some(gzip), bytes::Bytes::new());
    reply.body = Body::Stream(pieces(saved.archive), Some(length));
    Ok(reply.with_metadata(&metadata(saved.meta, None, &token)))
}

fn pieces(archive: std::fs::File) -> ByteStream {
    let archive = tokio::fs::File::from_std(archive);
    Box::pin(futures_util::stream::try_unfold(archive, |mut archive| async move {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        match archive.read_buf(&mut piece).await? {
            0 => Ok::<_, io::Error>(None),
            _ => Ok(Some((piece.freeze(), archive))),
        }
    }))
}

/// Replaces the whole state by an archive's.
pub(crate) async fn restore(call: &mut Call) -> Answer {
    let request = request(call)?;
    if request.allow_stale {
        return Err(Failure::internal("stale not allowed for restore"));
    }
    let archive = spool(call).await?;
    call.door.agent.snapshot_restore(request, archive).await?;
    Ok(Reply::empty())
}

/// The body in a file without a name, rewound.
async fn spool(call: &mut Call) -> Result<std::fs::File, Failure> {
    let failed =
        |error: io::Error| Failure::internal(format!("failed to create temp file for incoming snapshot: {error}"));
    let file = tempfile::tempfile().map_err(failed)?;
    let mut writer = Some(file);
    while let Some(piece) = call.next_piece().await? {
        let Some(mut file) = writer.take() else { break };
        let written = tokio::task::spawn_blocking(move || file.write_all(&piece).map(|()| file)).await;
        writer = Some(written.map_err(io::Error::other).and_then(|written| written).map_err(failed)?);
    }
    let Some(mut file) = writer else { return Err(failed(io::Error::other("the file is gone"))) };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}
