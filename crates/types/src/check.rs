//! Health checks of the catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::duration::GoDuration;

use crate::Rare;
use crate::rare::shared_default;
use crate::shape::{is_zero, null_if_empty};

shared_default!(HealthCheckDefinition);

/// The three statuses a check can have; the catalog stores others unchecked, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum CheckStatus {
    Passing,
    Warning,
    Critical,
}

impl CheckStatus {
    /// The status's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            CheckStatus::Passing => "passing",
            CheckStatus::Warning => "warning",
            CheckStatus::Critical => "critical",
        }
    }
}

/// A health check as the catalog knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// Node the check belongs to.
    #[serde(rename = "Node")]
    pub node: String,
    /// ID, unique on the node.
    #[serde(rename = "CheckID")]
    pub check_id: String,
    /// Name for people.
    #[serde(rename = "Name")]
    pub name: String,
    /// `passing`, `warning`, `critical`; other text is stored unchecked.
    #[serde(rename = "Status")]
    pub status: String,
    /// Notes for people.
    #[serde(rename = "Notes")]
    pub notes: String,
    /// Output of the last run.
    #[serde(rename = "Output")]
    pub output: String,
    /// ID of the service instance, empty for a node check.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// Name of that service, copied when the check is written.
    #[serde(rename = "ServiceName")]
    pub service_name: String,
    /// Tags of that service, copied when the check is written.
    #[serde(rename = "ServiceTags", serialize_with = "null_if_empty")]
    pub service_tags: Vec<String>,
    /// Kind of check (`ttl`, `http`, …).
    #[serde(rename = "Type")]
    pub r#type: String,
    /// Interval as text.
    #[serde(rename = "Interval")]
    pub interval: String,
    /// Timeout as text.
    #[serde(rename = "Timeout")]
    pub timeout: String,
    /// Port a sidecar exposes for the check, 0 for none.
    #[serde(rename = "ExposedPort")]
    pub exposed_port: i64,
    /// Name of the peering it was imported from; empty for a local one.
    #[serde(rename = "PeerName", skip_serializing_if = "is_zero")]
    pub peer_name: String,
    /// How the check is run.
    #[serde(rename = "Definition")]
    pub definition: Rare<HealthCheckDefinition>,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

/// How a check is run, as far as the catalog keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct HealthCheckDefinition {
    #[serde(rename = "HTTP", skip_serializing_if = "is_zero")]
    pub http: String,
    #[serde(rename = "TLSServerName", skip_serializing_if = "is_zero")]
    pub tls_server_name: String,
    #[serde(rename = "TLSSkipVerify", skip_serializing_if = "is_zero")]
    pub tls_skip_verify: bool,
    #[serde(rename = "Header", skip_serializing_if = "is_zero")]
    pub header: BTreeMap<String, Vec<String>>,
    #[serde(rename = "Method", skip_serializing_if = "is_zero")]
    pub method: String,
    #[serde(rename = "Body", skip_serializing_if = "is_zero")]
    pub body: String,
    #[serde(rename = "DisableRedirects", skip_serializing_if = "is_zero")]
    pub disable_redirects: bool,
    #[serde(rename = "TCP", skip_serializing_if = "is_zero")]
    pub tcp: String,
    #[serde(rename = "UDP", skip_serializing_if = "is_zero")]
    pub udp: String,
    #[serde(rename = "H2PING", skip_serializing_if = "is_zero")]
    pub h2ping: String,
    #[serde(rename = "OSService", skip_serializing_if = "is_zero")]
    pub os_service: String,
    #[serde(rename = "H2PingUseTLS", skip_serializing_if = "is_zero")]
    pub h2ping_use_tls: bool,
    #[serde(rename = "Interval", skip_serializing_if = "is_zero")]
    pub interval: GoDuration,
    #[serde(rename = "OutputMaxSize", skip_serializing_if = "is_zero")]
    pub output_max_size: u64,
    #[serde(rename = "Timeout", skip_serializing_if = "is_zero")]
    pub timeout: GoDuration,
    #[serde(rename = "DeregisterCriticalServiceAfter", skip_serializing_if = "is_zero")]
    pub deregister_critical_service_after: GoDuration,
    #[serde(rename = "ScriptArgs", skip_serializing_if = "is_zero")]
    pub script_args: Vec<String>,
    #[serde(rename = "DockerContainerID", skip_serializing_if = "is_zero")]
    pub docker_container_id: String,
    #[serde(rename = "Shell", skip_serializing_if = "is_zero")]
    pub shell: String,
    #[serde(rename = "GRPC", skip_serializing_if = "is_zero")]
    pub grpc: String,
    #[serde(rename = "GRPCUseTLS", skip_serializing_if = "is_zero")]
    pub grpc_use_tls: bool,
    #[serde(rename = "AliasNode", skip_serializing_if = "is_zero")]
    pub alias_node: String,
    #[serde(rename = "AliasService", skip_serializing_if = "is_zero")]
    pub alias_service: String,
    #[serde(rename = "TTL", skip_serializing_if = "is_zero")]
    pub ttl: GoDuration,
}
