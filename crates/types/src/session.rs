//! Sessions: the owners of locks.

use serde::{Deserialize, Serialize};
use wire::duration::GoDuration;

use crate::shape::{is_zero, null_if_empty};

/// A session (`docs/spec/http-api.md` §8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// UUID, made by the server.
    #[serde(rename = "ID")]
    pub id: String,
    /// Free name.
    #[serde(rename = "Name")]
    pub name: String,
    /// Node the session is bound to.
    #[serde(rename = "Node")]
    pub node: String,
    /// How long its keys stay unlockable after it is invalidated; a number of nanoseconds in every format.
    #[serde(rename = "LockDelay", with = "nanoseconds")]
    pub lock_delay: GoDuration,
    /// `release` or `delete`: what happens to its keys.
    #[serde(rename = "Behavior")]
    pub behavior: String,
    /// Duration text as given, empty for none.
    #[serde(rename = "TTL")]
    pub ttl: String,
    /// IDs of node checks that keep it alive.
    #[serde(rename = "NodeChecks")]
    pub node_checks: Vec<String>,
    /// Service checks that keep it alive.
    #[serde(rename = "ServiceChecks", serialize_with = "null_if_empty")]
    pub service_checks: Vec<ServiceCheckRef>,
    /// Legacy list of check IDs.
    #[serde(rename = "Checks", skip_serializing_if = "is_zero")]
    pub checks: Vec<String>,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

impl Session {
    /// Every check ID the session depends on.
    pub fn check_ids(&self) -> impl Iterator<Item = &str> {
        let services = self.service_checks.iter().map(|c| c.id.as_str());
        self.checks.iter().chain(&self.node_checks).map(String::as_str).chain(services)
    }
}

/// A service check a session depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceCheckRef {
    /// The check's ID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Echoed as sent.
    #[serde(rename = "Namespace")]
    pub namespace: String,
}

/// What a session command does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionOp {
    /// Make a session.
    #[default]
    Create,
    /// End one.
    Destroy,
}

/// Command 3 of the replicated log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SessionRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Create or destroy.
    pub op: SessionOp,
    /// The session; only its ID matters for destroy.
    pub session: Session,
    /// Secret of the caller's token.
    pub token: String,
}

/// A duration that is a number of nanoseconds in JSON too.
mod nanoseconds {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use wire::duration::GoDuration;

    pub(super) fn serialize<S: Serializer>(value: &GoDuration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(value.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GoDuration, D::Error> {
        GoDuration::deserialize(deserializer)
    }
}
