//! Snapshot archives from anywhere: reading one never panics, stays within its bounds, and what is accepted survives
//! being packed again.
//!
//! The first byte says what the rest is: an archive, a tar container to be compressed, or a bare state to be counted.

#![no_main]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use snapshot::{KvGrouping, inspect, json, pretty, read_archive_within, write_archive};

/// Keeps one input from filling the memory of the fuzzer, not of the reader.
const STATE_LIMIT_BYTES: u64 = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((form, rest)) = input.split_first() else { return };
    match form % 3 {
        0 => check_archive(rest),
        1 => check_archive(&compressed(rest)),
        _ => check_state(rest),
    }
});

fn compressed(container: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(container).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn check_archive(archive: &[u8]) {
    let mut state = Vec::new();
    let outcome = read_archive_within(archive, &mut state, STATE_LIMIT_BYTES);
    assert!(state.len() as u64 <= STATE_LIMIT_BYTES);
    let Ok(meta) = outcome else { return };

    let mut again = Vec::new();
    write_archive(&mut again, &meta, state.as_slice()).expect("an accepted archive can be packed again");
    let mut state_again = Vec::new();
    let meta_again = read_archive_within(again.as_slice(), &mut state_again, STATE_LIMIT_BYTES)
        .expect("an archive of our own can be read");
    assert_eq!(meta, meta_again);
    assert_eq!(state, state_again);
    check_state(&state);
}

fn check_state(state: &[u8]) {
    let grouping = KvGrouping { depth: 2, prefix: String::new() };
    let Ok(stats) = inspect(state, Some(&grouping)) else { return };
    assert!(stats.total_bytes <= state.len() as u64);
    assert!(stats.total_key_bytes <= stats.total_bytes);
    let meta = snapshot::Meta::default();
    pretty(&meta, &stats);
    json(&meta, &stats).expect("statistics can be written");
}
