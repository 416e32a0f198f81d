//! Snapshots of the servers' state (`docs/spec/http-api.md §10`).

use tokio::io::AsyncRead;

use crate::{ByteStream, Client, QueryMeta, QueryOptions, Result, WriteOptions};

/// Snapshots; [`Client::snapshot`] makes one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) client: Client,
}

impl Snapshot {
    /// Takes a snapshot: a gzip archive, as it arrives. [`ByteStream`] is an `AsyncRead`, so `tokio::io::copy` writes it
    /// to a file. A broken transfer is an error of the stream, never a short archive.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse).
    pub async fn save(&self, options: &QueryOptions) -> Result<(ByteStream, QueryMeta)> {
        let answer = self.client.get("/v1/snapshot").query_options(options).send().await?.ok().await?;
        let meta = answer.meta().clone();
        Ok((answer.into_stream(), meta))
    }

    /// Replaces the whole state of the datacenter by an archive.
    ///
    /// # Errors
    /// As [`Snapshot::save`]; an archive that cannot be read leaves the state as it was.
    pub async fn restore(&self, archive: impl AsyncRead + Send + 'static, options: &WriteOptions) -> Result<()> {
        self.client.put("/v1/snapshot").write_options(options).reader(archive).send_empty().await
    }
}
