//! Services and checks of this agent: registered here, kept over restarts, run here, and kept equal in the catalog.
//!
//! `registry` holds the records, `plan` compares them with the catalog, `schedule` says when: all three are pure.
//! `sync` drives them. `operations` is what doors ask for, `load` what files and earlier runs bring.

mod alias;
mod content_hash;
mod convert;
mod deadlines;
mod error;
mod expose;
mod files;
mod kind;
mod load;
mod maintenance;
mod operations;
mod persisted;
mod plan;
mod reaper;
mod registry;
mod running;
mod schedule;
mod sync;
mod ttl;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use config::{CheckDefinition, ServiceDefinition};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use types::{CheckStatus, HealthCheck, NodeService};

use crate::{Agent, Identity};
pub use error::LocalError;
use files::Files;
pub(crate) use reaper::reap;
use registry::{NodeInfo, OutputRules, Registry};
use running::Runs;
pub(crate) use sync::{Ticket, keep_in_sync};
pub(crate) use ttl::expire;

/// Registrations of IDs that fall on different stripes do not wait for each other's files.
const STRIPES: usize = 64;
/// Registrations that may wait for the task that writes to the catalog.
const TICKETS_MAX: usize = 1024;

/// Where a definition came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A configuration file.
    File,
    /// The HTTP API.
    Api,
}

/// What the configuration says about checks in general.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// Largest output kept, in bytes.
    pub output_max_bytes: usize,
    /// Changes of output alone are written this late; zero for at once.
    pub update_interval: Duration,
    /// Outputs are not kept.
    pub discard_output: bool,
    /// Script checks may be registered over HTTP.
    pub remote_scripts: bool,
    /// Script checks may be defined in files.
    pub local_scripts: bool,
}

impl Default for CheckSettings {
    fn default() -> Self {
        CheckSettings {
            output_max_bytes: 4096,
            update_interval: Duration::from_secs(5 * 60),
            discard_output: false,
            remote_scripts: false,
            local_scripts: false,
        }
    }
}

/// What an agent's services and checks start from.
pub struct LocalSettings {
    /// Where API registrations outlive the process; without one they do not.
    pub data_dir: Option<PathBuf>,
    /// Checks in general.
    pub checks: CheckSettings,
    /// What probes over TLS present and trust.
    pub tls: checks::TlsSettings,
    /// Address of the node.
    pub advertise: IpAddr,
    /// Further addresses of the node, by tag.
    pub node_tagged_addresses: BTreeMap<String, String>,
    /// Ports that proxies open for checks they expose; the end is not among them.
    pub expose_ports: Range<u16>,
    /// Services from configuration files.
    pub services: Vec<ServiceDefinition>,
    /// Checks from configuration files.
    pub check_definitions: Vec<CheckDefinition>,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Services.
    pub services: usize,
    /// Checks of all kinds.
    pub checks: usize,
    /// Checks to which results are sent.
    pub check_ttls: usize,
    /// Checks that run a program.
    pub check_monitors: usize,
}

/// What is registered with this agent, to be read. Never blocks; values are shared.
pub struct Local {
    pub(crate) shared: Arc<Shared>,
}

impl Local {
    /// One service.
    pub fn service(&self, id: &str) -> Option<Arc<NodeService>> {
        self.shared.registry.lock().service(id).map(|record| record.service.clone())
    }

    /// All services, by ID.
    pub fn services(&self) -> Vec<Arc<NodeService>> {
        self.shared.registry.lock().live_services().map(|(_, record)| record.service.clone()).collect()
    }

    /// One check.
    pub fn check(&self, id: &str) -> Option<Arc<HealthCheck>> {
        self.shared.registry.lock().check(id).map(|record| record.check.clone())
    }

    /// All checks, of the node and of services, by ID.
    pub fn checks(&self) -> Vec<Arc<HealthCheck>> {
        self.shared.registry.lock().live_checks().map(|(_, record)| record.check.clone()).collect()
    }

    /// Checks of the node and of this service.
    pub fn checks_for_service(&self, service_id: &str) -> Vec<Arc<HealthCheck>> {
        let registry = self.shared.registry.lock();
        let mut checks: Vec<_> = registry.live_checks_of("").map(|(_, record)| record.check.clone()).collect();
        if !service_id.is_empty() {
            checks.extend(registry.live_checks_of(service_id).map(|(_, record)| record.check.clone()));
        }
        checks
    }

    /// A service with the hash of what is shown of it: lower-case hexadecimal, the same as the reference's for the same
    /// service (`docs/spec/http-api.md` §3.4).
    pub fn service_hash(&self, id: &str) -> Option<(Arc<NodeService>, String)> {
        let service = self.service(id)?;
        let hash = content_hash::content_hash(&service);
        Some((service, hash))
    }

