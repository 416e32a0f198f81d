//! Everything of a request that is read before the agent is asked: path, query string, bodies. The first byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, rest)) = input.split_first() else { return };
    match choice % 3 {
        0 => {
            let text = String::from_utf8_lossy(rest);
            let (path, query) = text.split_once('?').unwrap_or((&text, ""));
            http_api::fuzzing::target(path, query);
        }
        1 => http_api::fuzzing::txn_body(rest),
        _ => http_api::fuzzing::register_body(rest),
    }
});
