//! Agent configurations from anywhere: loading one gives a configuration or an error, never a panic.
//!
//! The first byte says what the rest is: an HCL fragment, as `-hcl` takes it, or a JSON file. Either comes after a file
//! that alone is a valid configuration, so that what fits the keys is also merged and checked. The machine is made up.

#![no_main]

use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;

use config::{BuildInfo, Environment, Flags, InterfaceAddress, InterfaceFlags, load, unavailable};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

const BASE: &str = "data_dir = \"data\"\nbind_addr = \"127.0.0.1\"\n";

static FILES: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("base.hcl"), BASE).expect("a file");
    dir
});

fuzz_target!(|input: &[u8]| {
    let Some((form, text)) = input.split_first() else { return };
    if form % 2 == 0 {
        let Ok(text) = std::str::from_utf8(text) else { return };
        check(&[("config-file", "base.hcl"), ("hcl", text)]);
    } else {
        std::fs::write(FILES.path().join("input.json"), text).expect("a file");
        check(&[("config-file", "base.hcl"), ("config-file", "input.json")]);
    }
});

fn check(flags: &[(&str, &str)]) {
    let flags = Flags::from_pairs(flags.iter().copied()).expect("files and fragments take any text");
    match load(&flags, &machine(FILES.path())) {
        Ok(loaded) => {
            unavailable(&loaded);
            loaded.runtime.debug_json("", &BuildInfo::default());
        }
        Err(error) => {
            error.locations();
            let _ = error.to_string();
        }
    }
}

/// A host with a loopback and one private interface, the same on every machine that fuzzes.
fn machine(working_dir: &Path) -> Environment {
    let interface = |name: &str, address: [u8; 4], prefix_bits| InterfaceAddress {
        name: name.to_owned(),
        address: IpAddr::from(address),
        prefix_bits,
        flags: InterfaceFlags { up: true, loopback: name == "lo", ..InterfaceFlags::default() },
    };
    Environment {
        hostname: Ok("host".to_owned()),
        interfaces: vec![interface("lo", [127, 0, 0, 1], 8), interface("eth0", [10, 0, 0, 5], 24)],
        default_interface: Some("eth0".to_owned()),
        max_open_files: Some(20_000),
        variables: Default::default(),
        working_dir: working_dir.to_owned(),
        host_uuid: None,
    }
}
