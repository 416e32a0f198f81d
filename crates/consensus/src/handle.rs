//! The handle to a running server.

mod changes;

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use net::{BoxConn, BoxFuture};
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, InitializeError, LinearizableReadError, RaftError};
use openraft::{BasicNode, ReadPolicy};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::compaction::{Compaction, Request};
use crate::contact::Contact;
use crate::data_dir::DataDir;
use crate::engine::{
    Command, Door, EngineLog, EngineMachine, Network, Raft, Types, engine_config, from_engine_id, from_engine_number,
    metrics,
};
use crate::log::LogStore;
use crate::log::backend::LogBackend;
use crate::log::backend::fjall::FjallBackend;
use crate::log::backend::memory::MemoryBackend;
use crate::peer::Peers;
use crate::recovery::{check_servers, recover};
use crate::snapshots::{SnapshotInfo, SnapshotStore, Stored};
use crate::standing::{Standing, failure_text};
use crate::supervisor::Supervisor;
use crate::{
    Config, Error, Leadership, Member, ProposeError, ReadError, ServerId, SnapshotPolicy, State, StateMachine, Status,
    Storage, Timing,
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
    standing: Arc<Standing>,
    /// Whether this server is the only voter, so that nobody can depose it.
    alone: Arc<AtomicBool>,
    door: Arc<Door<S>>,
    peers: Arc<Peers>,
    timing: Timing,
}

/// What kept a leader from doing something.
enum Deposed {
    /// It was none, and did nothing; who is, when known.
    Before(Option<(ServerId, String)>),
    /// It lost its leadership meanwhile.
    During,
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
            Storage::Custom(stores) => (stores.log, SnapshotStore::Memory(stores.snapshots)),
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
        let (mut machine, mut restored, snapshots, log) = blocking(move || {
            let restored = snapshots.restore_newest(&mut machine)?;
            let log = LogStore::open(backend, restored.as_ref().map(Stored::last))?;
            // What was purged must be in the snapshot.
            if log.purged().is_some_and(|purged| restored.as_ref().is_none_or(|s| s.info.index < purged.index)) {
                return Err(Error::NoUsableSnapshot);
            }
            Ok((machine, restored, Arc::new(snapshots), Arc::new(log)))
        })
        .await?;

        if let Some(snapshot) = &restored {
            log.settle(snapshot.last()).await.map_err(Error::storage("failed to clear raft log"))?;
        }
        if let Some(servers) = config.recovery {
            let (log_read, snapshots) = (log.clone(), snapshots.clone());
            let recovered = blocking(move || {
                let stored = recover(&mut machine, restored, &log_read, &snapshots, &servers)?;
                Ok((machine, stored))
            });
            let (recovered, stored) = recovered.await?;
            log.purge(stored.last()).await.map_err(Error::storage("failed to clear raft log"))?;
            (machine, restored) = (recovered, Some(stored));
        }

