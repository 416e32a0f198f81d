//! Routes of the agent against a real agent (`docs/spec/http-api.md` §3).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{Response, Running};
use http_api::Settings;
use serde_json::{Value, json};

const CLIENT_DEFINITION: &str = r#"{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"",
    "Header":null,"Method":"","Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","UDP":"","GRPC":"",
    "OSService":"","GRPCUseTLS":false}"#;

async fn ready() -> Running {
    Running::ready(Settings::default()).await
}

fn seen(response: &Response) -> (u16, String) {
    (response.status, response.text())
}

fn unknown_service(id: &str) -> (u16, String) {
    let text = format!("Unknown service ID \"{id}\". Ensure that the service ID is passed, not the service name.");
    (404, text)
}

fn unknown_check(id: &str) -> (u16, String) {
    (404, format!("Unknown check ID \"{id}\". Ensure that the check ID is passed, not the check name."))
}

/// Sends a body that must be taken.
async fn put(running: &Running, path: &str, body: &str) {
    assert_eq!(seen(&running.put(path, body).await), (200, String::new()), "{path} {body}");
}

async fn register_service(running: &Running, body: &str) {
    put(running, "/v1/agent/service/register", body).await;
}

async fn register_check(running: &Running, body: &str) {
    put(running, "/v1/agent/check/register", body).await;
}

