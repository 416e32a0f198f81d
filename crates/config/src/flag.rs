//! The agent's command-line flags: one table for parsing, help and settings (`docs/spec/config.md` §2.3).

use std::sync::Arc;

use crate::merge::Layer;
use crate::place::Place;
use crate::table::{Preset, agent_key};
use crate::value::Value;

/// One agent flag.
#[derive(Debug)]
pub struct FlagSpec {
    /// Name without the dash.
    pub name: &'static str,
    /// How its value is read.
    pub kind: FlagKind,
    /// The key it sets, or its own purpose.
    pub target: FlagTarget,
    /// One or two sentences for the help text.
    pub help: &'static str,
}

/// How a flag's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagKind {
    /// `-x`, `-x=true`; never takes the next argument.
    Bool,
    /// Decimal number.
    Int,
    /// Any text.
    Text,
    /// Go duration, kept as text until validation.
    Duration,
    /// May be repeated; every value counts.
    List,
    /// `key:value`, may be repeated; a value without a colon sets an empty text.
    Map,
}

/// What a flag is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagTarget {
    /// Sets this configuration key.
    Key(&'static str),
    /// Names a configuration file or directory.
    Files,
    /// Forces the format of every file.
    Format,
    /// Carries a fragment of HCL.
    Fragment,
    /// Turns on development mode.
    Dev,
}

impl FlagSpec {
    /// The default of the key the flag sets.
    pub fn default(&self) -> Preset {
        match self.target {
            FlagTarget::Key(path) => agent_key(path).map_or(Preset::Unset, |key| key.default),
            _ => Preset::Unset,
        }
    }

    /// Checks a value; the error is the cause in Go's words (`strconv.Atoi: parsing "0x10": invalid syntax`).
    pub fn check(&self, value: &str) -> Result<(), String> {
        match self.kind {
            FlagKind::Bool => parse_bool(value).map(|_| ()),
            FlagKind::Int => parse_int(value).map(|_| ()),
            FlagKind::Text | FlagKind::Duration | FlagKind::List | FlagKind::Map => Ok(()),
        }
    }
}

const fn spec(name: &'static str, kind: FlagKind, key: &'static str, help: &'static str) -> FlagSpec {
    FlagSpec { name, kind, target: FlagTarget::Key(key), help }
}

