//! The driver: a pool as a handle that async code uses ([`Gossip`]), over the core that knows no I/O.
//!
//! One task (`engine`) owns the datagram socket and feeds the core; one accepts streams; each exchange over a stream is
//! a task of its own, their number bounded; one writes the snapshot file, one the keyring file. All of them end when
//! the pool stops.

mod engine;
mod error;
mod keyring_file;
mod metrics;
mod resolve;
mod snapshot_file;
mod streams;
mod subscribers;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use net::{Datagrams, Listener, Network};
use parking_lot::Mutex;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use types::Coordinate;
use zeroize::Zeroizing;

use crate::log::{Log, Logs};
use crate::{
    Admission, Command, Core, CoreSettings, Event, KeyOperation, KeyReply, Keyring, Member, Outcome, Recovered, Time,
};
use engine::{Engine, Members, Request, Work};
pub use error::{KeysError, StartError};
use metrics::Metrics;
use snapshot_file::SnapshotFile;
use streams::Streams;
use subscribers::Subscribers;

/// Requests that may wait for the pool's task.
const QUEUE_REQUESTS: usize = 256;
/// Commands that may be under way; more wait for their turn.
const COMMANDS_MAX: usize = 128;
/// Tries to find a port that is free for both TCP and UDP, when any will do.
const PORT_TRIES: usize = 10;
/// Tag that tells servers from clients, and its value for servers (`docs/spec/gossip.md` §18.2).
const ROLE_TAG: &str = "role";
const SERVER_ROLE: &str = "consul";
/// What a command answers once the pool has stopped.
const STOPPED: &str = "gossip pool is shut down";

/// What a pool is started with.
pub struct Settings {
    /// The core's; its snapshot and keyring are filled in here, and a seed if it is 0.
    pub core: CoreSettings,
    /// Where to listen, TCP and UDP. Port 0 is any free one; an advertised port 0 becomes the same.
    pub bind: SocketAddr,
    /// Where to remember the pool over a restart.
    pub snapshot_path: Option<PathBuf>,
    /// Where keys are kept; if the file exists, it wins over `keyring`.
    pub keyring_path: Option<PathBuf>,
    /// The configured keys, the first one encrypts; none: not encrypted, unless the file says otherwise.
    pub keyring: Vec<Vec<u8>>,
    /// `lan` or `wan`: names the pool in logs and metrics.
    pub pool: &'static str,
    /// The ways to other nodes.
    pub network: Arc<dyn Network>,
}

/// A running pool. Clones are handles of the same pool; it stops when the last one is dropped, with [`Gossip::stop`],
/// and with the token it was started with. Stopping is not leaving: the others see this node fail.
#[derive(Clone)]
pub struct Gossip {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    core: Arc<Mutex<Core>>,
    requests: mpsc::Sender<Request>,
    turns: Arc<Semaphore>,
    members: watch::Receiver<Members>,
    subscribers: Arc<Subscribers>,
    lost: watch::Receiver<Option<String>>,
    bound: SocketAddr,
    encrypted: bool,
    logs: Logs,
    tasks: TaskTracker,
    stopping: CancellationToken,
    _stop_when_dropped: DropGuard,
}

