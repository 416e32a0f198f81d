//! `/v1/query` over a real socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Response, Running};
use http_api::Settings;
use serde_json::{Value, json};

async fn start() -> Running {
    Running::ready(Settings::default()).await
}

async fn create(running: &Running, definition: Value) -> String {
    let answer = running.send("POST", "/v1/query", "", definition.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["ID"].as_str().unwrap().to_owned()
}

async fn register(running: &Running, node: &str, address: &str) {
    let body = json!({"Node": node, "Address": address, "Service": {"Service": "app", "Port": 80}});
    assert_eq!(running.put("/v1/catalog/register", body.to_string()).await.text(), "true");
}

/// Status, text, and whether metadata headers came with it.
fn told(answer: &Response) -> (u16, String, bool) {
    (answer.status, answer.text(), answer.header("x-consul-knownleader").is_some())
}

fn nodes(answer: &Response) -> Vec<String> {
    let result = answer.json();
    let nodes = result["Nodes"].as_array().unwrap().iter();
    nodes.map(|node| node["Node"]["Node"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_query_is_shown_with_every_key() {
    let running = start().await;
    let failover = json!({"Targets": [{"Peer": "p"}]});
    let service = json!({"Service": "web", "Failover": failover, "Tags": ["a"], "NodeMeta": {"k": "v"}});
    let id = create(&running, json!({"Name": "full", "Service": service, "DNS": {"TTL": "10s"}})).await;
    let answer = running.get(&format!("/v1/query/{id}")).await;
    let mode = answer.header("x-consul-effective-consistency");
    assert_eq!((answer.status, answer.header("x-consul-knownleader"), mode), (200, Some("true"), Some("leader")));
    let index = answer.index();
    let expected = json!([{
        "ID": id, "Name": "full", "Session": "", "Token": "",
        "Template": {"Type": "", "Regexp": "", "RemoveEmptyTags": false},
        "Service": {
            "Service": "web",
            "Failover": {"NearestN": 0, "Datacenters": null, "Targets": [{"Peer": "p", "Datacenter": ""}]},
            "OnlyPassing": false, "IgnoreCheckIDs": null, "Near": "", "Tags": ["a"], "NodeMeta": {"k": "v"},
            "ServiceMeta": null, "Connect": false, "Peer": ""
        },
        "DNS": {"TTL": "10s"}, "CreateIndex": index, "ModifyIndex": index
    }]);
    // As text, so that the order of the keys counts.
    assert_eq!(answer.text(), expected.to_string());
    assert_eq!(running.get("/v1/query").await.json(), expected);
    assert!(running.get("/v1/query?pretty").await.text().starts_with("[\n    {\n        \"ID\": "));
    running.stop().await;
}

#[tokio::test]
async fn writes_answer_as_the_reference_does() {
    let running = start().await;
    let id = create(&running, json!({"Name": "q", "Service": {"Service": "app"}})).await;
    let at = format!("/v1/query/{id}");
    let renamed = json!({"ID": "ignored", "Name": "r", "Service": {"Service": "app"}}).to_string();
    assert_eq!(told(&running.put(&at, &renamed).await), (200, String::new(), false));
    let head = format!("PUT {at} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    let length = renamed.len();
    let chunked = format!("{head}{length:x}\r\n{renamed}\r\n0\r\n\r\n");
    let unsized_body = common::parse(&running.raw(&chunked).await);
    let unbound = "Invalid prepared query: Must be bound to a session".to_owned();
    assert_eq!(told(&unsized_body), (500, unbound, false));
    let empty = running.send("POST", "/v1/query", "", b"").await;
    assert_eq!(told(&empty), (400, "Request decode failed: EOF".to_owned(), false));
    assert_eq!(told(&running.delete(&at).await), (200, String::new(), false));
    let gone = format!("Cannot modify non-existent prepared query: '{id}'");
    assert_eq!(told(&running.delete(&at).await), (500, gone.clone(), false));
    assert_eq!(told(&running.put(&at, &renamed).await), (500, gone, false));
    assert_eq!(told(&running.get(&at).await), (404, "Query not found".to_owned(), true));
    running.stop().await;
}

#[tokio::test]
async fn an_execution_tells_what_it_found() {
    let running = start().await;
    register(&running, "n1", "198.18.0.1").await;
    let definition = json!({"Name": "a/b", "Service": {"Service": "APP"}, "DNS": {"TTL": "9s"}});
    create(&running, definition).await;
    let answer = running.get("/v1/query/a/b/execute").await;
    assert_eq!((answer.status, answer.index()), (200, 1));
    let mut result = answer.json();
    let nodes = result["Nodes"].take();
    let expected = json!({
        "Service": "APP", "Nodes": null, "DNS": {"TTL": "9s"}, "Datacenter": "dc1", "PeerName": "", "Failovers": 0,
        "Index": 1, "LastContact": 0, "KnownLeader": true, "ConsistencyLevel": "leader", "NotModified": false,
        "Backend": 0, "ResultsFilteredByACLs": false
    });
    assert_eq!(result.to_string(), expected.to_string());
    let node = &nodes[0];
    assert_eq!(node["Node"]["Node"], "n1");
    assert!(node["Service"]["Tags"].is_null() && node["Checks"].is_null(), "{node}");
    let stale = running.get("/v1/query/a/b/execute?stale").await;
    assert_eq!(stale.json()["ConsistencyLevel"], "stale");
    let explained = running.get("/v1/query/a/b/explain").await.json();
    assert_eq!((&explained["Query"]["Name"], &explained["Index"]), (&json!("a/b"), &json!(1)));
    running.stop().await;
}

#[tokio::test]
async fn parameters_of_an_execution_are_checked() {
    let running = start().await;
    create(&running, json!({"Name": "q", "Service": {"Service": "none"}})).await;
    let cases = [
        ("q/execute?limit=x", 500, "Bad limit: strconv.Atoi: parsing \"x\": invalid syntax", false),
        ("q/explain?limit=x", 500, "Bad limit: strconv.Atoi: parsing \"x\": invalid syntax", false),
        (
            "q/execute?connect=maybe",
            500,
            "Error parsing 'connect' value: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            false,
        ),
        ("q/execute?index=abc&limit=x", 400, "Invalid index", false),
        ("q/execute?dc=dc9", 500, "No path to datacenter", true),
        ("none/execute", 404, "Query not found", true),
        ("none/explain", 404, "Query not found", true),
        ("execute", 404, "Query not found", true),
        ("", 500, "failed prepared query lookup: index error: UUID must be 36 characters", true),
    ];
    for (path, status, text, metadata) in cases {
        let answer = running.get(&format!("/v1/query/{path}")).await;
        assert_eq!(told(&answer), (status, text.to_owned(), metadata), "{path}");
    }
    for path in ["q/execute?limit=&connect=", "q/execute?limit=-3&connect=t", "q/execute?index=9999&ns=x"] {
        let answer = running.get(&format!("/v1/query/{path}")).await;
        assert_eq!((answer.status, nodes(&answer)), (200, Vec::<String>::new()), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_clients_address_is_the_first_proxys_word_or_the_connections() {
    let running = start().await;
    for n in 1..=4 {
        register(&running, &format!("n{n}"), &format!("198.18.0.{n}")).await;
    }
    register(&running, "here", "127.0.0.1").await;
    // The agent's own node has this address, too, and comes first if its name does.
    register(&running, "also", "127.0.0.1").await;
    create(&running, json!({"Name": "ip", "Service": {"Service": "app", "Near": "_ip"}})).await;
    let cases = [
        ("X-Forwarded-For: 198.18.0.3\r\n", "n3"),
        ("X-Forwarded-For: 198.18.0.2 , 198.18.0.3\r\n", "n2"),
        ("X-Forwarded-For: \r\n", "also"),
        ("", "also"),
    ];
    for (header, first) in cases {
        for _ in 0..5 {
            let answer = running.send("GET", "/v1/query/ip/execute?limit=1", header, b"").await;
            assert_eq!(nodes(&answer), [first], "{header}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_cached_execution_says_whether_a_cache_would_have_it() {
    let running = start().await;
    create(&running, json!({"Name": "q", "Service": {"Service": "none"}})).await;
    let cases = [
        ("execute?cached", "", Some("MISS"), None),
        ("execute?cached", "", Some("HIT"), Some("0")),
        ("execute?cached", "Cache-Control: max-age=0\r\n", Some("MISS"), None),
        ("execute?cached&limit=1", "", Some("MISS"), None),
        ("execute", "", None, None),
        ("explain?cached", "", None, None),
    ];
    for (path, header, cache, age) in cases {
        let answer = running.send("GET", &format!("/v1/query/q/{path}"), header, b"").await;
        assert_eq!(answer.status, 200);
        assert_eq!((answer.header("x-cache"), answer.header("age")), (cache, age), "{path} {header}");
    }
    running.stop().await;
}