/// Every flag of the `agent` command, by name.
pub static AGENT_FLAGS: &[FlagSpec] = &[
    spec(
        "advertise",
        FlagKind::Text,
        "advertise_addr",
        "Address given to other agents of this datacenter instead of the bind address.",
    ),
    spec(
        "advertise-wan",
        FlagKind::Text,
        "advertise_addr_wan",
        "Address given to servers of other datacenters instead of the advertise address.",
    ),
    spec(
        "allow-write-http-from",
        FlagKind::List,
        "http_config.allow_write_http_from",
        "Network (CIDR) from which writing HTTP requests are accepted; repeatable. Without it every client may write.",
    ),
    spec("alt-domain", FlagKind::Text, "alt_domain", "Second domain answered by the DNS server."),
    spec(
        "auto-reload-config",
        FlagKind::Bool,
        "auto_reload_config",
        "Watch the configuration files and reload when they change.",
    ),
    spec(
        "bind",
        FlagKind::Text,
        "bind_addr",
        "Address for traffic between agents; an IP address or a template that yields one.",
    ),
    spec("bootstrap", FlagKind::Bool, "bootstrap", "Let this server elect itself leader of a new cluster."),
    spec(
        "bootstrap-expect",
        FlagKind::Int,
        "bootstrap_expect",
        "Number of servers to wait for before the first election.",
    ),
    spec("check_output_max_size", FlagKind::Int, "check_output_max_size", "Largest check output kept, in bytes."),
    spec(
        "client",
        FlagKind::Text,
        "client_addr",
        "Addresses for client traffic (HTTP, HTTPS, DNS, gRPC), separated by spaces.",
    ),
    FlagSpec {
        name: "config-dir",
        kind: FlagKind::List,
        target: FlagTarget::Files,
        help: "Directory of configuration files, read in order of their names; repeatable.",
    },
    FlagSpec {
        name: "config-file",
        kind: FlagKind::List,
        target: FlagTarget::Files,
        help: "Configuration file in HCL or JSON; repeatable, later files win.",
    },
    FlagSpec {
        name: "config-format",
        kind: FlagKind::Text,
        target: FlagTarget::Format,
        help: "Read every file as this format (hcl or json), whatever its name.",
    },
    spec("data-dir", FlagKind::Text, "data_dir", "Directory for the agent's state."),
    spec("datacenter", FlagKind::Text, "datacenter", "Datacenter of this agent."),
    spec(
        "default-query-time",
        FlagKind::Duration,
        "default_query_time",
        "How long a blocking query waits when it does not say.",
    ),
    FlagSpec {
        name: "dev",
        kind: FlagKind::Bool,
        target: FlagTarget::Dev,
        help: "Development mode: one server on the loopback address, state in memory only.",
    },
    spec(
        "disable-host-node-id",
        FlagKind::Bool,
        "disable_host_node_id",
        "Make a random node ID rather than one derived from the host.",
    ),
    spec("disable-keyring-file", FlagKind::Bool, "disable_keyring_file", "Keep gossip keys in memory only."),
    spec("dns-port", FlagKind::Int, "ports.dns", "DNS port; -1 disables."),
    spec("domain", FlagKind::Text, "domain", "Domain answered by the DNS server."),
    spec(
        "enable-local-script-checks",
        FlagKind::Bool,
        "enable_local_script_checks",
        "Allow script checks defined in configuration files.",
    ),
    spec(
        "enable-script-checks",
        FlagKind::Bool,
        "enable_script_checks",
        "Allow script checks, also those registered over HTTP.",
    ),
    spec("encrypt", FlagKind::Text, "encrypt", "Gossip encryption key (base64 of 16, 24 or 32 bytes)."),
    spec("grpc-port", FlagKind::Int, "ports.grpc", "Plain-text gRPC port; -1 disables."),
    spec("grpc-tls-port", FlagKind::Int, "ports.grpc_tls", "gRPC port with TLS; -1 disables."),
    FlagSpec {
        name: "hcl",
        kind: FlagKind::List,
        target: FlagTarget::Fragment,
        help: "Configuration fragment in HCL; repeatable, wins over files and other flags.",
    },
    spec("http-port", FlagKind::Int, "ports.http", "HTTP port; -1 disables."),
    spec("https-port", FlagKind::Int, "ports.https", "HTTPS port; -1 disables."),
    spec("join", FlagKind::List, "start_join", "Agent to join once at start; repeatable."),
    spec(
        "join-wan",
        FlagKind::List,
        "start_join_wan",
        "Server of another datacenter to join once at start; repeatable.",
    ),
    spec("log-file", FlagKind::Text, "log_file", "Also write logs to files of this name."),
    spec("log-json", FlagKind::Bool, "log_json", "Log in JSON."),
    spec("log-level", FlagKind::Text, "log_level", "Least severe level logged: trace, debug, info, warn or err."),
    spec("log-rotate-bytes", FlagKind::Int, "log_rotate_bytes", "Start a new log file after this many bytes."),
    spec("log-rotate-duration", FlagKind::Duration, "log_rotate_duration", "Start a new log file after this long."),
    spec("log-rotate-max-files", FlagKind::Int, "log_rotate_max_files", "Number of old log files kept; 0 keeps all."),
    spec("max-query-time", FlagKind::Duration, "max_query_time", "Longest time a blocking query may wait."),
    spec(
        "node",
        FlagKind::Text,
        "node_name",
        "Name of this node, unique in the cluster; the host name when not given.",
    ),
    spec(
        "node-id",
        FlagKind::Text,
        "node_id",
        "ID of this node (UUID); made and kept in the data directory when not given.",
    ),
    spec("node-meta", FlagKind::Map, "node_meta", "Metadata of this node as key:value; repeatable."),
    spec("non-voting-server", FlagKind::Bool, "read_replica", "Old name of -read-replica."),
    spec("pid-file", FlagKind::Text, "pid_file", "File to write the process ID to."),
    spec("primary-gateway", FlagKind::List, "primary_gateways", "Mesh gateway of the primary datacenter; repeatable."),
    spec("protocol", FlagKind::Int, "protocol", "Version of the agent protocol spoken."),
    spec("raft-protocol", FlagKind::Int, "raft_protocol", "Version of the Raft protocol; only 3."),
    spec("read-replica", FlagKind::Bool, "read_replica", "Replicate without taking part in elections."),
    spec("recursor", FlagKind::List, "recursors", "DNS server for names outside the domain; repeatable."),
    spec("rejoin", FlagKind::Bool, "rejoin_after_leave", "Join known agents again even after a leave."),
    spec("retry-interval", FlagKind::Duration, "retry_interval", "Pause between attempts to join."),
    spec(
        "retry-interval-wan",
        FlagKind::Duration,
        "retry_interval_wan",
        "Pause between attempts to join over the WAN.",
    ),
    spec("retry-join", FlagKind::List, "retry_join", "Agent to join, tried until it succeeds; repeatable."),
    spec(
        "retry-join-wan",
        FlagKind::List,
        "retry_join_wan",
        "Server of another datacenter to join, tried until it succeeds; repeatable.",
    ),
    spec("retry-max", FlagKind::Int, "retry_max", "Attempts to join before giving up; 0 never gives up."),
    spec(
        "retry-max-wan",
        FlagKind::Int,
        "retry_max_wan",
        "Attempts to join over the WAN before giving up; 0 never gives up.",
    ),
    spec("segment", FlagKind::Text, "segment", "Network segment to join."),
    spec(
        "serf-lan-allowed-cidrs",
        FlagKind::List,
        "serf_lan_allowed_cidrs",
        "Network (CIDR) LAN gossip is accepted from; repeatable.",
    ),
    spec("serf-lan-bind", FlagKind::Text, "serf_lan", "Address for LAN gossip."),
    spec("serf-lan-port", FlagKind::Int, "ports.serf_lan", "Port for LAN gossip."),
    spec(
        "serf-wan-allowed-cidrs",
        FlagKind::List,
        "serf_wan_allowed_cidrs",
        "Network (CIDR) WAN gossip is accepted from; repeatable.",
    ),
    spec("serf-wan-bind", FlagKind::Text, "serf_wan", "Address for WAN gossip."),
    spec("serf-wan-port", FlagKind::Int, "ports.serf_wan", "Port for WAN gossip; -1 disables federation."),
    spec("server", FlagKind::Bool, "server", "Run as a server."),
    spec("server-port", FlagKind::Int, "ports.server", "Port for RPC between servers and clients."),
    spec("syslog", FlagKind::Bool, "enable_syslog", "Also log to syslog."),
    spec("ui", FlagKind::Bool, "ui_config.enabled", "Serve the built-in web UI."),
    spec("ui-content-path", FlagKind::Text, "ui_config.content_path", "URL path of the web UI."),
    spec("ui-dir", FlagKind::Text, "ui_config.dir", "Directory of a web UI to serve instead of the built-in one."),
];

