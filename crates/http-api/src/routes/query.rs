//! `/v1/query` (`docs/spec/http-api.md` §11).

mod shape;

use std::num::IntErrorKind;
use std::sync::Arc;

use ::agent::ReadSource;
use http::StatusCode;
use types::method::{
    DatacenterRequest, PreparedQueryApply, PreparedQueryExecute, PreparedQueryExplain, PreparedQueryGet,
    PreparedQueryList, QueryExecuteReply, QueryExecuteRequest, QuerySpecificRequest,
};
use types::{Consistency, PreparedQuery, PreparedQueryRequest, QueryOptions, QuerySource};
use wire::json::{self, JsonError, Unknown};
use wire::quote::go_quote;

use self::shape::{ExplainView, MetaView, QueryView, ResultView};
use super::catalog::source;
use super::discover;
use super::view::List;
use crate::meta::{CacheStatus, Metadata};
use crate::params::parse_bool;
use crate::pipeline::{Call, Remote};
use crate::reads::{CacheControl, Key, is_cached};
use crate::reply::{Answer, Failure, Reply, metadata};

const X_FORWARDED_FOR: &str = "x-forwarded-for";
/// The one refusal that means 404.
const NOT_FOUND: &str = "Query not found";
const EXECUTE: &str = "execute";
const EXPLAIN: &str = "explain";

/// All queries.
pub(crate) async fn list(call: &mut Call) -> Answer {
    let options = call.options()?;
    let request = |options| DatacenterRequest { options, ..DatacenterRequest::default() };
    let (queries, metadata) = discover::<PreparedQueryList, _>(call, options, true, request).await?;
    queries_reply(call, &queries, &metadata)
}

/// Creates a query.
pub(crate) async fn create(call: &mut Call) -> Answer {
    let body = call.read_body().await?;
    let id = apply(call, "create", decode(&body)?).await?;
    Reply::json(&serde_json::json!({ "ID": id }), call.pretty())
}

/// One query, as a list.
pub(crate) async fn read(call: &mut Call) -> Answer {
    let options = call.options()?;
    let query_id = call.argument_text().into_owned();
    let request = |options| QuerySpecificRequest { query_id: query_id.clone(), options };
    let found = discover::<PreparedQueryGet, _>(call, options, true, request).await;
    let (queries, metadata) = found.map_err(or_not_found)?;
    queries_reply(call, &queries, &metadata)
}

/// Replaces a query. A body whose length was not announced counts as empty.
pub(crate) async fn update(call: &mut Call) -> Answer {
    let mut query = match call.content_length() {
        Some(length) if length > 0 => decode(&call.read_body().await?)?,
        _ => PreparedQuery::default(),
    };
    query.id = call.argument_text().into_owned();
    apply(call, "update", query).await?;
    Ok(Reply::empty())
}

/// Deletes a query.
pub(crate) async fn delete(call: &mut Call) -> Answer {
    let query = PreparedQuery { id: call.argument_text().into_owned(), ..PreparedQuery::default() };
    apply(call, "delete", query).await?;
    Ok(Reply::empty())
}

/// A query as it would run.
pub(crate) async fn explain(call: &mut Call) -> Answer {
    let request = execution(call, EXPLAIN)?;
    let mode = request.options.consistency;
    let again = |options| QueryExecuteRequest { options, ..request.clone() };
    let explained = discover::<PreparedQueryExplain, _>(call, request.options.clone(), true, again).await;
    let (query, metadata) = explained.map_err(or_not_found)?;
    let view = ExplainView { query: QueryView::from(&query), meta: MetaView::new(&metadata.meta, mode) };
    Ok(Reply::json(&view, call.pretty())?.with_metadata(&metadata))
}

/// Runs a query.
pub(crate) async fn execute(call: &mut Call) -> Answer {
    let request = execution(call, EXECUTE)?;
    let mode = request.options.consistency;
    if is_cached(call) && call.door.agent.server().is_none() {
        return execute_cached(call, request).await;
    }
    let found = run(call, &request).await.map_err(|failure| or_not_found(failure.with_zero_metadata()))?;
    let told = metadata(found.meta.clone(), Some(mode), &request.options.token);
    let mut reply = Reply::json(&ResultView::new(&found, mode), call.pretty())?.with_metadata(&told);
    if is_cached(call) {
        // The answer is always a fresh one; what is told is whether a cache would have had one.
        let control = CacheControl::of(&call.headers);
        call.door.reads.cached.note_polled(&key(&request), control).write(&mut reply.headers);
    }
    Ok(reply)
}

