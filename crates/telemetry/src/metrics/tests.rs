//! Rules of the registry, on a clock that the tests drive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::names;
use super::registry::{NoInterval, Registry, SERIES_MAX};
use super::settings::Settings;

/// 2017-08-08 02:55:10 UTC, the begin of an interval.
const BEGIN_SECONDS: u64 = 1_502_160_910;

/// A clock that stands until it is told to move.
#[derive(Clone)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn start() -> (TestClock, Registry) {
        let clock = TestClock(Arc::new(AtomicU64::new(BEGIN_SECONDS * 1000)));
        let millis = clock.0.clone();
        (clock, Registry::new(Box::new(move || Duration::from_millis(millis.load(Ordering::SeqCst)))))
    }

    fn advance_seconds(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    fn set_back_seconds(&self, seconds: u64) {
        self.0.fetch_sub(seconds * 1000, Ordering::SeqCst);
    }
}

fn names_of(shown: &Value, list: &str) -> Vec<String> {
    let entries = shown[list].as_array().unwrap();
    entries.iter().map(|entry| format!("{}{}", entry["Name"].as_str().unwrap(), entry["Labels"])).collect()
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|candidate| candidate == line)
}

#[test]
fn nothing_recorded_is_no_interval() {
    let (_, registry) = TestClock::start();
    let _untouched = registry.counter("raft.apply", &[]);
    assert_eq!(registry.display(), Err(NoInterval));
    assert_eq!(NoInterval.to_string(), "no metric intervals have been initialized yet");
}

#[test]
fn the_shape_of_an_interval() {
    let (_, registry) = TestClock::start();
    registry.gauge("runtime.alloc_bytes", &[]).set(4_704_344.0);
    registry.counter("raft.apply", &[]).one();
    let sample = registry.sample("fsm.kvs", &[("op", "set")]);
    [1.0, 2.0, 3.0].into_iter().for_each(|value| sample.record(value));
    let expected = json!({
        "Timestamp": "2017-08-08 02:55:10 +0000 UTC",
        "Gauges": [{"Name": "consul.runtime.alloc_bytes", "Value": 4_704_344, "Labels": {}}],
        "Points": [],
        "Counters": [{
            "Name": "consul.raft.apply", "Count": 1, "Rate": 0.1, "Sum": 1, "Min": 1, "Max": 1, "Mean": 1, "Stddev": 0,
            "Labels": {},
        }],
        "Samples": [{
            "Name": "consul.fsm.kvs", "Count": 3, "Rate": 0.6, "Sum": 6, "Min": 1, "Max": 3, "Mean": 2, "Stddev": 1,
            "Labels": {"op": "set"},
        }],
    });
    let shown = registry.display().unwrap();
    assert_eq!(shown, expected);
    assert_eq!(shown.to_string(), expected.to_string(), "the order of the keys, too");
}

#[test]
fn lists_are_never_null() {
    let (clock, registry) = TestClock::start();
    registry.counter("raft.apply", &[]).one();
    clock.advance_seconds(10);
    registry.gauge("raft.peers", &[]).set(1.0);
    clock.advance_seconds(10);
    let shown = registry.display().unwrap();
    assert_eq!(shown["Counters"], json!([]));
    assert_eq!(shown["Samples"], json!([]));
    assert_eq!(shown["Points"], json!([]));
}

#[test]
fn the_last_finished_interval_is_shown_and_the_running_one_only_if_it_is_all_there_is() {
    let (clock, registry) = TestClock::start();
    let counter = registry.counter("raft.apply", &[]);
    let timestamp = || registry.display().unwrap()["Timestamp"].as_str().unwrap().to_owned();
    let count = || registry.display().unwrap()["Counters"][0]["Count"].clone();
    counter.one();
    assert_eq!(timestamp(), "2017-08-08 02:55:10 +0000 UTC");
    clock.advance_seconds(9);
    counter.one();
    assert_eq!(count(), 2, "the interval is aligned to the wall clock");
    clock.advance_seconds(1);
    counter.one();
    assert_eq!((timestamp().as_str(), count()), ("2017-08-08 02:55:10 +0000 UTC", json!(2)));
    clock.advance_seconds(10);
    assert_eq!((timestamp().as_str(), count()), ("2017-08-08 02:55:20 +0000 UTC", json!(1)));
    clock.advance_seconds(3600);
    assert_eq!(timestamp(), "2017-08-08 02:55:20 +0000 UTC", "intervals without anything do not count");
}