/// The agent flag with this name.
pub fn agent_flag(name: &str) -> Option<&'static FlagSpec> {
    AGENT_FLAGS.iter().find(|flag| flag.name == name)
}

/// Flags as given on the command line, in order.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    given: Vec<(&'static FlagSpec, String)>,
}

/// Why a flag cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// No agent flag has this name.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The value does not read as the flag's kind.
    #[error("invalid {what} {} for {preposition}-{flag}: {cause}", wire::quote::go_quote(.value))]
    Value {
        /// Name of the flag.
        flag: &'static str,
        /// Word for the value: `value` or `boolean value`.
        what: &'static str,
        /// `flag ` or nothing.
        preposition: &'static str,
        /// The value.
        value: String,
        /// Go's cause.
        cause: String,
    },
}

impl Flags {
    /// Takes one parsed flag; for a boolean without a value pass `"true"`.
    pub fn push(&mut self, name: &str, value: &str) -> Result<(), FlagError> {
        let spec = agent_flag(name).ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
        if let Err(cause) = spec.check(value) {
            let (what, preposition) = match spec.kind {
                FlagKind::Bool => ("boolean value", ""),
                _ => ("value", "flag "),
            };
            return Err(FlagError::Value { flag: spec.name, what, preposition, value: value.to_owned(), cause });
        }
        self.given.push((spec, value.to_owned()));
        Ok(())
    }

