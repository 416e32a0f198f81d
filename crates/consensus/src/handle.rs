//! The handle to a running server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, InitializeError, LinearizableReadError, RaftError};
use openraft::{BasicNode, Instant, ReadPolicy, ServerState};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compaction::{Compaction, Request};
use crate::data_dir::DataDir;
use crate::engine::{Command, EngineLog, EngineMachine, NoPeers, Raft, Types, engine_config, from_engine_id, metrics};
use crate::log::LogStore;
use crate::log::backend::LogBackend;
use crate::log::backend::fjall::FjallBackend;
use crate::log::backend::memory::MemoryBackend;
use crate::snapshots::{SnapshotInfo, SnapshotStore, Stored};
use crate::supervisor::{Supervisor, failure_text, leadership};
use crate::{
    Config, Error, Leadership, Member, ProposeError, ReadError, ServerId, SnapshotPolicy, State, StateMachine, Status,
    Storage,
};

/// Requests for a snapshot that may wait while one is written.
const SNAPSHOT_REQUESTS: usize = 16;

/// How long a command waits for room (`docs/spec/server-operations.md` §1, "Raft apply enqueue limit").
const ENQUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bound of the commands under way together, in units of [`ROOM_UNIT_BYTES`]: 64 MiB.
const ROOM_UNITS: usize = 65536;
const ROOM_UNIT_BYTES: usize = 1024;
/// What a command of no bytes still takes, which bounds their number to 8192.
const ROOM_UNITS_PER_COMMAND: usize = 8;

/// A handle to a running server; clones are handles to the same one. When the last is dropped the server stops, but
/// only [`Consensus::shutdown`] waits for that.
pub struct Consensus<S: StateMachine>(Arc<Inner<S>>);

struct Inner<S: StateMachine> {
    raft: Raft<S>,
    log: Arc<LogStore>,
    applied_index: Arc<AtomicU64>,
    room: Semaphore,
    requests: mpsc::Sender<Request>,
    policy: watch::Sender<SnapshotPolicy>,
    leadership: watch::Receiver<Leadership>,
    finished: watch::Receiver<Option<Result<(), String>>>,
    stop: CancellationToken,
    me: ServerId,
    address: String,
    leader_lease: Duration,
}

impl<S: StateMachine> Clone for Consensus<S> {
    fn clone(&self) -> Self {
        Consensus(self.0.clone())
    }
}

impl<S: StateMachine> Drop for Inner<S> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl<S: StateMachine> Consensus<S> {
    /// Largest command that is taken; above it stores and memory would suffer.
    pub const MAX_COMMAND_BYTES: usize = 32 * 1024 * 1024;

    /// Opens the stores, restores the newest good snapshot, replays what is known to be committed, and runs. A server
    /// that is the only voter elects itself at once. Must be called within a tokio runtime; the server stops when
    /// `shutdown` is cancelled or [`Consensus::shutdown`] is called.
    ///
    /// # Errors
    /// A contradictory configuration, a directory in use, damaged or unreadable stores.
    pub async fn start(config: Config, machine: S, shutdown: CancellationToken) -> Result<Self, Error> {
        // Checked first: a refused configuration must not leave a directory behind.
        engine_config(&config)?;
        let (backend, snapshots): (Arc<dyn LogBackend>, _) = match config.storage.clone() {
            Storage::Memory => (Arc::new(MemoryBackend::default()), SnapshotStore::memory()),
            Storage::Disk(path) => {
                blocking(move || {
                    let directory = DataDir::open(&path)?;
                    let snapshots = SnapshotStore::open(directory.path().join("snapshots"))?;
                    Ok((Arc::new(FjallBackend::open(directory)?) as Arc<dyn LogBackend>, snapshots))
                })
                .await?
            }
        };
        Self::start_on(config, machine, backend, snapshots, shutdown).await
    }

