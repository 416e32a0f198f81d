//! Configuration files of the snapshot agent: which ones there are, and every key they may hold.

use std::collections::BTreeMap;
use std::path::Path;

use wire::GoDuration;
use wire::hcl::{self, HclError, Object, Spanned, Value};
use wire::json::JsonError;

use crate::error::Error;
use crate::flag::Values;
use crate::source::open_error;

/// The object of a file that is the snapshot agent's; the others belong to other programs.
const ROOT: &str = "snapshot_agent";

/// What a key takes.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    /// A whole number from 0 on.
    Count,
    /// A text such as `1h30m`.
    Duration,
    /// Anything; it has no effect here.
    Ignored,
    /// Nothing but blanks, as in a file of defaults: what it asks for is not there.
    Missing,
}

/// Every key under [`ROOT`].
const KEYS: &[(&str, Kind)] = &[
    ("http_addr", Kind::Text),
    ("token", Kind::Text),
    ("datacenter", Kind::Text),
    ("ca_file", Kind::Text),
    ("ca_path", Kind::Text),
    ("cert_file", Kind::Text),
    ("key_file", Kind::Text),
    ("tls_server_name", Kind::Text),
    // Nothing here needs a licence.
    ("license_path", Kind::Ignored),
    ("login", Kind::Missing),
    ("log.level", Kind::Text),
    ("log.enable_syslog", Kind::Missing),
    // Without effect unless syslog is enabled.
    ("log.syslog_facility", Kind::Ignored),
    ("snapshot.interval", Kind::Duration),
    ("snapshot.retain", Kind::Count),
    ("snapshot.stale", Kind::Bool),
    ("snapshot.service", Kind::Text),
    ("snapshot.deregister_after", Kind::Duration),
    ("snapshot.lock_key", Kind::Text),
    ("snapshot.max_failures", Kind::Count),
    ("snapshot.local_scratch_path", Kind::Text),
    ("local_storage.path", Kind::Text),
    ("aws_storage.access_key_id", Kind::Text),
    ("aws_storage.secret_access_key", Kind::Text),
    ("aws_storage.session_token", Kind::Text),
    ("aws_storage.s3_region", Kind::Text),
    ("aws_storage.s3_bucket", Kind::Text),
    ("aws_storage.s3_key_prefix", Kind::Text),
    ("aws_storage.s3_endpoint", Kind::Text),
    ("aws_storage.s3_server_side_encryption", Kind::Bool),
    ("aws_storage.s3_static_snapshot_name", Kind::Text),
    ("aws_storage.s3_force_path_style", Kind::Bool),
    ("aws_storage.s3_enable_kms", Kind::Bool),
    ("aws_storage.s3_kms_key", Kind::Text),
    ("aws_storage.iam_endpoint", Kind::Missing),
    ("aws_storage.role_arn", Kind::Missing),
    ("aws_storage.role_session_name", Kind::Missing),
    ("aws_storage.web_identity_token_file", Kind::Missing),
    ("aws_storage.sts_endpoint", Kind::Missing),
    ("azure_blob_storage", Kind::Missing),
    ("google_storage", Kind::Missing),
];

/// What the files set, by key. There may be secrets in it, so it is never printed.
#[derive(Default)]
pub(super) struct FileValues(BTreeMap<&'static str, Setting>);

enum Setting {
    Text(String),
    Bool(bool),
    Count(u64),
    Duration(GoDuration),
}

/// Reads the files that `-config-file` and `-config-dir` name, in order; later ones win.
pub(super) fn read(flags: &Values) -> Result<FileValues, Error> {
    let mut paths = Vec::new();
    for (flag, path) in flags.given() {
        match flag {
            "config-file" if is_config(path) => paths.push(path.to_string()),
            "config-file" => {
                return Err(Error::failed(format!("Configuration file {path} must end with .json or .hcl")));
            }
            "config-dir" => paths.extend(files_in(path)?),
            _ => {}
        }
    }
    let mut values = FileValues::default();
    let mut is_ours = false;
    for path in &paths {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::failed(format!("Error reading configuration: {}", open_error(path, &e))))?;
        is_ours |= values.add(path, &text)?;
    }
    if !is_ours && (flags.is_given("config-file") || flags.is_given("config-dir")) {
        return Err(Error::failed(format!("No configuration file has a {ROOT} object")));
    }
    Ok(values)
}

