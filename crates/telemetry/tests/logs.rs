//! What the rest of the agent may count on: lines, levels, streams.

#![allow(clippy::unwrap_used, reason = "the helpers of these tests")]

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use telemetry::{FileSettings, Level, List, LogSettings, LogSubscriber, Logs, STREAM_QUEUE_LINES, Seams, Zone, build};
use tracing::subscriber::with_default;
use tracing::{debug, error, info, trace, warn};

/// Standard output that a test can read.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(level: Level) -> LogSettings {
    LogSettings { level, json: false, file: None, stdout: true }
}

/// Held by one test at a time: which log statements are on is known per process, and a test that changes a level
/// outside its own subscriber would switch off those of the others. The agent has one subscriber for all threads.
static TURN: Mutex<()> = Mutex::new(());

fn start(settings: LogSettings) -> (MutexGuard<'static, ()>, Logs, LogSubscriber, Screen) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let screen = Screen::default();
    let now = UNIX_EPOCH + Duration::from_micros(1_669_802_400_123_456);
    let seams = Seams { now: Arc::new(move || now), zone: Zone::utc(), stdout: Box::new(screen.clone()) };
    let (logs, subscriber) = build(settings, seams).unwrap();
    (turn, logs, subscriber, screen)
}

/// What a program logs at a level, on a released standard output.
fn printed(settings: LogSettings, program: impl FnOnce()) -> String {
    let (_turn, logs, subscriber, screen) = start(settings);
    logs.release();
    with_default(subscriber, program);
    logs.flush();
    screen.text()
}

#[test]
fn an_event_becomes_a_line_of_text() {
    let text = printed(settings(Level::INFO), || {
        let address = "10.0.0.1:8300";
        info!(target: "agent.server.raft", { "leader-address" = %address }, "entering follower state");
    });
    let expected = "2022-11-30T10:00:00.123Z [INFO]  agent.server.raft: entering follower state: \
                    leader-address=10.0.0.1:8300\n";
    assert_eq!(text, expected);
}

#[test]
fn an_event_becomes_a_json_object() {
    let text = printed(LogSettings { json: true, ..settings(Level::INFO) }, || {
        info!(target: "agent", count = 3, ok = true, addresses = ?List(&["a", "b"]), "joined {}", "<x>");
    });
    let expected = "{\"@level\":\"info\",\"@message\":\"joined \\u003cx\\u003e\",\"@module\":\"agent\",\
                    \"@timestamp\":\"2022-11-30T10:00:00.123456Z\",\"addresses\":[\"a\",\"b\"],\"count\":3,\"ok\":true}\n";
    assert_eq!(text, expected);
}