    /// [`Consensus::start`] on stores that are already open.
    pub(crate) async fn start_on(
        config: Config,
        mut machine: S,
        backend: Arc<dyn LogBackend>,
        snapshots: SnapshotStore,
        shutdown: CancellationToken,
    ) -> Result<Self, Error> {
        let engine_config = Arc::new(engine_config(&config)?);
        let (machine, restored, snapshots, log) = blocking(move || {
            let restored = snapshots.restore_newest(&mut machine)?;
            let log = LogStore::open(backend, restored.as_ref().map(Stored::last))?;
            // What was purged must be in the snapshot.
            if log.purged().is_some_and(|purged| restored.as_ref().is_none_or(|s| s.info.index < purged.index)) {
                return Err(Error::NoUsableSnapshot);
            }
            Ok((machine, restored, Arc::new(snapshots), Arc::new(log)))
        })
        .await?;

        let stop = shutdown.child_token();
        let held = TaskTracker::new();
        let newest = restored.as_ref().map_or(0, |stored| stored.info.index);
        let applied_index = Arc::new(AtomicU64::new(0));
        let prepared = Arc::new(Mutex::new(None));
        let machine = EngineMachine::new(machine, restored, prepared.clone(), applied_index.clone(), held.token())
            .map_err(Error::Engine)?;
        let engine_log = EngineLog::new(log.clone(), held.token());
        let me = config.server_id;
        let raft: Raft<S> =
            Raft::<S>::new(me, engine_config, NoPeers, engine_log, machine).await.map_err(engine_error)?;

        let (policy, policy_seen) = watch::channel(config.snapshot);
        let (requests, requests_seen) = mpsc::channel(SNAPSHOT_REQUESTS);
        let compaction = Compaction {
            raft: raft.clone(),
            log: log.clone(),
            snapshots,
            prepared,
            policy: policy_seen,
            requests: requests_seen,
            stop: stop.clone(),
            newest,
        };
        let (finished, finished_seen) = watch::channel(None);
        let first = Leadership { state: State::Follower, term: 0, leader: None, failure: None };
        let (leadership, leadership_seen) = watch::channel(first);
        let supervisor = Supervisor {
            raft: raft.clone(),
            log: log.clone(),
            held,
            compaction: tokio::spawn(compaction.run()),
            stop: stop.clone(),
            leadership,
            finished,
            me,
            address: config.address.clone(),
        };
        // Owned through `stop` and awaited through `finished`.
        tokio::spawn(supervisor.run());

        let this = Consensus(Arc::new(Inner {
            raft,
            log,
            applied_index,
            room: Semaphore::new(ROOM_UNITS),
            requests,
            policy,
            leadership: leadership_seen,
            finished: finished_seen,
            stop,
            me,
            address: config.address,
            leader_lease: config.timing.leader_lease,
        }));
        this.elect_if_alone().await?;
        Ok(this)
    }

    /// Nobody else can vote or lead, so there is nothing to wait for.
    async fn elect_if_alone(&self) -> Result<(), Error> {
        let voters = self
            .0
            .raft
            .with_raft_state(|state| state.membership_state.effective().voter_ids().collect::<Vec<ServerId>>());
        let voters = voters.await.map_err(engine_error)?;
        if voters == [self.0.me] {
            return self.0.raft.trigger().elect(false).await.map_err(engine_error);
        }
        if !voters.is_empty() && !voters.contains(&self.0.me) {
            tracing::warn!(target: "agent.server.raft", id = %self.0.me, voters = ?voters,
                "this server is not among the voters of its stored raft configuration and cannot become leader");
        }
        Ok(())
    }

    /// Whether this server has no state at all: only then [`Consensus::bootstrap`] works.
    pub fn pristine(&self) -> bool {
        self.0.log.last().is_none() && self.0.log.vote().is_none()
    }

    /// Starts a new cluster of these servers, as pairs of id and `ip:port`. Returns when the configuration is durable;
    /// an election follows at once.
    ///
    /// # Errors
    /// [`Error::AlreadyBootstrapped`] when there is state, [`Error::SeveralServers`] when more than this server is
    /// named, [`Error::NotInConfiguration`] when this server is not.
    pub async fn bootstrap(&self, servers: &[(ServerId, String)]) -> Result<(), Error> {
        if servers.len() > 1 {
            return Err(Error::SeveralServers(servers.len()));
        }
        if !servers.iter().any(|(id, _)| *id == self.0.me) {
            return Err(Error::NotInConfiguration(self.0.me));
        }
        let nodes: BTreeMap<_, _> = servers.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect();
        self.0.raft.initialize(nodes).await.map_err(|error| match error {
            RaftError::APIError(InitializeError::NotAllowed(_)) => Error::AlreadyBootstrapped,
            RaftError::APIError(InitializeError::NotInMembers(_)) => Error::NotInConfiguration(self.0.me),
            RaftError::Fatal(fatal) => engine_error(fatal),
        })?;
        self.elect_if_alone().await
    }

