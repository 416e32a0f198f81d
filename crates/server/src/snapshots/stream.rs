//! Archives on their way between servers (`docs/spec/rpc-and-state.md` §6.7).

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::net::SocketAddr;

use net::{BoxConn, BoxFuture};
use rpc::snapshot_stream::{Incoming, Operation};
use tokio::io::{AsyncRead, AsyncSeekExt, AsyncWriteExt};
use types::RpcError;

use super::archive::anonymous_file;
use super::{blocking, check_restore, failed};
use crate::server::Server;

/// Answers connections for snapshots.
pub(crate) struct SnapshotDoor {
    pub(crate) server: Server,
}

impl rpc::Streams for SnapshotDoor {
    fn serve(&self, conn: BoxConn, from: SocketAddr) -> BoxFuture<'static, ()> {
        let server = self.server.clone();
        Box::pin(async move {
            if let Err(error) = serve(&server, conn).await {
                tracing::error!(target: "agent.server", from = %from, error = %error, "snapshot connection failed");
            }
        })
    }
}

async fn serve(server: &Server, conn: BoxConn) -> io::Result<()> {
    let mut incoming = Incoming::receive(conn).await?;
    match incoming.operation {
        Operation::Save => match server.snapshot_save(&incoming.request).await {
            Ok(saved) => incoming.saved(&saved.meta, tokio::fs::File::from_std(saved.archive)).await,
            Err(error) => incoming.fail(&error.to_string()).await,
        },
        Operation::Restore => match restore(server, &mut incoming).await {
            Ok(()) => {
                let meta = server.shared.meta(server.shared.store.snapshot().last_index());
                incoming.restored(&meta).await
            }
            Err(error) => incoming.fail(&error.to_string()).await,
        },
    }
}

async fn restore(server: &Server, incoming: &mut Incoming) -> Result<(), RpcError> {
    check_restore(&server.shared, &incoming.request)?;
    let archive = spool(incoming.archive()).await.map_err(failed)?;
    server.snapshot_restore(&incoming.request, archive).await
}

/// Puts what comes into a file, ready to be read from its start.
pub(super) async fn spool(mut from: impl AsyncRead + Unpin) -> io::Result<File> {
    let file = blocking(anonymous_file).await.map_err(io::Error::other)?;
    let mut file = tokio::fs::File::from_std(file);
    tokio::io::copy(&mut from, &mut file).await?;
    file.flush().await?;
    file.seek(SeekFrom::Start(0)).await?;
    Ok(file.into_std().await)
}

/// A file to be sent whole.
pub(super) async fn from_start(mut file: File) -> io::Result<tokio::fs::File> {
    let file = blocking(move || file.seek(SeekFrom::Start(0)).map(|_| file)).await.map_err(io::Error::other)?;
    Ok(tokio::fs::File::from_std(file))
}
