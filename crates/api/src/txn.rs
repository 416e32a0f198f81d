//! Transactions (`docs/spec/http-api.md §7`).

use serde::{Deserialize, Serialize};

use crate::{AgentService, Client, HealthCheck, KvPair, Node, QueryMeta, QueryOptions, Result, go};

/// Transactions; [`Client::txn`] makes one.
///
/// ```
/// # api::test_support::run(|agent| async move {
/// # let client = agent.client()?;
/// use api::{KvTxnOp, QueryOptions, TxnOutcome};
/// let operations = [
///     KvTxnOp::check_not_exists("job/1").into(),
///     KvTxnOp::set("job/1", "queued").into(),
///     KvTxnOp::get("job/1").into(),
/// ];
/// let (outcome, _) = client.txn().run(&operations, &QueryOptions::new()).await?;
/// assert!(matches!(outcome, TxnOutcome::Committed(_)));
/// let (outcome, _) = client.txn().run(&operations, &QueryOptions::new()).await?;
/// let TxnOutcome::RolledBack(errors) = outcome else { panic!("the key exists now") };
/// assert_eq!((errors[0].op_index, errors[0].what.as_str()), (0, "key \"job/1\" exists"));
/// # Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct Txn {
    pub(crate) client: Client,
}

/// One operation; a transaction takes up to 128.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum TxnOp {
    /// On a key.
    #[serde(rename = "KV")]
    Kv(KvTxnOp),
    /// On a node.
    Node(NodeTxnOp),
    /// On a service instance.
    Service(ServiceTxnOp),
    /// On a check.
    Check(CheckTxnOp),
}

/// An operation on a key; the constructors name the verbs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KvTxnOp {
    verb: &'static str,
    key: String,
    #[serde(with = "go::base64_bytes")]
    value: Vec<u8>,
    flags: u64,
    index: u64,
    session: String,
}

/// What is done with a node, service or check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TxnVerb {
    /// Read it; absent ones fail.
    Get,
    /// Write it.
    Set,
    /// Write it if its `modify_index` is still the one given; 0 means "only if absent".
    Cas,
    /// Delete it; absent ones are fine.
    Delete,
    /// Delete it if its `modify_index` is still the one given.
    DeleteCas,
}

/// An operation on a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeTxnOp {
    /// What to do.
    pub verb: TxnVerb,
    /// The node.
    pub node: Node,
}

/// An operation on a service instance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceTxnOp {
    /// What to do.
    pub verb: TxnVerb,
    /// Name of the node.
    pub node: String,
    /// The instance. The servers drop some members here: tagged addresses, socket path, most of the proxy.
    pub service: AgentService,
}

/// An operation on a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckTxnOp {
    /// What to do.
    pub verb: TxnVerb,
    /// The check, its node included.
    pub check: HealthCheck,
}

/// One result; writes return their object without the value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub enum TxnResult {
    /// An entry.
    #[serde(rename = "KV")]
    Kv(KvPair),
    /// A node.
    Node(Node),
    /// A service instance.
    Service(AgentService),
    /// A check.
    Check(HealthCheck),
}

/// Why an operation failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TxnError {
    /// Position of the operation.
    pub op_index: usize,
    /// What was wrong.
    pub what: String,
}

/// How a transaction ended: everything happened or nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum TxnOutcome {
    /// Everything happened. Deletes have no result, tree reads many.
    Committed(Vec<TxnResult>),
    /// Nothing happened.
    RolledBack(Vec<TxnError>),
}

#[derive(Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[derive(Default)]
struct Answer {
    #[serde(deserialize_with = "go::null_default")]
    results: Vec<TxnResult>,
    #[serde(deserialize_with = "go::null_default")]
    errors: Vec<TxnError>,
}

impl KvTxnOp {
    fn new(verb: &'static str, key: impl Into<String>) -> Self {
        KvTxnOp { verb, key: key.into(), ..KvTxnOp::default() }
    }

    /// Writes a value.
    pub fn set(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        KvTxnOp { value: value.into(), ..Self::new("set", key) }
    }

    /// Writes a value if the entry's `modify_index` is still `index`; 0 means "only if absent".
    pub fn cas(key: impl Into<String>, value: impl Into<Vec<u8>>, index: u64) -> Self {
        KvTxnOp { value: value.into(), index, ..Self::new("cas", key) }
    }

