//! Leader and Raft peers (`docs/spec/http-api.md §9`).

use crate::{Client, QueryOptions, Result};

/// Leader and Raft peers; [`Client::status`] makes one. Needs no token and no leader.
#[derive(Clone, Debug)]
pub struct Status {
    pub(crate) client: Client,
}

impl Status {
    /// `ip:port` of the leader, empty when there is none.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse),
    /// [`Error::Decode`](crate::Error::Decode).
    pub async fn leader(&self, options: &QueryOptions) -> Result<String> {
        Ok(self.client.query("/v1/status/leader", options).await?.0)
    }

    /// `ip:port` of every Raft peer.
    ///
    /// # Errors
    /// As [`Status::leader`].
    pub async fn peers(&self, options: &QueryOptions) -> Result<Vec<String>> {
        let peers: Option<Vec<String>> = self.client.query("/v1/status/peers", options).await?.0;
        Ok(peers.unwrap_or_default())
    }
}
