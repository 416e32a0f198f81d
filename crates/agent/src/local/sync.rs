//! The task that keeps the catalog equal to what is registered here (`docs/spec/server-operations.md` §12).
//!
//! Writes of different items go out together, so that they may share a batch of the log; of one item there is never
//! more than one under way. What is to be written, and in which order, [`super::plan`] says; when everything is
//! compared, [`super::schedule`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use config::Secret;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use types::method::{CatalogDeregister, CatalogNodeServices, CatalogRegister, HealthNodeChecks, NodeRequest};
use types::query::Consistency;
use types::{DeregisterRequest, HealthCheck, NodeService, QueryOptions, RegisterRequest, RpcError};

use super::plan::{Change, Landing, Remote};
use super::registry::{Item, NodeInfo};
use super::schedule::Schedule;
use super::{Shared, TICKETS_MAX};
use crate::Agent;

/// Writes under way at most.
const WRITES_MAX: usize = 64;
/// Greatest age of what a server answers to a comparison.
const MAX_STALE: Duration = Duration::from_secs(2);
/// How long the first comparison waits for the leader to register this node.
const NODE_PATIENCE: Duration = Duration::from_secs(10);
/// Pause before the first comparison is tried again: at a start a leader may be a moment away.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Somebody waits for one try to write these.
pub(crate) struct Ticket {
    items: Vec<Item>,
    done: oneshot::Sender<()>,
}

impl Ticket {
    pub(super) fn new(items: Vec<Item>, done: oneshot::Sender<()>) -> Ticket {
        Ticket { items, done }
    }
}

/// Runs until the agent stops.
pub(crate) async fn keep_in_sync(agent: Arc<Agent>, mut tickets: mpsc::Receiver<Ticket>) {
    let shared = agent.local().shared.clone();
    let mut driver = Driver::new(agent.clone());
    loop {
        driver.start_what_is_due();
        driver.answer_tickets();
        let wake = driver.next_wake();
        let due = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = agent.stopping().cancelled() => break,
            Some(ticket) = tickets.recv(), if driver.tickets.len() < TICKETS_MAX => driver.tickets.push(ticket),
            () = shared.dirty.notified() => {}
            () = shared.compare.notified() => driver.schedule.trigger(Instant::now(), fraction()),
            Some(landed) = driver.writes.join_next_with_id() => driver.landed(landed),
            Some(read) = driver.reads.join_next() => driver.compared(read),
            () = due => {}
        }
    }
    driver.writes.shutdown().await;
    driver.reads.shutdown().await;
}

/// A write under way.
struct Flight {
    change: Change,
    /// Version of the node's data it carries, if it does.
    with_node: Option<u64>,
}

/// What the catalog said, and the registry's clock when it was asked.
type Read = (u64, Result<Remote, RpcError>);

struct Driver {
    agent: Arc<Agent>,
    shared: Arc<Shared>,
    schedule: Schedule,
    writes: JoinSet<Result<(), RpcError>>,
    flights: HashMap<Id, Flight>,
    /// Everything in `flights`.
    busy: BTreeSet<Item>,
    reads: JoinSet<Read>,
    tickets: Vec<Ticket>,
    /// Nothing is written before the first comparison: until then the node may not be registered.
    ready: bool,
    /// Why the last comparison failed.
    last_failure: String,
}

