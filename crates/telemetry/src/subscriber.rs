//! From `tracing` events to lines in every place that wants them.

use std::fmt::{self, Debug, Formatter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};
use tracing_core::field::{Field, Visit};
use tracing_core::subscriber::Interest;
use tracing_core::{Event, Level, LevelFilter, Metadata, Subscriber, callsite, span};

use crate::format::{Record, Value};
use crate::level::{from_rank, rank};
use crate::list;
use crate::output::Output;
use crate::stream::{Feed, LogStream, pair};
use crate::zone::Zone;

/// The root of every logger name.
pub(crate) const ROOT: &str = "agent";

/// The current time, from outside.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Where lines go and which levels are wanted; shared by the subscriber, the handle and the streams.
pub(crate) struct Hub {
    agent_rank: AtomicU8,
    /// The most verbose level anybody wants, so that a disabled event costs one comparison.
    widest_rank: AtomicU8,
    json: bool,
    outputs: Vec<Arc<Output>>,
    feeds: RwLock<Vec<Feed>>,
    next_feed: AtomicU64,
    /// Held while levels change, so that `widest_rank` always follows from what is in force.
    changing: Mutex<()>,
    now: Clock,
    zone: Zone,
}

impl Hub {
    pub(crate) fn new(level: Level, json: bool, outputs: Vec<Arc<Output>>, now: Clock, zone: Zone) -> Self {
        Self {
            agent_rank: AtomicU8::new(rank(level)),
            widest_rank: AtomicU8::new(rank(level)),
            json,
            outputs,
            feeds: RwLock::new(Vec::new()),
            next_feed: AtomicU64::new(0),
            changing: Mutex::new(()),
            now,
            zone,
        }
    }

    pub(crate) fn outputs(&self) -> &[Arc<Output>] {
        &self.outputs
    }

    pub(crate) fn level(&self) -> Level {
        from_rank(self.agent_rank.load(Ordering::Relaxed))
    }

    pub(crate) fn set_level(&self, level: Level) {
        self.change(|| self.agent_rank.store(rank(level), Ordering::Relaxed));
    }

    pub(crate) fn add_stream(self: &Arc<Self>, level: Level, json: bool) -> LogStream {
        let id = self.next_feed.fetch_add(1, Ordering::Relaxed);
        let (feed, stream) = pair(id, level, json, self.clone());
        self.change(|| self.feeds.write().push(feed));
        stream
    }

    pub(crate) fn remove_stream(&self, id: u64) {
        self.change(|| self.feeds.write().retain(|feed| feed.id != id));
    }

    fn change(&self, apply: impl FnOnce()) {
        let _changing = self.changing.lock();
        apply();
        let widest_feed = self.feeds.read().iter().map(|feed| rank(feed.level)).max();
        let widest = self.agent_rank.load(Ordering::Relaxed).max(widest_feed.unwrap_or(0));
        self.widest_rank.store(widest, Ordering::Relaxed);
        callsite::rebuild_interest_cache();
    }

    fn widest(&self) -> Level {
        from_rank(self.widest_rank.load(Ordering::Relaxed))
    }

    /// Writes a record wherever its level is wanted, formatting it once for each form.
    fn emit(&self, record: &Record) {
        let mut text: Option<Arc<str>> = None;
        let mut json: Option<Arc<str>> = None;
        let mut line = |as_json: bool| {
            let made = if as_json { &mut json } else { &mut text };
            made.get_or_insert_with(|| if as_json { record.json().into() } else { record.text().into() }).clone()
        };
        if record.level <= self.level() {
            for output in &self.outputs {
                output.push(line(self.json));
            }
        }
        for feed in self.feeds.read().iter().filter(|feed| record.level <= feed.level) {
            feed.push(line(feed.json));
        }
    }
}

impl Debug for Hub {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("level", &self.level()).finish_non_exhaustive()
    }
}

/// The `tracing` subscriber: takes events, ignores spans.
#[derive(Debug)]
pub struct LogSubscriber {
    hub: Arc<Hub>,
}

impl LogSubscriber {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

/// The level at which an event counts. Those of libraries count as TRACE, and below INFO not at all.
fn effective_level(metadata: &Metadata<'_>) -> Option<Level> {
    if metadata.is_span() {
        return None;
    }
    if is_ours(metadata.target()) {
        return Some(*metadata.level());
    }
    (*metadata.level() <= Level::INFO).then_some(Level::TRACE)
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The answer is cached until the next change of a level, which asks again.
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        effective_level(metadata).is_some_and(|level| level <= self.hub.widest())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.hub.widest()))
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let Some(level) = effective_level(metadata) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (logger, message) = if is_ours(metadata.target()) {
            (metadata.target(), fields.message)
        } else {
            (ROOT, format!("[{}] {}", metadata.target(), fields.message))
        };
        let time = self.hub.zone.at((self.hub.now)());
        self.hub.emit(&Record { time, level, logger, message, fields: fields.pairs });
    }

    fn new_span(&self, _attributes: &span::Attributes<'_>) -> span::Id {
        // Never reached while spans are disabled; any id does, since nothing is kept.
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

/// What an event carries.
#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(&'static str, Value)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: Value) {
        // Keywords are written `r#type` in the macros.
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        if name != "message" {
            return self.pairs.push((name, value));
        }
        self.message = match value {
            Value::Text(text) | Value::Shown(text) => text,
            Value::Signed(number) => number.to_string(),
            Value::Unsigned(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::List(items) => items.join(", "),
        };
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // A value whose own formatting fails still shows the part it wrote.
        let _ = write!(text, "{value:-?}");
        let value = match list::split(&text) {
            Some(items) => Value::List(items),
            None => Value::Shown(text),
        };
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, Value::Shown(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Unsigned(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.push(field, Value::Shown(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.push(field, Value::Shown(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for infinities and not-a-number.
        self.push(field, if value.is_finite() { Value::Float(value) } else { Value::Shown(value.to_string()) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loggers_are_the_root_and_names_below_it() {
        let cases = [
            ("agent", true),
            ("agent.server.raft", true),
            ("agent::x", false),
            ("agents", false),
            ("h2::codec", false),
        ];
        for (target, ours) in cases {
            assert_eq!(is_ours(target), ours, "{target}");
        }
    }
}
