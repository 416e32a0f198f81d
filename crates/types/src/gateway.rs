//! Services behind gateways, as configuration entries bind them.

use serde::{Deserialize, Serialize};

use crate::shape::is_zero;

/// A name as the reference nests it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceName {
    /// The name.
    pub name: String,
}

/// A service a gateway gives access to (`docs/spec/http-api.md` §4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct GatewayService {
    #[serde(rename = "Gateway")]
    pub gateway: ServiceName,
    #[serde(rename = "Service")]
    pub service: ServiceName,
    #[serde(rename = "GatewayKind")]
    pub gateway_kind: String,
    #[serde(rename = "Port", skip_serializing_if = "is_zero")]
    pub port: i64,
    #[serde(rename = "Protocol", skip_serializing_if = "is_zero")]
    pub protocol: String,
    #[serde(rename = "Hosts", skip_serializing_if = "is_zero")]
    pub hosts: Vec<String>,
    #[serde(rename = "CAFile", skip_serializing_if = "is_zero")]
    pub ca_file: String,
    #[serde(rename = "CertFile", skip_serializing_if = "is_zero")]
    pub cert_file: String,
    #[serde(rename = "KeyFile", skip_serializing_if = "is_zero")]
    pub key_file: String,
    #[serde(rename = "SNI", skip_serializing_if = "is_zero")]
    pub sni: String,
    #[serde(rename = "FromWildcard", skip_serializing_if = "is_zero")]
    pub from_wildcard: bool,
    #[serde(rename = "ServiceKind", skip_serializing_if = "is_zero")]
    pub service_kind: String,
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}
