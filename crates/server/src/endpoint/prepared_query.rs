//! Prepared queries: kept questions about services (`docs/spec/http-api.md` §11). Running one is in `execute.rs`.

mod execute;
mod shuffle;
mod validate;

use std::sync::{Arc, LazyLock};

use state::{Snapshot, Topic};
use telemetry::metrics::{self, Sample};
use types::method::{
    DatacenterRequest, Indexed, PreparedQueryApply, PreparedQueryExplain, PreparedQueryGet, PreparedQueryList,
    QueryExecuteRequest, QuerySpecificRequest,
};
use types::query::Consistency;
use types::{MessageType, PreparedQuery, PreparedQueryRequest, RpcError};

use crate::server::{Handle, Server};
use crate::write::checked;

/// Stands for a query's token in answers.
const HIDDEN_TOKEN: &str = "<hidden>";
/// What the state refuses is told with this before it.
const APPLY_FAILED: &str = "raft apply failed: ";
/// Clients match on it.
const NOT_FOUND: &str = "Query not found";

/// Times every change.
static APPLY: LazyLock<Sample> = LazyLock::new(|| metrics::sample("prepared-query.apply"));
/// Times every explanation.
static EXPLAIN: LazyLock<Sample> = LazyLock::new(|| metrics::sample("prepared-query.explain"));

impl Handle<PreparedQueryApply> for Server {
    async fn handle(&self, mut request: PreparedQueryRequest) -> Result<String, RpcError> {
        let _timing = APPLY.timing();
        self.shared.check_datacenter(&request.datacenter)?;
        // Whether the query is there is told by a state that lacks nothing.
        self.shared.check_consistency(Consistency::Default).await?;
        let snapshot = self.shared.store.snapshot();
        let Some(query) = &mut request.query else { return Err(RpcError::other("missing prepared query")) };
        match request.op.as_str() {
            "create" => query.id = new_id(&snapshot, &query.id)?,
            "update" | "delete" => check_exists(&snapshot, &query.id)?,
            op => return Err(RpcError::other(format!("Unknown prepared query operation: {op}"))),
        }
        if request.op != "delete" {
            validate::check(query).map_err(|fault| RpcError::other(format!("Invalid prepared query: {fault}")))?;
        }
        let id = query.id.clone();
        checked(self.shared.propose(MessageType::PreparedQuery, &request).await?, APPLY_FAILED)?;
        Ok(id)
    }
}

/// An ID that no query has, for a query that must not bring one.
fn new_id(snapshot: &Snapshot, brought: &str) -> Result<String, RpcError> {
    if !brought.is_empty() {
        return Err(RpcError::other("ID must be empty when creating a new prepared query"));
    }
    loop {
        let id = uuid::Uuid::new_v4().to_string();
        if snapshot.prepared_query(&id).1.is_none() {
            return Ok(id);
        }
    }
}

fn check_exists(snapshot: &Snapshot, id: &str) -> Result<(), RpcError> {
    let found =
        find(snapshot, id).map_err(|fault| RpcError::other(format!("Prepared Query lookup failed: {fault}")))?;
    if found.1.is_none() {
        return Err(RpcError::other(format!("Cannot modify non-existent prepared query: '{id}'")));
    }
    Ok(())
}

/// The query with an ID; a fault if that is none.
fn find(snapshot: &Snapshot, id: &str) -> Result<(u64, Option<Arc<PreparedQuery>>), String> {
    validate::check_id(id).map_err(|fault| format!("failed prepared query lookup: index error: {fault}"))?;
    Ok(snapshot.prepared_query(id))
}

impl Handle<PreparedQueryGet> for Server {
    async fn handle(&self, request: QuerySpecificRequest) -> Result<Indexed<Vec<Arc<PreparedQuery>>>, RpcError> {
        let query = |snapshot: &Snapshot| match find(snapshot, &request.query_id) {
            Ok((index, Some(query))) => (index, Ok(query)),
            // A refusal waits for nothing.
            Ok((_, None)) => (u64::MAX, Err(NOT_FOUND.to_owned())),
            Err(fault) => (u64::MAX, Err(fault)),
        };
        let found = self.shared.read(&request.options, || vec![Topic::prepared_queries()], query).await?;
        let query = found.value.map_err(RpcError::other)?;
        Ok(Indexed { value: vec![without_token(query)], meta: found.meta })
    }
}

impl Handle<PreparedQueryList> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<Indexed<Vec<Arc<PreparedQuery>>>, RpcError> {
        let query = |snapshot: &Snapshot| {
            let (index, queries) = snapshot.prepared_queries();
            (index, queries.into_iter().map(without_token).collect())
        };
        self.shared.read(&request.options, || vec![Topic::prepared_queries()], query).await
    }
}

impl Handle<PreparedQueryExplain> for Server {
    async fn handle(&self, request: QueryExecuteRequest) -> Result<Indexed<PreparedQuery>, RpcError> {
        let _timing = EXPLAIN.timing();
        self.shared.check_datacenter(&request.options.datacenter)?;
        self.shared.check_consistency(request.options.consistency).await?;
        let query = resolve(&self.shared.store.snapshot(), &request)?;
        let value = Arc::unwrap_or_clone(without_token(query));
        Ok(Indexed { value, meta: self.shared.meta(0) })
    }
}

/// The query a request names, filled in if it is a template.
fn resolve(snapshot: &Snapshot, request: &QueryExecuteRequest) -> Result<Arc<PreparedQuery>, RpcError> {
    snapshot
        .resolve_query(&request.query_id_or_name, &request.agent.segment)
        .map_err(|error| RpcError::other(error.to_string()))
}

/// The query as it is shown: nobody gets to see the token it runs with.
fn without_token(query: Arc<PreparedQuery>) -> Arc<PreparedQuery> {
    if query.token.is_empty() {
        return query;
    }
    let mut shown = PreparedQuery::clone(&query);
    HIDDEN_TOKEN.clone_into(&mut shown.token);
    Arc::new(shown)
}
