//! Catalog and health over HTTP: what caches, subscriptions and the mesh change (`docs/spec/http-api.md` §1.7, §4, §5).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::{Response, Running};
use http_api::Settings;
use serde_json::json;

async fn ready() -> Running {
    Running::ready(Settings::default()).await
}

async fn register(running: &Running, body: serde_json::Value) {
    assert_eq!(running.put("/v1/catalog/register", body.to_string()).await.text(), "true", "{body}");
}

/// Instances on two nodes, a proxy and a native instance.
async fn with_services() -> Running {
    let running = ready().await;
    let web = |id: &str, tags: &[&str]| json!({"ID": id, "Service": "web", "Tags": tags});
    for (node, rack, id, tag, status) in
        [("b", "r1", "web2", "replica", "critical"), ("a", "r11", "web1", "Main", "passing")]
    {
        let check = json!({"Name": "up", "Status": status});
        let body = json!({"Node": node, "Address": "10.0.0.1", "NodeMeta": {"rack": rack},
            "Service": web(id, &[tag]), "Check": check});
        register(&running, body).await;
    }
    let proxy = json!({"Service": "web-proxy", "Kind": "connect-proxy", "Port": 1, "Tags": ["p"],
        "Proxy": {"DestinationServiceName": "web"}});
    register(&running, json!({"Node": "a", "SkipNodeUpdate": true, "Service": proxy})).await;
    running
}

/// `X-Cache`, and whether there is an `Age`.
fn cache(response: &Response) -> (Option<&str>, bool) {
    (response.header("x-cache"), response.header("age").is_some_and(|age| age.parse::<u64>().is_ok()))
}