fn is_config(path: &str) -> bool {
    path.ends_with(".json") || path.ends_with(".hcl")
}

/// The configuration files of a directory, in alphabetical order.
fn files_in(folder: &str) -> Result<Vec<String>, Error> {
    let failed = |e| Error::failed(format!("Error reading configuration: {}", open_error(folder, &e)));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = Path::new(folder).join(entry.map_err(failed)?.file_name());
        if let Some(path) = path.to_str().filter(|path| is_config(path) && !Path::new(path).is_dir()) {
            paths.push(path.to_string());
        }
    }
    paths.sort();
    Ok(paths)
}

impl FileValues {
    /// A text; empty when it is not set.
    pub(super) fn text(&self, key: &str) -> &str {
        if let Some(Setting::Text(text)) = self.0.get(key) { text } else { "" }
    }

    pub(super) fn bool(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Setting::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: &str) -> Option<u64> {
        match self.0.get(key) {
            Some(Setting::Count(count)) => Some(*count),
            _ => None,
        }
    }

    /// A duration; it may be negative.
    pub(super) fn duration(&self, key: &str) -> Option<GoDuration> {
        match self.0.get(key) {
            Some(Setting::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    /// Adds what a file sets. Answers whether it is meant for the snapshot agent.
    pub(super) fn add(&mut self, path: &str, text: &str) -> Result<bool, Error> {
        let file = File { path, text };
        let root = file.parse()?;
        let Some(ours) = root.get(ROOT) else { return Ok(false) };
        let stanza = file.stanza(ours, "")?;
        if let Some(stanza) = stanza {
            self.add_stanza(&file, stanza, "")?;
        }
        Ok(true)
    }

    fn add_stanza(&mut self, file: &File<'_>, stanza: &Object, prefix: &str) -> Result<(), Error> {
        for (name, value) in stanza.iter() {
            let key = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
            if let Some((key, kind)) = KEYS.iter().find(|(known, _)| *known == key) {
                if let Some(setting) = file.setting(key, *kind, value)? {
                    self.0.insert(*key, setting);
                }
            } else if is_stanza(&key) {
                if let Some(stanza) = file.stanza(value, &key)? {
                    self.add_stanza(file, stanza, &key)?;
                }
            } else {
                return Err(file.wrong(value, format!("invalid config key {ROOT}.{key}")));
            }
        }
        Ok(())
    }
}

/// Whether there are keys below this one.
fn is_stanza(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// A file, to say where in it something is wrong.
struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn parse(&self) -> Result<Object, Error> {
        if self.text.trim().is_empty() {
            return Ok(Object::default());
        }
        let is_json = self.path.ends_with(".json");
        let parsed = if is_json { hcl::parse_json(self.text) } else { hcl::parse(self.text) };
        parsed.map_err(|error| match error {
            HclError::At { line, column, message } | HclError::Value { line, column, message } => {
                self.failed(line as usize, column as usize, &message)
            }
            HclError::Json(JsonError::Syntax { offset, .. }) => {
                let before = self.text.as_bytes().get(..offset).unwrap_or_default();
                let before = String::from_utf8_lossy(before);
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                self.failed(before.matches('\n').count() + 1, column, &error.to_string())
            }
            error => Error::failed(format!("Error in configuration: {}: {error}", self.path)),
        })
    }

    /// The one object a key holds; `None` for `null`.
    fn stanza<'v>(&self, value: &'v Spanned, key: &str) -> Result<Option<&'v Object>, Error> {
        match value.unwrapped() {
            Value::Null => Ok(None),
            Value::Object(object) => Ok(Some(object)),
            _ => Err(self.wrong(value, format!("{} wants one object", shown(key)))),
        }
    }

    /// The value of a key; `None` when it leaves things as they are.
    fn setting(&self, key: &str, kind: Kind, value: &Spanned) -> Result<Option<Setting>, Error> {
        // Without the value, which may be a secret under the wrong key.
        let wants = |wanted: &str| Err(self.wrong(value, format!("{} wants {wanted}", shown(key))));
        let setting = match (kind, value.unwrapped()) {
            (Kind::Ignored, _) | (_, Value::Null) => return Ok(None),
            (Kind::Missing, value) if is_blank(value) => return Ok(None),
            (Kind::Missing, _) => {
                return Err(self.wrong(value, format!("{}: this is not there yet", shown(key))));
            }
            // As in a file of defaults.
            (Kind::Text | Kind::Duration, Value::String(text)) if text.is_empty() => return Ok(None),
            (Kind::Text, Value::String(text)) => Setting::Text(text.clone()),
            (Kind::Bool, Value::Bool(value)) => Setting::Bool(*value),
            (Kind::Duration, Value::String(text)) => match GoDuration::parse(text) {
                Ok(duration) if duration >= GoDuration::ZERO => Setting::Duration(duration),
                Ok(_) => return Err(self.wrong(value, format!("{} must not be negative", shown(key)))),
                Err(error) => return Err(self.wrong(value, format!("{}: {error}", shown(key)))),
            },
            (Kind::Count, number) => match count(number) {
                Some(count) => Setting::Count(count),
                None => return wants("a whole number from 0 on"),
            },
            (Kind::Text, _) => return wants("a text"),
            (Kind::Bool, _) => return wants("true or false"),
            (Kind::Duration, _) => return wants("a duration such as \"1h\""),
        };
        Ok(Some(setting))
    }

    fn wrong(&self, value: &Spanned, message: String) -> Error {
        self.failed(value.line as usize, value.column as usize, &message)
    }

    fn failed(&self, line: usize, column: usize, message: &str) -> Error {
        Error::failed(format!("Error in configuration: {}:{line}:{column}: {message}", self.path))
    }
}

fn shown(key: &str) -> String {
    if key.is_empty() { ROOT.to_string() } else { format!("{ROOT}.{key}") }
}

fn count(value: &Value) -> Option<u64> {
    /// Whole numbers up to here are exact as floats, which all numbers of strict JSON are.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Float(number) if number.fract() == 0.0 && (0.0..EXACT).contains(number) => Some(*number as u64),
        _ => None,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Float(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::List(items) => items.iter().all(|item| is_blank(&item.value)),
        Value::Object(object) => object.iter().all(|(_, value)| is_blank(&value.value)),
        Value::Bool(true) | Value::Int(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(path: &str, text: &str) -> Result<FileValues, String> {
        let mut values = FileValues::default();
        values.add(path, text).map(|_| values).map_err(|error| error.to_string())
    }

    #[test]
    fn json_and_hcl_set_the_same() {
        let json = r#"{"datacenter": "dc9", "snapshot_agent": {
            "http_addr": "h:1",
            "snapshot": {"interval": "30m", "retain": 7, "stale": true, "service": "", "lock_key": null},
            "aws_storage": {"s3_bucket": "b"}
        }}"#;
        let hcl = r#"
            datacenter = "dc9"
            snapshot_agent {
              http_addr = "h:1"
              snapshot {
                interval = "30m"
                retain = 7
                stale = true
                service = ""
              }
              aws_storage = { s3_bucket = "b" }
            }
        "#;
        for (path, text) in [("a.json", json), ("a.hcl", hcl)] {
            let values = values(path, text).expect("values");
            assert_eq!((values.text("http_addr"), values.text("aws_storage.s3_bucket")), ("h:1", "b"), "{path}");
            assert_eq!(values.duration("snapshot.interval"), Some(GoDuration::from_secs(1800)), "{path}");
            assert_eq!((values.count("snapshot.retain"), values.bool("snapshot.stale")), (Some(7), Some(true)));
            assert_eq!((values.text("snapshot.service"), values.text("snapshot.lock_key")), ("", ""), "{path}");
            assert_eq!(values.0.len(), 5, "{path}");
        }
    }

    #[test]
    fn a_file_of_the_references_defaults_sets_nothing_unusual() {
        let text = r#"{"snapshot_agent": {
            "http_addr": "127.0.0.1:8500", "token": "", "license_path": "/l",
            "login": {"auth_method": "", "bearer_token": "", "meta": {}},
            "log": {"level": "INFO", "enable_syslog": false, "syslog_facility": "LOCAL0"},
            "azure_blob_storage": {"account_name": "", "account_key": "", "container_name": ""},
            "google_storage": {"bucket": ""}
        }}"#;
        let values = values("a.json", text).expect("values");
        let keys: Vec<&str> = values.0.keys().copied().collect();
        assert_eq!(keys, ["http_addr", "log.level"]);
    }

    #[test]
    fn later_files_win_and_files_of_others_do_not_count() {
        let mut values = FileValues::default();
        for (text, ours) in [
            ("snapshot_agent { datacenter = \"a\"\n ca_file = \"f\" }", true),
            ("", false),
            ("server = true", false),
            ("snapshot_agent { datacenter = \"b\" }", true),
        ] {
            assert_eq!(values.add("a.hcl", text).expect("values"), ours, "{text}");
        }
        assert_eq!((values.text("datacenter"), values.text("ca_file")), ("b", "f"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let table = [
            ("a.hcl", "snapshot_agent {\n  snapshots {}\n}", "a.hcl:2:3: invalid config key snapshot_agent.snapshots"),
            (
                "a.hcl",
                "snapshot_agent {\n  snapshot {\n    retian = 3\n  }\n}",
                "a.hcl:3:5: invalid config key snapshot_agent.snapshot.retian",
            ),
            ("a.hcl", "snapshot_agent {\n  token = 5\n}", "a.hcl:2:3: snapshot_agent.token wants a text"),
            (
                "a.hcl",
                "snapshot_agent {\n  snapshot { retain = -1 }\n}",
                "a.hcl:2:14: snapshot_agent.snapshot.retain wants a whole number from 0 on",
            ),
            (
                "a.hcl",
                "snapshot_agent {\n  snapshot { interval = \"soon\" }\n}",
                "a.hcl:2:14: snapshot_agent.snapshot.interval: time: invalid duration \"soon\"",
            ),
            (
                "a.hcl",
                "snapshot_agent {\n  snapshot { interval = \"-1h\" }\n}",
                "a.hcl:2:14: snapshot_agent.snapshot.interval must not be negative",
            ),
            (
                "a.hcl",
                "snapshot_agent {\n  google_storage { bucket = \"b\" }\n}",
                "a.hcl:2:3: snapshot_agent.google_storage: this is not there yet",
            ),
            ("a.hcl", "snapshot_agent {\n  snapshot = 1\n}", "a.hcl:2:3: snapshot_agent.snapshot wants one object"),
        ];
        for (path, text, message) in table {
            let error = values(path, text).err().expect("an error");
            assert_eq!(error, format!("Error in configuration: {message}"), "{text}");
        }
        for (path, text, start) in [
            ("a.hcl", "snapshot_agent {\n  = 1\n}", "Error in configuration: a.hcl:2:"),
            ("a.json", "{\n  nothing\n}", "Error in configuration: a.json:2:"),
            ("a.json", "{", "Error in configuration: a.json: "),
        ] {
            let error = values(path, text).err().expect("an error");
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn directories_give_their_configuration_files_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.json", "a.hcl", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        std::fs::create_dir(folder.path().join("c.json")).expect("a folder");
        let root = folder.path().display().to_string();
        assert_eq!(files_in(&root).expect("files"), [format!("{root}/a.hcl"), format!("{root}/b.json")]);
    }
}
