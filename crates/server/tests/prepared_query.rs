//! Prepared queries as an agent sees them: what is kept, what is refused, what an execution finds.

#![allow(clippy::expect_used)]

mod common;

use server::Server;
use state::Topic;
use types::method::{
    CatalogRegister, CoordinateUpdateOne, DatacenterRequest, PreparedQueryApply, PreparedQueryExecute,
    PreparedQueryExplain, PreparedQueryGet, PreparedQueryList, QueryExecuteReply, QueryExecuteRequest,
    QuerySpecificRequest, SessionApply,
};
use types::prepared_query::QueryFailoverTarget;
use types::{
    Coordinate, CoordinateUpdate, HealthCheck, NodeService, PreparedQuery, PreparedQueryRequest, QueryOptions,
    QuerySource, RegisterRequest, RpcError, Session, SessionOp, SessionRequest,
};

const UNKNOWN: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

async fn start() -> Server {
    common::start(common::config()).await
}

fn named(name: &str, service: &str) -> PreparedQuery {
    let mut query = PreparedQuery { name: name.to_owned(), ..PreparedQuery::default() };
    query.service.service = service.to_owned();
    query
}

async fn apply(server: &Server, op: &str, query: PreparedQuery) -> Result<String, RpcError> {
    let request = PreparedQueryRequest { op: op.to_owned(), query: Some(query), ..PreparedQueryRequest::default() };
    server.call::<PreparedQueryApply>(request).await
}

async fn create(server: &Server, query: PreparedQuery) -> String {
    apply(server, "create", query).await.expect("a query")
}

async fn refused(server: &Server, op: &str, query: PreparedQuery) -> String {
    apply(server, op, query).await.expect_err("a refusal").to_string()
}

async fn get(server: &Server, id: &str) -> Result<PreparedQuery, RpcError> {
    let request = QuerySpecificRequest { query_id: id.to_owned(), options: QueryOptions::default() };
    let found = server.call::<PreparedQueryGet>(request).await?;
    Ok(PreparedQuery::clone(&found.value[0]))
}

fn asking(name: &str) -> QueryExecuteRequest {
    QueryExecuteRequest { query_id_or_name: name.to_owned(), ..QueryExecuteRequest::default() }
}

async fn execute(server: &Server, request: QueryExecuteRequest) -> QueryExecuteReply {
    server.call::<PreparedQueryExecute>(request).await.expect("a result")
}

/// Names of the nodes an execution finds, in its order.
async fn nodes(server: &Server, request: QueryExecuteRequest) -> Vec<String> {
    execute(server, request).await.nodes.iter().map(|node| node.node.node.clone()).collect()
}

/// The same, sorted.
async fn sorted_nodes(server: &Server, name: &str) -> Vec<String> {
    let mut names = nodes(server, asking(name)).await;
    names.sort();
    names
}

async fn register(server: &Server, node: &str, address: &str, service: NodeService, checks: &[(&str, &str)]) {
    let check = |(id, status): &(&str, &str)| HealthCheck {
        check_id: (*id).to_owned(),
        name: (*id).to_owned(),
        status: (*status).to_owned(),
        service_id: service.id.clone(),
        ..HealthCheck::default()
    };
    let request = RegisterRequest {
        node: node.to_owned(),
        address: address.to_owned(),
        node_meta: [("zone".to_owned(), node.to_owned())].into(),
        checks: checks.iter().map(check).collect(),
        service: Some(service.clone()),
        ..RegisterRequest::default()
    };
    server.call::<CatalogRegister>(request).await.expect("a registration");
}

fn instance(id: &str, tags: &[&str], meta: &[(&str, &str)]) -> NodeService {
    NodeService {
        id: id.to_owned(),
        service: "app".to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        meta: meta.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..NodeService::default()
    }
}

/// Puts nodes on a line, at these distances from its start.
async fn place(server: &Server, places: &[(&str, f64, f64)]) {
    for (node, at, height) in places {
        let mut coordinate = Coordinate { height: *height, ..Coordinate::origin() };
        coordinate.vec[0] = *at;
        let (node, coord) = ((*node).to_owned(), Some(coordinate));
        let update = CoordinateUpdate { node, coord, ..CoordinateUpdate::default() };
        server.call::<CoordinateUpdateOne>(update).await.expect("an update");
    }
    for (node, _, _) in places {
        loop {
            let changed = server.store().watch(vec![Topic::node_coordinates(node)]);
            if !server.store().snapshot().node_coordinates(node).1.is_empty() {
                break;
            }
            tokio::time::timeout(common::DEADLINE, changed).await.expect("a coordinate in time");
        }
    }
}

