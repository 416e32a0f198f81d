//! One metric with one set of labels: what it was in each interval, and in total.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::aggregate::Aggregate;
use super::names::{Kind, Metric};
use super::settings::View;
use super::window::Window;

/// Length of an interval (`docs/spec/server-operations.md` §17.2).
pub(super) const INTERVAL_SECONDS: u64 = 10;
/// How many finished intervals are known: one minute.
pub(super) const INTERVALS_KEPT: usize = 6;

/// Time since the Unix epoch. A test brings its own.
pub(super) type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// Number of the interval an instant is in.
pub(super) fn interval_at(now: Duration) -> u64 {
    now.as_secs() / INTERVAL_SECONDS
}

/// What all series look at when they record.
pub(super) struct Core {
    clock: Clock,
    /// Zero without Prometheus.
    prometheus_retention_nanos: AtomicU64,
    /// The latest intervals in which anything was recorded, in the order they began.
    intervals: Mutex<Vec<u64>>,
}

impl Core {
    pub(super) fn new(clock: Clock) -> Core {
        Core { clock, prometheus_retention_nanos: AtomicU64::new(0), intervals: Mutex::default() }
    }

    pub(super) fn now(&self) -> Duration {
        (self.clock)()
    }

    pub(super) fn prometheus_retention(&self) -> Duration {
        Duration::from_nanos(self.prometheus_retention_nanos.load(Ordering::Relaxed))
    }

    pub(super) fn set_prometheus_retention(&self, retention: Duration) {
        let nanos = u64::try_from(retention.as_nanos()).unwrap_or(u64::MAX);
        self.prometheus_retention_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Finished intervals, oldest first.
    pub(super) fn finished(&self) -> Vec<u64> {
        let current = interval_at(self.now());
        let mut finished = self.intervals.lock().clone();
        finished.retain(|interval| *interval < current);
        finished.sort_unstable();
        finished
    }

    /// The interval to show: the last finished one, else the running one, if there is any at all.
    pub(super) fn shown(&self) -> Option<u64> {
        if let Some(last) = self.finished().last() {
            return Some(*last);
        }
        let any = !self.intervals.lock().is_empty();
        any.then(|| interval_at(self.now()))
    }

    fn note(&self, interval: u64) {
        let mut intervals = self.intervals.lock();
        if intervals.contains(&interval) {
            return;
        }
        if intervals.len() > INTERVALS_KEPT {
            intervals.remove(0);
        }
        intervals.push(interval);
    }
}

/// What makes a series: kind, name without prefix, and labels sorted by their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) labels: Vec<(&'static str, String)>,
}

impl Key {
    pub(super) fn new(kind: Kind, name: &'static str, labels: &[(&'static str, &str)]) -> Key {
        // Prometheus refuses a label that is there twice; the last one given counts.
        let mut labels: Vec<_> = labels.iter().rev().map(|(name, value)| (*name, (*value).to_owned())).collect();
        labels.sort_by_key(|(name, _)| *name);
        labels.dedup_by_key(|(name, _)| *name);
        Key { kind, name, labels }
    }
}

/// What Prometheus sees of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Export {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) last: f64,
    /// `None` if nothing was recorded lately.
    pub(super) quantiles: Option<[f64; 3]>,
}

/// One metric with one set of labels.
pub(super) struct Series {
    pub(super) key: Arc<Key>,
    pub(super) metric: Option<&'static Metric>,
    core: Arc<Core>,
    /// Bits of the [`View`]s the filters let through.
    views: AtomicU8,
    cell: Mutex<Cell>,
}

/// A short lock of its own for each series: recording takes it for a few nanoseconds.
#[derive(Default)]
struct Cell {
    /// By interval, the one recorded in last at the end.
    slots: Vec<Slot>,
    touched: Option<Duration>,
    total: Option<Total>,
    window: Option<Box<Window>>,
}

struct Slot {
    interval: u64,
    aggregate: Aggregate,
}

#[derive(Clone, Copy, Default)]
struct Total {
    count: u64,
    sum: f64,
    last: f64,
}

