//! Which capabilities exist in this build, and which settings ask for one that does not.
//!
//! Every key is parsed and validated whether or not its capability exists. What must not happen is that a setting is
//! accepted and does nothing: [`unavailable`] names those for the agent to refuse, [`idle`] those for it to warn about.

use std::fmt;

use crate::Loaded;
use crate::merge::Setting;
use crate::place::Place;
use crate::table::{Key, Preset};
use crate::value::Value;

/// A group of settings that arrives, or is absent, as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// What every agent has: names, directories, listeners, limits, logging, Raft tuning, reload.
    Core,
    /// HTTPS listener and its TLS settings.
    Https,
    /// Watches with script and HTTP handlers.
    Watches,
    /// Access control lists and tokens.
    Acl,
    /// Services and checks registered with the agent.
    Services,
    /// LAN gossip: joining other agents.
    Gossip,
    /// Encryption of gossip.
    GossipEncryption,
    /// Clusters of several servers.
    Cluster,
    /// Client agents.
    Client,
    /// Federation with other datacenters.
    Federation,
    /// Automatic TLS for clients.
    AutoEncrypt,
    /// Automatic configuration of clients.
    AutoConfig,
    /// The internal RPC port, its limits and streaming.
    Rpc,
    /// TLS on the internal RPC port.
    RpcTls,
    /// gRPC listeners and xDS.
    Grpc,
    /// DNS listener and resolver.
    Dns,
    /// Metrics, seen over HTTP.
    Metrics,
    /// Programs metrics are sent to.
    Telemetry,
    /// The web UI.
    Ui,
    /// Service mesh certificates and gateways.
    Connect,
    /// Cluster peering.
    Peering,
    /// Central configuration entries.
    ConfigEntries,
    /// Link to the vendor's cloud.
    Cloud,
    /// Autopilot tuning.
    Autopilot,
    /// Read replicas.
    ReadReplica,
    /// Network segments.
    Segments,
    /// Audit log.
    Audit,
    /// Logging to syslog.
    Syslog,
    /// Reload on file change.
    AutoReload,
    /// WAN address translation.
    WanTranslation,
    /// Running commands on other nodes.
    RemoteExec,
    /// Agent cache tuning.
    Cache,
    /// Snapshot agent settings carried in agent files.
    SnapshotAgent,
    /// Tuning of the reference's own log store.
    Boltdb,
    /// Settings the reference accepts and always overrides.
    Fixed,
    /// Enterprise settings without effect in the reference.
    Enterprise,
}

/// Settings of the mesh's certificate authority that its root needs; the others are about certificates below it.
const CA_SETTINGS_OF_ROOT: &[&str] =
    &["cluster_id", "private_key", "private_key_bits", "private_key_type", "root_cert", "root_cert_ttl"];

/// Capabilities this build has.
pub const EXISTING: &[Capability] = &[
    Capability::Core,
    Capability::Https,
    Capability::Watches,
    Capability::Services,
    Capability::Dns,
    Capability::Metrics,
    Capability::WanTranslation,
    Capability::Gossip,
    Capability::GossipEncryption,
    Capability::Cluster,
    Capability::Client,
    Capability::Rpc,
    Capability::Autopilot,
    Capability::ReadReplica,
    Capability::RemoteExec,
    Capability::Cache,
    Capability::Enterprise,
];

impl Capability {
    /// Whether this build has it.
    pub fn exists(self) -> bool {
        EXISTING.contains(&self)
    }

    /// Name in the user's words.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Core => "agent",
            Capability::Https => "HTTPS",
            Capability::Watches => "watches",
            Capability::Acl => "access control lists",
            Capability::Services => "service and check registration",
            Capability::Gossip => "gossip membership",
            Capability::GossipEncryption => "gossip encryption",
            Capability::Cluster => "clusters of several servers",
            Capability::Client => "client agents",
            Capability::Federation => "WAN federation",
            Capability::AutoEncrypt => "auto-encrypt",
            Capability::AutoConfig => "auto-config",
            Capability::Rpc => "internal RPC",
            Capability::RpcTls => "TLS on the internal RPC port",
            Capability::Grpc => "gRPC and xDS",
            Capability::Dns => "DNS",
            Capability::Metrics => "metrics",
            Capability::Telemetry => "telemetry sinks",
            Capability::Ui => "web UI",
            Capability::Connect => "service mesh",
            Capability::Peering => "cluster peering",
            Capability::ConfigEntries => "configuration entries",
            Capability::Cloud => "cloud link",
            Capability::Autopilot => "autopilot tuning",
            Capability::ReadReplica => "read replicas",
            Capability::Segments => "network segments",
            Capability::Audit => "audit log",
            Capability::Syslog => "syslog",
            Capability::AutoReload => "reload on file change",
            Capability::WanTranslation => "WAN address translation",
            Capability::RemoteExec => "remote execution",
            Capability::Cache => "agent cache tuning",
            Capability::SnapshotAgent => "snapshot agent",
            Capability::Boltdb => "BoltDB log store",
            Capability::Fixed => "overriding of internal constants",
            Capability::Enterprise => "enterprise settings",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A setting whose capability this build does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Dotted path of the key.
    pub key: &'static str,
    /// The absent capability.
    pub capability: Capability,
    /// Where the key is set; `None` when the default itself asks for the capability.
    pub place: Option<Place>,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: this version does not have {} yet", self.key, self.capability)?;
        match &self.place {
            Some(place) => write!(f, " (set at {place})"),
            None => Ok(()),
        }
    }
}

