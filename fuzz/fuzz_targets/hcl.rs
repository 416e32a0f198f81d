//! Parses any text as HCL and as strict JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = wire::hcl::parse(text);
    let _ = wire::hcl::parse_json(text);
});