#[test]
fn every_kind_of_field_prints_as_in_the_reference() {
    let text = printed(settings(Level::INFO), || {
        let failure = io::Error::other("disk full");
        let error: &(dyn std::error::Error + 'static) = &failure;
        info!(
            target: "agent",
            text = "two words",
            empty = "",
            shown = %"",
            number = -3_i64,
            size = u64::MAX,
            share = 0.5,
            flag = false,
            r#type = "kv",
            list = ?List(&["a:1", "b c"]),
            error,
            "m"
        );
    });
    let expected = "agent: m: text=\"two words\" empty=\"\" shown= number=-3 size=18446744073709551615 share=0.5 \
                    flag=false type=kv list=[\"a:1\", \"b c\"] error=\"disk full\"\n";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn lines_wait_for_the_release_and_keep_their_order() {
    let (_turn, logs, subscriber, screen) = start(settings(Level::INFO));
    with_default(subscriber, || {
        for number in 0..1000 {
            info!(target: "agent", number, "early");
        }
        logs.flush();
        assert_eq!(screen.text(), "");
        logs.release();
        for number in 1000..2000 {
            info!(target: "agent", number, "late");
        }
    });
    logs.flush();
    let numbers: Vec<usize> =
        screen.text().lines().map(|line| line.rsplit('=').next().unwrap().parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..2000));
}

#[test]
fn a_level_lets_itself_and_graver_levels_through() {
    let cases = [
        (Level::ERROR, "E"),
        (Level::WARN, "EW"),
        (Level::INFO, "EWI"),
        (Level::DEBUG, "EWID"),
        (Level::TRACE, "EWIDT"),
    ];
    for (level, expected) in cases {
        let text = printed(settings(level), || {
            error!(target: "agent", "x");
            warn!(target: "agent", "x");
            info!(target: "agent", "x");
            debug!(target: "agent", "x");
            trace!(target: "agent", "x");
        });
        let tags: String = text.lines().map(|line| &line[26..27]).collect();
        assert_eq!(tags, expected, "{level}");
    }
}

#[test]
fn the_level_changes_while_running_and_a_bad_name_changes_nothing() {
    let (_turn, logs, subscriber, screen) = start(settings(Level::INFO));
    logs.release();
    with_default(subscriber, || {
        debug!(target: "agent", "one");
        logs.set_level("debug").unwrap();
        debug!(target: "agent", "two");
        assert!(logs.set_level("loud").is_err());
        debug!(target: "agent", "three");
        logs.set_level("ERR").unwrap();
        debug!(target: "agent", "four");
    });
    logs.flush();
    let words: Vec<_> = screen.text().lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(words, ["two", "three"]);
    assert_eq!(logs.level(), Level::ERROR);
}

#[test]
fn streams_have_levels_and_forms_of_their_own() {
    let (_turn, logs, subscriber, screen) = start(settings(Level::WARN));
    logs.release();
    let mut everything = logs.subscribe(Level::TRACE, false);
    let mut errors = logs.subscribe(Level::ERROR, true);
    with_default(subscriber, || {
        trace!(target: "agent.fsm", "one");
        error!(target: "agent", "two");
    });
    logs.flush();

    let two = "2022-11-30T10:00:00.123Z [ERROR] agent: two\n";
    assert_eq!(screen.text(), two);
    assert_eq!(everything.try_recv().as_deref(), Some("2022-11-30T10:00:00.123Z [TRACE] agent.fsm: one\n"));
    assert_eq!(everything.try_recv().as_deref(), Some(two));
    assert_eq!(everything.try_recv(), None);
    let json = "{\"@level\":\"error\",\"@message\":\"two\",\"@module\":\"agent\",\
                \"@timestamp\":\"2022-11-30T10:00:00.123456Z\"}\n";
    assert_eq!(errors.try_recv().as_deref(), Some(json));
    assert_eq!(errors.try_recv(), None);
}

#[test]
fn a_level_nobody_wants_is_disabled() {
    let (_turn, logs, subscriber, _screen) = start(settings(Level::INFO));
    with_default(subscriber, || {
        let debug_is_on = || tracing::enabled!(target: "agent", Level::DEBUG);
        assert!(!debug_is_on());
        let stream = logs.subscribe(Level::DEBUG, false);
        assert!(debug_is_on());
        drop(stream);
        assert!(!debug_is_on());
    });
}

#[test]
fn a_slow_stream_loses_the_newest_lines_and_counts_them() {
    let (_turn, logs, subscriber, _screen) = start(settings(Level::INFO));
    let mut stream = logs.subscribe(Level::INFO, false);
    with_default(subscriber, || {
        for number in 0..STREAM_QUEUE_LINES + 3 {
            info!(target: "agent", number, "x");
        }
    });
    assert_eq!(stream.dropped(), 3);
    let mut last = None;
    let mut count = 0;
    while let Some(line) = stream.try_recv() {
        last = Some(line);
        count += 1;
    }
    assert_eq!(count, STREAM_QUEUE_LINES);
    assert!(last.unwrap().ends_with(&format!("number={}\n", STREAM_QUEUE_LINES - 1)));
}

#[test]
fn libraries_are_heard_at_trace_only_and_never_below_info() {
    let program = || {
        warn!(target: "h2::codec", "from a library");
        debug!(target: "h2::codec", "a header");
        let _span = tracing::info_span!("request").entered();
    };
    assert_eq!(printed(settings(Level::DEBUG), program), "");
    let heard = "2022-11-30T10:00:00.123Z [TRACE] agent: [h2::codec] from a library\n";
    assert_eq!(printed(settings(Level::TRACE), program), heard);
}

fn only_file(folder: &Path) -> String {
    let mut entries = fs::read_dir(folder).unwrap();
    let text = fs::read_to_string(entries.next().unwrap().unwrap().path()).unwrap();
    assert!(entries.next().is_none());
    text
}

#[test]
fn the_file_gets_every_line_without_waiting_for_the_release() {
    let folder = tempfile::tempdir().unwrap();
    let file = FileSettings {
        path: folder.path().join("x.log"),
        rotate_bytes: 0,
        rotate_duration: Duration::ZERO,
        max_files: 0,
    };
    let (_turn, logs, subscriber, screen) = start(LogSettings { file: Some(file), ..settings(Level::INFO) });
    with_default(subscriber, || info!(target: "agent", "x"));
    logs.flush();
    assert_eq!(only_file(folder.path()), "2022-11-30T10:00:00.123Z [INFO]  agent: x\n");
    assert_eq!(screen.text(), "");
}

#[test]
fn a_file_that_cannot_be_written_is_reported_once_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let file =
        FileSettings { path: inner.join("x.log"), rotate_bytes: 1, rotate_duration: Duration::ZERO, max_files: 0 };
    let (_turn, logs, subscriber, screen) = start(LogSettings { file: Some(file), ..settings(Level::INFO) });
    logs.release();
    fs::remove_dir_all(&inner).unwrap();
    with_default(subscriber, || {
        for _ in 0..4 {
            info!(target: "agent", "x");
        }
    });
    drop(logs);
    let text = screen.text();
    assert_eq!(text.matches("agent: x\n").count(), 4, "{text}");
    assert_eq!(text.matches("[ERROR] agent: Log file cannot be written").count(), 1, "{text}");
}
