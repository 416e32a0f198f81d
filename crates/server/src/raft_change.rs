//! Changes of the Raft configuration, one at a time.

use std::future::Future;
use std::time::Duration;

use consensus::ChangeError;
use tokio::time::Instant;

use crate::server::Shared;

/// How long a change waits for another one to end, and how often it looks.
const WAIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

impl Shared {
    /// Makes a change; while another one is under way it is tried again.
    pub(crate) async fn change_raft<F>(&self, change: impl Fn() -> F) -> Result<(), ChangeError>
    where
        F: Future<Output = Result<(), ChangeError>>,
    {
        let end = Instant::now() + WAIT;
        loop {
            match change().await {
                Err(ChangeError::InProgress) if Instant::now() < end => tokio::time::sleep(POLL).await,
                outcome => return outcome,
            }
            if self.stopping.is_cancelled() {
                return Err(ChangeError::Shutdown);
            }
        }
    }
}