    /// Writes a value and locks the key with a session.
    pub fn lock(key: impl Into<String>, value: impl Into<Vec<u8>>, session: impl Into<String>) -> Self {
        KvTxnOp { value: value.into(), session: session.into(), ..Self::new("lock", key) }
    }

    /// Writes a value and unlocks the key.
    pub fn unlock(key: impl Into<String>, value: impl Into<Vec<u8>>, session: impl Into<String>) -> Self {
        KvTxnOp { value: value.into(), session: session.into(), ..Self::new("unlock", key) }
    }

    /// Reads an entry; an absent one fails.
    pub fn get(key: impl Into<String>) -> Self {
        Self::new("get", key)
    }

    /// Reads an entry; an absent one has an empty value and index 0.
    pub fn get_or_empty(key: impl Into<String>) -> Self {
        Self::new("get-or-empty", key)
    }

    /// Reads every entry under a prefix.
    pub fn get_tree(prefix: impl Into<String>) -> Self {
        Self::new("get-tree", prefix)
    }

    /// Fails unless the entry's `modify_index` is `index`.
    pub fn check_index(key: impl Into<String>, index: u64) -> Self {
        KvTxnOp { index, ..Self::new("check-index", key) }
    }

    /// Fails unless the key is locked by `session`.
    pub fn check_session(key: impl Into<String>, session: impl Into<String>) -> Self {
        KvTxnOp { session: session.into(), ..Self::new("check-session", key) }
    }

    /// Fails if the key exists.
    pub fn check_not_exists(key: impl Into<String>) -> Self {
        Self::new("check-not-exists", key)
    }

    /// Deletes an entry.
    pub fn delete(key: impl Into<String>) -> Self {
        Self::new("delete", key)
    }

    /// Deletes an entry if its `modify_index` is still `index`.
    pub fn delete_cas(key: impl Into<String>, index: u64) -> Self {
        KvTxnOp { index, ..Self::new("delete-cas", key) }
    }

    /// Deletes every entry under a prefix.
    pub fn delete_tree(prefix: impl Into<String>) -> Self {
        Self::new("delete-tree", prefix)
    }

    /// Writes these flags next to the value.
    pub fn flags(mut self, flags: u64) -> Self {
        self.flags = flags;
        self
    }
}

impl From<KvTxnOp> for TxnOp {
    fn from(operation: KvTxnOp) -> Self {
        TxnOp::Kv(operation)
    }
}

impl From<NodeTxnOp> for TxnOp {
    fn from(operation: NodeTxnOp) -> Self {
        TxnOp::Node(operation)
    }
}

impl From<ServiceTxnOp> for TxnOp {
    fn from(operation: ServiceTxnOp) -> Self {
        TxnOp::Service(operation)
    }
}

impl From<CheckTxnOp> for TxnOp {
    fn from(operation: CheckTxnOp) -> Self {
        TxnOp::Check(operation)
    }
}

impl Txn {
    /// Runs the operations in order, all or none; reads see earlier writes. With reads only, `stale` and `consistent`
    /// count; it never blocks.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse)
    /// (413 for too many or too large operations), [`Error::Decode`](crate::Error::Decode). Operations that fail are
    /// [`TxnOutcome::RolledBack`], not an error.
    pub async fn run(&self, operations: &[TxnOp], options: &QueryOptions) -> Result<(TxnOutcome, QueryMeta)> {
        let request = self.client.put("/v1/txn").query_options(options).json(operations);
        let answer = request.send().await?.expect(&[200, 409]).await?;
        let committed = answer.status() == 200;
        let (answer, meta) = answer.json_with_meta::<Answer>().await?;
        let outcome =
            if committed { TxnOutcome::Committed(answer.results) } else { TxnOutcome::RolledBack(answer.errors) };
        Ok((outcome, meta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_by_what_they_work_on() {
        let operation = TxnOp::from(KvTxnOp::cas("k", "v", 7).flags(1));
        let expected = r#"{"KV":{"Verb":"cas","Key":"k","Value":"dg==","Flags":1,"Index":7,"Session":""}}"#;
        assert_eq!(serde_json::to_string(&operation).unwrap(), expected);
    }

    #[test]
    fn verbs_are_hyphenated() {
        assert_eq!(serde_json::to_string(&TxnVerb::DeleteCas).unwrap(), r#""delete-cas""#);
    }
}
