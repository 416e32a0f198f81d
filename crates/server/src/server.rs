//! The server itself: consensus, state, and the tasks that belong to them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use consensus::Consensus;
use parking_lot::Mutex;
use state::Store;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::{CoordinateUpdate, Method, RpcError};

use crate::config::{ServerConfig, Storage};
use crate::leader::Leader;
use crate::lock_delays::LockDelays;
use crate::machine::Machine;
use crate::session_timers::SessionTimers;

/// Answers one method. Every method of [`types::method`] that exists is an implementation for [`Server`].
pub trait Handle<M: Method> {
    /// Serves one request.
    fn handle(&self, request: M::Request) -> impl Future<Output = Result<M::Reply, RpcError>> + Send;
}

/// The server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Consensus could not start.
    #[error("{0}")]
    Consensus(#[from] consensus::Error),
    /// The replicated log holds a command that this version must not skip.
    #[error("{0}")]
    Fatal(String),
}

/// A running server. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
}

/// What endpoints and duties share.
pub(crate) struct Shared {
    pub(crate) config: ServerConfig,
    pub(crate) consensus: Consensus<Machine>,
    pub(crate) store: Store,
    pub(crate) sessions: SessionTimers,
    pub(crate) lock_delays: LockDelays,
    pub(crate) coordinates: Mutex<BTreeMap<(String, String), CoordinateUpdate>>,
    /// Asks the leader to compare its registration with the catalog now.
    pub(crate) reconcile: Notify,
    /// The leader has finished its duties: consistent reads may be answered.
    pub(crate) ready: AtomicBool,
    /// Counts establishments, so that a restore can wait for the next one.
    pub(crate) established: watch::Sender<u64>,
    /// Whether this server leads and has applied everything that was acknowledged before it did.
    pub(crate) caught_up: watch::Sender<bool>,
    /// Whether this server has ever known a leader: from then on it answers stale reads, whatever becomes of the leader.
    pub(crate) heard_leader: AtomicBool,
    pub(crate) stopping: CancellationToken,
    fatal: watch::Sender<Option<String>>,
    leader: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Opens the state, starts consensus and the leader's duties.
    ///
    /// `stopping` ends every wait inside the server; [`Server::stop`] must still be called and awaited.
    ///
    /// # Errors
    /// Whatever keeps the log or its snapshots from being opened, naming the file.
    pub async fn start(config: ServerConfig, stopping: CancellationToken) -> Result<Server, ServerError> {
        let (writer, store) = state::Writer::new();
        let (effects, effects_in) = mpsc::unbounded_channel();
        let (fatal, _) = watch::channel(None);
        let machine = Machine::new(writer, effects, fatal.clone());
        let consensus = Consensus::start(consensus_config(&config), machine, stopping.clone()).await?;
        let bootstrap = config.bootstrap && consensus.pristine();
        if bootstrap {
            let own = (config.node_id, server_address(&config));
            consensus.bootstrap(&[own]).await?;
        }
        let shared = Arc::new(Shared {
            consensus,
            store,
            sessions: SessionTimers::default(),
            lock_delays: LockDelays::default(),
            coordinates: Mutex::default(),
            reconcile: Notify::new(),
            ready: AtomicBool::new(false),
            established: watch::channel(0).0,
            caught_up: watch::channel(false).0,
            heard_leader: AtomicBool::new(false),
            stopping,
            fatal,
            leader: Mutex::default(),
            config,
        });
        let duties = tokio::spawn(Leader::new(shared.clone(), effects_in).run());
        *shared.leader.lock() = Some(duties);
        Ok(Server { shared })
    }

    /// Waits until the server cannot go on; answers why.
    pub async fn failed(&self) -> ServerError {
        let mut fatal = self.shared.fatal.subscribe();
        let reason = fatal.wait_for(Option::is_some).await;
        match reason.ok().and_then(|r| r.clone()) {
            Some(text) => ServerError::Fatal(text),
            None => std::future::pending().await,
        }
    }

    /// Stops the duties and consensus, and waits until both have ended and the log is flushed.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        let duties = self.shared.leader.lock().take();
        if let Some(duties) = duties
            && let Err(error) = duties.await
        {
            tracing::error!(target: "agent.server", error = %error, "leader duties ended abnormally");
        }
        if let Err(error) = self.shared.consensus.shutdown().await {
            tracing::error!(target: "agent.server", error = %error, "consensus did not shut down cleanly");
        }
    }

    /// What consensus knows of itself.
    pub fn consensus_status(&self) -> consensus::Status {
        self.shared.consensus.status()
    }

    /// Applies a new compaction policy from now on.
    pub fn set_snapshot_policy(&self, policy: consensus::SnapshotPolicy) {
        self.shared.consensus.set_snapshot_policy(policy);
    }

    /// A view of the state, for inspection inside the process.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }
}

/// `ip:port` of the server's own RPC port.
pub(crate) fn server_address(config: &ServerConfig) -> String {
    std::net::SocketAddr::new(config.addresses.advertise, config.addresses.server_port).to_string()
}

fn consensus_config(config: &ServerConfig) -> consensus::Config {
    consensus::Config {
        server_id: config.node_id,
        address: server_address(config),
        storage: match &config.storage {
            Storage::Memory => consensus::Storage::Memory,
            Storage::Disk(data_dir) => consensus::Storage::Disk(data_dir.join("raft")),
        },
        timing: config.raft,
        snapshot: config.snapshots,
    }
}
