//! Prepared queries: stored questions about services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::shape::{is_zero, null_if_empty};

/// A stored query (`docs/spec/http-api.md` §11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PreparedQuery {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "Name")]
    pub name: String,
    #[serde(rename = "Session")]
    pub session: String,
    #[serde(rename = "Token")]
    pub token: String,
    #[serde(rename = "Template", skip_serializing_if = "is_zero")]
    pub template: QueryTemplate,
    #[serde(rename = "Service")]
    pub service: ServiceQuery,
    #[serde(rename = "DNS")]
    pub dns: QueryDns,
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

/// What makes a query a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct QueryTemplate {
    pub r#type: String,
    pub regexp: String,
    pub remove_empty_tags: bool,
}

/// What a query asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ServiceQuery {
    #[serde(rename = "Service")]
    pub service: String,
    #[serde(rename = "Failover")]
    pub failover: QueryFailover,
    #[serde(rename = "OnlyPassing")]
    pub only_passing: bool,
    #[serde(rename = "IgnoreCheckIDs", serialize_with = "null_if_empty")]
    pub ignore_check_ids: Vec<String>,
    #[serde(rename = "Near")]
    pub near: String,
    #[serde(rename = "Tags", serialize_with = "null_if_empty")]
    pub tags: Vec<String>,
    #[serde(rename = "NodeMeta", serialize_with = "null_if_empty")]
    pub node_meta: BTreeMap<String, String>,
    #[serde(rename = "ServiceMeta", serialize_with = "null_if_empty")]
    pub service_meta: BTreeMap<String, String>,
    #[serde(rename = "Connect")]
    pub connect: bool,
    #[serde(rename = "Peer", skip_serializing_if = "is_zero")]
    pub peer: String,
}

/// Where to look when nothing is found here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct QueryFailover {
    pub nearest_n: i64,
    #[serde(serialize_with = "null_if_empty")]
    pub datacenters: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub targets: Vec<QueryFailoverTarget>,
}

/// One place to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct QueryFailoverTarget {
    #[serde(skip_serializing_if = "is_zero")]
    pub peer: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub datacenter: String,
}

/// How the query answers over DNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryDns {
    /// Duration text, empty for none.
    #[serde(rename = "TTL")]
    pub ttl: String,
}

/// Command 7 of the replicated log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PreparedQueryRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// `create`, `update` or `delete`.
    pub op: String,
    /// The query; only its ID matters for delete.
    pub query: Option<PreparedQuery>,
    /// Secret of the caller's token.
    pub token: String,
}
