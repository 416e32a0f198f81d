//! The state machine as the engine wants it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{BasicNode, EntryPayload, OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    Command, EngineCommittedLeaderId, EngineLogId, EngineSnapshotMeta, EngineStoredMembership, Types, from_engine_id,
    from_engine_membership, to_engine_id, to_engine_membership,
};
use crate::log::LogId;
use crate::snapshots::{Header, Stored};
use crate::{ServerId, StateMachine};

type SnapshotOf = openraft::Snapshot<EngineCommittedLeaderId, ServerId, BasicNode, Stored>;

/// A snapshot that our own task has written and that the engine is to take notice of.
pub(crate) type Prepared = Arc<Mutex<Option<Stored>>>;

/// A version of the state machine and what it covers.
pub(crate) struct View<T> {
    pub(crate) header: Header,
    pub(crate) state: T,
}

pub(crate) struct EngineMachine<S: StateMachine> {
    /// Only ever used through `&mut self`; the mutex is there because the engine wants a `Sync` type.
    machine: Mutex<S>,
    applied: Option<EngineLogId>,
    membership: EngineStoredMembership,
    current: Option<Stored>,
    prepared: Prepared,
    applied_index: Arc<AtomicU64>,
    /// Tells the owner when the engine has let go of the machine.
    _in_use: TaskTrackerToken,
}

impl<S: StateMachine> EngineMachine<S> {
    /// A machine that holds `restored`, or nothing.
    pub(crate) fn new(
        machine: S,
        restored: Option<Stored>,
        prepared: Prepared,
        applied_index: Arc<AtomicU64>,
        in_use: TaskTrackerToken,
    ) -> Result<EngineMachine<S>, String> {
        let mut this = EngineMachine {
            machine: Mutex::new(machine),
            applied: None,
            membership: EngineStoredMembership::default(),
            current: None,
            prepared,
            applied_index,
            _in_use: in_use,
        };
        if let Some(stored) = restored {
            this.adopt(stored)?;
        }
        Ok(this)
    }

    /// What a snapshot taken now would hold; `None` when nothing was applied yet.
    pub(crate) fn view(&mut self) -> Option<View<S::Snapshot>> {
        let last = from_engine_id(self.applied.as_ref()?);
        let membership_at = self.membership.log_id().as_ref().map_or(last, from_engine_id);
        let membership = Arc::new(from_engine_membership(self.membership.membership()));
        let state = self.machine.get_mut().snapshot();
        Some(View { header: Header { last, membership, membership_at }, state })
    }

    fn adopt(&mut self, stored: Stored) -> Result<(), String> {
        let meta = engine_meta(&stored)?;
        self.set_applied(meta.last_log_id);
        self.membership = meta.last_membership;
        self.current = Some(stored);
        Ok(())
    }

    fn set_applied(&mut self, applied: Option<EngineLogId>) {
        let index = applied.as_ref().map_or(0, |id| from_engine_id(id).index);
        self.applied = applied;
        self.applied_index.store(index, Ordering::Release);
    }
}

/// Runs a step of the state machine. A panic there is a bug that would come back at every replay, so it is turned into an
/// error that stops this server instead of a task that silently ends.
fn guarded<T>(what: impl FnOnce() -> String, step: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(step)).map_err(|panic| {
        let error = format!("{}: state machine panicked: {}", what(), panic_text(&*panic));
        tracing::error!(target: "agent.server.raft", error, "failed to apply");
        io::Error::other(error)
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

impl<S: StateMachine> RaftStateMachine<Types<S::Reply>> for EngineMachine<S> {
    type SnapshotData = Stored;
    type SnapshotBuilder = Announce;

    async fn applied_state(&mut self) -> io::Result<(Option<EngineLogId>, EngineStoredMembership)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types<S::Reply>>>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut applied = self.applied;
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let LogId { term, index } = from_engine_id(&entry.log_id);
            let reply = match entry.payload {
                EntryPayload::Blank => None,
                EntryPayload::Normal(Command(command)) => {
                    let machine = self.machine.get_mut();
                    let apply = || machine.apply(index, term, &command);
                    Some(guarded(|| format!("entry {index}"), apply)?)
                }
                EntryPayload::Membership(membership) => {
                    self.membership = EngineStoredMembership::new(Some(entry.log_id), membership);
                    None
                }
            };
            applied = Some(entry.log_id);
            if let Some(responder) = responder {
                answers.push((responder, reply));
            }
        }
        // Published before it is answered: a proposer reads its own write.
        let machine = self.machine.get_mut();
        guarded(|| "flush".to_owned(), || machine.flush())?;
        self.set_applied(applied);
        answers.into_iter().for_each(|(responder, reply)| responder.send(reply));
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Announce> {
        let stored = self.prepared.lock().take()?;
        // One that came from the leader meanwhile covers more; its entries are already gone from the log.
        if self.current.as_ref().is_some_and(|current| current.last() >= stored.last()) {
            return None;
        }
        self.current = Some(stored.clone());
        Some(Announce(Some(stored)))
    }

    async fn get_snapshot_builder(&mut self) -> Announce {
        self.try_create_snapshot_builder(true).await.unwrap_or(Announce(None))
    }

    async fn install_snapshot(&mut self, _meta: &EngineSnapshotMeta, stored: Stored) -> io::Result<()> {
        let machine = self.machine.get_mut();
        guarded(|| format!("snapshot {}", stored.info.id), || stored.restore_into(machine))??;
        self.adopt(stored).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf>> {
        self.current.clone().map(to_engine_snapshot).transpose()
    }
}

/// Tells the engine of a snapshot that is already written.
pub(crate) struct Announce(Option<Stored>);

impl<R: Send + Sync + 'static> RaftSnapshotBuilder<Types<R>> for Announce {
    type SnapshotData = Stored;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf> {
        let stored = self.0.clone().ok_or_else(|| io::Error::other("no snapshot was written"))?;
        to_engine_snapshot(stored)
    }
}

fn engine_meta(stored: &Stored) -> Result<EngineSnapshotMeta, String> {
    let membership = to_engine_membership(&stored.membership)?;
    Ok(EngineSnapshotMeta {
        last_log_id: Some(to_engine_id(stored.last())),
        last_membership: EngineStoredMembership::new(Some(to_engine_id(stored.membership_at)), membership),
    })
}

pub(super) fn to_engine_snapshot(stored: Stored) -> io::Result<SnapshotOf> {
    let meta = engine_meta(&stored).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
    Ok(SnapshotOf { meta, snapshot: stored })
}
