//! What an agent says about itself, its members and its checks (`docs/spec/http-api.md §3.1, §3.2`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AgentService, CheckDefinition, Coord, HealthCheck, go};

/// The agent about itself. `None` where the agent left a section out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentSelf {
    /// The stable part of the configuration: `Datacenter`, `NodeName`, `NodeID`, `Server`, `Version`, …
    pub config: Option<BTreeMap<String, Value>>,
    /// The whole configuration, secrets hidden; its shape may change between versions.
    pub debug_config: Option<BTreeMap<String, Value>>,
    /// The node's network coordinate; absent when coordinates are disabled.
    pub coord: Option<Coord>,
    /// The agent as a gossip member.
    pub member: Option<AgentMember>,
    /// Statistics by group and name.
    pub stats: Option<BTreeMap<String, BTreeMap<String, String>>>,
    /// Metadata of the node.
    pub meta: Option<BTreeMap<String, String>>,
    /// Where proxies get their configuration, and which proxies are supported.
    #[serde(rename = "xDS")]
    pub xds: Option<Value>,
}

impl AgentSelf {
    /// A string of the stable configuration, for instance `NodeName`.
    pub fn config_text(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.get(name)?.as_str()
    }
}

/// A gossip member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentMember {
    /// Name of the node; with `.datacenter` in the pool between datacenters.
    pub name: String,
    /// Its IP address.
    pub addr: String,
    /// Its gossip port.
    pub port: u16,
    /// Gossip tags: `role`, `dc`, `build`, …
    #[serde(deserialize_with = "go::null_default")]
    pub tags: BTreeMap<String, String>,
    /// Its status, as a number; see [`AgentMember::status`].
    #[serde(rename = "Status")]
    pub status_code: i64,
    /// Lowest gossip protocol it speaks.
    pub protocol_min: u8,
    /// Highest gossip protocol it speaks.
    pub protocol_max: u8,
    /// Gossip protocol in use.
    pub protocol_cur: u8,
    /// Lowest delegate version it speaks.
    pub delegate_min: u8,
    /// Highest delegate version it speaks.
    pub delegate_max: u8,
    /// Delegate version in use.
    pub delegate_cur: u8,
}

/// Status of a gossip member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberStatus {
    /// Unknown.
    None,
    /// Answers.
    Alive,
    /// Leaving.
    Leaving,
    /// Left on purpose.
    Left,
    /// Does not answer.
    Failed,
}

impl MemberStatus {
    /// `none`, `alive`, `leaving`, `left` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            MemberStatus::None => "none",
            MemberStatus::Alive => "alive",
            MemberStatus::Leaving => "leaving",
            MemberStatus::Left => "left",
            MemberStatus::Failed => "failed",
        }
    }
}

impl AgentMember {
    /// The status; `None` for a number this client does not know.
    pub fn status(&self) -> Option<MemberStatus> {
        Some(match self.status_code {
            0 => MemberStatus::None,
            1 => MemberStatus::Alive,
            2 => MemberStatus::Leaving,
            3 => MemberStatus::Left,
            4 => MemberStatus::Failed,
            _ => return None,
        })
    }
}

/// A check registered with an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AgentCheck {
    /// Name of the node.
    pub node: String,
    /// ID, unique on its agent.
    #[serde(rename = "CheckID")]
    pub check_id: String,
    /// Name for people.
    pub name: String,
    /// `passing`, `warning` or `critical`.
    pub status: String,
    /// Free text of whoever registered it; the reason, for a maintenance check.
    pub notes: String,
    /// Output of the last run.
    pub output: String,
    /// The service it checks; empty for the node.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// Name of that service.
    pub service_name: String,
    /// Tags of that service.
    #[serde(deserialize_with = "go::null_default")]
    pub service_tags: Vec<String>,
    /// `http`, `tcp`, `ttl`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// Time between runs, as text.
    pub interval: String,
    /// Longest time of one run, as text.
    pub timeout: String,
    /// Port the check is exposed on by a proxy; 0 for none.
    pub exposed_port: i64,
    /// How it is run.
    #[serde(deserialize_with = "go::null_default")]
    pub definition: CheckDefinition,
}

/// Health of one local service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LocalHealth {
    /// `passing`, `warning`, `critical` or `maintenance`.
    pub aggregated_status: String,
    /// The service.
    pub service: Option<AgentService>,
    /// Its checks and the node's.
    #[serde(deserialize_with = "go::null_default")]
    pub checks: Vec<HealthCheck>,
}
