//! Alias checks: one check that says what others say (`docs/spec/server-operations.md` §13.4).
//!
//! What follows a service of this agent is judged inside the registry, as a consequence of whatever changed there.
//! What follows another node asks the servers: a task for each such check, as it waits most of the time.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use config::{CheckSpec, Secret};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use types::method::{CatalogNodeServices, HealthNodeChecks, NodeRequest};
use types::query::Consistency;
use types::{CheckStatus, HealthCheck, QueryOptions, RpcError};
use wire::quote::go_quote;

use super::Shared;
use super::registry::{Registry, local_alias_target};
use crate::Agent;

/// Longest output of an alias: aliases that follow each other would quote one another for ever.
const OUTPUT_MAX_BYTES: usize = 4096;
/// How long a read waits for a change on the other node.
const REMOTE_WAIT: Duration = Duration::from_secs(60);
/// Greatest age of what a server answers.
const REMOTE_MAX_STALE: Duration = Duration::from_secs(15);
/// Longest pause after failed reads.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Pause after a first failure; then powers of two from [`BACKOFF_FROM`] failures on.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_FROM: u32 = 3;
/// A single failure says nothing yet.
const FAILURES_TO_CRITICAL: u32 = 2;

/// The result of an alias of `service_id` (empty: of the node alone) over the checks it considers: those of the node
/// and those of the service. `exists`: whether the service does.
pub(super) fn judge<'a>(
    checks: impl Iterator<Item = &'a HealthCheck>,
    service_id: &str,
    node: &str,
    exists: impl FnOnce() -> bool,
) -> (CheckStatus, String) {
    let mut found_service = service_id.is_empty();
    let mut any = false;
    let mut warning = None;
    for check in checks.filter(|check| check.service_id.is_empty() || check.service_id == service_id) {
        any = true;
        found_service |= check.service_id == service_id;
        let failing = || format!("Aliased check {} failing: {}", go_quote(&check.name), check.output);
        if check.status == CheckStatus::Critical.as_str() {
            return (CheckStatus::Critical, failing());
        }
        if check.status == CheckStatus::Warning.as_str() {
            warning.get_or_insert_with(failing);
        }
    }
    if !found_service && !exists() {
        return (CheckStatus::Critical, format!("Service {service_id} could not be found on node {node}"));
    }
    match warning {
        Some(output) => (CheckStatus::Warning, output),
        None if any => (CheckStatus::Passing, "All checks passing.".to_owned()),
        None => (CheckStatus::Passing, "No checks found.".to_owned()),
    }
}

impl Registry {
    /// Judges the aliases that a change of this service, or of its checks, may concern; of all for an empty ID, which
    /// stands for the node. An alias that changes may concern others in turn.
    pub(super) fn refresh_aliases(&mut self, service_id: &str, now: Instant) {
        if self.aliases.is_empty() {
            return;
        }
        let mut changed = VecDeque::from([service_id.to_owned()]);
        // Aliases that follow each other in a circle would go on for ever.
        let mut rounds = self.aliases.values().map(|ids| ids.len()).sum::<usize>() + 1;
        while rounds > 0
            && let Some(service_id) = changed.pop_front()
        {
            rounds -= 1;
            for id in self.aliases_concerned(&service_id) {
                if self.judge_alias(&id, now)
                    && let Some(record) = self.checks.get(&id)
                {
                    changed.push_back(record.check.service_id.clone());
                }
            }
        }
    }

    fn aliases_concerned(&self, service_id: &str) -> Vec<String> {
        match service_id {
            "" => self.aliases.values().flatten().cloned().collect(),
            id => self.aliases.get(id).into_iter().flatten().cloned().collect(),
        }
    }

    /// Judges one check if it is an alias that follows something here; true if its result changed.
    pub(super) fn judge_alias(&mut self, id: &str, now: Instant) -> bool {
        let Some(record) = self.check(id) else { return false };
        let Some(target) = local_alias_target(&record.spec) else { return false };
        let is_node_check = record.check.service_id.is_empty();
        // An alias that belongs to the node is one of the node's checks itself: it must neither see itself nor others
        // of its sort, or two of them would keep each other critical.
        let is_seen =
            |other: &str, spec: &CheckSpec| other != id && !(is_node_check && local_alias_target(spec).is_some());
        let of_node = self.live_checks_of("").filter(|(other, r)| is_seen(other.as_str(), &r.spec));
        let of_service = self.live_checks_of(target).filter(|(other, _)| !target.is_empty() && *other != id);
        let considered = of_node.chain(of_service).map(|(_, r)| r.check.as_ref());
        // A service that goes takes its checks along at once: nothing of it is considered any more.
        let (status, output) = judge(considered, target, "", || self.service(target).is_some());
        self.store_status(id, status, cut(output), now)
    }
}

/// At most [`OUTPUT_MAX_BYTES`] of a text.
fn cut(text: String) -> String {
    if text.len() <= OUTPUT_MAX_BYTES { text } else { checks::output::head(&text, OUTPUT_MAX_BYTES) }
}

