//! Any bytes as a DNS request and as a recursor's reply. What is read is written, compressed and not, and must be read again the
//! same; the grammar of names ends on every name.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| dns::fuzz(packet));