    /// Takes parsed `(name, value)` pairs in order.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Flags, FlagError> {
        let mut flags = Flags::default();
        for (name, value) in pairs {
            flags.push(name, value)?;
        }
        Ok(flags)
    }

    /// Whether `-dev` is on; the last one wins.
    pub fn dev(&self) -> bool {
        self.targets(FlagTarget::Dev).next_back().is_some_and(|value| parse_bool(value) == Ok(true))
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.targets(FlagTarget::Files)
    }

    pub(crate) fn format(&self) -> Option<&str> {
        self.targets(FlagTarget::Format).next_back()
    }

    pub(crate) fn fragments(&self) -> impl Iterator<Item = &str> {
        self.targets(FlagTarget::Fragment)
    }

    fn targets(&self, target: FlagTarget) -> impl DoubleEndedIterator<Item = &str> {
        self.given.iter().filter(move |(spec, _)| spec.target == target).map(|(_, value)| value.as_str())
    }

    /// Top-level lists, which come before the files.
    pub(crate) fn slices(&self) -> Layer {
        self.layer("flags.slices", |spec, path| spec.kind == FlagKind::List && !path.contains('.'))
    }

    /// Everything else, which comes after the files.
    pub(crate) fn values(&self) -> Layer {
        self.layer("flags.values", |spec, path| spec.kind != FlagKind::List || path.contains('.'))
    }

    fn layer(&self, source: &str, wanted: impl Fn(&FlagSpec, &str) -> bool) -> Layer {
        let source: Arc<str> = Arc::from(source);
        let mut layer = Layer::default();
        for (spec, given) in &self.given {
            let FlagTarget::Key(path) = spec.target else { continue };
            let (true, Some(key)) = (wanted(spec, path), agent_key(path)) else { continue };
            let value = match spec.kind {
                FlagKind::Bool => Value::Bool(parse_bool(given) == Ok(true)),
                FlagKind::Int => Value::Int(parse_int(given).unwrap_or(0)),
                FlagKind::Text | FlagKind::Duration => Value::Text(given.clone()),
                FlagKind::List => Value::Texts(vec![given.clone()]),
                FlagKind::Map => {
                    let (name, value) = given.split_once(':').unwrap_or((given, ""));
                    Value::TextMap([(name.to_owned(), value.to_owned())].into())
                }
            };
            layer.set(key, value, Place { source: Arc::from(format!("{source} -{}", spec.name)), position: None });
        }
        layer
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", wire::quote::go_quote(text))),
    }
}

fn parse_int(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let cause = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => "value out of range",
        }
    };
    Err(format!("strconv.Atoi: parsing {}: {cause}", wire::quote::go_quote(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_sets_a_key_of_the_table_with_a_fitting_kind() {
        use crate::table::Kind;
        for flag in AGENT_FLAGS {
            let FlagTarget::Key(path) = flag.target else { continue };
            let key = agent_key(path).unwrap_or_else(|| panic!("-{} sets unknown key {path}", flag.name));
            let fits = matches!(
                (flag.kind, key.kind),
                (FlagKind::Bool, Kind::Bool)
                    | (FlagKind::Int, Kind::Int)
                    | (FlagKind::Text, Kind::Text)
                    | (FlagKind::Duration, Kind::Duration)
                    | (FlagKind::List, Kind::Texts)
                    | (FlagKind::Map, Kind::TextMap)
            );
            assert!(fits, "-{} and {path} differ in kind", flag.name);
        }
    }

    #[test]
    fn flags_are_sorted_by_name() {
        assert!(AGENT_FLAGS.is_sorted_by_key(|flag| flag.name));
    }

    #[test]
    fn malformed_values_name_gos_cause() {
        let table = [
            (
                "http-port",
                "0x10",
                "invalid value \"0x10\" for flag -http-port: strconv.Atoi: parsing \"0x10\": invalid syntax",
            ),
            (
                "server",
                "ja",
                "invalid boolean value \"ja\" for -server: strconv.ParseBool: parsing \"ja\": invalid syntax",
            ),
            ("nope", "1", "flag provided but not defined: -nope"),
        ];
        for (name, value, message) in table {
            assert_eq!(Flags::default().push(name, value).unwrap_err().to_string(), message);
        }
    }
}
