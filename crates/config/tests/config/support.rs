//! Cases of fixture files and the machine they run on.

use std::net::IpAddr;
use std::path::Path;

use config::{BuildInfo, Environment, Flags, InterfaceAddress, InterfaceFlags, load};

const BASE: &str = "data_dir = \"dd\"\nbind_addr = \"127.0.0.1\"\n";
const BASE_NAME: &str = "base.hcl";

/// One case of a fixture file.
pub(crate) struct Case {
    name: String,
    files: Vec<(String, String)>,
    flags: Option<Vec<String>>,
    error: Option<String>,
    places: Option<String>,
    warnings: Vec<String>,
    values: Vec<(String, String)>,
}

/// What loading a case gives.
pub(crate) enum Outcome {
    Error { text: String, places: String },
    Valid { warnings: Vec<String>, values: serde_json::Value },
}

impl Case {
    pub(crate) fn parse_all(text: &str) -> Vec<Case> {
        text.split("=== ").skip(1).map(Case::parse).collect()
    }

    fn parse(text: &str) -> Case {
        let (name, body) = text.split_once('\n').expect("a case has a body");
        let mut case = Case {
            name: name.to_owned(),
            files: vec![(BASE_NAME.to_owned(), BASE.to_owned())],
            flags: None,
            error: None,
            places: None,
            warnings: Vec::new(),
            values: Vec::new(),
        };
        for section in format!("\n{body}").split("\n--- ").skip(1) {
            let (title, content) = section.split_once('\n').unwrap_or((section, ""));
            let content = content.trim_end_matches('\n');
            let lines = || content.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
            match title.split_once(' ').unwrap_or((title, "")) {
                ("bare", _) => case.files.retain(|(name, _)| name != BASE_NAME),
                ("flags", _) => case.flags = Some(lines()),
                ("error", _) => case.error = Some(content.to_owned()),
                ("at", _) => case.places = Some(content.to_owned()),
                ("warnings", _) => case.warnings = lines(),
                ("value", path) => case.values.push((path.to_owned(), content.to_owned())),
                (file, _) => case.files.push((file.to_owned(), content.to_owned())),
            }
        }
        case
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in &self.files {
            write(&dir.path().join(name), text);
        }
        let named = || self.files.iter().map(|(name, _)| format!("-config-file={name}")).collect();
        let flags = self.flags.clone().unwrap_or_else(named);
        let pairs = flags.iter().map(|flag| {
            let flag = flag.trim_start_matches('-');
            flag.split_once('=').unwrap_or((flag, "true"))
        });
        let flags = Flags::from_pairs(pairs).expect("well-formed flags");
        match load(&flags, &machine(dir.path())) {
            Err(error) => {
                let places: Vec<String> = error.locations().iter().map(ToString::to_string).collect();
                Outcome::Error { text: error.to_string().trim_end_matches('\n').to_owned(), places: places.join("\n") }
            }
            Ok(loaded) => Outcome::Valid {
                values: loaded.runtime.debug_json("node-id", &BuildInfo::default()),
                warnings: loaded.warnings,
            },
        }
    }

    /// What differs from the expectation, if anything.
    pub(crate) fn failure(&self) -> Option<String> {
        let wrong = |got: &str| Some(format!("{}: {got}", self.name));
        match (self.outcome(), &self.error) {
            (Outcome::Error { text, .. }, Some(expected)) if text != *expected => {
                wrong(&format!("error\n  expected {expected:?}\n  got      {text:?}"))
            }
            (Outcome::Error { places, .. }, Some(_)) => match &self.places {
                Some(expected) if *expected != places => {
                    wrong(&format!("expected places {expected:?}, got {places:?}"))
                }
                _ => None,
            },
            (Outcome::Error { text, .. }, None) => wrong(&format!("unexpected error {text:?}")),
            (Outcome::Valid { .. }, Some(expected)) => wrong(&format!("no error, expected {expected:?}")),
            (Outcome::Valid { warnings, values }, None) => {
                if warnings != self.warnings {
                    return wrong(&format!("warnings\n  expected {:?}\n  got      {warnings:?}", self.warnings));
                }
                self.values.iter().find_map(|(path, expected)| {
                    let pointer = format!("/{}", path.replace('.', "/"));
                    let got = values.pointer(&pointer).unwrap_or(&serde_json::Value::Null);
                    let expected: serde_json::Value = serde_json::from_str(expected).expect("JSON value");
                    if *got == expected { None } else { wrong(&format!("{path} is {got}, expected {expected}")) }
                })
            }
        }
    }
}

fn write(path: &Path, text: &str) {
    if let Some(target) = text.strip_prefix("-> ") {
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        return std::os::unix::fs::symlink(target, path).expect("a symbolic link");
    }
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
    if path.extension().is_some_and(|extension| extension == "dir") {
        return std::fs::create_dir(path).expect("a directory");
    }
    std::fs::write(path, text).expect("a file");
}

/// A host with a loopback and one private interface.
pub(crate) fn machine(working_dir: &Path) -> Environment {
    let interface = |name: &str, address: &str, prefix_bits| InterfaceAddress {
        name: name.to_owned(),
        address: address.parse::<IpAddr>().expect("an address"),
        prefix_bits,
        flags: InterfaceFlags { up: true, loopback: name == "lo", ..InterfaceFlags::default() },
    };
    Environment {
        hostname: Ok("host".to_owned()),
        interfaces: vec![interface("lo", "127.0.0.1", 8), interface("eth0", "10.0.0.5", 24)],
        default_interface: Some("eth0".to_owned()),
        max_open_files: Some(20_000),
        variables: Default::default(),
        working_dir: working_dir.to_owned(),
        host_uuid: Some("4c4c4544-0000-4000-8000-000000000001".to_owned()),
    }
}