impl Driver {
    fn new(agent: Arc<Agent>) -> Driver {
        Driver {
            shared: agent.local().shared.clone(),
            agent,
            schedule: Schedule::new(Instant::now()),
            writes: JoinSet::new(),
            flights: HashMap::new(),
            busy: BTreeSet::new(),
            reads: JoinSet::new(),
            tickets: Vec::new(),
            ready: false,
            last_failure: String::new(),
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let deferred = self.shared.registry.lock().deferred.first();
        [self.schedule.next(), deferred].into_iter().flatten().min()
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        self.shared.registry.lock().release_deferred(now);
        if self.schedule.start(now) {
            let asked_at = self.shared.registry.lock().now();
            let (agent, is_first) = (self.agent.clone(), !self.ready);
            self.reads.spawn(async move { (asked_at, read(&agent, is_first).await) });
        }
        if self.ready {
            self.start_writes();
        }
    }

    fn start_writes(&mut self) {
        let room = WRITES_MAX.saturating_sub(self.writes.len());
        let mut registry = self.shared.registry.lock();
        let changes = registry.next_changes(&self.busy, room);
        let node = registry.node.clone();
        let progress = registry.node_progress;
        drop(registry);
        for change in changes {
            let carries_node = !progress.in_sync && registers(&change);
            self.busy.extend(change.items());
            let write = write(self.agent.clone(), node.clone(), carries_node, change.clone());
            let id = self.writes.spawn(write).id();
            self.flights.insert(id, Flight { change, with_node: carries_node.then_some(progress.version) });
        }
    }

    /// Lets go whoever waits for nothing any more.
    fn answer_tickets(&mut self) {
        if self.tickets.is_empty() {
            return;
        }
        let registry = self.shared.registry.lock();
        let is_under_way = |item: &Item| self.busy.contains(item) || registry.dirty.contains(item);
        let tickets = std::mem::take(&mut self.tickets).into_iter().filter(|ticket| !ticket.done.is_closed());
        let (waiting, answered): (Vec<Ticket>, Vec<Ticket>) =
            tickets.partition(|ticket| ticket.items.iter().any(is_under_way));
        drop(registry);
        self.tickets = waiting;
        for ticket in answered {
            // Who gives up waiting right now does not hear it.
            let _ = ticket.done.send(());
        }
    }

    fn landed(&mut self, landed: Result<(Id, Result<(), RpcError>), JoinError>) {
        let (id, result) = match landed {
            Ok(landed) => landed,
            Err(error) => (error.id(), Err(RpcError::other(error.to_string()))),
        };
        let Some(flight) = self.flights.remove(&id) else { return };
        for item in flight.change.items() {
            self.busy.remove(&item);
        }
        let landing = landing(&flight.change, &result);
        let mut registry = self.shared.registry.lock();
        registry.landed(&flight.change, landing, flight.with_node);
        if matches!(result, Err(RpcError::NoLeader | RpcError::NoPathToDatacenter)) {
            registry.give_up();
        }
        drop(registry);
        match (landing, result) {
            (Landing::Done, _) => log_done(&flight.change),
            (Landing::Denied, _) => log_denied(&flight.change),
            (Landing::Failed, Err(RpcError::Shutdown)) => {}
            (Landing::Failed, result) => {
                let error = result.err().map(|e| e.to_string()).unwrap_or_default();
                tracing::error!(target: "agent.anti_entropy", error = %error, "failed to sync changes");
                self.schedule.push_failed(Instant::now(), fraction());
            }
        }
    }

    fn compared(&mut self, read: Result<Read, JoinError>) {
        let now = Instant::now();
        self.schedule.set_members(self.shared.members.load(Ordering::Relaxed));
        let error = match read {
            Ok((asked_at, Ok(remote))) => {
                self.shared.change(|registry, _| registry.compare(&remote, asked_at, &self.busy));
                self.ready = true;
                self.schedule.ended(true, now, fraction());
                return;
            }
            Ok((_, Err(error))) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // Before the first one succeeds it is tried every second: the same failure is told once.
        if self.ready || self.last_failure != error {
            tracing::error!(target: "agent.anti_entropy", error = %error, "failed to sync remote state");
        }
        self.last_failure = error;
        self.schedule.ended(false, now, fraction());
        if !self.ready {
            self.schedule.bring_forward(now + FIRST_RETRY);
        }
    }
}

/// Asks what the catalog says about this node; the first time, waits for the node to be there.
async fn read(agent: &Agent, is_first: bool) -> Result<Remote, RpcError> {
    let node = agent.identity().node_name.clone();
    let request = |min_index| NodeRequest {
        node: node.clone(),
        options: QueryOptions {
            consistency: if is_first { Consistency::Default } else { Consistency::Stale },
            max_stale: if is_first { Duration::ZERO } else { MAX_STALE },
            min_index,
            max_wait: NODE_PATIENCE,
            ..QueryOptions::default()
        },
    };
    let mut found = agent.call::<CatalogNodeServices>(request(0)).await?;
    let deadline = Instant::now() + NODE_PATIENCE;
    while is_first && found.value.is_none() && Instant::now() < deadline && !agent.stopping().is_cancelled() {
        found = agent.call::<CatalogNodeServices>(request(found.meta.index)).await?;
    }
    let checks = agent.call::<HealthNodeChecks>(request(0)).await?.value;
    // A name nobody has may be the beginning of another node's ID.
    let found = found.value.filter(|found| found.node.node.eq_ignore_ascii_case(&node));
    let (node, services) = found.map(|found| (found.node, found.services)).unzip();
    Ok(Remote { node, services: services.unwrap_or_default(), checks })
}

fn registers(change: &Change) -> bool {
    matches!(change, Change::Node(_) | Change::RegisterService { .. } | Change::RegisterCheck { .. })
}

/// Carries out one change.
async fn write(agent: Arc<Agent>, node: Arc<NodeInfo>, with_node: bool, change: Change) -> Result<(), RpcError> {
    let register = |token: Secret| RegisterRequest {
        id: node.id.clone(),
        node: node.name.clone(),
        address: node.address.clone(),
        tagged_addresses: node.tagged_addresses.clone(),
        node_meta: node.meta.clone(),
        skip_node_update: !with_node,
        token: token.0,
        ..RegisterRequest::default()
    };
    let deregister =
        |token: Secret| DeregisterRequest { node: node.name.clone(), token: token.0, ..DeregisterRequest::default() };
    match change {
        Change::Node(_) => agent.call::<CatalogRegister>(register(Secret::default())).await,
        Change::RegisterService { service, checks, token } => {
            let service = Some(NodeService::clone(&service.value));
            let checks = checks.iter().map(|check| HealthCheck::clone(&check.value)).collect();
            agent.call::<CatalogRegister>(RegisterRequest { service, checks, ..register(token) }).await
        }
        Change::RegisterCheck { check, token } => {
            let checks = vec![HealthCheck::clone(&check.value)];
            agent.call::<CatalogRegister>(RegisterRequest { checks, ..register(token) }).await
        }
        Change::DeregisterService { id, token, .. } => {
            let request = DeregisterRequest { service_id: id.value, ..deregister(token) };
            agent.call::<CatalogDeregister>(request).await
        }
        Change::DeregisterCheck { id, token } => {
            let request = DeregisterRequest { check_id: id.value, ..deregister(token) };
            agent.call::<CatalogDeregister>(request).await
        }
    }
}

fn landing(change: &Change, result: &Result<(), RpcError>) -> Landing {
    let Err(error) = result else { return Landing::Done };
    let text = error.to_string();
    let is_gone = text.contains("Unknown service") || text.contains("Unknown check");
    if is_gone && !registers(change) {
        return Landing::Done;
    }
    if text.contains("Permission denied") || text.contains("ACL not found") {
        return Landing::Denied;
    }
    Landing::Failed
}

fn log_done(change: &Change) {
    match change {
        Change::Node(_) => tracing::info!(target: "agent", "Synced node info"),
        Change::RegisterService { service, .. } => {
            tracing::info!(target: "agent", service = service.value.id.as_str(), "Synced service");
        }
        Change::RegisterCheck { check, .. } => {
            tracing::info!(target: "agent", check = check.value.check_id.as_str(), "Synced check");
        }
        Change::DeregisterService { id, .. } => {
            tracing::info!(target: "agent", service = id.value.as_str(), "Deregistered service");
        }
        Change::DeregisterCheck { id, .. } => {
            tracing::info!(target: "agent", check = id.value.as_str(), "Deregistered check");
        }
    }
}

fn log_denied(change: &Change) {
    let (metric, item) = match change {
        Change::Node(_) => ("acl.blocked.node.registration", ""),
        Change::RegisterService { service, .. } => ("acl.blocked.service.registration", service.value.id.as_str()),
        Change::RegisterCheck { check, .. } => ("acl.blocked.check.registration", check.value.check_id.as_str()),
        Change::DeregisterService { id, .. } => ("acl.blocked.service.deregistration", id.value.as_str()),
        Change::DeregisterCheck { id, .. } => ("acl.blocked.check.deregistration", id.value.as_str()),
    };
    telemetry::metrics::counter(metric).one();
    let what = metric.trim_start_matches("acl.blocked.").replace('.', " ");
    tracing::warn!(target: "agent", id = item, "{what} blocked by ACLs");
}

/// A random number in `[0, 1)`.
fn fraction() -> f64 {
    uuid::Uuid::new_v4().as_u64_pair().0 as f64 / 2_f64.powi(64)
}
