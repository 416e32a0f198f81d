//! What the cache counts (`docs/spec/server-operations.md` §17.4).

use std::sync::LazyLock;

use telemetry::metrics::{self, Counter, Gauge};

static BYPASS: LazyLock<Counter> = LazyLock::new(|| metrics::counter("cache.bypass"));
static EVICTED: LazyLock<Counter> = LazyLock::new(|| metrics::counter("cache.evict_expired"));
static ENTRIES: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge("cache.entries_count"));
static CHANGED: LazyLock<Counter> = LazyLock::new(|| fetches("cache.fetch_success", "result_not_modified", "false"));
static UNCHANGED: LazyLock<Counter> = LazyLock::new(|| fetches("cache.fetch_success", "result_not_modified", "true"));
static FAILED: LazyLock<Counter> = LazyLock::new(|| fetches("cache.fetch_error", "fatal", "false"));
static FATAL: LazyLock<Counter> = LazyLock::new(|| fetches("cache.fetch_error", "fatal", "true"));

fn fetches(name: &'static str, label: &'static str, value: &str) -> Counter {
    metrics::counter_with(name, &[(label, value)])
}

/// A question was passed on, because there was no room for another entry.
pub(super) fn bypassed() {
    BYPASS.one();
}

/// So many entries were forgotten because nobody asked for them.
pub(super) fn evicted(count: usize) {
    if count > 0 {
        EVICTED.add(count as f64);
    }
}

/// So many entries there are now.
pub(super) fn entries(count: usize) {
    ENTRIES.set(count as f64);
}

/// A server answered, with something new or not.
pub(super) fn fetched(is_news: bool) {
    if is_news { CHANGED.one() } else { UNCHANGED.one() }
}

/// No server answered; `fatal` when asking again does not help.
pub(super) fn failed(fatal: bool) {
    if fatal { FATAL.one() } else { FAILED.one() }
}
