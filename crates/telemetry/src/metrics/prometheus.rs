//! Prometheus' text format, version 0.0.4 (`docs/spec/server-operations.md` §17.3).

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use super::names::{self, Kind, Metric};
use super::process;
use super::series::{Export, Series};
use super::settings::{Settings, View};
use super::window::QUANTILES;

/// All metrics of one name, by name.
#[derive(Default)]
pub(super) struct Families(BTreeMap<String, Family>);

struct Family {
    kind: Kind,
    help: String,
    members: Vec<Member>,
}

struct Member {
    labels: Vec<(&'static str, String)>,
    export: Export,
}

/// Everything there is to show.
pub(super) fn text(settings: &Settings, series: &[Arc<Series>]) -> String {
    let mut families = Families::default();
    let mut unlabelled = HashSet::new();
    for series in series {
        let Some(export) = series.export() else { continue };
        for view in View::ALL.into_iter().filter(|view| series.shows(*view)) {
            let key = &series.key;
            if key.labels.is_empty() {
                unlabelled.insert((view.bit(), key.kind, key.name));
            }
            let name = settings.full_name(view, key.name);
            let help = series.metric.map(|metric| help(metric, view)).unwrap_or_default();
            families.add(&name, key.kind, help, Member { labels: key.labels.clone(), export });
        }
    }
    for metric in names::TABLE.iter().filter(|metric| metric.declared) {
        let there = View::ALL.into_iter().filter(|view| *view == View::Plain || metric.doubled);
        for view in there.filter(|view| !unlabelled.contains(&(view.bit(), metric.kind, metric.name))) {
            let name = settings.full_name(view, metric.name);
            families.add(&name, metric.kind, help(metric, view), Member::zero());
        }
    }
    process::export(&mut families);
    families.text()
}

fn help(metric: &Metric, view: View) -> String {
    match view {
        View::Plain => metric.help.to_owned(),
        View::Doubled => format!("Old name of {}.", metric.name),
    }
}

impl Member {
    /// A declared metric that was not touched yet.
    fn zero() -> Member {
        Member { labels: Vec::new(), export: Export::default() }
    }
}

impl Families {
    /// Adds a metric without labels that is neither a series nor declared.
    pub(super) fn add_plain(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        let export = Export { sum: value, last: value, ..Export::default() };
        self.add(name, kind, help.to_owned(), Member { labels: Vec::new(), export });
    }

    fn add(&mut self, dotted: &str, kind: Kind, help: String, member: Member) {
        let name = sanitized(dotted);
        let help = if help.is_empty() { name.clone() } else { help };
        let family = self.0.entry(name).or_insert_with(|| Family { kind, help, members: Vec::new() });
        // A name stands for one kind; a second one would make the whole answer unreadable.
        if family.kind == kind {
            family.members.push(member);
        }
    }

    fn text(self) -> String {
        let mut text = String::new();
        for (name, mut family) in self.0 {
            family.members.sort_by(|a, b| (a.labels.len(), &a.labels).cmp(&(b.labels.len(), &b.labels)));
            family.write(&mut text, &name);
        }
        text
    }
}

impl Family {
    fn write(&self, text: &mut String, name: &str) {
        let kind = match self.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Sample => "summary",
        };
        let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
        line(text, format_args!("# HELP {name} {help}"));
        line(text, format_args!("# TYPE {name} {kind}"));
        for Member { labels, export } in &self.members {
            let shown = labels_text(labels, None);
            match self.kind {
                Kind::Gauge => line(text, format_args!("{name}{shown} {}", go_float(export.last))),
                Kind::Counter => line(text, format_args!("{name}{shown} {}", go_float(export.sum))),
                Kind::Sample => {
                    let values = export.quantiles.unwrap_or([f64::NAN; 3]);
                    for (quantile, value) in QUANTILES.into_iter().zip(values) {
                        let shown = labels_text(labels, Some(quantile));
                        line(text, format_args!("{name}{shown} {}", go_float(value)));
                    }
                    line(text, format_args!("{name}_sum{shown} {}", go_float(export.sum)));
                    line(text, format_args!("{name}_count{shown} {}", export.count));
                }
            }
        }
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}

/// `{name="value",quantile="0.5"}`, or nothing.
fn labels_text(labels: &[(&'static str, String)], quantile: Option<f64>) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
    let own = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    let quantile = quantile.map(|quantile| format!("quantile=\"{quantile}\""));
    let all = own.chain(quantile).collect::<Vec<_>>();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

/// A name as Prometheus takes it. The reference replaces these characters only; the rest, which the prefix may bring,
/// would make the answer unreadable.
fn sanitized(dotted: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let name: String = dotted.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// A float as Go's shortest `%g` prints it.
fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() };
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if value != 0.0 && !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_go_does() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.5, "0.5"),
            (132_568.0, "132568"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (20_178_560.0, "2.017856e+07"),
            (1_921_318_912.0, "1.921318912e+09"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (1e100, "1e+100"),
            (0.521_044_015_884_399_4, "0.5210440158843994"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(go_float(value), expected);
        }
    }

    #[test]
    fn names_keep_their_case_and_lose_what_is_not_allowed() {
        let cases = [
            ("consul.raft.commitTime", "consul_raft_commitTime"),
            ("consul.fsm.coordinate.batch-update", "consul_fsm_coordinate_batch_update"),
            ("consul.rpc.cross-dc", "consul_rpc_cross_dc"),
            ("a b.c=d/e", "a_b_c_d_e"),
            ("consul.serf.events.consul:new-leader", "consul_serf_events_consul:new_leader"),
            ("pré\"fix.x", "pr__fix_x"),
            ("1st.x", "_1st_x"),
        ];
        for (dotted, expected) in cases {
            assert_eq!(sanitized(dotted), expected);
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let labels = [("path", "a\"b\\c\nd".to_owned())];
        assert_eq!(labels_text(&labels, None), r#"{path="a\"b\\c\nd"}"#);
        assert_eq!(labels_text(&[], Some(0.99)), r#"{quantile="0.99"}"#);
        assert_eq!(labels_text(&[], None), "");
    }

    #[test]
    fn a_name_stands_for_one_kind() {
        let mut families = Families::default();
        families.add_plain("a.b", Kind::Gauge, "one", 1.0);
        families.add_plain("a.b", Kind::Counter, "other", 2.0);
        assert_eq!(families.text(), "# HELP a_b one\n# TYPE a_b gauge\na_b 1\n");
    }
}