#[test]
fn a_metric_is_listed_only_where_it_was_touched() {
    let (clock, registry) = TestClock::start();
    registry.gauge("version", &[("version", "1.14.2"), ("pre_release", "")]).set(1.0);
    registry.gauge("runtime.alloc_bytes", &[]).set(1.0);
    clock.advance_seconds(10);
    let version = r#"consul.version{"pre_release":"","version":"1.14.2"}"#;
    assert_eq!(names_of(&registry.display().unwrap(), "Gauges"), ["consul.runtime.alloc_bytes{}", version]);
    registry.gauge("runtime.alloc_bytes", &[]).set(1.0);
    clock.advance_seconds(10);
    assert_eq!(names_of(&registry.display().unwrap(), "Gauges"), ["consul.runtime.alloc_bytes{}"]);
}

#[test]
fn lists_are_sorted_by_name_then_labels() {
    let (_, registry) = TestClock::start();
    type Case = (&'static str, &'static [(&'static str, &'static str)]);
    let cases: [Case; 6] = [
        ("fsm.kvs", &[("op", "set")]),
        ("fsm.kvs", &[("op", "cas")]),
        ("fsm.kvs", &[]),
        ("api.http", &[("path", "v1_kv_"), ("method", "PUT")]),
        ("api.http", &[("method", "GET"), ("path", "v1_kv_")]),
        ("fsm.kvs.more", &[]),
    ];
    for (name, labels) in cases {
        registry.sample(name, labels).record(1.0);
    }
    let expected = [
        r#"consul.api.http{"method":"GET","path":"v1_kv_"}"#,
        r#"consul.api.http{"method":"PUT","path":"v1_kv_"}"#,
        "consul.fsm.kvs{}",
        "consul.fsm.kvs.more{}",
        r#"consul.fsm.kvs{"op":"cas"}"#,
        r#"consul.fsm.kvs{"op":"set"}"#,
    ];
    assert_eq!(names_of(&registry.display().unwrap(), "Samples"), expected);
}

