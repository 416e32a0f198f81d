//! Transactions: several operations, all or nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::shape::{is_zero, null_if_empty};
use crate::{DirEntry, HealthCheck, Node, NodeService};

/// Command 8 of the replicated log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TxnRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// The operations, in order.
    pub ops: Vec<TxnOp>,
    /// Secret of the caller's token.
    pub token: String,
}

/// One operation: exactly one member is set. `Session` and `Intention` exist in the format and are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct TxnOp {
    #[serde(rename = "KV", skip_serializing_if = "Option::is_none")]
    pub kv: Option<TxnKvOp>,
    #[serde(rename = "Node", skip_serializing_if = "Option::is_none")]
    pub node: Option<TxnNodeOp>,
    #[serde(rename = "Service", skip_serializing_if = "Option::is_none")]
    pub service: Option<TxnServiceOp>,
    #[serde(rename = "Check", skip_serializing_if = "Option::is_none")]
    pub check: Option<TxnCheckOp>,
}

/// An operation on a key. The verb stays text so that an unknown one can be named in its error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TxnKvOp {
    pub verb: String,
    pub dir_ent: DirEntry,
}

/// An operation on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TxnNodeOp {
    pub verb: String,
    pub node: Node,
}

/// An operation on a service instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TxnServiceOp {
    pub verb: String,
    pub node: String,
    pub service: NodeService,
}

/// An operation on a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct TxnCheckOp {
    pub verb: String,
    pub check: HealthCheck,
}

/// What a transaction answers: results, or errors and no effect at all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TxnResponse {
    /// One per operation that yields something, in order; null in JSON when the transaction failed or yields none.
    #[serde(serialize_with = "null_if_empty")]
    pub results: Vec<TxnResult>,
    /// Every operation that failed.
    #[serde(serialize_with = "null_if_empty")]
    pub errors: Vec<TxnError>,
}

/// One result: exactly one member is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct TxnResult {
    #[serde(rename = "KV", skip_serializing_if = "is_zero")]
    pub kv: Option<Arc<DirEntry>>,
    #[serde(rename = "Node", skip_serializing_if = "is_zero")]
    pub node: Option<Arc<Node>>,
    #[serde(rename = "Service", skip_serializing_if = "is_zero")]
    pub service: Option<Arc<NodeService>>,
    #[serde(rename = "Check", skip_serializing_if = "is_zero")]
    pub check: Option<Arc<HealthCheck>>,
}

/// Why an operation failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TxnError {
    /// Position of the operation, from 0.
    pub op_index: usize,
    /// What went wrong.
    pub what: String,
}
