//! How far this server has taken up leading, and what may be answered meanwhile
//! (`docs/spec/server-operations.md` §8.1).

use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use telemetry::metrics::{self, Sample};
use tokio::sync::watch;
use types::RpcError;
use types::query::Consistency;

use crate::server::Shared;

static CONSISTENT_READ_TIME: LazyLock<Sample> = LazyLock::new(|| metrics::sample("rpc.consistentRead"));

/// Terms of Raft in which this server leads; 0 for none. A later term of its own counts for nothing here until its
/// duties have been taken up again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Everything that was acknowledged before this term is applied.
    pub(crate) caught_up: u64,
    /// All duties have been taken up: consistent reads may be answered.
    pub(crate) ready: u64,
}

impl Shared {
    /// The term this server leads in, if it may answer for the cluster: its lease has not run out, and it has applied
    /// all that was acknowledged before.
    pub(crate) fn leading(&self) -> Option<u64> {
        let caught_up = self.standing.borrow().caught_up;
        if caught_up == 0 {
            return None;
        }
        // Not by what the duties last heard: they may not have run since another leader came and went.
        self.consensus.leader_term().filter(|term| *term == caught_up)
    }

    /// Refuses what only the leader may do.
    pub(crate) fn check_leader(&self) -> Result<u64, RpcError> {
        match self.leading() {
            Some(term) => Ok(term),
            None if self.stopping.is_cancelled() => Err(RpcError::Shutdown),
            None => Err(RpcError::NoLeader),
        }
    }

    /// Makes sure that this server may answer with the freshness asked for, from the state as it is after this.
    pub(crate) async fn check_consistency(&self, consistency: Consistency) -> Result<(), RpcError> {
        match consistency {
            Consistency::Stale if self.heard_leader.load(Ordering::Acquire) => Ok(()),
            Consistency::Default | Consistency::Stale => self.check_leader().map(drop),
            Consistency::Consistent => {
                let _timing = CONSISTENT_READ_TIME.timing();
                self.await_ready(self.check_leader()?).await?;
                self.consensus.read_barrier().await.map_err(|_| RpcError::NoLeader)
            }
        }
    }

    /// Waits until the duties of this term have been taken up, at most the hold timeout.
    async fn await_ready(&self, term: u64) -> Result<(), RpcError> {
        if self.standing.borrow().ready == term {
            return Ok(());
        }
        let mut standing = self.standing.subscribe();
        let ready = async {
            let now = standing.wait_for(|now| now.ready == term || now.caught_up != term).await;
            now.is_ok_and(|now| now.ready == term)
        };
        tokio::select! {
            () = self.stopping.cancelled() => Err(RpcError::Shutdown),
            ready = tokio::time::timeout(self.config.rpc_hold_timeout, ready) => match ready {
                Ok(true) => Ok(()),
                Ok(false) => Err(RpcError::NoLeader),
                Err(_) => Err(RpcError::NotReadyForConsistentReads),
            },
        }
    }
}

/// Returns once this server has stopped leading in the term it was caught up with before.
pub(crate) async fn deposed(standing: &mut watch::Receiver<Standing>, before: Standing) {
    // The sender lives as long as the server does.
    let _ = standing.wait_for(|now| now.caught_up != before.caught_up).await;
}

/// A duration below `limit`.
pub(crate) fn random_below(limit: Duration) -> Duration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 { Duration::ZERO } else { Duration::from_nanos(random % nanos) }
}