#[tokio::test]
async fn a_query_is_kept_changed_and_forgotten() {
    let server = start().await;
    let id = create(&server, named("first", "redis")).await;
    assert_eq!(get(&server, &id).await.expect("the query").name, "first");
    let renamed = PreparedQuery { id: id.clone(), ..named("renamed", "redis2") };
    assert_eq!(apply(&server, "update", renamed).await, Ok(id.clone()));
    let changed = get(&server, &id).await.expect("the query");
    assert!(changed.name == "renamed" && changed.modify_index > changed.create_index);
    let list = server.call::<PreparedQueryList>(DatacenterRequest::default()).await.expect("a list");
    assert_eq!((list.value.len(), list.meta.index), (1, changed.modify_index));
    let gone = PreparedQuery { id: id.clone(), ..PreparedQuery::default() };
    apply(&server, "delete", gone.clone()).await.expect("a deletion");
    assert_eq!(get(&server, &id).await, Err(RpcError::other("Query not found")));
    let unknown = format!("Cannot modify non-existent prepared query: '{id}'");
    assert_eq!(refused(&server, "delete", gone).await, unknown);
    // Whether it is there is asked before what it says.
    assert_eq!(refused(&server, "update", PreparedQuery { id, ..named("x", "") }).await, unknown);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_query_is_refused_in_order() {
    let server = start().await;
    let id = create(&server, named("taken", "x")).await;
    let nearest = |nearest_n: i64, targets: usize| {
        let mut query = named("n", "x");
        query.service.failover.nearest_n = nearest_n;
        query.service.failover.targets = vec![QueryFailoverTarget::default(); targets];
        query
    };
    let hidden = PreparedQuery { token: "<hidden>".to_owned(), ..named("n", "") };
    let hidden_text = "Invalid prepared query: Bad Token '<hidden>', it looks like a query definition with a redacted \
        token was submitted";
    let of_session = |session: &str| PreparedQuery { session: session.to_owned(), ..named("n", "x") };
    let mut of_type = named("n", "x");
    of_type.template.r#type = "regex".to_owned();
    let cases = [
        (PreparedQuery { id: id.clone(), ..named("n", "x") }, "ID must be empty when creating a new prepared query"),
        (named("", "x"), "Invalid prepared query: Must be bound to a session"),
        (hidden, hidden_text),
        (named("n", ""), "Invalid prepared query: Must provide a Service name to query"),
        (nearest(-1, 1), "Invalid prepared query: Bad NearestN '-1', must be >= 0"),
        (nearest(1, 1), "Invalid prepared query: Targets cannot be populated with NearestN or Datacenters"),
        (of_session("nope"), "raft apply failed: invalid session \"nope\""),
        (named("TAKEN", "x"), "raft apply failed: name 'TAKEN' aliases an existing query name"),
        (of_type, "raft apply failed: failed compiling template: Bad Template.Type 'regex'"),
    ];
    for (query, text) in cases {
        assert_eq!(refused(&server, "create", query).await, text);
    }
    let malformed = PreparedQuery { id: "not-a-uuid".to_owned(), ..PreparedQuery::default() };
    let text = "failed prepared query lookup: index error: UUID must be 36 characters";
    assert_eq!(refused(&server, "delete", malformed).await, format!("Prepared Query lookup failed: {text}"));
    assert_eq!(get(&server, "not-a-uuid").await, Err(RpcError::other(text)));
    server.stop().await;
}

#[tokio::test]
async fn a_query_ends_with_its_session() {
    let server = start().await;
    register(&server, "n1", "198.18.0.1", instance("a1", &[], &[]), &[]).await;
    let session = Session { node: "n1".to_owned(), ..Session::default() };
    let request = SessionRequest { op: SessionOp::Create, session, ..SessionRequest::default() };
    let session_id = server.call::<SessionApply>(request).await.expect("a session");
    let bound = create(&server, PreparedQuery { session: session_id.clone(), ..named("", "app") }).await;
    assert_eq!(sorted_nodes(&server, &bound).await, ["n1"]);
    let session = Session { id: session_id, ..Session::default() };
    let request = SessionRequest { op: SessionOp::Destroy, session, ..SessionRequest::default() };
    server.call::<SessionApply>(request).await.expect("an end");
    assert_eq!(get(&server, &bound).await, Err(RpcError::other("Query not found")));
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_never_shown() {
    let server = start().await;
    let id = create(&server, PreparedQuery { token: "sekrit".to_owned(), ..named("q", "app") }).await;
    let list = server.call::<PreparedQueryList>(DatacenterRequest::default()).await.expect("a list");
    let explained = server.call::<PreparedQueryExplain>(asking("q")).await.expect("the query");
    let read = get(&server, &id).await.expect("the query");
    assert_eq!([read.token, list.value[0].token.clone(), explained.value.token], ["<hidden>"; 3]);
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_gives_no_query_is_told_why() {
    let server = start().await;
    let mut template = named("geo-", "${name.suffix}");
    template.template.r#type = "name_prefix_match".to_owned();
    let id = create(&server, template).await;
    let cases = [
        ("none", "Query not found"),
        ("", "Query not found"),
        (UNKNOWN, "Query not found"),
        (id.as_str(), "prepared query templates can only be resolved up by name, not by ID"),
    ];
    for (name, text) in cases {
        let executed = server.call::<PreparedQueryExecute>(asking(name)).await.expect_err("a refusal");
        let explained = server.call::<PreparedQueryExplain>(asking(name)).await.expect_err("a refusal");
        assert_eq!((executed.to_string().as_str(), explained.to_string().as_str()), (text, text), "{name}");
    }
    let explained = server.call::<PreparedQueryExplain>(asking("GEO-App")).await.expect("the query");
    assert_eq!((explained.value.service.service.as_str(), explained.meta.index), ("App", 1));
    server.stop().await;
}

#[tokio::test]
async fn instances_are_filtered() {
    let server = start().await;
    let gold = [("tier", "gold"), ("note", "")];
    register(&server, "f1", "198.18.0.1", instance("a1", &["primary", "V2"], &gold), &[]).await;
    register(&server, "f2", "198.18.0.2", instance("a2", &["secondary"], &[]), &[("slow", "warning")]).await;
    register(&server, "f3", "198.18.0.3", instance("a3", &["secondary", "old"], &[]), &[("dead", "critical")]).await;
    type Change = fn(&mut PreparedQuery);
    let cases: [(&str, Change, &[&str]); 12] = [
        ("any", |_| {}, &["f1", "f2"]),
        ("case", |q| q.service.service = "APP".to_owned(), &["f1", "f2"]),
        ("passing", |q| q.service.only_passing = true, &["f1"]),
        ("tags", |q| q.service.tags = vec!["PRIMARY".to_owned(), "v2".to_owned()], &["f1"]),
        ("without", |q| q.service.tags = vec!["!primary".to_owned(), "!missing".to_owned()], &["f2"]),
        ("an empty tag", |q| q.service.tags = vec![String::new()], &[]),
        ("no empty tag", |q| q.service.tags = vec!["!".to_owned()], &["f1", "f2"]),
        ("node", |q| q.service.node_meta = [("zone".to_owned(), "f2".to_owned())].into(), &["f2"]),
        ("meta", |q| q.service.service_meta = [("note".to_owned(), String::new())].into(), &["f1"]),
        ("ignored", |q| q.service.ignore_check_ids = vec!["dead".to_owned()], &["f1", "f2", "f3"]),
        ("other case", |q| q.service.ignore_check_ids = vec!["DEAD".to_owned()], &["f1", "f2"]),
        ("mesh", |q| q.service.connect = true, &[]),
    ];
    for (name, change, expected) in cases {
        let mut query = named(name, "app");
        change(&mut query);
        create(&server, query).await;
        assert_eq!(sorted_nodes(&server, name).await, expected, "{name}");
    }
    let found = execute(&server, QueryExecuteRequest { connect: true, ..asking("any") }).await;
    assert_eq!((found.nodes.len(), found.service.as_str(), found.datacenter.as_str()), (0, "app", "dc1"));
    server.stop().await;
}

#[tokio::test]
async fn instances_come_nearest_first() {
    let server = start().await;
    for (node, address) in [("g0", "198.18.0.1"), ("g1", "198.18.0.2"), ("g2", "198.18.0.3"), ("far", "198.18.0.4")] {
        register(&server, node, address, instance("a", &[], &[]), &[]).await;
    }
    // The last one is half a second behind its own uplink: it is far from itself, too.
    place(&server, &[("g0", 0.0, 0.0), ("g1", 0.01, 0.0), ("g2", 0.04, 0.0), ("far", 0.0, 0.5)]).await;
    create(&server, named("free", "app")).await;
    for near in ["g2", "_agent", "_ip"] {
        let mut query = named(near, "app");
        query.service.near = near.to_owned();
        create(&server, query).await;
    }
    let near = |node: &str| QuerySource { node: node.to_owned(), ..QuerySource::default() };
    let cases = [
        (asking("g2"), ["g2", "g1", "g0", "far"]),
        (QueryExecuteRequest { source: near("g0"), ..asking("g2") }, ["g0", "g1", "g2", "far"]),
        (QueryExecuteRequest { agent: near("g2"), ..asking("_agent") }, ["g2", "g1", "g0", "far"]),
        (QueryExecuteRequest { source_ip: "198.18.0.1".to_owned(), ..asking("_ip") }, ["g0", "g1", "g2", "far"]),
        // It trades places with the first.
        (QueryExecuteRequest { source: near("FAR"), ..asking("free") }, ["far", "g1", "g2", "g0"]),
    ];
    for (request, expected) in cases {
        let limited = QueryExecuteRequest { limit: 2, ..request.clone() };
        assert_eq!(nodes(&server, request).await, expected);
        assert_eq!(nodes(&server, limited).await, expected[..2]);
    }
    // Nobody to be near to: all instances, in any order.
    for request in [
        QueryExecuteRequest { source_ip: "192.0.2.1".to_owned(), ..asking("_ip") },
        QueryExecuteRequest { source: near("ghost"), limit: -3, ..asking("free") },
        QueryExecuteRequest { source: QuerySource { datacenter: "dc2".to_owned(), ..near("g0") }, ..asking("free") },
    ] {
        let mut names = nodes(&server, request).await;
        names.sort();
        assert_eq!(names, ["far", "g0", "g1", "g2"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn the_near_node_comes_first_even_without_coordinates() {
    let server = start().await;
    for n in 0..4 {
        register(&server, &format!("m{n}"), "198.18.0.1", instance("a", &[], &[]), &[]).await;
    }
    create(&server, named("q", "app")).await;
    let source = QuerySource { node: "m2".to_owned(), ..QuerySource::default() };
    for _ in 0..20 {
        let names = nodes(&server, QueryExecuteRequest { source: source.clone(), limit: 1, ..asking("q") }).await;
        assert_eq!(names, ["m2"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn other_places_are_tried_when_there_is_nothing_here() {
    let server = start().await;
    let target =
        |peer: &str, datacenter: &str| QueryFailoverTarget { peer: peer.to_owned(), datacenter: datacenter.to_owned() };
    let east = ("", "east");
    let home = ("dc1", "");
    let cases = [
        (vec![], "", home, 0),
        (vec![target("", "dc2"), target("", "dc1"), target("", "")], "", home, 0),
        (vec![target("p", "dc1"), target("p", "dc2")], "", home, 0),
        (vec![target("", "dc2"), target("east", ""), target("", "dc1")], "", east, 1),
        (vec![target("p", ""), target("q", ""), target("east", "")], "", east, 3),
        (vec![], "east", east, 0),
        (vec![target("", "dc1")], "east", east, 0),
    ];
    for (n, (targets, peer, place, failovers)) in cases.into_iter().enumerate() {
        let name = format!("q{n}");
        let mut query = named(&name, "none");
        query.service.failover.targets = targets;
        query.service.peer = peer.to_owned();
        let id = create(&server, query.clone()).await;
        for _ in 0..2 {
            let found = execute(&server, asking(&name)).await;
            assert_eq!((found.datacenter.as_str(), found.peer_name.as_str()), place, "{name}");
            assert_eq!((found.failovers, found.nodes.len()), (failovers, 0), "{name}");
        }
        // An execution leaves no trace in the query.
        assert_eq!(get(&server, &id).await.expect("the query").service, query.service);
    }
    let mut query = named("datacenters", "none");
    query.service.failover.nearest_n = 1;
    query.service.failover.datacenters = vec!["dc2".to_owned(), "dc1".to_owned(), String::new()];
    create(&server, query).await;
    let found = execute(&server, asking("datacenters")).await;
    assert_eq!((found.datacenter.as_str(), found.failovers, found.meta.index), ("dc1", 0, 1));
    server.stop().await;
}
