//! No setting is accepted and then ignored: what a build cannot honour is refused or warned about, key by key.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{Ended, Ports, Process, Signal, consul, run};
use config::table::{AGENT_KEYS, Key, Kind, Preset};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Agents that run at the same time.
const AT_ONCE: usize = 4;
const MISSING: &str = "this version does not have";
const IDLE: &str = "the setting has no effect";

/// Keys with rules of their own: the settings with which a server's configuration is valid and asks for the key.
const ASKING: &[(&str, &str)] = &[
    ("acl.default_policy", r#"{ "acl": { "default_policy": "deny" } }"#),
    ("acl.down_policy", r#"{ "acl": { "down_policy": "deny" } }"#),
    ("audit", r#"{ "audit": { "enabled": true } }"#),
    (
        "auto_config.authorization.enabled",
        r#"{ "auto_config": { "authorization": { "enabled": true, "static": { "jwks_url": "https://a", "claim_assertions": ["a"] } } },
             "tls": { "internal_rpc": { "cert_file": "a", "key_file": "b", "ca_file": "c", "verify_incoming": true } } }"#,
    ),
    ("check", r#"{ "check": { "name": "a", "ttl": "10s" } }"#),
    ("checks", r#"{ "checks": [{ "name": "a", "ttl": "10s" }] }"#),
    ("cloud", r#"{ "cloud": { "resource_id": "a" } }"#),
    ("config_entries.bootstrap", r#"{ "config_entries": { "bootstrap": [{ "kind": "mesh" }] } }"#),
    ("connect.ca_provider", r#"{ "connect": { "ca_provider": "aws-pca" } }"#),
    ("dns_config.recursor_strategy", r#"{ "dns_config": { "recursor_strategy": "random" } }"#),
    ("dns_config.service_ttl", r#"{ "dns_config": { "service_ttl": { "*": "5s" } } }"#),
    ("dns_config.soa", r#"{ "dns_config": { "soa": { "refresh": 1 } } }"#),
    ("encrypt", r#"{ "encrypt": "MDEyMzQ1Njc4OWFiY2RlZg==" }"#),
    (
        "primary_gateways",
        r#"{ "primary_gateways": ["192.0.2.1"], "primary_datacenter": "other",
                              "connect": { "enable_mesh_gateway_wan_federation": true } }"#,
    ),
    ("recursors", r#"{ "recursors": ["192.0.2.1"] }"#),
    ("segments", r#"{ "segments": [{ "name": "a", "port": 1, "bind": "127.0.0.1" }] }"#),
    ("serf_lan", r#"{ "serf_lan": "127.0.0.1" }"#),
    ("serf_wan", r#"{ "serf_wan": "127.0.0.1" }"#),
    ("serf_lan_allowed_cidrs", r#"{ "serf_lan_allowed_cidrs": ["192.0.2.0/24"] }"#),
    ("serf_wan_allowed_cidrs", r#"{ "serf_wan_allowed_cidrs": ["192.0.2.0/24"] }"#),
    ("service", r#"{ "service": { "name": "a" } }"#),
    ("services", r#"{ "services": [{ "name": "a" }] }"#),
    ("tls.internal_rpc.tls_min_version", r#"{ "tls": { "internal_rpc": { "tls_min_version": "TLSv1_3" } } }"#),
    ("tls.grpc.tls_min_version", r#"{ "tls": { "grpc": { "tls_min_version": "TLSv1_3" } } }"#),
    (
        "tls.internal_rpc.tls_cipher_suites",
        r#"{ "tls": { "internal_rpc": { "tls_cipher_suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" } } }"#,
    ),
    (
        "tls.grpc.tls_cipher_suites",
        r#"{ "tls": { "grpc": { "tls_cipher_suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" } } }"#,
    ),
    ("ui_config.metrics_provider_options_json", r#"{ "ui_config": { "metrics_provider_options_json": "{}" } }"#),
    ("ui_config.metrics_proxy.base_url", r#"{ "ui_config": { "metrics_proxy": { "base_url": "http://a" } } }"#),
    (
        "ui_config.metrics_proxy.add_headers",
        r#"{ "ui_config": { "metrics_proxy": { "add_headers": [{ "name": "a", "value": "b" }] } } }"#,
    ),
    ("ui_config.metrics_proxy.path_allowlist", r#"{ "ui_config": { "metrics_proxy": { "path_allowlist": ["/a"] } } }"#),
    (
        "ui_config.dashboard_url_templates",
        r#"{ "ui_config": { "dashboard_url_templates": { "service": "http://a" } } }"#,
    ),
];

/// Keys that no valid configuration of a server asks for: the rule that refuses them.
const NEVER_VALID: &[(&str, &str)] = &[
    ("advertise_reconnect_timeout", "advertise_reconnect_timeout can only be used on a client"),
    ("auto_config.enabled", "auto_config.enabled cannot be set"),
    ("auto_encrypt.tls", "auto_encrypt.tls can only be used on a client."),
    ("segment", "Network segments are not supported in this version of Consul"),
    ("segments", "Network segments are not supported in this version of Consul"),
    ("tls.defaults.verify_server_hostname", "verify_server_hostname is only valid in the tls.internal_rpc stanza"),
    ("tls.https.verify_server_hostname", "verify_server_hostname is only valid in the tls.internal_rpc stanza"),
    ("tls.grpc.verify_server_hostname", "verify_server_hostname is only valid in the tls.internal_rpc stanza"),
    ("tls.defaults.use_auto_cert", "use_auto_cert is only valid in the tls.grpc stanza"),
    ("tls.https.use_auto_cert", "use_auto_cert is only valid in the tls.grpc stanza"),
    ("tls.internal_rpc.use_auto_cert", "use_auto_cert is only valid in the tls.grpc stanza"),
    ("tls.grpc.verify_outgoing", "verify_outgoing is not valid in the tls.grpc stanza"),
];

/// Old spellings, and single stanzas, that are named as what they stand for.
const NAMED_AS: &[(&str, &str)] = &[
    ("acl.tokens.master", "acl.tokens.initial_management"),
    ("acl.tokens.agent_master", "acl.tokens.agent_recovery"),
    ("acl_agent_master_token", "acl.tokens.agent_recovery"),
    ("acl_agent_token", "acl.tokens.agent"),
    ("acl_token", "acl.tokens.default"),
    ("acl_master_token", "acl.tokens.initial_management"),
    ("acl_replication_token", "acl.tokens.replication"),
    ("acl_datacenter", "acl.enabled"),
    ("acl_default_policy", "acl.default_policy"),
    ("acl_down_policy", "acl.down_policy"),
    ("acl_ttl", "acl.token_ttl"),
    ("acl_enable_key_list_policy", "acl.enable_key_list_policy"),
    ("enable_acl_replication", "acl.enable_token_replication"),
    ("verify_incoming_rpc", "tls.internal_rpc.verify_incoming"),
    ("verify_server_hostname", "tls.internal_rpc.verify_server_hostname"),
    ("ui", "ui_config.enabled"),
    ("ui_dir", "ui_config.dir"),
    ("ui_content_path", "ui_config.content_path"),
    ("check", "checks"),
    ("service", "services"),
];

/// Keys of capabilities that exist, with values that ask for one that may not.
const ASKING_FOR_MORE: &[(&str, &str)] = &[
    ("primary_datacenter", r#"{ "primary_datacenter": "other" }"#),
    ("tls.defaults.verify_outgoing", r#"{ "tls": { "defaults": { "verify_outgoing": true, "ca_file": "a" } } }"#),
];

fn of<'a>(table: &[(&str, &'a str)], path: &str) -> Option<&'a str> {
    table.iter().find(|(name, _)| *name == path).map(|(_, found)| *found)
}

/// Keys this build cannot honour.
fn absent() -> impl Iterator<Item = &'static Key> {
    AGENT_KEYS.iter().filter(|key| !key.capability.exists())
}

/// A value of the key's type that differs from its default.
fn other_value(key: &Key) -> Value {
    match (key.kind, key.default) {
        (Kind::Bool, Preset::Bool(default)) => json!(!default),
        (Kind::Bool, _) => json!(true),
        (Kind::Int | Kind::Uint | Kind::Uint32, Preset::Int(default)) => json!(default + 1),
        (Kind::Int | Kind::Uint | Kind::Uint32, _) => json!(1),
        (Kind::Float, _) => json!(1.5),
        (Kind::Text, _) => json!("x"),
        (Kind::Duration, _) => json!("37s"),
        (Kind::Texts, _) => json!(["x"]),
        (Kind::TextMap | Kind::Opaque, _) => json!({ "x": "y" }),
        (Kind::TextsMap, _) => json!({ "x": ["y"] }),
        (Kind::Opaques, _) => json!([{ "x": "y" }]),
        (Kind::Shape(keys), _) => keys.first().map_or(json!({}), |key| nested(key.path, other_value(key))),
        (Kind::Shapes(keys), _) => json!([keys.first().map(|key| nested(key.path, other_value(key)))]),
        (Kind::ShapeMap(keys), _) => json!({ "x": keys.first().map(|key| nested(key.path, other_value(key))) }),
    }
}

/// The key's own default, if it has one.
fn default_value(key: &Key) -> Option<Value> {
    Some(match key.default {
        Preset::Unset => return None,
        Preset::Bool(value) => json!(value),
        Preset::Int(value) => json!(value),
        Preset::Float(value) => json!(value),
        Preset::Text(value) => json!(value),
    })
}

/// A dotted path with its value, as nested objects.
fn nested(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, name| json!({ name: inner }))
}

fn merge(into: &mut Map<String, Value>, from: Value) {
    let Value::Object(from) = from else { return };
    for (name, value) in from {
        match into.get_mut(&name).and_then(Value::as_object_mut) {
            Some(inner) if value.is_object() => merge(inner, value),
            _ => {
                into.insert(name, value);
            }
        }
    }
}

fn server(config: &Path, data_dir: &Path) -> Command {
    let mut command = consul();
    command
        .args(["agent", "-server", "-bind=127.0.0.1"])
        .arg(format!("-data-dir={}", data_dir.display()))
        .arg(format!("-config-file={}", config.display()));
    command
}

/// Starts an agent with each of these settings alone; answers how each ended.
async fn started(settings: Vec<(&'static str, String)>) -> Vec<(&'static str, Ended)> {
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    let (room, mut runs) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (path, settings) in settings {
        let (home, room) = (home.clone(), room.clone());
        runs.spawn(async move {
            let _room = room.acquire_owned().await.expect("never closed");
            let file = home.path().join(format!("{path}.json"));
            fs::write(&file, settings).expect("written");
            (path, run(&mut server(&file, &home.path().join("data"))).await)
        });
    }
    runs.join_all().await
}

fn refused(ended: &Ended, reason: &str) -> bool {
    ended.code == Some(1)
        && ended.stdout.is_empty()
        && ended.stderr.starts_with("==> ")
        && ended.stderr.contains(reason)
}

#[tokio::test]
async fn every_key_of_an_absent_capability_is_refused_by_name() {
    let asking =
        |key: &Key| of(ASKING, key.path).map_or_else(|| nested(key.path, other_value(key)).to_string(), str::to_owned);
    let settings = absent().filter(|key| !key.idle).map(|key| (key.path, asking(key))).collect();
    let mut wrong = Vec::new();
    for (path, ended) in started(settings).await {
        let reason = match of(NEVER_VALID, path) {
            Some(rule) => rule.to_owned(),
            None => format!("\t* {}: {MISSING}", of(NAMED_AS, path).unwrap_or(path)),
        };
        if !refused(&ended, &reason) {
            wrong.push(format!("{path} ended with {:?}: {}", ended.code, ended.stderr));
        }
    }
    assert!(wrong.is_empty(), "{} keys:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn values_that_ask_for_an_absent_capability_are_refused_by_name() {
    let settings = ASKING_FOR_MORE.iter().map(|(path, settings)| (*path, (*settings).to_owned())).collect();
    for (path, ended) in started(settings).await {
        assert!(refused(&ended, &format!("\t* {path}: {MISSING}")), "{path}: {:?} {}", ended.code, ended.stderr);
    }
}

/// Starts a server with settings that change nothing; answers its log.
async fn log_with(settings: Map<String, Value>) -> String {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("config.json");
    fs::write(&file, Value::Object(settings).to_string()).expect("written");
    let mut command = server(&file, &home.path().join("data"));
    // Other agents run beside this one.
    let Ports { http, dns, server, serf_lan, serf_wan, .. } = Ports::free();
    let named = [("http", http), ("dns", dns), ("server", server), ("serf-lan", serf_lan), ("serf-wan", serf_wan)];
    command.arg("-bootstrap-expect=1").args(named.map(|(name, port)| format!("-{name}-port={port}")));
    let mut agent = Process::spawn(&mut command);
    agent.stdout.says("agent: Consul agent running!").await;
    agent.signal(Signal::TERM);
    agent.ended().await.stdout
}

fn assert_warned(log: &str, keys: &[&str]) {
    let warned = |path: &str| {
        let start = format!("[WARN]  agent: {path}: {MISSING} ");
        log.lines().any(|line| line.contains(&start) && line.ends_with(IDLE))
    };
    let silent: Vec<_> = keys.iter().filter(|path| !warned(path)).collect();
    assert!(silent.is_empty(), "no warning about {silent:?} in\n{log}");
}

#[tokio::test]
async fn keys_that_only_say_where_something_absent_would_be_are_warned_about() {
    /// An address is not any text.
    const VALUES: &[(&str, &str)] = &[
        ("addresses.dns", r#"{ "addresses": { "dns": "127.0.0.1" } }"#),
        ("addresses.grpc", r#"{ "addresses": { "grpc": "127.0.0.1" } }"#),
        ("addresses.grpc_tls", r#"{ "addresses": { "grpc_tls": "127.0.0.1" } }"#),
    ];
    let (mut settings, mut keys) = (Map::new(), Vec::new());
    for key in absent().filter(|key| key.idle) {
        let value = match of(VALUES, key.path) {
            Some(text) => serde_json::from_str(text).expect("JSON"),
            None => nested(key.path, other_value(key)),
        };
        merge(&mut settings, value);
        keys.push(of(NAMED_AS, key.path).unwrap_or(key.path));
    }
    assert_warned(&log_with(settings).await, &keys);
}

#[tokio::test]
async fn keys_that_state_a_default_of_something_absent_are_warned_about() {
    let (mut settings, mut keys) = (Map::new(), Vec::new());
    for key in absent().filter(|key| !key.idle) {
        let Some(value) = default_value(key) else { continue };
        merge(&mut settings, nested(key.path, value));
        keys.push(key.path);
    }
    assert_warned(&log_with(settings).await, &keys);
}

#[tokio::test]
async fn enterprise_keys_are_warned_about() {
    const KEYS: &[&str] = &[
        "acl.msp_disable_bootstrap",
        "autopilot.disable_upgrade_migration",
        "autopilot.redundancy_zone_tag",
        "autopilot.upgrade_version_tag",
        "dns_config.prefer_namespace",
        "license_path",
        "partition",
    ];
    let mut settings = Map::new();
    for key in AGENT_KEYS.iter().filter(|key| KEYS.contains(&key.path)) {
        merge(&mut settings, nested(key.path, other_value(key)));
    }
    let log = log_with(settings).await;
    for path in KEYS {
        let warning = format!("\"{path}\" is a Consul Enterprise configuration and will have no effect");
        assert!(log.contains(&warning), "no warning about {path} in\n{log}");
    }
}

#[tokio::test]
async fn every_default_that_is_stated_for_what_exists_is_taken_silently() {
    // Those that cannot stand beside a server's flags.
    const ELSEWHERE: &[&str] = &["bind_addr", "server", "bootstrap", "bootstrap_expect"];
    let mut settings = Map::new();
    for key in AGENT_KEYS.iter().filter(|key| key.capability.exists() && !ELSEWHERE.contains(&key.path)) {
        if let Some(value) = default_value(key).filter(|_| !key.path.starts_with("ports.")) {
            merge(&mut settings, nested(key.path, value));
        }
    }
    let log = log_with(settings).await;
    assert!(!log.contains(MISSING), "{log}");
}

#[tokio::test]
async fn unknown_keys_are_refused_with_their_file() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("config.hcl");
    fs::write(&file, "log_level = \"info\"\nnonsense = 1\nports { htpp = 1 }\n").expect("written");
    let ended = run(&mut server(&file, &home.path().join("data"))).await;
    let error = format!(
        "==> failed to parse {}: 2 errors occurred:\n\t* invalid config key ports.htpp\n\t* invalid config key nonsense\n",
        file.display()
    );
    assert!(refused(&ended, &error), "{}", ended.stderr);
}