    /// Resolves when services changed since this receiver last looked, or a reload ended.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.services_changed.subscribe()
    }

    /// True while a reload replaces definitions.
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::Acquire)
    }

    /// How many there are of what.
    pub fn counts(&self) -> Counts {
        self.shared.registry.lock().counts()
    }

    /// Something happened that makes a comparison with the catalog worth while soon.
    pub(crate) fn compare_soon(&self) {
        self.shared.compare.notify_one();
    }

    /// Says how many members the datacenter's pool has: with many, each compares itself with the catalog less often.
    pub(crate) fn set_members(&self, count: usize) {
        self.shared.members.store(count, Ordering::Relaxed);
    }

    /// Metadata of this node, as it is registered.
    pub(crate) fn node_meta(&self) -> BTreeMap<String, String> {
        self.shared.registry.lock().node.meta.clone()
    }
}

/// What the tasks of an agent share about its services and checks.
pub(crate) struct Shared {
    registry: Mutex<Registry>,
    settings: RwLock<CheckSettings>,
    files: Option<Files>,
    runs: Runs,
    /// Set once everything that was there at the start is loaded: from then on checks run.
    agent: OnceLock<Weak<Agent>>,
    /// One is held while the file and the record of an ID change together.
    stripes: [Mutex<()>; STRIPES],
    services_changed: watch::Sender<u64>,
    paused: AtomicBool,
    /// Something is to be written to the catalog.
    dirty: Notify,
    /// A full comparison is wanted soon.
    compare: Notify,
    /// Members of the datacenter's pool that are alive.
    members: AtomicUsize,
    /// Another check's time is over first now.
    ttls_moved: Notify,
    tickets: mpsc::Sender<Ticket>,
}

impl Shared {
    /// Without any definition yet. The receiver is for [`keep_in_sync`].
    pub(crate) fn new(
        identity: &Identity,
        settings: &LocalSettings,
        stopping: CancellationToken,
    ) -> (Arc<Shared>, mpsc::Receiver<Ticket>) {
        let node = NodeInfo {
            name: identity.node_name.clone(),
            id: identity.node_id.clone(),
            address: settings.advertise.to_string(),
            tagged_addresses: settings.node_tagged_addresses.clone(),
            meta: identity.node_meta.clone(),
        };
        let (tickets, tickets_in) = mpsc::channel(TICKETS_MAX);
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let mut registry = Registry::new(node, rules(&settings.checks), seed);
        registry.exposures.set_ports(settings.expose_ports.clone());
        let shared = Arc::new_cyclic(|shared: &Weak<Shared>| Shared {
            registry: Mutex::new(registry),
            settings: RwLock::new(settings.checks.clone()),
            files: settings.data_dir.as_deref().map(Files::new),
            runs: Runs::new(shared.clone(), settings.tls.clone(), stopping),
            agent: OnceLock::new(),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            services_changed: watch::channel(0).0,
            paused: AtomicBool::new(false),
            dirty: Notify::new(),
            compare: Notify::new(),
            members: AtomicUsize::new(1),
            ttls_moved: Notify::new(),
            tickets,
        });
        (shared, tickets_in)
    }

    /// Lets checks run; must be called in the runtime.
    pub(crate) fn begin(&self, agent: Weak<Agent>) {
        if self.agent.set(agent).is_ok() {
            self.change(|_, _| ());
        }
    }

    /// Stops running checks.
    pub(crate) fn end(&self) {
        self.runs.clear();
    }

    /// Changes the registry and lets everybody know what follows from it.
    fn change<T>(&self, act: impl FnOnce(&mut Registry, Instant) -> T) -> T {
        let mut registry = self.registry.lock();
        let (generation, ttl) = (registry.services_generation(), registry.ttls.first());
        let result = act(&mut registry, Instant::now());
        let (generation_now, ttl_now) = (registry.services_generation(), registry.ttls.first());
        let is_dirty = !registry.dirty.is_empty();
        let moved = if self.agent.get().is_some() { registry.take_moved() } else { Default::default() };
        drop(registry);
        if !moved.is_empty() {
            self.follow(moved);
        }
        if is_dirty {
            self.dirty.notify_one();
        }
        if ttl_now != ttl {
            self.ttls_moved.notify_one();
        }
        if generation_now != generation {
            self.services_changed.send_modify(|shown| *shown = generation_now.max(*shown));
        }
        result
    }

    /// Takes over a check's result.
    pub(crate) fn report(&self, check_id: &str, status: CheckStatus, output: String) {
        self.change(|registry, now| registry.set_status(check_id, status, output, now));
    }

    fn set_check_settings(&self, settings: CheckSettings) {
        self.registry.lock().rules = rules(&settings);
        *self.settings.write() = settings;
    }

    /// Asks for a full comparison soon.
    pub(crate) fn compare_soon(&self) {
        self.compare.notify_one();
    }

    fn node_name(&self) -> String {
        self.registry.lock().node.name.clone()
    }

    fn stripe(&self, id: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let stripe = hasher.finish() as usize % STRIPES;
        &self.stripes[stripe]
    }
}

fn rules(settings: &CheckSettings) -> OutputRules {
    OutputRules { discard: settings.discard_output, update_interval: settings.update_interval }
}