impl Series {
    pub(super) fn new(key: Arc<Key>, metric: Option<&'static Metric>, core: Arc<Core>, views: u8) -> Series {
        Series { key, metric, core, views: AtomicU8::new(views), cell: Mutex::default() }
    }

    pub(super) fn set_views(&self, views: u8) {
        self.views.store(views, Ordering::Relaxed);
    }

    pub(super) fn shows(&self, view: View) -> bool {
        self.views.load(Ordering::Relaxed) & view.bit() != 0
    }

    /// Takes a value down: now, for the running interval.
    pub(super) fn record(&self, value: f64) {
        let gauge = self.key.kind == Kind::Gauge;
        // One NaN would spoil every figure of its interval, and the sum for good.
        let usable = gauge || value.is_finite();
        if !usable || self.views.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = self.core.now();
        let windowed = self.key.kind == Kind::Sample && !self.core.prometheus_retention().is_zero();
        let interval = interval_at(now);
        let first = {
            let mut cell = self.cell.lock();
            cell.touched = Some(now);
            cell.add_to_total(value);
            if windowed {
                cell.window.get_or_insert_default().record(now, value);
            }
            cell.add_to_interval(interval, value, gauge)
        };
        if first {
            self.core.note(interval);
        }
    }

    /// What was recorded in an interval, if anything was.
    pub(super) fn aggregate(&self, interval: u64) -> Option<Aggregate> {
        self.cell.lock().slots.iter().find(|slot| slot.interval == interval).map(|slot| slot.aggregate)
    }

    /// What Prometheus sees; `None` if never touched, or not for the retention time: it then starts again at zero.
    pub(super) fn export(&self) -> Option<Export> {
        let now = self.core.now();
        let mut cell = self.cell.lock();
        if !self.is_permanent() && cell.untouched_for(self.core.prometheus_retention(), now) {
            cell.total = None;
            cell.window = None;
        }
        let total = cell.total?;
        let quantiles = cell.window.as_ref().and_then(|window| window.quantiles(now));
        Some(Export { count: total.count, sum: total.sum, last: total.last, quantiles })
    }

    /// Whether nothing would be lost if this series were forgotten.
    pub(super) fn is_stale(&self) -> bool {
        let minute = Duration::from_secs(INTERVAL_SECONDS * INTERVALS_KEPT as u64);
        let keep = self.core.prometheus_retention().max(minute);
        !self.is_permanent() && self.cell.lock().untouched_for(keep, self.core.now())
    }

    /// Declared metrics without labels are always shown to Prometheus (`docs/spec/server-operations.md` §17.3).
    fn is_permanent(&self) -> bool {
        self.key.labels.is_empty() && self.metric.is_some_and(|metric| metric.declared)
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.key, f)
    }
}

impl Cell {
    fn untouched_for(&self, time: Duration, now: Duration) -> bool {
        self.touched.is_none_or(|touched| now.saturating_sub(touched) > time)
    }

    fn add_to_total(&mut self, value: f64) {
        let total = self.total.get_or_insert_default();
        total.count += 1;
        total.sum += value;
        total.last = value;
    }

    /// Answers whether this is the first value in the interval.
    fn add_to_interval(&mut self, interval: u64, value: f64, gauge: bool) -> bool {
        let first = self.turn_to(interval);
        if let Some(slot) = self.slots.last_mut() {
            if gauge { slot.aggregate.set(value) } else { slot.aggregate.add(value) }
        }
        first
    }

    /// Puts the slot of this interval at the end; answers whether it is a new one.
    fn turn_to(&mut self, interval: u64) -> bool {
        if self.slots.last().is_some_and(|slot| slot.interval == interval) {
            return false;
        }
        // A thread that read the clock just before the interval ended may come after one that read it later.
        if let Some(at) = self.slots.iter().position(|slot| slot.interval == interval) {
            let slot = self.slots.remove(at);
            self.slots.push(slot);
            return false;
        }
        if self.slots.len() > INTERVALS_KEPT {
            self.slots.remove(0);
        }
        self.slots.push(Slot { interval, aggregate: Aggregate::default() });
        true
    }
}
