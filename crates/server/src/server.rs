//! The server itself: consensus, state, and the tasks that belong to them.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use consensus::{Consensus, State};
use gossip::Gossip;
use parking_lot::Mutex;
use rpc::Pool;
use state::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use types::{CoordinateUpdate, Method, RpcError};

use crate::autopilot::{self, Board};
use crate::config::{ServerConfig, Storage};
use crate::leader::Leader;
use crate::lock_delays::LockDelays;
use crate::machine::Machine;
use crate::members::{self, CHANGES_MAX, Members};
use crate::recovery::Recovery;
use crate::session_timers::SessionTimers;
use crate::standing::Standing;
use crate::transport::RaftTransport;
use crate::{bootstrap, raft_states, recovery};

/// Answers one method from this server's own state, or says [`RpcError::NoLeader`] where only the leader may answer.
/// Every method of [`types::method`] that exists is an implementation for [`Server`]; [`Server::call`] finds the server
/// that can answer.
pub trait Handle<M: Method> {
    /// Serves one request.
    fn handle(&self, request: M::Request) -> impl Future<Output = Result<M::Reply, RpcError>> + Send;
}

/// How a server reaches the others. All of it stays the caller's to stop, after the server.
#[derive(Clone)]
pub struct Fabric {
    /// Every agent of the datacenter.
    pub lan: Gossip,
    /// The servers of all datacenters, if this one is among them.
    pub wan: Option<Gossip>,
    /// Calls to other servers.
    pub pool: Pool,
}

/// The server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Consensus could not start.
    #[error("{0}")]
    Consensus(#[from] consensus::Error),
    /// The servers given by an operator cannot be taken.
    #[error("{0}")]
    Recovery(String),
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
    pub(crate) members: Arc<Members>,
    pub(crate) pool: Pool,
    pub(crate) sessions: SessionTimers,
    pub(crate) lock_delays: Arc<LockDelays>,
    pub(crate) coordinates: Mutex<BTreeMap<(String, String), CoordinateUpdate>>,
    pub(crate) autopilot: Board,
    /// How far this server has taken up leading.
    pub(crate) standing: watch::Sender<Standing>,
    /// Counts establishments, so that a restore can wait for the next one.
    pub(crate) established: watch::Sender<u64>,
    /// Whether this server has ever known a leader: from then on it answers stale reads, whatever becomes of it.
    pub(crate) heard_leader: AtomicBool,
    /// This server is about to go: it forwards nothing any more.
    pub(crate) leaving: CancellationToken,
    pub(crate) stopping: CancellationToken,
    fatal: watch::Sender<Option<String>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Opens the state, starts consensus and the leader's duties.
    ///
    /// `stopping` ends every wait inside the server; [`Server::stop`] must still be called and awaited.
    ///
    /// # Errors
    /// Whatever keeps the log or its snapshots from being opened, naming the file; a `peers.json` that is not usable.
    pub async fn start(
        config: ServerConfig,
        fabric: Fabric,
        stopping: CancellationToken,
    ) -> Result<Server, ServerError> {
        let Fabric { lan, wan, pool } = fabric;
        // Events from here on; what was before is in the table.
        let events = lan.subscribe();
        let members = Arc::new(Members::new(lan, wan, config.datacenter.clone()));
        let (writer, store) = state::Writer::new();
        let (effects, effects_in) = mpsc::unbounded_channel();
        let (fatal, _) = watch::channel(None);
        let lock_delays = Arc::new(LockDelays::default());
        let machine = Machine::new(writer, effects, lock_delays.clone(), fatal.clone());
        let recovery = recovery::find(&config.storage)?;
        let transport = Arc::new(RaftTransport { members: members.clone(), pool: pool.clone() });
        let consensus_config = consensus_config(&config, recovery.as_ref(), transport);
        let consensus = match Consensus::start(consensus_config, machine, stopping.clone()).await {
            Ok(consensus) => consensus,
            Err(error) if recovery.is_some() => return Err(ServerError::Recovery(format!("recovery failed: {error}"))),
            Err(error) => return Err(error.into()),
        };
        if let Some(recovery) = recovery {
            recovery.done()?;
        }
        if config.bootstrap && !config.read_replica && consensus.pristine() {
            consensus.bootstrap(&[(config.node_id, server_address(&config), true)]).await?;
        }
        let shared = Arc::new(Shared {
            consensus,
            store,
            members,
            pool,
            sessions: SessionTimers::default(),
            lock_delays,
            coordinates: Mutex::default(),
            autopilot: Board::default(),
            standing: watch::channel(Standing::default()).0,
            established: watch::channel(0).0,
            heard_leader: AtomicBool::new(false),
            leaving: CancellationToken::new(),
            stopping,
            fatal,
            tasks: Mutex::default(),
            config,
        });
        let (changes, changes_in) = mpsc::channel(CHANGES_MAX);
        let mut tasks = vec![
            tokio::spawn(Leader::new(shared.clone(), effects_in, changes_in).run()),
            tokio::spawn(members::follow(shared.clone(), events, changes)),
            tokio::spawn(autopilot::run(shared.clone())),
            tokio::spawn(raft_states::count(shared.clone())),
        ];
        if shared.config.bootstrap_expect > 0 && !shared.config.bootstrap {
            tasks.push(tokio::spawn(bootstrap::run(shared.clone())));
        }
        *shared.tasks.lock() = tasks;
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

    /// Stops the duties and consensus, and waits until all have ended and the log is flushed.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        let tasks = std::mem::take(&mut *self.shared.tasks.lock());
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(target: "agent.server", error = %error, "a task of the server ended abnormally");
            }
        }
        if let Err(error) = self.shared.consensus.shutdown().await {
            tracing::error!(target: "agent.server", error = %error, "consensus did not shut down cleanly");
        }
    }

    /// Whether this server leads, and a quorum has said so lately.
    pub fn is_leader(&self) -> bool {
        self.shared.consensus.is_leader()
    }

    /// What consensus knows of itself.
    pub fn consensus_status(&self) -> consensus::Status {
        self.shared.consensus.status()
    }

    /// Applies a new compaction policy from now on.
    pub fn set_snapshot_policy(&self, policy: consensus::SnapshotPolicy) {
        self.shared.consensus.set_snapshot_policy(policy);
    }

    /// From now on, other servers are given so long for an answer that does not wait for a change.
    pub fn set_client_timeout(&self, timeout: std::time::Duration) {
        self.shared.pool.set_client_timeout(timeout);
    }

    /// A view of the state, for inspection inside the process.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }
}

impl Shared {
    /// Whether Raft has this server as its leader, even if its lease has run out.
    pub(crate) fn leads_raft(&self) -> bool {
        self.consensus.leadership().borrow().state == State::Leader
    }
}

/// `ip:port` of the server's own RPC port.
pub(crate) fn server_address(config: &ServerConfig) -> String {
    std::net::SocketAddr::new(config.addresses.advertise, config.addresses.server_port).to_string()
}

fn consensus_config(
    config: &ServerConfig,
    recovery: Option<&Recovery>,
    transport: Arc<RaftTransport>,
) -> consensus::Config {
    consensus::Config {
        server_id: config.node_id,
        address: server_address(config),
        storage: match &config.storage {
            Storage::Memory => consensus::Storage::Memory,
            Storage::Disk(data_dir) => consensus::Storage::Disk(data_dir.join("raft")),
            Storage::Custom(stores) => consensus::Storage::Custom(stores.clone()),
        },
        timing: config.raft,
        snapshot: config.snapshots,
        transport,
        recovery: recovery.map(|recovery| recovery.servers.clone()),
    }
}