fn service_ids(response: &Response) -> Vec<String> {
    let list = response.json();
    let id = |item: &serde_json::Value| match item.get("Service") {
        Some(service) => service["ID"].as_str().unwrap().to_owned(),
        None => item["ServiceID"].as_str().unwrap().to_owned(),
    };
    list.as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn cached_reads_tell_whether_they_were_made_before() {
    let running = with_services().await;
    let (miss, hit, none) = ((Some("MISS"), false), (Some("HIT"), true), (None, false));
    let cases = [
        ("/v1/catalog/datacenters?cached", miss),
        ("/v1/catalog/datacenters?cached", hit),
        ("/v1/catalog/datacenters", none),
        ("/v1/catalog/services?cached", miss),
        ("/v1/catalog/services?cached", hit),
        ("/v1/catalog/services?cached&filter=ServiceName==web", miss),
        ("/v1/catalog/service/web?cached", miss),
        ("/v1/catalog/service/web?cached&stale", hit),
        ("/v1/catalog/service/web?cached&tag=x", miss),
        ("/v1/catalog/connect/web?cached", miss),
        ("/v1/catalog/connect/web?cached", hit),
        ("/v1/health/service/web", none),
        ("/v1/health/service/web?cached", miss),
        ("/v1/health/service/WEB?cached&passing", hit),
        ("/v1/health/service/web?cached&near=_agent", miss),
        ("/v1/health/service/web?cached&near=_agent", hit),
        ("/v1/health/service/web?cached&merge-central-config", miss),
        ("/v1/health/service/other?index=1&wait=1ms", none),
        ("/v1/health/service/other?cached", hit),
        ("/v1/health/ingress/web?cached", miss),
        ("/v1/health/ingress/web?cached", hit),
        ("/v1/catalog/nodes?cached", none),
        ("/v1/health/state/any?cached", none),
        ("/v1/health/node/a?cached", none),
    ];
    for (path, expected) in cases {
        let got = running.get(path).await;
        assert_eq!((got.status, cache(&got)), (200, expected), "{path}");
    }
    let again = running.send("GET", "/v1/catalog/datacenters?cached", "Cache-Control: must-revalidate\r\n", b"").await;
    assert_eq!(cache(&again), miss);
    let followed = running.send("GET", "/v1/catalog/services?cached", "Cache-Control: max-age=0\r\n", b"").await;
    assert_eq!(cache(&followed), hit);
    running.stop().await;
}

#[tokio::test]
async fn without_a_cache_nothing_is_cached() {
    let running = Running::ready(Settings { use_cache: false, ..Settings::default() }).await;
    for path in ["/v1/catalog/services?cached", "/v1/health/service/web?cached", "/v1/catalog/datacenters?cached"] {
        let got = running.get(path).await;
        assert_eq!(cache(&got), (None, false), "{path}");
        assert_ne!(got.header("x-consul-query-backend"), Some("streaming"), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn reads_from_a_subscription_look_like_it() {
    let running = with_services().await;
    let streamed = ("streaming", "false");
    let blocking = ("blocking-query", "true");
    let cases = [
        ("/v1/health/service/web?cached", streamed, &["web1", "web2"][..]),
        ("/v1/health/service/web?index=1", streamed, &["web1", "web2"]),
        ("/v1/health/service/web?index=1&passing", streamed, &["web1"]),
        ("/v1/health/service/web?cached&tag=REPLICA", streamed, &["web2"]),
        ("/v1/health/service/web?cached&node-meta=rack:r1", streamed, &["web1", "web2"]),
        ("/v1/health/service/web?node-meta=rack:r1", blocking, &["web2"]),
        ("/v1/health/service/web?index=1&near=a", blocking, &["web1", "web2"]),
        ("/v1/health/service/web?index=1&merge-central-config", blocking, &["web1", "web2"]),
        ("/v1/health/connect/web?tag=none", blocking, &["web-proxy"]),
        ("/v1/health/connect/web?cached&tag=none", streamed, &[]),
        ("/v1/health/connect/web?index=1&tag=P", streamed, &["web-proxy"]),
        ("/v1/health/ingress/web?cached", blocking, &[]),
        ("/v1/health/service/web?peer=nobody", blocking, &[]),
    ];
    for (path, (backend, known_leader), expected) in cases {
        let got = running.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        let told = (got.header("x-consul-query-backend"), got.header("x-consul-knownleader"));
        assert_eq!(told, (Some(backend), Some(known_leader)), "{path}");
        assert_eq!(service_ids(&got), expected, "{path}");
        assert!(got.index() >= 1, "{path}");
    }
    let bad = running.get("/v1/health/service/web?cached&node-meta=bad-key:x").await;
    assert_eq!((bad.status, bad.header("x-consul-index")), (500, None));
    running.stop().await;
}

#[tokio::test]
async fn the_mesh_is_listed() {
    let running = with_services().await;
    let cases = [
        ("/v1/catalog/connect/web", &["web-proxy"][..]),
        ("/v1/catalog/connect/web?merge-central-config", &["web-proxy"]),
        ("/v1/catalog/connect/web-proxy", &[]),
        ("/v1/health/connect/web", &["web-proxy"]),
        ("/v1/health/connect/web?filter=Service.Connect.Native==true", &[]),
        ("/v1/health/ingress/web", &[]),
        ("/v1/health/ingress/web?tag=main", &["web1"]),
    ];
    for (path, expected) in cases {
        assert_eq!(service_ids(&running.get(path).await), expected, "{path}");
    }
    let merged = running.get("/v1/catalog/connect/web?merge-central-config").await.json();
    assert_eq!(merged[0]["Address"], json!("10.0.0.1"), "the node's data stays");
    let behind = running.get("/v1/catalog/gateway-services/gateway").await;
    assert_eq!((behind.status, behind.text().as_str(), behind.index()), (200, "[]", 1));
    for (path, text) in [
        ("/v1/catalog/connect/", "Missing service name"),
        ("/v1/health/connect/", "Missing service name"),
        ("/v1/health/ingress/", "Missing service name"),
        ("/v1/catalog/gateway-services/", "Missing gateway name"),
    ] {
        let got = running.get(path).await;
        assert_eq!((got.status, got.text().as_str()), (400, text), "{path}");
    }
    let filtered = running.get("/v1/catalog/services?filter=Node==b").await.json();
    assert_eq!(filtered, json!({"web": ["replica"]}));
    running.stop().await;
}

#[tokio::test]
async fn a_kept_answer_is_never_an_old_one() {
    let running = with_services().await;
    let paths = [
        "/v1/health/service/web",
        "/v1/health/service/web?passing",
        "/v1/health/service/web?pretty",
        "/v1/health/service/web?cached",
        "/v1/health/connect/web",
        "/v1/catalog/service/web",
        "/v1/catalog/services",
        "/v1/catalog/nodes",
        "/v1/health/checks/web",
        "/v1/health/state/any",
    ];
    for round in 0..3 {
        let status = ["passing", "warning", "critical"][round];
        let (tag, address) = (format!("t{round}"), format!("10.0.1.{round}"));
        let service = json!({"ID": "web1", "Service": "web", "Tags": [tag]});
        let check = json!({"CheckID": "web1", "Name": "web1", "ServiceID": "web1", "Status": status, "Output": tag});
        register(&running, json!({"Node": "a", "Address": address, "Service": service, "Check": check})).await;
        let proxy = json!({"Service": "web-proxy", "Kind": "connect-proxy", "Port": 1, "Tags": [tag],
            "Proxy": {"DestinationServiceName": "web"}});
        register(&running, json!({"Node": "a", "SkipNodeUpdate": true, "Service": proxy})).await;
        for path in paths {
            let first = running.get(path).await;
            let second = running.get(path).await;
            assert_eq!((first.index(), first.text()), (second.index(), second.text()), "{path} in round {round}");
            let seen = if path.ends_with("nodes") { &address } else { &tag };
            let gone = path.ends_with("passing") && status != "passing";
            assert_eq!(first.text().contains(seen.as_str()), !gone, "{path} in round {round}: {}", first.text());
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn all_who_wait_for_a_service_get_the_same_answer() {
    let running = Arc::new(with_services().await);
    let before = running.get("/v1/health/service/web").await.index();
    let waiters: Vec<_> = (0..50)
        .map(|_| {
            let running = running.clone();
            tokio::spawn(async move { running.get(&format!("/v1/health/service/web?index={before}&wait=20s")).await })
        })
        .collect();
    while running.agent.server().unwrap().store().watchers() < waiters.len() {
        tokio::task::yield_now().await;
    }
    let other = json!({"Node": "b", "SkipNodeUpdate": true, "Service": {"Service": "other"}});
    register(&running, other).await;
    let check = json!({"Node": "a", "SkipNodeUpdate": true, "Check": {"Name": "disk", "Status": "critical"}});
    register(&running, check).await;
    let mut answers = Vec::new();
    for waiter in waiters {
        let got = waiter.await.unwrap();
        assert!(got.index() > before && got.text().contains("disk"));
        answers.push((got.index(), got.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    Arc::into_inner(running).unwrap().stop().await;
}
