//! Metrics: counters, gauges and samples of the whole process (`docs/spec/server-operations.md` §17).
//!
//! Code anywhere in the workspace resolves a handle by name once and then only records:
//!
//! ```text
//! static APPLY: LazyLock<Sample> = LazyLock::new(|| metrics::sample("kvs.apply"));
//! let _timing = APPLY.timing();
//! ```
//!
//! Names stand without the prefix (`consul.`); [`names`] lists those that exist. Labels whose values are not known in
//! advance are resolved each time, with [`counter_with`] and the like: a look-up, not a lock that others wait for.
//!
//! Values are sorted into intervals of ten seconds of the wall clock. [`display`] shows the last finished one, and
//! [`prometheus`] shows totals since the start.

mod aggregate;
mod display;
mod handle;
pub mod names;
mod process;
mod prometheus;
mod registry;
mod series;
mod settings;
#[cfg(test)]
mod tests;
mod window;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use handle::{Counter, Gauge, Sample, Timing};
use registry::Registry;
pub use registry::{NoInterval, SERIES_MAX};
pub use settings::Settings;

static GLOBAL: OnceLock<Registry> = OnceLock::new();

fn global() -> &'static Registry {
    GLOBAL.get_or_init(|| Registry::new(Box::new(wall_clock)))
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The counter of this name.
pub fn counter(name: &'static str) -> Counter {
    counter_with(name, &[])
}

/// The counter of this name with these labels.
pub fn counter_with(name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
    global().counter(name, labels)
}

/// The gauge of this name.
pub fn gauge(name: &'static str) -> Gauge {
    gauge_with(name, &[])
}

/// The gauge of this name with these labels.
pub fn gauge_with(name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
    global().gauge(name, labels)
}

/// The sample of this name.
pub fn sample(name: &'static str) -> Sample {
    sample_with(name, &[])
}

/// The sample of this name with these labels.
pub fn sample_with(name: &'static str, labels: &[(&'static str, &str)]) -> Sample {
    global().sample(name, labels)
}

/// Sets prefix, filters and Prometheus' retention. Until the first call the defaults apply; what was recorded before it
/// is not lost. May be called again after a reload.
pub fn configure(settings: Settings) {
    global().configure(settings);
}

/// Shows metrics to Prometheus from now on, each for this long after its last change. Zero: not at all.
pub fn enable_prometheus(retention: Duration) {
    global().enable_prometheus(retention);
}

/// Whether [`prometheus`] is to be shown.
pub fn prometheus_enabled() -> bool {
    global().prometheus_enabled()
}

/// The last finished interval, or the running one if there was none before it: the body of `/v1/agent/metrics`
/// (`docs/spec/http-api.md` §3.2).
///
/// # Errors
/// [`NoInterval`] while nothing was ever recorded.
pub fn display() -> Result<serde_json::Value, NoInterval> {
    global().display()
}

/// Waits until the interval that is running now has finished and answers it, in the form of [`display`].
pub async fn next_interval() -> serde_json::Value {
    global().next_interval().await
}

/// Every metric in Prometheus' text format, version 0.0.4; empty unless [`prometheus_enabled`].
pub fn prometheus() -> String {
    global().prometheus()
}

/// Every finished interval that is still known, one line a metric, for whoever sends the process SIGUSR1.
pub fn dump() -> String {
    global().dump()
}

/// Sets the gauges of the process itself (`runtime.*`); to be called each second. `tasks` is the number of tasks that
/// are alive, the nearest thing there is to the reference's goroutines.
pub fn collect_runtime(tasks: usize) {
    process::collect(global(), tasks);
}