/// Settings that ask for a capability this build does not have; the agent refuses to start with any of them.
pub fn unavailable(config: &Loaded) -> Vec<Unavailable> {
    let mut out = Vec::new();
    for (key, setting) in config.settings.set_by_user() {
        if let Some(capability) = asked(key, setting, config)
            && !capability.exists()
        {
            out.push(Unavailable { key: key.path, capability, place: Some(setting.place.clone()) });
        }
    }
    out
}

/// Settings of an absent capability that change nothing: they state a default or say where an absent listener would
/// be. The agent starts and logs a warning for each.
pub fn idle(config: &Loaded) -> Vec<Unavailable> {
    config
        .settings
        .set_by_user()
        .filter(|(key, setting)| !key.capability.exists() && asked(key, setting, config).is_none())
        .map(|(key, setting)| Unavailable {
            key: key.path,
            capability: key.capability,
            place: Some(setting.place.clone()),
        })
        .collect()
}

/// The capability a setting needs beyond what its default needs, if any.
fn asked(key: &Key, setting: &Setting, config: &Loaded) -> Option<Capability> {
    match (key.path, &setting.value) {
        // Keys of existing capabilities with single values that ask for more.
        ("bootstrap_expect", Value::Int(count)) => return (*count > 1).then_some(Capability::Cluster),
        ("primary_datacenter", _) => {
            return (config.runtime.primary_datacenter != config.runtime.datacenter).then_some(Capability::Federation);
        }
        ("disable_remote_exec", Value::Bool(disabled)) => return (!disabled).then_some(Capability::RemoteExec),
        ("read_replica", Value::Bool(wanted)) => return wanted.then_some(Capability::ReadReplica),
        ("tls.defaults.verify_outgoing", Value::Bool(wanted)) => return wanted.then_some(Capability::RpcTls),
        ("connect.ca_config", Value::Opaque(map)) => {
            let other = map.keys().any(|name| !CA_SETTINGS_OF_ROOT.contains(&name.as_str()));
            return other.then_some(Capability::Connect);
        }
        _ => {}
    }
    let dev_default = if config.runtime.dev_mode { key.dev_default } else { Preset::Unset };
    let states_dev_default = dev_default != Preset::Unset && setting.value.equals_default(dev_default);
    let states_default = states_dev_default || setting.value.equals_default(key.default);
    if key.idle || states_default {
        return None;
    }
    Some(key.capability)
}

/// Whether a default of the table is what an unset key would mean.
impl Value {
    fn equals_default(&self, default: Preset) -> bool {
        match (self, default) {
            (Value::Bool(value), Preset::Bool(default)) => *value == default,
            (Value::Bool(value), Preset::Unset) => !value,
            (Value::Int(value), Preset::Int(default)) => *value == default,
            (Value::Int(value), Preset::Unset) => *value == 0,
            (Value::Float(value), Preset::Float(default)) => *value == default,
            (Value::Float(value), Preset::Unset) => *value == 0.0,
            (Value::Text(value), Preset::Text(default)) => value == default || same_duration(value, default),
            (Value::Text(value), Preset::Unset) => value.is_empty() || same_duration(value, "0s"),
            (Value::Texts(values), Preset::Unset) => values.is_empty(),
            (Value::TextMap(values), Preset::Unset) => values.is_empty(),
            (Value::Shapes(values), Preset::Unset) => values.is_empty(),
            (Value::Opaques(values), Preset::Unset) => values.is_empty(),
            (Value::Opaque(values), Preset::Unset) => values.is_empty(),
            (Value::Shape(fields), Preset::Unset) => fields.is_empty(),
            _ => false,
        }
    }
}

fn same_duration(left: &str, right: &str) -> bool {
    match (crate::duration::parse(left), crate::duration::parse(right)) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}