impl Gossip {
    /// Opens the sockets and the files and takes part. A pool that a snapshot file remembers is rejoined in the
    /// background. `admission` is asked by the pool's task while it works: it must not use the pool's handle.
    ///
    /// # Errors
    /// What cannot be opened, read or used.
    pub async fn start(
        settings: Settings,
        admission: Arc<dyn Admission>,
        stopping: CancellationToken,
    ) -> Result<Gossip, StartError> {
        let Settings { mut core, bind, snapshot_path, keyring_path, keyring, pool, network } = settings;
        let metrics = Arc::new(Metrics::new(pool));
        let logs = Logs::of(pool, core.tags.get(ROLE_TAG).is_some_and(|role| role == SERVER_ROLE));
        let keys = keyring_file::load(keyring_path.as_deref(), Zeroizing::new(keyring), pool)?;
        let ring = if keys.is_empty() { None } else { Some(Keyring::new(&keys).map_err(KeysError::Ring)?) };
        let encrypted = ring.is_some();
        core.keyring = ring;
        let file = match &snapshot_path {
            None => None,
            Some(path) => {
                let (file, recovered) = open_snapshot(path, core.rejoin_after_leave, &metrics, logs.serf)?;
                core.snapshot = Some(recovered);
                Some(file)
            }
        };
        if core.seed == 0 {
            core.seed = random_seed()?;
        }
        let (listener, socket) = listen(network.as_ref(), bind).await?;
        let bound = socket.local_addr();
        if core.advertise.port() == 0 {
            core.advertise.set_port(bound.port());
        }
        let deadline = core.profile.tcp_timeout;
        let name = core.name.clone();
        let started = Instant::now();
        let core = Core::with_logs(core, admission, logs, Time::ZERO).map_err(StartError::Settings)?;

        let stopping = stopping.child_token();
        let tasks = TaskTracker::new();
        let (requests, waiting) = mpsc::channel(QUEUE_REQUESTS);
        let (members, members_now) = watch::channel(Arc::new(core.members()));
        let (lost, lost_now) = watch::channel(None);
        let subscribers = Arc::new(Subscribers::default());
        let streams = Arc::new(Streams::new(
            network,
            requests.clone(),
            tasks.clone(),
            stopping.clone(),
            metrics.clone(),
            logs.memberlist,
            deadline,
        ));
        let snapshot = file.map(|file| {
            let (records, receiver) = mpsc::channel(snapshot_file::QUEUE_RECORDS);
            tasks.spawn(file.run(receiver));
            records
        });
        let keyring = keyring_path.filter(|_| encrypted).map(|path| {
            let (changes, receiver) = mpsc::channel(keyring_file::QUEUE_CHANGES);
            tasks.spawn(keyring_file::run(path, receiver, requests.downgrade()));
            changes
        });
        tasks.spawn(streams.clone().accept(listener));
        let core = Arc::new(Mutex::new(core));
        let engine = Engine {
            core: core.clone(),
            started,
            socket,
            requests: waiting,
            streams,
            subscribers: subscribers.clone(),
            members,
            lost,
            snapshot,
            keyring,
            metrics,
            logs,
            stopping: stopping.clone(),
            work: Work::default(),
        };
        tasks.spawn(engine.run());
        tasks.close();
        Ok(Gossip {
            shared: Arc::new(Shared {
                name,
                core,
                requests,
                turns: Arc::new(Semaphore::new(COMMANDS_MAX)),
                members: members_now,
                subscribers,
                lost: lost_now,
                bound,
                encrypted,
                logs,
                tasks,
                _stop_when_dropped: stopping.clone().drop_guard(),
                stopping,
            }),
        })
    }

    /// Everyone in the pool, those that left or failed too, until they are forgotten.
    pub fn members(&self) -> Arc<Vec<Arc<Member>>> {
        self.shared.members.borrow().clone()
    }

    /// The members and every change of them.
    pub fn watch_members(&self) -> watch::Receiver<Arc<Vec<Arc<Member>>>> {
        self.shared.members.clone()
    }

    /// This node, as the others see it.
    pub fn local_member(&self) -> Arc<Member> {
        let found = self.shared.core.lock().member(&self.shared.name);
        found.unwrap_or_else(|| Arc::new(self.stranger()))
    }

    /// What is left of this node once the pool forgot it, as after it was pruned.
    fn stranger(&self) -> Member {
        Member {
            name: self.shared.name.clone(),
            address: self.shared.bound.ip(),
            port: self.shared.bound.port(),
            tags: BTreeMap::new(),
            status: crate::Status::None,
            vsn: crate::membership::OWN_VERSIONS,
        }
    }

    /// Where it listens, with the port it got.
    pub fn bound(&self) -> SocketAddr {
        self.shared.bound
    }

    /// Every event from now on. The channel holds 2048; what does not fit is counted, and told as [`Event::Lagged`].
    /// It ends when the pool stops. To miss nothing, subscribe first and look at the members then.
    pub fn subscribe(&self) -> mpsc::Receiver<Event> {
        self.shared.subscribers.subscribe()
    }

    /// Joins the pools of these nodes, `[<node>/]<host>[:<port>]` each, and answers how many places answered. The
    /// default port is the one this pool listens at. `ignore_old`: events from before the join are not delivered.
    ///
    /// # Errors
    /// When no place answered: why, for each in the order of the entries, in the reference's words.
    pub async fn join(&self, entries: &[String], ignore_old: bool) -> Result<usize, String> {
        let mut targets = Vec::new();
        for entry in entries {
            match resolve::resolve(entry, self.shared.bound.port()).await {
                Ok(found) => targets.extend(found.into_iter().map(Ok)),
                Err(failure) => {
                    self.shared.logs.memberlist.warn(format_args!("memberlist: {failure}"));
                    targets.push(Err(failure));
                }
            }
        }
        match self.command(Command::Join { targets, ignore_old }).await? {
            Outcome::Joined(joined) => joined,
            _ => Err(STOPPED.to_owned()),
        }
    }

    /// Leaves the pool gracefully. It takes some seconds; this node answers others until it is stopped.
    ///
    /// # Errors
    /// It is being left already, or is shut down.
    pub async fn leave(&self) -> Result<(), String> {
        match self.command(Command::Leave).await? {
            Outcome::Left(left) => left,
            _ => Err(STOPPED.to_owned()),
        }
    }