#[test]
fn handles_of_one_name_share_what_they_count() {
    let (_, registry) = TestClock::start();
    let counter = registry.counter("client.rpc", &[]);
    counter.one();
    counter.clone().add(2.0);
    registry.counter("client.rpc", &[]).one();
    // Labels make another series, and so does the kind.
    registry.counter("client.rpc", &[("server", "a")]).one();
    registry.sample("client.rpc", &[]).record(1.0);
    let shown = registry.display().unwrap();
    assert_eq!(shown["Counters"][0]["Count"], 3);
    assert_eq!(shown["Counters"][0]["Sum"], 4);
    assert_eq!(names_of(&shown, "Counters"), ["consul.client.rpc{}", r#"consul.client.rpc{"server":"a"}"#]);
    assert_eq!(names_of(&shown, "Samples"), ["consul.client.rpc{}"]);
}

#[test]
fn the_last_label_of_a_name_counts() {
    let (_, registry) = TestClock::start();
    let labels = [("tag", "b"), ("service", "web"), ("tag", "a")];
    registry.counter("health.service.query-tags", &labels).one();
    registry.counter("health.service.query-tags", &[("service", "web"), ("tag", "a")]).one();
    let shown = registry.display().unwrap();
    let expected = r#"consul.health.service.query-tags{"service":"web","tag":"a"}"#;
    assert_eq!(names_of(&shown, "Counters"), [expected]);
    assert_eq!(shown["Counters"][0]["Count"], 2);
}

#[test]
fn a_gauge_shows_its_last_value_and_nothing_if_it_has_none() {
    let (_, registry) = TestClock::start();
    let gauge = registry.gauge("raft.peers", &[]);
    let value = || registry.display().unwrap()["Gauges"].clone();
    gauge.set(5.0);
    gauge.set(3.5);
    assert_eq!(value()[0]["Value"], 3.5);
    gauge.set(f64::NAN);
    assert_eq!(value(), json!([]));
    gauge.set(1.0);
    assert_eq!(value()[0]["Value"], 1);
}

#[test]
fn values_that_are_no_numbers_spoil_nothing() {
    let (_, registry) = TestClock::start();
    let sample = registry.sample("kvs.apply", &[]);
    [1.0, f64::NAN, f64::INFINITY, 3.0].into_iter().for_each(|value| sample.record(value));
    [f64::MAX, f64::MAX].into_iter().for_each(|value| registry.counter("raft.apply", &[]).add(value));
    let shown = registry.display().unwrap();
    assert_eq!(shown["Samples"][0]["Count"], 2);
    assert_eq!(shown["Samples"][0]["Mean"], 2);
    assert!(!shown.to_string().contains("null"), "{shown}");
}

#[test]
fn some_metrics_have_an_older_name_too() {
    let (_, registry) = TestClock::start();
    registry.gauge("state.nodes", &[("datacenter", "dc1")]).set(2.0);
    registry.gauge("server.isLeader", &[]).set(1.0);
    let expected = [
        r#"consul.consul.state.nodes{"datacenter":"dc1"}"#,
        "consul.server.isLeader{}",
        r#"consul.state.nodes{"datacenter":"dc1"}"#,
    ];
    assert_eq!(names_of(&registry.display().unwrap(), "Gauges"), expected);
}

#[test]
fn settings_concern_metrics_made_before_and_after() {
    let (_, registry) = TestClock::start();
    let before = registry.counter("raft.apply", &[]);
    before.one();
    registry.configure(Settings {
        prefix: "site".to_owned(),
        blocked_prefixes: vec!["site.kvs".to_owned(), "site.consul.state".to_owned()],
        ..Settings::default()
    });
    before.one();
    registry.sample("kvs.apply", &[]).record(1.0);
    registry.gauge("state.nodes", &[]).set(1.0);
    let shown = registry.display().unwrap();
    assert_eq!(names_of(&shown, "Counters"), ["site.raft.apply{}"]);
    assert_eq!(shown["Counters"][0]["Count"], 2, "what came before the settings is not lost");
    assert_eq!(names_of(&shown, "Samples"), Vec::<String>::new());
    assert_eq!(names_of(&shown, "Gauges"), ["site.state.nodes{}"], "each name is filtered for itself");
    registry.configure(Settings::default());
    registry.sample("kvs.apply", &[]).record(2.0);
    let shown = registry.display().unwrap();
    assert_eq!(shown["Samples"][0]["Sum"], 2, "what was blocked was not counted");
}

#[test]
fn a_clock_that_is_set_back_loses_nothing() {
    let (clock, registry) = TestClock::start();
    let counter = registry.counter("raft.apply", &[]);
    counter.one();
    clock.advance_seconds(10);
    counter.one();
    clock.set_back_seconds(1);
    counter.one();
    clock.advance_seconds(1);
    counter.one();
    assert_eq!(registry.display().unwrap()["Counters"][0]["Count"], 2);
    clock.advance_seconds(10);
    assert_eq!(registry.display().unwrap()["Counters"][0]["Count"], 2);
    clock.set_back_seconds(86_400);
    counter.one();
    assert_eq!(registry.display().unwrap()["Timestamp"], "2017-08-07 02:55:30 +0000 UTC");
    clock.advance_seconds(10);
    counter.one();
    assert_eq!(registry.display().unwrap()["Timestamp"], "2017-08-07 02:55:30 +0000 UTC");
}

#[test]
fn one_minute_is_kept() {
    let (clock, registry) = TestClock::start();
    for n in 0..20 {
        registry.counter("raft.apply", &[]).add(f64::from(n));
        registry.gauge("raft.peers", &[("a", "b")]).set(2.0);
        clock.advance_seconds(10);
    }
    registry.counter("raft.apply", &[]).one();
    let dump = registry.dump();
    let lines: Vec<_> = dump.lines().collect();
    assert_eq!(lines.len(), 12, "{dump}");
    assert_eq!(lines[0], "[2017-08-08 02:57:30 +0000 UTC][G] 'consul.raft.peers.b': 2.000");
    assert_eq!(lines[11], "[2017-08-08 02:58:20 +0000 UTC][C] 'consul.raft.apply': Count: 1 Sum: 19.000");
}

#[test]
fn a_dump_shows_the_spread_where_there_is_one() {
    let (clock, registry) = TestClock::start();
    let sample = registry.sample("kvs.apply", &[]);
    [1.0, 3.0].into_iter().for_each(|value| sample.record(value));
    clock.advance_seconds(10);
    let expected = "[2017-08-08 02:55:10 +0000 UTC][S] 'consul.kvs.apply': \
        Count: 2 Min: 1.000 Mean: 2.000 Max: 3.000 Stddev: 1.414 Sum: 4.000\n";
    assert_eq!(registry.dump(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_gets_each_interval_as_it_ends() {
    let begin = tokio::time::Instant::now();
    let clock = move || Duration::from_millis(BEGIN_SECONDS * 1000 + 3_000) + begin.elapsed();
    let registry = Registry::new(Box::new(clock));
    registry.counter("raft.apply", &[]).one();
    let first = registry.next_interval().await;
    assert_eq!(begin.elapsed().as_secs(), 7);
    assert_eq!(first["Timestamp"], "2017-08-08 02:55:10 +0000 UTC");
    assert_eq!(first["Counters"][0]["Count"], 1);
    let second = registry.next_interval().await;
    assert_eq!(begin.elapsed().as_secs(), 17);
    assert_eq!(second["Timestamp"], "2017-08-08 02:55:20 +0000 UTC");
    assert_eq!(second["Counters"], json!([]));
}

#[test]
fn prometheus_is_off_without_a_retention_time() {
    let (_, registry) = TestClock::start();
    registry.counter("raft.apply", &[]).one();
    assert!(!registry.prometheus_enabled());
    assert_eq!(registry.prometheus(), "");
    registry.enable_prometheus(Duration::from_secs(60));
    assert!(registry.prometheus_enabled());
    assert!(has_line(&registry.prometheus(), "consul_raft_apply 1"), "what came before counts");
    registry.configure(Settings::default());
    assert!(!registry.prometheus_enabled());
}

fn with_prometheus() -> (TestClock, Registry) {
    let (clock, registry) = TestClock::start();
    registry.configure(Settings { prometheus_retention: Duration::from_secs(60), ..Settings::default() });
    (clock, registry)
}

#[test]
fn declared_metrics_are_there_from_the_start() {
    let (clock, registry) = with_prometheus();
    for seconds in [0, 86_400] {
        clock.advance_seconds(seconds);
        let text = registry.prometheus();
        for line in [
            "# TYPE consul_version gauge",
            "consul_version 0",
            "consul_catalog_service_query_tag 0",
            "consul_consul_state_nodes 0",
            "# TYPE consul_fsm_coordinate_batch_update summary",
            "consul_fsm_coordinate_batch_update{quantile=\"0.5\"} NaN",
            "consul_fsm_coordinate_batch_update{quantile=\"0.9\"} NaN",
            "consul_fsm_coordinate_batch_update{quantile=\"0.99\"} NaN",
            "consul_fsm_coordinate_batch_update_sum 0",
            "consul_fsm_coordinate_batch_update_count 0",
        ] {
            assert!(has_line(&text, line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("consul_health_"), "{text}");
        assert!(!text.contains("consul_runtime_"), "{text}");
    }
}

#[test]
fn a_labelled_series_stands_next_to_the_declared_one() {
    let (_, registry) = with_prometheus();
    registry.gauge("version", &[("version", "1.14.2"), ("pre_release", "")]).set(1.0);
    let text = registry.prometheus();
    let family = "# TYPE consul_version gauge\n\
        consul_version 0\n\
        consul_version{pre_release=\"\",version=\"1.14.2\"} 1\n";
    assert!(text.contains(family), "{text}");
}

#[test]
fn a_declared_metric_keeps_its_value_and_others_expire() {
    let (clock, registry) = with_prometheus();
    let declared = registry.counter("raft.apply", &[]);
    let labelled = registry.counter("catalog.service.query", &[("service", "web")]);
    let other = registry.gauge("raft.peers", &[]);
    let update = || {
        declared.add(2.0);
        labelled.add(2.0);
        other.set(3.0);
    };
    let labelled_line = "consul_catalog_service_query{service=\"web\"} 2";
    update();
    clock.advance_seconds(60);
    let text = registry.prometheus();
    assert!(has_line(&text, labelled_line) && has_line(&text, "consul_raft_peers 3"), "{text}");
    clock.advance_seconds(1);
    let text = registry.prometheus();
    assert!(has_line(&text, "consul_raft_apply 2"), "{text}");
    assert!(has_line(&text, "consul_catalog_service_query 0"), "{text}");
    assert!(!text.contains("service=\"web\"") && !text.contains("consul_raft_peers"), "{text}");
    update();
    let text = registry.prometheus();
    assert!(has_line(&text, "consul_raft_apply 4"), "{text}");
    assert!(has_line(&text, labelled_line), "what expired starts again at zero: {text}");
}

#[test]
fn a_summary_has_quantiles_of_ten_seconds_and_totals_of_all_time() {
    let (clock, registry) = with_prometheus();
    let sample = registry.sample("kvs.apply", &[]);
    sample.record(0.25);
    let summary = |quantile: &str| {
        format!(
            "# TYPE consul_kvs_apply summary\n\
             consul_kvs_apply{{quantile=\"0.5\"}} {quantile}\n\
             consul_kvs_apply{{quantile=\"0.9\"}} {quantile}\n\
             consul_kvs_apply{{quantile=\"0.99\"}} {quantile}\n\
             consul_kvs_apply_sum 0.25\n\
             consul_kvs_apply_count 1\n"
        )
    };
    assert!(registry.prometheus().contains(&summary("0.25")), "{}", registry.prometheus());
    clock.advance_seconds(11);
    assert!(registry.prometheus().contains(&summary("NaN")), "{}", registry.prometheus());
}

#[test]
fn every_family_has_one_head_and_they_are_sorted() {
    let (_, registry) = with_prometheus();
    registry.sample("api.http", &[("method", "PUT"), ("path", "v1_kv_")]).record(1.0);
    registry.sample("api.http", &[("method", "GET"), ("path", "v1_kv_")]).record(1.0);
    registry.counter("not.in.the.table", &[]).one();
    let text = registry.prometheus();
    let heads: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let mut sorted = heads.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(heads, sorted);
    let helps = text.lines().filter(|line| line.starts_with("# HELP ")).count();
    assert_eq!(heads.len(), helps);
    assert!(has_line(&text, "# HELP consul_not_in_the_table consul_not_in_the_table"));
    let get = text.find("method=\"GET\"").unwrap();
    let put = text.find("method=\"PUT\"").unwrap();
    assert!(get < put);
}

#[test]
fn what_nobody_holds_and_nobody_sees_is_forgotten() {
    let (clock, registry) = TestClock::start();
    let held = registry.counter("catalog.service.query", &[("service", "held")]);
    held.one();
    registry.counter("catalog.service.query", &[("service", "dropped")]).one();
    registry.counter("raft.apply", &[]).one();
    assert_eq!(registry.len(), 3);
    clock.advance_seconds(60);
    registry.counter("a", &[]).one();
    assert_eq!(registry.len(), 4, "a minute is not over");
    clock.advance_seconds(10);
    registry.counter("b", &[]).one();
    assert_eq!(registry.len(), 4, "only the dropped one is gone");
    held.one();
    clock.advance_seconds(10);
    let shown = registry.display().unwrap();
    assert!(names_of(&shown, "Counters").contains(&r#"consul.catalog.service.query{"service":"held"}"#.to_owned()));
}

#[test]
fn there_is_a_limit_to_series() {
    let (_, registry) = TestClock::start();
    for n in 0..SERIES_MAX + 10 {
        registry.counter("catalog.service.not-found", &[("service", n.to_string().as_str())]).one();
    }
    assert_eq!(registry.len(), SERIES_MAX);
    let known = registry.counter("catalog.service.not-found", &[("service", "0")]);
    known.one();
    assert_eq!(registry.display().unwrap()["Counters"].as_array().unwrap().len(), SERIES_MAX);
}

#[test]
fn a_timing_is_recorded_however_its_scope_is_left() {
    let (_, registry) = TestClock::start();
    let sample = registry.sample("kvs.apply", &[]);
    let leave_early = |early: bool| {
        let _timing = sample.timing();
        if early { Err(()) } else { Ok(()) }
    };
    assert!(leave_early(true).is_err() && leave_early(false).is_ok());
    let shown = registry.display().unwrap();
    assert_eq!(shown["Samples"][0]["Count"], 2);
    assert!(shown["Samples"][0]["Min"].as_f64().unwrap() >= 0.0);
}

#[test]
fn the_process_tells_of_itself() {
    let (_, registry) = with_prometheus();
    super::process::collect(&registry, 12);
    let shown = names_of(&registry.display().unwrap(), "Gauges");
    assert!(shown.contains(&"consul.runtime.num_goroutines{}".to_owned()), "{shown:?}");
    assert!(shown.contains(&"consul.runtime.alloc_bytes{}".to_owned()), "{shown:?}");
    assert!(registry.prometheus().contains("\nprocess_resident_memory_bytes "));
}

#[test]
fn what_the_process_tells_is_in_the_table() {
    let (_, registry) = TestClock::start();
    super::process::collect(&registry, 1);
    for gauge in registry.display().unwrap()["Gauges"].as_array().unwrap() {
        let name = gauge["Name"].as_str().unwrap().strip_prefix("consul.").unwrap();
        assert!(names::find(names::Kind::Gauge, name).is_some(), "{name}");
    }
}
