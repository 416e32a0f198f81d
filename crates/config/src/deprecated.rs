//! Old spellings moved to their new keys, source by source (`docs/spec/config.md` §17), and enterprise keys.

use crate::merge::{Layer, Setting, Settings};
use crate::place::Place;
use crate::value::Value;

/// Old key, new key; in the order in which the reference warns.
const ACL_TOKENS: &[(&str, &str)] = &[
    ("acl.tokens.agent_master", "acl.tokens.agent_recovery"),
    ("acl_agent_master_token", "acl.tokens.agent_recovery"),
    ("acl_agent_token", "acl.tokens.agent"),
    ("acl_token", "acl.tokens.default"),
    ("acl.tokens.master", "acl.tokens.initial_management"),
    ("acl_master_token", "acl.tokens.initial_management"),
];

const ACL_SETTINGS: &[(&str, &str)] = &[
    ("acl_default_policy", "acl.default_policy"),
    ("acl_down_policy", "acl.down_policy"),
    ("acl_ttl", "acl.token_ttl"),
    ("acl_enable_key_list_policy", "acl.enable_key_list_policy"),
];

const TLS_FILES: &[(&str, &str)] = &[
    ("ca_file", "tls.defaults.ca_file"),
    ("ca_path", "tls.defaults.ca_path"),
    ("cert_file", "tls.defaults.cert_file"),
    ("key_file", "tls.defaults.key_file"),
    ("tls_cipher_suites", "tls.defaults.tls_cipher_suites"),
];

const TLS_VERIFY: &[(&str, &str)] = &[
    ("verify_incoming_https", "tls.https.verify_incoming"),
    ("verify_incoming_rpc", "tls.internal_rpc.verify_incoming"),
    ("verify_outgoing", "tls.defaults.verify_outgoing"),
    ("verify_server_hostname", "tls.internal_rpc.verify_server_hostname"),
];

const UI: &[(&str, &str)] =
    &[("ui", "ui_config.enabled"), ("ui_dir", "ui_config.dir"), ("ui_content_path", "ui_config.content_path")];

/// Enterprise keys in the order in which the reference warns, each with the name it prints. Segments are not among
/// them: one that is named fails validation.
const ENTERPRISE: &[(&str, &str)] = &[
    ("read_replica", "read_replica (or the deprecated non_voting_server)"),
    ("partition", "partition"),
    ("autopilot.redundancy_zone_tag", "autopilot.redundancy_zone_tag"),
    ("autopilot.upgrade_version_tag", "autopilot.upgrade_version_tag"),
    ("autopilot.disable_upgrade_migration", "autopilot.disable_upgrade_migration"),
    ("dns_config.prefer_namespace", "dns_config.prefer_namespace"),
    ("acl.msp_disable_bootstrap", "acl.msp_disable_bootstrap"),
    ("acl.tokens.managed_service_provider", "acl.tokens.managed_service_provider"),
    ("audit", "audit"),
    ("license_path", "license_path"),
];

/// Warns of enterprise keys in one source.
pub(crate) fn warn_enterprise(layer: &Layer, warnings: &mut Vec<String>) {
    for (path, name) in ENTERPRISE {
        if layer.has(path) {
            warnings.push(format!("\"{name}\" is a Consul Enterprise configuration and will have no effect"));
        }
    }
}

/// Moves the deprecated keys of one source; a new key in the same source wins.
pub(crate) fn modernise(layer: &mut Layer, warnings: &mut Vec<String>) {
    rename_all(ACL_TOKENS, layer, warnings);
    if let Some(place) = rename("acl_replication_token", "acl.tokens.replication", layer, warnings) {
        layer.force("acl.enable_token_replication", Value::Bool(true), place);
    }
    rename("enable_acl_replication", "acl.enable_token_replication", layer, warnings);
    if let Some(place) = rename("acl_datacenter", "primary_datacenter", layer, warnings) {
        layer.force("acl.enabled", Value::Bool(true), place);
    }
    rename_all(ACL_SETTINGS, layer, warnings);
    rename_all(TLS_FILES, layer, warnings);
    modernise_tls_min_version(layer, warnings);
    if let Some(place) = rename("verify_incoming", "tls.defaults.verify_incoming", layer, warnings) {
        // The old key never applied to gRPC.
        layer.set_if_absent("tls.grpc.verify_incoming", Value::Bool(false), place);
    }
    rename_all(TLS_VERIFY, layer, warnings);
    if layer.take("tls_prefer_server_cipher_suites").is_some() {
        warnings.push("The 'tls_prefer_server_cipher_suites' field is deprecated and will be ignored.".to_owned());
    }
}

/// Moves the deprecated UI keys, which the reference does after merging.
pub(crate) fn modernise_ui(settings: &mut Settings, warnings: &mut Vec<String>) {
    for (old, new) in UI {
        let Some(setting) = settings.take(old) else { continue };
        warnings.push(moved(old, new));
        if settings.place(new).is_none() {
            settings.replace(new, setting);
        }
    }
}

fn rename_all(table: &[(&'static str, &'static str)], layer: &mut Layer, warnings: &mut Vec<String>) {
    for (old, new) in table {
        rename(old, new, layer, warnings);
    }
}

fn rename(old: &'static str, new: &'static str, layer: &mut Layer, warnings: &mut Vec<String>) -> Option<Place> {
    let Setting { value, place, .. } = layer.take(old)?;
    warnings.push(moved(old, new));
    layer.set_if_absent(new, value, place.clone());
    Some(place)
}

fn moved(old: &str, new: &str) -> String {
    format!("The '{old}' field is deprecated. Use the '{new}' field instead.")
}

fn modernise_tls_min_version(layer: &mut Layer, warnings: &mut Vec<String>) {
    const OLD: &str = "tls_min_version";
    let Some(Setting { value: Value::Text(version), place, .. }) = layer.take(OLD) else { return };
    let modern = match version.as_str() {
        "" => Some("TLS_AUTO"),
        "tls10" => Some("TLSv1_0"),
        "tls11" => Some("TLSv1_1"),
        "tls12" => Some("TLSv1_2"),
        "tls13" => Some("TLSv1_3"),
        _ => None,
    };
    if let Some(modern) = modern {
        warnings.push(format!("'{OLD}' value '{version}' is deprecated, please specify '{modern}' instead"));
    }
    warnings.push(moved(OLD, "tls.defaults.tls_min_version"));
    let version = modern.map_or(version, str::to_owned);
    layer.set_if_absent("tls.defaults.tls_min_version", Value::Text(version), place);
}
