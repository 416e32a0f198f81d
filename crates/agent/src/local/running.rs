//! Which checks run: whatever the registry says now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use checks::{CheckPlan, MIN_INTERVAL, Runner, RunningCheck, Sink, TlsSettings};
use config::{CheckSpec, Secret};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use types::CheckStatus;

use super::Shared;
use super::alias::RemoteAlias;
use super::kind::{self, Kind};

/// The running checks, by ID.
pub(super) struct Runs {
    shared: Weak<Shared>,
    runner: Runner,
    running: Mutex<BTreeMap<String, Run>>,
}

/// A check that runs. It stops when dropped.
enum Run {
    Probe(RunningCheck),
    Alias(RemoteAlias),
}

/// A check that is to run.
enum Wanted {
    Probe(Box<CheckPlan>),
    Alias(Arc<CheckSpec>, Secret),
}

impl Run {
    fn is(&self, wanted: &Wanted) -> bool {
        match (self, wanted) {
            (Run::Probe(running), Wanted::Probe(plan)) => {
                // The runner has raised an interval that is too short.
                let interval = plan.interval.max(MIN_INTERVAL);
                *running.plan() == CheckPlan { interval, ..CheckPlan::clone(plan) }
            }
            (Run::Alias(running), Wanted::Alias(spec, token)) => running.is(spec, token),
            _ => false,
        }
    }
}

/// The way of results back into the registry. Holds nothing alive.
struct Results(Weak<Shared>);

impl Sink for Results {
    fn report(&self, check_id: &str, status: CheckStatus, output: String) {
        if let Some(shared) = self.0.upgrade() {
            shared.report(check_id, status, output);
        }
    }
}

impl Runs {
    pub(super) fn new(shared: Weak<Shared>, tls: TlsSettings, stopping: CancellationToken) -> Runs {
        let runner = Runner::new(Arc::new(Results(shared.clone())), tls, stopping);
        Runs { shared, runner, running: Mutex::default() }
    }

    /// Stops all.
    pub(super) fn clear(&self) {
        self.running.lock().clear();
    }
}

impl Shared {
    /// Starts, restarts and stops checks as the registry says now. One that is to run as it does goes on undisturbed.
    pub(super) fn follow(&self, ids: BTreeSet<String>) {
        // The registry is asked inside: of two calls about one check the later one has the newer answer.
        let mut running = self.runs.running.lock();
        for id in ids {
            match self.wanted(&id) {
                None => {
                    running.remove(&id);
                }
                Some(wanted) if running.get(&id).is_some_and(|run| run.is(&wanted)) => {}
                Some(wanted) => {
                    running.remove(&id);
                    if let Some(run) = self.start(&id, wanted) {
                        running.insert(id, run);
                    }
                }
            }
        }
    }

    fn wanted(&self, id: &str) -> Option<Wanted> {
        let output_max = self.settings.read().output_max_bytes;
        let registry = self.registry.lock();
        let record = registry.check(id)?;
        if Kind::that_runs(&record.spec) == Some(Kind::Alias) {
            let is_remote = !record.spec.alias_node.is_empty();
            return is_remote.then(|| Wanted::Alias(record.spec.clone(), record.token.clone()));
        }
        let spec = registry.exposures.rewritten(id, &record.spec);
        kind::plan(id, &spec, output_max).map(|plan| Wanted::Probe(Box::new(plan)))
    }

    fn start(&self, id: &str, wanted: Wanted) -> Option<Run> {
        match wanted {
            Wanted::Probe(plan) => Some(Run::Probe(self.runs.runner.start(*plan))),
            Wanted::Alias(spec, token) => {
                let agent = self.agent.get()?.clone();
                Some(Run::Alias(RemoteAlias::start(id.to_owned(), spec, token, agent, self.runs.shared.clone())))
            }
        }
    }
}
