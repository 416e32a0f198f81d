//! Any bytes as the definition of a service and of a check, as an agent is sent them: reading and checking them never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| http_api::fuzzing::definitions(body));