/// What a client agent's cache has of a query's result, or fetches.
async fn execute_cached(call: &Call, request: QueryExecuteRequest) -> Answer {
    let (mode, token) = (request.options.consistency, request.options.token.clone());
    let source = ReadSource::Cache(CacheControl::of(&call.headers).options());
    let found = call.door.agent.read::<PreparedQueryExecute>(request, source).await.map_err(Failure::from);
    let (found, kept) = found.map_err(|failure| or_not_found(failure.with_zero_metadata()))?;
    let told = metadata(found.meta.clone(), Some(mode), &token);
    let mut reply = Reply::json(&ResultView::new(&found, mode), call.pretty())?.with_metadata(&told);
    CacheStatus::of(kept).write(&mut reply.headers);
    Ok(reply)
}

/// Runs a query, and once more on the leader if the answer is older than the client allows.
async fn run(call: &Call, request: &QueryExecuteRequest) -> Result<QueryExecuteReply, Failure> {
    let options = &request.options;
    let found = call.door.agent.call::<PreparedQueryExecute>(request.clone()).await?;
    let bounded = options.consistency == Consistency::Stale && !options.max_stale.is_zero();
    if !bounded || found.meta.last_contact <= options.max_stale {
        return Ok(found);
    }
    let fresh = QueryOptions {
        consistency: Consistency::Default,
        max_stale: std::time::Duration::ZERO,
        ..request.options.clone()
    };
    let again = QueryExecuteRequest { options: fresh, ..request.clone() };
    call.door.agent.call::<PreparedQueryExecute>(again).await.map_err(Failure::from)
}

/// Everything a cached result depends on.
fn key(request: &QueryExecuteRequest) -> Key {
    Key::new("prepared-query")
        .with(request.options.datacenter.as_bytes())
        .with(request.options.token.as_bytes())
        .with(request.query_id_or_name.as_bytes())
        .with(&request.limit.to_le_bytes())
        .with(&[u8::from(request.connect)])
        .with(request.source.node.as_bytes())
        .with(request.source_ip.as_bytes())
}

/// What is to be run; `ending` follows its name.
fn execution(call: &Call, ending: &str) -> Result<QueryExecuteRequest, Failure> {
    let options = call.options()?;
    let limit = limit(&call.query.text("limit")).map_err(|why| Failure::internal(format!("Bad limit: {why}")))?;
    let connect = match call.query.text("connect").as_ref() {
        "" => false,
        text => parse_bool(text).ok_or_else(|| {
            let why = format!("strconv.ParseBool: parsing {}: invalid syntax", go_quote(text));
            Failure::internal(format!("Error parsing 'connect' value: {why}"))
        })?,
    };
    let identity = call.door.agent.identity();
    Ok(QueryExecuteRequest {
        query_id_or_name: name_before(&call.argument_text(), ending).to_owned(),
        limit,
        connect,
        source: source(call),
        agent: QuerySource {
            datacenter: identity.datacenter.clone(),
            node: identity.node_name.clone(),
            segment: String::new(),
        },
        source_ip: client_address(call),
        options,
    })
}

/// Reads a number as Go's `strconv.Atoi` does; none is zero.
fn limit(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse::<i64>().map_err(|error| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {}: {why}", go_quote(text))
    })
}

/// The name in `NAME/ending`; an ending alone follows the empty name.
fn name_before<'a>(argument: &'a str, ending: &str) -> &'a str {
    let name = argument.strip_suffix(ending).unwrap_or(argument);
    name.strip_suffix('/').unwrap_or(name)
}

/// Where the client is, as the first proxy tells it, else as the connection does; empty for a Unix socket.
fn client_address(call: &Call) -> String {
    let forwarded = call.headers.get(X_FORWARDED_FOR).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = forwarded.as_deref().and_then(|addresses| addresses.split(',').next()).unwrap_or_default().trim();
    if !first.is_empty() {
        return first.to_owned();
    }
    match call.remote {
        Remote::Tcp(address) => address.ip().to_canonical().to_string(),
        Remote::Unix => String::new(),
    }
}

async fn apply(call: &Call, op: &str, query: PreparedQuery) -> Result<String, Failure> {
    let (datacenter, token) = (call.datacenter(), call.token());
    let request = PreparedQueryRequest { datacenter, op: op.to_owned(), query: Some(query), token };
    call.door.agent.call::<PreparedQueryApply>(request).await.map_err(Failure::from)
}

