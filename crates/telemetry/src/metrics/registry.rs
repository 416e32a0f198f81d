//! All series of a process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde_json::Value;

use super::display::{self, Line};
use super::handle::{Counter, Gauge, Sample};
use super::names::{self, Kind};
use super::prometheus;
use super::series::{Clock, Core, INTERVAL_SECONDS, Key, Series, interval_at};
use super::settings::{Settings, View};

/// How many series there may be at a time. Those that come on top are not shown: label values may come from anyone.
pub const SERIES_MAX: usize = 20_000;

/// Nothing was recorded since the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no metric intervals have been initialized yet")]
pub struct NoInterval;

/// All series of a process, and the settings they are shown by.
pub(super) struct Registry {
    core: Arc<Core>,
    table: RwLock<Table>,
    settings: RwLock<Settings>,
}

#[derive(Default)]
struct Table {
    series: HashMap<Arc<Key>, Arc<Series>>,
    /// Interval of the last sweep.
    swept: u64,
}

impl Registry {
    pub(super) fn new(clock: Clock) -> Registry {
        Registry { core: Arc::new(Core::new(clock)), table: RwLock::default(), settings: RwLock::default() }
    }

    pub(super) fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        Counter(self.series(Kind::Counter, name, labels))
    }

    pub(super) fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        Gauge(self.series(Kind::Gauge, name, labels))
    }

    pub(super) fn sample(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Sample {
        Sample(self.series(Kind::Sample, name, labels))
    }

    /// Takes new settings over. They are in place before the series are told, so that none is missed that is made
    /// meanwhile.
    pub(super) fn configure(&self, settings: Settings) {
        self.core.set_prometheus_retention(settings.prometheus_retention);
        *self.settings.write() = settings;
        let table = self.table.read();
        let settings = self.settings.read();
        for series in table.series.values() {
            series.set_views(settings.views(series.key.name, series.metric));
        }
    }

    pub(super) fn enable_prometheus(&self, retention: Duration) {
        self.core.set_prometheus_retention(retention);
    }

    pub(super) fn prometheus_enabled(&self) -> bool {
        !self.core.prometheus_retention().is_zero()
    }

    pub(super) fn display(&self) -> Result<Value, NoInterval> {
        let interval = self.core.shown().ok_or(NoInterval)?;
        Ok(self.show(interval))
    }

    pub(super) fn dump(&self) -> String {
        self.core.finished().into_iter().map(|interval| display::text(interval, self.lines(interval))).collect()
    }

    pub(super) async fn next_interval(&self) -> Value {
        let running = interval_at(self.core.now());
        let end = Duration::from_secs((running + 1) * INTERVAL_SECONDS);
        loop {
            let now = self.core.now();
            // Another interval than the running one, even if the clock was set back.
            if interval_at(now) != running {
                return self.show(running);
            }
            tokio::time::sleep(end.saturating_sub(now)).await;
        }
    }

    /// Empty unless Prometheus is enabled: to look is to expire.
    pub(super) fn prometheus(&self) -> String {
        if !self.prometheus_enabled() {
            return String::new();
        }
        let settings = self.settings.read().clone();
        let series: Vec<_> = self.table.read().series.values().cloned().collect();
        prometheus::text(&settings, &series)
    }

    fn series(&self, kind: Kind, name: &'static str, labels: &[(&'static str, &str)]) -> Arc<Series> {
        let key = Key::new(kind, name, labels);
        if let Some(series) = self.table.read().series.get(&key) {
            return series.clone();
        }
        let mut table = self.table.write();
        if let Some(series) = table.series.get(&key) {
            return series.clone();
        }
        table.sweep(interval_at(self.core.now()));
        let (key, metric) = (Arc::new(key), names::find(kind, name));
        let views = self.settings.read().views(name, metric);
        let series = Arc::new(Series::new(key.clone(), metric, self.core.clone(), views));
        if table.series.len() < SERIES_MAX {
            table.series.insert(key, series.clone());
        }
        series
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.read().series.len()
    }

    fn show(&self, interval: u64) -> Value {
        display::json(interval, self.lines(interval))
    }

    fn lines(&self, interval: u64) -> Vec<Line> {
        let table = self.table.read();
        let settings = self.settings.read();
        let mut lines = Vec::new();
        for series in table.series.values() {
            let Some(aggregate) = series.aggregate(interval) else { continue };
            for view in View::ALL.into_iter().filter(|view| series.shows(*view)) {
                let name = settings.full_name(view, series.key.name);
                lines.push(Line { name, key: series.key.clone(), aggregate });
            }
        }
        lines
    }
}

impl Table {
    /// Forgets what nobody holds and nobody would see, once in each interval.
    fn sweep(&mut self, interval: u64) {
        if self.swept == interval {
            return;
        }
        self.swept = interval;
        // A count of one cannot rise meanwhile: a handle is only ever made from this table, which is locked.
        self.series.retain(|_, series| Arc::strong_count(series) > 1 || !series.is_stale());
    }
}