async fn ids_of_checks(running: &Running) -> Vec<String> {
    let Value::Object(checks) = running.get("/v1/agent/checks").await.json() else { panic!("an object") };
    let mut ids: Vec<String> = checks.keys().cloned().collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_service_is_read_as_it_was_registered() {
    let running = ready().await;
    register_service(
        &running,
        r#"{"name":"web","id":"w1","tags":["t"],"port":80,"meta":{"A":"b"},"enable_tag_override":true,
            "tagged_addresses":{"lan":{"address":"10.9.8.7","port":81}},"weights":{"passing":3,"warning":2},
            "check":{"name":"c","checkid":"web-c","ttl":"30s","deregister_critical_service_after":"90m"}}"#,
    )
    .await;
    let read = running.get("/v1/agent/service/w1").await;
    let mut body = read.json();
    let hash = body.as_object_mut().unwrap().remove("ContentHash").unwrap();
    let hash = hash.as_str().unwrap();
    assert_eq!(read.header("x-consul-contenthash"), Some(hash));
    assert!(hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{hash}");
    let expected = json!({
        "ID": "w1", "Service": "web", "Tags": ["t"], "Meta": {"A": "b"}, "Port": 80, "Address": "",
        "TaggedAddresses": {"lan": {"Address": "10.9.8.7", "Port": 81}}, "Weights": {"Passing": 3, "Warning": 2},
        "EnableTagOverride": true, "Datacenter": "dc1",
    });
    assert_eq!(body, expected);
    assert_eq!(running.get("/v1/agent/services").await.json(), json!({"w1": expected}), "the list tells no hash");
    let checks = running.get("/v1/agent/checks").await.json();
    assert_eq!((&checks["web-c"]["Type"], &checks["web-c"]["ServiceName"]), (&json!("ttl"), &json!("web")));
    running.stop().await;
}

#[tokio::test]
async fn a_proxy_shows_its_settings_and_can_be_chosen_by_them() {
    let running = ready().await;
    register_service(&running, r#"{"Name":"plain","Port":80}"#).await;
    register_service(
        &running,
        r#"{"name":"p","kind":"connect-proxy","port":22,"proxy":{"destination_service_name":"web","config":{"a_b":1},
            "mesh_gateway":{"mode":"local"},"upstreams":[{"destination_name":"db","local_bind_port":9191}]}}"#,
    )
    .await;
    let expected = json!({
        "DestinationServiceName": "web", "Config": {"a_b": 1}, "MeshGateway": {"Mode": "local"}, "Expose": {},
        "Upstreams": [
            {"DestinationType": "service", "DestinationName": "db", "LocalBindPort": 9191, "MeshGateway": {}},
        ],
    });
    assert_eq!(running.get("/v1/agent/service/p").await.json()["Proxy"], expected);
    let cases = [
        ("Proxy.Upstreams.DestinationName==db", vec!["p"]),
        ("Proxy.DestinationServiceName==%60%60", vec!["plain"]),
        ("Kind!=nothing", vec!["p", "plain"]),
    ];
    for (filter, ids) in cases {
        let Value::Object(listed) = running.get(&format!("/v1/agent/services?filter={filter}")).await.json() else {
            panic!("an object")
        };
        assert_eq!(listed.keys().collect::<Vec<_>>(), ids, "{filter}");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_in_the_known_words() {
    let running = ready().await;
    let cases = [
        ("", 400, "Request decode failed: EOF"),
        ("{}", 400, "Missing service name"),
        (
            r#"{"Name":"a","replace_existing_checks":1}"#,
            400,
            "Request decode failed: json: unknown field \"replace_existing_checks\"",
        ),
        (
            r#"{"Name":"a","Kind":"connect-proxy","Port":1,"Proxy":{"DestinationServiceName":"web",
                "Expose":{"Paths":[{"Path":"/m","LocalPathPort":80,"ListenerPort":0}]}}}"#,
            400,
            "Validation failed: 1 error occurred:\n\t* expose.paths: invalid listener port: 0\n\n",
        ),
        (
            r#"{"Name":"a","Check":{"args":["x"],"interval":"10s"}}"#,
            500,
            "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
        ),
        (
            r#"{"Name":"a","TaggedAddresses":{"lan_ipv4":{"Address":"::1"}}}"#,
            500,
            "Service tagged address \"lan_ipv4\" must be a valid ipv4 address",
        ),
    ];
    for (body, status, text) in cases {
        let answer = running.put("/v1/agent/service/register", body).await;
        assert_eq!(seen(&answer), (status, text.to_owned()), "{body}");
    }
    let sidecar = running.put("/v1/agent/service/register", r#"{"Name":"a","Connect":{"SidecarService":{}}}"#).await;
    assert_eq!(sidecar.status, 501, "{}", sidecar.text());
    assert_eq!(running.get("/v1/agent/services").await.json(), json!({}));
    for path in ["/v1/agent/service/deregister/a", "/v1/agent/service/maintenance/a?enable=true"] {
        assert_eq!(seen(&running.put(path, "").await), unknown_service("a"), "{path}");
    }
    assert_eq!(seen(&running.put("/v1/agent/service/deregister/", "").await), unknown_service(""));
    running.stop().await;
}

#[tokio::test]
async fn a_read_waits_until_the_hash_differs() {
    let running = ready().await;
    register_service(&running, r#"{"Name":"web","Port":80}"#).await;
    let first = running.get("/v1/agent/service/web").await.json();
    let hash = first["ContentHash"].as_str().unwrap().to_owned();
    let path = |wait: &str| format!("/v1/agent/service/web?hash={hash}&wait={wait}");
    assert_eq!(running.get(&path("1ms")).await.json(), first, "the wait is over");
    assert_eq!(running.get("/v1/agent/service/web?hash=other&wait=10m").await.json(), first, "another hash");
    assert_eq!(running.get("/v1/agent/service/web?hash=&wait=10m").await.json(), first, "no hash");
    let forever = path("10m");
    let change = register_service(&running, r#"{"Name":"web","Port":81}"#);
    let (changed, ()) = tokio::join!(running.get(&forever), change);
    assert_eq!(changed.json()["Port"], 81);
    let hash = changed.json()["ContentHash"].as_str().unwrap().to_owned();
    let path = format!("/v1/agent/service/web?hash={hash}&wait=10m");
    let remove = put(&running, "/v1/agent/service/deregister/web", "");
    let (gone, ()) = tokio::join!(running.get(&path), remove);
    assert_eq!(seen(&gone), (404, "unknown service ID: web".to_owned()));
    let cases = [
        ("/v1/agent/service/web?wait=x", "Invalid wait time"),
        ("/v1/agent/service/web?index=x", "Invalid index"),
        ("/v1/agent/service/web?ns=x", "Invalid query parameter: \"ns\" - Namespaces are a Consul Enterprise feature"),
    ];
    for (path, text) in cases {
        assert_eq!(seen(&running.get(path).await), (400, text.to_owned()), "{path}");
    }
    running.stop().await;
}

#[tokio::test]
async fn checks_a_request_does_not_list_go_on_demand() {
    let running = ready().await;
    let with_check = |id: &str| format!(r#"{{"Name":"web","Checks":[{{"CheckID":"{id}","TTL":"1h"}}]}}"#);
    register_service(&running, &with_check("a")).await;
    for (parameter, left) in [
        ("replace-existing-checks=false", vec!["a", "b"]),
        ("replace-existing-checks=True", vec!["a", "b"]),
        ("replace-existing-checks=true", vec!["b"]),
    ] {
        put(&running, &format!("/v1/agent/service/register?{parameter}"), &with_check("b")).await;
        assert_eq!(ids_of_checks(&running).await, left, "{parameter}");
    }
    put(&running, "/v1/agent/service/register?replace-existing-checks", &with_check("c")).await;
    assert_eq!(ids_of_checks(&running).await, ["c"]);
    running.stop().await;
}

#[tokio::test]
async fn a_ttl_check_takes_reports() {
    let running = ready().await;
    register_check(&running, r#"{"ID":"mem","Name":"memory","TTL":"1h","Notes":"n","OutputMaxSize":8}"#).await;
    let state = async || {
        let checks = running.get("/v1/agent/checks").await.json();
        let text = |member: &str| checks["mem"][member].as_str().unwrap().to_owned();
        (text("Status"), text("Output"))
    };
    assert_eq!(state().await, ("critical".to_owned(), String::new()));
    put(&running, "/v1/agent/check/pass/mem?note=all%20good", "").await;
    assert_eq!(state().await, ("passing".to_owned(), "all good".to_owned()));
    put(&running, "/v1/agent/check/warn/mem", "").await;
    assert_eq!(state().await, ("warning".to_owned(), String::new()));
    put(&running, "/v1/agent/check/fail/mem?note=dead", "").await;
    assert_eq!(state().await, ("critical".to_owned(), "dead".to_owned()));
    put(&running, "/v1/agent/check/update/mem", r#"{"status":"passing","output":"0123456789"}"#).await;
    assert_eq!(state().await, ("passing".to_owned(), "01234567 ... (captured 8 of 10 bytes)".to_owned()));
    let cases = [
        (r#"{"Status":"maybe"}"#, "Invalid check status: 'maybe'"),
        ("{}", "Invalid check status: ''"),
        ("", "Request decode failed: EOF"),
        (r#"{"Status":"passing","extra":1}"#, "Request decode failed: json: unknown field \"extra\""),
    ];
    for (body, text) in cases {
        let answer = running.put("/v1/agent/check/update/mem", body).await;
        assert_eq!(seen(&answer), (400, text.to_owned()), "{body}");
    }
    for id in ["nope", ""] {
        for verb in ["pass", "warn", "fail", "deregister"] {
            let path = format!("/v1/agent/check/{verb}/{id}");
            assert_eq!(seen(&running.put(&path, "").await), unknown_check(id), "{path}");
        }
    }
    let answer = running.put("/v1/agent/check/update/nope", r#"{"Status":"passing"}"#).await;
    assert_eq!(seen(&answer), unknown_check("nope"));
    put(&running, "/v1/agent/check/deregister/mem", "").await;
    assert_eq!(ids_of_checks(&running).await, Vec::<String>::new());
    running.stop().await;
}

#[tokio::test]
async fn checks_that_cannot_be_registered_are_refused() {
    let running = ready().await;
    let cases = [
        ("", 400, "Request decode failed: EOF"),
        (r#"{"TTL":"1s"}"#, 400, "Missing check name"),
        (r#"{"Name":"c","TTL":"10"}"#, 400, "Request decode failed: time: missing unit in duration \"10\""),
        (r#"{"Name":"c","TTL":"1s","CheckID":"c"}"#, 400, "Request decode failed: json: unknown field \"CheckID\""),
        (r#"{"Name":"c","TTL":"1s","Status":"fail"}"#, 400, "Bad check status"),
        (r#"{"Name":"c"}"#, 400, "Invalid check: TTL must be > 0 for TTL checks"),
        (r#"{"Name":"c","TTL":"1s","ServiceID":"ghost"}"#, 404, "ServiceID \"ghost\" does not exist"),
        (
            r#"{"Name":"c","Args":["true"],"Interval":"10s"}"#,
            500,
            "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true",
        ),
    ];
    for (body, status, text) in cases {
        let answer = running.put("/v1/agent/check/register", body).await;
        assert_eq!(seen(&answer), (status, text.to_owned()), "{body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_filter_of_checks_is_understood_once_there_is_a_check() {
    let running = ready().await;
    assert_eq!(running.get("/v1/agent/checks?filter=Bogus==x").await.json(), json!({}));
    let syntax = running.get("/v1/agent/checks?filter=(").await;
    assert_eq!(syntax.status, 500);
    let prefix = "Failed to create boolean expression evaluator: 1:2 (1): ";
    assert!(syntax.text().starts_with(prefix), "{}", syntax.text());
    register_check(&running, r#"{"ID":"a","Name":"a","TTL":"1h","Status":"passing"}"#).await;
    register_check(&running, r#"{"ID":"b","Name":"b","TTL":"1h"}"#).await;
    let bogus = running.get("/v1/agent/checks?filter=Bogus==x").await;
    assert_eq!(seen(&bogus), (500, "Selector \"Bogus\" is not valid".to_owned()));
    let critical = running.get("/v1/agent/checks?filter=Status==critical").await.json();
    assert_eq!(critical.as_object().unwrap().keys().collect::<Vec<_>>(), ["b"]);
    running.stop().await;
}

#[tokio::test]
async fn health_is_told_by_status_reason_and_body() {
    let running = ready().await;
    register_service(&running, r#"{"Name":"web","ID":"web1","Check":{"TTL":"1h","Status":"passing"}}"#).await;
    register_service(&running, r#"{"Name":"web","ID":"web2","Check":{"TTL":"1h","Status":"warning"}}"#).await;
    let by_id = running.get("/v1/agent/health/service/id/web1").await;
    let definition: Value = serde_json::from_str(CLIENT_DEFINITION).unwrap();
    let expected = json!({
        "AggregatedStatus": "passing",
        "Service": {
            "ID": "web1", "Service": "web", "Tags": [], "Meta": {}, "Port": 0, "Address": "",
            "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false, "Datacenter": "dc1",
        },
        "Checks": [{
            "Node": "one", "CheckID": "service:web1", "Name": "Service 'web' check", "Status": "passing", "Notes": "",
            "Output": "", "ServiceID": "web1", "ServiceName": "web", "ServiceTags": null, "Type": "", "ExposedPort": 0,
            "Definition": definition, "CreateIndex": 0, "ModifyIndex": 0,
        }],
    });
    assert_eq!((by_id.status, by_id.header("x-consul-reason")), (200, Some("passing")));
    assert_eq!(by_id.json(), expected);
    let by_name = running.get("/v1/agent/health/service/name/web").await;
    assert_eq!((by_name.status, by_name.header("x-consul-reason")), (429, Some("warning")));
    assert_eq!(by_name.json().as_array().map(Vec::len), Some(2));
    let text = |response: &Response| {
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert_eq!(response.header("x-consul-reason"), Some(response.text().as_str()));
        seen(response)
    };
    let asked = running.get("/v1/agent/health/service/id/web2?format=text").await;
    assert_eq!(text(&asked), (429, "warning".to_owned()));
    let accepted =
        running.send("GET", "/v1/agent/health/service/id/web1", "Accept: text/plain; charset=utf-8\r\n", b"").await;
    assert_eq!(text(&accepted), (200, "passing".to_owned()));
    put(&running, "/v1/agent/check/fail/service:web2", "").await;
    let critical = running.get("/v1/agent/health/service/name/web?format=text").await;
    assert_eq!(text(&critical), (503, "critical".to_owned()));
    put(&running, "/v1/agent/service/maintenance/web1?enable=true", "").await;
    let maintained = running.get("/v1/agent/health/service/id/web1?format=text").await;
    assert_eq!(text(&maintained), (503, "maintenance".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn health_of_nothing_is_not_found() {
    let running = ready().await;
    let by_id = running.get("/v1/agent/health/service/id/none").await;
    assert_eq!((by_id.status, by_id.header("x-consul-reason")), (404, Some("ServiceId none not found")));
    assert_eq!(by_id.json(), json!({"AggregatedStatus": "critical", "Service": null, "Checks": null}));
    let by_name = running.get("/v1/agent/health/service/name/none").await;
    assert_eq!((by_name.status, by_name.header("x-consul-reason")), (404, Some("ServiceName none Not Found")));
    assert_eq!(by_name.json(), json!([]));
    let text = running.get("/v1/agent/health/service/name/none?format=text").await;
    assert_eq!(seen(&text), (404, "ServiceName none Not Found".to_owned()));
    let no_id = running.get("/v1/agent/health/service/id/?ns=x").await;
    assert_eq!(seen(&no_id), (500, "Missing serviceID".to_owned()));
    assert_eq!(no_id.header("x-consul-reason"), None);
    assert_eq!(seen(&running.get("/v1/agent/health/service/name/").await), (500, "Missing service Name".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn maintenance_is_entered_once_and_left() {
    let running = ready().await;
    register_service(&running, r#"{"Name":"web"}"#).await;
    let cases = [
        ("/v1/agent/maintenance", "Missing value for enable"),
        ("/v1/agent/maintenance?enable=", "Invalid value for enable: \"\""),
        ("/v1/agent/service/maintenance/?enable=true", "Missing service ID"),
        ("/v1/agent/service/maintenance/nope", "Missing value for enable"),
        ("/v1/agent/service/maintenance/nope?enable=x", "Invalid value for enable: \"x\""),
    ];
    for (path, text) in cases {
        assert_eq!(seen(&running.put(path, "").await), (400, text.to_owned()), "{path}");
    }
    put(&running, "/v1/agent/maintenance?enable=true&reason=broken%20%3Cdisk%3E&ns=ignored", "").await;
    put(&running, "/v1/agent/maintenance?enable=1&reason=second", "").await;
    put(&running, "/v1/agent/service/maintenance/web?enable=t", "").await;
    let checks = running.get("/v1/agent/checks").await.json();
    assert_eq!(checks["_node_maintenance"]["Notes"], "broken <disk>");
    assert_eq!(checks["_service_maintenance:web"]["Status"], "critical");
    let report = running.put("/v1/agent/check/pass/_node_maintenance", "").await;
    assert_eq!(seen(&report), (500, "CheckID \"_node_maintenance\" does not have associated TTL".to_owned()));
    for _ in 0..2 {
        put(&running, "/v1/agent/maintenance?enable=false", "").await;
        put(&running, "/v1/agent/service/maintenance/web?enable=0", "").await;
    }
    assert_eq!(running.get("/v1/agent/checks").await.json(), json!({}));
    running.stop().await;
}

#[tokio::test]
async fn metrics_are_shown_as_json_and_not_to_prometheus_unless_enabled() {
    telemetry::metrics::counter("dns.stale_queries").one();
    let running = ready().await;
    for path in ["/v1/agent/metrics", "/v1/agent/metrics?format=Prometheus"] {
        let shown = running.get(path).await;
        assert_eq!((shown.status, shown.header("content-type")), (200, Some("application/json")), "{path}");
        for member in ["Gauges", "Points", "Counters", "Samples"] {
            assert!(shown.json()[member].is_array(), "{member}");
        }
    }
    let prometheus = running.get("/v1/agent/metrics?format=prometheus").await;
    assert_eq!((seen(&prometheus), prometheus.header("content-type")), ((200, String::new()), None));
    let reason = "Prometheus is not enabled since its retention time is not positive";
    assert_eq!(prometheus.header("x-consul-reason"), Some(reason));
    running.stop().await;
}

#[tokio::test]
async fn the_host_and_the_process_are_described() {
    let running = Running::ready(Settings { enable_debug: true, ..Settings::default() }).await;
    let host = running.get("/v1/agent/host").await.json();
    let members: Vec<_> = host.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["Memory", "CPU", "Host", "Disk", "CollectionTime", "Errors"]);
    let line = running.get("/debug/pprof/cmdline").await;
    assert_eq!((line.status, line.header("x-content-type-options")), (200, Some("nosniff")));
    assert!(line.text().contains("agent_routes"), "{}", line.text());
    assert_eq!(running.get("/v1/agent/version").await.status, 404);
    running.stop().await;
}
