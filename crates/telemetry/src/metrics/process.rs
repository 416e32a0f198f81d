//! Metrics of the process itself, from `/proc`.
//!
//! There is no garbage collector here: its runs and pauses are zero, and what it would count (`runtime.malloc_count`,
//! `runtime.free_count`, `runtime.heap_objects`, `runtime.gc_pause_ns`, the `go_*` families) is left out.

use std::fs;

use super::names::Kind;
use super::prometheus::Families;
use super::registry::Registry;

/// Unit of the times in `/proc/self/stat`: the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const KIB: f64 = 1024.0;

/// Sets the `runtime.*` gauges. What cannot be read is left as it is.
pub(super) fn collect(registry: &Registry, tasks: usize) {
    let gauges = runtime_gauges(&read("/proc/self/status"), tasks);
    for (name, value) in gauges {
        registry.gauge(name, &[]).set(value);
    }
}

/// Adds the `process_*` families; what cannot be read is left out.
pub(super) fn export(families: &mut Families) {
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    let (limits, system) = (read("/proc/self/limits"), read("/proc/stat"));
    for (name, kind, help, value) in process_values(&stat, &status, &limits, &system) {
        families.add_plain(name, kind, help, value);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // The look into the directory holds one of its own.
        let open = entries.count().saturating_sub(1);
        families.add_plain("process_open_fds", Kind::Gauge, "Open file descriptors.", open as f64);
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn runtime_gauges(status: &str, tasks: usize) -> Vec<(&'static str, f64)> {
    let mut gauges = vec![
        ("runtime.num_goroutines", tasks as f64),
        ("runtime.total_gc_pause_ns", 0.0),
        ("runtime.total_gc_runs", 0.0),
    ];
    // Memory that is not a file's: what was allocated, stacks included.
    gauges.extend(kib(status, "RssAnon").map(|kib| ("runtime.alloc_bytes", kib * KIB)));
    gauges.extend(kib(status, "VmRSS").map(|kib| ("runtime.sys_bytes", kib * KIB)));
    gauges
}

type ProcessValue = (&'static str, Kind, &'static str, f64);

fn process_values(stat: &str, status: &str, limits: &str, system: &str) -> Vec<ProcessValue> {
    let ticks = |field| stat_field(stat, field).map(|ticks| ticks / TICKS_PER_SECOND);
    let cpu = ticks(14).zip(ticks(15)).map(|(user, system)| user + system);
    let booted = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    let started = booted.zip(ticks(22)).map(|(booted, after)| booted + after);
    let size = stat_field(stat, 23);
    let resident = kib(status, "VmRSS").map(|kib| kib * KIB);
    let files = limit(limits, "Max open files");
    let space = limit(limits, "Max address space");
    let values = [
        ("process_cpu_seconds_total", Kind::Counter, "Processor time used, by user and system, in seconds.", cpu),
        ("process_max_fds", Kind::Gauge, "File descriptors the process may open.", files),
        ("process_resident_memory_bytes", Kind::Gauge, "Resident memory in bytes.", resident),
        ("process_start_time_seconds", Kind::Gauge, "When the process started, in seconds since 1970.", started),
        ("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory in bytes.", size),
        ("process_virtual_memory_max_bytes", Kind::Gauge, "Virtual memory the process may use; -1: all.", space),
    ];
    values.into_iter().filter_map(|(name, kind, help, value)| Some((name, kind, help, value?))).collect()
}

/// `VmRSS:      1234 kB`
fn kib(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat` by its number in proc(5). The second one, the program's name, may hold spaces.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// The soft limit; -1 for none.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(-1.0),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tconsul\nVmSize:\t  200000 kB\nVmRSS:\t   30000 kB\nRssAnon:\t   20000 kB\n";
    const STAT: &str = "42 (a) b) S 1 42 42 0 -1 4194560 500 0 0 0 150 50 0 0 20 0 9 0 12345 204800000 7500 18446744";
    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max address space         unlimited            unlimited            bytes     \n\
        Max open files            20000                524288               files     \n";

    #[test]
    fn runtime_gauges_say_what_is_known() {
        let gauges = runtime_gauges(STATUS, 17);
        let expected = [
            ("runtime.num_goroutines", 17.0),
            ("runtime.total_gc_pause_ns", 0.0),
            ("runtime.total_gc_runs", 0.0),
            ("runtime.alloc_bytes", 20_480_000.0),
            ("runtime.sys_bytes", 30_720_000.0),
        ];
        assert_eq!(gauges, expected);
        assert_eq!(runtime_gauges("", 1).len(), 3, "what cannot be read is left out");
    }

    #[test]
    fn process_values_are_read_off_proc() {
        let values = process_values(STAT, STATUS, LIMITS, "cpu  1 2\nbtime 1000\n");
        let found: Vec<_> = values.iter().map(|(name, _, _, value)| (*name, *value)).collect();
        let expected = [
            ("process_cpu_seconds_total", 2.0),
            ("process_max_fds", 20_000.0),
            ("process_resident_memory_bytes", 30_720_000.0),
            ("process_start_time_seconds", 1123.45),
            ("process_virtual_memory_bytes", 204_800_000.0),
            ("process_virtual_memory_max_bytes", -1.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn nonsense_is_left_out() {
        for text in ["", ")", "a b c", "VmRSS", "VmRSS:", "Max open files", "btime x"] {
            assert!(process_values(text, text, text, text).is_empty(), "{text}");
        }
    }
}
