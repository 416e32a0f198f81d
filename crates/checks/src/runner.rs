//! Runs checks by interval.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::{CheckStatus, GoDuration};

use crate::probe::{self, Net, Outcome, TlsSettings};
use crate::{CheckPlan, Verdict};

/// Shortest time between the end of a run and the start of the next.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Where results go.
pub trait Sink: Send + Sync + 'static {
    /// Takes what a run came to. Called from the check's own task, so it must not block. Called after every run that
    /// the thresholds let through, also when nothing changed; a run that is to keep the old status is not reported.
    fn report(&self, check_id: &str, status: CheckStatus, output: String);
}

/// Starts checks. One for each agent; cheap to clone.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    sink: Arc<dyn Sink>,
    net: Net,
    stopping: CancellationToken,
}

/// A check that runs until this is dropped or the runner's token is cancelled. A script under way is then killed.
#[must_use = "dropping it stops the check"]
pub struct RunningCheck {
    plan: Arc<CheckPlan>,
    task: AbortHandle,
}

impl Runner {
    /// `tls`: what probes over TLS present and trust. Reads the proxy settings and `DOCKER_HOST` of the environment.
    pub fn new(sink: Arc<dyn Sink>, tls: TlsSettings, stopping: CancellationToken) -> Runner {
        Runner { shared: Arc::new(Shared { sink, net: Net::from_environment(tls), stopping }) }
    }

    /// Starts a check in a task of its own, in the current runtime. Its first run comes after a random part of the
    /// interval, so that checks registered together do not run together.
    pub fn start(&self, mut plan: CheckPlan) -> RunningCheck {
        if plan.interval < MIN_INTERVAL {
            let minimum = GoDuration::from(MIN_INTERVAL);
            tracing::warn!(target: "agent", check = plan.id.as_str(), minimum_interval = %minimum,
                "check has interval below minimum");
            plan.interval = MIN_INTERVAL;
        }
        let plan = Arc::new(plan);
        let task = tokio::spawn(run(self.shared.clone(), plan.clone())).abort_handle();
        RunningCheck { plan, task }
    }
}

impl RunningCheck {
    /// What is run, with the interval in force.
    pub fn plan(&self) -> &CheckPlan {
        &self.plan
    }
}

impl Drop for RunningCheck {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Arc<Shared>, plan: Arc<CheckPlan>) {
    // Ends by cancellation only.
    let _ = shared.stopping.run_until_cancelled(repeat(&shared, &plan)).await;
}

async fn repeat(shared: &Shared, plan: &CheckPlan) {
    let mut verdict = Verdict::new(plan.thresholds);
    sleep(random_part(plan.interval)).await;
    loop {
        // Boxed, so that a check between its runs holds no memory for them.
        let outcome = Box::pin(probe::run(plan, &shared.net)).await;
        if let Some(status) = settle(&plan.id, &mut verdict, &outcome) {
            shared.sink.report(&plan.id, status, outcome.output);
        }
        sleep(plan.interval).await;
    }
}

/// What the thresholds make of a run, and the reference's log lines about it.
fn settle(check: &str, verdict: &mut Verdict, outcome: &Outcome) -> Option<CheckStatus> {
    if outcome.past_thresholds {
        return Some(outcome.status);
    }
    let decided = verdict.judge(outcome.status);
    let thresholds = verdict.thresholds();
    match decided {
        Some(CheckStatus::Critical) => tracing::warn!(target: "agent", check, "Check is now critical"),
        Some(CheckStatus::Warning) if outcome.status == CheckStatus::Critical => {
            tracing::warn!(target: "agent", check, "Check is now warning");
        }
        Some(status) => tracing::debug!(target: "agent", check, status = status.as_str(), "Check status updated"),
        None if outcome.status == CheckStatus::Critical => tracing::warn!(target: "agent", check,
            status = outcome.status.as_str(), failure_count = verdict.failures(),
            warning_threshold = thresholds.failures_before_warning,
            failure_threshold = thresholds.failures_before_critical,
            "Check failed but has not reached warning/failure threshold"),
        None => tracing::warn!(target: "agent", check,
            status = outcome.status.as_str(), success_count = verdict.successes(),
            success_threshold = thresholds.success_before_passing,
            "Check passed but has not reached success threshold"),
    }
    decided
}

/// A random duration in `[0, interval)`.
fn random_part(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8);
    let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos(random % nanos)
}

#[cfg(test)]
mod tests;
