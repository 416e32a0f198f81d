//! What the configuration says about metrics (`docs/spec/config.md` §11.6).

use std::time::Duration;

use super::names::Metric;

/// Settings of the process's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// First part of every name; empty for none.
    pub prefix: String,
    /// How long Prometheus sees a metric after its last change; zero for no Prometheus.
    pub prometheus_retention: Duration,
    /// Metrics whose full name starts with one of these are kept …
    pub allowed_prefixes: Vec<String>,
    /// … unless it starts with a longer one, or the same, of these.
    pub blocked_prefixes: Vec<String>,
    /// Whether metrics are kept that no rule concerns.
    pub filter_default: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            prefix: "consul".to_owned(),
            prometheus_retention: Duration::ZERO,
            allowed_prefixes: Vec::new(),
            blocked_prefixes: Vec::new(),
            filter_default: true,
        }
    }
}

/// The names under which one metric is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// The name itself.
    Plain,
    /// The older name that some metrics have too: `consul.consul.state.nodes`.
    Doubled,
}

impl View {
    pub(super) const ALL: [View; 2] = [View::Plain, View::Doubled];

    pub(super) fn bit(self) -> u8 {
        match self {
            View::Plain => 1,
            View::Doubled => 2,
        }
    }
}

impl Settings {
    /// The dotted name people see.
    pub(super) fn full_name(&self, view: View, name: &str) -> String {
        let doubled = if view == View::Doubled { "consul" } else { "" };
        let parts = [self.prefix.as_str(), doubled, name];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// The views of a metric that the filters let through, as their bits.
    pub(super) fn views(&self, name: &str, metric: Option<&Metric>) -> u8 {
        let doubled = metric.is_some_and(|metric| metric.doubled);
        let there = View::ALL.into_iter().filter(|view| *view == View::Plain || doubled);
        let shown = there.filter(|view| self.allows(&self.full_name(*view, name)));
        shown.fold(0, |bits, view| bits | view.bit())
    }

    /// The longest rule decides.
    fn allows(&self, full_name: &str) -> bool {
        let longest =
            |rules: &[String]| rules.iter().filter(|rule| full_name.starts_with(rule.as_str())).map(String::len).max();
        match (longest(&self.allowed_prefixes), longest(&self.blocked_prefixes)) {
            (None, None) => self.filter_default,
            (allowed, blocked) => allowed > blocked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_rule_decides() {
        // allowed, blocked, default, name, kept
        type Case = (&'static [&'static str], &'static [&'static str], bool, &'static str, bool);
        let cases: &[Case] = &[
            (&[], &[], true, "consul.kvs.apply", true),
            (&[], &[], false, "consul.kvs.apply", false),
            (&["consul.kvs"], &[], false, "consul.kvs.apply", true),
            (&["consul.kvs"], &[], false, "consul.txn.apply", false),
            (&[], &["consul.kvs"], true, "consul.kvs.apply", false),
            (&["consul.kvs"], &["consul"], true, "consul.kvs.apply", true),
            (&["consul"], &["consul.kvs"], true, "consul.kvs.apply", false),
            (&["consul.kvs"], &["consul.kvs"], true, "consul.kvs.apply", false),
            (&["consul.rpc"], &["consul.rpc.server.call"], true, "consul.rpc.server.call", false),
        ];
        for (allowed, blocked, filter_default, name, kept) in cases {
            let owned = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
            let settings = Settings {
                allowed_prefixes: owned(allowed),
                blocked_prefixes: owned(blocked),
                filter_default: *filter_default,
                ..Settings::default()
            };
            assert_eq!(settings.allows(name), *kept, "{settings:?} {name}");
        }
    }

    #[test]
    fn full_names() {
        let cases = [
            ("consul", View::Plain, "consul.state.nodes"),
            ("consul", View::Doubled, "consul.consul.state.nodes"),
            ("site.a", View::Plain, "site.a.state.nodes"),
            ("site.a", View::Doubled, "site.a.consul.state.nodes"),
            ("", View::Plain, "state.nodes"),
        ];
        for (prefix, view, expected) in cases {
            let settings = Settings { prefix: prefix.to_owned(), ..Settings::default() };
            assert_eq!(settings.full_name(view, "state.nodes"), expected);
        }
    }
}