fn queries_reply(call: &Call, queries: &[Arc<PreparedQuery>], metadata: &Metadata) -> Answer {
    let view = List(queries, |query| QueryView::from(&**query));
    Ok(Reply::json(&view, call.pretty())?.with_metadata(metadata))
}

/// 404 for a query that is not there.
fn or_not_found(failure: Failure) -> Failure {
    if failure.text() != NOT_FOUND {
        return failure;
    }
    Failure::new(StatusCode::NOT_FOUND, NOT_FOUND).with_zero_metadata()
}

/// Reads a definition.
fn decode(body: &[u8]) -> Result<PreparedQuery, Failure> {
    json::from_slice(body, Unknown::Reject)
        .map_err(|error| Failure::bad_request(format!("Request decode failed: {}", name_types(error))))
}

/// Names types in an error as the reference does.
fn name_types(mut error: JsonError) -> JsonError {
    if let JsonError::Type { target, struct_name, path, .. } = &mut error {
        let is_target_list = path.ends_with(".Targets");
        *target = match target.as_str() {
            "a sequence" if is_target_list => "[]structs.QueryFailoverTarget".to_owned(),
            "a sequence" => "[]string".to_owned(),
            "a map" => "map[string]string".to_owned(),
            name => type_name(name).map_or_else(|| name.to_owned(), |theirs| format!("structs.{theirs}")),
        };
        if let Some(theirs) = type_name(struct_name) {
            theirs.clone_into(struct_name);
        }
    }
    error
}

/// The reference's name of a type of ours.
fn type_name(ours: &str) -> Option<&'static str> {
    match ours {
        "PreparedQuery" => Some("PreparedQuery"),
        "QueryTemplate" => Some("QueryTemplateOptions"),
        "ServiceQuery" => Some("ServiceQuery"),
        "QueryFailover" => Some("QueryFailoverOptions"),
        "QueryFailoverTarget" => Some("QueryFailoverTarget"),
        "QueryDns" => Some("QueryDNSOptions"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_that_cannot_be_read_are_refused_in_the_references_words() {
        let cases = [
            ("", "EOF"),
            ("{", "unexpected EOF"),
            ("[]", "json: cannot unmarshal array into Go value of type structs.PreparedQuery"),
            (r#"{"Name":5}"#, "json: cannot unmarshal number into Go struct field PreparedQuery.Name of type string"),
            (
                r#"{"Service":5}"#,
                "json: cannot unmarshal number into Go struct field PreparedQuery.Service of type structs.ServiceQuery",
            ),
            (
                r#"{"Service":{"Tags":"x"}}"#,
                "json: cannot unmarshal string into Go struct field ServiceQuery.Service.Tags of type []string",
            ),
            (
                r#"{"Service":{"Failover":{"Targets":[5]}}}"#,
                "json: cannot unmarshal number into Go struct field QueryFailoverOptions.Service.Failover.Targets of \
                 type structs.QueryFailoverTarget",
            ),
            (
                r#"{"Service":{"Failover":{"NearestN":"x"}}}"#,
                "json: cannot unmarshal string into Go struct field QueryFailoverOptions.Service.Failover.NearestN of \
                 type int",
            ),
            (
                r#"{"DNS":{"ttl":5}}"#,
                "json: cannot unmarshal number into Go struct field QueryDNSOptions.DNS.TTL of type string",
            ),
            (r#"{"Bogus":1}"#, "json: unknown field \"Bogus\""),
            (r#"{"Service":{"Failover":{"Targets":[{"X":1}]}}}"#, "json: unknown field \"X\""),
        ];
        for (body, why) in cases {
            let refused = decode(body.as_bytes()).err().map(|failure| failure.text().to_owned());
            assert_eq!(refused, Some(format!("Request decode failed: {why}")), "{body}");
        }
    }

    #[test]
    fn a_limit_is_a_go_integer() {
        for (text, number) in [("", 0), ("2", 2), ("+1", 1), ("-3", -3)] {
            assert_eq!(limit(text), Ok(number));
        }
        let refused =
            [("x", "invalid syntax"), ("1.5", "invalid syntax"), ("99999999999999999999", "value out of range")];
        for (text, why) in refused {
            assert_eq!(limit(text), Err(format!("strconv.Atoi: parsing \"{text}\": {why}")));
        }
    }

    #[test]
    fn a_name_may_be_empty_and_hold_slashes() {
        let cases = [("web/execute", "web"), ("a/b/execute", "a/b"), ("execute", ""), ("execute/execute", "execute")];
        for (argument, name) in cases {
            assert_eq!(name_before(argument, EXECUTE), name);
        }
    }
}