        let stop = shutdown.child_token();
        let held = TaskTracker::new();
        let newest = restored.as_ref().map_or(0, |stored| stored.info.index);
        let applied_index = Arc::new(AtomicU64::new(0));
        let prepared = Arc::new(Mutex::new(None));
        let machine = EngineMachine::new(machine, restored, prepared.clone(), applied_index.clone(), held.token())
            .map_err(Error::Engine)?;
        let engine_log = EngineLog::new(log.clone(), held.token());
        let me = config.server_id;
        let contact = Arc::new(Contact::new(config.timing.election_max));
        let peers = Arc::new(Peers::new(me, config.transport, stop.clone()));
        let network = Network(peers.clone());
        let raft: Raft<S> =
            Raft::<S>::new(me, engine_config, network, engine_log, machine).await.map_err(engine_error)?;
        let door =
            Door { raft: raft.clone(), me, contact: contact.clone(), snapshots: snapshots.clone(), stop: stop.clone() };
        let (address, leader_lease) = (config.address, config.timing.leader_lease);
        let standing = Arc::new(Standing { me, address, leader_lease, contact });
        let alone = Arc::new(AtomicBool::new(false));

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
            standing: standing.clone(),
            alone: alone.clone(),
            peers: peers.clone(),
            patience: config.timing.election_max,
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
            standing,
            alone,
            door: Arc::new(door),
            peers,
            timing: config.timing,
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
        let (voters, me) = (voters.await.map_err(engine_error)?, self.0.standing.me);
        if voters == [me] {
            return self.0.raft.trigger().elect(false).await.map_err(engine_error);
        }
        if !voters.is_empty() && !voters.contains(&me) {
            tracing::warn!(target: "agent.server.raft", id = %me, voters = ?voters,
                "this server is not among the voters of its stored raft configuration and cannot become leader");
        }
        Ok(())
    }

    /// Whether this server has no state at all: only then [`Consensus::bootstrap`] works.
    pub fn pristine(&self) -> bool {
        self.0.log.last().is_none() && self.0.log.vote().is_none()
    }

    /// Starts a new cluster of these servers: id, `ip:port`, and whether it votes. Returns when the configuration is
    /// durable; an election follows at once. Several servers may do this at the same time when all name the same voters.
    /// Servers that do not vote are left out: whoever becomes leader adds them ([`Consensus::add_nonvoter`]) as it does
    /// every other server it meets.
    ///
    /// # Errors
    /// [`Error::AlreadyBootstrapped`] when there is state, also when another of these servers was faster,
    /// [`Error::Configuration`] when the servers cannot be a cluster, [`Error::NotInConfiguration`] when this server is
    /// not among the voters.
    pub async fn bootstrap(&self, servers: &[(ServerId, String, bool)]) -> Result<(), Error> {
        check_servers(servers)?;
        let me = self.0.standing.me;
        let voters = servers.iter().filter(|(_, _, votes)| *votes);
        let nodes: BTreeMap<_, _> = voters.map(|(id, address, _)| (*id, BasicNode::new(address))).collect();
        if !nodes.contains_key(&me) {
            return Err(Error::NotInConfiguration(me));
        }
        self.0.raft.initialize(nodes).await.map_err(|error| match error {
            RaftError::APIError(InitializeError::NotAllowed(_)) => Error::AlreadyBootstrapped,
            RaftError::APIError(InitializeError::NotInMembers(_)) => Error::NotInConfiguration(me),
            RaftError::Fatal(fatal) => engine_error(fatal),
        })?;
        self.elect_if_alone().await
    }

    /// Serves a connection that another server opened with its [`crate::Transport`], until it ends or this server stops.
    pub fn serve(&self, conn: BoxConn) -> BoxFuture<'static, ()> {
        Box::pin(self.0.door.clone().serve(conn))
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
        let written = match self.while_leading(self.0.raft.client_write(Command(command))).await {
            Ok(written) => written,
            Err(Deposed::Before(leader)) => return Err(ProposeError::NotLeader { leader }),
            Err(Deposed::During) => return Err(ProposeError::LeadershipLost),
        };
        match written {
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

    /// Waits until every entry that is in the log before the call, committed by then or not, is applied here.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn barrier(&self) -> Result<(), ReadError> {
        let written = match self.while_leading(self.0.raft.write_blank()).await {
            Ok(written) => written,
            Err(Deposed::Before(leader)) => return Err(ReadError::NotLeader { leader }),
            Err(Deposed::During) => return Err(ReadError::LeadershipLost),
        };
        match written {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Err(ReadError::NotLeader { leader: leader(to) })
            }
            Err(RaftError::APIError(_)) => Err(ReadError::LeadershipLost),
            Err(RaftError::Fatal(fatal)) => Err(match self.failure(&fatal) {
                Some(failure) => ReadError::Storage(failure),
                None => ReadError::Shutdown,
            }),
        }
    }

    /// Does what only a leader can, but no longer than this server is one: the engine of a leader that is cut off waits
    /// for its followers for ever.
    async fn while_leading<T>(&self, work: impl Future<Output = T>) -> Result<T, Deposed> {
        // Alone it leads once it is elected; but it may get company while the work is under way.
        if !self.0.alone.load(Ordering::Relaxed) && !self.is_leader() {
            return Err(Deposed::Before(self.0.leadership.borrow().leader.clone()));
        }
        let mut leadership = self.0.leadership.clone();
        let deposed = async {
            loop {
                // Without a supervisor the engine ends, which ends the work.
                if leadership.changed().await.is_err() {
                    pending::<()>().await;
                }
                if !self.is_leader() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = deposed => Err(Deposed::During),
        }
    }

    fn failure(&self, fatal: &Fatal<Types<S::Reply>>) -> Option<String> {
        self.0.log.failure().or_else(|| failure_text(fatal))
    }

    /// A moment's view of this server.
    pub fn status(&self) -> Status {
        let last = self.0.log.last();
        metrics(&self.0.raft, |m| {
            let Leadership { state, term, leader, failure } = self.0.standing.leadership(m);
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
                last_contact: if state == State::Leader { Some(Duration::ZERO) } else { self.0.standing.contact.age() },
                failure,
            }
        })
    }

    /// Whether this server leads and its lease has not run out.
    pub fn is_leader(&self) -> bool {
        metrics(&self.0.raft, |m| self.0.standing.leads(m))
    }

    /// The term this server leads in, while its lease has not run out. It costs as little as [`Consensus::is_leader`].
    pub fn leader_term(&self) -> Option<u64> {
        metrics(&self.0.raft, |m| self.0.standing.leads(m).then(|| from_engine_number(m.current_term)))
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