/// Follows checks of another node; stops when dropped.
#[derive(Debug)]
pub(super) struct RemoteAlias {
    spec: Arc<CheckSpec>,
    token: Secret,
    task: AbortHandle,
}

impl Drop for RemoteAlias {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RemoteAlias {
    pub(super) fn start(
        id: String,
        spec: Arc<CheckSpec>,
        token: Secret,
        agent: Weak<Agent>,
        shared: Weak<Shared>,
    ) -> RemoteAlias {
        let follower = Follower { id, spec: spec.clone(), token: token.clone(), agent, shared };
        RemoteAlias { spec, token, task: tokio::spawn(follower.run()).abort_handle() }
    }

    /// Whether this is how the check is to be followed.
    pub(super) fn is(&self, spec: &CheckSpec, token: &Secret) -> bool {
        *self.spec == *spec && self.token == *token
    }
}

struct Follower {
    id: String,
    spec: Arc<CheckSpec>,
    token: Secret,
    agent: Weak<Agent>,
    shared: Weak<Shared>,
}

impl Follower {
    async fn run(self) {
        let mut index = 0;
        let mut failures: u32 = 0;
        loop {
            let Some(agent) = self.agent.upgrade().filter(|agent| !agent.stopping().is_cancelled()) else { return };
            let asked = self.ask(&agent, index).await;
            match asked {
                Ok((next, status, output)) => {
                    // An index that goes back means a restored state: start over.
                    index = if next < index { 0 } else { next };
                    failures = 0;
                    self.report(status, output);
                }
                Err(RpcError::Shutdown) => return,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    index = 0;
                    if failures >= FAILURES_TO_CRITICAL {
                        let output = format!("Failure checking aliased node or service: {error}");
                        self.report(CheckStatus::Critical, output);
                    }
                    let stopping = agent.stopping().clone();
                    drop(agent);
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        () = tokio::time::sleep(backoff(failures)) => {}
                    }
                }
            }
        }
    }

    /// Waits for checks newer than `index`; answers their index and what they amount to.
    async fn ask(&self, agent: &Agent, index: u64) -> Result<(u64, CheckStatus, String), RpcError> {
        let options = |min_index| QueryOptions {
            token: self.token.0.clone(),
            consistency: Consistency::Stale,
            max_stale: REMOTE_MAX_STALE,
            min_index,
            max_wait: REMOTE_WAIT,
            ..QueryOptions::default()
        };
        let request = |min_index| NodeRequest { node: self.spec.alias_node.clone(), options: options(min_index) };
        let found = agent.call::<HealthNodeChecks>(request(index)).await?;
        let service_id = self.spec.alias_service.as_str();
        let services = agent.call::<CatalogNodeServices>(request(0)).await?.value;
        let exists = services.is_some_and(|node| node.services.iter().any(|service| service.id == service_id));
        let others = found.value.iter().map(|check| &**check).filter(|check| {
            // On this very node the alias would see itself.
            check.check_id != self.id || !check.node.eq_ignore_ascii_case(&agent.identity().node_name)
        });
        let (status, output) = judge(others, service_id, &self.spec.alias_node, || exists);
        Ok((found.meta.index, status, cut(output)))
    }

    fn report(&self, status: CheckStatus, output: String) {
        if let Some(shared) = self.shared.upgrade() {
            shared.report(&self.id, status, output);
        }
    }
}

fn backoff(failures: u32) -> Duration {
    if failures <= BACKOFF_FROM {
        return BACKOFF_MIN;
    }
    let doublings = (failures - BACKOFF_FROM).min(BACKOFF_MAX.as_secs().ilog2() + 1);
    Duration::from_secs(1 << doublings).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, service_id: &str, status: &str) -> HealthCheck {
        HealthCheck {
            name: name.to_owned(),
            service_id: service_id.to_owned(),
            status: status.to_owned(),
            output: format!("{name} says so"),
            ..HealthCheck::default()
        }
    }

    #[test]
    fn the_worst_of_node_and_service_counts() {
        let rows = [
            check("other", "db", "critical"),
            check("warm", "web", "warning"),
            check("fine", "web", "passing"),
            check("dead", "", "critical"),
        ];
        let of = |count: usize, service: &str| judge(rows.iter().take(count), service, "n", || false);
        assert_eq!(of(3, "web"), (CheckStatus::Warning, "Aliased check \"warm\" failing: warm says so".to_owned()));
        assert_eq!(of(4, "web"), (CheckStatus::Critical, "Aliased check \"dead\" failing: dead says so".to_owned()));
        assert_eq!(of(3, ""), (CheckStatus::Passing, "No checks found.".to_owned()));
        let gone = (CheckStatus::Critical, "Service x could not be found on node n".to_owned());
        assert_eq!(of(3, "x"), gone);
        assert_eq!(judge(rows[2..3].iter(), "web", "n", || false).1, "All checks passing.");
        assert_eq!(judge([].iter(), "web", "", || true).1, "No checks found.");
    }

    #[test]
    fn pauses_grow_up_to_a_minute() {
        let secs: Vec<u64> = (1..=12).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(secs, [1, 1, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