    /// Declares a failed node gone for good; `prune` also forgets it at once.
    ///
    /// # Errors
    /// The others could not be told in time.
    pub async fn force_leave(&self, node: &str, prune: bool) -> Result<(), String> {
        match self.command(Command::ForceLeave { node: node.to_owned(), prune }).await? {
            Outcome::Removed(removed) => removed,
            _ => Err(STOPPED.to_owned()),
        }
    }

    /// Fires an event in the pool and answers its Lamport time.
    ///
    /// # Errors
    /// Name and payload are too long.
    pub async fn user_event(&self, name: &str, payload: Bytes, coalesce: bool) -> Result<u64, String> {
        match self.command(Command::UserEvent { name: name.to_owned(), payload, coalesce }).await? {
            Outcome::Fired(fired) => fired,
            _ => Err(STOPPED.to_owned()),
        }
    }

    /// Lists or changes the keys of every node of the pool. Failures of single nodes are in the reply.
    ///
    /// # Errors
    /// The nodes could not be asked.
    pub async fn keys(&self, operation: KeyOperation, relay_factor: u8) -> Result<KeyReply, String> {
        match self.command(Command::Keys { operation, relay_factor }).await? {
            Outcome::Keys(reply) => Ok(reply),
            _ => Err(STOPPED.to_owned()),
        }
    }

    /// Changes what this node says about itself.
    ///
    /// # Errors
    /// The tags are too long, or the others could not be told in time.
    pub async fn set_tags(&self, tags: BTreeMap<String, String>) -> Result<(), String> {
        match self.command(Command::SetTags(tags)).await? {
            Outcome::Tagged(tagged) => tagged,
            _ => Err(STOPPED.to_owned()),
        }
    }

    /// Where this node is in the network's latency space.
    pub fn coordinate(&self) -> Coordinate {
        self.shared.core.lock().coordinate()
    }

    /// Where another one is, if it was measured.
    pub fn coordinate_of(&self, node: &str) -> Option<Coordinate> {
        self.shared.core.lock().coordinate_of(node)
    }

    /// Figures for people (`docs/spec/gossip.md` §18.10).
    pub fn stats(&self) -> BTreeMap<&'static str, String> {
        self.shared.core.lock().stats()
    }

    /// Whether it has keys.
    pub fn encrypted(&self) -> bool {
        self.shared.encrypted
    }

    /// Waits until the pool stops itself, because another node owns this one's name, and says why. Never ends when it
    /// is stopped from outside.
    pub async fn stopped(&self) -> String {
        let mut lost = self.shared.lost.clone();
        let reason = lost.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match reason {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Stops without leaving, and waits for every task; the snapshot is on the disk then.
    pub async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.tasks.wait().await;
    }

    async fn command(&self, command: Command) -> Result<Outcome, String> {
        let asking = async {
            let turn = self.shared.turns.clone().acquire_owned().await.ok()?;
            let (reply, replied) = oneshot::channel();
            self.shared.requests.send(Request::Command { command, reply, turn }).await.ok()?;
            replied.await.ok()
        };
        let outcome = self.shared.stopping.run_until_cancelled(asking).await.flatten();
        outcome.ok_or_else(|| STOPPED.to_owned())
    }
}

fn open_snapshot(
    path: &Path,
    rejoin: bool,
    metrics: &Metrics,
    log: Log,
) -> Result<(SnapshotFile, Recovered), StartError> {
    SnapshotFile::open(path, rejoin, metrics, log)
        .map_err(|cause| StartError::Snapshot { path: path.to_owned(), cause })
}

/// Takes the port for streams and for datagrams.
async fn listen(network: &dyn Network, at: SocketAddr) -> Result<(Box<dyn Listener>, Arc<dyn Datagrams>), StartError> {
    let mut tries = if at.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        let listener = network.listen(at).await.map_err(|cause| StartError::Listen { protocol: "tcp", at, cause })?;
        let address = SocketAddr::new(at.ip(), listener.local_addr().port());
        tries -= 1;
        match network.datagrams(address).await {
            Ok(socket) => return Ok((listener, socket)),
            // The port that was free for streams need not be free for datagrams.
            Err(error) if error.kind() == ErrorKind::AddrInUse && tries > 0 => {}
            Err(cause) => return Err(StartError::Listen { protocol: "udp", at: address, cause }),
        }
    }
}

fn random_seed() -> Result<u64, StartError> {
    let mut seed = [0; 8];
    SystemRandom::new().fill(&mut seed).map_err(|_| StartError::Randomness)?;
    Ok(u64::from_le_bytes(seed))
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