    /// Replicates a command and returns its reply once it is applied here. Dropping the future does not undo the
    /// command.
    ///
    /// # Errors
    /// See [`ProposeError`] for which of them mean that nothing was written.
    pub async fn propose(&self, command: Bytes) -> Result<S::Reply, ProposeError> {
        let size = command.len();
        if size > Self::MAX_COMMAND_BYTES {
            return Err(ProposeError::TooLarge(size, Self::MAX_COMMAND_BYTES));
        }
        let units = (ROOM_UNITS_PER_COMMAND + size / ROOM_UNIT_BYTES) as u32;
        let _room = match self.0.room.try_acquire_many(units) {
            Ok(room) => room,
            Err(_) => match tokio::time::timeout(ENQUEUE_TIMEOUT, self.0.room.acquire_many(units)).await {
                Ok(Ok(room)) => room,
                Ok(Err(_)) => return Err(ProposeError::Shutdown),
                Err(_) => return Err(ProposeError::Timeout),
            },
        };
        match self.0.raft.client_write(Command(command)).await {
            Ok(response) => response.data.ok_or(ProposeError::LeadershipLost),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(ProposeError::NotLeader { leader: leader(to) })
            }
            Err(RaftError::APIError(_)) => Err(ProposeError::LeadershipLost),
            Err(RaftError::Fatal(fatal)) => Err(match self.failure(&fatal) {
                Some(failure) => ProposeError::Storage(failure),
                None => ProposeError::Shutdown,
            }),
        }
    }

    /// Confirms with a quorum that this server leads, then waits until everything committed before the call is
    /// applied: a read of the state machine after that is linearizable.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_barrier(&self) -> Result<(), ReadError> {
        match self.0.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                Err(ReadError::NotLeader { leader: leader(to) })
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(ReadError::LeadershipLost),
            Err(RaftError::Fatal(fatal)) => Err(match self.failure(&fatal) {
                Some(failure) => ReadError::Storage(failure),
                None => ReadError::Shutdown,
            }),
        }
    }

    fn failure(&self, fatal: &Fatal<Types<S::Reply>>) -> Option<String> {
        self.0.log.failure().or_else(|| failure_text(fatal))
    }

    /// A moment's view of this server.
    pub fn status(&self) -> Status {
        let last = self.0.log.last();
        metrics(&self.0.raft, |m| {
            let Leadership { state, term, leader, failure } = leadership(m, self.0.me, &self.0.address);
            let snapshot = m.snapshot.as_ref().map(from_engine_id);
            let membership = &m.membership_config;
            let voters: Vec<ServerId> = membership.voter_ids().collect();
            let members = membership.membership().nodes().map(|(id, node)| Member {
                id: *id,
                address: node.addr.clone(),
                voter: voters.contains(id),
            });
            Status {
                state,
                term,
                leader,
                last_log_index: last.map_or(0, |id| id.index),
                last_log_term: last.map_or(0, |id| id.term),
                commit_index: m.local_committed.as_ref().map_or(0, |id| from_engine_id(id).index),
                applied_index: self.0.applied_index.load(Ordering::Acquire),
                last_snapshot_index: snapshot.map_or(0, |id| id.index),
                last_snapshot_term: snapshot.map_or(0, |id| id.term),
                configuration_index: membership.log_id().as_ref().map_or(0, |id| from_engine_id(id).index),
                members: members.collect(),
                last_contact: (state == State::Leader).then_some(Duration::ZERO),
                failure,
            }
        })
    }

    /// Whether this server leads and its lease has not run out.
    pub fn is_leader(&self) -> bool {
        metrics(&self.0.raft, |m| {
            let leads = m.state == ServerState::Leader && m.running_state.is_ok();
            let alone = || m.membership_config.voter_ids().eq([self.0.me]);
            let acknowledged = || m.last_quorum_acked.is_some_and(|at| at.elapsed() < self.0.leader_lease);
            leads && (alone() || acknowledged())
        })
    }

    /// Who leads, and every change of it.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.leadership.clone()
    }

    /// Writes a snapshot now and shortens the log behind it.
    ///
    /// # Errors
    /// [`Error::NothingNewToSnapshot`] when nothing was applied since the last one, [`Error::Storage`] when it cannot
    /// be written: the server goes on without it.
    pub async fn take_snapshot(&self) -> Result<SnapshotInfo, Error> {
        let (request, result) = oneshot::channel();
        self.0.requests.send(request).await.map_err(|_| Error::Shutdown)?;
        result.await.unwrap_or(Err(Error::Shutdown))
    }

    /// Changes when snapshots are taken, from now on.
    pub fn set_snapshot_policy(&self, policy: SnapshotPolicy) {
        self.0.policy.send_replace(policy);
    }

    /// Stops the server and waits until every task and thread of it has ended and its stores are closed. Commands under
    /// way are refused. Further calls wait for the same end.
    ///
    /// # Errors
    /// [`Error::Engine`] when something could not be stopped or closed cleanly.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.0.stop.cancel();
        self.0.room.close();
        let mut finished = self.0.finished.clone();
        match finished.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(Err(problem))) => Err(Error::Engine(problem.clone())),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Engine("the runtime ended first".to_owned())),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::Engine(error.to_string())))
}

fn engine_error<R: Send + Sync + 'static>(fatal: Fatal<Types<R>>) -> Error {
    failure_text(&fatal).map_or(Error::Shutdown, Error::Engine)
}

fn leader<R: Send + Sync + 'static>(to: ForwardToLeader<Types<R>>) -> Option<(ServerId, String)> {
    Some((to.leader_id?, to.leader_node?.addr))
}
